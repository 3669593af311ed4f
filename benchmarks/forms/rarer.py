"""More grammars of written forms, of kinds and in places that ``common`` lacks.

Made once the rules had been mended with that one in view; when first read, 15 of 320 sentences (4.7 %) were wrong.
"""

# ruff: noqa: E501, RUF001 - tables of pairs; typographic signs are the data of this module

from collections.abc import Iterator, Sequence
from random import Random

from benchmarks.forms.readings import (
    MONTHS,
    Draw,
    Pair,
    cardinal,
    decimal,
    digits,
    made,
    ordinal,
    year,
)


def _table(*lines: str) -> Draw:
    pairs = [(line.split("=>")[0].strip(), line.split("=>")[1].strip()) for line in lines]
    return lambda draw: draw.choice(pairs)


def _per(draw: Random) -> Pair:
    value = draw.randint(2, 90)
    sign, many = draw.choice((("$", "dollars"), ("£", "pounds"), ("€", "euros")))
    unit, said = draw.choice(
        (
            ("hour", "hour"),
            ("month", "month"),
            ("kg", "kilogram"),
            ("day", "day"),
            ("yr", "year"),
            ("lb", "pound"),
        )
    )
    return f"{sign}{value}/{unit}", f"{cardinal(value)} {many} (per|a|an) {said}"


def _money_range(draw: Random) -> Pair:
    a = draw.randint(5, 60)
    b = a + draw.randint(5, 60)
    form = draw.choice((f"${a}-${b}", f"${a}–${b}", f"${a}-{b}"))
    return form, f"{cardinal(a)} (|dollars )to {cardinal(b)} dollars"


def _debt(draw: Random) -> Pair:
    a = draw.randint(5, 900)
    return f"-${a}", f"(minus|negative) {cardinal(a)} dollars"


def _cents(draw: Random) -> Pair:
    a = draw.randint(2, 99)
    sign, said = draw.choice((("¢", "cents"), ("p", "(pence|P)")))
    return f"{a}{sign}", f"{cardinal(a)} {said}"


def _comma_euro(draw: Random) -> Pair:
    a, b = draw.randint(2, 99), draw.randint(10, 99)
    return draw.choice(
        (f"{a},{b} €", f"€{a},{b}")
    ), f"{cardinal(a)} euros (|and ){cardinal(b)}(| cents)"


def _thousands(draw: Random) -> Pair:
    a = draw.randint(20, 900)
    mark, word = draw.choice((("K", "thousand"), ("k", "thousand"), ("M", "million")))
    return f"${a}{mark}", f"{cardinal(a)} {word} dollars"


def _month_day(draw: Random) -> Pair:
    m, d = draw.randint(1, 12), draw.randint(1, 28)
    end = "th" if d in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(d % 10, "th")
    month = MONTHS[m - 1]
    form = draw.choice(
        (f"{month} {d}{end}", f"the {d}{end} of {month}", f"{month} {d}", f"{month[:3]} {d}")
    )
    return form, f"({month} (|the ){ordinal(d)}|the {ordinal(d)} of {month})"


def _stamp(draw: Random) -> Pair:
    y, m, d, h, n = (
        draw.randint(2011, 2029),
        draw.randint(1, 12),
        draw.randint(1, 28),
        draw.randint(13, 23),
        draw.randint(10, 59),
    )
    month = MONTHS[m - 1]
    said = f"{month} {ordinal(d)} {year(y)} (|at ){cardinal(h)} {cardinal(n)}"
    return f"{y}-{m:02}-{d:02} {h}:{n}", said


def _slash_year(draw: Random) -> Pair:
    y, m, d = draw.randint(2011, 2029), draw.randint(1, 12), draw.randint(13, 28)
    return (
        f"{y}/{m:02}/{d:02}",
        f"({MONTHS[m - 1]} {ordinal(d)}|the {ordinal(d)} of {MONTHS[m - 1]}) {year(y)}",
    )


def _month_year(draw: Random) -> Pair:
    y, m = draw.randint(1905, 2029), draw.randint(1, 12)
    return draw.choice(
        (f"{MONTHS[m - 1]} {y}", f"{MONTHS[m - 1][:3]} {y}")
    ), f"{MONTHS[m - 1]} {year(y)}"


