"""What counts as the same text.

Case, accents, digits and punctuation all count. Only these do not:
- how much white space there is, and any at all in Chinese and Japanese, which has none;
- the width of a character, full or half (U+FF00-FFEF), since a font's width is not the text's;
- straight or curly quotes, hyphen or short dash, which many fonts draw alike;
- marks of direction, which nobody sees; composed or decomposed accents.
"""

import re
import unicodedata

_ALIKE = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
        **dict.fromkeys("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"),
    }
)
_WIDTH_FORMS = re.compile("[\uff00-\uffef]+")


def normal(text: str, joiner: str) -> str:
    """The text as it is compared. `joiner`: what white space becomes."""
    same_width = _WIDTH_FORMS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    composed = unicodedata.normalize("NFC", same_width.translate(_ALIKE))
    return joiner.join(composed.split())
