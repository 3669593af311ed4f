"""How the shorthand of business, chats, kitchens and sport is said: "YoY", "gr8", "3 c. of rice", "7 wkts"."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

from speech_service.text.english.rules import Rule, any_of, rule

_WORDS = {
    **{"YoY": "year over year", "yoy": "year over year", "QoQ": "quarter over quarter"},
    **{"MoM": "month over month", "b/c": "because", "c/o": "care of", "p.a.": "per annum"},
    **{"b.i.d.": "B.I.D", "t.i.d.": "T.I.D", "q.i.d.": "Q.I.D", "IPv4": "I.P V four"},
    **{"IPv6": "I.P V six", "w.r.t.": "with respect to", "s.t.": "such that", "o/w": "otherwise"},
    **{"P/E": "P.E", "TBC": "T.B.C", "thx": "thanks", "pls": "please", "2nite": "tonight"},
    **{"2day": "today", "gr8": "great", "b4": "before", "l8r": "later", "m8": "mate"},
    **{"FAQs": "F.A.Qs", "EOD": "end of day"},
}
"""What is said so wherever it stands."""
_COUNTED = {
    **{"wkts": "wickets", "wkt": "wicket", "pts": "points", "ppl": "people", "reps": "reps"},
    **{"rds": "rounds", "asst": "assists", "reb": "rebounds", "veh": "vehicles", "bbl": "barrels"},
    **{"hh": "hours", "pax": "passengers", "qtrs": "quarters", "bdrm": "bedroom", "stks": "sticks"},
    **{"pkts": "packets", "sqft": "square feet", "sqm": "square meters", "nts": "nights"},
}
"""What is said so behind a number."""
_MINUTES_AFTER = r"every|for|in|within|after|about|takes|took|another|last"


def _say_factorial(match: re.Match[str]) -> str:
    return f"{match[1]} factorial"


SHORTHAND: tuple[Rule, ...] = (
    rule(rf"(?<![\w.&/-])({any_of(_WORDS)})(?![\w&/-])", lambda match: _WORDS[match[1]]),
    rule(rf"(?<=\d) ?({any_of(_COUNTED)})\b\.?(?![\w/-])", lambda match: f" {_COUNTED[match[1]]}"),
    rule(r"(?<=\d )c\.(?= (?:of )?[a-z])", "cups"),
    rule(r"(?<=\d(?:st|nd|rd|th)[ -])c\.(?= [A-Za-z])", "century"),
    rule(rf"\b((?:{_MINUTES_AFTER}) \d{{1,3}})['′’](?=[ ,.;)]|$)", r"\1 minutes"),
    rule(r"(?<![\w.,])(\d{1,3}|[a-z])!(?= ?[=+*/×÷)]| is\b| equals\b)", _say_factorial),
)
