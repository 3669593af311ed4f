"""How the shorthand of business, chats and sport is said: "YoY", "gr8", "7 wkts"."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re
import unicodedata

from speech_service.text.english.number_words import digits, number, plural, spelled, year
from speech_service.text.english.rules import Rule, any_of, rule
from speech_service.text.english.units import singular

_TYPED = {
    **{"YoY": "year over year", "yoy": "year over year", "QoQ": "quarter over quarter"},
    **{"MoM": "month over month", "b/c": "because", "c/o": "care of", "p.a.": "per annum"},
    **{"b.i.d.": "B.I.D", "t.i.d.": "T.I.D", "q.i.d.": "Q.I.D", "IPv4": "I.P V four"},
    **{"IPv6": "I.P V six", "w.r.t.": "with respect to", "s.t.": "such that", "o/w": "otherwise"},
    **{"P/E": "P.E", "TBC": "T.B.C", "thx": "thanks", "pls": "please", "2nite": "tonight"},
    **{"2day": "today", "gr8": "great", "b4": "before", "l8r": "later", "m8": "mate"},
    **{
        "FAQs": "F.A.Qs",
        "Rx": "R.X",
        "PO": "P.O",
        "EOD": "end of day",
        "y/y": "year over year",
        "q/q": "quarter over quarter",
        "m/m": "month over month",
        "w/v": "weight per volume",
        "w/w": "weight per weight",
        "v/v": "volume per volume",
        "w/e": "week ending",
        "w/c": "week commencing",
        "24/7/365": "twenty-four seven three sixty-five",
    },
    **{"WWI": "World War One", "WWII": "World War Two", "WW1": "World War One"},
    **{"WW2": "World War Two", "DOB": "D.O.B", "SOP": "S.O.P", "SOPs": "S.O.Ps", "COPD": "C.O.P.D"},
    **{
        "ALS": "A.L.S",
        "MMS": "M.M.S",
        "AWS": "A.W.S",
        "LAX": "L.A.X",
        "COB": "C.O.B",
        "AMS": "A.M.S",
    },
    **{"MOM": "M.O.M", "ERA": "E.R.A", "AKA": "A.K.A", "PCIe": "P.C.I.E", "Ctrl": "Control"},
    **{"Cmd": "Command", "hx": "history", "s/p": "status post", "M-F": "Monday to Friday"},
    **{"Mon-Fri": "Monday to Friday", "N°": "number", "Nº": "number"},
    **{"btw": "by the way", "ofc": "of course", "eod": "end of day", "tmrw": "tomorrow"},
    **{"abt": "about", "cuz": "because", "ppl": "people", "msg": "message", "msgs": "messages"},
    **{"mtg": "meeting", "mtgs": "meetings", "wknd": "weekend", "k8s": "kubernetes"},
    **{"EIN": "E.I.N", "FRA": "F.R.A", "IST": "I.S.T", "str8": "straight", "sk8": "skate"},
    **{"F/U": "follow-up", "f/u": "follow-up", "h/o": "history of", "r/o": "rule out"},
    **{
        "rcpt": "receipt",
        "mkt": "market",
        "sz": "size",
        "h8": "hate",
        "w8": "wait",
        "l8": "late",
    },
}
_WORDS = _TYPED | {
    name.capitalize(): said.capitalize()
    for name, said in _TYPED.items()
    if name.islower() and name.isalpha() and name != "ofc"
}
"""What is said so wherever it stands; what is written small may begin a sentence, but "Ofc" is an office."""
_SIZE = r"(?:[2-6]X|X{1,4})?[SML]"
_COUNTED = {
    **{"wkts": "wickets", "wkt": "wicket", "pts": "points", "ppl": "people", "reps": "reps"},
    **{"rds": "rounds", "asst": "assists", "reb": "rebounds", "veh": "vehicles", "bbl": "barrels"},
    **{"hh": "hours", "pax": "passengers", "qtrs": "quarters", "bdrm": "bedroom", "stks": "sticks"},
    **{"pkts": "packets", "sqft": "square feet", "sqm": "square meters", "nts": "nights"},
    **{"Ga": "billion years", "Ma": "million years", "lb-ft": "pound feet", "ft-lb": "foot pounds"},
    **{"cts": "cents", "ov": "overs", "yo": "year old", "tix": "tickets", "mos": "months"},
    **{"kya": "thousand years ago", "Kya": "thousand years ago", "mya": "million years ago"},
    **{"Mya": "million years ago", "Gya": "billion years ago", "bn": "billion"},
}
"""What is said so behind a number."""
_NUMBERED = (
    r"account|acct|claim|case|file|batch|lot|contract|customer|member|ticket|booking|receipt|permit|tracking|"
    r"serial|reg|registration|order|part|invoice|ref|policy|flight|licen[cs]e|ID|tax|company|item|model|"
    r"passport|phone|tel"
)
"""What has a number: "VAT no.", where a number or capitals follow."""
_STREETS = {"Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Ln": "Lane", "Pkwy": "Parkway"}
_MILLIONS = (
    r"people|users|doses|homes|customers|viewers|jobs|workers|tons|tonnes|barrels|visitors|households|subscribers|"
    r"views|passengers|downloads|copies|children|voters|residents|euros|dollars|pounds|members|units|shares|adults|"
    r"lives|deaths|trees|streams|plays|lines|hits|patients|pupils|students|tourists|listeners|followers|cars|vehicles|refugees|migrants|years|records|accounts"
)
"""What millions are counted of."""
_BOOKS = {
    **{"Gen": "Genesis", "Ex": "Exodus", "Exod": "Exodus", "Lev": "Leviticus", "Num": "Numbers"},
    **{"Deut": "Deuteronomy", "Josh": "Joshua", "Ps": "Psalm", "Pss": "Psalms", "Prov": "Proverbs"},
    **{"Isa": "Isaiah", "Jer": "Jeremiah", "Ezek": "Ezekiel", "Dan": "Daniel", "Matt": "Matthew"},
    **{"Mt": "Matthew", "Mk": "Mark", "Lk": "Luke", "Jn": "John", "Rom": "Romans"},
    **{"Cor": "Corinthians", "Gal": "Galatians", "Eph": "Ephesians", "Phil": "Philippians"},
    **{"Col": "Colossians", "Thess": "Thessalonians", "Tim": "Timothy", "Heb": "Hebrews"},
    **{"Surah": "Surah", "Sura": "Sura", "Qur'an": "Qur'an", "Quran": "Quran", "Koran": "Koran"},
    **{"Jas": "James", "Pet": "Peter", "Rev": "Revelation", "Eccl": "Ecclesiastes"},
}
"""Books of the Bible, before chapter and verse."""
_WHOLE_BOOKS = (
    *(
        "Genesis",
        "Exodus",
        "Leviticus",
        "Numbers",
        "Deuteronomy",
        "Joshua",
        "Judges",
        "Ruth",
        "Samuel",
    ),
    *(
        "Kings",
        "Chronicles",
        "Job",
        "Psalm",
        "Psalms",
        "Proverbs",
        "Ecclesiastes",
        "Isaiah",
        "Jeremiah",
    ),
    *(
        "Ezekiel",
        "Daniel",
        "Matthew",
        "Mark",
        "Luke",
        "John",
        "Acts",
        "Romans",
        "Corinthians",
        "Galatians",
    ),
    *(
        "Ephesians",
        "Philippians",
        "Colossians",
        "Thessalonians",
        "Timothy",
        "Titus",
        "Hebrews",
        "James",
    ),
    *("Peter", "Revelation", "Hosea", "Joel", "Amos", "Jonah", "Micah", "Malachi"),
)
_ELEMENTS = r"(?:Na|Mg|Al|Si|Cl|Ca|Fe|Cu|Zn|Ag|Au|Pb|Br|Li|Ba|Hg|H|C|N|O|F|P|S|K|I|B)"
_SHARES = (
    r"dilutions?|ratio|scale|mix|mixture|models?|replica|split|odds|gradient|proportions?|concentration|map|solution|"
    r"aspect|favou?rite|majority"
)
"""What is told by a ratio: "a 1:10 dilution"."""
_WEEK = {
    **{"M": "Monday", "Tu": "Tuesday", "Th": "Thursday", "F": "Friday", "Sa": "Saturday"},
    **{"Su": "Sunday"},
}
"""Days by a letter or two, where a time follows: "M-Th 9-5"."""
_BODY = {"W": "Weight", "w": "weight", "H": "Height", "h": "height"}
_LONG = {"yrs": "years", "mos": "months", "wks": "weeks", "hrs": "hours", "mins": "minutes"}
_RENTS = {
    **{
        "pp": "person",
        "pcm": "calendar month",
        "pw": "week",
        "pm": "month",
        "pa": "year",
        "ph": "hour",
    },
    **{"pn": "night", "ppn": "person per night", "pppn": "person per night", "pd": "day"},
}
"""What a price is for, in small letters behind it: "£950pcm"."""
_LOWER = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def _say_verse(match: re.Match[str]) -> str:
    book, chapter, verse, last = match.groups()
    said = f"{_BOOKS.get(book, book)} {number(chapter)} {number(verse)}"
    return said + (f" to {number(last)}" if last else "")


def _say_edition(match: re.Match[str]) -> str:
    """ "ISO 9001:2015": a standard, its part and its year."""
    name, standard, part, edition = match.groups()
    said = " ".join([name, number(standard), *([number(part)] if part else [])])
    return f"{said}, {year(int(edition))}"


def _say_jet(match: re.Match[str]) -> str:
    """ "747" as "seven forty-seven"."""
    return "seven oh seven" if match[1][1] == "0" else f"seven {number(match[1][1:])}"


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


def _say_service(match: re.Match[str]) -> str:
    """Say what is keyed on a telephone: "*100#"."""
    ends = {"*": "star ", "#": "hash "}
    return f"{ends[match[1]]}{digits(match[2])}{' hash' if match[3] else ''}"


def _say_long_time(match: re.Match[str]) -> str:
    """ "3y 4m": years and months; "2w 3d", "5d 6h"."""
    names = {"y": "year", "w": "week", "d": "day", "h": "hour", "m": "month"}
    parts = ((match[1], names[match[2][0]]), (match[3], names[match[4][0]]))
    return " ".join(f"{number(count)} {name}{'' if count == '1' else 's'}" for count, name in parts)


def _say_field(match: re.Match[str]) -> str:
    """A field of something, in code: "A.id =" as "A dot I D"."""
    owner, field = (match[1], match[2]) if match[1] else (match[3], match[4])
    said = [spelled(name) if len(name) == 1 or name == "id" else name for name in (owner, field)]
    return " dot ".join(said)


def _size(text: str) -> str:
    """ "XXL": as the letters are, "3XL" with its number."""
    head = f"{number(text[0])} " if text[0].isdecimal() else ""
    return head + spelled(text.lstrip("23456"))


def _say_standard(match: re.Match[str]) -> str:
    """ "802.11ac": the first part like a road, then a number and letters."""
    part = [number(match[1])] if match[1] else []
    letters = [spelled(match[2])] if match[2] else []
    return " ".join(["eight oh two point", *part, *letters])


SHORTHAND: tuple[Rule, ...] = (
    rule(rf"(?<![\w.&/-])({any_of(_WORDS)})(?![\w&/-]|[.,]\d)", lambda match: _WORDS[match[1]]),
    # Letters and sizes from one to the other.
    rule(
        rf"(?<![\w-])(?=[SML\dX]{{1,3}}\s?[-–]\s?[\dX]{{0,4}}[XL]|\S{{1,4}}X)({_SIZE})\s?[-–]\s?({_SIZE})(?![\w'’-])",
        lambda match: f"{_size(match[1])} to {_size(match[2])}",
    ),
    rule(
        r"(?<![\w-])(?:([A-Z])\s?–\s?([A-Z])|(A)-([C-Z]))(?![\w'’–-]| bonds?\b)",
        lambda match: f"{spelled(match[1] or match[3])} to {spelled(match[2] or match[4])}",
    ),
    rule(r"(?<=[a-z] )A(?=[,;:!?]|$| [a-z])", "A."),
    rule(
        rf"(?<=\d) ?({any_of(_COUNTED)})\b(?![\w/-])(?:\.(?= [a-z]|[,;)]))?",
        lambda match: f" {_COUNTED[match[1]]}",
    ),
    rule(r"(?<=\b1 )pt\.(?= [a-z])", "pint"),
    rule(r"(?<=\d )pt\.(?= [a-z])", "pints"),
    rule(r"(?<=[½¼¾⅓⅔⅛])\s?[-–]\s?(?=\d)", " to "),
    rule(r"\b([WwHh])t\b\.?(?=:? \d)", lambda match: _BODY[match[1]]),
    rule(
        r"(?<![\w.])(\d{1,2}) ?(?:bd|br|bed)s? ?/ ?(\d{1,2}(?:\.\d)?) ?(?:ba|bath)s?(?!\w)",
        lambda match: f"{number(match[1])} bed, {number(match[2])} bath",
        any_case=True,
    ),
    rule(
        r"(?<![\w-])(M|Tu|Th|Sa)\s?[-–]\s?(Th|F|Sa|Su)(?=[,:]? \d)",
        lambda match: f"{_WEEK[match[1]]} to {_WEEK[match[2]]}",
    ),
    rule(r"(?<=\d(?:st|nd|rd|th))\s?[-–]\s?(?=\d{1,4}(?:st|nd|rd|th)\b)", " to "),
    rule(
        r"(?<=\d)( ?(?:g|kg|ml|l|L|cl|cm|mm|m|km|oz|lb)) ?/ ?"
        r"(?=\d{1,4}(?:\.\d{1,2})?[½¼¾⅓⅔⅛]? ?(?:oz|lbs?|fl|g|kg|ml|in|ft|pt|mi|cups?|yd)\b)",
        r"\1 or ",
    ),
    rule(r"(?<=\d )d\.(?= [a-z])", "days"),
    rule(
        r"(?<![\w.])(?<!\d,)(\d{1,3}) ?(y|yrs?|w|wks?|d) ?(\d{1,2}) ?(mo?|mths?|d|h|hrs?)(?!\w)",
        _say_long_time,
    ),
    rule(
        r"(?i:\b(select|count|delete|import) )\*|(?<=\()\*(?=\))",
        lambda match: f"{match[1] + ' ' if match[1] else ''}star",
    ),
    rule(r"(?<!\S)\*(?=\.\w)", "star "),
    rule(
        r"(?<![\w.])([A-Za-z]\w{0,30})\.([a-z_]\w{0,30})(?=\s?(?:[=<>!]=|[=<>])|\()|"
        r"(?<=[=<>] )([A-Za-z]\w{0,30})\.([a-z_]\w{0,30})(?![\w.])",
        _say_field,
    ),
    rule(r"\bINR (?=\d(?:\.\d)?(?![\d,.]| ?(?:crore|lakh|million|billion|k)))", "I.N.R "),
    rule(rf"\b((?:(?i:{_NUMBERED})|[A-Z]{{2,5}}) )[Nn]o\.:? (?=[A-Z\d])", r"\1number "),
    rule(r"\b([Nn])os?\.: ", r"\1umber: "),
    rule(r"\b[eE]xt\b\.? ?(?=\d)|(?<=\d\d) [xX](?=\d{2,5}(?!\w))", " extension "),
    rule(rf"(?<=[a-z\d] )({any_of(_STREETS)})\b(?!\.)", lambda match: _STREETS[match[1]]),
    rule(r"(?<![\w&#/])#(?=[A-Z]{1,4}-?\d)(?![A-Z]{2,4}(?:19|20)\d\d(?!\d))", "number "),
    rule(r"\b[Nn]o\. (?=0\d)", "number "),
    rule(r"(?<![\w.,])802\.(1|3|11|15|16)([a-zA-Z]{0,2})(?![\w.]{0,60}\d)(?!\w)", _say_standard),
    rule(
        rf"\b({any_of((*_BOOKS, *_WHOLE_BOOKS))})\.? (\d{{1,3}}):(\d{{1,3}})(?:[-–](\d{{1,3}}))?(?![\w:])",
        _say_verse,
    ),
    rule(r"([πΔθλσω])(?=[A-Za-z])", r"\1 "),
    rule(r"\blog([₀-₉]{1,2}) ?", lambda match: f"log base {match[1].translate(_LOWER)} of "),
    rule(r"(?<=[A-Za-z)])[₀-₉]{1,3}", lambda match: match[0].translate(_LOWER)),
    rule(r"\b(Rt|Rte)\.? (?=\d)", "Route "),
    rule(
        r"(?<![\w./])([A-Z]{2,3})/(?=\d{2,6}(?!\w|/[A-Z\d]))",
        lambda match: f"{spelled(match[1])} slash ",
    ),
    rule(r"(?<=\d )pp\.(?= [a-z])", "pages"),
    rule(
        r"(?<=\d)(\+?) ?(yrs|mos|wks|hrs|mins)(?=['’] )",
        lambda match: f"{' plus' if match[1] else ''} {_LONG[match[2]]}",
    ),
    rule(r"\bU-?(\d\d)s(?!\w)", lambda match: f"U {plural(number(match[1]))}"),
    rule(r"\bon agg\b\.?(?= ?[a-z,;)])|\bon agg\b", "on aggregate"),
    rule(r"(?<![\w.])\.NET\b", "dot net"),
    rule(r"\b((?:Flat|Unit|Apt\.?|Lot) \d{1,3})/(?=\d{1,3}(?!\w))", r"\1 slash "),
    rule(
        r"(?<![\w.,])(911|999|112)( or | and |/)(911|999|112)(?!\w|[.,]\d)",
        lambda match: f"{digits(match[1])}{match[2]}{digits(match[3])}",
    ),
    rule(
        r"(?<=\d )\((\d{1,4}(?:\.\d)?)[ -]?(oz|g|ml|mL|lb|kg)\.?\)(?= [a-z])",
        lambda match: f"{number(match[1])} {singular(match[2])}",
    ),
    rule(r"(?<![\w./,])(\d{1,3})\s?[-–]\s?(?=\d{0,3} ?[½¼¾⅓⅔⅛])", r"\1 to "),
    rule(r"(?<=\d) ?h(?:rs?)?\.? 0(?=\d ?min)", " h "),
    rule(r"(?<=\d)/ ?(?:ea\b\.?|each\b)", " each"),
    rule(r"(?<=\bfor )(\d{1,3}) ?d(?!\w)", r"\1 days"),
    rule(
        rf"(?<![\w.:])(\d{{1,4}}):(\d{{1,4}})(?= (?:{_SHARES})\b)",
        r"\1 to \2",
    ),
    rule(
        r"(?<![\w:])([a-z]):([a-z])(?![\w:])",
        lambda match: f"{spelled(match[1])} to {spelled(match[2])}",
    ),
    rule(
        r"(?<=\d) M (?=(?:acid|solution|buffer|glucose|sucrose|Tris|HCl|NaCl|NaOH|KCl)\b)",
        " molar ",
    ),
    rule(
        r"(?<== )(?!(?:pi|is|no|to|in|on|it|ln|or)\b)([a-z]{2})(?![\w'’])",
        lambda match: spelled(match[1]),
    ),
    rule(
        r"(?<![\w.])(\d{1,3})°-(\d{1,3})°-(\d{1,3})°(?!\w)",
        lambda match: " ".join(number(part) for part in match.groups()),
    ),
    rule(
        r"(?<![\w.,$£€])(7[0-8]7)(?= (?:MAX|Max|Dreamliner|jet|jets|jumbo|plane|freighter)\b)",
        _say_jet,
    ),
    rule(
        r"\b(ea|pers)\.(?=\s[a-z]|[,;).]|$)",
        lambda match: "each" if match[1] == "ea" else "persons",
    ),
    rule(r"(?<![\w.])(?<!\d )(?:ca?|Ca)\. ?(?=\d)", "circa "),
    rule(rf"(?<!\w)(?:{_ELEMENTS}\d{{0,2}}){{2,6}}(?!\w|[.,]\d)", _say_compound),
    rule(
        r"(?<![\w-])([A-Z][a-z]?)(?=[²³⁴]?[⁺⁻](?!\w))",
        lambda match: spelled(match[1]),
    ),
    rule(
        r"(?<=[A-Za-z\d)])([²³⁴]?)([⁺⁻])(?!\w)",
        lambda match: (
            f" {unicodedata.normalize('NFKC', match[1])} {'plus' if match[2] == '⁺' else 'minus'}"
        ),
    ),
    rule(r"(?<![\w*#])([*#])(\d{2,6})(#)(?!\w)", _say_service),
    rule(r"(?<![\w*])(\*)(\d{2,6})()(?![\w*])", _say_service),
    rule(r"(?<![\w.*])([1-7])\*(?= [a-z]{3})", r"\1 star"),
    rule(
        r"\b(UTC|GMT) ?([-−–+])0?(\d{1,2})(?::?(?:00|(30|45)))?(?![\w:])",
        lambda match: (
            f"{match[1]} {'plus' if match[2] == '+' else 'minus'} "
            + " ".join(number(part) for part in match.groups()[2:] if part)
        ),
    ),
    rule(r"\b(UTC|GMT) ?[-−–](?=\d)", r"\1 minus "),
    rule(
        r"(?<![\w.:])(\d{1,4}):(\d{1,4})( ?(?:=|::|∷) ?| equals | is equal to | simplifies to | is the same as )"
        r"(\d{1,4}):(\d{1,4})(?![\w:]|\.\d)",
        r"\1 to \2\3\4 to \5",
    ),
    rule(r"(?<=\d)pc(?!\w)", "%"),
    rule(
        rf"([$£€]\d{{1,3}}(?:,\d{{3}})?\d{{0,3}}(?:\.\d\d)?) ?({any_of(_RENTS)})(?!\w)",
        lambda match: f"{match[1]} per {_RENTS[match[2]]}",
    ),
    rule(r"(?<=\d)(?:pp| pp(?!\.))(?!\w)", " percentage points"),
    rule(rf"(?<=\d)m(?=\+? (?:{_MILLIONS})\b)", " million"),
    rule(r"\b([A-Z]{1,3})\.(\d{1,3}(?:\.\d{1,3}){1,4})(?!\w|\.\d)", _say_lineage),
    rule(r"(?<=\d)#(?!\w)", " hash"),
    rule(r"\b([A-Z]{1,2}\d{1,3})–(?=[A-Z]{1,2}\d)", r"\1 to "),
    rule(r"\b([A-Z])(\d{1,2})-(?=\1\d{1,2}(?!\w))", r"\1\2 to "),
    rule(
        r"(?<![\w.,])(\d{1,2})[-–](\d{1,2})s(?!\w)",
        lambda match: f"{number(match[1])} to {plural(number(match[2]))}",
    ),
    rule(r"\|([A-Za-z\d]{1,6}|[-−]\d{1,6})\|", r"absolute value of \1"),
    rule(r"(?<=\d) ?[x×] ?(?=[$£€¥₹]\d)", " times "),
    rule(r"(?<=\d)pt(?=[ .,;)-]|$)", " point"),
    rule(
        r"(?<![\w.])(?<!\d,)(\d{1,4}(?:\.\d{1,2})?) ?V ?[/,@] ?(\d{1,4}(?:\.\d{1,2})?) ?A(?!\w)",
        lambda match: f"{number(match[1])} volts {number(match[2])} amps",
    ),
    rule(r"\b([Ee]q)s?\. ?(?=\()", lambda match: "equation " if match[1] == "eq" else "Equation "),
    rule(r"(?<=[\d½¼¾] )st(?=[.,;]|$| \d{1,2} ?lbs?\b)", "stone"),
    rule(r"(?<![\w-])([A-F])-(?=[.,;!?)]|$| (?:in|on|for)\b)", r"\1 minus"),
    rule(r"(?<![\w.])(?<!\d,)(\d{1,7}(?:\.\d{1,3})?) ?t(?![\w'’-])", r"\1 tons"),
    rule(r"(?<![\w.])(?<!\d,)(\d{1,3}\.\d) ?([CF])(?![\w#+-])", r"\1°\2"),
    rule(
        r"\b((?:from|to|like|it's|feels|was|hits?|reach|reached|below|above|around|near|over|under|exceed|minus) )"
        r"([-−]?\d{1,3})([CF])(?![\w#+-])",
        r"\1\2°\3",
    ),
    rule(r"\b([Mm])ed-(?=(?:high|low|rare|well|large|small|size|sized)\b)", r"\1edium "),
    rule(r"\bN[°º] ?(?=\d)", "number "),
    rule(
        r"(?<![\w.])(?<!\d,)(\d)m(\d\d)(?!\w)",
        lambda match: (
            f"{number(match[1])} {'meter' if match[1] == '1' else 'meters'} {number(match[2])}"
        ),
    ),
    rule(
        r"\bT-(?=\d{1,3}(?: ?(?:h|hrs?|hours?|min|minutes?|s|sec|seconds?|d|days?|weeks?)\b|:\d\d)|"
        r"\d{1,2}(?:[.,;!?]|$| and\b))",
        "T minus ",
    ),
    rule(
        r"\b((?:ISO|IEC|EN|DIN|BS|ANSI|IEEE|ASTM)(?:/[A-Z]{2,4})?) (\d{2,6})(?:-(\d{1,3}))?:(\d{4})(?!\w)",
        _say_edition,
    ),
    rule(
        r"\b((?:RTX|GTX|RX|GT|Ryzen \d|Radeon|GeForce) )(\d\d)(\d\d)(?!\d)",
        lambda match: (
            f"{match[1]}{number(match[2])} {number(match[3]) if match[3] != '00' else 'hundred'}"
        ),
    ),
    rule(
        r"(?<![\w.])([A-Z])\.(\d{3,4})(?![\w.])",
        lambda match: f"{spelled(match[1])} {digits(match[2])}",
    ),
    rule(r"(?<![\w.,$£€])(7[0-8]7)s(?!\w)", lambda match: plural(_say_jet(match))),
    rule(
        r"\b(Del|Esc)(?![\w-]| [A-Z])", lambda match: {"Del": "Delete", "Esc": "Escape"}[match[1]]
    ),
    rule(r"(?<![\w./])([1-9]|1[0-2])/([1-9]|1[0-2])c(?!\w)", r"\1 \2 Central"),
    rule(r"(?<= to \d\dth )c\.(?=[,;)])|(?<= to \d\dth )c(?=\.\s?$)", "centuries"),
    rule(
        r"(?<=\d(?:st|nd|rd|th)[ -])c\.(?= [A-Za-z]|[,;)])|(?<=\d(?:st|nd|rd|th)[ -])c(?=\.\s?$)",
        "century",
    ),
    rule(
        r"(?<=\d )(lg|med|sm)\.(?= [a-z])",
        lambda match: {"lg": "large", "med": "medium", "sm": "small"}[match[1]],
    ),
    rule(
        r"(?<!in )\b([Uu]nder|[Oo]ver)([ -])(\d{1,2})['’]?s(?!\w)",
        lambda match: f"{match[1]} {plural(number(match[3]))}",
    ),
    rule(r"(?<![\w.,$£€¥])(\d{1,3}|[a-z])!(?= ?[=+*/×÷]| is\b| equals\b)", _say_factorial),
)
