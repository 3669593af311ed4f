"""Pronunciations of a lexicon in the alphabet of the model, that of misaki for American English.

It is IPA but for one letter each for diphthongs and affricates (A I O W Y, ʧ ʤ), the flap T, and stress marks that
stand before the vowel, not before the syllable.
"""

# ruff: noqa: RUF001 - phonetic letters are the data of this module

import unicodedata

from speech_service.domain.errors import InvalidOptionError
from speech_service.text.normal_form import normal_form

_VOWELS = frozenset("AIOWYæɑɔəɛɜɪʊʌiuᵊᵻɐ")
_CONSONANTS = frozenset("bdfhjklmnpstvwzðŋɡɹʃʒʤʧθT")
_STRESSES = frozenset("ˈˌ")
SYMBOLS = _VOWELS | _CONSONANTS | _STRESSES | {" "}
"""What the dictionary behind the model's training uses. Its vocabulary has more, which it has never heard."""

_IPA = (
    # Notations of one sound, longest first.
    *(
        ("͡", ""),
        ("͜", ""),
        (".", ""),
        ("ɜːɹ", "ɜɹ"),
        ("ɜːr", "ɜɹ"),
        ("ɜː", "ɜɹ"),
        ("ː", ""),
        ("ˑ", ""),
    ),
    *(("eɪ", "A"), ("ei", "A"), ("aɪ", "I"), ("ai", "I"), ("oʊ", "O"), ("əʊ", "O"), ("ou", "O")),
    *(("aʊ", "W"), ("au", "W"), ("ɔɪ", "Y"), ("ɔi", "Y"), ("tʃ", "ʧ"), ("dʒ", "ʤ")),
    *(
        ("ɚ", "əɹ"),
        ("ɝ", "ɜɹ"),
        ("ɒ", "ɑ"),
        ("e", "ɛ"),
        ("a", "ɑ"),
        ("o", "O"),
        ("r", "ɹ"),
        ("g", "ɡ"),
    ),
    *(
        ("ɫ", "l"),
        ("ʍ", "w"),
        ("ɾ", "T"),
        ("ʔ", "t"),
        ("'", "ˈ"),
        ("’", "ˈ"),
        ("ɨ", "ᵻ"),
        ("l̩", "ᵊl"),
        ("n̩", "ᵊn"),
    ),
)
_ARPABET = {
    **{"AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "W", "AY": "I", "EH": "ɛ", "ER": "ɜɹ"},
    **{"EY": "A", "IH": "ɪ", "IY": "i", "OW": "O", "OY": "Y", "UH": "ʊ", "UW": "u", "AX": "ə"},
    **{
        "B": "b",
        "CH": "ʧ",
        "D": "d",
        "DH": "ð",
        "DX": "T",
        "F": "f",
        "G": "ɡ",
        "HH": "h",
        "JH": "ʤ",
    },
    **{"K": "k", "L": "l", "M": "m", "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ"},
    **{"T": "t", "TH": "θ", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ"},
}
_ARPABET_STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}
_UNSTRESSED = {"AH": "ə", "ER": "əɹ"}


def from_ipa(pronunciation: str, option: str) -> str:
    """Phonemes of the model for a pronunciation in IPA, or in the model's own alphabet.

    Raises:
        InvalidOptionError: it is empty, or has a symbol that the model lacks.
    """
    text = normal_form("NFD", pronunciation.strip().strip("/[]"))
    for notation, symbol in _IPA:
        text = text.replace(unicodedata.normalize("NFD", notation), symbol)
    for char in text:
        if char not in SYMBOLS:
            name = unicodedata.name(char, f"U+{ord(char):04X}")
            raise InvalidOptionError(option, f"the model has no {char!r} ({name})", _listed())
    if not any(char in _VOWELS or char in _CONSONANTS for char in text):
        raise InvalidOptionError(option, "holds no sound", _listed())
    return _stress_before_vowels(text)


def from_arpabet(pronunciation: str, option: str) -> str:
    """Phonemes of the model for ARPAbet phones that are separated by spaces, with or without stress digits.

    Raises:
        InvalidOptionError: it is empty, or has a phone that ARPAbet or the model lacks.
    """
    out: list[str] = []
    for phone in pronunciation.upper().split():
        name, digit = (phone[:-1], phone[-1]) if phone[-1] in _ARPABET_STRESS else (phone, "")
        if name not in _ARPABET:
            raise InvalidOptionError(
                option, f"the model has no phone {phone!r}", ", ".join(_ARPABET)
            )
        symbol = _UNSTRESSED.get(name, _ARPABET[name]) if digit == "0" else _ARPABET[name]
        out.append(_ARPABET_STRESS.get(digit, "") + symbol)
    if not out:
        raise InvalidOptionError(option, "holds no phone", ", ".join(_ARPABET))
    return "".join(out)


def _stress_before_vowels(text: str) -> str:
    out: list[str] = []
    stress = ""
    for char in text:
        if char in _STRESSES:
            stress = char
        elif stress and char in _VOWELS:
            out += (stress, char)
            stress = ""
        else:
            out.append(char)
    return "".join(out)


def _listed() -> str:
    return " ".join(sorted(SYMBOLS - {" "}))
