"""What is written in digits and signs has the readings that people use."""

# ruff: noqa: E501, RUF001 - readings are the data of this module

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.text.spoken.reading import MAX_READINGS, spoken_units

READINGS: dict[str, dict[str, str]] = {
    "money": {
        "$1,250.75": "one thousand two hundred fifty dollars seventy five cents|twelve hundred fifty dollars and seventy five cents|one thousand two hundred and fifty dollars and seventy five cents",
        "$1": "one dollar", "£7": "seven pounds", "£12.50": "twelve pounds fifty|twelve fifty", "¥500": "five hundred yen",
        "€3,50": "three euros fifty|three euros and fifty cents", "€1.199,00": "one thousand one hundred ninety nine euros",
        "$34tn": "thirty four trillion dollars", "75p": "seventy five pence", "A$40": "forty australian dollars", "₹12,00,000": "one million two hundred thousand rupees",
        "7€": "seven euros", "50¢": "fifty cents", "$0.99": "ninety nine cents", "$5M": "five million dollars",
        "$100": "a hundred dollars|one hundred dollars", "$12.05": "twelve oh five|twelve dollars and five cents",
    },
    "fractions": {
        "3/4": "three quarters|three fourths|three over four", "1/2": "one half|a half|half", "½": "one half|a half",
        "2½": "two and a half", "¾": "three quarters", "2/3": "two thirds", "1/3": "a third|one third", "5/8": "five eighths",
        "1/16": "one sixteenth", "7/8ths": "seven eighths", "100/1": "one hundred to one", "24/7": "twenty four seven", "9/11": "nine eleven", "1/4": "a quarter|one fourth",
    },
    "dates": {
        "3/4/2024": "march fourth twenty twenty four|three four twenty twenty four|the fourth of march twenty twenty four",
        "2024-03-04": "march fourth twenty twenty four|march four twenty twenty four", "12/25/1999": "december twenty fifth nineteen ninety nine",
        "25/12/1999": "december twenty fifth nineteen ninety nine", "1.5.2020": "january fifth twenty twenty",
        "7/4/76": "july fourth seventy six", "1990": "nineteen ninety", "1905": "nineteen oh five", "2005": "two thousand five|twenty oh five",
        "2010": "twenty ten|two thousand ten", "1900": "nineteen hundred", "1990s": "nineteen nineties",
    },
    "times": {
        "9:05": "nine oh five|five past nine", "14:30": "fourteen thirty|two thirty|half past two", "9:30pm": "nine thirty p m",
        "5pm": "five p m", "7:00": "seven o'clock|seven", "12:00": "twelve o'clock", "10:15": "ten fifteen|quarter past ten",
        "10:45": "ten forty five|quarter to eleven", "00:00": "twelve o'clock|zero hundred hours", "1:02:03": "one oh two oh three",
        "8:20": "eight twenty|twenty past eight", "12.15": "twelve fifteen|twelve point one five", "2:00:35": "two hours zero minutes thirty five seconds",
    },
    "measures": {
        "20°C": "twenty degrees celsius|twenty degrees", "72°F": "seventy two degrees fahrenheit", "5km": "five kilometers",
        "10kg": "ten kilograms|ten kilos", "1kg": "one kilogram", "6ft": "six feet|six foot", "5GB": "five gigabytes|five gigs",
        "60mph": "sixty miles per hour", "100km/h": "one hundred kilometers per hour|one hundred kilometers an hour",
        "5'4\"": "five foot four|five feet four inches", "25m²": "twenty five square meters", "2.4GHz": "two point four gigahertz",
        "9.81m/s²": "nine point eight one meters per second squared", "2.5m^3": "two point five cubic meters|two point five meters cubed",
        "51°30'N": "fifty one degrees thirty minutes north", "3×10⁸": "three times ten to the power of eight",
        "5%": "five percent", "90°": "ninety degrees",
    },
    "codes and numbers": {
        "0042": "zero zero four two|oh oh four two|double oh four two", "007": "double oh seven|zero zero seven",
        "02139": "zero two one three nine|oh two one three nine", "555-1234": "five five five one two three four",
        "0958": "oh nine five eight|nine fifty eight", "3.14": "three point one four", "0.5": "zero point five|point five",
        "1,000,000": "one million|a million", "192.168.0.1": "one nine two one six eight zero one", "4711": "four seven one one|forty seven eleven",
        "1st": "first", "21st": "twenty first", "3rd": "third", "10,5": "ten point five",
    },
    "letters and signs": {
        "H₂SO₄": "h two s o four", "#MondayMotivation": "hashtag monday motivation", "θ": "theta", "Mrs.": "missus|misses", "ii": "two",
        "/etc/hosts": "slash etc slash hosts", "Fe³⁺": "f e three plus", "Hwy": "highway", "Sept": "september", "Tue": "tuesday",
        "XIV": "fourteen|the fourteenth", "IV": "four|i v", "VIII": "eight|the eighth", "PhD": "p h d", "CEOs": "c e o's", "html": "h t m l",
        "FBI": "f b i", "x²": "x squared", "10⁶": "ten to the six|ten to the sixth", "a@b.org": "a at b dot org",
        "www.example.com": "w w w dot example dot com", "and/or": "and or|and slash or", "&": "and", "±": "plus or minus", "≤": "less than or equal to",
    },
}  # fmt: skip
BESIDE = {
    "March 4": ("4", "fourth"), "5 June": ("5", "the fifth of"), "12 am": ("am", "a m"), "5 km": ("km", "kilometers"),
    "1 km": ("km", "kilometer"), "2 1/2": ("1/2", "and a half"), "$5 million": ("million", "million dollars"), "-5": ("5", "minus five"),
    ".5": ("5", "point five"), '6"': ("6", "six inches"), "5–10": ("10", "to ten"), "x < 5": ("<", "less than"), "Dr.": ("Dr", "doctor"),
    "St.": ("St", "street"), "Hwy 101": ("Hwy", "highway"), "pt 2": ("pt", "part"), "3rd Fl.": ("Fl", "floor"), "40° N": ("N", "north"),
    "12 x 15 ft": ("x", "by"), "A-": ("A", "a minus"), "w/ milk": ("w", "with"), "£30–£45": ("£45", "to forty five pounds"),
    "-$4.2 billion": ("$4.2", "minus four point two"), '1/16"': ("1/16", "one sixteenth inch"), "Mon–Fri": ("Fri", "to friday"),
    "3×10⁸ m/s": ("m/s", "meters per second"), "₹3 crore": ("crore", "crore rupees"), "14 Jan": ("Jan", "january"), "approx.": ("approx", "approximately"), "20 °C": ("°C", "degrees celsius"), "e.g.": ("e.g.", "for example"),
}  # fmt: skip


