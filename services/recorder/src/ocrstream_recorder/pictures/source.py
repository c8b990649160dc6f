"""Where images are read that are to be shown: files beneath the allowed folders."""

from enum import StrEnum

from ocrstream_runtime.local_files import AllowedFolders, UnreadableFile


class Trouble(StrEnum):
    """Why there is no picture; only UNREACHABLE may pass."""

    NOT_FOUND = "not_found"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    UNDECODABLE = "undecodable"
    UNREACHABLE = "unreachable"
    ELSEWHERE = "elsewhere"
    """It is where workers read, and the recorder does not."""


class NoPicture(Exception):
    """The image cannot be shown; the message says why."""

    def __init__(self, why: str, trouble: Trouble) -> None:
        super().__init__(why)
        self.trouble = trouble


def read_image(folders: AllowedFolders, reference: str) -> bytes:
    """The file that a `file://` reference names. Raises NoPicture. Blocks."""
    scheme = reference.partition(":")[0].lower()
    if scheme != "file":
        raise NoPicture(f"the recorder does not read {scheme}:// references", Trouble.ELSEWHERE)
    try:
        return folders.read(reference)
    except UnreadableFile as error:
        raise NoPicture(str(error), Trouble(error.trouble.value)) from error
