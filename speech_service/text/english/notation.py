"""How notations of one field are said: chess moves, chords and metres, aviation, prescriptions, odds, sets of law."""

import re

from speech_service.text.english.number_words import DIGITS, cardinal, number, spelled
from speech_service.text.english.rules import Rule, any_of, rule

_PIECES = {"K": "king", "Q": "queen", "R": "rook", "B": "bishop", "N": "knight"}
_ENDS_OF_MOVE = {"+": " check", "#": " mate", "": ""}
_PITCH = {"#": " sharp", "♯": " sharp", "b": " flat", "♭": " flat", "♮": " natural", "": ""}
_CHORDS = {
    **{"m": " minor", "min": " minor", "maj": " major", "dim": " diminished"},
    **{"aug": " augmented", "sus": " sus", "add": " add", "": ""},
}
_HANDS = {"L": " left", "R": " right", "C": " center", None: ""}
_CALLED = {
    **{
        "FL": "flight level ",
        "HDG": "heading ",
        "RWY": "runway ",
        "QNH": "Q.N.H ",
        "QFE": "Q.F.E ",
    },
}
"""Short forms before figures that pilots say digit by digit."""
_ROMAN = {
    **{"ii": "two", "iii": "three", "iv": "four", "vi": "six", "vii": "seven", "viii": "eight"},
    **{"ix": "nine", "xi": "eleven", "xii": "twelve"},
}
_ISOTOPES = {
    **{
        "H": "hydrogen",
        "C": "carbon",
        "N": "nitrogen",
        "O": "oxygen",
        "K": "potassium",
        "P": "phosphorus",
    },
    **{"F": "fluorine", "S": "sulfur", "U": "uranium", "Co": "cobalt", "Sr": "strontium"},
    **{"Cs": "cesium", "Pu": "plutonium", "Tc": "technetium", "Th": "thorium", "Ra": "radium"},
    **{"He": "helium", "Li": "lithium", "Fe": "iron", "Rn": "radon"},
}
_NO_ISOTOPES = ("F", "K", "P", "S", "N")
"""Symbols that mean something else before a hyphen and a number: "F-16"."""
_DOSES = r"mg|mcg|mL|g|tabs?|caps?|units|puffs?|drops"
"""What is given, before how and how often: "5 mg PO BID"."""
_UPPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def _move(match: re.Match[str]) -> str:
    """ "Nbxd7+": knight B takes D seven check."""
    piece, origin, takes, file, rank, promoted, end = match.groups("")
    words = [
        _PIECES[piece],
        *(DIGITS[int(c)] if c.isdecimal() else spelled(c) for c in origin),
        *(["takes"] if takes else []),
        spelled(file),
        DIGITS[int(rank)],
    ]
    return " ".join(words) + _promoted(promoted) + _ENDS_OF_MOVE[end]


def _pawn(match: re.Match[str]) -> str:
    """ "exd5", "e8=Q", "d4+"."""
    origin, file, rank, promoted, end = match.groups("")
    takes = f"{spelled(origin)} takes " if origin else ""
    return f"{takes}{spelled(file)} {DIGITS[int(rank)]}" + _promoted(promoted) + _ENDS_OF_MOVE[end]


def _promoted(sign: str) -> str:
    return f" equals {_PIECES[sign[1]]}" if sign else ""


def _castles(match: re.Match[str]) -> str:
    return "castles queenside" if match.group().count("O") > 2 else "castles kingside"


def _chord(match: re.Match[str]) -> str | None:
    """ "F#m", "Bb7", "Cmaj7"; a letter with a number alone is something else."""
    root, pitch, kind, degree = match.groups("")
    if not (pitch not in ("", "b") or (degree and kind) or (pitch and (kind or degree))):
        return None
    return f"{spelled(root)}{_PITCH[pitch]}{_CHORDS[kind]}" + (
        f" {number(degree)}" if degree else ""
    )


def _metre(match: re.Match[str]) -> str:
    return f"{cardinal(int(match[1]))} {cardinal(int(match[2]))}"


def _digit_by_digit(run: str) -> str:
    return " ".join(DIGITS[int(digit)] for digit in run)


def _called(match: re.Match[str]) -> str:
    name = match[1]
    return f"{_CALLED.get(name, f'{name} ')}{_digit_by_digit(match[2])}"


def _runway(match: re.Match[str]) -> str:
    name, first, hand, second, other = match.groups()
    said = f"{'runway' if name == 'RWY' else name} {_digit_by_digit(first)}{_HANDS[hand]}"
    return said + (f" {_digit_by_digit(second)}{_HANDS[other]}" if second else "")


def _wind(match: re.Match[str]) -> str:
    """ "wind 240/15G25": where it comes from, how strong it is, and its gusts."""
    name, direction, speed, gusts = match.groups()
    said = f"{name} {_digit_by_digit(direction)} at {number(speed)}"
    return said + (f" gusting {number(gusts)}" if gusts else "")


def _subsections(match: re.Match[str]) -> str:
    """ "12(3)(a)(ii)": what stands in brackets, without them."""
    inner = (_subsection(part) for part in re.findall(r"\w{1,4}", match[2]))
    return " ".join([_section(match[1]), *inner])


def _section(digits: str) -> str:
    """ "501" before a bracket is said like a road, "12" as a number."""
    if len(digits) == 3 and digits[1] == "0" and digits[2] != "0":
        return f"{number(digits[0])} oh {number(digits[2])}"
    return number(digits)


def _subsection(part: str) -> str:
    if part.isdecimal():
        return number(part)
    return _ROMAN.get(part) or spelled(part)


def _isotope(match: re.Match[str]) -> str | None:
    mass, symbol = match[1].translate(_UPPER), match[2]
    return f"{_ISOTOPES[symbol]} {_mass(mass)}"


