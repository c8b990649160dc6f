"""What the tool says when it cannot go on."""


class StackError(Exception):
    """Ends the command; the message says what is wrong and what to do."""
