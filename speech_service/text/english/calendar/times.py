"""How times of day and lengths of time are said: "7.30pm", "0430 hours", "1h 30m", "4:12.3"."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

from speech_service.text.english.calendar.names import DAYS, SHORT_DAYS
from speech_service.text.english.number_words import cardinal, number
from speech_service.text.english.rules import Rule, any_of, rule

_HALF_DAY = r"(?:\s?([AaPp])(?:\.\s?[Mm]\.?|[Mm]\b))"
_AT = r"at|from|until|till|by|before|after|to|around|the"
_STARTS = (
    r"boards?|departs?|departing|leaves?|leaving|arrives?|arriving|opens?|closes?|starts?|starting|begins?|"
    r"kick-?off|meets?|served|scheduled|sharp"
)
"""What happens at a time of day, whose minutes may stand behind a dot."""
_TRAINS = (
    r"train|bus|tram|ferry|boat|coach|flight|show|film|concert|match|game|lesson|meeting|doors"
)
"""What has a time of day, with its minutes behind a dot in the afternoon: "the ferry is at 23.50"."""
_OPENINGS = r"(?:[Oo]pen|[Hh]ours|[Ll]essons?|[Cc]lass(?:es)?|daily|weekdays|weekends)"
_RATIOS = (
    r"(?:scale|ratio|odds|mix(?:ed|ture)?|dilut(?:ed|ion)|proportion)s?"
    r"(?: (?:is|was|are|were|of|at|to|in|model))?"
)


def _say_time(match: re.Match[str]) -> str | None:
    hour, minute, second, fraction, half = match.groups()
    if int(hour) > 24 or int(minute) > 59 or (second and int(second) > 59):
        return None
    part = f".{fraction}" if fraction else ""
    said = clock(int(hour), minute, second and second + part, half)
    # The last dot of "p.m." may be the full stop as well.
    return said + _stop_of(match)


def _stop_of(match: re.Match[str]) -> str:
    rest = match.string[match.end() : match.end() + 3]
    ends = not rest.strip() or rest.lstrip()[:1].isupper()
    return "." if match.group().endswith(".") and ends else ""


def clock(hour: int, minute: str, second: str | None, half: str | None = None) -> str:
    minutes = int(minute)
    if not (hour or minutes or second or half):
        return "midnight"
    said = cardinal(hour)
    if minutes:
        said += f" oh {cardinal(minutes)}" if minutes < 10 else f" {cardinal(minutes)}"
    elif not half and not second:
        said += " o'clock" if hour <= 12 else " hundred"
    if second:
        said += (
            f" and {number(second.removeprefix('0'))} {'second' if second == '01' else 'seconds'}"
        )
    return f"{said} {half.upper()}.M" if half else said


def _say_lap(match: re.Match[str]) -> str:
    """Say the time of a race: "4:12.3"."""
    minutes, seconds = (
        int(match[1]),
        number(match[2].lstrip("0").replace(".", "0.", match[2][:3] == "00.")),
    )
    return f"{cardinal(minutes)} {'minute' if minutes == 1 else 'minutes'} {seconds} seconds"


def _say_length(match: re.Match[str]) -> str:
    """Say hours, minutes and seconds that something takes: "1:05:20"."""
    return _named(match[1], match[2], match[3])


def _say_four_digits(match: re.Match[str]) -> str:
    """ "0430 hours", "at 0915": the hour with its zero, then the minutes."""
    hour, minute, behind = match.groups()
    said = f"oh {cardinal(int(hour[1]))}" if hour[0] == "0" else cardinal(int(hour))
    if minute == "00":
        said += " hundred"
    else:
        said += f" {'oh ' if minute[0] == '0' else ''}{cardinal(int(minute))}"
    behind = (behind or "").strip()
    words = {
        "h": " hours",
        "hrs": " hours",
        "hours": " hours",
        "Z": " Zulu",
        "Zulu": " Zulu",
        "": "",
    }
    return said + words[behind]


def _say_hour(match: re.Match[str]) -> str | None:
    hour, half = match.groups()
    if int(hour) > 12:
        return None
    return f"{cardinal(int(hour))} {half.upper()}.M{_stop_of(match)}"


def _say_duration(match: re.Match[str]) -> str:
    """Say a duration such as "2h30" or "1h 30m 5s"."""
    return _named(match[1], match[2], match[3])


def _named(*parts: str | None) -> str:
    """Hours, minutes and seconds by their names, those alone that are not zero."""
    named = [
        f"{cardinal(int(text))} {name}{'' if int(text) == 1 else 's'}"
        for name, text in zip(("hour", "minute", "second"), parts, strict=True)
        if text and int(text)
    ]
    return " ".join(named) or "zero seconds"


def _say_hours(match: re.Match[str]) -> str:
    """Say the hours of a range that name the half of the day once, such as "9-5pm"."""
    return f"{cardinal(int(match[1]))} to {match[2]}"


def _say_o_clock(match: re.Match[str]) -> str:
    return f"{cardinal(int(match[1]))} o'clock"


FOUR_DIGITS: tuple[Rule, ...] = (
    rule(
        r"(?<![\w.,:$£€-])([01]\d|2[0-4])([0-5]\d)( ?(?:h|hrs|hours)(?!\w)| (?=(?:UTC|GMT)\b)| ?(?:Z|Zulu)(?!\w))",
        _say_four_digits,
    ),
    rule(r"(?<=\bat )(0\d)([0-5]\d)()(?![\w:/-]|[.,]\d)", _say_four_digits),
)
"""Times of four digits, which would be codes."""

TIMES: tuple[Rule, ...] = (
    # Times. Letters that touch one are words of their own.
    rule(r"(?<=\d:[0-5]\d) ?(?:hrs?|h)(?!\w)", " hours"),
    rule(r"(?<=\d:[0-5]\d)Z(?!\w)", " Zulu"),
    rule(r"(?<=\d:[0-5]\d)(?=[A-Za-z])(?![AaPp]\.?[Mm]\b)", " "),
    rule(
        r"\b([Tt]he (?:[01]?\d|2[0-3]))\.([0-5]\d)(?= (?:from|to|train|bus|service|ferry|departure|arrival)\b)",
        r"\1:\2",
    ),
    rule(
        rf"\b((?:{_AT}) )(\d{{1,2}})h([0-5]\d)(?!\w)",
        lambda m: m[1] + clock(int(m[2]), m[3], None),
        any_case=True,
    ),
    rule(r"(?<![\w.:])(1[3-9]|2[0-3])h([0-5]\d)(?!\w)", r"\1:\2"),
    rule(r"(?<![\w.:])(\d{1,2})\.([0-5]\d)(?=\s?[AaPp](?:\.\s?[Mm]|[Mm]\b))", r"\1:\2"),
    rule(
        r"\b(at (?:1[0-2]|[1-9]))\.(00|15|30|45)(?=[?!]|[.,]?$|,? (?:tomorrow|today|tonight|sharp|in the)\b)",
        r"\1:\2",
    ),
    rule(
        rf"\b((?:(?:{any_of((*DAYS, *SHORT_DAYS))})s?\b\.?:?,?|{_OPENINGS}:?) (?:from |between )?)"
        r"([01]?\d|2[0-3])\.([0-5]\d)(\s?[-–]\s?| to | and )([01]?\d|2[0-4])\.([0-5]\d)(?![\w%]|[.,]\d)",
        r"\1\2:\3 to \5:\6",
    ),
    rule(
        r"(?<![\w.:,$£€])([01]?\d|2[0-3])\.(00|15|30|45)\s?[-–]\s?([01]?\d|2[0-4])\.(00|15|30|45)"
        r"(?=,? (?:daily|every|on|each|weekdays|weekends|in the (?:morning|afternoon|evening))\b)",
        r"\1:\2 to \3:\4",
    ),
    rule(
        r"(?<=\bthe )([01]?\d|2[0-3])\.([0-5]\d)"
        r"(?= (?:to|from|train|service|departure|bus|ferry|flight|showing|performance|out of)\b|[.,;!?]?$|[,;] )",
        r"\1:\2",
    ),
    rule(
        r"(?<![\w:]):([0-5]\d)(?![\w:])",
        lambda m: number(m[1]) if m[1][0] != "0" else f"oh {number(m[1][1])}",
    ),
    rule(
        rf"\b((?:{_TRAINS})(?: [a-z]{{2,9}}){{0,2}} at (?:1[3-9]|2[0-3]))\.([0-5]\d)(?![\w%]|[.,]\d)",
        r"\1:\2",
        any_case=True,
    ),
    rule(
        rf"\b((?:{_STARTS}) (?:at )?(?:[01]?\d|2[0-3]))\.([0-5]\d)(?![\w%]|[.,]\d)",
        r"\1:\2",
        any_case=True,
    ),
    rule(r"(?<![\w.:])(\d{1,2}):([0-5]\d\.\d{1,3})(?![\w:])", _say_lap),
    rule(
        r"(?<!\bat )(?<!\bby )(?<![\w.:])(\d):([0-5]\d):([0-5]\d)(?![\w:]| ?[AaPp]\.?[Mm]|\.\d)",
        _say_length,
    ),
    rule(
        r"(?<![\w.])(?<!\d,)(\d{1,3}) ?h(?:rs?)?\.? ?(\d{1,2})(?: ?m(?:ins?)?)?(?: ?(\d{1,2}) ?s(?:ecs?)?)?(?!\w)",
        _say_duration,
    ),
    rule(r"(?<![\w.])()(\d{1,2}) ?m(?:ins?)? ?(\d{1,2}) ?s(?:ecs?)?(?!\w)", _say_duration),
    rule(
        r"(?:(?<=\d:\d{2})|(?<=[AaPp][Mm])|(?<=[AaPp]\.[Mm]\.))\s?[-–]\s?(?=\d{1,2}(?::\d{2}|\s?[AaPp]))",
        " to ",
    ),
    rule(r"(?<![\w.:,])(\d{1,2})\s?[-–]\s?(\d{1,2}(?::\d{2})?\s?[AaPp]\.?[Mm]\b)", _say_hours),
    rule(r"(?<![\w.:,])(\d{1,2})\s?[-–]\s?(?=\d{1,2}:[0-5]\d(?![\d:]))", r"\1 to "),
    rule(r"(?<![\w.:])(\d{1,3}):(\d{1,3}(?:,\d{3}){1,3})(?![\w:]|[.,]\d)", r"\1 to \2"),
    rule(
        rf"\b({_RATIOS}[: ] ?)(\d{{1,3}}):(\d{{1,3}})(?![\w:,]|\.\d)",
        r"\1\2 to \3",
        any_case=True,
    ),
    rule(
        rf"(?<![\w.:])(\d{{1,2}}):(\d{{2}})(?::(\d{{2}})(?:\.(\d{{1,6}}))?)?{_HALF_DAY}?(?![:\d]|\w)",
        _say_time,
    ),
    rule(rf"(?<![\w.:,$£€])(\d{{1,2}}){_HALF_DAY}(?!\w)", _say_hour),
    rule(r"(?<![\w.:])(\d{1,2}) ?o['’]clock\b", _say_o_clock),
)
"""Rules that come after those for days."""
