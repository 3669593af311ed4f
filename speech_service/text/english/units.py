"""Names of units: what stands behind a number, and how it is said of one and of many."""

import re

_REGULAR = {
    **{"km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "µm": "micrometer"},
    **{"μm": "micrometer", "nm": "nanometer", "mi": "mile", "yd": "yard", "yds": "yard"},
    **{
        "kg": "kilogram",
        "g": "gram",
        "mg": "milligram",
        "mcg": "microgram",
        "µg": "microgram",
        "μg": "microgram",
    },
    **{"lb": "pound", "lbs": "pound", "oz": "ounce"},
    **{"pc": "piece", "pcs": "piece", "pkg": "package", "pkgs": "package"},
    **{
        "l": "liter",
        "L": "liter",
        "dl": "deciliter",
        "cl": "centiliter",
        "ml": "milliliter",
        "mL": "milliliter",
    },
    **{
        "gal": "gallon",
        "qt": "quart",
        "fl oz": "fluid ounce",
        "tbsp": "tablespoon",
        "tsp": "teaspoon",
    },
    **{
        "h": "hour",
        "hr": "hour",
        "hrs": "hour",
        "min": "minute",
        "mins": "minute",
        "sec": "second",
        "secs": "second",
    },
    **{
        "ms": "millisecond",
        "µs": "microsecond",
        "μs": "microsecond",
        "ns": "nanosecond",
        "yr": "year",
        "yrs": "year",
    },
    **{"wk": "week", "wks": "week", "mo": "month", "mos": "month"},
    **{"mth": "month", "mths": "month"},
    **{
        "KB": "kilobyte",
        "kB": "kilobyte",
        "MB": "megabyte",
        "GB": "gigabyte",
        "TB": "terabyte",
        "PB": "petabyte",
    },
    **{
        "KiB": "kibibyte",
        "MiB": "mebibyte",
        "GiB": "gibibyte",
        "Mb": "megabit",
        "Gb": "gigabit",
        "kb": "kilobit",
    },
    **{
        "W": "watt",
        "kW": "kilowatt",
        "MW": "megawatt",
        "GW": "gigawatt",
        "mW": "milliwatt",
        "Wh": "watt hour",
    },
    **{
        "kWh": "kilowatt hour",
        "MWh": "megawatt hour",
        "V": "volt",
        "kV": "kilovolt",
        "mV": "millivolt",
    },
    **{
        "mA": "milliamp",
        "mAh": "milliamp hour",
        "Ah": "amp hour",
        "Ω": "ohm",
        "kΩ": "kilohm",
        "MΩ": "megohm",
    },
    **{
        "dB": "decibel",
        "J": "joule",
        "kJ": "kilojoule",
        "cal": "calorie",
        "kcal": "kilocalorie",
        "N": "newton",
        "Nm": "newton meter",
    },
    **{
        "Pa": "pascal",
        "hPa": "hectopascal",
        "kPa": "kilopascal",
        "bar": "bar",
        "mbar": "millibar",
        "atm": "atmosphere",
    },
    **{
        "ha": "hectare",
        "ac": "acre",
        "px": "pixel",
        "MP": "megapixel",
        "mol": "mole",
        "hp": "horsepower",
    },
    **{
        "m²": "square meter",
        "m2": "square meter",
        "cm²": "square centimeter",
        "mm²": "square millimeter",
    },
    **{
        "km²": "square kilometer",
        "m³": "cubic meter",
        "m3": "cubic meter",
        "cm³": "cubic centimeter",
    },
    **{
        "sq m": "square meter",
        "sq km": "square kilometer",
        "sq mi": "square mile",
        "sq yd": "square yard",
        "cu yd": "cubic yard",
        "cu m": "cubic meter",
        "cc": "cubic centimeter",
    },
    **{
        "ct": "carat",
        "kts": "knot",
        "kms": "kilometer",
        "kgs": "kilogram",
        "mls": "milliliter",
        "gm": "gram",
        "gms": "gram",
        "cms": "centimeter",
        "qts": "quart",
        "tbsps": "tablespoon",
        "tsps": "teaspoon",
        "Bq": "becquerel",
        "Sv": "sievert",
        "Gy": "gray",
        "eV": "electronvolt",
        "nmi": "nautical mile",
        "mEq": "milliequivalent",
        "mcL": "microliter",
        "µL": "microliter",
        "lm": "lumen",
        "ly": "light year",
        "kn": "knot",
        "kt": "knot",
        "rad": "radian",
    },
}
_IRREGULAR = {
    **{
        "ft": ("foot", "feet"),
        "sq ft": ("square foot", "square feet"),
        "cu ft": ("cubic foot", "cubic feet"),
        "sq in": ("square inch", "square inches"),
        "cu in": ("cubic inch", "cubic inches"),
        "doz": ("dozen", "dozen"),
    },
    **{
        "ft²": ("square foot", "square feet"),
        "Hz": ("hertz", "hertz"),
        "kHz": ("kilohertz", "kilohertz"),
    },
    **{
        "MHz": ("megahertz", "megahertz"),
        "GHz": ("gigahertz", "gigahertz"),
        "THz": ("terahertz", "terahertz"),
    },
    **{"hp": ("horsepower", "horsepower"), "pct": ("percent", "percent")},
    "mmHg": ("millimeter of mercury", "millimeters of mercury"),
    "IU": ("international unit", "international units"),
    **{"lx": ("lux", "lux"), "ppm": ("part per million", "parts per million")},
    **{"mM": ("millimolar", "millimolar"), "µM": ("micromolar", "micromolar")},
    **{"μM": ("micromolar", "micromolar"), "nM": ("nanomolar", "nanomolar")},
    **{"bp": ("basis point", "basis points"), "ppb": ("part per billion", "parts per billion")},
    **{"mbps": ("megabit per second", "megabits per second")},
    **{"gbps": ("gigabit per second", "gigabits per second")},
    **{
        "tok/s": ("token per second", "tokens per second"),
        "it/s": ("iteration per second", "iterations per second"),
    },
    "gsm": ("gram per square meter", "grams per square meter"),
    "ft/s": ("foot per second", "feet per second"),
    **{
        "rpm": ("revolution per minute", "revolutions per minute"),
        "bpm": ("beat per minute", "beats per minute"),
    },
    **{"fps": ("frame per second", "frames per second"), "dpi": ("dot per inch", "dots per inch")},
    **{
        "psi": ("pound per square inch", "pounds per square inch"),
        "mpg": ("mile per gallon", "miles per gallon"),
    },
    **{
        "mph": ("mile per hour", "miles per hour"),
        "kph": ("kilometer per hour", "kilometers per hour"),
    },
    **{
        "kmh": ("kilometer per hour", "kilometers per hour"),
        "wpm": ("word per minute", "words per minute"),
    },
    **{
        "bps": ("basis point", "basis points"),
        "kbps": ("kilobit per second", "kilobits per second"),
    },
    **{
        "Mbps": ("megabit per second", "megabits per second"),
        "Gbps": ("gigabit per second", "gigabits per second"),
    },
    **{
        "MB/s": ("megabyte per second", "megabytes per second"),
        "GB/s": ("gigabyte per second", "gigabytes per second"),
    },
    **{"m/s²": ("meter per second squared", "meters per second squared")},
    **{
        "Mbit/s": ("megabit per second", "megabits per second"),
        "Gbit/s": ("gigabit per second", "gigabits per second"),
    },
}
_PER = {
    "h": "hour",
    "hr": "hour",
    "s": "second",
    "sec": "second",
    "min": "minute",
    "l": "liter",
    "L": "liter",
} | {
    **{
        "kg": "kilogram",
        "m": "meter",
        "m²": "square meter",
        "m³": "cubic meter",
        "ml": "milliliter",
        "gal": "gallon",
    },
    **{
        "dL": "deciliter",
        "day": "day",
        "d": "day",
        "mol": "mole",
        "cm³": "cubic centimeter",
        "week": "week",
    },
    **{"100 km": "one hundred kilometers", "lb": "pound", "year": "year", "yr": "year"},
}
_OVER = (
    "km",
    "m",
    "cm",
    "mm",
    "mi",
    "ft",
    "kg",
    "g",
    "mg",
    "µg",
    "l",
    "L",
    "ml",
    "MB",
    "GB",
    "mol",
    "kWh",
    "mmol",
    "kcal",
    "W",
)


_PREFIXES = {
    **{"p": "pico", "n": "nano", "µ": "micro", "μ": "micro", "m": "milli", "k": "kilo"},
    **{"M": "mega", "G": "giga", "T": "tera"},
}
_ANY_PREFIX = {
    **{"W": "watt", "J": "joule", "Pa": "pascal", "Ω": "ohm", "eV": "electronvolt"},
    **{"Bq": "becquerel", "Wh": "watt hour", "g": "gram", "bit": "bit"},
}
_SMALL_PREFIX = {
    **{"F": "farad", "A": "amp", "V": "volt", "N": "newton", "T": "tesla", "Sv": "sievert"},
    **{"Gy": "gray", "mol": "mole", "L": "liter", "l": "liter", "Ah": "amp hour", "H": "henry"},
}
"""Units whose large multiples would be names of something else: "TV", "MA"."""
_NO_UNITS = frozenset(["pH", "pT", "pl", "pL", "nl", "kT", "Mg", "Tg"])


def _multiples() -> dict[str, str]:
    """Give the units with a prefix, as they are written, and the name of one."""
    return {
        prefix + unit: (much + name).replace("oohm", "ohm").replace("aohm", "ohm")
        for prefix, much in _PREFIXES.items()
        for unit, name in (_ANY_PREFIX | ({} if prefix in "MGT" else _SMALL_PREFIX)).items()
        if prefix + unit not in _NO_UNITS
    }


def _table() -> dict[str, tuple[str, str]]:
    table = {unit: (name, f"{name}s") for unit, name in _REGULAR.items()}
    table |= _IRREGULAR
    for unit, name in _multiples().items():
        table.setdefault(unit, (name, f"{name}s"))
    for over in _OVER:
        for under, name in _PER.items():
            one, many = table[over]
            table.setdefault(f"{over}/{under}", (f"{one} per {name}", f"{many} per {name}"))
    return table


UNITS = _table()
"""Maps each unit as it is written to what is said of one and of many."""


def unit_words(unit: str, *, one: bool) -> str:
    """Say a unit: "km" of one is "kilometer"."""
    return UNITS[unit][0 if one else 1]


_OF_COMPOUNDS = {
    **{"s": "second", "A": "amp", "K": "kelvin", "T": "tesla", "d": "day"},
    **{"°C": "degree Celsius", "in": "inch", "in²": "square inch", "t": "ton", "F": "farad"},
    **{"sqft": "square foot", "sqm": "square meter", "dL": "deciliter", "B": "byte", "b": "bit"},
    **{"person": "person", "user": "user", "night": "night", "week": "week", "year": "year"},
    **{"day": "day", "month": "month", "hour": "hour", "inch": "inch", "serving": "serving"},
    **{"U": "unit", "IU": "international unit", "beats": "beat", "words": "word", "ft": "foot"},
    **{"acre": "acre", "game": "game", "match": "match", "dose": "dose"},
}
"""Units that are too short, or words, to be read as units alone."""


def compound_words(unit: str, *, one: bool) -> str | None:
    """Say units that are multiplied and divided: "N·m", "kJ/mol"; None where a part is no unit."""
    over, *under = re.sub(r"([²³])(?=[A-Za-z])", r"\1·", unit.replace("⋅", "·")).split("/")
    factors = over.split("·")
    names = [*map(one_of, factors), *map(_product, under)]
    if None in names:
        return None
    several = factors[-1] in UNITS and not one
    last = unit_words(factors[-1], one=False) if several else f"{names[len(factors) - 1]}"
    if not one and not several and not last.endswith(("s", "z")):
        last += "s"
    said = " ".join([*map(str, names[: len(factors) - 1]), last])
    return " per ".join([said, *map(str, names[len(factors) :])])


def _product(part: str) -> str | None:
    names = [one_of(factor) for factor in part.strip("()").split("·")]
    return None if None in names else " ".join(map(str, names))


def one_of(unit: str) -> str | None:
    """Say one of a unit, or of what things are counted by."""
    return UNITS[unit][0] if unit in UNITS else _OF_COMPOUNDS.get(unit)


def singular(unit: str) -> str:
    """Say a unit before a noun, as in "a ten kilometer run"."""
    return UNITS[unit][0]
