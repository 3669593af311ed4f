"""Writes English out as it is said: "The answer is no. 5'4\\" costs €3,50" in words alone.

For models that read words well and writing badly. hibari 0.2.1 brings rules of its own; they read "no." as "number"
wherever it stands, drop leading zeros, and know no fraction above ten, no European amount and no exponent. None of
them is used: every sign and every digit is written out here, and what is also a word is read as one unless its
neighbours say otherwise. A model that reads writing itself, as Qwen3-TTS does, gets the text as it is.

Number words are num2words'. As a whole, kept normalisers read fewer of our pairs right than these rules
(docs/performance.md has the figures).

Rules run in order: what holds dots and slashes of its own comes before what reads them as marks, codes before dates,
dates before numbers.
"""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re
import unicodedata

from speech_service.text.clean import clean
from speech_service.text.english.abbreviations import ABBREVIATIONS
from speech_service.text.english.addresses import ADDRESSES, VERSIONS
from speech_service.text.english.calendar.dates import DATES, YEARS
from speech_service.text.english.calendar.minutes import MINUTES
from speech_service.text.english.calendar.times import FOUR_DIGITS, TIMES
from speech_service.text.english.casual import CASUAL, PICTURES
from speech_service.text.english.codes import CODES, MIXED
from speech_service.text.english.currency import CURRENCY
from speech_service.text.english.fractions import FILES, MARKS
from speech_service.text.english.grouping import GROUPED
from speech_service.text.english.kitchen import KITCHEN
from speech_service.text.english.markers import MARKERS, OPERATORS
from speech_service.text.english.notation import MUSIC, NOTATION, SECTIONS
from speech_service.text.english.number_words import number, spelled
from speech_service.text.english.numerals import NUMERALS
from speech_service.text.english.quantities import NUMBERS, QUANTITIES
from speech_service.text.english.rules import Rule, rule
from speech_service.text.english.shorthand import SHORTHAND
from speech_service.text.traced import Traced


def normalize(text: str, language: str = "en") -> str:
    """Give ``text`` as :func:`spoken` writes it, without where it comes from."""
    return spoken(text, language).text


def spoken(text: str, language: str = "en") -> Traced:
    """Give what is said for ``text``: cleaned, and English written out in words.

    Args:
        text: a piece as of ``sentences.py``, or any text; the time taken grows with its length.
        language: BCP-47 code of the text; of another language only what cannot be spoken is taken out.
    """
    traced = Traced(text)
    rules = _RULES if language.split("-")[0].lower() == "en" else (*_CLEAN, *_SPACES)
    for pattern, replacement in rules:
        traced.sub(pattern, replacement)
    return traced


def _plain(match: re.Match[str]) -> str:
    """Full-width letters, digits of any script and ligatures as plain ones; the apostrophe that is a quote."""
    return "".join(map(_plain_character, match.group()))