def _era(draw: Random) -> Pair:
    value = draw.randint(20, 99)
    form, said = draw.choice((("BC", "B C"), ("AD", "A D"), ("BCE", "B C E"), ("CE", "C E")))
    return f"{value} {form}", f"{cardinal(value)} {said}"


def _hours(draw: Random) -> Pair:
    a, b = draw.randint(1, 6), draw.randint(7, 12)
    half = draw.choice("ap")
    both = draw.choice((f"{a}–{b} {half}m", f"{a}-{b}{half}m", f"{a} to {b} {half}.m."))
    return both, f"{cardinal(a)} to {cardinal(b)} {half.upper()} M"


def _span(draw: Random) -> Pair:
    h, m = draw.randint(2, 12), draw.randint(2, 59)
    return draw.choice(
        (f"{h}h {m}m", f"{h} hrs {m} min", f"{h}h{m:02}")
    ), f"{cardinal(h)} hours (|and ){cardinal(m)} minutes"


def _long_code(draw: Random) -> Pair:
    code = "".join(draw.choices("BCDFGHJKLMNPQRSTVWXZ", k=1) + draw.choices("0123456789", k=5))
    word = draw.choice(("ticket", "booking", "case", "order"))
    return f"{word} {code}", f"{word} {digits(code)}"


def _hash_number(draw: Random) -> Pair:
    value = draw.randint(2, 99)
    return draw.choice((f"#{value}", f"No. {value}", f"no. {value}")), f"number {cardinal(value)}"


def _mixed_key(draw: Random) -> Pair:
    letters = "BCDFGHJKMPQRTVWXYZ"
    key = "-".join(
        f"{draw.choice(letters)}{draw.randint(2, 9)}{draw.choice(letters)}{draw.randint(2, 9)}"
        for _ in range(2)
    )
    return f"code {key}", f"code {digits(key)}"


def _extension(draw: Random) -> Pair:
    a, b, c = draw.randint(201, 989), f"{draw.randint(0, 9999):04}", draw.randint(100, 999)
    mark = draw.choice(("ext.", "x", "extension"))
    gap = "" if mark == "x" else " "
    return (
        f"{a}-{b} {mark}{gap}{c}",
        f"{digits(f'{a}{b}')} (extension|X) ({digits(str(c))}|{cardinal(c)})",
    )


def _masked(draw: Random) -> Pair:
    code = f"{draw.randint(0, 9999):04}"
    form = draw.choice((f"****{code}", f"**** **** **** {code}", f"xxxx-{code}", f"•••• {code}"))
    return f"card {form}", f"card (|ending in |X X X X ){digits(code)}"


def _room(draw: Random) -> Pair:
    value = draw.randint(201, 989)
    a, rest = divmod(value, 100)
    pair = f"{cardinal(a)} {'oh ' if 0 < rest < 10 else ''}{cardinal(rest) if rest else 'hundred'}"
    word = draw.choice(("room", "Room", "bus", "suite"))
    return f"{word} {value}", f"{word} ({pair}|{cardinal(value)}|{digits(str(value))})"


def _inch_fraction(draw: Random) -> Pair:
    top, bottom = draw.choice(((1, 2), (3, 4), (5, 8), (7, 16), (3, 8)))
    part = {2: "half", 4: "(quarters|fourths)"}.get(bottom, ordinal(bottom) + "s")
    return draw.choice(
        (f'{top}/{bottom}"', f"{top}/{bottom}-inch", f"{top}/{bottom} inch")
    ), f"{cardinal(top)} {part} (inch|of an inch)"


def _per_unit(draw: Random) -> Pair:
    value = draw.randint(12, 300)
    unit, said = draw.choice(
        (
            ("mg/dL", "milligrams per deciliter"),
            ("g/cm³", "grams per cubic centimeter"),
            ("kg/m²", "kilograms per square meter"),
            ("ml/min", "milliliters per minute"),
            ("MB/s", "megabytes per second"),
            ("L/100 km", "liters per (one |)hundred kilometers"),
            ("beats/min", "beats per minute"),
            ("W/m²", "watts per square meter"),
        )
    )
    return f"{value} {unit}", f"{cardinal(value)} {said}"


def _hyphen_unit(draw: Random) -> Pair:
    value = draw.randint(2, 90)
    unit = draw.choice(
        ("mile", "page", "day", "year", "minute", "inch", "foot", "dollar", "man", "bit")
    )
    return f"a {value}-{unit} one", f"a {cardinal(value)} {unit} one"


