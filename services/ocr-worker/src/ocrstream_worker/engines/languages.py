"""The characters that each language needs.

An alphabet must be complete. The three scripts with thousands of characters need those that their
national standards call common, which Python's codecs list: level 1 of GB 2312, Big5 and JIS X 0208,
and all syllables of KS X 1001.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MISSING_ALLOWED_PERCENT = 1
_SHOWN = 12


@dataclass(frozen=True)
class Language:
    """A language: its ISO 639-1 code and the name of Tesseract's model (mostly ISO 639-2)."""

    code: str
    name: str
    script: str
    tesseract: str
    characters: frozenset[str]

    @property
    def debian_package(self) -> str:
        """The Debian package with Tesseract's model."""
        return "tesseract-ocr-" + self.tesseract.replace("_", "-")


def find_language(name: str) -> Language | None:
    """The language with this ISO 639 code, or the first one of this script."""
    return _BY_NAME.get(name.strip().lower())


def all_languages() -> tuple[Language, ...]:
    """All known languages, grouped by script."""
    return _LANGUAGES


def known_names() -> str:
    """All codes and scripts, for an error message."""
    return ", ".join([*(language.code for language in _LANGUAGES), *_SCRIPTS])


def split_names(names: str) -> tuple[str, ...]:
    """Splits a comma-separated list of names; removes duplicates and keeps the order."""
    return tuple(dict.fromkeys(part.strip().lower() for part in names.split(",") if part.strip()))


def missing_characters(characters: Iterable[str], languages: Sequence[Language]) -> dict[str, str]:
    """The languages' characters that a model lacks, by language code.

    It lists a language if more than one in a hundred of its characters is missing; of an alphabet,
    that is one letter.
    """
    known = frozenset(characters)
    missing = {one.code: one.characters - known for one in languages}
    return {
        one.code: _shown(missing[one.code])
        for one in languages
        if 100 * len(missing[one.code]) > _MISSING_ALLOWED_PERCENT * len(one.characters)
    }


def _shown(missing: frozenset[str]) -> str:
    few = "".join(sorted(missing)[:_SHOWN])
    return f"{len(missing)} characters, like {few}" if len(missing) > _SHOWN else few


def _both_cases(letters: str) -> frozenset[str]:
    upper = {letter.upper() for letter in letters}
    return frozenset(letters) | {letter for letter in upper if len(letter) == 1}


def _rows(codec: str, first: int, last: int) -> frozenset[str]:
    """The characters in rows of a 94 by 94 character set, in its EUC form."""
    cells = (
        bytes((row + 0xA0, cell)) for row in range(first, last + 1) for cell in range(161, 255)
    )
    return frozenset("".join(cell.decode(codec, "ignore") for cell in cells))


def _big5_level_1() -> frozenset[str]:
    trails = [*range(0x40, 0x7F), *range(0xA1, 0xFF)]
    cells = (bytes((lead, trail)) for lead in range(0xA4, 0xC7) for trail in trails)
    return frozenset(
        "".join(cell.decode("big5", "ignore") for cell in cells if cell <= b"\xc6\x7e")
    )


def _block(first: int, last: int) -> frozenset[str]:
    """Letters and vowel signs of a Unicode range, without those that only old texts use."""
    characters = (chr(code) for code in range(first, last + 1))
    return frozenset(
        one
        for one in characters
        if unicodedata.category(one) in {"Ll", "Lo", "Mn", "Mc"}
        and not {"VOCALIC", "CANDRA", "SHORT"} & set(unicodedata.name(one).split())
    )


