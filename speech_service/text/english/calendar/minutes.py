"""How minutes are said where a sign or one letter stands for them: "12' late", "scored in the 78'", "Prep: 15m"."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

from speech_service.text.english.number_words import number, ordinal
from speech_service.text.english.rules import Rule, rule

_MINUTES_BEFORE = (
    r"late|later|early|delayed|ago|left|remaining|extra|of (?:play|stoppage)|behind schedule|"
    r"(?:before|after) (?:departure|arrival|kick-?off|closing|opening|start|take-?off|the (?:end|start|bell|break))"
)
_MINUTE_LONG = (
    r"delay|walk|drive|ride|break|run|bus ride|trip|flight|wait|video|episode|nap|workout|call"
)
"""What stands behind minutes that are written as feet are: "12' late", "a 15' walk"."""
_MINUTES_AFTER = (
    r"walk|wait|lasts|lasted|runs|bake|cook|boil|simmer|rest|drive|ride|every|for|in|within|after|about|takes|took|"
    r"another|last"
)
_TIMED = r"prep(?:aration)?|cook(?:ing)?|bak(?:e|ing)|total|active|rest(?:ing)?|chill(?:ing)?|rise|proof|marinate"
"""What a recipe gives the time of, before a colon."""


def _say_minute_of_a_match(match: re.Match[str]) -> str:
    """ "scored in the 78'": which minute it was."""
    return f"{ordinal(int(match[1]))} minute"


def _say_stoppage(match: re.Match[str]) -> str:
    return f"{number(match[1])} plus {number(match[2])}"


def _say_goals(match: re.Match[str]) -> str:
    """ "(Palmer 23', 61'": when somebody scored."""
    return "(" + re.sub(r"(\d{1,2})['′]", r"\1 minutes", match[1])


MINUTES: tuple[Rule, ...] = (
    rule(r"\(([A-Z][a-z]{1,20} \d{1,2}['′](?:, \d{1,2}['′]){0,5})", _say_goals),
    rule(
        r"(?<![\w.])(?<!\d,)(\d{1,2})['′’] ?(0[1-9]|1[2-9]|[2-5]\d)[\"″”](?!\w)",
        lambda match: (
            f"{number(match[1])} {'minute' if match[1] == '1' else 'minutes'} "
            f"{number(str(int(match[2])))} seconds"
        ),
    ),
    rule(rf"\b((?:{_MINUTES_AFTER}) \d{{1,3}})['′’](?! ?\d)(?=[ ,.;)]|$)", r"\1 minutes"),
    rule(rf"(?<![\w.,+])(\d{{1,3}})['′’](?= (?:{_MINUTES_BEFORE})\b)", r"\1 minutes"),
    rule(rf"(?<![\w.,+])(\d{{1,3}})['′’](?= (?:{_MINUTE_LONG})\b)", r"\1 minute"),
    rule(
        r"(?<![\w.,+])(\d{1,3})()['′’](?= (?:penalty|header|goal|equali[sz]er|winner)\b)",
        _say_minute_of_a_match,
    ),
    rule(
        r"(?:(?<=\b[io]n the )|(?<=\b[ba][yt] the )|(?<=\buntil the )|(?<=\bfrom the ))"
        r"(\d{1,3})(st|nd|rd|th)?['′’](?=[ ,.;)]|$)",
        _say_minute_of_a_match,
    ),
    rule(r"(?<![\w.,+])(45|90|105|120)\+(\d{1,2})['′’]?(?=[ ,.;)]|$)", _say_stoppage),
    rule(r"(?<=[(])(\d{1,2})['′’](?=[,;)])", lambda match: f"{number(match[1])} minutes"),
    rule(
        rf"\b((?:(?:{_TIMED})(?: time)?|time|duration): ?\d{{1,3}}) ?m(?![\w²³/])",
        r"\1 minutes",
        any_case=True,
    ),
    rule(r"(?<![\w.,])(\d{1,3}) ?m(?= (?:ago|late|delayed)\b)", r"\1 minutes"),
    rule(r"(?<![\w.,])(\d{1,3}) ?m(?= delay\b)", r"\1 minute"),
)
"""Rules that come before feet and meters are read."""
