"""Amounts of money as they are said in English: "$5.50" becomes "5 dollars and 50 cents". Digits stay."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

_NAMES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "", ""),
    "₽": ("ruble", "rubles", "kopek", "kopeks"),
    "₺": ("lira", "lira", "", ""),
    "₪": ("shekel", "shekels", "", ""),
    "₴": ("hryvnia", "hryvnias", "", ""),
    "₫": ("dong", "dong", "", ""),
    "₱": ("peso", "pesos", "", ""),
    "฿": ("baht", "baht", "", ""),
}
_CODES = {
    "USD": ("US dollar", "US dollars", "cent", "cents"),
    "EUR": _NAMES["€"],
    "GBP": _NAMES["£"],
    "JPY": _NAMES["¥"],
    "INR": _NAMES["₹"],
    "CHF": ("Swiss franc", "Swiss francs", "", ""),
    "CNY": ("yuan", "yuan", "", ""),
    "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "AUD": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "BRL": ("real", "reais", "", ""),
}
_COUNTRIES = {
    "US": "US ",
    "A": "Australian ",
    "C": "Canadian ",
    "NZ": "New Zealand ",
    "HK": "Hong Kong ",
    "S": "Singapore ",
}
_SCALES = {
    "k": "thousand",
    "m": "million",
    "mn": "million",
    "b": "billion",
    "bn": "billion",
    "t": "trillion",
    "tn": "trillion",
}
_UNIT = "[" + "".join(_NAMES) + "]"
_NUMBER = r"\d++(?:,\d{3}){0,8}+(?:\.\d++)?"
_SCALE = r"(?:\s?(hundred|thousand|million|billion|trillion|mn|bn|tn|[kmbt])(?!\w))?"
_PREFIXED = re.compile(
    rf"(?<![\w.])([-−]?)(US|A|C|NZ|HK|S)?({_UNIT})\s?({_NUMBER})(?:\s?[-–]\s?{_UNIT}?({_NUMBER}))?{_SCALE}",
    re.IGNORECASE,
)
_SUFFIXED = re.compile(rf"(?<![\w.,])([-−]?)({_NUMBER})\s?({_UNIT})(?!\d)")
_CODED = re.compile(
    rf"(?<!\w)(?:({'|'.join(_CODES)})\s?({_NUMBER})|({_NUMBER})\s?({'|'.join(_CODES)}))(?!\w)"
)


def spoken_amounts(text: str) -> str:
    """``text`` with every amount of money written out."""
    text = _PREFIXED.sub(_prefixed, text)
    text = _SUFFIXED.sub(lambda m: _signed(m[1]) + _amount(m[2], _NAMES[m[3]]), text)
    return _CODED.sub(lambda m: _amount(m[2] or m[3], _CODES[m[1] or m[4]]), text)


def _prefixed(match: re.Match[str]) -> str:
    sign, country, unit, number, upper, scale = match.groups()
    names = _NAMES[unit]
    before = _COUNTRIES.get((country or "").upper(), "")
    names = (before + names[0], before + names[1], names[2], names[3])
    if upper:
        number = f"{number} to {upper}"
    if scale:
        word = _SCALES.get(scale.lower(), scale.lower())
        return f"{_signed(sign)}{number} {word} {names[1]}"
    return _signed(sign) + (f"{number} {names[1]}" if upper else _amount(number, names))


def _amount(number: str, names: tuple[str, str, str, str]) -> str:
    one, many, small_one, small_many = names
    whole, _, part = number.partition(".")
    if len(part) != 2 or not small_one:
        return f"{number} {one if number == '1' else many}"
    rest = int(part)
    small = f"{rest} {small_one if rest == 1 else small_many}"
    if int(whole.replace(",", "")) == 0 and rest:
        return small
    big = f"{whole} {one if whole == '1' else many}"
    return f"{big} and {small}" if rest else big


def _signed(sign: str) -> str:
    return "minus " if sign else ""
