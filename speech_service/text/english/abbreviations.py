"""How abbreviations and titles are said. What is a word as well is read as one unless it is certain."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

from speech_service.text.english.calendar.names import MONTHS
from speech_service.text.english.number_words import number, spelled, year
from speech_service.text.english.rules import Rule, any_of, full_stop, rule

_TITLES = {
    **{
        "Mr": "Mister",
        "Mrs": "Missus",
        "Ms": "Miz",
        "Dr": "Doctor",
        "Prof": "Professor",
        "St": "Saint",
    },
    **{"Mt": "Mount", "Ft": "Fort", "Gen": "General", "Gov": "Governor", "Sen": "Senator"},
    **{
        "Rep": "Representative",
        "Capt": "Captain",
        "Lt": "Lieutenant",
        "Col": "Colonel",
        "Sgt": "Sergeant",
    },
    **{
        "Cmdr": "Commander",
        "Rev": "Reverend",
        "Hon": "Honorable",
        "Pres": "President",
        "Cpl": "Corporal",
    },
    **{
        "Supt": "Superintendent",
        "Maj": "Major",
        "Adm": "Admiral",
        "Fr": "Father",
        "Msgr": "Monsignor",
    },
    **{"Messrs": "Messieurs", "Atty": "Attorney"},
}
"""Titles before a name. Those of ``_BARE`` are read without a dot as well."""
_ROADS = ("Hwy", "Rte", "Fwy", "Expy", "Pkwy")
_SIDES = {"N": "North", "S": "South", "E": "East", "W": "West"}
_CORNERS = _SIDES | {"NW": "Northwest", "NE": "Northeast", "SW": "Southwest", "SE": "Southeast"}
_WAYS = {
    **{"Ter": "Terrace", "Cres": "Crescent", "Cir": "Circle", "Gdns": "Gardens", "Trl": "Trail"},
    **{"Plz": "Plaza"},
    **{"St": "Street", "Dr": "Drive", "Pl": "Place", "Ct": "Court", "Sq": "Square"},
}
_STREETS = (
    r"St|Ave|Rd|Blvd|Ln|Dr|Ct|Pl|Sq|Pkwy|Hwy|Street|Avenue|Road|Boulevard|Lane|Drive|Court|Place|Square|"
    r"Parkway|Highway|Terrace|Circle"
)
_BARE = ("Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Mt", "Ft", "Lt", "Sgt", "Capt")
_ALWAYS = {
    **{"Mr": "Mister", "Mrs": "Missus", "Ms": "Miz"},
    **{
        "Jr": "Junior",
        "Sr": "Senior",
        "Blvd": "Boulevard",
    },
    **{
        "Ave": "Avenue",
        "Rd": "Road",
        "Ln": "Lane",
        "Hwy": "Highway",
        "Pkwy": "Parkway",
        "Bldg": "Building",
    },
    **{
        "Ltd": "Limited",
        "Inc": "Incorporated",
        "Corp": "Corporation",
        "Bros": "Brothers",
        "Dept": "Department",
    },
    **{"hwy": "highway", "blvd": "boulevard", "pkwy": "parkway", "bldg": "building"},
    **{"mgr": "manager", "asst": "assistant", "acct": "account", "intl": "international"},
    **{"ltd": "limited", "univ": "university", "Esq": "Esquire"},
    **{"Rte": "Route", "Fwy": "Freeway", "Expy": "Expressway", "Tpke": "Turnpike", "doz": "dozen"},
    **{"dept": "department", "Univ": "University", "Assn": "Association", "Govt": "Government"},
    **{
        "govt": "government",
        "approx": "approximately",
        "Approx": "Approximately",
        "appt": "appointment",
    },
    **{
        "Prof": "Professor",
        "Sgt": "Sergeant",
        "Capt": "Captain",
        "Lt": "Lieutenant",
        "Supt": "Superintendent",
    },
    **{
        "vs": "versus",
        "Vs": "versus",
        "etc": "et cetera",
        "cf": "compare",
        "viz": "namely",
        "ibid": "ibid",
    },
    **{
        "misc": "miscellaneous",
        "Misc": "Miscellaneous",
        "incl": "including",
        "excl": "excluding",
        "dwg": "drawing",
    },
    **{
        "tbsp": "tablespoons",
        "tsp": "teaspoons",
        "Sept": "September",
        "Tues": "Tuesday",
        "Weds": "Wednesday",
        "Thurs": "Thursday",
    },
    **{
        "temp": "temperature",
        "avg": "average",
        "Avg": "Average",
        "qty": "quantity",
        "Qty": "Quantity",
    },
    **{"Feb": "February", "Apr": "April", "Aug": "August", "Oct": "October", "Nov": "November"},
    **{
        "Tue": "Tuesday",
        "Thu": "Thursday",
        "Pres": "President",
        "Atty": "Attorney",
        "esp": "especially",
    },
}
"""Abbreviations with a dot, which are no words of English."""
_WITH_NUMBER = {
    **{
        "No": "Number",
        "no": "number",
        "Nos": "Numbers",
        "nos": "numbers",
        "Nr": "Number",
        "nr": "number",
    },
    **{
        "fig": "figure",
        "Fig": "Figure",
        "figs": "figures",
        "Figs": "Figures",
        "vol": "volume",
        "Vol": "Volume",
    },
    **{
        "vols": "volumes",
        "Vols": "Volumes",
        "ch": "chapter",
        "Ch": "Chapter",
        "chap": "chapter",
        "Chap": "Chapter",
    },
    **{
        "p": "page",
        "pg": "page",
        "pp": "pages",
        "sec": "section",
        "Sec": "Section",
        "art": "article",
    },
    **{
        "Art": "Article",
        "eq": "equation",
        "Eq": "Equation",
        "par": "paragraph",
        "Par": "Paragraph",
        "pt": "part",
    },
    **{
        "Pt": "Part",
        "ver": "version",
        "Ver": "Version",
        "App": "Appendix",
        "app": "appendix",
        "ex": "example",
    },
    **{
        "Ex": "Example",
        "tab": "table",
        "Tab": "Table",
        "est": "established",
        "Est": "Established",
        "c": "circa",
    },
    **{
        "ca": "circa",
        "max": "maximum",
        "Max": "Maximum",
        "min": "minimum",
        "Min": "Minimum",
        "Apt": "Apartment",
    },
    **{
        "apt": "apartment",
        "Ste": "Suite",
        "Rm": "Room",
        "ext": "extension",
        "Ext": "Extension",
        "op": "opus",
    },
    **{
        "Op": "Opus",
        "ed": "edition",
        "tel": "telephone",
        "Tel": "Telephone",
        "ref": "reference",
        "Ref": "Reference",
    },
    **{
        "v": "version",
        "exp": "expires",
        "Exp": "Expires",
        "para": "paragraph",
        "Para": "Paragraph",
    },
    **{"paras": "paragraphs", "cl": "clause", "Cl": "Clause", "s": "section", "ss": "sections"},
    **{"Sched": "Schedule", "sched": "schedule", "Reg": "Regulation", "reg": "regulation"},
    **{
        "Fl": "Floor",
        "arts": "articles",
        "Arts": "Articles",
        "eqs": "equations",
        "Ps": "Psalm",
        "Jct": "Junction",
        "Ep": "Episode",
        "ep": "episode",
        "Appx": "Appendix",
        "appx": "appendix",
        "Ser": "Series",
        "Blk": "Block",
        "blk": "block",
        "Bldg": "Building",
        "bldg": "building",
        "Exh": "Exhibit",
        "exh": "exhibit",
    },
}
"""Abbreviations with a dot and a number behind it."""
_PLAIN_WITH_NUMBER = (
    *("pp", "pg", "Nos", "Apt", "Ste", "Rm", "ext", "Ext", "Blk", "blk", "Bldg", "bldg", "Fl"),
    *("Fig", "fig", "Figs", "figs", "Vol", "vol", "Ch", "Sec", "Ep", "Jct", "Pt"),
)
"""Abbreviations before a number that need no dot."""
_MID = {
    **{
        "Jan": "January",
        "Mar": "March",
        "Jun": "June",
        "Jul": "July",
        "Sep": "September",
        "Dec": "December",
    },
    **{
        "Mon": "Monday",
        "Wed": "Wednesday",
        "Fri": "Friday",
        "Sat": "Saturday",
        "Sun": "Sunday",
        "Co": "Company",
    },
    **{
        "Gen": "General",
        "Gov": "Governor",
        "Sen": "Senator",
        "Rep": "Representative",
        "Col": "Colonel",
    },
    **{"Mt": "Mount", "Maj": "Major", "Adm": "Admiral", "Hon": "Honorable", "Rev": "Reverend"},
    **{"max": "maximum", "min": "minimum"},
}
"""Names and words too: only where the dot cannot end a sentence, or after a word that calls for a day."""
_OPENERS = (
    r"It|He|She|They|We|I|You|The|A|An|This|That|There|Then|But|And|Or|In|On|At|If|When|What|Who|Where|My|Our|His|Her|"
    r"Its|Their|No|Yes|So|As|After|Before|Is|Are|Was|Were|Do|Does|Did|Can|Please|Turn|Take|Go"
)
"""Words that begin a sentence, and no name."""
_BEFORE_SMALL = {
    **{"gal": "gallon", "qt": "quart", "pt": "pint", "sec": "second", "apt": "apartment"},
    **{"co": "company", "est": "estimated", "gen": "general", "def": "definitely"},
}
"""Words too, as some of ``_MID``; a dot before a small letter ends no sentence."""
_OPENS_ON = r"closed|Closed|open|Open|except|Except|not|daily|and|or|to|thru|through|between|plus"
"""Words before a day of the week, which may end its sentence: "closed Sun."; a month may be a name there."""
_DAYS_AFTER = (
    r"COB|EOD|before|after|from|this|due|on|On|every|Every|next|Next|last|Last|until|Until|till|by|By|in|In|"
    r"since|Since"
)
_ANSWERED = frozenset(
    [
        "said",
        "say",
        "says",
        "saying",
        "is",
        "was",
        "be",
        "answer",
        "answers",
        "answered",
        "answering",
        "told",
        "meant",
        "means",
        "voted",
        "vote",
        "or",
        "not",
        "simply",
        "just",
        "replied",
        "reply",
        "yes",
        "oh",
        "well",
    ]
)
"""Words before a "no" that is an answer."""
_COUNTED = re.compile(r"\d{1,9} (?!(?:and|or|in|on|of|is|was|at|to|for|by|with)\b)[a-z]")
_LONGEST_WORD = 24


def _ends_sentence(match: re.Match[str]) -> bool:
    """Whether the dot that the match ends with may be a full stop."""
    rest = match.string[match.end() : match.end() + 4]
    word = rest.lstrip(" \n\"'”’)")
    return not word or word[:1].isupper()


def _say_always(match: re.Match[str]) -> str:
    return _ALWAYS[match[1]] + ("." if _ends_sentence_after(match) else "")


def _ends_sentence_after(match: re.Match[str]) -> bool:
    """Whether a sentence ends there: the text ends, or a space and a capital follow what no name follows."""
    rest = match.string[match.end() : match.end() + 8].lstrip("\"'”’)")[:4]
    if re.match(r" [NSEW]{1,2}\b", rest):
        return False
    if not rest.strip():
        return True
    return (
        match[1] in ("etc", "Jr", "Sr", "Inc", "Ltd", "Corp", "Ave", "Blvd", "Rd")
        and rest.strip()[:1].isupper()
    )


def _say_street(match: re.Match[str]) -> str:
    name = _WAYS[match[2]]
    rest = match.string[match.end() : match.end() + 8]
    return f"{match[1]}{name}" + ("" if rest.strip() else ".")


def _say_with_number(match: re.Match[str]) -> str | None:
    """Say an abbreviation before a number, but not where "no" is an answer: "She said no. 5 others agreed"."""
    before = match.string[max(0, match.start() - _LONGEST_WORD) : match.start()].split()
    is_after = before and before[-1].strip("\"'“‘,").lower() in _ANSWERED
    if match[1] == "no" and is_after and _COUNTED.match(match.string, match.end()):
        return None
    return f"{_WITH_NUMBER[match[1]]} "


def _say_mid(match: re.Match[str]) -> str | None:
    return None if _ends_sentence(match) else _MID[match[1]]


def _say_after_cue(match: re.Match[str]) -> str:
    return f"{match[1]} {_MID[match[2]]}" + ("." if _ends_sentence(match) else "")


_DAYS = [name for name, full in _MID.items() if full.endswith("day")]
_CUED = [*_DAYS, *(name for name, full in _MID.items() if full in MONTHS)]

ABBREVIATIONS: tuple[Rule, ...] = (
    rule(r"\be\.\s?g\.,?(?=\W|$)", "for example,", any_case=True),
    rule(r"\bi\.\s?e\.,?(?=\W|$)", "that is,", any_case=True),
    rule(r"\bet al\.", lambda m: "et al" + ("." if _ends_sentence(m) else "")),
    rule(r"\ba\.?k\.?a\b\.?", "also known as", any_case=True),
    rule(r"(?<![\w/])w/o(?!\w)", "without"),
    rule(r"(?<![\w/])w/(?=\s?\w)", "with "),
    rule(r"(?<!\w)[nN]/[aA](?!\w)", "not applicable"),
    rule(r"\b([Nn])o\. of (?=[a-z])", r"\1umber of "),
    rule(r"\b([Nn])o\. (?=(?:is|was|has|below|above|to)\b)", r"\1umber "),
    rule(r"\bBTW\b", "by the way"),
    rule(r"\band/or\b", "and or"),
    rule(r"\bp\.s\.(?=\s)|\bP\.S\.(?=\s)", "P.S,"),
    rule(r"\bP\.? ?O\.? (?=Box\b)", "P.O "),
    rule(rf"\b({any_of(_ROADS)}) (?=\d)", lambda m: f"{_ALWAYS[m[1]]} "),
    # A street that is named by a letter: "1200 K St NW"; house numbers of one door.
    rule(
        r"(?<![\w.,/-])(\d{1,5}) ([A-Z]) (St|Ave)\b\.?(?= (?:N|S|E|W|NW|NE|SW|SE)\b|,| #|$)",
        lambda m: f"{number(m[1])} {spelled(m[2])} {'Street' if m[3] == 'St' else 'Avenue'}",
    ),
    rule(
        rf"(?<![\w./,])(\d{{1,4}})/(\d{{1,4}})(?= (?:[A-Z][\w'’]{{1,20}} ){{1,3}}(?:{_STREETS})\b)",
        r"\1 slash \2",
    ),
    # A quarter of the sky stands before the name of a street.
    rule(
        r"\b([NSEW])\. (?=(?:[A-Z][a-z]{1,20}|\d{1,3}(?:st|nd|rd|th))(?: [A-Z][a-z]{1,20})? "
        rf"(?:{_STREETS})\b)",
        lambda m: f"{_SIDES[m[1]]} ",
    ),
    rule(
        r"(?<=\d )([NSEW]) (?=(?:[A-Z][a-z]{1,20}|\d{1,3}(?:st|nd|rd|th))(?: [A-Z][a-z]{1,20})? "
        rf"(?:{_STREETS})\b)",
        lambda m: f"{_SIDES[m[1]]} ",
    ),
    # Streets stand behind a name with a house number or an ordinal before it, or before what is no name.
    rule(
        r"\b(\d{1,5}[A-Za-z]? (?:[NSEW]\.? )?(?:[A-Z][a-z]{1,20} ){1,2}|\d{1,3}(?:st|nd|rd|th) )"
        rf"({any_of(_WAYS)})\.",
        _say_street,
    ),
    rule(
        r"\b(\d{1,5}[A-Za-z]? (?:[NSEW]\.? )?(?:[A-Z][a-z]{1,20} ){1,2}|\d{1,3}(?:st|nd|rd|th) )"
        rf"({any_of(_WAYS)})"
        r"(?=\s?(?:$|[,;:!?)]|[NSEW]{1,2}\b))",
        lambda m: m[1] + _WAYS[m[2]],
    ),
    rule(
        rf"\b({_STREETS}|Northwest|Northeast) (NW|NE|SW|SE|[NSEW])(?=$|[,.;)]| [#A-Z\d])",
        lambda m: f"{m[1]} {_CORNERS[m[2]]}",
    ),
    rule(
        r"\b((?:I|US|SR|Rte|Route|Hwy|Highway|Interstate)[ -]?\d{1,4}) ?([NSEW])(?![\w'’.-])",
        lambda m: f"{m[1]} {_SIDES[m[2]].lower()}",
    ),
    # The number of a house: "4415 North Oak Drive".
    rule(
        rf"(?<![\w.,/$£€-])(\d{{4}})(?= (?:{any_of(_SIDES.values())} )?"
        rf"(?:[A-Z][\w'’]{{1,20}} |\d{{1,3}}(?:st|nd|rd|th) ){{1,3}}(?:{_STREETS})\b)",
        lambda m: year(int(m[1])) if m[1][0] != "0" else None,
    ),
    rule(r"\b([A-Z][a-z]{2,20} )(St|Sq)\.(?=\s?(?:$|[,;:!?)]|[a-z]))", _say_street),
    # A capital inside a sentence is a name, and a doctor's name comes behind.
    rule(r"(?<=[a-z,] )([A-Z][a-z]{2,20} )(Dr|Ct|Pl)\.(?=\s?(?:$|[,;:!?)]|[a-z]))", _say_street),
    rule(
        rf"(?:(?<=[a-z,\d] )|(?![A-Z][a-z]{{2,20}} Dr))([A-Z][a-z]{{2,20}} )({any_of(_WAYS)})\.(?= (?:{_OPENERS})\b)",
        lambda m: f"{m[1]}{_WAYS[m[2]]}.",
    ),
    rule(
        r"(?<=\d(?:st|nd|rd|th) )[Ff](?:l\.|lr\b\.?)",
        lambda m: "floor" + (full_stop(m) if m[0][-1] == "." else ""),
    ),
    rule(r"\bRev\.? (?=[A-Z](?![\w.'’])|\d)", "Revision "),
    rule(rf"\b({any_of(_TITLES)})\. (?=[A-Z])", lambda m: f"{_TITLES[m[1]]} "),
    rule(rf"\b({any_of(_BARE)}) (?=[A-Z][a-z])", lambda m: f"{_TITLES[m[1]]} "),
    rule(
        rf"(?<![\w.'’])(?!(?<=\d )min)({any_of(_WITH_NUMBER)})\. ?(?=[#\d]|\((?:EU|EC|EEC|UK)\))",
        _say_with_number,
    ),
    rule(rf"(?<![\w.])({any_of(_PLAIN_WITH_NUMBER)}) (?=#?\d)", lambda m: f"{_WITH_NUMBER[m[1]]} "),
    rule(
        r"(?<![\w.])(?:(Figs?|Apt|Rm|Appx?|Blk|Bldg|Vol|Ch|Sec|Pt|[Ee]xh)\.? (?=[A-Z](?!\w)|[IVX]{1,5}\b)|"
        # Behind a word such as "a sec." a sentence may begin with A or I.
        r"(figs?|appx|vol|ch|sec|pt|Ex|Sched|sched|Tab)\. "
        r"(?=[B-HJ-Z](?![\w'’])|[AI](?=$|[.,;:)]| (?:of|and|to|in|is)\b)|[IVX]{2,5}\b))",
        lambda m: f"{_WITH_NUMBER[m[1] or m[2]]} ",
    ),
    rule(
        r"\b([Rr]ef)\. (?=[A-Z]{1,5}[-/ ]?\d|[A-Z][. ][A-Z]\b)", lambda m: f"{_WITH_NUMBER[m[1]]} "
    ),
    rule(
        r"(?<=\d(?:st|nd|rd|th)) (ed)\.", lambda m: " edition" + ("." if _ends_sentence(m) else "")
    ),
    rule(rf"\b({_DAYS_AFTER}) ({any_of(_CUED)})\.", _say_after_cue),
    rule(
        rf"\b({_OPENS_ON}|\d(?:st|nd|rd|th)|first|second|third|fourth) ({any_of(_DAYS)})\.",
        _say_after_cue,
    ),
    rule(rf"(?<![\w.])({any_of(_ALWAYS)})\.", _say_always),
    rule(r"(?<![\w.])vs(?![\w.])", "versus"),
    rule(r"\b((?:a|per|every|each|another|one|of|in|few|couple) )min\.(?= [a-z])", r"\1minute"),
    rule(r"(?<![\w.])(Min|Max)\. (?=[a-z])", lambda m: f"{_WITH_NUMBER[m[1]]} "),
    # Behind a number "min.", "sec." and "gal." are units, which are read later.
    rule(rf"(?<![\w.])(?!(?<=\d )min)({any_of(_MID)})\.", _say_mid),
    rule(
        rf"(?<![\w.])(?!(?<=\d )(?:sec|gal|qt))({any_of(_BEFORE_SMALL)})\.(?= [a-z])",
        lambda m: _BEFORE_SMALL[m[1]],
    ),
    rule(
        r"(?<![\w.])([bd])\. (?=(?:1\d|20)\d\d(?!\d))",
        lambda m: "born " if m[1] == "b" else "died ",
    ),
)