def _plain_character(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    if "\uff01" <= char <= "\uff5e":
        return chr(ord(char) - 0xFEE0)
    kind = unicodedata.category(char)
    if kind == "No" and char not in _KEPT_NUMBERS:
        return f" {unicodedata.normalize('NFKC', char)} "
    # The one letter whose lower case is two characters, which hibari's tokenizer fails on.
    return _SAME.get(char, char)


_KEPT_NUMBERS = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒")
_SAME = {
    "\u0130": "I",
    "‐": "-",
    "‑": "-",
    "‒": "-",
    "―": "—",
    "ﬁ": "fi",
    "ﬂ": "fl",
    "´": "'",
    "‵": "'",
}
_MARKS = {
    **{
        "≥": "greater than or equal to",
        "≤": "less than or equal to",
        "≠": "not equal to",
        "≈": "approximately",
    },
    **{
        "±": "plus or minus",
        "×": "times",
        "÷": "divided by",
        "−": "minus",
        "√": "square root of",
        "∛": "cube root of",
        "∞": "infinity",
    },
    **{
        "∑": "sum",
        "∆": "delta",
        "π": "pi",
        "⁄": "over",
        "→": "to",
        "⇒": "implies",
        "←": "from",
        "↔": "to and from",
        "№": "number",
    },
    **{
        "°": "degrees",
        "µ": "micro",
        "¢": "cents",
        "§": "section",
        "¶": "paragraph",
        "©": "copyright",
        "†": "",
    },
    **{
        "®": "",
        "™": "",
        "•": ",",
        "·": ",",
        "‰": "per mille",
        "¥": "yen",
        "€": "euro",
        "£": "pound",
        "$": "dollar",
    },
    **{
        "∈": "in",
        "∀": "for all",
        "∃": "there exists",
        "∧": "and",
        "∨": "or",
        "¬": "not",
        "∴": "therefore",
    },
    **{
        "α": "alpha",
        "β": "beta",
        "γ": "gamma",
        "δ": "delta",
        "λ": "lambda",
        "θ": "theta",
        "σ": "sigma",
        "ω": "omega",
    },
    **{"ε": "epsilon", "ζ": "zeta", "η": "eta", "ι": "iota", "κ": "kappa", "ν": "nu", "ξ": "xi"},
    **{"ρ": "rho", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "Φ": "phi"},
    **{"Γ": "gamma", "Λ": "lambda", "Π": "pi", "Ψ": "psi", "Θ": "theta", "ϕ": "phi"},
    **{"Ω": "omega", "Δ": "delta", "Σ": "sigma", "μ": "mu", "‡": "", "‖": ""},
    **{
        "∂": "partial",
        "∫": "integral of",
        "∇": "nabla",
        "∅": "the empty set",
        "∝": "proportional to",
    },
    **{"∪": "union", "∩": "intersection", "⊂": "subset of", "≡": "is equivalent to", "∼": "about"},
    **{
        "&": "and",
        "@": "at",
        "+": "plus",
        "=": "equals",
        "<": "less than",
        ">": "greater than",
        "%": "percent",
    },
    **{
        "*": "times",
        "^": "to the power of",
        "~": "about",
        "#": "number",
        "|": ",",
        "\\": "backslash",
        "/": "slash",
    },
}

_CLEAN: tuple[Rule, ...] = (rule(r"\S+|\s+", lambda match: clean(match.group())),)
_SPACES: tuple[Rule, ...] = (
    rule(r"\s+", lambda match: "\n" if "\n" in match.group() else " "),
    rule(r"\A\s|\s\Z", ""),
)

_MARKUP: tuple[Rule, ...] = (
    # Markdown and mark-up: what is shown is said.
    rule(r"!?\[([^\[\]\n]{0,300})\]\([^()\n]{0,500}\)", r"\1"),
    rule(r"```[a-z]{0,12}\n?|`", " "),
    rule(r"(?<![\w*])(\*{1,3}|~~)(?=\S)([^*~\n]{1,300}?)(?<=\S)\1(?![\w*])", r"\2"),
    rule(r"(?<![\w_])(_{1,3})(?=\S)([^_\n]{1,300}?)(?<=\S)\1(?![\w_])", r"\2"),
    rule(r"(?m)^[ \t]{0,3}(?:#{1,6}|>|[-*+•·])[ \t]{1,8}", ""),
    rule(
        r"(?m)^[ \t]{0,8}(?:-[ \t]?){3,80}$|^[ \t]{0,8}(?:\*[ \t]?){3,80}$|^[ \t]{0,8}(?:[_=][ \t]?){3,80}$",
        " ",
    ),
    rule(r"</?[a-zA-Z][^<>\n]{0,200}>", " "),
    rule(r"&amp;", "&"),
    rule(r"&lt;", "<"),
    rule(r"&gt;", ">"),
    rule(r"&(?:#39|apos);", "'"),
    rule(r"&(?:nbsp|quot|#\d{1,6});", " "),
    # A link whose text was kept must not become a pronunciation in the model's own syntax.
    rule(r"[\[\]{}]", " "),
    rule(r"\(\)", ""),
)

_PLAIN: tuple[Rule, ...] = (
    # A fraction of small figures, before each of them is taken for a power.
    rule(
        r"(\d?)([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2})[⁄/]([₀-₉]{1,2}|\d{1,2})(?!\w)",
        lambda m: f"{m[1]} {unicodedata.normalize('NFKC', f'{m[2]}/{m[3]}')}",
    ),
    rule(r"[^\x00-\x7f]", _plain),
    rule(r"’(?=\w)", "'"),
    # A mark that goes with what follows it, in other spellings.
    rule(r"℃", "°C"),
    rule(r"℉", "°F"),
    rule(r"(?<=\w)\.{4,}", "..."),
)

_SIGNS: tuple[Rule, ...] = (
    rule(
        r"(?<![\w&])([A-Z]{1,3}) ?& ?([A-Z]{1,3})(?![\w&])",
        lambda match: f"{spelled(match[1])} and {spelled(match[2])}",
    ),
    rule(r"\bC\+\+(?!\w)", "C plus plus"),
    rule(r"\b([CFJ])#(?!\w)", r"\1 sharp"),
    rule(r"!==?", " not equal to "),
    rule(r"===?", " equals "),
    rule(r"<=(?!>)", " less than or equal to "),
    rule(r">=", " greater than or equal to "),
    rule(r"<?[-=]>", " to "),
    rule(r"<-", " from "),
    rule(r"\+[/-](?:-)?(?= ?\w)", " plus or minus "),
    rule(r"&&", " and "),
    rule(r"\|\|", " or "),
    rule(r"\+=", " plus equals "),
    rule(r"-=", " minus equals "),
    rule(r"(?<=\w)\+\+", " plus plus"),
    rule(r"§§", " sections "),
    rule(r"§", " section "),
    rule(r"№ ?|(?<![\w&])#(?=\d)", "number "),
    rule(r"(?<=[\w)]) - (?=[\w(]{1,9} ?[=<>])", " minus "),
    rule(r" --? ", " — "),
    rule(r"(?<=\w)--(?=\w)", "—"),
    rule(r"(?<![\w)-])[-−](?=\d|\.\d)", "minus "),
    rule(r"(?<=[A-Za-z])/(?=[A-Za-z])", " slash "),
    rule(r"(?<=\w) ?\* ?(?=\w)", " times "),
    rule(r"(?<!\S)[*#_]{1,12}(?!\S)", " "),
)

_MARK: tuple[Rule, ...] = (
    # Whatever no rule knew: no digit is left to the model.
    rule(
        rf"[{''.join(sorted(_KEPT_NUMBERS))}]",
        lambda match: f" {unicodedata.normalize('NFKC', match[0])} ",
    ),
    rule(r"(?<=\w)\.(?=\d)", " point "),
    rule(r"(?<=\w),(?=\d)", ", "),
    rule(r"\d{1,30}", lambda match: f" {number(match.group())} "),
    rule(f"[{re.escape(''.join(_MARKS))}]", lambda match: f" {_MARKS[match.group()]} "),
    rule(r"_", " "),
    # Quotes are not heard, and hibari's dictionary does not find some words between them ("yes").
    rule(r"(?<=\w)[\"“”„](?=\w)", " "),
    rule(r"[\"“”„]", ""),
    *_SPACES,
    rule(r" (?=[,.;:!?])", ""),
    rule(r"(?<=[,;:]),+", ""),
)

_RULES: tuple[Rule, ...] = (
    *MUSIC,
    *PICTURES,
    *_CLEAN,
    *OPERATORS,
    *_MARKUP,
    *_SPACES,
    *_PLAIN,
    *ADDRESSES,
    *NOTATION,
    *CASUAL,
    *MARKERS,
    *KITCHEN,
    *SHORTHAND,
    *MINUTES,
    *FILES,
    *MARKS,
    *FOUR_DIGITS,
    *CODES,
    *DATES,
    *TIMES,
    *YEARS,
    *ABBREVIATIONS,
    *NUMERALS,
    *SECTIONS,
    *GROUPED,
    *VERSIONS,
    *CURRENCY,
    *QUANTITIES,
    *MIXED,
    *_SIGNS,
    *NUMBERS,
    *_MARK,
)
