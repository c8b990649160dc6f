"""Why a file gives no pixels, and would give none the next time either."""


class ImageFileError(Exception):
    """Base; the message says what is wrong with the file."""


class UndecodableError(ImageFileError):
    """It is no image of a format that is decoded, or a broken one."""


class TooManyPixelsError(ImageFileError):
    """A raster would be larger than is allowed."""


class TooManyFramesError(ImageFileError):
    """The file has more frames than are allowed."""
