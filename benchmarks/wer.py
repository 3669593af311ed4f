"""Word error rate, with one normaliser for references and hypotheses alike.

Normalisation: Unicode NFKC, lower case, hyphens and dashes become spaces, every other character that is neither a
letter, a digit nor an apostrophe becomes a space; typographic apostrophes become ``'``, and one at the edge of a word
(a quotation mark) is dropped. "don't" stays one word. Spelling variants and numbers are not unified: they count as
errors for every engine.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'", "\u00b4": "'"})
_NOT_A_WORD = re.compile(r"[^\w']|_")


def normalise(text: str) -> list[str]:
    """The words that are compared."""
    plain = text.translate(_APOSTROPHES)  # first: NFKC would split the acute accent
    plain = unicodedata.normalize("NFKC", plain).lower()
    words = (word.strip("'") for word in _NOT_A_WORD.sub(" ", plain).split())
    return [word for word in words if word]


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Edits that turn the reference into the hypothesis."""

    words: int = 0
    """In the reference."""
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        """All edits."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per reference word; of an empty reference: 0, or 1 if anything was heard."""
        return self.errors / self.words if self.words else float(self.errors > 0)

    def __add__(self, other: "WordErrors") -> "WordErrors":
        return WordErrors(
            self.words + other.words,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> WordErrors:
    """The cheapest edits (Levenshtein); among equals, substitutions come first."""
    # One row per reference word; a cell is (errors, substitutions, deletions, insertions).
    row = [(j, 0, 0, j) for j in range(len(hypothesis) + 1)]
    for i, expected in enumerate(reference, start=1):
        above, row = row, [(i, 0, i, 0)]
        for j, heard in enumerate(hypothesis, start=1):
            if expected == heard:
                row.append(above[j - 1])
                continue
            diagonal, up, left = above[j - 1], above[j], row[j - 1]
            row.append(
                min(
                    (diagonal[0] + 1, diagonal[1] + 1, diagonal[2], diagonal[3]),
                    (up[0] + 1, up[1], up[2] + 1, up[3]),
                    (left[0] + 1, left[1], left[2], left[3] + 1),
                    key=lambda cell: cell[0],
                )
            )
    _, substitutions, deletions, insertions = row[-1]
    return WordErrors(len(reference), substitutions, deletions, insertions)


def word_errors(reference: str, hypothesis: str) -> WordErrors:
    """Errors of one text."""
    return align(normalise(reference), normalise(hypothesis))


def corpus_errors(pairs: Iterable[tuple[str, str]]) -> WordErrors:
    """Errors of many (reference, hypothesis) pairs: all errors over all words, so long texts weigh more."""
    return sum((word_errors(*pair) for pair in pairs), WordErrors())
