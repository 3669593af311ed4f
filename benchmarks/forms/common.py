"""Sentences with written forms, made by grammars from a seed, with every way in which each may be read.

Written from what people say, without a look at the rules of ``speech_service/text``: number words are num2words',
everything else stands here. ``(a|b)`` in a reading means either; ``{}`` in a frame is the place of the form.
"""

# ruff: noqa: E501, RUF001 - tables of pairs; typographic signs are the data of this module

from collections.abc import Iterator, Sequence
from random import Random

from benchmarks.forms import codes
from benchmarks.forms.readings import (
    DAYS,
    MONTHS,
    Draw,
    Pair,
    cardinal,
    count,
    decimal,
    digits,
    made,
    ordinal,
    year,
)
from benchmarks.forms.tables import FIXED, UNITS


def _clock(hour: int, minute: int) -> str:
    if minute == 0:
        return f"({cardinal(hour)}|{cardinal(hour)} o'clock|{cardinal(hour)} hundred)"
    if minute < 10:
        return f"{cardinal(hour)} (oh|zero) {cardinal(minute)}"
    return f"{cardinal(hour)} {cardinal(minute)}"


def _half(letter: str) -> str:
    return f"({letter} M)"


def _one_of(*pairs: Pair) -> Draw:
    return lambda draw: draw.choice(pairs)


def _dollars(draw: Random) -> Pair:
    value, cents = (
        draw.choice((draw.randint(2, 99), draw.randint(1000, 99999))),
        draw.randint(1, 99),
    )
    cents_said = f"{cardinal(cents)} cent{'s' * (cents > 1)}"
    return (
        f"${value:,}.{cents:02}",
        f"{cardinal(value)} dollars (and {cents_said}|{cents_said}|{cardinal(cents)})",
    )


def _small_money(draw: Random) -> Pair:
    cents = draw.randint(2, 99)
    return f"$0.{cents:02}", f"(|zero dollars |zero dollars and ){cardinal(cents)} cents"


def _european(draw: Random) -> Pair:
    value, cents = draw.randint(1100, 9999), draw.randint(10, 99)
    whole = f"{value:,}".replace(",", ".")
    said = f"{cardinal(value)} (euros|euro)"
    cents_said = cardinal(cents)
    return f"{whole},{cents} €", f"{said} (|and ){cents_said}(| cents)"


def _pounds(draw: Random) -> Pair:
    value = draw.randint(2, 999)
    return f"£{value}", f"{cardinal(value)} pounds"


def _millions(draw: Random) -> Pair:
    whole, tenth = draw.randint(1, 40), draw.randint(1, 9)
    word = draw.choice(("million", "billion", "trillion"))
    return f"${whole}.{tenth} {word}", f"{decimal(f'{whole}.{tenth}')} {word} dollars"


def _short_millions(draw: Random) -> Pair:
    whole = draw.randint(2, 90)
    mark, word = draw.choice(
        (("M", "million"), ("bn", "billion"), ("B", "billion"), ("k", "thousand"))
    )
    sign, many = draw.choice((("$", "dollars"), ("€", "euros"), ("£", "pounds")))
    return f"{sign}{whole}{mark}", f"{cardinal(whole)} {word} {many}"


def _coded_money(draw: Random) -> Pair:
    value = draw.randint(20, 900)
    code, said = draw.choice(
        (
            ("USD", "(US dollars|dollars|U S dollars|U S D)"),
            ("EUR", "(euros|E U R)"),
            ("CHF", "(Swiss francs|C H F|francs)"),
            ("GBP", "(pounds|British pounds|G B P|pounds sterling)"),
            ("JPY", "(yen|Japanese yen|J P Y)"),
            ("CAD", "(Canadian dollars|C A D)"),
        )
    )
    n = cardinal(value)
    return draw.choice(
        ((f"{code} {value}", f"({n} {said}|{said} {n})"), (f"{value} {code}", f"{n} {said}"))
    )


def _date_iso(draw: Random) -> Pair:
    y, m, d = draw.randint(1950, 2029), draw.randint(1, 12), draw.randint(1, 28)
    return f"{y}-{m:02}-{d:02}", _date(y, m, d)


def _date(y: int, m: int, d: int) -> str:
    month, day = MONTHS[m - 1], ordinal(d)
    return f"({month} (|the ){day}|the {day} of {month}|{day} of {month}|{day} {month}) {year(y)}"


