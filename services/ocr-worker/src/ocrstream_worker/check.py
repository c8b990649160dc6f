"""Which languages the configured engine reads, or what would read them.

`python -m ocrstream_worker.check` prints a `Check` as one JSON object; its exit code is 1 if there
is a problem. Settings come from the environment, as the worker's do.
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

# docTR is not tried: without its weights it reads nothing, and it takes its time to say so.
_TRIED: tuple[EngineName, ...] = ("rapidocr", "tesseract")


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """An engine that reads the languages, once these Debian packages are installed; none: now."""

    engine: EngineName
    packages: tuple[str, ...] = ()


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine says of the languages.

    `reads` says in words what it reads, if it can be known. `problem` is why it cannot be used as
    configured; `unread` names the languages that its model lacks, `proposals` what has them.
    """

    engine: EngineName
    languages: tuple[str, ...]
    reads: str | None = None
    problem: str | None = None
    unread: tuple[str, ...] = ()
    proposals: tuple[Proposal, ...] = ()


def check(settings: EngineSettings) -> Check:
    """Loads the engine, which takes seconds; nothing is read, and nobody else is asked."""
    about = Check(engine=settings.engine, languages=settings.languages)
    try:
        engine = create_engine(settings)
    except EngineUnavailableError as error:
        about = msgspec.structs.replace(about, problem=str(error), proposals=_proposals(settings))
        if isinstance(error, LanguagesUnsupportedError):
            names = tuple(language.name for language in error.languages)
            return msgspec.structs.replace(about, unread=names, reads=error.reads)
        return about
    return msgspec.structs.replace(about, reads=_reads(engine, settings))


def _reads(engine: Engine, settings: EngineSettings) -> str | None:
    if isinstance(engine, HasCharacterSet):
        return coverage(engine.characters).describe()
    if settings.engine == "noop":
        return None
    languages = {name: find_language(name) for name in settings.languages}
    return ", ".join(name if one is None else one.name for name, one in languages.items())


def _proposals(settings: EngineSettings) -> tuple[Proposal, ...]:
    """What reads these languages on this machine, now or with packages of Tesseract's."""
    languages = [one for name in settings.languages if (one := find_language(name)) is not None]
    if len(languages) < len(settings.languages):
        return ()
    found: list[Proposal] = []
    for engine in _TRIED:
        if engine != settings.engine and _starts(settings, engine):
            found.append(Proposal(engine=engine))
        elif engine == "tesseract":
            packages = dict.fromkeys(one.debian_package for one in languages)
            found.append(Proposal(engine=engine, packages=("tesseract-ocr", *packages)))
    return tuple(found)


def _starts(settings: EngineSettings, engine: EngineName) -> bool:
    try:
        create_engine(msgspec.structs.replace(settings, engine=engine, device="cpu"))
    except EngineUnavailableError:
        return False
    return True


def main() -> int:
    """The command."""
    found = check(load_settings(WorkerSettings).engine_settings)
    print(msgspec.json.encode(found).decode())  # noqa: T201
    return 0 if found.problem is None else 1


if __name__ == "__main__":
    sys.exit(main())