def _blood(draw: Random) -> Pair:
    a, b = draw.randint(105, 150), draw.randint(62, 95)
    return f"{a}/{b} mmHg", f"{cardinal(a)} over {cardinal(b)} (millimeters of mercury|M M H G)"


def _minus_range(draw: Random) -> Pair:
    a, b = draw.randint(2, 20), draw.randint(2, 20)
    scale, said = draw.choice((("C", "Celsius"), ("F", "Fahrenheit")))
    return f"-{a} to {b}°{scale}", f"(minus|negative) {cardinal(a)} to {cardinal(b)} degrees {said}"


def _unit_range(draw: Random) -> Pair:
    a = draw.randint(2, 20)
    b = a + draw.randint(2, 30)
    unit, said = draw.choice(
        (
            ("kg", "kilograms"),
            ("km", "kilometers"),
            ("ml", "milliliters"),
            ("min", "minutes"),
            ("mg", "milligrams"),
            ("°C", "degrees Celsius"),
            ("mm", "millimeters"),
        )
    )
    return draw.choice(
        (f"{a}–{b} {unit}", f"{a}-{b} {unit}", f"{a}–{b}{unit}")
    ), f"{cardinal(a)} to {cardinal(b)} {said}"


def _about(draw: Random) -> Pair:
    value = draw.randint(2, 900)
    form, said = draw.choice(
        (
            ("~{} people", "(about|approximately|around) {} people"),
            (">{} people", "(more than|greater than|over) {} people"),
            ("<{} people", "(less than|fewer than|under) {} people"),
            ("{}+ people", "{} (plus|or more) people"),
            ("±{} people", "plus or minus {} people"),
            ("≈{} people", "(about|approximately) {} people"),
            ("≤{} people", "(at most|less than or equal to|up to) {} people"),
        )
    )
    return form.format(value), said.format(cardinal(value))


def _percent_sign(draw: Random) -> Pair:
    value = f"{draw.randint(0, 9)}.{draw.randint(1, 99):02}"
    sign, said = draw.choice(
        (("+", "(plus |)"), ("-", "(minus|negative) "), ("±", "plus or minus "))
    )
    return f"{sign}{value}%", f"{said}{decimal(value)} percent"


def _scale_map(draw: Random) -> Pair:
    value = draw.choice((50_000, 25_000, 10_000, 200, 24))
    return f"1:{value:,}", f"one to {cardinal(value)}"


def _equation(draw: Random) -> Pair:
    a, b, c = draw.randint(2, 9), draw.randint(2, 20), draw.randint(21, 90)
    sign, said = draw.choice((("+", "plus"), ("-", "minus"), ("−", "minus")))
    return f"{a}x {sign} {b} = {c}", f"{cardinal(a)} X {said} {cardinal(b)} equals {cardinal(c)}"


def _square(draw: Random) -> Pair:
    a, b, c = draw.choice(((3, 4, 5), (6, 8, 10), (5, 12, 13)))
    return (
        f"{a}² + {b}² = {c}²",
        f"{cardinal(a)} squared plus {cardinal(b)} squared equals {cardinal(c)} squared",
    )


def _set_score(draw: Random) -> Pair:
    a, b, c = draw.randint(2, 4), draw.randint(2, 4), draw.randint(2, 5)
    return (
        f"6-{a}, 6-{b}, 7-{c}",
        f"six (to |){cardinal(a)} six (to |){cardinal(b)} seven (to |){cardinal(c)}",
    )


def _regnal_years(draw: Random) -> Pair:
    a = draw.randint(1501, 1840)
    b = a + draw.randint(5, 50)
    return f"({a}–{b})", f"{year(a)} to {year(b)}"


def _plain_year(draw: Random) -> Pair:
    value = draw.randint(1501, 2029)
    return f"the {value} season", f"the {year(value)} season"


def _counted(draw: Random) -> Pair:
    value = draw.randint(2101, 9999)
    return f"{value} soldiers", f"{cardinal(value)} soldiers"


def _digits_after_point(draw: Random) -> Pair:
    value = f".{draw.randint(1, 999):03}"
    return value, f"(zero |)point {digits(value[1:])}"


