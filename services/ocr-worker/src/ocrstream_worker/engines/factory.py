"""Makes the configured engine. Engines are imported only when asked for: each is an extra."""

from ocrstream_worker.engines.port import Engine, EngineSettings, EngineUnavailable

_PACKAGES = {"rapidocr": "rapidocr", "doctr": "python-doctr[torch]"}


def create_engine(settings: EngineSettings) -> Engine:
    """The engine, not yet warm. Raises EngineUnavailable if its packages are not installed."""
    try:
        match settings.engine:
            case "rapidocr":
                from ocrstream_worker.engines.rapidocr import RapidOcrEngine  # noqa: PLC0415

                return RapidOcrEngine(settings)
            case "doctr":
                from ocrstream_worker.engines.doctr import DoctrEngine  # noqa: PLC0415

                return DoctrEngine(settings)
            case "noop":
                from ocrstream_worker.engines.noop import NoopEngine  # noqa: PLC0415

                return NoopEngine(settings)
    except ImportError as error:
        raise EngineUnavailable(
            f"the engine {settings.engine!r} needs {_PACKAGES.get(settings.engine)}, which is not"
            f" installed ({error}). Install it with:"
            f" pip install 'ocrstream-worker[{settings.engine}]'"
        ) from error
