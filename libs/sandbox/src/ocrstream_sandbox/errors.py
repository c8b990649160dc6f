"""What can go wrong with a child process. The type says who is to blame."""


class ChildError(Exception):
    """Base of what can go wrong with a child process."""


class ChildDiedError(ChildError):
    """The process ended or hung while it did this job, perhaps among others.

    It may have been any of them, or none. `hung`: it gave no answer in time.
    """

    def __init__(self, message: str, *, hung: bool = False) -> None:
        super().__init__(message)
        self.hung = hung


class ChildStarvedError(ChildError):
    """The process was ended because it got too little CPU; neither it nor a job is to blame."""


class ChildUnavailableError(ChildError):
    """The process cannot be started.

    `permanent`: not as it is configured, so that trying again does not help.
    """

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent
