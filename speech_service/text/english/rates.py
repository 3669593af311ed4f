"""How is said what there is for each: "$3 per lb", "4 mins/side", "10k req/s"."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

from speech_service.text.english.rules import NUMBER, Rule, any_of, full_stop, rule
from speech_service.text.english.units import UNITS, one_of, unit_words

_UNIT = rf"(?:{any_of(UNITS)})"
_TO = r"(?:\s?[-–—]\s?|\s?\.\.\s?)"
_SCALES = {"k": "thousand", "K": "thousand", "M": "million"}
_CLEAR_UNITS = (
    r"lbs?|kg|km|cm|mm|oz|hr|yr|wk|qt|yd|ft|tsp|tbsp|ml|mL|mg|mcg|kWh|GB|MB|TB|sq ?ft|sq ?m|mo|doz"
)
"""Units that are no word and no name besides."""
_SEVERAL = r"yrs|hrs|wks|mins|secs|mths"
"""Units that are seen to be several: "a few hrs"."""
_ONES = (
    r"side|person|head|night|serving|portion|user|page|game|room|box|piece|pupil|unit|case|group|customer|team|table|"
    r"class|visit|trip|dose|tablet|capsule|pack|bag|item|s|sec|min|h|hr|hour|day|week|month|year"
)
"""What there is so much for each of."""
_ASKED = {
    **{
        "req": "requests",
        "reqs": "requests",
        "msg": "messages",
        "msgs": "messages",
        "tok": "tokens",
    },
    **{
        "ops": "operations",
        "pcs": "pieces",
        "imgs": "images",
        "tx": "transactions",
        "calls": "calls",
    },
}
"""Short names of what a computer does in a time."""


def _say_each(match: re.Match[str]) -> str:
    """Say what a price or a rate is for: "$3 per lb", "a kg"."""
    return f"{match[1]} {one_of(match[2])}{full_stop(match) if match[3] else ''}"


def _say_for_each(match: re.Match[str]) -> str | None:
    """Say how much there is for each: "4 mins/side", "10k req/s", "2 tickets/person"."""
    said, what, each = match.groups()
    if (
        each in UNITS
        and (what in UNITS or not what.endswith("s"))
        and what.split()[-1] not in _ASKED
    ):
        return None
    scale, _, noun = what.rpartition(" ")
    noun = unit_words(noun, one=said == "1") if noun in UNITS else _ASKED.get(noun, noun)
    return f"{said}{f' {_SCALES[scale]}' if scale else ''} {noun} per {_each(each)}"


def _each(name: str) -> str:
    return "second" if name == "s" else one_of(name) or name


_ALONE = r"kWh|MWh|GWh|kHz|MHz|GHz|THz|kPa|hPa|MPa|mAh|kW|kJ|kB|KiB|MiB|GiB|kbps|Mbps|Gbps|mmHg|mmol|kcal"
"""Units that are seen by their spelling, and that the voice would make a word of."""

RATES: tuple[Rule, ...] = (
    rule(rf"(?<=[a-z,] )({_ALONE})(?![\w/²³'’-])", lambda m: unit_words(m[1], one=False)),
    rule(
        rf"(?<![\w.])({NUMBER}(?:{_TO}{NUMBER})?) ?({_UNIT}|[kKM] [a-z]{{3,12}}|[a-z]{{3,12}}) ?/ ?({_ONES})"
        r"(?![\w/²³'’-])",
        _say_for_each,
    ),
    rule(rf"\b([Pp]er|[Ee]very) ({_UNIT})(\.)?(?![\w/²³'’-])", _say_each),
    rule(
        rf"\b([Aa]n?|[Ee]ach|[Nn]ext|[Ll]ast|[Tt]his|[Pp]ast|[Aa]ll) ({_CLEAR_UNITS})(\.)?(?![\w/²³'’-])",
        _say_each,
    ),
    rule(rf"(?<=[a-z] )({_SEVERAL})(?![\w/²³'’-])", lambda m: unit_words(m[1], one=False)),
    rule(rf"(?<=\d) ?% ?/ ?({_ONES}|{_UNIT})(?![\w/²³'’-])", lambda m: f"% per {_each(m[1])}"),
)