def _date_us(draw: Random) -> Pair:
    y, m, d = draw.randint(1990, 2029), draw.randint(1, 12), draw.randint(13, 28)
    return f"{m}/{d}/{y}", _date(y, m, d)


def _date_dots(draw: Random) -> Pair:
    y, m, d = draw.randint(1990, 2029), draw.randint(1, 12), draw.randint(13, 28)
    return f"{d:02}.{m:02}.{y}", _date(y, m, d)


def _date_words(draw: Random) -> Pair:
    y, m, d = draw.randint(1890, 2029), draw.randint(1, 12), draw.randint(1, 28)
    month = MONTHS[m - 1]
    short = month[:3] + "." if month != "May" else month
    form = draw.choice(
        (f"{month} {d}, {y}", f"{d} {month} {y}", f"{short} {d}, {y}", f"{d} {month[:3]} {y}")
    )
    return form, _date(y, m, d)


def _weekday(draw: Random) -> Pair:
    day, m, d = draw.choice(DAYS), draw.randint(1, 12), draw.randint(1, 28)
    month = MONTHS[m - 1]
    said = f"{day} (the |)({month} {ordinal(d)}|{month} the {ordinal(d)}|{ordinal(d)} of {month}|{ordinal(d)} {month})"
    return f"{day[:3]}, {d} {month[:3]}", said


def _time24(draw: Random) -> Pair:
    h, m = draw.randint(13, 23), draw.randint(1, 59)
    return f"{h}:{m:02}", _clock(h, m)


def _time_half(draw: Random) -> Pair:
    h, m = draw.randint(1, 12), draw.choice((0, draw.randint(1, 59)))
    letter = draw.choice("ap")
    mark = draw.choice((f" {letter}m", f"{letter}m", f" {letter}.m.", f" {letter.upper()}M"))
    return f"{h}:{m:02}{mark}", f"{_clock(h, m)} {letter.upper()} M"


def _seconds(draw: Random) -> Pair:
    h, m, s = draw.randint(2, 12), draw.randint(10, 59), draw.randint(10, 59)
    hms = f"{count(h, 'hour', 'hours')} {count(m, 'minute', 'minutes')} (|and ){count(s, 'second', 'seconds')}"
    return (
        f"{h}:{m}:{s}",
        f"({cardinal(h)} {cardinal(m)} {cardinal(s)}|{hms}|{cardinal(h)} {cardinal(m)} and {cardinal(s)} seconds)",
    )


def _fraction(draw: Random) -> Pair:
    top, bottom = draw.choice(
        ((1, 3), (2, 3), (3, 8), (5, 8), (7, 8), (3, 5), (7, 10), (5, 16), (11, 12), (1, 5))
    )
    part = ordinal(bottom) + ("s" if top > 1 else "")
    return (
        f"{top}/{bottom} of the total",
        f"({cardinal(top)}|{'a' if top == 1 else cardinal(top)}) {part} of the total",
    )


def _mixed_fraction(draw: Random) -> Pair:
    whole = draw.randint(2, 12)
    sign, said = draw.choice(
        (
            ("1/2", "a half"),
            ("3/4", "three quarters"),
            ("1/4", "a quarter"),
            ("½", "a half"),
            ("¼", "a quarter"),
            ("⅔", "two thirds"),
            ("1/3", "a third"),
        )
    )
    said = said.replace("a half", "(a|one) half").replace(
        "a quarter", "(a quarter|one quarter|one fourth)"
    )
    said = said.replace("three quarters", "three (quarters|fourths)").replace(
        "a third", "(a|one) third"
    )
    return f"{whole}{' ' if '/' in sign else ''}{sign} hours", f"{cardinal(whole)} and {said} hours"


def _unit(draw: Random) -> Pair:
    sign, _, many = draw.choice(UNITS)
    value = draw.choice((draw.randint(2, 20), draw.randint(100, 999)))
    gap = "" if sign.isalpha() and draw.random() < 0.3 and sign not in {"L", "g", "W", "V"} else " "
    return f"{value}{gap}{sign}", f"{cardinal(value)} {many}"


def _unit_decimal(draw: Random) -> Pair:
    sign, _, many = draw.choice(UNITS)
    value = f"{draw.randint(1, 40)}.{draw.randint(1, 99)}".rstrip("0")
    return f"{value} {sign}", f"{decimal(value)} {many}"


