"""Every public function of text takes time in proportion to it, whatever it holds.

Each is given text made to slow readers down, ever longer, until it takes long enough to be measured; four times the
text may take four times the time, not sixteen. What takes next to nothing at full length harms nobody, so nothing more
is measured of it. The functions are found, not listed: a new one of ``speech_service.text`` fails here until it says
how it is called. What regular expressions may hold is another test's (``tests/architecture/test_patterns.py``).
"""

import contextlib
import gc
import importlib
import inspect
import pkgutil
import re
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import speech_service.text
from speech_service.domain.errors import SpeechError
from tests.unit.text.growing import ALL_PARTS, CALLS, NOT_OF_A_TEXT, WORST, Call

SHORTEST, STEP = 500, 4
"""Characters of the first text, and how much longer the next one is."""
LONGEST = 128_000
ENOUGH_S = 0.01
"""CPU time that can be told from noise; longer text is not tried."""
SURELY_LINEAR = 6.0
"""Four is linear, sixteen the square. What grows by more than this is measured again, in pairs."""
ROUNDS = 5
"""Pairs that are measured again. In each, four runs of the shorter text stand beside one of the longer: a busy machine
slows both, and the median leaves out the pair that it did not slow alike."""
MOST_RATIO = 2.5
"""In such a pair one is linear and four the square; text that no longer fits the caches takes up to two."""


def public_functions() -> Iterator[str]:
    """Functions of the package, by module and name."""
    for module in pkgutil.walk_packages(speech_service.text.__path__, "speech_service.text."):
        members: dict[str, Any] = vars(importlib.import_module(module.name))
        for name, member in members.items():
            is_own = getattr(member, "__module__", "") == module.name
            if is_own and not name.startswith("_") and inspect.isfunction(member):
                yield name


def test_every_function_of_text_is_measured() -> None:
    said = {name.rpartition(".")[2] for call in CALLS for name in call.split(", ")}
    missing = set(public_functions()) - said - {name.rpartition(".")[2] for name in NOT_OF_A_TEXT}
    assert not missing


def cpu_s(call: Call, text: str, runs: int = 1) -> float:
    """The least CPU time of some runs."""
    times: list[float] = []
    for _ in range(runs):
        begin_s = time.thread_time()
        with contextlib.suppress(SpeechError):  # refused: it took what it took
            call(text)
        times.append(time.thread_time() - begin_s)
    return min(times)


def growth(call: Call, part: str) -> str:
    """Empty, or how the time grows too fast."""
    size = SHORTEST
    before_s = cpu_s(call, made(part, size), runs=3)
    while size * STEP <= LONGEST and before_s < ENOUGH_S:
        size *= STEP
        long_s = cpu_s(call, made(part, size))
        if long_s < ENOUGH_S:
            long_s = min(long_s, cpu_s(call, made(part, size)))
        elif long_s > SURELY_LINEAR * before_s:
            ratio = paired_ratio(call, made(part, size // STEP), made(part, size))
            if ratio > MOST_RATIO:
                return f"{size} characters take {STEP * ratio:.1f} times what {size // STEP} take"
        before_s = long_s
    return ""


def paired_ratio(call: Call, short: str, long: str) -> float:
    """The time of the long text over that of as much text in short pieces."""
    ratios: list[float] = []
    for _ in range(ROUNDS):
        short_s = sum(cpu_s(call, short) for _ in range(STEP))
        ratios.append(cpu_s(call, long) / short_s)
    return statistics.median(ratios)


def made(part: str, size: int) -> str:
    """The part again and again, and something else at the end."""
    return part * (size // len(part)) + "x"


@pytest.fixture(autouse=True)
def no_collections() -> Iterator[None]:
    """The collector's passes would count for whom they happen to meet."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", CALLS)
def test_time_grows_with_the_text(name: str) -> None:
    call = CALLS[name]
    with contextlib.suppress(SpeechError):
        call("warm up")
    for part in WORST.get(name, ALL_PARTS[:12]):
        assert not (slow := growth(call, part)), f"{part!r}: {slow}"


def _searched(text: str) -> None:
    re.search(r"\s+$", text)


def _counted(text: str) -> int:
    return sum(text.count("ab", 0, at) > 0 for at in range(0, len(text), 2))


def _copied(text: str) -> str:
    for at in range(0, len(text), 2):
        text = f"{text[:at]}y{text[at + 1 :]}"
    return text


def _nested(text: str) -> int:
    words = text.split("a")
    return sum(words.count(word) for word in words)


@pytest.mark.parametrize(
    ("call", "part"), [(_searched, " "), (_counted, " "), (_nested, "a1"), (_copied, "a\u4e16")]
)
def test_it_sees_what_grows_with_the_square(call: Callable[[str], object], part: str) -> None:
    assert growth(call, part)


def _linear(text: str) -> int:
    return sum(char.isalpha() and len(char.casefold()) > 0 for char in text for _ in range(9))


@pytest.mark.parametrize("call", [str.split, str.casefold, _linear, lambda _: time.sleep(0.02)])
def test_it_lets_pass_what_does_not(call: Callable[[str], object]) -> None:
    assert not growth(call, "a b ")
