"""Written forms with one reading each, or a few."""

# ruff: noqa: E501 - tables of pairs

from collections.abc import Mapping, Sequence

from benchmarks.forms.readings import Pair

FIXED: Mapping[str, tuple[Pair, ...]] = {
    "short": (
        ("Dr. Jones", "Doctor Jones"), ("Prof. Lee", "Professor Lee"), ("Mrs. Hill", "Missus Hill"), ("Sgt. Pepper", "Sergeant Pepper"),
        ("Gen. Grant", "General Grant"), ("Gov. Brown", "Governor Brown"), ("Sen. Cruz", "Senator Cruz"), ("Lt. Dan", "Lieutenant Dan"),
        ("Capt. Cook", "Captain Cook"), ("St. Peter", "Saint Peter"), ("Mt. Everest", "Mount Everest"), ("Ft. Worth", "Fort Worth"),
        ("Smith Jr.", "Smith Junior"), ("Fig. 7", "Figure seven"), ("Vol. 3", "Volume three"), ("No. 12", "Number twelve"),
        ("Ch. 9", "Chapter nine"), ("p. 41", "page forty-one"), ("approx. 30 men", "approximately thirty men"), ("est. 1975", "established nineteen seventy-five"),
        ("cats vs. dogs", "cats versus dogs"), ("fruit, e.g. apples", "fruit, (for example|E G) apples"), ("one day, i.e. today", "one day, (that is|I E) today"),
        ("Acme Inc.", "Acme (Incorporated|Inc)"), ("the sales dept.", "the sales department"), ("max. 5 items", "(maximum|max) five items"),
        ("min. 2 nights", "(minimum|min) two nights"), ("Rev. King", "Reverend King"), ("ca. 1850", "(circa|about) eighteen fifty"), ("Hon. White", "Honorable White"),
    ),
    "capitals": (
        ("the FBI", "the F B I"), ("a PhD student", "a P H D student"), ("the USA", "the U S A"), ("the U.S. team", "the U S team"),
        ("NASA's plan", "NASA's plan"), ("NATO forces", "NATO forces"), ("two CEOs", "two C E Os"), ("an HTML page", "an H T M L page"),
        ("a PDF file", "a P D F file"), ("the ATM", "the A T M"), ("an LED lamp", "an L E D lamp"), ("the BBC news", "the B B C news"),
        ("my TV", "my T V"), ("a JPEG image", "a (jay-peg|JPEG) image"), ("the DNA test", "the D N A test"), ("an MRI scan", "an M R I scan"),
        ("the EU rules", "the E U rules"), ("an IOU", "an I O U"), ("the UN vote", "the U N vote"), ("a GPS signal", "a G P S signal"),
    ),
    "names": (
        ("COVID-19", "COVID nineteen"), ("a Boeing 747", "a Boeing seven (forty-seven|four seven)"), ("an F-16 jet", "an F sixteen jet"),
        ("the iPhone 15", "the iPhone fifteen"), ("a 4K screen", "a four K screen"), ("a 5G phone", "a five G phone"), ("an MP3 player", "an M P three player"),
        ("H2O", "H two O"), ("CO2 levels", "C O two levels"), ("vitamin B12", "vitamin B twelve"), ("Route 66", "Route sixty-six"), ("the M25 motorway", "the M twenty-five motorway"),
        ("Apollo 11", "Apollo eleven"), ("gate C12", "gate C twelve"), ("the A4 paper", "the A four paper"), ("a 3D film", "a three D film"),
        ("the G7 summit", "the G seven summit"), ("24/7", "twenty-four seven"), ("50/50", "fifty fifty"), ("a 20/20 view", "a twenty twenty view"),
        ("a 12-year-old boy", "a twelve year old boy"), ("a 6-pack", "a six pack"), ("the 2-hour show", "the two hour show"), ("a 1080p video", "a (ten eighty|one thousand eighty|one zero eight zero) P video"),
        ("error 404", "error (four oh four|four zero four|four hundred four)"), ("page 3 of 10", "page three of ten"), ("C# code", "C sharp code"), ("R&D", "R and D"),
        ("Q&A", "Q and A"), ("AT&T", "A T and T"), ("rock & roll", "rock and roll"), ("a 10x return", "a ten (X|times) return"),
    ),
    "words": (
        ("just say no.", "just say no"), ("he sat.", "he sat"), ("I ate a fig.", "I ate a fig"), ("we have fun in the sun.", "we have fun in the sun"),
        ("come in.", "come in"), ("is this art?", "is this art"), ("that's what I am.", "that's what I am"), ("do it now", "do it now"),
        ("may I go?", "may I go"), ("they let us in.", "they let us in"), ("mark my words", "mark my words"), ("give it to me, miss.", "give it to me, miss"),
        ("he said no. Then he left", "he said no Then he left"), ("a gal in a gin bar", "a gal in a gin bar"), ("a big dec", "a big dec"), ("it is a must.", "it is a must"),
    ),
    "web": (
        ("info@example.com", "info at example dot com"), ("www.example.org", "(W W W|triple W) dot example dot org"), ("example.com", "example dot com"),
        ("ann.lee@mail.net", "ann dot lee at mail dot net"), ("@maria", "at maria"), ("#summer", "(hashtag|hash|number) summer"), ("notes.txt", "notes dot (T X T|text)"),
        ("https://example.com/help", "(H T T P S|) (colon slash slash|) example dot com slash help"), ("page_two.html", "page (underscore |)two dot H T M L"),
        ("localhost:8080", "local host (colon |)(eight zero eight zero|eighty eighty|eight oh eight oh|eight thousand eighty)"),
    ),
}  # fmt: skip