def _height(draw: Random) -> Pair:
    feet, inches = draw.randint(4, 6), draw.randint(1, 11)
    form = draw.choice((f"{feet}'{inches}\"", f"{feet}′{inches}″", f"{feet} ft {inches} in"))
    said = f"{cardinal(feet)} (foot|feet) {cardinal(inches)}"
    return form, f"{said}(| inches| inch)"


def _size(draw: Random) -> Pair:
    a, b = draw.randint(2, 30), draw.randint(2, 30)
    form = draw.choice((f"{a} x {b} cm", f"{a}x{b} cm", f"{a} × {b} cm"))
    return form, f"{cardinal(a)} (by|times) {cardinal(b)} centimeters"


def _temperature(draw: Random) -> Pair:
    value = draw.randint(2, 40)
    minus = draw.random() < 0.4
    scale, word = draw.choice((("C", "Celsius"), ("F", "Fahrenheit")))
    sign = draw.choice(("-", "−")) if minus else ""
    said = ("(minus|negative) " if minus else "") + f"{cardinal(value)} degrees {word}"
    return f"{sign}{value}{draw.choice(('', ' '))}°{scale}", said


def _range(draw: Random) -> Pair:
    a = draw.randint(3, 60)
    b, dash = a + draw.randint(2, 40), draw.choice("-–")
    return f"{a}{dash}{b} people", f"{cardinal(a)} to {cardinal(b)} people"


def _pages(draw: Random) -> Pair:
    a = draw.randint(3, 300)
    b = a + draw.randint(2, 40)
    word = draw.choice(("pages", "pp."))
    return f"{word} {a}–{b}", f"pages {cardinal(a)} to {cardinal(b)}"


def _years(draw: Random) -> Pair:
    a = draw.randint(1801, 1990)
    b = a + draw.randint(2, 9)
    return f"the years {a}–{b}", f"the years {year(a)} to {year(b)}"


def _percent(draw: Random) -> Pair:
    value = draw.choice((f"{draw.randint(2, 99)}", f"{draw.randint(0, 40)}.{draw.randint(1, 9)}"))
    return f"{value}{draw.choice(('%', ' %'))}", f"{decimal(value)} percent"


def _percent_range(draw: Random) -> Pair:
    a = draw.randint(2, 40)
    b = a + draw.randint(1, 40)
    form = draw.choice((f"{a}-{b}%", f"{a}%–{b}%"))
    return form, f"{cardinal(a)} (|percent )to {cardinal(b)} percent"


def _ordinal(draw: Random) -> Pair:
    value = draw.choice((draw.randint(1, 40), draw.randint(100, 250)))
    end = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"the {value}{end} visitor", f"the {ordinal(value)} visitor"


def _version(draw: Random) -> Pair:
    parts = [draw.randint(1, 20), draw.randint(0, 30), draw.randint(0, 12)][: draw.choice((2, 3))]
    name = draw.choice(("version ", "Python ", "release ", "v"))
    said = " point ".join(cardinal(part) for part in parts).replace("zero", "(zero|oh)")
    dots = " dot ".join(cardinal(part) for part in parts).replace("zero", "(zero|oh)")
    lead = "(version|V)" if name == "v" else name.strip()
    return name + ".".join(map(str, parts)), f"{lead} ({said}|{dots})"


def _ip(draw: Random) -> Pair:
    parts = [
        draw.choice((10, 172, 192, 127)),
        draw.randint(0, 255),
        draw.randint(0, 9),
        draw.randint(1, 254),
    ]
    said = [f"({digits(str(p))}|{cardinal(p)})" for p in parts]
    return ".".join(map(str, parts)), f"({' dot '.join(said)}|{' point '.join(said)})"


def _big(draw: Random) -> Pair:
    value = draw.randint(10_000, 99_999_999)
    form = draw.choice(
        (f"{value:,}", f"{value:,}".replace(",", " "), f"{value:,}".replace(",", "\u202f"))
    )
    return f"{form} votes", f"{cardinal(value)} votes"


def _decimal(draw: Random) -> Pair:
    value = f"{draw.randint(0, 9)}.{draw.randint(1, 99999)}"
    return value, decimal(value)


def _sum(draw: Random) -> Pair:
    a, b = draw.randint(2, 40), draw.randint(2, 40)
    sign, word, value = draw.choice(
        (("+", "plus", a + b), ("×", "times", a * b), ("-", "minus", a - b), ("*", "times", a * b))
    )
    if value < 0:
        sign, word, value = "+", "plus", a + b
    gap = draw.choice(("", " ")) if sign != "-" else " "
    return (
        f"{a}{gap}{sign}{gap}{b}{gap}={gap}{value}",
        f"{cardinal(a)} {word} {cardinal(b)} (equals|is) {cardinal(value)}",
    )


