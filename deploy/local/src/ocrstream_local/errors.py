"""The exception of the local stack."""


class StackError(Exception):
    """Ends the command; the message says what is wrong and what to do."""
