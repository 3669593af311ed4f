"""Readings of written forms: number words, and every way in which a template may be said."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product
from random import Random

from num2words import num2words

Pair = tuple[str, str]
Draw = Callable[[Random], Pair]
MAX_READINGS = 4096
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_GROUP = re.compile(r"\(([^()|]{0,200}(?:\|[^()|]{0,200}){1,16})\)")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def cardinal(value: int) -> str:
    """143: one hundred forty-three; "and" may be said, which the comparison leaves out of account."""
    return num2words(value).replace(",", "").replace(" and ", " ")


def ordinal(value: int) -> str:
    """3: third."""
    return num2words(value, to="ordinal").replace(",", "").replace(" and ", " ")


def decimal(text: str) -> str:
    """3.05: three point zero five."""
    whole, _, rest = text.replace(",", "").partition(".")
    if not rest:
        return cardinal(int(whole))
    lead = "(zero point|point|oh point)" if int(whole) == 0 else f"{cardinal(int(whole))} point"
    return f"{lead} {digits(rest)}"


def digits(text: str) -> str:
    """One by one, letters too; zero is zero or oh, all alike."""
    plain = [_DIGITS[int(c)] if c.isdigit() else c.upper() for c in text if c.isalnum()]
    said = " ".join(plain)
    return f"({said}|{said.replace('zero', 'oh')})" if "zero" in plain else said


def year(value: int) -> str:
    """1905: nineteen oh five."""
    head, rest = divmod(value, 100)
    if value % 1000 < 10 or value % 1000 == 0:
        return f"({cardinal(value)}|twenty oh {cardinal(rest)})" if rest > 0 else cardinal(value)
    if rest == 0:
        return f"{cardinal(head)} hundred"
    both = f"{cardinal(head)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"
    return f"({both}|{cardinal(value)})" if value >= 2000 else both


def count(value: int, one: str, many: str) -> str:
    """A number with its unit."""
    return f"{cardinal(value)} {one if value == 1 else many}"


def readings(template: str) -> list[str]:
    """Every reading of a template, groups taken one by one from the inside."""
    found = _GROUP.search(template)
    if found is None:
        return [template]
    parts = _GROUP.split(template)
    choices = [part.split("|") if at % 2 else [part] for at, part in enumerate(parts)]
    flat = ["".join(choice) for choice in islice(product(*choices), MAX_READINGS)]
    if any(_GROUP.search(each) for each in flat[:1]):
        return [end for each in flat for end in readings(each)]
    return flat


def made(
    grammars: Sequence[tuple[str, str, Draw, int]], seed: int
) -> Iterator[tuple[str, str, list[str]]]:
    """The sentences of any grammars."""
    draw, seen = Random(seed), set[str]()
    for kind, frame, grammar, number in grammars:
        for sentence, said in _some(frame, grammar, draw, number):
            if sentence not in seen:
                seen.add(sentence)
                yield kind, sentence, readings(said)


def _some(frame: str, grammar: Draw, draw: Random, number: int) -> Iterator[tuple[str, str]]:
    """At most ``number`` different ones; a small table gives fewer."""
    drawn: dict[str, str] = {}
    for _ in range(20 * number):
        written, said = grammar(draw)
        drawn[frame.format(written)] = frame.format(said)
        if len(drawn) == number:
            break
    return iter(drawn.items())
