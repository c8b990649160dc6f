"""Errors of child processes. Their type says where the fault lies."""


class ChildError(Exception):
    """Base of the errors of child processes."""


class ChildDiedError(ChildError):
    """The process exited or hung while it ran this job, perhaps in a batch.

    Any job of the batch may be the cause, or none. `hung`: the process gave no result in time.
    """

    def __init__(self, message: str, *, hung: bool = False) -> None:
        super().__init__(message)
        self.hung = hung


class ChildStarvedError(ChildError):
    """The process was killed because it got too little CPU; no job is at fault."""


class ChildUnavailableError(ChildError):
    """The process cannot be started.

    `permanent`: its configuration is at fault, so a retry fails the same way.
    """

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


class StartupFailedError(ChildError):
    """The child cannot start with its settings. Raised within the child alone."""
