"""Spelling to sound for words that no dictionary has: the network inside hibari-tts, read as data.

A character transformer of 0.65 M parameters with CTC output, Apache-2.0, trained by hibari's authors on espeak-ng's
readings. 26 MB of memory and 50 ms to load, 0.2 ms per word; loaded with the first unknown word.
"""

# ruff: noqa: RUF001 - phonetic letters are the data of this module

import json
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np

from speech_service.engines.runtimes.onnx_session import cpu_session

_ARPABET = {
    "A": "EY", "I": "AY", "O": "OW", "Q": "OW", "W": "AW", "Y": "OY", "T": "T",
    "a": "AA", "æ": "AE", "ɑ": "AA", "ɒ": "AA", "ɔ": "AO", "ə": "AH", "ᵊ": "AH", "ɐ": "AH",
    "ɛ": "EH", "ɜ": "ER", "ɪ": "IH", "ᵻ": "IH", "i": "IY", "ʊ": "UH", "u": "UW", "ʌ": "AH", "y": "IY",
    "b": "B", "d": "D", "f": "F", "h": "HH", "j": "Y", "k": "K", "l": "L", "m": "M", "n": "N",
    "p": "P", "s": "S", "t": "T", "v": "V", "w": "W", "z": "Z", "ŋ": "NG", "ð": "DH", "ɡ": "G",
    "ɹ": "R", "ʀ": "R", "ɾ": "T", "ʃ": "SH", "ʒ": "ZH", "ʤ": "JH", "ʧ": "CH", "θ": "TH",
}  # fmt: skip
"""hibari's letters for sounds (those of misaki) to ARPAbet without stress. Marks that are no sound are left out."""


class LettersToSound:
    """Reads one word at a time. May be called from any thread."""

    def __init__(self, network: Path, alphabet: Path) -> None:
        self._network = network
        self._alphabet = alphabet
        self._lock = threading.Lock()
        self._session: Any = None
        self._letters: dict[str, int] = {}
        self._sounds: list[str] = []
        self._longest = 0

    def read(self, word: str) -> str:
        """ARPAbet of ``word``, phones apart by a space; "" where its script is unknown."""
        session = self._loaded()
        if not all(char in self._letters or not char.isalpha() for char in word):
            return ""
        ids = [self._letters[char] for char in word if char in self._letters][: self._longest]
        if not ids:
            return ""
        (output,) = session.run(None, {"chars": np.asarray([ids], np.int64)})
        sounds: list[str] = []
        before = 0
        for index in cast(list[int], output[0].tolist()):  # CTC: repeats collapse, 0 is the blank
            if index not in (0, before):
                sounds.append(self._sounds[index - 1])
            before = index
        return arpabet("".join(sounds))

    def _loaded(self) -> Any:
        with self._lock:
            if self._session is not None:
                return self._session
            alphabet = cast(dict[str, Any], json.loads(self._alphabet.read_text("utf-8")))
            self._letters = {char: index + 1 for index, char in enumerate(alphabet["in"])}
            self._sounds = list(alphabet["out"])
            self._longest = int(alphabet["maxlen"])
            self._session = cpu_session(self._network.read_bytes())
            return self._session


def arpabet(sounds: str) -> str:
    """hibari's sounds as ARPAbet, phones apart by a space; a schwa before an r makes one phone."""
    phones: list[str] = []
    for sound in sounds:
        phone = _ARPABET.get(sound)
        if phone is None:
            continue
        if phone == "R" and phones and phones[-1] in ("AH", "ER") and sound == "ɹ":
            phones[-1] = "ER"
            continue
        phones.append(phone)
    return " ".join(phones)
