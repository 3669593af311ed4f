"""How Roman numerals are said: of kings, chapters, centuries, wars, years and pages."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

from speech_service.text.english.number_words import cardinal, ordinal, spelled, year
from speech_service.text.english.rules import Rule, any_of, rule

_CARDINAL = (
    *(
        "Chapter",
        "Part",
        "Act",
        "Scene",
        "Section",
        "Volume",
        "Book",
        "Phase",
        "Article",
        "World War",
        "Mark",
    ),
    *(
        "Type",
        "Level",
        "Stage",
        "Class",
        "Grade",
        "Super Bowl",
        "Apollo",
        "Gemini",
        "Final Fantasy",
        "Episode",
    ),
    *(
        "Round",
        "Rocky",
        "Title",
        "Appendix",
        "Figure",
        "Table",
        "Schedule",
        "Annex",
        "Vatican",
        "Division",
    ),
)
_ORDINAL = (
    "Pope", "King", "Queen", "Henry", "Louis", "Edward", "George", "William", "Charles", "James", "Richard",
    "Elizabeth", "Napoleon", "Pius", "Benedict", "Leo", "Paul", "Ramses", "Frederick", "Philip", "Alexander",
    "Nicholas", "Peter", "Catherine", "Ivan", "Umberto", "Emmanuel", "Gustav", "Christian", "Ferdinand",
    "Ptolemy", "Gregory", "Innocent", "Clement", "Urban", "Felipe", "Carlos", "Juan Carlos", "Mary", "Albert",
    "Leopold", "Otto", "Haakon", "Harald", "Olaf", "Margrethe", "Rama", "Sixtus", "Boniface", "Selim",
    "Mehmed",
)  # fmt: skip
_RULERS = r"Pope|King|Queen|Emperor|Empress|Tsar|Czar|Prince|Sultan|Duke|Kaiser|Shah|Pharaoh|Patriarch|St|Saint"
_ROMAN = r"((?=[IVXLC])(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))"
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_IS_ROMAN = re.compile(r"(?=[IVX])X{0,3}(?:IX|IV|V?I{0,3})")
_NO_NAMES = r"The|A|An|In|On|At|By|For|And|Or|But|My|His|Her|Our|Your|Their|This|That|With|From|To|Of|As|If|It|I"


def _roman(text: str) -> int:
    values = [_VALUES[char] for char in text]
    return sum(
        -value if value < following else value
        for value, following in zip(values, [*values[1:], 0], strict=True)
    )


def _say_roman_range(match: re.Match[str]) -> str | None:
    first, last = match[2].upper(), match[3].upper()
    if not (_IS_ROMAN.fullmatch(first) and _IS_ROMAN.fullmatch(last)):
        return None
    name = match[1].replace("pp.", "pages")
    return f"{name}{cardinal(_roman(first))} to {cardinal(_roman(last))}"


def _say_roman_year(match: re.Match[str]) -> str | None:
    """ "MCMXCIV" is a year; "MC" and "MD" are something else."""
    return year(_roman(match[1])) if len(match[1]) > 3 or match[1] == "MMX" else None


def _say_stage(match: re.Match[str]) -> str:
    return f"{match[1]} {cardinal(_roman(match[2]))} {spelled(match[3])}"


def _say_cardinal(match: re.Match[str]) -> str | None:
    return f"{match[1]} {cardinal(_roman(match[2]))}" if match[2] else None


def _say_ordinal(match: re.Match[str]) -> str | None:
    return f"{match[1]} the {ordinal(_roman(match[2]))}" if match[2] else None


def _say_century(match: re.Match[str]) -> str | None:
    return f"{ordinal(_roman(match[1]))} {match[2]}" if match[1] else None


NUMERALS: tuple[Rule, ...] = (
    rule(
        r"\b((?:[Pp]ages?|pp\.|[Cc]hapters?|[Pp]arts?|[Bb]ooks?|[Vv]olumes?|[Aa]cts?) )"
        r"([ivxIVX]{1,5})\s?[-–]\s?([ivxIVX]{1,5})(?![\w'’])",
        _say_roman_range,
    ),
    rule(
        r"\b(M{1,3}(?:CM|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))(?![\w'’])", _say_roman_year
    ),
    rule(
        r"\b(Stage|Type|Phase|Class|Level|stage|type|phase|class) (I{1,3}|IV|VI{0,3}|IX)([A-Ca-c])(?!\w)",
        _say_stage,
    ),
    rule(
        r"\b([Ss]cene|[Aa]ct|[Pp]art|[Cc]hapter|[Bb]ook|[Ss]ection|[Vv]olume|[Pp]ages?|[Ii]tem|[Tt]ype|[Pp]hase) "
        r"(i{2,3}|i?v|vi{1,3}|i?x|xi{1,3}|xi?v)(?![\w'’])",
        lambda m: f"{m[1]} {cardinal(_roman(m[2].upper()))}",
    ),
    rule(rf"\b{_ROMAN}(?:th)? (century|centuries|Century)\b", _say_century),
    rule(
        rf"\b({any_of((*_CARDINAL, *(word.lower() for word in _CARDINAL)))}) {_ROMAN}\b(?!\.\w|['’](?!s\b)\w)",
        _say_cardinal,
    ),
    rule(
        rf"\b((?:{_RULERS}) [A-Z][a-z]{{2,20}}|{any_of(_ORDINAL)}) {_ROMAN}\b(?!\.\w|['’](?!s\b)\w)",
        _say_ordinal,
    ),
    rule(
        rf"\b(?!(?:{_NO_NAMES}) )([A-Z][a-z]{{2,20}}) (?=[IVX]{{2,6}}\b)(?!IV [a-z]){_ROMAN}\b(?!\.\w|['’](?!s\b)\w)",
        _say_cardinal,
    ),
)