@pytest.mark.parametrize("kind", READINGS)
def test_usual_readings_are_there(kind: str) -> None:
    assert len(READINGS[kind]) >= 10
    for word, wanted in READINGS[kind].items():
        (unit,) = spoken_units(word)
        found = [" ".join(reading) for reading in unit.readings]
        for reading in wanted.split("|"):
            assert reading in found, (word, found)


@pytest.mark.parametrize("text", BESIDE)
def test_what_stands_beside_a_word_tells_how_it_is_read(text: str) -> None:
    word, reading = BESIDE[text]
    found = {text[u.char_start : u.char_end]: u.readings for u in spoken_units(text)}
    assert tuple(reading.split()) in found[word]


@given(st.text(alphabet="0123456789$£€.,:/-'\"°%CkmgXIVa½²", max_size=60))
def test_readings_are_bounded(word: str) -> None:
    for unit in spoken_units(word):
        assert len(unit.readings) <= MAX_READINGS


@pytest.mark.parametrize(
    "part", ["1-", "$1", "1/", "1:", "5km", "½", "IV", "0", "1,", "1.", "a1", "'", "²", "1-a."]
)
def test_long_words_take_time_in_proportion(part: str) -> None:
    begin_s = time.process_time()
    spoken_units(part * (50_000 // len(part)))
    assert time.process_time() - begin_s < 5


def test_a_number_may_differ_and_a_word_may_not() -> None:
    assert [unit.may_differ for unit in spoken_units("He's 42 well-known U.S. XIV $5 FBI")] == [
        False, True, False, False, True, True, False,
    ]  # fmt: skip
