"""Words of English that signs and abbreviations stand for: data of ``spoken_forms.py`` and ``spoken.py``."""

# ruff: noqa: E501, RUF001 - signs are the data of this module

from collections.abc import Mapping, Sequence

Reading = tuple[str, ...]

CURRENCIES: Mapping[str, tuple[str, str, str, str]] = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "jeon", "jeon"),
    "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "₺": ("lira", "lira", "kurus", "kurus"),
    "₿": ("bitcoin", "bitcoins", "cent", "cents"),
    "¢": ("cent", "cents", "cent", "cents"),
}
SCALES = frozenset(("hundred", "thousand", "million", "billion", "trillion", "lakh", "crore"))
MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
MONTHS = frozenset((*MONTH_NAMES, *(name[:3] for name in MONTH_NAMES), "sept"))
FRACTIONS: Mapping[int, Sequence[tuple[str, str]]] = {
    2: (("half", "halves"),),
    3: (("third", "thirds"),),
    4: (("quarter", "quarters"), ("fourth", "fourths")),
    5: (("fifth", "fifths"),),
    8: (("eighth", "eighths"),),
    10: (("tenth", "tenths"),),
}
VULGAR: Mapping[str, tuple[int, int]] = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5), "⅘": (4, 5),
    "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅐": (1, 7), "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip


def _units(*rows: str) -> dict[str, list[tuple[Reading, Reading]]]:
    """Rows of "signs: one|many, ..."; one name of each kind is the same for one and many where no bar is in it."""
    table: dict[str, list[tuple[Reading, Reading]]] = {}
    for row in rows:
        signs, _, names = row.partition(": ")
        pairs = [name.strip().partition("|") for name in names.split(",")]
        said = [(tuple(one.split()), tuple((many or one).split())) for one, _, many in pairs]
        for sign in signs.split():
            table[sign] = said
    return table


