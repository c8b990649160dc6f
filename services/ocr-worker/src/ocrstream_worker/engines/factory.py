"""Creates the configured engine. Each engine is an optional extra, so it is imported on demand."""

from ocrstream_worker.engines.errors import EngineUnavailableError
from ocrstream_worker.engines.port import Engine, EngineSettings


def create_engine(settings: EngineSettings) -> Engine:
    """Creates the engine; does not warm it up.

    Raises EngineUnavailableError if a package is not installed, or if it cannot read the languages.
    """
    try:
        match settings.engine:
            case "rapidocr":
                from ocrstream_worker.engines.rapidocr import RapidOcrEngine  # noqa: PLC0415

                return RapidOcrEngine(settings)
            case "tesseract":
                from ocrstream_worker.engines.tesseract import TesseractEngine  # noqa: PLC0415

                return TesseractEngine(settings)
            case "doctr":
                from ocrstream_worker.engines.doctr import DoctrEngine  # noqa: PLC0415

                return DoctrEngine(settings)
            case "noop":
                from ocrstream_worker.engines.noop import NoopEngine  # noqa: PLC0415

                return NoopEngine(settings)
    except ImportError as error:
        raise EngineUnavailableError(
            f"the engine {settings.engine!r} needs packages that are not installed ({error})."
            f" Install them with: pip install 'ocrstream-worker[{settings.engine}]'"
        ) from error
