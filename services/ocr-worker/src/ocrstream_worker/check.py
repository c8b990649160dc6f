"""Checks whether the configured engine reads the languages, and proposes engines that do.

`python -m ocrstream_worker.check` prints a `LanguageCheck` as one JSON object. Its exit code is 1
if there is a problem. Settings come from the environment, as the worker's do.
"""

import sys

import msgspec

from ocrstream_runtime.settings import load_settings
from ocrstream_worker.engines.coverage import HasCharacterSet, coverage
from ocrstream_worker.engines.errors import EngineUnavailableError, LanguagesUnsupportedError
from ocrstream_worker.engines.factory import create_engine
from ocrstream_worker.engines.languages import find_language
from ocrstream_worker.engines.port import Engine, EngineName, EngineSettings
from ocrstream_worker.settings import WorkerSettings

# docTR is left out: without its weights it reads nothing, and it takes long to fail.
_CANDIDATES: tuple[EngineName, ...] = ("rapidocr", "tesseract")


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """An engine that reads the languages once these Debian packages are installed."""

    engine: EngineName
    packages: tuple[str, ...] = ()


class LanguageCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The result of the check.

    `reads` describes the languages that the engine reads, if they are known. `problem` says why the
    engine cannot run as configured. `unread` names the languages that its model lacks, and
    `proposals` the engines that read them.
    """

    engine: EngineName
    languages: tuple[str, ...]
    reads: str | None = None
    problem: str | None = None
    unread: tuple[str, ...] = ()
    proposals: tuple[Proposal, ...] = ()


def check(settings: EngineSettings) -> LanguageCheck:
    """Loads the engine, which takes seconds; reads no image and uses no network."""
    result = LanguageCheck(engine=settings.engine, languages=settings.languages)
    try:
        engine = create_engine(settings)
    except EngineUnavailableError as error:
        result = msgspec.structs.replace(
            result, problem=str(error), proposals=_propose_engines(settings)
        )
        if isinstance(error, LanguagesUnsupportedError):
            names = tuple(language.name for language in error.languages)
            return msgspec.structs.replace(result, unread=names, reads=error.supported)
        return result
    return msgspec.structs.replace(result, reads=_supported_languages(engine, settings))


def _supported_languages(engine: Engine, settings: EngineSettings) -> str | None:
    if isinstance(engine, HasCharacterSet):
        return coverage(engine.characters).describe()
    if settings.engine == "noop":
        return None
    languages = {name: find_language(name) for name in settings.languages}
    return ", ".join(name if one is None else one.name for name, one in languages.items())


def _propose_engines(settings: EngineSettings) -> tuple[Proposal, ...]:
    """The engines that read these languages here, now or with Tesseract's packages."""
    languages = [one for name in settings.languages if (one := find_language(name)) is not None]
    if len(languages) < len(settings.languages):
        return ()
    found: list[Proposal] = []
    for engine in _CANDIDATES:
        if engine != settings.engine and _can_start(settings, engine):
            found.append(Proposal(engine=engine))
        elif engine == "tesseract":
            packages = dict.fromkeys(one.debian_package for one in languages)
            found.append(Proposal(engine=engine, packages=("tesseract-ocr", *packages)))
    return tuple(found)


def _can_start(settings: EngineSettings, engine: EngineName) -> bool:
    try:
        create_engine(msgspec.structs.replace(settings, engine=engine, device="cpu"))
    except EngineUnavailableError:
        return False
    return True


def main() -> int:
    """Runs the command; returns its exit code."""
    result = check(load_settings(WorkerSettings).engine_settings)
    print(msgspec.json.encode(result).decode())  # noqa: T201
    return 0 if result.problem is None else 1


if __name__ == "__main__":
    sys.exit(main())
