"""RapidOCR's models: those in its wheel, and those that it lists for other scripts."""

from pathlib import Path
from typing import Any

import rapidocr
from omegaconf import OmegaConf

from ocrstream_worker.engines.errors import EngineUnavailableError
from ocrstream_worker.engines.languages import Language
from ocrstream_worker.engines.model_files import ModelFile

_PACKAGE = Path(rapidocr.__file__).parent
_VERSION = "PP-OCRv5"
# Without Arabic: its recogniser returns the letters in visual order.
_BY_SCRIPT = {
    "cyrillic": "cyrillic_PP-OCRv5_rec_mobile",
    "devanagari": "devanagari_PP-OCRv5_rec_mobile",
    "greek": "el_PP-OCRv5_rec_mobile",
    "hangul": "korean_PP-OCRv5_rec_mobile",
    "latin": "latin_PP-OCRv5_rec_mobile",
    "tamil": "ta_PP-OCRv5_rec_mobile",
    "telugu": "te_PP-OCRv5_rec_mobile",
    "thai": "th_PP-OCRv5_rec_mobile",
}
_EAST_SLAVIC = {"be", "ru", "uk"}


def bundled(name: str) -> Path:
    """The path of a model in the wheel. Raises EngineUnavailableError if it is missing."""
    path = _PACKAGE / "models" / name
    # Without a path RapidOCR would check the file itself, and perhaps download it.
    if not path.is_file():
        raise EngineUnavailableError(
            f"{path} is missing: this version of rapidocr carries other models;"
            " the versions known to work are 3.10.x"
        )
    return path


def listed_recognizer(language: Language) -> ModelFile | None:
    """The recogniser for the language's script in RapidOCR's own list, with its SHA-256."""
    key = _BY_SCRIPT.get(language.script)
    if language.code in _EAST_SLAVIC:
        key = "eslav_PP-OCRv5_rec_mobile"
    if key is None:
        return None
    listed: Any = OmegaConf.load(_PACKAGE / "default_models.yaml")
    entry = listed.onnxruntime[_VERSION].rec[key]
    return ModelFile(Path(entry.model_dir).name, entry.model_dir, entry.SHA256)