def _compare(draw: Random) -> Pair:
    name, value = draw.choice("xyzn"), draw.randint(2, 99)
    sign, word = draw.choice(
        (
            ("<", "(is |)less than"),
            (">", "(is |)greater than"),
            ("≤", "(is |)less than or equal to"),
            ("≥", "(is |)greater than or equal to"),
            ("≠", "(is not equal to|not equal to|does not equal)"),
            ("=", "(equals|is)"),
        )
    )
    return f"{name} {sign} {value}", f"{name.upper()} {word} {cardinal(value)}"


def _power(draw: Random) -> Pair:
    base, power, sign = draw.randint(2, 12), draw.randint(4, 12), draw.choice("^⁻")
    if sign == "^":
        return (
            f"{base}^{power}",
            f"{cardinal(base)} to the (power of {cardinal(power)}|{ordinal(power)}|{ordinal(power)} power)",
        )
    up = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(c)] for c in str(power))
    said = f"(power of (minus|negative) {cardinal(power)}|(minus|negative) {ordinal(power)}|(minus|negative) {cardinal(power)})"
    return f"10⁻{up}", f"ten to the {said}"


def _address(draw: Random) -> Pair:
    number, name = draw.randint(11, 99), draw.choice(("Baker", "Elm", "Oak", "Mill"))
    sign, word = draw.choice(
        (
            ("St.", "Street"),
            ("Ave.", "Avenue"),
            ("Rd.", "Road"),
            ("Blvd.", "Boulevard"),
            ("Ln.", "Lane"),
            ("Dr.", "Drive"),
        )
    )
    return (
        f"{number} {name} {sign}",
        f"{cardinal(number)} {name} {word}",
    )


def _apartment(draw: Random) -> Pair:
    number, letter = draw.randint(2, 30), draw.choice("BCDF")
    sign, word = draw.choice(
        (
            ("Apt.", "Apartment"),
            ("Apt", "Apartment"),
            ("Unit", "Unit"),
            ("Room", "Room"),
            ("Ste.", "Suite"),
        )
    )
    return f"{sign} {number}{letter}", f"{word} {cardinal(number)} {letter}"


def _zip(draw: Random) -> Pair:
    code = f"{draw.randint(501, 99950):05}"
    state, name = draw.choice(
        (("CA", "California"), ("NY", "New York"), ("TX", "Texas"), ("MA", "Massachusetts"))
    )
    return f"{state} {code}", f"({name}|{digits(state)}) {digits(code)}"


def _roman(draw: Random) -> Pair:
    value, sign = draw.choice(
        ((2, "II"), (3, "III"), (4, "IV"), (6, "VI"), (8, "VIII"), (14, "XIV"), (16, "XVI"))
    )
    name, way = draw.choice(
        (
            ("Henry", 1),
            ("King Louis", 1),
            ("Pope Pius", 1),
            ("Chapter", 0),
            ("Part", 0),
            ("World War", 0),
            ("Act", 0),
        )
    )
    return f"{name} {sign}", f"{name} {('the ' + ordinal(value)) if way else cardinal(value)}"


def _ratio(draw: Random) -> Pair:
    a, b = draw.choice(((16, 9), (4, 3), (21, 9), (3, 2)))
    return f"a {a}:{b} ratio", f"(a|an) {cardinal(a)} (to|by|) {cardinal(b)} ratio"


def _score(draw: Random) -> Pair:
    a, b = draw.randint(2, 9), draw.randint(0, 1)
    zero = "(zero|nil|nothing|oh)"
    return f"won {a}-{b}", f"won {cardinal(a)} (|to ){zero if b == 0 else 'one'}"


def _decade(draw: Random) -> Pair:
    tens, word = draw.choice(
        (
            (20, "twenties"),
            (30, "thirties"),
            (50, "fifties"),
            (60, "sixties"),
            (80, "eighties"),
            (90, "nineties"),
        )
    )
    form = draw.choice((f"the 19{tens}s", f"the '{tens}s", f"the {tens}s"))
    return form, f"the {'nineteen ' if '19' in form else ''}{word}"