_BASIC = "abcdefghijklmnopqrstuvwxyz"
_VIETNAMESE = "đ" + "".join(
    unicodedata.normalize("NFC", vowel + tone)
    for vowel in "aăâeêioôơuưy"
    for tone in ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
)
# The letters beyond a to z.
_LATIN = (
    ("en", "English", "eng", ""),
    ("af", "Afrikaans", "afr", "êëéèîïôöû"),
    ("az", "Azerbaijani", "aze", "çəğıöşüİ"),
    ("bs", "Bosnian", "bos", "čćđšž"),
    ("ca", "Catalan", "cat", "àçèéíïòóúü"),
    ("cs", "Czech", "ces", "áčďéěíňóřšťúůýž"),
    ("cy", "Welsh", "cym", "âêîôûŵŷ"),
    ("da", "Danish", "dan", "æøå"),
    ("de", "German", "deu", "äöüß"),
    ("eo", "Esperanto", "epo", "ĉĝĥĵŝŭ"),
    ("es", "Spanish", "spa", "áéíñóúü¿¡"),
    ("et", "Estonian", "est", "äõöüšž"),
    ("eu", "Basque", "eus", "ñç"),
    ("fi", "Finnish", "fin", "äöå"),
    ("fr", "French", "fra", "àâæçéèêëîïôœùûüÿ"),
    ("ga", "Irish", "gle", "áéíóú"),
    ("gl", "Galician", "glg", "áéíñóúü"),
    ("hr", "Croatian", "hrv", "čćđšž"),
    ("hu", "Hungarian", "hun", "áéíóöőúüű"),
    ("id", "Indonesian", "ind", ""),
    ("is", "Icelandic", "isl", "áðéíóúýþæö"),
    ("it", "Italian", "ita", "àèéìòù"),
    ("la", "Latin", "lat", ""),
    ("lt", "Lithuanian", "lit", "ąčęėįšųūž"),
    ("lv", "Latvian", "lav", "āčēģīķļņšūž"),
    ("ms", "Malay", "msa", ""),
    ("mt", "Maltese", "mlt", "àċèġħìòùż"),
    ("nl", "Dutch", "nld", "éëïóöü"),
    ("no", "Norwegian", "nor", "æøå"),
    ("pl", "Polish", "pol", "ąćęłńóśźż"),
    ("pt", "Portuguese", "por", "áâãàçéêíóôõú"),
    ("ro", "Romanian", "ron", "ăâîșț"),
    ("sk", "Slovak", "slk", "áäčďéíĺľňóôŕšťúýž"),
    ("sl", "Slovenian", "slv", "čšž"),
    ("sq", "Albanian", "sqi", "çë"),
    ("sv", "Swedish", "swe", "åäö"),
    ("sw", "Swahili", "swa", ""),
    ("tr", "Turkish", "tur", "çğıöşüİ"),
    ("vi", "Vietnamese", "vie", _VIETNAMESE),
)
_RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
_SERBIAN = "абвгдђежзијклљмнњопрстћуфхцчџш"
_CASED = (
    ("ru", "Russian", "cyrillic", "rus", _RUSSIAN),
    ("be", "Belarusian", "cyrillic", "bel", "абвгдеёжзійклмнопрстуўфхцчшыьэюя"),
    ("bg", "Bulgarian", "cyrillic", "bul", "абвгдежзийклмнопрстуфхцчшщъьюя"),
    ("kk", "Kazakh", "cyrillic", "kaz", _RUSSIAN + "әғқңөұүһі"),
    ("mk", "Macedonian", "cyrillic", "mkd", "абвгдѓежзѕијклљмнњопрстќуфхцчџш"),
    ("mn", "Mongolian", "cyrillic", "mon", _RUSSIAN + "өү"),
    ("sr", "Serbian", "cyrillic", "srp", _SERBIAN),
    ("uk", "Ukrainian", "cyrillic", "ukr", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя"),
    ("el", "Greek", "greek", "ell", "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋΐΰ"),
)
_ARABIC = frozenset("ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي")
_UNCASED = (
    ("ar", "Arabic", "arabic", "ara", _ARABIC),
    ("bn", "Bengali", "bengali", "ben", _block(0x0985, 0x09CD)),
    ("fa", "Persian", "arabic", "fas", _ARABIC - frozenset("ةىيك") | frozenset("پچژکگی")),
    ("he", "Hebrew", "hebrew", "heb", frozenset("אבגדהוזחטיךכלםמןנסעףפץצקרשת")),
    ("hi", "Hindi", "devanagari", "hin", _block(0x0905, 0x094D)),
    ("ka", "Georgian", "georgian", "kat", _block(0x10D0, 0x10F0)),
    ("ko", "Korean", "hangul", "kor", _rows("euc_kr", 16, 40)),
    ("ja", "Japanese", "kana", "jpn", _rows("euc_jp", 4, 5) | _rows("euc_jp", 16, 47)),
    ("ta", "Tamil", "tamil", "tam", _block(0x0B85, 0x0BCD)),
    ("te", "Telugu", "telugu", "tel", _block(0x0C05, 0x0C4D)),
    ("th", "Thai", "thai", "tha", _block(0x0E01, 0x0E4C)),
    ("zh", "Chinese", "han", "chi_sim", _rows("gb2312", 16, 55)),
    ("zh-hant", "Chinese (traditional)", "han", "chi_tra", _big5_level_1()),
)
_LANGUAGES = (
    *(
        Language(code, name, "latin", tesseract, _both_cases(_BASIC + letters))
        for code, name, tesseract, letters in _LATIN
    ),
    *(
        Language(code, name, script, tesseract, _both_cases(letters))
        for code, name, script, tesseract, letters in _CASED
    ),
    *(Language(*row) for row in _UNCASED),
)
# A script's name means its first language.
_SCRIPTS = {one.script: one for one in reversed(_LANGUAGES)}
_BY_NAME = {
    **_SCRIPTS,
    **{one.tesseract: one for one in _LANGUAGES},
    **{one.code: one for one in _LANGUAGES},
}
