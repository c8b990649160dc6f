"""Errors of image files. They are permanent: the same file fails again."""


class ImageFileError(Exception):
    """Base of the errors of an image file; the message says what is wrong with it."""


class UndecodableError(ImageFileError):
    """The file is broken, or not in one of the supported formats."""


class TooManyPixelsError(ImageFileError):
    """A raster would have more pixels than allowed."""


class TooManyFramesError(ImageFileError):
    """The file has more frames than allowed."""
