"""How the shorthand of business, chats, kitchens and sport is said: "YoY", "gr8", "3 c. of rice", "7 wkts"."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re
import unicodedata

from speech_service.text.english.number_words import digits, number, plural, spelled
from speech_service.text.english.rules import Rule, any_of, rule

_WORDS = {
    **{"YoY": "year over year", "yoy": "year over year", "QoQ": "quarter over quarter"},
    **{"MoM": "month over month", "b/c": "because", "c/o": "care of", "p.a.": "per annum"},
    **{"b.i.d.": "B.I.D", "t.i.d.": "T.I.D", "q.i.d.": "Q.I.D", "IPv4": "I.P V four"},
    **{"IPv6": "I.P V six", "w.r.t.": "with respect to", "s.t.": "such that", "o/w": "otherwise"},
    **{"P/E": "P.E", "TBC": "T.B.C", "thx": "thanks", "pls": "please", "2nite": "tonight"},
    **{"2day": "today", "gr8": "great", "b4": "before", "l8r": "later", "m8": "mate"},
    **{"FAQs": "F.A.Qs", "Rx": "R.X", "PO": "P.O", "EOD": "end of day"},
}
"""What is said so wherever it stands."""
_COUNTED = {
    **{"wkts": "wickets", "wkt": "wicket", "pts": "points", "ppl": "people", "reps": "reps"},
    **{"rds": "rounds", "asst": "assists", "reb": "rebounds", "veh": "vehicles", "bbl": "barrels"},
    **{"hh": "hours", "pax": "passengers", "qtrs": "quarters", "bdrm": "bedroom", "stks": "sticks"},
    **{"pkts": "packets", "sqft": "square feet", "sqm": "square meters", "nts": "nights"},
}
"""What is said so behind a number."""
_NUMBERED = (
    r"account|acct|claim|case|file|batch|lot|contract|customer|member|ticket|booking|receipt|permit|tracking|"
    r"serial|reg|registration|order|part|invoice|ref|policy|flight|licen[cs]e|ID|tax|company|item|model|"
    r"passport|phone|tel|[A-Z]{2,5}"
)
"""What has a number: "VAT no.", where a number or capitals follow."""
_STREETS = {"Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Ln": "Lane", "Pkwy": "Parkway"}
_MILLIONS = (
    r"people|users|doses|homes|customers|viewers|jobs|workers|tons|tonnes|barrels|visitors|households|subscribers|"
    r"views|passengers|downloads|copies|children|voters|residents|euros|dollars|pounds|members|units|shares|adults|"
    r"patients|pupils|students|tourists|listeners|followers|cars|vehicles|refugees|migrants|years|records|accounts"
)
"""What millions are counted of."""
_BOOKS = {
    **{"Gen": "Genesis", "Ex": "Exodus", "Exod": "Exodus", "Lev": "Leviticus", "Num": "Numbers"},
    **{"Deut": "Deuteronomy", "Josh": "Joshua", "Ps": "Psalm", "Pss": "Psalms", "Prov": "Proverbs"},
    **{"Isa": "Isaiah", "Jer": "Jeremiah", "Ezek": "Ezekiel", "Dan": "Daniel", "Matt": "Matthew"},
    **{"Mt": "Matthew", "Mk": "Mark", "Lk": "Luke", "Jn": "John", "Rom": "Romans"},
    **{"Cor": "Corinthians", "Gal": "Galatians", "Eph": "Ephesians", "Phil": "Philippians"},
    **{"Col": "Colossians", "Thess": "Thessalonians", "Tim": "Timothy", "Heb": "Hebrews"},
    **{"Jas": "James", "Pet": "Peter", "Rev": "Revelation", "Eccl": "Ecclesiastes"},
}
"""Books of the Bible, before chapter and verse."""
_ELEMENTS = r"(?:Na|Mg|Al|Si|Cl|Ca|Fe|Cu|Zn|Ag|Au|Pb|Br|Li|Ba|Hg|H|C|N|O|F|P|S|K|I|B)"
_MINUTES_AFTER = r"every|for|in|within|after|about|takes|took|another|last"


def _say_factorial(match: re.Match[str]) -> str:
    return f"{match[1]} factorial"


def _say_compound(match: re.Match[str]) -> str | None:
    """Say a formula of which one symbol has two letters, sign by sign: "NaCl", "CaCO3"."""
    formula = match.group()
    if formula.isupper() or formula == "NaN":
        return None
    parts = re.findall(r"[A-Za-z]+|\d{1,2}", formula)
    return " ".join(number(part) if part.isdecimal() else spelled(part) for part in parts)


def _say_lineage(match: re.Match[str]) -> str:
    """ "B.1.1.7": letters, then numbers with points between."""
    return " point ".join([spelled(match[1]).rstrip("."), *map(number, match[2].split("."))])


def _say_paragraph(match: re.Match[str]) -> str:
    """ "401(k)": three digits like a road, then the letter."""
    return f"{number(match[1])} oh {number(match[2])} {match[3].upper()}"


def _say_service(match: re.Match[str]) -> str:
    """Say what is keyed on a telephone: "*100#"."""
    ends = {"*": "star ", "#": "hash "}
    return f"{ends[match[1]]}{digits(match[2])}{' hash' if match[3] else ''}"


def _say_standard(match: re.Match[str]) -> str:
    """ "802.11ac": the first part like a road, then a number and letters."""
    letters = f" {spelled(match[2])}" if match[2] else ""
    return f"eight oh two point {number(match[1])}{letters}"


SHORTHAND: tuple[Rule, ...] = (
    rule(rf"(?<![\w.&/-])({any_of(_WORDS)})(?![\w&/-])", lambda match: _WORDS[match[1]]),
    rule(rf"(?<=\d) ?({any_of(_COUNTED)})\b\.?(?![\w/-])", lambda match: f" {_COUNTED[match[1]]}"),
    rule(rf"\b((?:{_NUMBERED}) )[Nn]o\.:? (?=[A-Z\d])", r"\1number "),
    rule(rf"(?<=[a-z\d] )({any_of(_STREETS)})\b(?!\.)", lambda match: _STREETS[match[1]]),
    rule(r"(?<![\w&#/])#(?=[A-Z]{1,4}-?\d)", "number "),
    rule(r"\b[Nn]o\. (?=0\d)", "number "),
    rule(r"(?<![\w.,])802\.(\d{1,2})([a-z]{0,2})(?![\w.]{0,60}\d)(?!\w)", _say_standard),
    rule(rf"\b({any_of(_BOOKS)})\.? (?=\d{{1,3}}:\d)", lambda match: f"{_BOOKS[match[1]]} "),
    rule(r"([πΔθλσω])(?=[A-Za-z])", r"\1 "),
    rule(r"\b(Rt|Rte)\.? (?=\d)", "Route "),
    rule(
        r"\b(ea|pers)\.(?=\s[a-z]|[,;).]|$)",
        lambda match: "each" if match[1] == "ea" else "persons",
    ),
    rule(r"(?<![\w.])(?<!\d )ca?\. ?(?=\d)", "circa "),
    rule(rf"(?<!\w)(?:{_ELEMENTS}\d{{0,2}}){{2,6}}(?!\w)", _say_compound),
    rule(
        r"(?<![\w-])([A-Z][a-z]?)([²³⁴]?)([⁺⁻])(?!\w)",
        lambda match: (
            f"{spelled(match[1])} {unicodedata.normalize('NFKC', match[2])} "
            f"{'plus' if match[3] == '⁺' else 'minus'}"
        ),
    ),
    rule(r"(?<![\w*#])([*#])(\d{2,6})(#)(?!\w)", _say_service),
    rule(r"(?<![\w*])(\*)(\d{2,6})()(?![\w*])", _say_service),
    rule(r"(?<![\w.*])([1-7])\*(?= [a-z]{3})", r"\1 star"),
    rule(r"\b(UTC|GMT) ?[-−–](?=\d)", r"\1 minus "),
    rule(r"(?<=\d)pc(?!\w)", "%"),
    rule(r"([$£€]\d{1,6}(?:\.\d\d)?) ?pp(?!\w)", r"\1 per person"),
    rule(r"(?<=\d)(?:pp| pp(?!\.))(?!\w)", " percentage points"),
    rule(rf"(?<=\d)m(?= (?:{_MILLIONS})\b)", " million"),
    rule(r"(?<=\d) ?(?:bn)(?= [a-z])", " billion"),
    rule(r"\b([A-Z]{1,3})\.(\d{1,3}(?:\.\d{1,3}){1,4})(?!\w|\.\d)", _say_lineage),
    rule(r"(?<=\d)#(?!\w)", " hash"),
    rule(r"(?<=\d) ?[x×] ?(?=[$£€¥₹]\d)", " times "),
    rule(r"((?<![\d.,/])1|[½¼¾⅓⅔⅛]) (tsp|tbsp|pkg|oz|lb|qt)\.(?= [a-z])", r"\1 \2"),
    rule(
        r"(?<![\w.])(\d{1,4}(?:\.\d{1,2})?) ?V ?[/,@] ?(\d{1,4}(?:\.\d{1,2})?) ?A(?!\w)",
        lambda match: f"{number(match[1])} volts {number(match[2])} amps",
    ),
    rule(r"(?<![\w.,$£€])([1-9])0(\d)\(([a-z])\)", _say_paragraph),
    rule(r"\b([Ee]q)s?\. ?(?=\()", lambda match: "equation " if match[1] == "eq" else "Equation "),
    rule(r"(?<=\d )st(?=[.,;]|$| \d{1,2} ?lbs?\b)", "stone"),
    rule(r"(?<![\w-])([A-F])-(?=[.,;!?)]|$| (?:in|on|for)\b)", r"\1 minus"),
    rule(r"(?<![\w.])(\d{1,7}(?:\.\d{1,3})?) ?t(?![\w'’-])", r"\1 tons"),
    rule(r"(?<![\w.])(\d{1,3}\.\d)([CF])(?![\w#+-])", r"\1°\2"),
    rule(
        r"\b((?:from|to|like|it's|feels|was|hits?|reach|reached|below|above|around|near|over|under|exceed|minus) )"
        r"([-−]?\d{1,3})([CF])(?![\w#+-])",
        r"\1\2°\3",
    ),
    rule(r"(?<=\d )c\.(?= (?:of )?[a-z])", "cups"),
    rule(r"(?<=\d(?:st|nd|rd|th)[ -])c\.(?= [A-Za-z])", "century"),
    rule(
        r"(?<=\d )(lg|med|sm)\.(?= [a-z])",
        lambda match: {"lg": "large", "med": "medium", "sm": "small"}[match[1]],
    ),
    rule(
        r"(?<!in )\b([Uu]nder|[Oo]ver)([ -])(\d{1,2})['’]?s(?!\w)",
        lambda match: f"{match[1]} {plural(number(match[3]))}",
    ),
    rule(
        r"(?<![\w.])(\d{1,2})['′’] ?(1[2-9]|[2-5]\d)[\"″”](?!\w)",
        lambda match: (
            f"{number(match[1])} {'minute' if match[1] == '1' else 'minutes'} {number(match[2])} seconds"
        ),
    ),
    rule(rf"\b((?:{_MINUTES_AFTER}) \d{{1,3}})['′’](?! ?\d)(?=[ ,.;)]|$)", r"\1 minutes"),
    rule(r"(?<![\w.,])(\d{1,3}|[a-z])!(?= ?[=+*/×÷)]| is\b| equals\b)", _say_factorial),
)