def _quarter(draw: Random) -> Pair:
    q, y = draw.randint(1, 4), draw.randint(2011, 2029)
    return f"Q{q} {y}", f"(Q {cardinal(q)}|the {ordinal(q)} quarter of) {year(y)}"


GRAMMARS: Sequence[tuple[str, str, Draw, int]] = (
    ("money", "The bill came to {} in the end.", _dollars, 10),
    ("money", "Each of them sells for {} here.", _small_money, 5),
    ("money", "The invoice was {} with tax.", _european, 8),
    ("money", "Tickets start at {} for adults.", _pounds, 4),
    ("money", "They raised {} last year.", _millions, 6),
    ("money", "The deal was worth {} on paper.", _short_millions, 8),
    ("money", "We received {} from the client.", _coded_money, 10),
    ("date", "The contract was signed on {} by both.", _date_iso, 8),
    ("date", "She was hired on {} as a nurse.", _date_us, 6),
    ("date", "It was delivered on {} at last.", _date_dots, 5),
    ("date", "The bridge opened on {} to traffic.", _date_words, 10),
    ("date", "We will meet on {} at the office.", _weekday, 6),
    ("date", "The music of {} is back.", _decade, 5),
    ("date", "Sales rose in {} by a lot.", _quarter, 4),
    ("date", "In {} it ended.", lambda draw: (str(y := draw.randint(1501, 2029)), year(y)), 6),
    ("time", "The bus arrives at {} every day.", _time24, 6),
    ("time", "Our call is at {} tomorrow.", _time_half, 10),
    ("time", "She ran it in {} flat.", _seconds, 4),
    ("code", "Please enter {} now.", codes.pin, 10),
    ("phone", "My number is {} if you need me.", codes.phone, 10),
    ("phone", "Call us on {} from abroad.", codes.phone_world, 6),
    ("card", "I paid with {} yesterday.", codes.card, 6),
    ("card", "We charged {} twice.", codes.last_four, 5),
    ("card", "Send it to {} please.", codes.iban, 4),
    ("code", "We are out of {} again.", codes.code, 6),
    ("code", "She missed {} this morning.", codes.flight, 6),
    ("code", "Look for {} online.", codes.isbn, 3),
    ("fraction", "They sold {} in a week.", _fraction, 8),
    ("fraction", "It took {} to finish.", _mixed_fraction, 8),
    ("unit", "The device needs {} to work.", _unit, 24),
    ("unit", "We measured {} in the lab.", _unit_decimal, 16),
    ("unit", "My brother is {} tall.", _height, 6),
    ("unit", "The photo is {} in size.", _size, 5),
    ("temperature", "At night it was {} outside.", _temperature, 10),
    ("range", "The boat holds {} at most.", _range, 6),
    ("range", "Please read {} for Monday.", _pages, 6),
    ("range", "He lived abroad in {} with her.", _years, 5),
    ("percent", "Prices went up by {} in May.", _percent, 8),
    ("percent", "Between {} of them agreed.", _percent_range, 4),
    ("ordinal", "He greeted {} in person.", _ordinal, 8),
    ("version", "You should install {} first.", _version, 8),
    ("version", "The router is at {} in this network.", _ip, 5),
    ("number", "The law passed with {} in favor.", _big, 8),
    ("number", "The value was {} on average.", _decimal, 8),
    ("operator", "We know that {} is true.", _sum, 8),
    ("operator", "The rule holds if {} there.", _compare, 8),
    ("operator", "The answer is {} in this case.", _power, 6),
    ("address", "They moved to {} last fall.", _address, 8),
    ("address", "She lives in {} upstairs.", _apartment, 6),
    ("address", "Mail it to Springfield, {} today.", _zip, 5),
    ("numeral", "We talked about {} in class.", _roman, 8),
    ("number", "The screen has {} as usual.", _ratio, 3),
    ("number", "Our team {} on Sunday.", _score, 4),
    ("short", "Yesterday we saw {} there.", _one_of(*FIXED["short"]), 20),
    ("capitals", "They talked about {} for hours.", _one_of(*FIXED["capitals"]), 16),
    ("name", "We wrote about {} last week.", _one_of(*FIXED["names"]), 24),
    ("word", "She told me: {}", _one_of(*FIXED["words"]), 12),
    ("web", "You can write to {} about it.", _one_of(*FIXED["web"]), 8),
)


def sentences(seed: int) -> Iterator[tuple[str, str, list[str]]]:
    """Kind, sentence as written, and the ways to read it; each sentence once."""
    return made(GRAMMARS, seed)
