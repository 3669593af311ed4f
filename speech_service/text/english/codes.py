"""How numbers that count nothing are said: telephone numbers, cards, PINs, codes of letters and digits."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

from speech_service.text.english.number_words import (
    DIGITS,
    cardinal,
    digits,
    number,
    plural,
    spelled,
    year,
)
from speech_service.text.english.rules import Rule, any_of, rule

_NAMES = (
    r"PIN|ZIP(?:\+4)?(?: code)?|post ?code|postal code|OTP|pass ?code|password|passport|SSN|IBAN|ISBN|phone|telephone|"
    r"tel|cell|mobile|fax|dial|call|ring|hotline|account|acct|routing|code|extension|ext|"
    r"SKU|UPC|EAN|VIN|IMEI|CVV2?|CVC2?|last (?:two|three|four|five|six|\d) digits"
)
"""Names that stand before a code with nothing between."""
_THINGS = (
    r"card|serial|tracking|confirmation|reference|booking|reservation|invoice|order|ticket|case|employee|student|"
    r"member(?:ship)?|customer|security|verification|access|area|country|entry|door|gate|unlock|activation|licen[cs]e|"
    r"registration|badge|flight|model|part|policy|room|bus|P\.?O|"
    r"purchase order|batch|lot|product|item|job|claim|file|receipt"
)
"""Things that stand before a code with "number" or the like between."""
_NUMBER = r" (?:number|code|no\.?|num\.?|ID)"
_LINK = r"(?:\.|,? (?:is|was|are|were|of|ending in|ends in|at|me at|us at|now))?(?: ?[:=#])? "
_ENDING = (
    r"(?:ending|ends|ended|end|starting|starts|beginning|begins) (?:in|with)(?: the)?(?: digits)? "
)
_ENDING_BARE = r"(?:ending|ends)(?: on|:)? "
_CARDS_BARE = r"(?:card|account|Visa|Mastercard|Amex|debit|credit|iban)"
_CARDS = r"(?:card|account|number|phone|line|device|code|Visa|Mastercard|Amex|one|iPhone|plate)"
_MASK = r"[*•·xX#]"
_SPACES = (
    r"Suite|Apartment|Room|Unit|Gate|Seat|Flat|Floor|Platform|Row|Section|Block|Building|Exhibit|"
    r"Locker|Desk|Terminal|Bay|Lot|Exit|exit"
)
_MAKERS = r"Boeing|Porsche|Peugeot|Ferrari|Cessna|Learjet|McLaren|Route|Highway|Interstate"
_STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "FL": "Florida", "GA": "Georgia", "HI": "Hawaii", "ID": "Idaho",
    "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana",
    "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota", "MS": "Mississippi",
    "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire", "NJ": "New Jersey",
    "NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma",
    "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota",
    "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont", "VA": "Virginia", "WA": "Washington",
    "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming", "DC": "D.C",
}  # fmt: skip
_WORDS_TOO = ("HI", "ID", "IN", "LA", "MA", "ME", "OH", "OK", "OR", "PA", "MS", "CO")
"""Of the states: a word or another short form too; the comma of an address must stand before."""
_EMERGENCY = 3
"""Digits of a number that is called."""
_SHORT_CODES = ("call", "dial", "ring", "cvv", "cvc")
"""What stands before so few digits; before others there are more."""
_PARTED = r"(?:\d{1,3}(?:,\d{3}){1,6}(?!\d)(?:\.\d{1,20})?|\d{1,30}\.\d{1,20}(?![\d.]))"
"""A number that holds a comma or a point."""
_MANY_RUNS = 5
"""Runs of letters and of digits in one word, from which on nothing in it is a word."""
_LEAST_OF_A_PHONE = 7
"""Digits behind a plus that make it a telephone number, and no gain."""
_UNLIKE = 2
"""Digits that one end of a range may have more than the other."""
_MANY_DIGITS = 8
"""Digits from which on groups of letters and digits are one code."""
_GROUPS = r"\d{1,12}(?:[ -]\d{1,12}){0,7}"
_GROUP_SIGN = re.compile(r"[^\d]{1,4}")
_YEAR = re.compile(r"(?:19|20)\d\d")
_VOWEL = re.compile("[AEIOUYaeiouy]")
_RUN = re.compile(r"\d+|[A-Za-z]+")
_WORDY = 4
"""Capitals from this length on are a word or an acronym that the voice knows better, unless digits stand within."""
_SAID_AS_NUMBER = 2
"""Digits of a number that is said as one beside letters: "MP3", "B52"; longer ones digit by digit."""


def _grouped(text: str) -> str:
    """Digit by digit, a pause between groups."""
    groups = [group for group in _GROUP_SIGN.split(text) if group]
    if len(groups) == 1:
        return digits(groups[0])
    return ", ".join(" ".join(DIGITS[int(digit)] for digit in group) for group in groups)


def _say_phone(match: re.Match[str]) -> str | None:
    text = match.group()
    if text.startswith("+") and sum(map(str.isdecimal, text)) < _LEAST_OF_A_PHONE:
        return None
    return ("plus " if text.startswith("+") else "") + _grouped(text)


def _say_hex(match: re.Match[str]) -> str:
    """Say each sign on its own, with a pause where the writer made one."""
    return ", ".join(
        " ".join(DIGITS[int(c)] if c.isdecimal() else spelled(c) for c in part)
        for part in re.split(r"[:-]", match.group())
    )


def _signs_of(code: str) -> str:
    """Each sign on its own, a pause between the groups."""
    return ", ".join(" ".join(map(_sign, group)) for group in code.split())


def _say_ipv6(match: re.Match[str]) -> str:
    """Say an address of hexadecimal groups, each sign on its own."""
    parts = re.split(r"(::?)", match.group())
    return " ".join(
        {":": "colon", "::": "colon colon"}.get(part) or " ".join(map(_sign, part))
        for part in parts
    )


def _sign(char: str) -> str:
    return DIGITS[int(char)] if char.isdecimal() else spelled(char)


def _say_iban(match: re.Match[str]) -> str:
    """Each sign on its own, a pause behind every group of four."""
    signs = match.group().replace(" ", "")
    groups = (signs[at : at + 4] for at in range(0, len(signs), 4))
    return ", ".join(
        " ".join(DIGITS[int(c)] if c.isdecimal() else spelled(c) for c in group) for group in groups
    )


def _say_zip(match: re.Match[str]) -> str:
    return f"{_STATES[match[1] or match[2]]} {_grouped(match[3])}"


def _say_model(match: re.Match[str]) -> str:
    """ "Boeing 747", "Route 101": the hundreds, then the rest."""
    return match[1] + " ".join(_hundreds(run) for run in match[2].split("-"))


def _hundreds(run: str) -> str:
    """ "747" as "seven forty-seven", "800" as "eight hundred"."""
    if len(run) != _EMERGENCY or run[0] == "0":
        return number(run)
    hundreds, rest = run[0], run[1:]
    if rest == "00":
        return cardinal(int(run))
    said = f"oh {cardinal(int(rest))}" if rest[0] == "0" else cardinal(int(rest))
    return f"{DIGITS[int(hundreds)]} {said}"


def _say_serial(match: re.Match[str]) -> str | None:
    """Say parts of capitals and digits, each on its own: "XR-500-22"."""
    parts = match.group().split("-")
    if not (any(part.isalpha() for part in parts) or any(not part.isdecimal() for part in parts)):
        return None
    if not any(char.isdecimal() for char in match.group()):
        return None
    runs = [_RUN.findall(part) for part in parts]
    # Where one number is said digit by digit, so are the others.
    one_by_one = any(
        run.isdecimal() and len(run) > _SAID_AS_NUMBER for part in runs for run in part
    )
    return ", ".join(
        " ".join(
            _letters(run, many=True)
            if run.isalpha() and len(run) < _WORDY
            else " ".join(map(_sign, run))
            if one_by_one and run.isdecimal()
            else _run(run)
            for run in part
        )
        for part in runs
    )


def _say_place(match: re.Match[str]) -> str:
    """ "Room 4B": a number and a letter; behind an exit, which has no other name, the letter is no unit."""
    name, run, letter = match.groups()
    return f"{name}{number(run) if name in ('Exit ', 'exit ') else run} {letter}"


def _run(run: str) -> str:
    return _digits_beside_letters(run) if run.isdecimal() else run


def _say_named(match: re.Match[str]) -> str | None:
    """Say what follows "PIN" or "account number": four digits or more, or a leading zero; of what is called, three."""
    before, code = match.groups()
    count = sum(char.isdigit() for char in code)
    least = _EMERGENCY if before.lower().startswith(_SHORT_CODES) else _EMERGENCY + 1
    if count < least and not code.startswith("0"):
        return None
    parts = code.split("-")
    if len(parts) == 3 and all(len(part) <= 2 and part[0] != "0" for part in parts):
        return before + ", ".join(map(number, parts))  # of a lock
    return before + _grouped(code)


def _grouped_match(match: re.Match[str]) -> str:
    return _grouped(match.group())


def _say_groups(match: re.Match[str]) -> str | None:
    """Groups of digits that no one counts; years side by side and grouped thousands are something else."""
    groups = match.group().split()
    if all(len(group) == 3 for group in groups[1:]) and len(groups[0]) <= 3 and groups[0][0] != "0":
        return None
    if all(len(group) == 4 and group[:2] in ("19", "20") for group in groups):
        return None
    is_code = any(group[0] == "0" for group in groups) or any(len(group) > 2 for group in groups)
    return _grouped(match.group()) if is_code else None


def _say_uneven(match: re.Match[str]) -> str | None:
    """Groups too unlike in length for a range or a date: "47-2291835", "114-7730492-5518620"; not "1-1000"."""
    groups = match.group().split("-")
    lengths = [len(group) for group in groups]
    is_range = len(groups) == 2 and (lengths[0] == 1 or groups[1].endswith("00"))
    is_code = max(lengths) - min(lengths) > _UNLIKE and not is_range
    return _grouped(match.group()) if is_code else None


def _say_filed(match: re.Match[str]) -> str:
    """ "RX/4402/B", "2002/58/EC": parts of capitals and digits, with what divides them."""
    return " slash ".join(
        year(int(part))
        if _YEAR.fullmatch(part)
        else number(part)
        if part.isdecimal() and len(part) <= _SAID_AS_NUMBER
        else " ".join(map(_sign, part))
        for part in match.group().split("/")
    )


def _say_parcel(match: re.Match[str]) -> str | None:
    """ "1Z 999 AA1 01 2345 6784": groups of capitals and digits that hold many digits."""
    code, groups = match.group(), match.group().split()
    if any(group.isalpha() for group in groups) or all(group.isdecimal() for group in groups):
        return None
    return _signs_of(code) if sum(map(str.isdecimal, code)) >= _MANY_DIGITS else None


def _say_run(match: re.Match[str]) -> str | None:
    run = match.group()
    if run[0] != "0" and (len(run) < 10 or run.endswith("000")):
        return None
    return digits(run)


def _say_mixed(match: re.Match[str]) -> str | None:
    """Letters and digits in one word: "B2B", "A380", "SW1A", "iPhone15"."""
    word = match.group()
    runs = _RUN.findall(word)
    if len(runs) < 2:
        return None
    if runs[-1] == "s" and runs[-2].isdecimal() and len(runs[-2]) <= _SAID_AS_NUMBER:
        runs[-2:] = [plural(cardinal(int(runs[-2])))]
    many = len(runs) > 2
    if len(runs) >= _MANY_RUNS:  # of a hash, say: no part of it is a word
        return " ".join(
            " ".join(map(_sign, run))
            if word.islower() or len(run) > _SAID_AS_NUMBER or run.isalpha()
            else _run(run)
            for run in runs
        )
    said = [
        _letters(run, many=many) if run[0].isalpha() else _digits_beside_letters(run)
        for run in runs
    ]
    return " ".join(said)


def _letters(run: str, *, many: bool) -> str:
    if run == "a":
        return "A."  # the letter, not the article
    is_spelled = run.isupper() and (many or len(run) < _WORDY)
    return spelled(run) if is_spelled or not _VOWEL.search(run) else run


def _digits_beside_letters(run: str) -> str:
    if len(run) <= _SAID_AS_NUMBER and run[0] != "0":
        return cardinal(int(run))
    return " ".join(DIGITS[int(digit)] for digit in run)


def _say_hyphened(match: re.Match[str]) -> str:
    """Say capitals, a hyphen and digits: "GPT-4", "AB-1234"."""
    letters, run = match.groups()
    is_round = run[0] != "0" and run.endswith("00" if len(run) == _EMERGENCY else "000")
    is_number = len(run) <= _SAID_AS_NUMBER or is_round
    said = number(run) if is_number else " ".join(DIGITS[int(d)] for d in run)
    return f"{_letters(letters, many=False)} {said}"


CODES: tuple[Rule, ...] = (
    rule(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)", _say_iban),
    rule(
        rf"(?<!\w)(?:{_MASK}{{2,64}}+[ -]?+){{1,4}}+(\d{{3,6}})(?![\w,]|[./:-]\d)",
        lambda match: digits(match[1]),
    ),
    rule(
        rf"\b({_CARDS} (?:[a-z]{{2,12}} ){{0,2}}{_ENDING})-?(\d{{2,8}})(?![\w,]|[ ./:-]\d|%)",
        lambda match: f"{match[1]}{digits(match[2])}",
        any_case=True,
    ),
    rule(
        rf"\b({_CARDS_BARE} (?:number )?{_ENDING_BARE})(\d{{3,4}})(?![\w,]|[./:-]\d|%)",
        lambda match: f"{match[1]}{digits(match[2])}",
        any_case=True,
    ),
    rule(
        rf"(?:(?<=, )({any_of(_STATES)})|(?:(?<=[a-z] )|(?<![^\n]))"
        rf"({any_of(s for s in _STATES if s not in _WORDS_TOO)})),? "
        r"(\d{5}(?:-\d{4})?)(?![\w-]|[.,]\d)",
        _say_zip,
    ),
    rule(rf"\b((?:{_SPACES}|Apt\.?|Ste\.?|Rm\.?) )(\d{{1,4}})([A-Z])(?!\w)", _say_place),
    rule(rf"\b((?:{_MAKERS}) )([1-9]\d{{2}}(?:-[1-9]\d{{1,3}})?)(?!\w|[.,-]\d)", _say_model),
    rule(r"(?<!\w)(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?!\w)", _say_hex),
    rule(r"(?<![\w.,])0x[0-9A-Fa-f]{1,16}(?!\w|[.,]\d)", _say_hex),
    rule(r"(?<![\w-])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![\w-])", _say_hex),
    rule(
        r"(?<![\w:.])(?=[0-9:]{0,40}(?:[a-fA-F]|::\w))[0-9A-Fa-f]{1,4}(?:::?[0-9A-Fa-f]{1,4}){2,7}(?![\w:])",
        _say_ipv6,
    ),
    rule(
        r"(?:\b([Nn])o\. ?|\b([Nn]umber |[Cc]ase |[Dd]ocket |[Ff]ile |[Pp]ermit ))"
        r"(\d{1,2}-\d{3,6}|\d{4,6}-0\d{1,4})(?![\w/-]|[.,]\d|%)",
        lambda match: f"{match[2] or match[1] + 'umber '}{_grouped(match[3])}",
    ),
    rule(r"(?<=#)\d{3,6}-\d{1,6}(?![\w-]|[.,]\d)", _grouped_match),
    rule(
        r"\b((?:[Cc]all|[Dd]ial|[Rr]ing) )(\d{3}(?:(?:/| or |, )\d{3}){0,3})(?![\w-]|[ /]\d|[.,]\d|%| [a-z]{1,20}s\b)",
        lambda match: match[1] + re.sub(r"\d{3}", lambda run: digits(run[0]), match[2]),
    ),
    rule(
        r"\b((?:[Tt]ext|SMS)(?: [^\s.;]{1,12}){1,4} to )(\d{4,6})(?![\w-]|[.,]\d)",
        lambda match: match[1] + digits(match[2]),
    ),
    rule(
        r"\b((?:[Tt]ext(?:ing)?|SMS) )(\d{4,6})(?= (?:to|for|with|and|from|now|today)\b|[.,;!?]?$|[.;!?])",
        lambda match: match[1] + digits(match[2]),
    ),
    rule(r"(?<=, )\d{5}(?= [A-Z][a-z]{2})", _grouped_match),
    rule(
        r"(?<![\w.])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,5}(?!\w)",
        _say_phone,
    ),
    rule(r"(?<![\w.-])(?:1[ .-])?\(\d{2,5}\) ?\d{3,5}[ .-]?\d{3,4}(?![\w-])", _say_phone),
    rule(r"(?<![\w.,-])(?<!\d )00 ?\d{2,3}(?: \d{1,7}){1,5}(?![\w-]|[.,]\d)", _grouped_match),
    rule(r"(?<![\w.-])(?:1\.)?\d{3}\.\d{3}\.\d{4}(?![\w.]{0,60}\d)", _say_phone),
    rule(
        r"\b((?:call|text|phone|dial|ring|fax|tel)(?: [a-z]{1,9}){0,4}[.:]? )"
        r"(\d{3}\.\d{4}|0\d{1,4}[/.]\d{4,9})(?![\w.]{0,60}\d)",
        lambda match: match[1] + _grouped(match[2]),
        any_case=True,
    ),
    rule(
        r"\b((?:call|text|dial|ring)(?: [^\s.;]{1,12}){1,6} or )(\d{3})(?![\w-]|[.,]\d|%| [a-z]{1,20}s\b)",
        lambda match: match[1] + digits(match[2]),
        any_case=True,
    ),
    rule(r"(?<![\w-])[A-Z\d]{1,8}(?: [A-Z\d]{1,8}){3,7}(?![\w-]|[.,]\d|%)", _say_parcel),
    rule(
        rf"\b((?i:number|code|ID|ref(?:erence)?|tracking|postcode|registration|reg|plate|no\.|PNR){_LINK})"
        r"(?=[A-Z \d]{0,20}\d)(?=[\d ]{0,20}[A-Z])([A-Z\d]{1,8}(?: [A-Z\d]{1,8}){1,6})(?![\w-])",
        lambda match: match[1] + _signs_of(match[2]),
    ),
    rule(
        rf"(?<!\w)((?:(?:{_NAMES})(?:{_NUMBER})?|(?:{_THINGS}){_NUMBER}){_LINK})({_GROUPS})(?!\w|[.,/:-]\d|%)",
        _say_named,
        any_case=True,
    ),
    rule(
        r"(?<![\w.,/$£€¥-])(?<!\d[ \u00a0\u2009\u202f])0\d{1,5}(?: \d{2,6}){1,7}(?![\w/]|[.,:-]\d|%)",
        _grouped_match,
    ),
    rule(
        r"(?<![\w.,/$£€¥-])(?:\d{2,6}(?: \d{2,6}){2,7}(?![\w/])|\d{4} \d{4}(?![\w/ ]))(?![.,:-]\d|%)",
        _say_groups,
    ),
    rule(r"(?<![\w.,/$£€¥-])0\d{2,5}[-/]\d{2,9}(?:-\d{2,6})?(?![\w/-]|[.,:]\d|%)", _grouped_match),
    rule(r"(?<![\w.,/$£€¥-])\d{1,6}(?:-\d{1,7}){3,7}(?![\w/-]|[.,:]\d|%)", _grouped_match),
    rule(r"(?<![\w.,/$£€¥-])\d{1,9}(?:-\d{1,9}){1,2}(?![\w/-]|[.,:]\d|%)", _say_uneven),
    rule(r"(?<![\w.,/$£€¥-])\d{4,6}-0\d{1,4}(?![\w/-]|[.,:]\d|%)", _grouped_match),
    rule(r"(?<=[a-z] )-(0\d{2,9})(?![\w/-]|[.,:]\d|%)", lambda match: digits(match[1])),
    rule(
        r"(?<![\w./-])(?=[A-Z/]{0,12}\d)(?=[\d/]{0,12}[A-Z])[A-Z\d]{1,6}(?:/[A-Z\d]{1,6}){2,4}(?![\w/-])",
        _say_filed,
    ),
    rule(r"(?<![\w.,/$£€¥-])(?:\d{3}-)?\d{3}-\d{4}(?![\w/-]|[.,:]\d|%)", _grouped_match),
    rule(r"(?<![\w.,/$£€¥-])\d{3}-\d{2}-\d{4}(?![\w/-]|[.,:]\d|%)", _grouped_match),
    rule(
        r"(?<![\w.,:/$£€¥'’′″°-])(?<!\d[ \u00a0\u2009\u202f])\d{2,30}"
        r"(?![\w/:]|[.,]\d|%| ?°|-\d{1,2}-\d{2}(?!\d))",
        _say_run,
    ),
)
"""Rules that come before dates are read, for what looks like no date."""

MIXED: tuple[Rule, ...] = (
    # A number that is grouped or has a point is one number, whatever letters touch it.
    rule(rf"(?<=[A-Za-z])(?={_PARTED})", " "),
    rule(rf"(?<![\w.,])({_PARTED})(?=[A-Za-z])", lambda match: f"{number(match[1])} "),
    rule(r"(?<![\w.,-])(\d{2,4})([kK])(?![\w-])", lambda match: f"{number(match[1])} {match[2]}"),
    rule(r"(?<![\w-])[A-Z0-9]{1,8}(?:-[A-Z0-9]{1,8}){2,6}(?![\w-])", _say_serial),
    rule(r"(?<![\w-])([A-Z]{1,5})-(\d{1,6})(?![\w.]{0,60}\d)(?!\w)", _say_hyphened),
    rule(
        r"(?<![^\W_])(?<!\d[.,])(?=[A-Za-z]{1,12}\d|\d{1,12}[A-Za-z])[A-Za-z0-9]{2,24}(?![^\W_])",
        _say_mixed,
    ),
)
"""Rules that come after units are read, for letters and digits that are left in one word."""
