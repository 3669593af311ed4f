"""How the digits of a long number are grouped: "1 000 000", "1.000.000,50" and "1'000" as English groups them."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

from speech_service.text.english.rules import Rule, rule

_COUNTED = (
    r"(?:[€$£¥%₽₹₩]|(?:km|kg|people|euros?|dollars?|pounds?|rubles?|francs?|kroner|kronor|kr|zł|Kč|Ft|lei|EUR|USD|GBP|CHF|"
    r"SEK|NOK|DKK|PLN|CZK|HUF|RUB|kWh|kW|MW|m²|m³|met(?:er|re)s|kilomet(?:er|re)s|miles|feet|votes|seats|jobs|years)"
    r"(?!\w))"
)
"""What is counted, so that the three digits before it belong to one number: "12 500 km"."""

GROUPED: tuple[Rule, ...] = (
    rule(
        r"(?<![\d.,'’])\d{1,3}(?:['’_]\d{3}){1,6}(?![\d'’_])", lambda m: re.sub(r"['’_]", ",", m[0])
    ),
    rule(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))", ","),
    rule(
        rf"(?<![\d.,-])[1-9]\d{{0,2}}(?:(?: \d{{3}}){{2,6}}| 000| \d{{3}}(?= ?{_COUNTED}|[.,]\d{{2}}(?!\d)))"
        r"(?!\d)(,\d{1,2}(?!\d))?",
        lambda m: m[0].replace(",", ".").replace(" ", ","),
    ),
    rule(
        r"(?<![\d.,])\d{1,3}(?:\.\d{3}){1,6},\d{1,2}(?!\d)",
        lambda m: m[0].replace(".", "").replace(",", "."),
    ),
    rule(r"(?<![\d.,])[1-9]\d{0,2}(?:\.\d{3}){2,6}(?![\d.])", lambda m: m[0].replace(".", "")),
    rule(r"(?<![\d.,])\d{1,2}(?:,\d{2}){1,5},\d{3}(?![\d,])", lambda m: m[0].replace(",", "")),
    rule(r"(?<![\d.,])(\d{1,9}),(\d{1,2}|(?<=\b0,)\d{3,9})(?!\d|[.,]\d)", r"\1.\2"),
    rule(r"(?<=\d)_(?=\d)", " "),
)
"""Rules after which every long number is grouped by commas and has a point before its decimals."""