def _mass(mass: str) -> str:
    """ "235" as "two thirty-five"."""
    if len(mass) == 3 and mass[1] != "0":
        return f"{number(mass[0])} {number(mass[1:])}"
    return number(mass)


_SQUARE = r"([a-h])([1-8])(=[QRBN])?"
_MOVE_ENDS = r"([+#])?(?![\w#+-]|[.,]\d)"

MUSIC: tuple[Rule, ...] = (
    rule(r"(?<![\w#])([A-G])([♯♭♮])(maj|min|m|dim|aug|sus|add)?(\d{1,2})?(?!\w)", _chord),
    rule(r"(?<!\w)([a-g])([♯♭♮])()()(?!\w)", _chord),
    rule(r"♩ ?(?==)", "quarter note "),
    rule(r"♪ ?(?==)", "eighth note "),
)
"""Rules for signs of music, which are taken for ornaments where they stand alone."""

NOTATION: tuple[Rule, ...] = (
    # Chess.
    rule(rf"(?<![\w-])([KQRBN])([a-h]?[1-8]?)(x?){_SQUARE}{_MOVE_ENDS}", _move),
    rule(rf"(?<![\w-])([a-h])x{_SQUARE}{_MOVE_ENDS}", _pawn),
    rule(rf"(?<![\w-])()([a-h])([18])(=[QRBN]){_MOVE_ENDS}", _pawn),
    rule(r"(?<![\w-])O-O(?:-O)?(?![\w-])", _castles),
    # Music.
    rule(
        r"(?<![\w#])([A-G])([#b]?)(maj|min|m|dim|aug|sus|add)?(\d{1,2})?(?![\w#]|[.,]\d)",
        _chord,
    ),
    rule(r"\b([A-G])b(?= (?:major|minor|clarinet|trumpet)\b)", lambda m: f"{spelled(m[1])} flat"),
    rule(r"(?<![\w./])(\d{1,2})/(\d{1,2})(?= (?:time|meter|metre|waltz|beat)\b)", _metre),
    rule(r"(?<=\bin )([2-9]|12)/([48])(?=[.,;!?]|$)", _metre),
    # Aviation.
    rule(
        r"\b([Rr]unways?|RWY) (\d{1,2})([LRC])?(?:/(\d{1,2})([LRC])?)?(?![\w/])",
        _runway,
    ),
    rule(r"\b(FL) ?(\d{2,3})(?!\w|[.,]\d)", _called),
    rule(
        r"\b([Ss]quawk(?:ing|s)?|QNH|QFE|[Hh]eading|HDG|[Tt]ransponder) (\d{3,4})(?!\w|[.,]\d)",
        _called,
    ),
    rule(r"\b([Ww]inds?) (\d{3})/(\d{1,2})(?:G(\d{2}))?(?=\b)(?![/.]\d)", _wind),
    # Medicine.
    rule(r"(?<!\w)q\.?(\d{1,2}) ?(?:h|hrs?)(?!\w)", r"every \1 hours"),
    rule(r"(?<!\w)q\.?(\d{1,2})[-–](\d{1,2}) ?(?:h|hrs?)(?!\w)", r"every \1 to \2 hours"),  # noqa: RUF001
    rule(rf"\b((?:{_DOSES}) )(PO)(?!\w)", lambda m: m[1] + spelled(m[2]), any_case=True),
    rule(
        rf"\b((?:P\.?O|IV|IM|SC|SQ|SL|PR|{_DOSES}) )(BID|TID|QID|QD|QHS|HS|PRN)(?!\w)",
        lambda m: m[1] + spelled(m[2]),
        any_case=True,
    ),
    rule(r"(?<=[A-Za-z] )[x×] ?(\d{1,3}) ?d(?:ays?)?(?!\w)", r"for \1 days"),  # noqa: RUF001
    rule(r"(?<![\w.])(?<!\d,)(\d{1,3})[-–](?=\d{1,3}[- ]?y/?o(?!\w))", r"\1 to "),  # noqa: RUF001
    rule(
        r"(?<![\w.])(?<!\d,)(\d{1,3})[- ]?y(?:/?o(?!\w)|\.o\.)",
        lambda m: f"{number(m[1])} year old",
    ),
    rule(r"(?<=/min)/1\.73 ?m(?=[²2])", " per 1.73 m"),
    rule(
        r"(?<=\d)( ?(?:mg|mcg|µg|g|IU|units))/(?=\d{1,4} ?(?:m[lL]|L|kg|g|h)\b)",
        r"\1 per ",
    ),
    # Odds.
    rule(
        r"(?<![\w./])(\d{1,3})/(\d{1,2})(?= (?:odds|favou?rite|shot|outsider|against|on to)\b)",
        r"\1 to \2",
    ),
    rule(
        r"\b((?:[Oo]dds (?:of|at|are)|priced at|backed at|out to|[Ee]vens to) )(\d{1,3})/(\d{1,2})(?![\w/])",
        r"\1\2 to \3",
    ),
    # Isotopes.
    rule(rf"(?<!\w)([⁰¹²³⁴⁵⁶⁷⁸⁹]{{1,3}})({any_of(_ISOTOPES)})(?!\w)", _isotope),
    rule(
        rf"(?<![\w-])({any_of(s for s in _ISOTOPES if s not in _NO_ISOTOPES)})-(\d{{2,3}})(?![\w/-]|[.,]\d)",
        lambda m: f"{spelled(m[1])} {_mass(m[2])}",
    ),
)

SECTIONS: tuple[Rule, ...] = (
    rule(r"(?<![\w.,$£€-])(\d{1,4})((?:\([0-9A-Za-z]{1,4}\)){1,5})(?!\w)", _subsections),
)
"""Rules for parts of laws, whose names are read before."""
