"""Writes English text out as it is said, where the embedded model's own reading goes wrong.

hibari reads numbers, ordinals, years, times, most dates, units, fractions, titles and abbreviations well itself.
Measured on 0.2.1, it does not read: web and mail addresses, file names, versions, IP addresses, telephone numbers
with a country or area code, decimals below one ("0.5" became "zero five"), amounts in a list ("$5, 10" became "five
dollars, ten dollars"), signs behind an amount ("5 €"), dates with dots, short units (m, s, h, L, m/s), comparison
signs, numbers grouped by narrow spaces, Markdown. These are written out here; digits stay where they are read well. So
num2words (LGPL-2.1) is not needed.

Rules run in order: what holds dots and slashes of its own (addresses) comes before what reads them as marks.
"""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re
import unicodedata
from collections.abc import Callable, Sequence

from speech_service.text.clean import clean
from speech_service.text.currency import spoken_amounts

_Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

_NUMBER = r"\d+(?:,\d{3}){0,8}(?:\.\d+)?"
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_LONG_NUMBER = 16
_URL_SIGNS = {
    ".": " dot ",
    "/": " slash ",
    "?": " question mark ",
    "=": " equals ",
    "&": " and ",
    "#": " hash ",
    "@": " at ",
    ":": " colon ",
    "-": " dash ",
    "_": " underscore ",
    "%": " percent ",
    "+": " plus ",
    "~": " tilde ",
}
_UNITS = {
    "m": "meter",
    "h": "hour",
    "l": "liter",
    "L": "liter",
    "dl": "deciliter",
    "cl": "centiliter",
    "W": "watt",
    "kW": "kilowatt",
    "MW": "megawatt",
    "kWh": "kilowatt hour",
    "V": "volt",
    "mA": "milliamp",
    "mAh": "milliamp hour",
    "dB": "decibel",
    "kcal": "kilocalorie",
    "ha": "hectare",
    "µs": "microsecond",
    "ns": "nanosecond",
    "µm": "micrometer",
    "nm": "nanometer",
    "µg": "microgram",
    "m²": "square meter",
    "m2": "square meter",
    "cm²": "square centimeter",
    "km²": "square kilometer",
    "m³": "cubic meter",
    "cm³": "cubic centimeter",
    "kbps": "kilobit per second",
    "Mbps": "megabit per second",
    "Gbps": "gigabit per second",
    "rpm": "revolution per minute",
}
_PER = {"m/s": "meters per second", "km/s": "kilometers per second", "mg/l": "milligrams per liter"}
_SIGNS = {
    "≥": " greater than or equal to ",
    "≤": " less than or equal to ",
    "≠": " not equal to ",
    "≈": " approximately ",
    "→": " to ",
    "−": "-",
    "№": "number ",
    "√": " square root of ",
    "∞": " infinity ",
    "‰": " per mille",
    "℃": " degrees Celsius",
    "℉": " degrees Fahrenheit",
}


def normalize(text: str, language: str = "en") -> str:
    """``text``, cleaned; English is written out as the module says.

    Args:
        text: a piece as of ``sentences.py``, or any other; the time taken grows with its length.
        language: BCP-47 code of the text; of another language only what cannot be spoken is taken out.

    Returns:
        Text for a model; offsets in it are not those of ``text``.
    """
    text = clean(text)
    if language.split("-")[0].lower() != "en":
        return text
    text = text if text.isascii() else "".join(map(_plain_character, text))
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return re.sub(r"[^\S\n]+", " ", text).strip()


def _plain_character(char: str) -> str:
    """Full-width letters, and digits of any script or height, as ASCII. Squares and cubes are read as such."""
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    if char.isdigit() and char not in "²³":
        return f" {unicodedata.digit(char)} "
    if "\uff01" <= char <= "\uff5e":
        return chr(ord(char) - 0xFEE0)
    # The one letter whose lower case is two characters, which hibari's tokenizer fails on.
    return "I" if char == "\u0130" else char


def _say_address(match: re.Match[str]) -> str:
    return _address_in_words(match.group())


def _address_in_words(address: str) -> str:
    stop = address[-1] if address[-1] in ".,;:!?" else ""
    address = re.sub(r"^[a-z][a-z0-9+.-]*://(?:www\.)?", "", address.rstrip(".,;:!?/"), flags=re.I)
    spoken = "".join(_URL_SIGNS.get(char, char) for char in address)
    return " ".join(spoken.split()) + stop


def _say_mail(match: re.Match[str]) -> str:
    """An address of mail; marks before it are none of it."""
    return match[1] + _address_in_words(match[2])


def _say_phone(match: re.Match[str]) -> str:
    """Digit by digit, a pause between groups."""
    groups = re.findall(r"\d+", match.group())
    spoken = ", ".join(" ".join(_DIGITS[int(digit)] for digit in group) for group in groups)
    return ("plus " if match.group().startswith("+") else "") + spoken


def _say_version(match: re.Match[str]) -> str:
    prefix = "version " if match.group(1) else ""
    return prefix + " point ".join(match.group(2).split("."))


def _say_ip(match: re.Match[str]) -> str:
    numbers = match.group().split(".")
    return " dot ".join(" ".join(_DIGITS[int(digit)] for digit in number) for number in numbers)


def _say_long_number(match: re.Match[str]) -> str:
    """What no one counts any more (and hibari has no words for) is read digit by digit, in threes."""
    digits = match.group().replace(",", "")
    if len(digits) < _LONG_NUMBER:
        return match.group()
    groups = (digits[at : at + 3] for at in range(0, len(digits), 3))
    return (
        " " + ", ".join(" ".join(_DIGITS[int(digit)] for digit in group) for group in groups) + " "
    )


