"""Amounts of money as they are said in English: "$5.50" becomes "five dollars and fifty cents"."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re
from typing import NamedTuple

from speech_service.text.english.number_words import cardinal, number
from speech_service.text.english.rules import NUMBER, Rule, any_of, rule


class _Money(NamedTuple):
    one: str
    many: str
    small_one: str = ""
    small_many: str = ""


_DOLLAR = _Money("dollar", "dollars", "cent", "cents")
_POUND = _Money("pound", "pounds", "penny", "pence")
_EURO = _Money("euro", "euros", "cent", "cents")
_YEN = _Money("yen", "yen")
_RUPEE = _Money("rupee", "rupees", "paisa", "paise")
_FRANC = _Money("Swiss franc", "Swiss francs", "centime", "centimes")


def _of(country: str, money: _Money) -> _Money:
    return money._replace(one=f"{country} {money.one}", many=f"{country} {money.many}")


_SIGNS = {
    "$": _DOLLAR,
    "£": _POUND,
    "€": _EURO,
    "¥": _YEN,
    "₹": _RUPEE,
    "₩": _Money("won", "won"),
    "₽": _Money("ruble", "rubles", "kopek", "kopeks"),
    "₺": _Money("lira", "lira"),
    "₪": _Money("shekel", "shekels"),
    "₴": _Money("hryvnia", "hryvnias"),
    "₫": _Money("dong", "dong"),
    "₱": _Money("peso", "pesos"),
    "₦": _Money("naira", "naira"),
    "฿": _Money("baht", "baht"),
    "₿": _Money("bitcoin", "bitcoins"),
}
_PREFIXES = {
    "US$": _of("U.S", _DOLLAR),
    "A$": _of("Australian", _DOLLAR),
    "AU$": _of("Australian", _DOLLAR),
    "C$": _of("Canadian", _DOLLAR),
    "CA$": _of("Canadian", _DOLLAR),
    "NZ$": _of("New Zealand", _DOLLAR),
    "HK$": _of("Hong Kong", _DOLLAR),
    "S$": _of("Singapore", _DOLLAR),
    "NT$": _of("New Taiwan", _DOLLAR),
    "R$": _Money("real", "reais", "centavo", "centavos"),
    "kr": _Money("krone", "kroner"),
    "Rs.": _RUPEE,
    "Rs": _RUPEE,
    "Fr.": _Money("franc", "francs", "centime", "centimes"),
}
_CODES = {
    "USD": _of("U.S", _DOLLAR),
    "EUR": _EURO,
    "GBP": _POUND,
    "JPY": _YEN,
    "INR": _RUPEE,
    "CHF": _FRANC,
    "CNY": _Money("yuan", "yuan"),
    "RMB": _Money("yuan", "yuan"),
    "CAD": _of("Canadian", _DOLLAR),
    "AUD": _of("Australian", _DOLLAR),
    "NZD": _of("New Zealand", _DOLLAR),
    "SGD": _of("Singapore", _DOLLAR),
    "HKD": _of("Hong Kong", _DOLLAR),
    "BRL": _PREFIXES["R$"],
    "MXN": _Money("Mexican peso", "Mexican pesos"),
    "SEK": _Money("Swedish krona", "Swedish kronor"),
    "NOK": _Money("Norwegian krone", "Norwegian kroner"),
    "DKK": _Money("Danish krone", "Danish kroner"),
    "PLN": _Money("zloty", "zlotys"),
    "CZK": _Money("Czech koruna", "Czech koruny"),
    "ZAR": _Money("rand", "rand"),
    "KRW": _Money("won", "won"),
    "TRY": _Money("Turkish lira", "Turkish lira"),
    "BTC": _Money("bitcoin", "bitcoins"),
    "ETH": _Money("ether", "ether"),
    "USDT": _Money("tether", "tether"),
    "LTC": _Money("litecoin", "litecoins"),
    "DOGE": _Money("dogecoin", "dogecoins"),
    "HUF": _Money("forint", "forints"),
    "THB": _Money("baht", "baht"),
    "RUB": _SIGNS["₽"],
    "ILS": _SIGNS["₪"],
    "IDR": _Money("rupiah", "rupiah"),
    "MYR": _Money("ringgit", "ringgit"),
    "AED": _Money("dirham", "dirhams"),
    "SAR": _Money("riyal", "riyals"),
    "NGN": _SIGNS["₦"],
    "VND": _SIGNS["₫"],
    "UAH": _SIGNS["₴"],
    "RON": _Money("leu", "lei"),
    "TWD": _of("New Taiwan", _DOLLAR),
}
_SUFFIXES = {"kr": _Money("krone", "kroner"), "zł": _CODES["PLN"], "Kč": _CODES["CZK"]}
_ALL = {**_SIGNS, **_PREFIXES, **_CODES, **_SUFFIXES}
_SCALES = {
    "k": "thousand",
    "m": "million",
    "mn": "million",
    "mil": "million",
    "mio": "million",
    "mln": "million",
    "mrd": "billion",
} | {
    **{"b": "billion", "bn": "billion", "t": "trillion", "tn": "trillion", "trn": "trillion"},
}
_SHORT_SCALE = any_of((*_SCALES, *"KMBT"))
_SCALE = (
    r"(?:[\s-]?((?:hundred )?thousand|hundred|million|billion|trillion|lakh|crore)s?(?!\w)"
    rf"|({_SHORT_SCALE})(?!\w))"
)
_SPACED_SCALE = (
    rf"(?:{_SCALE[3:-1]}|\s([Mm]n|[Mm]il|[Bb]n|[Tt]n|[Mm]io|[Mm]rd|[Mm]ln|[mMB])\b\.?(?!\w))"
)
_PER = {
    **{
        "h": "hour",
        "hr": "hour",
        "hour": "hour",
        "d": "day",
        "day": "day",
        "wk": "week",
        "week": "week",
    },
    **{
        "mo": "month",
        "month": "month",
        "yr": "year",
        "year": "year",
        "y": "year",
        "kg": "kilogram",
        "lb": "pound",
    },
    **{
        "l": "liter",
        "L": "liter",
        "gal": "gallon",
        "oz": "ounce",
        "ton": "ton",
        "kWh": "kilowatt hour",
    },
    **{
        "person": "person",
        "user": "user",
        "night": "night",
        "seat": "seat",
        "share": "share",
        "barrel": "barrel",
    },
    **{
        "sqft": "square foot",
        "m²": "square meter",
        "GB": "gigabyte",
        "min": "minute",
        "mile": "mile",
    },
    **{
        "t": "ton",
        "tonne": "tonne",
        "bbl": "barrel",
        "km": "kilometer",
        "mi": "mile",
        "ha": "hectare",
    },
    **{
        "acre": "acre",
        "unit": "unit",
        "head": "head",
        "item": "item",
        "ea": "item",
        "pax": "person",
    },
    **{
        "room": "room",
        "car": "car",
        "word": "word",
        "page": "page",
        "minute": "minute",
        "s": "second",
    },
    **{
        "sec": "second",
        "ml": "milliliter",
        "g": "gram",
        "m2": "square meter",
        "sqm": "square meter",
    },
    **{
        "sq ft": "square foot",
        "sq m": "square meter",
        "MWh": "megawatt hour",
        "ft": "foot",
        "yd": "yard",
    },
    **{
        "wk.": "week",
        "mo.": "month",
        "yr.": "year",
        "dozen": "dozen",
        "pair": "pair",
        "pint": "pint",
    },
    **{"cup": "cup", "class": "class", "student": "student", "child": "child", "adult": "adult"},
    **{"MMBtu": "million B.T.U", "bushel": "bushel", "bu": "bushel", "case": "case", "box": "box"},
    **{
        "bottle": "bottle",
        "call": "call",
        "token": "token",
        "request": "request",
        "quarter": "quarter",
    },
}
_PER_UNIT = rf"(?:\s?/\s?({any_of(_PER)})(?!\w))?"
_BEFORE = rf"(?:{any_of(_SIGNS)}|(?<!\w)(?:{any_of((*_PREFIXES, *_CODES))}))"
_BEHIND = rf"(?:{any_of(_SIGNS)}|(?:{any_of((*_CODES, *_SUFFIXES))})(?!\w))"
_SWISS_ZERO = r"(?:\.[–—-]{1,2}|,[–—-]{1,2})?"
_MAJOR = r"(?:(?<![\w.,)\]%])([-−]|\())?"
_AMOUNT = rf"(?:{NUMBER}|\.\d{{1,4}})"
_NOUNS = r"bill|bills|note|notes|coin|gift|fine|fee|discount|deposit|budget|loan|prize|ticket|question|deal"
_THOUSANDS_BY_DOT = (
    "€",
    "CHF",
    "IDR",
    "VND",
    "EUR",
    "DKK",
    "SEK",
    "NOK",
    "PLN",
    "R$",
    "BRL",
    "kr",
    "zł",
    "TRY",
    "₺",
)


def _say_before(match: re.Match[str]) -> str:
    sign, unit, amount, upper, word, short, spaced, per = match.groups()
    said = _said(sign, unit, amount, upper, word or short or spaced, per, match)
    return said + _gap(match)


def _say_behind(match: re.Match[str]) -> str:
    sign, amount, upper, word, short, spaced, unit, per = match.groups()
    said = _said(sign, unit, amount, upper, word or short or spaced, per, match)
    return said + _gap(match)


def _gap(match: re.Match[str]) -> str:
    """A space, where letters touch the amount."""
    return " " if match.string[match.end() : match.end() + 1].isalpha() else ""


def _said(
    sign: str | None,
    unit: str,
    amount: str,
    upper: str | None,
    scale: str | None,
    per: str | None,
    match: re.Match[str],
) -> str:
    money = _ALL[unit]
    minus = "minus " if sign and sign != "(" else ""
    behind = f" per {_PER[per]}" if per else ""
    is_price = per in ("l", "L", "gal", "kWh")
    if unit in _THOUSANDS_BY_DOT and not is_price and re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", amount):
        amount = amount.replace(".", "")
    if scale:
        big = _SCALES.get(scale.lower(), scale)
        values = number(amount) + (f" to {number(upper)}" if upper else "")
        noun = money.one if _is_compound(match) else _noun(money, match)
        return f"{minus}{values} {big} {noun}{behind}"
    if upper:
        lower = _amount(amount, money) if "." in amount and "." in upper else _plain(amount)
        return f"{minus}{lower} to {_amount(upper, money)}{behind}"
    if _is_adjective(match) and "." not in amount:
        return f"{minus}{number(amount)} {money.one}"
    return f"{minus}{_amount(amount, money)}{behind}"


def _noun(money: _Money, match: re.Match[str]) -> str:
    return money.one if _is_adjective(match) else money.many


def _is_adjective(match: re.Match[str]) -> bool:
    """Whether the unit is said in the singular, as in "a $5 coffee" or "the $100 bill"."""
    before = match.string[max(0, match.start() - 4) : match.start()]
    rest = match.string[match.end() : match.end() + 12]
    if re.match(rf" (?:{_NOUNS})\b", rest):
        return True
    return (
        re.search(r"(?:^|\W)(?:an?|A) $", before) is not None
        and re.match(r"[ -](?!(?:I|to|or|and|of|in|on)\b)[A-Za-z]", rest) is not None
    )


def _is_compound(match: re.Match[str]) -> bool:
    """Whether hyphens make it one word with a noun behind it: "a €90-million grant"."""
    is_one_word = re.search(r"\d-[a-z]{4,9}$", match.group())
    return bool(is_one_word and re.match(r"[ -][a-z]", match.string[match.end() :][:2]))


def _plain(amount: str) -> str:
    return number(amount.removesuffix(".00"))


def _amount(amount: str, money: _Money) -> str:
    whole, _, part = amount.partition(".")
    if len(part) != 2 or not money.small_one:
        zeros = bool(part) and not part.strip("0")
        said = number(whole if zeros else amount)
        return f"{said} {money.one if said == 'one' else money.many}"
    rest = int(part)
    small = f"{cardinal(rest)} {money.small_one if rest == 1 else money.small_many}"
    if int(whole.replace(",", "") or "0") == 0 and rest:
        return small
    said = number(whole or "0")
    big = f"{said} {money.one if said == 'one' else money.many}"
    return f"{big} and {small}" if rest else big


def _say_cents(match: re.Match[str]) -> str:
    return f"{number(match[1])} {'cent' if match[1] == '1' else 'cents'}"


_PAIRED = {
    **{"USD": "dollar", "EUR": "euro", "GBP": "pound", "JPY": "yen", "CHF": "franc", "CNY": "yuan"},
    **{
        "AUD": "Aussie dollar",
        "CAD": "Canadian dollar",
        "INR": "rupee",
        "BTC": "bitcoin",
        "$": "dollar",
    },
    **{"€": "euro", "£": "pound", "¥": "yen"},
}
"""Currencies of a pair: "EUR/USD"."""

CURRENCY: tuple[Rule, ...] = (
    rule(
        rf"(?<![\w/])({any_of(_PAIRED)})/({any_of(_PAIRED)})(?![\w/])",
        lambda match: f"{_PAIRED[match[1]]} {_PAIRED[match[2]]}",
    ),
    rule(r"([$£€¥₹])([-−])(?=\d)", r"\2\1"),
    # What stands behind an amount and is not said; one scale for both ends of a range.
    rule(r"(?<=\d)/[-=–](?![\w])", ""),
    rule(r"(£\d{1,9}(?:,\d{3}){0,3}\.\d\d)p(?!\w)", r"\1"),
    rule(
        rf"([$£€¥₹])({NUMBER})(k|K|m|M|bn)\s?[-–]\s?(?:\1)?({NUMBER})\3(?!\w)",
        r"\1\2-\4\3",
    ),
    rule(
        rf"((?:₹|\bRs\.?|\bINR) ?{NUMBER} ?)([Cc]r|[Ll]acs?|[Ll])(?![\w'’])\.?(?!\w)",
        lambda m: f"{m[1]}{'crore' if m[2][:1] in 'cC' else 'lakh'}",
    ),
    rule(r"(?:(?<=\d[kKmMbB])|(?<=\dbn)|(?<=illion))\s?[–-]\s?(?=[$£€¥₹]\d)", " to "),
    rule(r"([$£€¥₹])\((\d{1,9}(?:\.\d{1,4})?)\)", r"-\1\2"),
    rule(r"(?<!\w)R(?=\d{1,3}(?:,\d{3}){1,6}(?!\d)|\d{1,6}\.\d\d(?!\d))", "ZAR "),
    rule(
        rf"{_MAJOR}({_BEFORE})\s?({_AMOUNT}){_SWISS_ZERO}(?:\s?[-–]\s?(?:{any_of(_SIGNS)})?({NUMBER}))?"
        rf"{_SPACED_SCALE}?{_PER_UNIT}(?!\d)",
        _say_before,
    ),
    rule(
        rf"{_MAJOR}(?<![\w.,])({_AMOUNT})(?:\s?[-–]\s?({NUMBER}))?{_SPACED_SCALE}?{_SWISS_ZERO}\s?({_BEHIND}){_PER_UNIT}(?!\d)",
        _say_behind,
    ),
    rule(rf"(?<![\w.])({NUMBER})\s?¢", _say_cents),
    rule(
        r"\b((?:[Cc]osts?|[Oo]nly|[Jj]ust|[Ff]or|[Pp]ay|[Pp]aid|[Uu]p|[Dd]own|[Bb]y) )(\d{1,2})c(?!\w)",
        lambda match: f"{match[1]}{number(match[2])} {'cent' if match[2] == '1' else 'cents'}",
    ),
    rule(
        rf"(?<=\d)/({any_of((*_CODES, *_SIGNS))})(?!\w|\.\w)",
        lambda match: f" per {_ALL[match[1]].one}",
    ),
    rule(
        rf"(?<![\w.,])({NUMBER})p/({any_of(_PER)})(?!\w)",
        lambda m: f"{number(m[1])} pence per {_PER[m[2]]}",
    ),
    rule(r"\b(dollars?|cents?|euros?|pounds|pence|yen)/(?=\d)", r"\1 per "),
)
