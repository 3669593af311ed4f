"""Names of units: what stands behind a number, and how it is said of one and of many."""

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
    **{"lx": ("lux", "lux"), "ppm": ("part per million", "parts per million")},
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


def _table() -> dict[str, tuple[str, str]]:
    table = {unit: (name, f"{name}s") for unit, name in _REGULAR.items()}
    table |= {"mmol": ("millimole", "millimoles")} | _IRREGULAR
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


def singular(unit: str) -> str:
    """Say a unit before a noun, as in "a ten kilometer run"."""
    return UNITS[unit][0]