def _science(draw: Random) -> Pair:
    a, b, e = draw.randint(1, 9), draw.randint(1, 99), draw.randint(4, 23)
    minus = draw.random() < 0.5
    sup = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(c)] for c in str(e))
    n = decimal(f"{a}.{b}")
    p = ("(minus|negative) " if minus else "") + cardinal(e)
    o = ("(minus|negative) " if minus else "") + ordinal(e)
    form = draw.choice(
        (
            f"{a}.{b} × 10{'⁻' if minus else ''}{sup}",
            f"{a}.{b}e{'-' if minus else ''}{e}",
            f"{a}.{b}*10^{'-' if minus else ''}{e}",
        )
    )
    return form, f"{n} (times ten to the (power of {p}|{o}|{p})|E {p})"


_ROADS = _table(
    "5th Ave. => Fifth Avenue", "42nd St. => Forty-second Street", "N. Main St. => North Main Street", "PO Box 77 => P O Box seventy-seven",
    "Hwy 61 => Highway sixty-one", "I-95 => I ninety-five", "Rte. 9 => Route nine", "Bldg. 7 => Building seven", "W. 4th St. => West Fourth Street",
    "Flat 3B => Flat three B", "St. Louis => Saint Louis", "Mt. Fuji => Mount Fuji", "Pennsylvania Ave. NW => Pennsylvania Avenue (N W|Northwest)",
)  # fmt: skip
_TITLES = _table(
    "J.K. Rowling => J K Rowling", "Martin Luther King Jr. => Martin Luther King Junior", "Dr. Who => Doctor Who", "Mr. and Mrs. Smith => Mister and Missus Smith",
    "Ms. Park => (Miz|Miss|Ms) Park", "Col. Sanders => Colonel Sanders", "Maj. Tom => Major Tom", "Rep. Lewis => Representative Lewis", "St. Mary's => Saint Mary's",
    "C.S. Lewis => C S Lewis", "Prof. X. => Professor X", "Sr. Pilar => (Senor|Sister|Senior) Pilar",
)  # fmt: skip
_SCIENCE = _table(
    "an A1C of 6.5% => an A one C of six point five percent", "UTF-8 text => U T F eight text", "ISO 9001 => (ISO|I S O) (nine thousand one|nine zero zero one|nine oh oh one|ninety oh one)", "a 64-bit chip => a sixty-four bit chip",
    "TCP/IP => T C P (slash |)I P", "an A/B test => an A (slash |)B test", "USB 3.0 => U S B three point (zero|oh)", "Windows 11 => Windows eleven",
    "the RTX 4090 => the R T X (forty ninety|four zero nine zero|four thousand ninety)", "GPT-4 => G P T four", "omega-3 => omega three", "H1N1 => H one N one",
    "Type 2 diabetes => Type two diabetes", "a 4x4 truck => a four by four truck", "a V8 engine => a V eight engine", "Area 51 => Area fifty-one",
    "R2-D2 => R two D two", "the WD-40 can => the W D forty can", "C-4 => C four", "an SUV => an S U V", "a USB-C port => a U S B C port", "PS5 => P S five",
    "U2 => U two", "Wi-Fi 6 => (Wi-Fi|Wifi) six", "Formula 1 => Formula one", "Section 8 => Section eight", "chapter 12 => chapter twelve", "game 7 => game seven",
)  # fmt: skip
_LAW = _table(
    "§ 12 => section twelve", "Art. 5 => Article five", "Title IX => Title nine", "page 12 of 40 => page twelve of forty", "Sec. 3 => Section three",
    "John 3:16 => John three sixteen", "Form 1040 => Form (ten forty|one zero four zero|one thousand forty)", "Henry V => Henry the fifth", "Elizabeth II => Elizabeth the second",
    "Part III => Part three", "Rocky IV => Rocky four", "World War I => World War one", "the XIX century => the nineteenth century", "op. 27 => (opus|op) twenty-seven",
    "3/4 time => three (four|quarter|quarters|fourths) time",
)  # fmt: skip
_LATIN = _table(
    "apples, pears, etc. => apples pears (etcetera|et cetera|etc)", "boys vs. girls => boys versus girls", "Smith et al. => Smith et (al|alii)", "a.k.a. Bob => (also known as|A K A) Bob",
    "tea w/ milk => tea with milk", "tea w/o milk => tea without milk", "ASAP => (ASAP|A S A P|as soon as possible)", "FAQ => F A Q", "his/her book => his (slash |or |)her book", "and/or => and (slash |)or",
    "the 1990s' music => the nineteen nineties music", "rock 'n' roll => rock n roll", "R.I.P. => R I P", "the U.K. => the U K", "5 mos. => five months", "3 yrs. => three years",
    "2 wks => two weeks", "10 secs => ten seconds", "8 fl. oz. => eight fluid ounces", "4 sq. mi. => four square miles", "6 pcs => six pieces", "2 doz. eggs => two dozen eggs",
)  # fmt: skip
_SHOUT = _table(
    "STOP => stop", "DO NOT ENTER => do not enter", "FREE WI-FI => free (Wi-Fi|Wifi)", "NO SMOKING => no smoking", "OPEN 24 HOURS => open twenty-four hours", "SALE: 50% OFF => sale fifty percent off",
)  # fmt: skip
_NETS = _table(
    "bob_22@mail.co.uk => bob underscore twenty-two at mail dot co dot U K", "https://a.io/faq => (H T T P S colon slash slash |)a dot I O slash (F A Q|FAQ)", "file.tar.gz => file dot tar dot (G Z|gz)", "8.8.8.8 => eight dot eight dot eight dot eight",
    "port 443 => port (four four three|four hundred forty-three|four forty-three)", "#ThrowbackThursday => (hashtag|hash) Throwback Thursday", "@john_doe => at john underscore doe", "v1.2.3 => (version|V) one (point|dot) two (point|dot) three",
    "app-v2.zip => app (dash |)(V|version) two dot zip", "sub.example.net => sub dot example dot net",
)  # fmt: skip

