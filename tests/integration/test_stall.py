"""No message of a client keeps another client waiting: a process of its own asks for health meanwhile.

The bound is generous, so that a busy machine does not fail it: each of these held a free one for five seconds or so.
"""

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks.faults.messages import Worst, worst_messages
from benchmarks.faults.stall import attempt, stall_of
from benchmarks.harness import Server, Setup

MOST_MS = 2_000.0
CHOSEN = (
    "subtitles: notes before a word",
    "subtitles: 15 MiB of line ends, VTT",
    "7.8 M texts",
    "7.8 M language codes",
    "synthesis: clauses without an end",
)
REFUSED = CHOSEN[:4]
MESSAGES = {message.name: message for message in worst_messages()}


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """A server in a process of its own, that has imported what translation and synthesis need."""
    with Server(Setup(), "test-stall") as server:
        for method in ("TranslationService/TranslateText", "SynthesisService/Synthesize"):
            asyncio.run(attempt(server.target, Worst("nothing", f"/speech.v1.{method}", [b""])))
        yield server.target


@pytest.mark.parametrize("name", CHOSEN)
def test_health_answers_meanwhile(target: str, name: str) -> None:
    stall_ms, ending = asyncio.run(stall_of(target, MESSAGES[name]))
    assert stall_ms < MOST_MS
    if name in REFUSED:
        assert ending == "INVALID_ARGUMENT"
