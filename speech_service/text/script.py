"""Which language a text may be in, by its letters alone: for texts too short for statistics.

The shares are of written text on the web, rounded; they are priors, not measurements of this text. A script that many
languages use (Latin) says nothing, and nothing is guessed from it.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping

from speech_service.domain.translation import LanguageGuess

# First and last code point, script; ascending. Blocks, not the full Unicode property: letters that decide are in them.
_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x41, 0x5A, "Latn"), (0x61, 0x7A, "Latn"), (0xC0, 0x24F, "Latn"), (0x370, 0x3FF, "Grek"), (0x400, 0x52F, "Cyrl"),
    (0x530, 0x58F, "Armn"), (0x590, 0x5FF, "Hebr"), (0x600, 0x6FF, "Arab"), (0x700, 0x74F, "Syrc"),
    (0x750, 0x77F, "Arab"), (0x780, 0x7BF, "Thaa"), (0x900, 0x97F, "Deva"), (0x980, 0x9FF, "Beng"),
    (0xA00, 0xA7F, "Guru"), (0xA80, 0xAFF, "Gujr"), (0xB00, 0xB7F, "Orya"), (0xB80, 0xBFF, "Taml"),
    (0xC00, 0xC7F, "Telu"), (0xC80, 0xCFF, "Knda"), (0xD00, 0xD7F, "Mlym"), (0xD80, 0xDFF, "Sinh"),
    (0xE00, 0xE7F, "Thai"), (0xE80, 0xEFF, "Laoo"), (0xF00, 0xFFF, "Tibt"), (0x1000, 0x109F, "Mymr"),
    (0x10A0, 0x10FF, "Geor"), (0x1100, 0x11FF, "Hang"), (0x1200, 0x139F, "Ethi"), (0x1780, 0x17FF, "Khmr"),
    (0x1800, 0x18AF, "Mong"), (0x1E00, 0x1EFF, "Latn"), (0x1F00, 0x1FFF, "Grek"), (0x3041, 0x309F, "Kana"),
    (0x30A1, 0x30FA, "Kana"), (0x30FC, 0x30FF, "Kana"), (0x3105, 0x312F, "Bopo"), (0x3131, 0x318E, "Hang"),
    (0x31F0, 0x31FF, "Kana"), (0x3400, 0x4DBF, "Hani"), (0x4E00, 0x9FFF, "Hani"), (0xAC00, 0xD7A3, "Hang"),
    (0xF900, 0xFAFF, "Hani"), (0xFB50, 0xFDFF, "Arab"), (0xFE70, 0xFEFF, "Arab"), (0xFF21, 0xFF5A, "Latn"),
    (0xFF66, 0xFF9F, "Kana"), (0x20000, 0x323AF, "Hani"),
)  # fmt: skip
_STARTS = [first for first, _, _ in _RANGES]

_PRIORS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "Arab": (("ar", 0.65), ("fa", 0.2), ("ur", 0.1)), "Armn": (("hy", 0.99),),
    "Beng": (("bn", 0.95), ("as", 0.04)), "Bopo": (("zh", 0.99),),
    "Cyrl": (("ru", 0.75), ("uk", 0.1), ("bg", 0.05), ("sr", 0.03), ("kk", 0.02)),
    "Deva": (("hi", 0.7), ("mr", 0.15), ("ne", 0.12)), "Ethi": (("am", 0.8), ("ti", 0.15)), "Geor": (("ka", 0.98),),
    "Grek": (("el", 0.99),), "Gujr": (("gu", 0.99),), "Guru": (("pa", 0.99),),
    "Hang": (("ko", 0.99),), "Hani": (("zh", 0.75), ("ja", 0.2), ("yue", 0.04)), "Hebr": (("he", 0.95), ("yi", 0.04)),
    "Kana": (("ja", 0.99),), "Khmr": (("km", 0.99),), "Knda": (("kn", 0.98),), "Laoo": (("lo", 0.99),),
    "Mlym": (("ml", 0.99),), "Mong": (("mn", 0.9),), "Mymr": (("my", 0.95),), "Orya": (("or", 0.98),),
    "Sinh": (("si", 0.98),), "Syrc": (("syr", 0.9),), "Taml": (("ta", 0.99),), "Telu": (("te", 0.99),),
    "Thaa": (("dv", 0.99),), "Thai": (("th", 0.99),), "Tibt": (("bo", 0.85), ("dz", 0.12)),
}  # fmt: skip

# Letters that few languages of the script use. A text that has one is in one of these, in this order.
_TELLING: tuple[tuple[frozenset[str], tuple[tuple[str, float], ...]], ...] = (
    (frozenset("їєґ"), (("uk", 0.97),)),
    (frozenset("ў"), (("be", 0.9), ("uz", 0.08))),
    (frozenset("ђћ"), (("sr", 0.97),)),
    (frozenset("ѓќѕ"), (("mk", 0.97),)),
    (frozenset("љњџј"), (("sr", 0.7), ("mk", 0.28))),
    (frozenset("қғңұһә"), (("kk", 0.8), ("tt", 0.1), ("ba", 0.05))),
    (frozenset("\u0456"), (("uk", 0.75), ("be", 0.15), ("kk", 0.08))),
    (frozenset("ыэё"), (("ru", 0.92), ("be", 0.03))),
    (frozenset("ٹڈڑںے"), (("ur", 0.9), ("pnb", 0.06))),
    (frozenset("پچژگ\u06a9\u06cc"), (("fa", 0.6), ("ur", 0.2), ("ckb", 0.1))),
    (frozenset("ةأإ"), (("ar", 0.95),)),
)


def scripts(text: str) -> Counter[str]:
    """Count how many letters of each script (ISO 15924 codes; ``Kana`` is both kana) the text has; others are left
    out."""
    counts: Counter[str] = Counter()
    for char in text:
        code = ord(char)
        index = bisect_right(_STARTS, code) - 1
        if index >= 0 and code <= _RANGES[index][1] and (char.isalpha() or code > 0x2FF):
            counts[_RANGES[index][2]] += 1
    return counts


def letter_count(text: str) -> int:
    """Letters of any script; a Han character counts as one."""
    return sum(char.isalpha() for char in text)


def guess_by_script(text: str) -> tuple[LanguageGuess, ...]:
    """Languages that the text may be in, likeliest first; empty where its letters do not tell.

    Mixed text is judged by its prevailing script, and a probability is lowered by the share of the others. Han with any
    kana is Japanese.
    """
    counts = scripts(text)
    if counts["Kana"] and counts["Hani"]:
        counts["Kana"] += counts.pop("Hani")
    total = counts.total()
    if not total:
        return ()
    script, count = counts.most_common(1)[0]
    letters = frozenset(text.lower())
    prior = next((shares for telling, shares in _TELLING if telling & letters), _PRIORS.get(script))
    if prior is None or script not in _PRIORS:
        return ()
    share = count / total
    return tuple(LanguageGuess(code, round(chance * share, 4)) for code, chance in prior)
