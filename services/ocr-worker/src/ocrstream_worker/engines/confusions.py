"""Characters that look alike, told apart by their neighbours.

A recogniser sees shapes. In old-style figures the zero is a small o and the one a small I, and some
katakana have the shape of Chinese characters.
"""

import re

# Digits and small o, in groups that figures are written in, like 2o12, o8:30 or 1.2o6,o4.
_FIGURES = re.compile(r"(?<!\w)[\do]+(?:[.,:/-][\do]+)*(?!\w)")
# An o at the end of plain digits is the sign of an ordinal number, as in 10o.
_ORDINAL = re.compile(r"\d+o")

_KATAKANA = "ァ-ヺー"
_ALIKE = str.maketrans("夕口力二工卜八一―—", "タロカニエトハーーー")
# A line that is nothing but an amount, like 1.106,04 or $11.50; its ones may be those of Rome.
_AMOUNT = re.compile(r"[€$£¥]? ?[\dIlo]+(?:[., ][\dIlo]{3})*[.,][\dIlo]{2} ?[€$£¥%]?")
_AS_DIGITS = str.maketrans("Ilo", "110")
# Between two katakana, or before one where no Chinese character precedes, it is one itself.
_AS_KATAKANA = re.compile(
    rf"(?<=[{_KATAKANA}])[夕口力二工卜八](?=[{_KATAKANA}])"
    rf"|(?<![\u3400-\u9fff{_KATAKANA}])[夕口力二工卜八](?=[{_KATAKANA}])"
    rf"|(?<=[{_KATAKANA}])[一―—]"
)
_EVENING = re.compile(rf"(?<![{_KATAKANA}])タ(?![{_KATAKANA}])")
# Alone at a word's end it is one, too, as in 入力; 三カ月 goes on.
_POWER = re.compile(rf"(?<=[\u3400-\u9fff])カ(?![\u3400-\u9fff{_KATAKANA}])")
# No word begins with 覧, but 一覧 follows many, like データ.
_LIST = re.compile(rf"(?<=[{_KATAKANA}])[ー―—](?=覧)")


def resolve_confusions(text: str) -> str:
    """A line with such characters as their neighbours have them; as long as before."""
    figures = _FIGURES.sub(_as_figures, text)
    if _AMOUNT.fullmatch(text.strip()) and sum(map(str.isdigit, text)) >= 2:
        figures = figures.translate(_AS_DIGITS)
    katakana = _AS_KATAKANA.sub(lambda found: found.group().translate(_ALIKE), figures)
    return _LIST.sub("一", _POWER.sub("力", _EVENING.sub("夕", katakana)))


def _as_figures(found: re.Match[str]) -> str:
    token = found.group()
    digits = sum(one.isdigit() for one in token)
    return token if digits < 2 or _ORDINAL.fullmatch(token) else token.replace("o", "0")