GRAMMARS: Sequence[tuple[str, str, Draw, int]] = (
    ("money", "They pay {}.", _per, 8), ("money", "Budget: {}, he said.", _money_range, 8), ("money", "The balance is {}.", _debt, 4),
    ("money", "It's only {}!", _cents, 6), ("money", "Coffee, {}, please.", _comma_euro, 6), ("money", "(It cost {}.)", _thousands, 6),
    ("date", "{} is too late.", _month_day, 10), ("date", "Last seen: {}", _stamp, 5), ("date", "Due {}.", _slash_year, 5), ("date", "Since {}, nothing.", _month_year, 8),
    ("date", "Built in {}.", _era, 6), ("date", "The king {} was kind.", _regnal_years, 5), ("date", "I remember {}.", _plain_year, 6),
    ("time", "Open {} daily.", _hours, 8), ("time", "Total time: {}.", _span, 6),
    ("code", "Where is {}?", _long_code, 6), ("code", "We are {} now.", _hash_number, 6), ("code", "Use {}!", _mixed_key, 5), ("phone", "Dial {}.", _extension, 6),
    ("card", "It went to {}.", _masked, 6), ("code", "Meet me in {}.", _room, 6),
    ("fraction", "A {} bolt.", _inch_fraction, 6), ("unit", "Result: {}.", _per_unit, 8), ("unit", "We need {}.", _hyphen_unit, 8), ("unit", "His blood pressure, {}, is fine.", _blood, 4),
    ("temperature", "Expect {}.", _minus_range, 6), ("range", "Take {} of it.", _unit_range, 10), ("number", "We met {}.", _about, 12), ("percent", "The change: {}.", _percent_sign, 6),
    ("operator", "The scale is {}.", _scale_map, 3), ("operator", "Solve {}.", _equation, 5), ("operator", "So {}.", _square, 3), ("number", "She won {}.", _set_score, 4),
    ("number", "There were {}.", _counted, 6), ("number", "His average is {}.", _digits_after_point, 5), ("number", "The mass is {} in all.", _science, 8),
    ("address", "He lives on {}", _ROADS, 12), ("short", "I read about {} today.", _TITLES, 10), ("name", "It is about {}.", _SCIENCE, 24), ("short", "See {}.", _LAW, 13),
    ("short", "He wrote: {}", _LATIN, 20), ("capitals", "The sign said {}", _SHOUT, 6), ("web", "It's {}.", _NETS, 9),
)  # fmt: skip


def sentences(seed: int) -> Iterator[tuple[str, str, list[str]]]:
    """As in ``common``."""
    return made(GRAMMARS, seed)