def _say_dotted_date(match: re.Match[str]) -> str:
    day, month, year = (int(part) for part in match.groups())
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return match.group()
    return f"{_MONTHS[month - 1]} {day}, {year}"


def _say_small_decimal(match: re.Match[str]) -> str:
    digits = " ".join(_DIGITS[int(digit)] for digit in match.group(2))
    return f"{'minus ' if match.group(1) else ''}zero point {digits}"


def _say_rate(match: re.Match[str]) -> str:
    return f"{match.group(1)} {_PER[match.group(2)]}"


def _say_unit(match: re.Match[str]) -> str:
    number, unit = match.groups()
    name = "second" if unit == "s" else _UNITS[unit]
    head, per, rest = name.partition(" per ")
    plural = "" if number == "1" else "s"
    return f"{number} {head}{plural}{per}{rest}"


def _say_power_of_ten(match: re.Match[str]) -> str:
    minus = "minus " if match.group(2) == "-" else ""
    return f"{match.group(1)} times 10 to the power of {minus}{match.group(3)}"


def _any_of(words: Sequence[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_RULES: tuple[_Rule, ...] = (
    # Markdown and mark-up: what is shown is said.
    (re.compile(r"!?\[([^\[\]\n]{0,300})\]\([^()\n]{0,500}\)"), r"\1"),
    (re.compile(r"```[^\n`]*\n?|`"), " "),
    (re.compile(r"(?<![\w*])(\*{1,3}|_{1,3}|~~)(?=\S)([^*_~\n]+?)(?<=\S)\1(?![\w*])"), r"\2"),
    (re.compile(r"^[ \t]{0,3}(?:#{1,6}|>|[-*+•·])[ \t]+", re.M), ""),
    (re.compile(r"^[ \t]*(?:[-*_=][ \t]*+){3,}+$", re.M), " "),
    (re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>"), " "),
    (re.compile(r"&amp;"), "&"),
    (re.compile(r"&(?:nbsp|lt|gt|quot|apos|#\d{1,6});"), " "),
    # A link whose text was kept must not become a pronunciation in the model's own syntax.
    (re.compile(r"[\[\]]"), " "),
    # Addresses.
    (re.compile(r"\b(?:https?|ftp)://\S+", re.I), _say_address),
    (re.compile(r"\bwww\.\S+", re.I), _say_address),
    (re.compile(r"(?<![\w.+-])([.+-]*+)(\w[\w.+-]*+@[\w-]++(?:\.[\w-]++)++)"), _say_mail),
    (re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]{0,40}\d)"), _say_ip),
    (
        re.compile(r"(?<![\w.@/-])(?:[A-Za-z0-9-]{2,}+\.)+[a-z]{2,6}(?:/[^\s,;]*)?(?![\w@])"),
        _say_address,
    ),
    # Telephone numbers.
    (
        re.compile(
            r"(?<![\w.])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]?\d{2,4}){1,4}(?!\w)"
        ),
        _say_phone,
    ),
    (re.compile(r"(?<![\w.-])(?:1[ -])?\(\d{3}\) ?\d{3}[ .-]\d{4}(?![\w-])"), _say_phone),
    (re.compile(r"(?<![\w.-])1-\d{3}-\d{3}-\d{4}(?![\w-])"), _say_phone),
    # Numbers.
    (re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))"), ","),
    (re.compile(r"\d{1,3}(?:,\d{3}){5,}|\d{16,}"), _say_long_number),
    (re.compile(r"(?<![\w.])(\d{1,2})\.(\d{1,2})\.(\d{4})(?![\w.]{0,40}\d)"), _say_dotted_date),
    (re.compile(r"\b([vV]\.? ?)(\d++(?:\.\d++)++)(?![\w.]{0,40}\d)"), _say_version),
    (re.compile(r"(?<![\w.])()(\d++(?:\.\d++){2,}+)(?![\w.]{0,40}\d)"), _say_version),
    (re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[eE]([+-]?)(\d{1,3})(?!\w)"), _say_power_of_ten),
    (re.compile(r"(?<![\w/])24/7(?![\w/])"), "24 7"),
    (re.compile(r"\bCO2\b"), "C O 2"),
    (re.compile(r"(?<![\w.])(\d{1,2})['′](\d{1,2})[\"″]"), r"\1 foot \2"),
    (re.compile(r"\bWWII\b"), "World War 2"),
    (re.compile(r"\bWWI\b"), "World War 1"),
    (re.compile(r"(?s)(.+)"), lambda match: spoken_amounts(match[1])),
    (re.compile(rf"(?<![\w.])({_NUMBER})\s?({_any_of(tuple(_PER))})(?![\w/²³])"), _say_rate),
    (re.compile(rf"(?<![\w.])({_NUMBER})\s?({_any_of(tuple(_UNITS))})(?![\w/²³'’-])"), _say_unit),
    # Only with a space: "1990s" and "10s" are decades and tens.
    (re.compile(rf"(?<![\w.])({_NUMBER})\s(s)(?![\w/'’-])"), _say_unit),
    (re.compile(r"(?<![\w.])(-?)0?\.(\d++)(?![\d.]{0,40}\d)"), _say_small_decimal),
    # Signs.
    (re.compile("|".join(map(re.escape, _SIGNS))), lambda match: _SIGNS[match[0]]),
)
