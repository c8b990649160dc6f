"""Resolves confusable characters by their neighbours.

A recogniser sees shapes only. In old-style figures the zero looks like a small o and the one like a
small I, and some katakana look like Chinese characters.
"""

import re

# Digits and small o in groups, as numbers are written, like 2o12, o8:30 or 1.2o6,o4.
_FIGURES = re.compile(r"(?<!\w)[\do]+(?:[.,:/-][\do]+)*(?!\w)")
# An o after plain digits marks an ordinal number, as in 10o.
_ORDINAL = re.compile(r"\d+o")

_KATAKANA = "ァ-ヺー"
_LOOKALIKES = str.maketrans("夕口力二工卜八一―—", "タロカニエトハーーー")
# A line that is only an amount, like 1.106,04 or $11.50; its ones may be read as I or l.
_AMOUNT = re.compile(r"[€$£¥]? ?[\dIlo]+(?:[., ][\dIlo]{3})*[.,][\dIlo]{2} ?[€$£¥%]?")
_AS_DIGITS = str.maketrans("Ilo", "110")
# Katakana: between two katakana, or before one and not after a Chinese character.
_AS_KATAKANA = re.compile(
    rf"(?<=[{_KATAKANA}])[夕口力二工卜八](?=[{_KATAKANA}])"
    rf"|(?<![\u3400-\u9fff{_KATAKANA}])[夕口力二工卜八](?=[{_KATAKANA}])"
    rf"|(?<=[{_KATAKANA}])[一―—]"
)
_EVENING = re.compile(rf"(?<![{_KATAKANA}])タ(?![{_KATAKANA}])")
# A Chinese character too at a word's end, as in 入力, but not in 三カ月.
_POWER = re.compile(rf"(?<=[\u3400-\u9fff])カ(?![\u3400-\u9fff{_KATAKANA}])")
# No word begins with 覧, but 一覧 often follows katakana, as in データ一覧.
_LIST = re.compile(rf"(?<=[{_KATAKANA}])[ー―—](?=覧)")


def resolve_confusions(text: str) -> str:
    """Replaces confusable characters in a line by what their neighbours suggest.

    The line keeps its length.
    """
    figures = _FIGURES.sub(_as_figures, text)
    if _AMOUNT.fullmatch(text.strip()) and sum(map(str.isdigit, text)) >= 2:
        figures = figures.translate(_AS_DIGITS)
    katakana = _AS_KATAKANA.sub(lambda found: found.group().translate(_LOOKALIKES), figures)
    return _LIST.sub("一", _POWER.sub("力", _EVENING.sub("夕", katakana)))


def _as_figures(found: re.Match[str]) -> str:
    token = found.group()
    digits = sum(one.isdigit() for one in token)
    return token if digits < 2 or _ORDINAL.fullmatch(token) else token.replace("o", "0")