UNITS: Sequence[tuple[str, str, str]] = (
    ("kg", "kilogram", "kilograms"), ("g", "gram", "grams"), ("mg", "milligram", "milligrams"), ("lb", "pound", "pounds"),
    ("lbs", "pound", "pounds"), ("oz", "ounce", "ounces"), ("km", "kilometer", "kilometers"), ("cm", "centimeter", "centimeters"),
    ("mm", "millimeter", "millimeters"), ("nm", "nanometer", "nanometers"), ("ft", "foot", "feet"), ("yd", "yard", "yards"),
    ("ml", "milliliter", "milliliters"), ("L", "liter", "liters"), ("GHz", "gigahertz", "gigahertz"), ("kHz", "kilohertz", "kilohertz"),
    ("Hz", "hertz", "hertz"), ("GB", "gigabyte", "gigabytes"), ("TB", "terabyte", "terabytes"), ("KB", "kilobyte", "kilobytes"),
    ("Mbps", "megabit per second", "megabits per second"), ("mph", "mile per hour", "miles per hour"),
    ("km/h", "kilometer per hour", "kilometers per hour"), ("kWh", "kilowatt hour", "kilowatt hours"), ("W", "watt", "watts"),
    ("V", "volt", "volts"), ("mA", "milliamp", "(milliamps|milliamperes)"), ("dB", "decibel", "decibels"), ("hp", "horsepower", "horsepower"),
    ("psi", "(pound per square inch|P S I)", "(pounds per square inch|P S I)"), ("m²", "square meter", "square meters"), ("m³", "cubic meter", "cubic meters"),
    ("sq ft", "square foot", "square feet"), ("tbsp", "tablespoon", "tablespoons"), ("tsp", "teaspoon", "teaspoons"),
    ("ms", "millisecond", "milliseconds"), ("min", "minute", "minutes"), ("hrs", "hour", "hours"), ("µm", "micrometer", "(micrometers|microns)"),
    ("ha", "hectare", "hectares"), ("kPa", "kilopascal", "kilopascals"), ("rpm", "(revolution per minute|R P M)", "(revolutions per minute|R P M)"),
    ("MW", "megawatt", "megawatts"), ("m/s", "meter per second", "meters per second"), ("ppm", "(part per million|P P M)", "(parts per million|P P M)"),
)  # fmt: skip
