"""Random text: common words of nine languages, with numbers, prices, dates and punctuation."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

_WORDS = Path(__file__).parent / "words"
_UNSPACED = frozenset({"ja", "zh"})
_RIGHT_TO_LEFT = frozenset({"ar", "he"})
# What may not begin a line of Chinese or Japanese.
_CLOSING = frozenset("、。\uff0c\uff01\uff1f\uff09」ー")


@cache
def words_of(language: str) -> tuple[str, ...]:
    """The language's words, as its file has them."""
    return tuple((_WORDS / f"{language}.txt").read_text(encoding="utf-8").split())


class Text:
    """An endless random text in one language. `joiner` is what parts its tokens."""

    def __init__(self, language: str, rng: np.random.Generator) -> None:
        self.language = language
        self.rng = rng
        self.unspaced = language in _UNSPACED
        self.right_to_left = language in _RIGHT_TO_LEFT
        self.joiner = "" if self.unspaced else " "
        self._words = words_of(language)

    def tokens(self) -> Iterator[str]:
        """Words and numbers with their punctuation; of unspaced writing single characters and whole
        numbers.
        """
        while True:
            yield from self._characters() if self.unspaced else self._sentence()

    def word(self) -> str:
        """One word."""
        return str(self.rng.choice(self._words))

    def phrase(self, least: int, most: int) -> list[str]:
        """Some words, the first with a capital; of unspaced writing their characters."""
        words = [self.word() for _ in range(self.rng.integers(least, most + 1))]
        if self.unspaced:
            return list("".join(words))
        return [words[0][:1].upper() + words[0][1:], *words[1:]]

    def price(self) -> str:
        """As the language writes prices."""
        whole, cents = self._number(1, 1999), self._number(0, 99)
        if self.unspaced or self.language == "ko":
            return f"{whole * 10:,}"
        mark = "." if self.language in {"en", "he", "ar"} else ","
        return f"{whole}{mark}{cents:02}"

    def number(self) -> str:
        """A number, a price, a date, a time or a share."""
        makers: tuple[Callable[[], str], ...] = (
            self.price,
            lambda: str(self._number(2, 9999)),
            lambda: f"{self._number(1, 28):02}.{self._number(1, 12):02}.{self._number(1990, 2030)}",
            lambda: f"{self._number(2000, 2030)}-{self._number(1, 12):02}-{self._number(1, 28):02}",
            lambda: f"{self._number(0, 23):02}:{self._number(0, 59):02}",
            lambda: f"{self._number(1, 99)}%",
        )
        return makers[self._number(0, len(makers) - 1)]()

    def _sentence(self) -> Iterator[str]:
        words = self.phrase(5, 12)
        previous_number = False
        for place, word in enumerate(words):
            last = place == len(words) - 1
            # Two numbers in a row would change places in writing from right to left.
            number = place > 0 and not last and not previous_number and self.rng.random() < 0.12
            previous_number = number
            token = self.number() if number else self._decorated(word, edge=last or not place)
            if last:
                token += str(self.rng.choice([".", ".", ".", "!"]))
            elif not number and self.rng.random() < 0.1 and not self.right_to_left:
                token += str(self.rng.choice([",", ",", ";", ":"]))
            yield token

    def _decorated(self, word: str, *, edge: bool) -> str:
        if edge or self.right_to_left or self.rng.random() > 0.06:
            return word
        left, right = ("()", '""', "[]")[self._number(0, 2)]
        return f"{left}{word}{right}"

    def _characters(self) -> Iterator[str]:
        for _ in range(self._number(3, 9)):
            if self.rng.random() < 0.12:
                yield self.number()
            yield from self.word()
        comma = "、" if self.language == "ja" else "\uff0c"
        yield str(self.rng.choice([comma, "。", "。"]))

    def _number(self, least: int, most: int) -> int:
        return int(self.rng.integers(least, most + 1))


def may_begin_line(token: str) -> bool:
    """Whether typesetting lets a line begin with it."""
    return token not in _CLOSING
