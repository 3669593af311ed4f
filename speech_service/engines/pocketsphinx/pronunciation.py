"""How a spoken word is pronounced: the dictionary first, rules for its endings next, spelling-to-sound last."""

import unicodedata
from collections.abc import Callable

from speech_service.text.normal_form import normal_form

LookUp = Callable[[str], tuple[str, ...]]
Read = Callable[[str], str]

_KEPT = 20_000
"""Words whose pronunciation is remembered."""
_SIBILANTS = frozenset(("S", "Z", "SH", "ZH", "CH", "JH"))
_VOICELESS = frozenset(("P", "T", "K", "F", "TH"))
_LONGEST = 48
"""Letters of a word that anyone pronounces; the spelling-to-sound network reads no more."""


class Pronouncer:
    """Finds pronunciations in ARPAbet; used by one lane."""

    def __init__(self, look_up: LookUp, read: Read) -> None:
        """``look_up`` asks the dictionary, ``read`` guesses from the spelling ("" where it cannot)."""
        self._look_up = look_up
        self._read = read
        self._known: dict[str, tuple[str, ...]] = {}

    def __call__(self, word: str) -> tuple[str, ...]:
        """Pronunciations of ``word`` (lower case), phones apart by spaces; empty: nobody knows."""
        found = self._known.get(word)
        if found is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            found = self._known[word] = self._find(word)
        return found

    def _find(self, word: str) -> tuple[str, ...]:
        if len(word) > _LONGEST:
            return ()
        plain = _without_accents(word)
        for spelling in dict.fromkeys((word, plain, plain.strip("'"), plain.replace("'", ""))):
            if spelling and (found := self._look_up(spelling)):
                return found
        if plain.endswith("'s") and (stem := self._find(plain[:-2])):
            return tuple(f"{phones} {_plural(phones)}" for phones in stem)
        guess = self._read(plain.replace("'", "")) or self._read(word)
        return (guess,) if guess else ()


def _plural(phones: str) -> str:
    last = phones.rsplit(" ", 1)[-1]
    if last in _SIBILANTS:
        return "IH Z"
    return "S" if last in _VOICELESS else "Z"


def _without_accents(word: str) -> str:
    split = normal_form("NFKD", word)
    return "".join(char for char in split if not unicodedata.combining(char))
