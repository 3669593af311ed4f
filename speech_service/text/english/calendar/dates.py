"""How dates, years and decades are said."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

from speech_service.text.english.calendar.names import DAYS, MONTHS, SHORT_DAYS, SHORT_MONTHS
from speech_service.text.english.calendar.times import clock
from speech_service.text.english.number_words import (
    cardinal,
    number,
    ordinal,
    plural,
    spelled,
    year,
)
from speech_service.text.english.rules import Rule, any_of, rule

_SHORT_DAY = rf"(?:{any_of(SHORT_DAYS)})"
_PARTS_OF_DAY = r"morning|afternoon|evening|night|lunch|brunch|dinner"
_AND = r"(?:,? (?:and|or|&) | ?[&/+] ?|, )"
_CLEAR_DAYS = ("Tue", "Tues", "Wed", "Weds", "Thu", "Thur", "Thurs", "Fri")
"""Those that are no word or name besides."""
_MONTH = rf"(?:{any_of((*MONTHS, *SHORT_MONTHS))})"
_DAY = r"(?:3[01]|[12]\d|0?[1-9])"
_DAYS_OF = rf"({_DAY})(?:st|nd|rd|th)?(?:\s?[-–]\s?({_DAY})(?:st|nd|rd|th)?)?"
_NO_YEARS = r"(?:km|kg|lbs?|miles|people|percent|dollars|euros|times)"
_YEAR = r"(?:1[0-9]|20|21)\d{2}"
_CUES = (
    r"on|by|until|till|since|before|after|from|due|dated|born|through|for|"
    r"(?:birthday|b-day|bday|anniversary|deadline|date|wedding|exam)(?: is| was|:)|Date"
)
_NO_DAY = ("by", "for", "from", "after", "before", "until", "till", "since", "through")
_PARTS = (("1", "2"), ("1", "3"), ("2", "3"), ("1", "4"), ("3", "4"))
"""Fractions that are none of days behind such a word: "reduce by 1/2"."""
_CENTURY = 100
_FIRST_OF_PAST = 31
"""Years of two digits from here on belong to the last century."""
_YEARS_AFTER = (
    r"in|since|by|until|till|before|after|during|circa|around|from|of|year|[Ff]iscal|early|late|mid|copyright|class|to|and|for|"
    r"between|Summer|Winter|Spring|Autumn|Fall|summer|winter|spring|autumn|fall|"
) + "|".join(MONTHS)


def say_year(text: str) -> str:
    """Say a year: "1999" or, of two digits, "99"."""
    value = int(text)
    if len(text) <= 2:
        value += 1900 if value >= _FIRST_OF_PAST else 2000
    return year(value)


def _date(month: int, day: int, year_text: str | None) -> str | None:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    said = f"{MONTHS[month - 1]} {ordinal(day)}"
    return f"{said}, {say_year(year_text)}" if year_text else said


def _say_iso(match: re.Match[str]) -> str | None:
    date = _date(int(match[2]), int(match[3]), match[1])
    if date is None or not match[4]:
        return date
    zone = {None: "", "Z": " U.T.C"}.get(match[7], "")
    return f"{date}, {clock(int(match[4]), match[5], match[6])}{zone}"


def _say_slashed(match: re.Match[str]) -> str | None:
    first, second = int(match[1]), int(match[2])
    month, day = (first, second) if first <= 12 else (second, first)
    return _date(month, day, match[3])


def _say_dotted(match: re.Match[str]) -> str | None:
    return _date(int(match[2]), int(match[1]), match[3])


def _say_short(match: re.Match[str]) -> str | None:
    """Say a date such as "on 12/25", after a word that dates follow."""
    is_part = match[1].strip().lower() in _NO_DAY and (match[2], match[3]) in _PARTS
    if is_part or (match[2], match[3]) == ("24", "7"):
        return None
    first, second = int(match[2]), int(match[3])
    month, day = (first, second) if first <= 12 else (second, first)
    date = _date(month, day, match[4] if match.re.groups > 3 else None)
    return f"{match[1]}{date}" if date else None


def _say_short_range(match: re.Match[str]) -> str | None:
    """Say "from 12/24 to 1/2", if a day is too late to be what a fraction is made of."""
    parts = [[int(part) for part in match[group].split("/")] for group in (2, 4)]
    if not any(day > len(MONTHS) and day not in (16, 20, 32) for _, day in parts):
        return None
    first, last = (_date(month, day, None) for month, day in parts)
    return f"{match[1]}{first}{match[3]}{last}" if first and last else None


def _say_month_day(match: re.Match[str]) -> str:
    month, day, last, year_text = match.groups()
    said = f"{_month(month)} {ordinal(int(day))}"
    said += f" to {ordinal(int(last))}" if last else ""
    return f"{said}, {say_year(year_text)}" if year_text else said


def _say_day_month(match: re.Match[str]) -> str:
    day, last, month, year_text = match.groups()
    said = f"the {ordinal(int(day))}" + (f" to the {ordinal(int(last))}" if last else "")
    said += f" of {_month(month)}"
    return f"{said}, {say_year(year_text)}" if year_text else said


def _say_month_year(match: re.Match[str]) -> str:
    return f"{_month(match[1])} {say_year(match[2])}"


def _month(name: str) -> str:
    return SHORT_MONTHS.get(name, name)


def _say_decade(match: re.Match[str]) -> str:
    century, decade = match.groups()
    if not century:
        return plural(cardinal(int(decade)))
    if decade == "00":
        return plural(
            cardinal(int(century + decade)) if century == "20" else year(int(century + "00"))
        )
    return f"{cardinal(int(century))} {plural(cardinal(int(decade)))}"


def _say_years(match: re.Match[str]) -> str:
    first, second = match.groups()
    if len(second) == 2 and second > first[2:]:
        return f"{year(int(first))} to {number(second)}"
    return f"{year(int(first))} to {say_year(second)}"


def _say_day_range(match: re.Match[str]) -> str:
    return f"{_day(match[1])} to {_day(match[2])}"


def _day(name: str) -> str:
    return SHORT_DAYS.get(name, name)


def _say_days(match: re.Match[str]) -> str:
    """A list of them: "Mon, Wed & Fri"."""
    return re.sub(rf"\b{_SHORT_DAY}\b", lambda name: _day(name[0]), match.group())


def _say_era(match: re.Match[str]) -> str:
    value, era = int(match[1]), match[2].replace(".", "")
    return f"{year(value) if value >= _CENTURY else cardinal(value)} {'.'.join(era)}"


DATES: tuple[Rule, ...] = (
    rule(
        r"(?<![\w.-])(\d{4})-(\d{2})-(\d{2})"
        r"(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?(?![\w-])",
        _say_iso,
    ),
    rule(
        r"(?<![\w./])(\d{4})/(\d{2})/(\d{2})(?![\w/])", lambda m: _date(int(m[2]), int(m[3]), m[1])
    ),
    rule(r"(?<![\w./])(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![\w/])", _say_slashed),
    rule(r"(?<![\w./-])(\d{1,2})-(\d{1,2})-(\d{4})(?![\w/-])", _say_slashed),
    rule(r"(?<![\w./-])(0\d|1[0-2])-([0-2]\d|3[01])-(\d{2})(?![\w/-])", _say_slashed),
    rule(
        rf"\b((?:{_CUES}) )(\d{{1,2}})-(\d{{1,2}})-(\d{{2}})(?![\w/-])", _say_short, any_case=True
    ),
    rule(
        r"(?<![\w.,:$£€-])((?:19|20)\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?![\w-]|[.,]\d)",
        lambda m: _date(int(m[2]), int(m[3]), m[1]),
    ),
    rule(
        r"(?<![\w.])(0[1-9]|[12]\d|3[01])\.(0[1-9]|1[0-2])\.(\d{2})(?![\w]|\.\d)",
        _say_dotted,
    ),
    rule(
        rf"(?<![\w./-])({_DAY})[-/ ]({_MONTH})[-/](\d{{4}}|\d{{2}})(?![\w/-])",
        lambda m: f"the {ordinal(int(m[1]))} of {_month(m[2])}, {say_year(m[3])}",
    ),
    rule(
        rf"(?<![\w./-])({_MONTH})[-/]({_DAY})[-/](\d{{4}}|\d{{2}})(?![\w/-])",
        lambda m: f"{_month(m[1])} {ordinal(int(m[2]))}, {say_year(m[3])}",
    ),
    rule(
        rf"(?<![\w./-])({_MONTH})[-/]['’]?(\d{{4}}|\d{{2}})(?![\w/-])",
        lambda m: f"{_month(m[1])} {say_year(m[2])}",
    ),
    rule(
        rf"(?<![\w./-])({_DAY})[-/]({_MONTH})(?![\w/-])",
        lambda m: f"the {ordinal(int(m[1]))} of {_month(m[2])}",
    ),
    rule(
        r"\b(\d{4})-?W(0[1-9]|[1-4]\d|5[0-3])(?!\w)",
        lambda m: f"{year(int(m[1]))} week {cardinal(int(m[2]))}",
    ),
    rule(r"(?<=\b[QH][1-4]) ?['’](?=\d\d(?!\w))", " "),
    rule(r"(?<![\w.])(?<!\d,)(\d{1,2})\.(\d{1,2})\.(\d{4})(?![\w]|\.\d)", _say_dotted),
    rule(
        rf"(?<![\w.])({_DAY})\.(0?[1-9]|1[0-2])\.\s?[-–]\s?({_DAY})\.(0?[1-9]|1[0-2])\.(?:(\d{{4}}))?(?!\w)",
        lambda m: f"{_date(int(m[2]), int(m[1]), None)} to {_date(int(m[4]), int(m[3]), m[5])}",
    ),
    rule(
        rf"\b((?:{_DAY}(?:st|nd|rd|th)? {_MONTH}|{_MONTH}\.? {_DAY}(?:st|nd|rd|th)?)\b\.?(?:,? {_YEAR})?)\s?[-–—]\s?"
        rf"(?={_DAY}(?:st|nd|rd|th)? {_MONTH}\b|{_MONTH}\.? {_DAY}(?!\d))",
        r"\1 to ",
    ),
    # Days of the week, where no word is meant: beside a date or a time, in a list, or after a word that days follow.
    rule(
        rf"\b({_SHORT_DAY})\b\.?(?=,? (?:the )?(?:{_DAY}(?:st|nd|rd|th)?\.? (?:of )?{_MONTH}\b|"
        rf"{_MONTH}\.? {_DAY}(?!\d)|"
        r"(?:at |from )?\d{1,2}(?::\d{2}|\s?[AaPp]\.?[Mm]\b)|[01]?\d/\d{1,2}(?!\d)))",
        lambda m: _day(m[1]),
    ),
    rule(rf"\b{_SHORT_DAY} (?:to|thru|through|till|until) {_SHORT_DAY}\b", _say_days),
    rule(rf"\b{_SHORT_DAY}(?:{_AND}{_SHORT_DAY}\b){{1,6}}", _say_days),
    rule(
        rf"\b((?:on|every|next|last|this|until|till|by|since) )({_SHORT_DAY})\b(?![.'’-])",
        lambda m: m[1] + _day(m[2]),
    ),
    rule(rf"\b({_SHORT_DAY})(?= (?:{_PARTS_OF_DAY})s?\b)", lambda m: _day(m[1])),
    rule(r"\b(Mon|Wed)(?= \d)", lambda m: _day(m[1])),
    rule(r"\b(Tues?|Weds|Thu(?:rs?)?|Fri)\.(?=$)", lambda m: f"{_day(m[1])}."),
    rule(rf"\b({any_of(_CLEAR_DAYS)})\b(?!['’-])(?=[,;:!?) ]|$)", lambda m: _day(m[1])),
    rule(
        rf"\b({_MONTH})\.? {_DAYS_OF}(?!\d|[.,:/]\d|%)(?:,? ({_YEAR}))?(?!\w)",
        _say_month_day,
    ),
    rule(
        rf"(?<![\w.,])(?:[Tt]he )?{_DAYS_OF} (?:of )?({_MONTH})(?!\w)\.?(?:,? ({_YEAR}))?(?!\w)",
        _say_day_month,
    ),
    rule(
        rf"\b({any_of(SHORT_MONTHS)})\.?\s?[-–]\s?({any_of(SHORT_MONTHS)})\b(?:\.(?=[ ,)]))?",
        lambda m: f"{_month(m[1])} to {_month(m[2])}",
    ),
    rule(rf"\b({_MONTH})\.? ({_YEAR})(?!\w)", _say_month_year),
    rule(
        r"\b((?:[Ff]rom|[Bb]etween) )(\d{1,2}/\d{1,2})( (?:to|until|through|and) )(\d{1,2}/\d{1,2})(?![\w/])",
        _say_short_range,
    ),
    rule(rf"\b((?:{_CUES}) )(\d{{1,2}})/(\d{{1,2}})(?![\w/])", _say_short, any_case=True),
    rule(
        rf"\b((?:{any_of(DAYS)}),? )(\d{{1,2}})/(\d{{1,2}})(?![\w/])",
        _say_short,
    ),
    rule(
        rf"\b({any_of((*SHORT_DAYS, *DAYS))})\.?\s?[-–]\s?({any_of((*SHORT_DAYS, *DAYS))})\b(?:\.(?=[ ,)]))?",
        _say_day_range,
    ),
    rule(
        r"\b((?:exp\.?|expires|expiry|expiration|valid (?:thru|until|to))(?: date)?:? )"
        r"(0?[1-9]|1[0-2])/(\d{2})(?![\w/])",
        lambda m: f"{m[1]}{MONTHS[int(m[2]) - 1]} {say_year(m[3])}",
        any_case=True,
    ),
    rule(
        r"(?<![\w./])(0[1-9]|1[0-2])/(0[1-9]|[12]\d|3[01])(?![\w/])",
        lambda m: _date(int(m[1]), int(m[2]), None) if "0" in (m[1][0], m[2][0]) else None,
    ),
    rule(
        r"(?<![\w./])([12]\d|3[01]|0[1-9])/(0[1-9]|(?<=1[3-9]/|2\d/|3[01]/)1[12])(?![\w/])",
        lambda m: _date(int(m[2]), int(m[1]), None),
    ),
    rule(
        rf"\b((?:from|on|by|until|till|to|the|since|before|after) )({_DAY})\.(0?[1-9]|1[0-2])\.(?= [a-z]|[,;)–-])",
        lambda m: f"{m[1]}{_date(int(m[3]), int(m[2]), None)}",
    ),
    rule(
        r"(?<![\w./])(0?[1-9]|1[0-2])/((?:19|20)\d{2})(?![\w/])",
        lambda m: f"{MONTHS[int(m[1]) - 1]} {say_year(m[2])}",
    ),
)
"""Rules for days, which come before times."""

YEARS: tuple[Rule, ...] = (
    rule(
        r"\b([FCA]Y) ?'?(\d{4}|\d{2})(?:[/–-](\d{2}))?(?!\w|[.,]\d)",
        lambda m: f"{spelled(m[1])} {say_year(m[2])}" + (f" {number(m[3])}" if m[3] else ""),
    ),
    rule(r"(?<=\d0s)\s?[–-]\s?(?=['’]?\d)", " to "),
    rule(r"(?<![\w.,])(1[0-9]|20)?['’]?(\d0)['’]?s(?!\w)", _say_decade),
    rule(
        r"(?<![\w])['’](\d{2})(?![\w'’\"″])",
        lambda m: number(m[1]) if m[1][0] != "0" else f"oh {number(m[1][1])}",
    ),
    rule(rf"(?<![\w.,/$£€-])({_YEAR})\s?[-–/]\s?({_YEAR}|\d{{2}})(?![\w/-]|[.,]\d|%)", _say_years),
    rule(r"(?<![\w.,])(\d{1,4}) ?(B\.?C\.?E|B\.?C|A\.?D|C\.?E)(?!\w)", _say_era),
    rule(
        rf"\b((?:{_YEARS_AFTER}) )({_YEAR})(?![\w%]|[.,]\d|-\d| ?{_NO_YEARS}\b)",
        lambda m: f"{m[1]}{year(int(m[2]))}",
    ),
)
