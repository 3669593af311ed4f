"""How numbers are said together with what they count: units, degrees, powers, fractions, ranges, ratios, percent."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

from speech_service.text.english.fractions import FRACTIONS, part_of
from speech_service.text.english.number_words import (
    MOST_COUNTED,
    cardinal,
    digits,
    number,
    ordinal,
    plural,
    year,
)
from speech_service.text.english.rates import RATES
from speech_service.text.english.rules import MINUS, NUMBER, Rule, any_of, full_stop, rule
from speech_service.text.english.units import UNITS, compound_words, one_of, singular, unit_words

_SUPER = {
    "⁰": "0",
    "¹": "1",
    "²": "2",
    "³": "3",
    "⁴": "4",
    "⁵": "5",
    "⁶": "6",
    "⁷": "7",
    "⁸": "8",
} | {
    **{"⁹": "9", "⁺": "+", "⁻": "-", "ⁿ": "n"},
}
_UNIT = rf"(?:{any_of(UNITS)})"
_TO = r"(?:\s?[-–—]\s?|\s?\.\.\s?)"
_INCHES = r"(\d{1,2}(?:\.\d{1,2})?)(?: (\d)/(\d{1,2}))?"
_INCH_MARK = r"(?:[\"″”]|''|’’|′′)"
_PART = r"(?:half|thirds?|quarters?|fifths?|sixths?|eighths?|tenths?|sixteenths?)"
_COMPOUND = (
    r"(?:[A-Za-zµμΩ°]{1,7}[²³]?[·⋅/]){1,2}(?:[A-Za-zµμΩ°]{1,7}[²³]?|\([A-Za-zµμΩ°²³·⋅]{1,12}\))"
)
_SCALES = {"k": "thousand", "K": "thousand", "M": "million", "B": "billion"}
_ARTICLE = re.compile(
    r"(?:^|\W)(?:an?|the|this|that|each|my|your|his|her|its|our|their) $", re.IGNORECASE
)
_NOUN = re.compile(
    r" (?!(?:of|or|and|to|in|at|on|per|from|by|for|as|if|is|was|are|were|has|have|had|will|can|may|that|which|we|you|"
    r"they|he|she|it|away|more|less|long|wide|tall|high|deep|thick|I|until|till|before|after|when|while|during|between|"
    r"with|without|into|off|up|down|over|under|so|but|because|than|then|past|through|since|plus|each|every|later|ago|"
    r"early|late|apart|ahead|behind|away|here|there|now|only|just|too|not|near|north|south|east|west|downstream|upstream)\b)[A-Za-z]"
)
_HEADS = re.compile(
    r" (?:bags?|bottles?|cans|tins?|jars?|packs?|boxes|sacks?|rolls?|races?|hurdles|relay|sprint|dash|freestyle|pipes?|"
    r"pizzas?|screens?|monitors?|drives?|lenses|lens|hoses?|ladders?|planks?|tiles?)\b"
)
"""What is known by its measure, which is said in the singular before it: "5 lb bag"."""
_LONGEST_NUMBER_WORD = 12
_NUMBER_WORD = re.compile(
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|teen|ty|hundred|thousand|million|zero) \Z"
)
_RATES = any_of(unit for unit in UNITS if "/" in unit)
_SPANS = (
    "week",
    "month",
    "year",
    "hour",
    "min",
    "sec",
    "hr",
    "h",
    "day",
    "wk",
    "mo",
    "yr",
    "kg",
    "lb",
    "km",
    "mi",
    "ml",
    "L",
    "acre",
    "ha",
)
"""What something is counted by: "beats/min"."""
_POURED = frozenset(
    ["L", "l", "ml", "mL", "cl", "oz", "g", "kg", "mg", "mcg", "lb", "GB", "TB", "W"]
)
"""Units of what has no sides: "2 x 1 L" are two pieces."""
_LINES = r"144|240|360|480|540|576|720|900|1080|1440|2160|4320"
"""Lines of a picture: "1080p". Any other number before a p is pence."""
_QUOTED = 300
"""Characters that a quotation has at most."""
_VERBS = r"(?:is|was|has|does|starts|begins|ends|sees|marks|brings|looks|proves|remains|seems|comes|becomes|shows)\b"
"""What a year does; no plural."""
_SHARES_OF = 100
"""What shares add up to: "60:40"."""
_YEAR_FROM, _YEAR_TO, _HUNDREDS = 1100, 2099, 100


def _signed(text: str) -> str:
    return f"minus {number(text[1:])}" if text[:1] in ("-", "−") else number(text)


def _say_power_of_ten(match: re.Match[str]) -> str:
    return f"{_signed(match[1])} times ten to the power of {_exponent(match[2])}"


def _say_power(match: re.Match[str]) -> str:
    base, raised = match.groups()
    power = "".join(_SUPER.get(char, char) for char in raised.strip("^{}()"))
    said = number(base) if base[:1].isdigit() else base
    if power == "2":
        return f"{said} squared"
    if power == "3":
        return f"{said} cubed"
    return f"{said} to the power of {_exponent(power)}"


def _exponent(power: str) -> str:
    sign = "minus " if power[:1] in ("-", "−") else ""
    rest = power.lstrip("+-−")
    return sign + (number(rest) if rest[:1].isdigit() else rest)


def _say_feet(match: re.Match[str]) -> str:
    feet, inches, over, under = match.groups()
    part = f" and {part_of(int(over), int(under))}" if over else ""
    return f"{number(feet)} foot {number(inches)}{part}"


def _say_only_feet(match: re.Match[str]) -> str:
    return f"{number(match[1])} {'foot' if match[1] == '1' else 'feet'}"


def _say_inches(match: re.Match[str]) -> str | None:
    """Say inches, but not where the mark closes what another one opened."""
    before = match.string[max(0, match.start() - _QUOTED) : match.start()]
    if len(re.findall(r'(?<![\d½¼¾⅛⅜⅝⅞])"', before)) % 2 and match.group().endswith('"'):
        return None
    return f"{number(match[1])} {'inch' if match[1] == '1' or _is_adjective(match) else 'inches'}"


def _say_part_inches(match: re.Match[str]) -> str:
    """Say "two and a half inches", "a two and a half inch pipe" and "a half inch"."""
    is_many = " and " in match[1] and not _is_adjective(match)
    return f"{match[1]} {'inches' if is_many else 'inch'}"


def _say_place(match: re.Match[str]) -> str:
    degrees, minutes, seconds, side = match.groups()
    names = {"N": " north", "S": " south", "E": " east", "W": " west", None: ""}
    said = f"{number(degrees)} degrees {number(minutes)} minutes"
    return said + (f" {number(seconds)} seconds" if seconds else "") + names[side]


def _say_degrees(match: re.Match[str]) -> str:
    first, second, scale = match.groups()
    said = _signed(first) + (f" to {_signed(second)}" if second else "")
    one = first in ("1", "-1", "−1") and not second
    side = {"N": " north", "S": " south", "E": " east", "W": " west"}
    name = {"C": " Celsius", "F": " Fahrenheit", "K": " Kelvin", None: ""} | side
    return f"{said} {'degree' if one else 'degrees'}{name[scale]}"


def _is_adjective(match: re.Match[str]) -> bool:
    """Whether it is said in the singular: "a 16 GB stick", but not "a 16 GB or so"."""
    before = match.string[max(0, match.start() - 8) : match.start()]
    is_sold_so = _HEADS.match(match.string, match.end())
    return bool(is_sold_so or (_ARTICLE.search(before) and _NOUN.match(match.string, match.end())))


def _say_unit(match: re.Match[str]) -> str:
    first, second, unit, dot = match.groups()
    said = _signed(first) + (f" to {_signed(second)}" if second else "")
    one = first in ("1", "-1", "−1") and not second
    one = one or _is_adjective(match)
    return f"{said} {unit_words(unit, one=one)}{full_stop(match) if dot else ''}"


def _say_compound(match: re.Match[str]) -> str | None:
    first, second, unit = match.groups()
    one = (first == "1" and not second) or _is_adjective(match)
    words = compound_words(unit, one=one)
    said = _signed(first) + (f" to {_signed(second)}" if second else "")
    return f"{said} {words}" if words else None


def _say_unit_adjective(match: re.Match[str]) -> str:
    return f"{number(match[1])} {singular(match[2])}"


def _say_fraction_unit(match: re.Match[str]) -> str:
    """Say "half a cup" of one, but "two and a half cups"; an "and" behind a word joins something else."""
    is_mixed = match[1].startswith("and ") and bool(
        _NUMBER_WORD.search(
            match.string, max(0, match.start() - _LONGEST_NUMBER_WORD), match.start()
        )
    )
    return f"{match[1]} {unit_words(match[2], one=not is_mixed)}"


def _say_bare_area(match: re.Match[str]) -> str:
    return f"{'square' if match[2] == '²' else 'cubic'} {singular(match[1])}"


def _say_percent(match: re.Match[str]) -> str:
    first, second, sign = match.groups()
    said = _signed(first) + (f" to {_signed(second)}" if second else "")
    return f"{said} {'per mille' if sign == '‰' else 'percent'}"


def _say_by(match: re.Match[str]) -> str:
    return " by ".join(number(part) for part in re.findall(NUMBER, match.group()))


def _say_by_unit(match: re.Match[str]) -> str:
    parts = re.findall(NUMBER, match[1])
    is_pieces = len(parts) == 2 and match[2] in _POURED
    one = _is_adjective(match) or (is_pieces and parts[1] == "1")
    said = (" times " if is_pieces else " by ").join(map(number, parts))
    return f"{said} {unit_words(match[2], one=one)}"


def _say_ratio(match: re.Match[str]) -> str:
    return " to ".join(number(part) for part in match.group().split(":"))


def _say_running_time(match: re.Match[str]) -> str | None:
    """Say minutes and seconds such as "52:18"; what makes a hundred, such as "60:40", is a share."""
    if int(match[1]) + int(match[2]) == _SHARES_OF:
        return None
    seconds = f"oh {number(match[2][1])}" if match[2][0] == "0" else number(match[2])
    return f"{number(match[1])} {seconds}"


def _say_range(match: re.Match[str]) -> str:
    return f"{_signed(match[1])} to {_signed(match[2])}"


def _say_twice(match: re.Match[str]) -> str | None:
    """A range rises; what falls is a difference: "10 kg - 2 kg"."""
    first, last = (float(match[group].replace(",", "")) for group in (1, 3))
    return f"{match[1]} to " if first < last else None


def _say_minus(match: re.Match[str]) -> str:
    return f"{match[1]} minus "


def _say_ordinal(match: re.Match[str]) -> str:
    return ordinal(int(match[1].replace(",", "")))


def _say_times(match: re.Match[str]) -> str:
    return f"{number(match[1])} times"


def _say_short_scale(match: re.Match[str]) -> str:
    """Say a number such as "10K users"; "4K" alone is a name."""
    return f"{number(match[1])} {_SCALES[match[2]]}"


def _say_number(match: re.Match[str]) -> str:
    """Say a number that no other rule has taken. Four digits of a century are a year, unless a plural says what is
    counted."""
    text = match[2]
    minus = "minus " if match[1] else ""
    if len(text) == 4 and text.isdecimal() and not minus and not match[3]:
        value = int(text)
        if _YEAR_FROM <= value <= _YEAR_TO:
            return year(value) if value % _HUNDREDS or value < 2000 else cardinal(value)
    return minus + number(text)


def _say_lines(match: re.Match[str]) -> str:
    """ "1080p60": lines, and pictures in a second."""
    return f"{year(int(match[1]))} {match[2]}" + (f" {number(match[3])}" if match[3] else "")


def _say_magnitude(match: re.Match[str]) -> str:
    return f"{number(match[1])} {match[2].lstrip('-')}"


def _say_long(match: re.Match[str]) -> str | None:
    run = match.group().replace(",", "")
    return f" {digits(run)} " if len(run) > MOST_COUNTED else None


QUANTITIES: tuple[Rule, ...] = (
    rule(r"\d{1,3}(?:,\d{3}){5,9}(?!\d)|\d{16,}", _say_long),
    rule(
        rf"(?<![\w.])({MINUS}\d{{1,9}}(?:\.\d{{1,15}})?)[eE]([-+−]?\d{{1,3}})(?!\w)",
        _say_power_of_ten,
    ),
    rule(
        rf"(?<![\w.])({NUMBER}) ?[×x*·] ?10(?:\^\{{?([-−+]?\d{{1,3}})\}}?)(?!\d)", _say_power_of_ten
    ),
    rule(
        rf"(?<![\w.])({NUMBER}) ?[×x*·] ?10([{''.join(_SUPER)}]{{1,5}})",
        lambda m: (
            f"{number(m[1])} times ten to the power of {_exponent(''.join(_SUPER[c] for c in m[2]))}"
        ),
    ),
    rule(
        rf"(?<![\w.])({NUMBER}|[A-Za-z])(\^\{{?\(?[-−+]?(?:\d{{1,4}}|[a-z])\)?\}}?)(?!\w|[.,]\d)",
        _say_power,
    ),
    rule(
        r"(?<=[a-zµμΩ])[·⋅ ]?(s|m|kg|g|mol|K|h|min|L|A|V)⁻([¹²³])",
        lambda m: f"/{m[1]}{'' if m[2] == '¹' else m[2]}",
    ),
    rule(r"(?<=\))([²³])", lambda m: " squared" if m[1] == "²" else " cubed"),
    rule(rf"(?<![\w.])({NUMBER})([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ]{{1,4}})", _say_power),
    rule(r"(\d ?(?:['′\"″]|cm|mm|km|m|ft|in)) ?[x×] ?(?=\d)", r"\1 by "),
    # A range whose unit is written twice: 3"-5", 5 km-10 km.
    rule(
        rf"(?<![\w.])({NUMBER}) ?({_UNIT}|['′\"″]|°[CF]){_TO}(?=({NUMBER}) ?\2(?![\w/'′]))",
        _say_twice,
    ),
    # Feet and inches, places on the globe, degrees.
    rule(
        r"(?<![\w.])(?<!\d,)(\d{1,3})° ?(\d{1,2}(?:\.\d{1,4})?)['′’]"
        r"(?: ?(\d{1,2}(?:\.\d{1,4})?)(?:[\"″”]|''))?(?: ?([NSEW])\b)?",
        _say_place,
    ),
    rule(
        rf"(?<![\w.])(?<!\d,)(\d{{1,3}}) ?['′’] ?{_INCHES}(?: ?(?:{_INCH_MARK}|in\.?(?!\w)))?(?![\w'])",
        _say_feet,
    ),
    rule(rf"(?<![\w.])(?<!\d,)(\d{{1,3}}) ?ft\.? ?{_INCHES} ?(?:{_INCH_MARK}|in\b\.?)", _say_feet),
    rule(rf"(?<![\w./'])({NUMBER})(?:''|″|\")(?!\w)", _say_inches),
    rule(r"(?<![\w.])(?<!\d,)(\d{1,2})ft(\d{1,2})(?!\w)", r"\1 foot \2"),
    rule(r"(?<![\w.,'‘])(\d{1,3}(?:,\d{3})?)['′](?![\w'])(?=[ ,.;)]|$)", _say_only_feet),
    rule(
        rf"(?<![\w.])({MINUS}{NUMBER})°?(?:{_TO}([-−]?{NUMBER}))?\s?°(?:\s?([CFKNSEW])(?!\w))?",
        _say_degrees,
    ),
    rule(
        r"(?<![\w.-])(?<!\d,)([1-5]\d[05])(?: (?=[CF](?: (?:for|until|oven|and)\b|[.,;)]|$)))?([CF])(?![\w#+'’-])",
        lambda m: f"{number(m[1])} degrees {'Celsius' if m[2] == 'C' else 'Fahrenheit'}",
    ),
    *FRACTIONS,
    rule(
        rf"\b((?:and )?(?:[a-z]{{1,9}} )?{_PART}) {{1,2}}({_UNIT})(?![\w/²³'’-])",
        _say_fraction_unit,
    ),
    rule(rf"((?:[a-z-]{{3,20}} and (?:an?|[a-z]{{3,9}}) )?{_PART}) ?[\"″](?!\w)", _say_part_inches),
    rule(
        rf"(?<! and a )({_PART}) in\.?(?= (?:thick|wide|deep|long|tall|high|diameter|pipe|drill|bolt|nut)\b)",
        r"\1 inch",
    ),
    rule(rf"( and (?:a|[a-z]{{3,9}}) {_PART}) in(?=$|[,;)]|\.(?:\s|$))", r"\1 inches"),
    rule(
        rf"(to the power of (?:minus )?[a-z-]{{3,20}}) ({_COMPOUND})(?![\w/²³'’-])",
        lambda m: f"{m[1]} {words}" if (words := compound_words(m[2], one=False)) else None,
    ),
    rule(
        rf"(to the power of (?:minus )?[a-z-]{{3,20}}) ({_UNIT})(?![\w/²³'’-])",
        lambda m: f"{m[1]} {unit_words(m[2], one=False)}",
    ),
    rule(
        rf"(to the power of (?:minus )?[a-z-]{{3,20}})/({_UNIT})(?![\w/²³'’-])",
        lambda m: f"{m[1]} per {one_of(m[2])}",
    ),
    # Units.
    *RATES,
    rule(r"(?<=\d )(sq|cu|fl)\. ?(?=(?:in|ft|yd|mi|oz|m|km|cm)\b)", r"\1 "),
    rule(
        rf"(?<![\w.])({NUMBER}(?: ?[x×] ?{NUMBER}){{1,2}})\s?({_UNIT})(?![\w/²³'’-])", _say_by_unit
    ),
    rule(
        rf"(?<![\w.])({MINUS}{NUMBER})(?:{_TO}({NUMBER}))?\s?({_COMPOUND})(?![\w/²³'’-]|°)",
        _say_compound,
    ),
    rule(
        r"(?<![\w.,])(\d{1,3}(?:,\d{3}){1,6}|\d{3,9}|\d{1,9}\.\d{1,4}) K(?![\w'’-]|\.\w)",
        lambda m: f"{number(m[1])} kelvin",
    ),
    rule(r"(?<=[a-z] )mmHg(?!\w)", "millimeters of mercury"),
    rule(
        rf"(?<![\w.])({MINUS}{NUMBER})(?:{_TO}({NUMBER}))?\s?({_UNIT})(\.)?(?![\w²³'’-]|/(?![\d ])|°)",
        _say_unit,
    ),
    rule(
        r"(?:(?<=[a-z] )|(?<![\w.])(?<!\d,)(?=\d{1,4}\.))(\d{1,4}(?:\.\d{1,3})?) A(?![\w'’-]|\.\w)",
        lambda m: f"{number(m[1])} {'amp' if m[1] == '1' else 'amps'}",
    ),
    rule(rf"(?<![\w.])({NUMBER})-({_UNIT})(?![\w/²³])", _say_unit_adjective),
    rule(
        rf"(?<![\w.])({NUMBER})\+ ?({_UNIT})(?![\w/²³'’-])",
        lambda m: f"{number(m[1])} plus {unit_words(m[2], one=False)}",
    ),
    rule(
        rf"(?<=\d )(million|billion|trillion|thousand|hundred|dozen) ({_UNIT})(?![\w/²³'’-])",
        lambda m: f"{m[1]} {unit_words(m[2], one=False)}",
    ),
    rule(
        rf"(?:(?<=[a-z]s)|(?<=\d req)|(?<=\d msg)|(?<=\d\d[kK])|(?<=\dM))/({any_of(_SPANS)})(?![\w/²³])",
        lambda m: f" per {one_of(m[1])}",
    ),
    rule(rf"(?<=[a-z\d²³,] )({_RATES})(?![\w/²³])", lambda m: unit_words(m[1], one=False)),
    rule(r"(?<![\w.])(km|cm|mm|m|ft)([²³])", _say_bare_area),
    rule(
        r"(?<![\w.])(?<!\d,)(\d{1,4})([a-z])([²³⁴ⁿ])",
        lambda m: f"{number(m[1])} {m[2]}{m[3]}",
    ),
    rule(r"(?<![\w.])([A-Za-z]{1,3}|[α-ω])([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ]{1,4})", _say_power),
    rule(
        rf"(?<![\w.])({NUMBER})(?:{_TO}({NUMBER}))?\s(in)\.(?=\s?$|[,;)]|\s(?:[a-z]|[A-Z]))",
        lambda m: (
            f"{number(m[1])}{f' to {number(m[2])}' if m[2] else ''} "
            f"{'inch' if m[1] == '1' and not m[2] else 'inches'}{full_stop(m)}"
        ),
    ),
    rule(
        rf"(?<![\w.])({NUMBER})(?:\s|(?<=\.\d\d)|(?<=\.\d)|(?<=[1-9]))(s)(?![\w/'’-])",
        lambda m: f"{number(m[1])} {'second' if m[1] == '1' else 'seconds'}",
    ),
    rule(rf"(?<![\w.])({MINUS}{NUMBER})\s?%?(?:{_TO}({NUMBER}))?\s?([%‰])", _say_percent),
    rule(
        rf"(?<![\w.])({NUMBER})(?:\s|(?=-))?(-?(?:million|billion|trillion|thousand|hundred|lakh|crore))\b",
        _say_magnitude,
    ),
    # Numbers with each other.
    rule(
        r"(?<![\w.])(?<!\d,)(\d{1,3}(?:,\d{3}){0,4}|\d{1,12})(?:st|nd|rd|th|ST|ND|RD|TH)(?!\w)",
        _say_ordinal,
    ),
    rule(rf"(?<![\w.])({NUMBER}) ?x ?(?={NUMBER} ?=)", r"\1 times "),
    rule(rf"(?<![\w.]){NUMBER}(?: ?x ?{NUMBER}){{1,2}}(?!\w)", _say_by),
    rule(
        r"(?<![\w.,])(\d{1,2})x(\d{1,2})s(?!\w)",
        lambda m: f"{number(m[1])} by {plural(number(m[2]))}",
    ),
    rule(r"(?<![\w.,])\d{3,5} ?× ?\d{3,5}(?![\w%]|[.,]\d| ?=)", _say_by),
    rule(r"(?<![\w.:])([2-9]\d|1\d\d):([0-5]\d)(?![\w:]|\.\d)", _say_running_time),
    rule(r"(?<![\w.:])\d{1,4}(?::\d{1,4}){2,4}(?![\w:]|\.\d)", _say_ratio),
    rule(rf"(?<![\w.:]){NUMBER}:{NUMBER}(?![\w:]|\.\d)", _say_ratio),
    rule(rf"(?<![\w.:])({NUMBER}):({NUMBER})(?=[A-Za-z])", lambda m: f"{_say_range(m)} "),
    rule(r"(?<![\w.,-])(\d{1,9})[-−–](?=\d{1,9} ?=)", _say_minus),
    rule(
        r"(?<![\w.])(?<!\d,)(\d{1,9}|[a-z]\b|\)) - (?=[\d(a-z]{1,9}(?:\.\d{1,9})?\s?=)", _say_minus
    ),
    rule(r"(?<![\w.,-])50[-–]50(?![\w-]|[.,]\d|%)", "fifty fifty"),
    rule(r"(?<![\w.,-])20[-–]20(?![\w-]|[.,]\d|%)", "twenty twenty"),
    rule(
        r"(?<![\w.,/-])(\d{1,3})-(0\d{1,3})(?![\w/-]|[.,]\d|%)",
        lambda m: f"{number(m[1])} {number(m[2])}",
    ),
    rule(rf"(?<![\w.,)\]-])([-−]?{NUMBER}){_TO}([-−]?{NUMBER})(?![\w%-]|\.\d)", _say_range),
    rule(
        rf"(?<![\w.,)\]-])({NUMBER})[-–]({NUMBER})(?=-(?:day|week|month|year|hour|minute|mile|page|foot|inch)\b)",
        _say_range,
    ),
    rule(rf"(?<![\w.,])({_LINES})([pi])(\d{{2,3}})?(?!\w)", _say_lines),
    rule(
        rf"(?<![\w.,])({NUMBER})p(?!\w)",
        lambda m: f"{number(m[1])} {'penny' if m[1] == '1' else 'pence'}",
    ),
    rule(r"(?<![\w.,])911(?![\w,.]\d|\w)", "nine one one"),
    rule(
        rf"(?<![\w.])({NUMBER})[x×] ?/ ?({any_of(_SPANS)})(?!\w)",
        lambda m: f"{number(m[1])} times per {one_of(m[2])}",
    ),
    rule(
        rf"(?<![\w.,])({NUMBER})[-–]({NUMBER})([kKMB])(?!\w)",
        lambda m: f"{number(m[1])} to {number(m[2])} {_SCALES[m[3]]}",
    ),
    rule(
        rf"(?<![\w.,])({NUMBER}){_TO}({NUMBER})[x×](?!\w)",
        lambda m: f"{number(m[1])} to {number(m[2])} times",
    ),
    rule(rf"(?<![\w.,)\]-])({NUMBER}){_TO}({NUMBER})(?=[A-Za-z])", lambda m: f"{_say_range(m)} "),
    rule(rf"(?<![=+*/^<>−-] )(?<![\w.])({NUMBER})[xX×](?![\w×]| ?[-−–+=*/^<>·÷])", _say_times),
    rule(
        rf"(?<![\w./])({NUMBER})/({_UNIT}|{any_of(_SPANS)})(?![\w/²³'’-])",
        lambda m: f"{number(m[1])} per {one_of(m[2])}",
    ),
    rule(rf"(?<![\w.-])({NUMBER})([kKMB])(?= [a-z]{{2,20}}s\b| people\b)", _say_short_scale),
    rule(r"(?<![\w.])(?<!\d,)(\d{1,3}\.\d{1,2})([kKMB])(?!\w)", _say_short_scale),
)

NUMBERS: tuple[Rule, ...] = (
    rule(
        rf"((?<![\w.,)\]%-])[-−])?(?<![\d.])({NUMBER}|(?<!\w)\.\d{{1,20}})(?!\d)"
        rf"(?= (?!{_VERBS})([a-z]{{2,20}}s|people|men|women|children)\b)?",
        _say_number,
    ),
)