UNITS: Mapping[str, Sequence[tuple[Reading, Reading]]] = _units(
    "km: kilometer|kilometers, k m, k|ks",
    "m: meter|meters, m, million, minute|minutes",
    "cm: centimeter|centimeters, c m",
    "mm: millimeter|millimeters, m m",
    "µm μm um: micrometer|micrometers, micron|microns",
    "nm: nanometer|nanometers, n m",
    "mi: mile|miles, m i",
    "yd yds: yard|yards, y d",
    "ft: foot|feet, f t",
    "in: inch|inches, in",
    "kg kgs: kilogram|kilograms, kilo|kilos, k g",
    "g: gram|grams, g",
    "mg: milligram|milligrams, m g",
    "µg μg mcg: microgram|micrograms",
    "t: ton|tons, tonne|tonnes, t",
    "lb lbs: pound|pounds, l b",
    "oz: ounce|ounces, o z",
    "l L: liter|liters, l",
    "ml mL: milliliter|milliliters, m l, mil|mils",
    "cl cL: centiliter|centiliters",
    "gal: gallon|gallons, gal",
    "°C ℃ ºC: degree celsius|degrees celsius, degree centigrade|degrees centigrade, degree c|degrees c, degree|degrees, celsius",
    "°F ℉ ºF: degree fahrenheit|degrees fahrenheit, degree f|degrees f, degree|degrees, fahrenheit",
    "° º: degree|degrees",
    "C: celsius, c, degree celsius|degrees celsius",
    "F: fahrenheit, f, degree fahrenheit|degrees fahrenheit",
    "K: kelvin|kelvins, k, thousand",
    "k: thousand, k",
    "M: million, m, mega",
    "B: billion, b, byte|bytes",
    "bn: billion",
    "s sec secs: second|seconds, s",
    "ms: millisecond|milliseconds, m s",
    "min mins: minute|minutes, min|mins",
    "h hr hrs: hour|hours, h",
    "GB: gigabyte|gigabytes, g b, gig|gigs",
    "MB: megabyte|megabytes, m b, meg|megs",
    "KB kB: kilobyte|kilobytes, k b",
    "TB: terabyte|terabytes, t b",
    "Gb Gbit: gigabit|gigabits",
    "Mb Mbit: megabit|megabits",
    "Mbps: megabit per second|megabits per second, m b p s",
    "Gbps: gigabit per second|gigabits per second, g b p s",
    "Hz: hertz, h z",
    "kHz: kilohertz",
    "MHz: megahertz",
    "GHz: gigahertz",
    "W: watt|watts, w",
    "kW: kilowatt|kilowatts, k w",
    "MW: megawatt|megawatts, m w",
    "kWh: kilowatt hour|kilowatt hours, k w h",
    "V: volt|volts, v",
    "mV: millivolt|millivolts",
    "A: amp|amps, ampere|amperes, a",
    "mA: milliamp|milliamps",
    "mAh: milliamp hour|milliamp hours",
    "Ω: ohm|ohms",
    "Pa: pascal|pascals",
    "kPa: kilopascal|kilopascals",
    "N: newton|newtons, n",
    "J: joule|joules, j",
    "kJ: kilojoule|kilojoules",
    "cal: calorie|calories",
    "kcal: kilocalorie|kilocalories",
    "dB: decibel|decibels, d b",
    "px: pixel|pixels, p x",
    "ha: hectare|hectares",
    "mph: mile per hour|miles per hour, m p h, mile an hour|miles an hour",
    "kph kmh: kilometer per hour|kilometers per hour, k p h, kilometer an hour|kilometers an hour",
    "rpm: r p m, revolution per minute|revolutions per minute",
    "fps: f p s, frame per second|frames per second",
    "psi: p s i",
    "ppm: p p m, part per million|parts per million",
    "bpm: b p m, beat per minute|beats per minute",
    "% ％: percent",
    "‰: per mille, per mil",
    "x ×: x, times, by",
    "sq: square",
)  # fmt: skip
ABBREVIATIONS: Mapping[str, Sequence[str]] = {
    "mr": ("mister",), "mrs": ("misses", "missus"), "ms": ("miz", "miss"), "dr": ("doctor", "drive"), "st": ("saint", "street"),
    "prof": ("professor", "prof"), "vs": ("versus", "v s"), "v": ("versus", "v"), "etc": ("et cetera",), "jr": ("junior",),
    "sr": ("senior",), "no": ("no", "number"), "nos": ("numbers",), "ave": ("avenue", "ave"), "blvd": ("boulevard",),
    "rd": ("road",), "ln": ("lane",), "hwy": ("highway",), "apt": ("apartment", "apt"), "dept": ("department",),
    "est": ("established", "estimated", "e s t"), "inc": ("incorporated", "ink"), "ltd": ("limited", "l t d"),
    "co": ("company", "co"), "corp": ("corporation", "corp"), "gov": ("governor", "gov"), "sen": ("senator",),
    "rep": ("representative", "rep"), "gen": ("general", "gen"), "col": ("colonel",), "lt": ("lieutenant",),
    "capt": ("captain",), "sgt": ("sergeant",), "cpl": ("corporal",), "rev": ("reverend", "rev"), "hon": ("honorable", "hon"),
    "pres": ("president",), "jan": ("january", "jan"), "feb": ("february", "feb"), "mar": ("march", "mar"),
    "apr": ("april",), "jun": ("june",), "jul": ("july",), "aug": ("august",), "sep": ("september",),
    "sept": ("september",), "oct": ("october",), "nov": ("november",), "dec": ("december",), "mon": ("monday",),
    "tue": ("tuesday",), "tues": ("tuesday",), "wed": ("wednesday", "wed"), "thu": ("thursday",), "thur": ("thursday",),
    "thurs": ("thursday",), "fri": ("friday",), "sat": ("saturday", "sat"), "sun": ("sunday", "sun"),
    "approx": ("approximately", "approx"), "max": ("max", "maximum"), "min": ("minimum", "minutes", "min"),
    "fig": ("figure", "fig"), "vol": ("volume", "vol"), "pp": ("pages",), "p": ("page", "p"), "ch": ("chapter",),
    "sec": ("section", "second", "seconds"), "mt": ("mount",), "ft": ("fort", "feet", "foot"), "oz": ("ounces", "ounce"),
    "lb": ("pounds", "pound"), "lbs": ("pounds",), "in": ("in", "inches", "inch"), "hr": ("hour", "hours"),
    "hrs": ("hours",), "tel": ("telephone", "tel"), "ext": ("extension",), "e.g": ("for example", "e g"),
    "i.e": ("that is", "i e"), "ed": ("edition", "ed", "editor"), "govt": ("government",), "misc": ("miscellaneous",),
    "temp": ("temperature", "temp"), "tbsp": ("tablespoons", "tablespoon"), "tsp": ("teaspoons", "teaspoon"),
    "fl": ("floor",), "pt": ("part", "pint", "point"), "rte": ("route",), "rs": ("rupees",), "esq": ("esquire",),
    "a.k.a": ("a k a", "also known as"), "ph.d": ("p h d",), "b.c": ("b c",), "a.d": ("a d",), "u.s": ("u s",),
}  # fmt: skip
"""What may be said for an abbreviation before a full stop."""
OFTEN_BARE = frozenset((
    *("jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "mon", "tue", "tues", "wed"),
    *("thu", "thur", "thurs", "fri", "sat", "sun", "mr", "mrs", "ms", "dr", "prof", "st", "mt", "hwy", "rte", "apt"),
    *("ave", "blvd", "rd", "dept", "govt", "fig", "vol", "ch", "pp", "pt", "ext", "tel", "fl", "no", "nos", "rs"),
    *("jr", "sr"),
))  # fmt: skip
"""Those that are written without it: with a capital, or beside a number."""
