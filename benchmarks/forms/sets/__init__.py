"""Sets of sentences written before anyone saw how they are read; ``{written => way|way}`` stands for a written form."""

from collections.abc import Iterator
from importlib.resources import files
from itertools import product

NAMES = (
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "held_out",
)


def sentences(name: str) -> Iterator[tuple[str, str, list[str]]]:
    """Kind, sentence as written and each way of reading it, of one set."""
    kind = ""
    for line in files(__name__).joinpath(f"{name}.txt").read_text("utf-8").splitlines():
        if line.startswith("# "):
            kind = line[2:]
        elif line:
            yield kind, *_parsed(line)


def label(name: str) -> str:
    """Say which set it is."""
    return "held out" if name == "held_out" else f"of the {name} set"


def _parsed(line: str) -> tuple[str, list[str]]:
    """The sentence as written, and each combination of the readings of its forms."""
    written, *rest = line.split("{")
    choices = [[written]]
    for piece in rest:
        form, _, plain = piece.partition("}")
        sign, _, ways = form.partition(" => ")
        written += sign + plain
        choices += [ways.split("|"), [plain]]
    return written, ["".join(chosen) for chosen in product(*choices)]
