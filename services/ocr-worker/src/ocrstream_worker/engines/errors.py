"""Errors of the OCR engines. Their type decides what happens to the engine's process."""

from collections.abc import Sequence
from pathlib import Path

from ocrstream_worker.engines.languages import Language


class EngineError(Exception):
    """Base of all errors of an engine."""


class EngineUnavailableError(EngineError):
    """The engine cannot start with its configuration; a retry fails the same way."""


class EngineBrokenError(EngineError):
    """The engine cannot recover, for example because its device or memory is gone."""


class LanguagesUnsupportedError(EngineUnavailableError):
    """The model lacks characters of `languages`; `supported` describes the languages it reads.

    The message names each language and the models that have its characters.
    """

    def __init__(self, message: str, languages: Sequence[Language], supported: str) -> None:
        super().__init__(message)
        self.languages = languages
        self.supported = supported


class ModelsMissingError(EngineUnavailableError):
    """Tesseract finds no files of these models in its folder."""

    def __init__(self, models: Sequence[str], folder: Path) -> None:
        super().__init__(f"Tesseract has no {', '.join(models)} in {folder}")
        self.models = models
        self.folder = folder
