"""Any bytes at all, where a frame of the other process is expected: understood, or refused; never more than that."""

import contextlib
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speech_service.dispatch.workers import codec, messages
from speech_service.dispatch.workers.codec import BrokenFrameError
from speech_service.dispatch.workers.messages import (
    FailedWork,
    FinishedWork,
    MisfitError,
    NewAudio,
    NewWork,
)
from speech_service.domain.work import SegmentKey, WorkAudio, WorkDone, WorkFailed, WorkTiming
from tests.unit.dispatch.values import OUTCOME_TYPES, SAMPLES, WORK_TYPES, speech_errors, values

pytestmark = pytest.mark.fuzz

ARRAY_OF_ALL = b"\xdd\xff\xff\xff\xff"
MAP_OF_ALL = b"\xdf\xff\xff\xff\xff"
BYTES_OF_ALL = b"\xc6\xff\xff\xff\xff"
KEY = SegmentKey("s", 0, 0)


def take_to_worker(frame: bytes) -> None:
    """All that a worker does to understand a frame."""
    for message in messages.read_to_worker(frame):
        if isinstance(message, NewWork):
            messages.take_work(message)


def take_from_worker(frame: bytes) -> None:
    """All that a front end does to understand a frame."""
    for message in messages.read_from_worker(frame):
        if isinstance(message, FinishedWork):
            messages.take_done(message, "w", 0.0)
        elif isinstance(message, FailedWork):
            messages.take_failed(message, "w")


READERS: tuple[Callable[[bytes], object], ...] = (
    take_to_worker,
    take_from_worker,
    messages.read_hello,
)


def refused_or_read(frame: bytes) -> None:
    """Nothing else becomes of it, and it takes no more memory than its own size explains."""
    for read in READERS:
        tracemalloc.start()
        try:
            with contextlib.suppress(BrokenFrameError, MisfitError):
                read(frame)
        finally:
            _, peak_bytes = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak_bytes < (1 << 20) + 40 * len(frame)


@st.composite
def honest_frames(draw: st.DrawFn) -> bytes:
    """A frame that means something."""
    kinds = st.sampled_from(WORK_TYPES + OUTCOME_TYPES)
    kind = draw(kinds)
    if kind in WORK_TYPES:
        encoded = codec.encode(messages.work_message(draw(values(kind)), 1))
        said = [encoded, codec.encode(NewAudio(KEY, 0, draw(SAMPLES)))]
    else:
        events = [
            WorkDone("w", draw(values(kind)), WorkTiming()),
            WorkFailed("w", draw(speech_errors())),
            WorkAudio("w", draw(SAMPLES), 24_000),
        ]
        said = [codec.encode(m) for event in events for m in messages.event_messages(event, 1)]
    return next(codec.frames(said))


@st.composite
def broken_frames(draw: st.DrawFn) -> bytes:
    """An honest frame with a part replaced, cut out or doubled."""
    frame = draw(honest_frames())
    at = draw(st.integers(0, len(frame)))
    end = draw(st.integers(at, min(len(frame), at + 8)))
    replaced = draw(
        st.binary(max_size=8) | st.sampled_from([ARRAY_OF_ALL, MAP_OF_ALL, BYTES_OF_ALL])
    )
    return frame[:at] + replaced + frame[end:]


@settings(max_examples=100)
@given(frame=st.binary(max_size=4096))
@example(frame=ARRAY_OF_ALL)
@example(frame=MAP_OF_ALL)
@example(frame=BYTES_OF_ALL)
@example(frame=b"\x91\xa1\xff")
@example(frame=b"\x91\x81\x90\x01")
@example(frame=b"\xd7\xff" + b"\xff" * 8)
def test_any_bytes(frame: bytes) -> None:
    refused_or_read(frame)


@settings(max_examples=100)
@given(frame=broken_frames())
def test_honest_frames_that_were_damaged(frame: bytes) -> None:
    refused_or_read(frame)


@settings(max_examples=50)
@given(frame=honest_frames())
def test_honest_frames_are_understood_by_one_side(frame: bytes) -> None:
    understood = 0
    for read in READERS:
        try:
            read(frame)
            understood += 1
        except (BrokenFrameError, MisfitError):
            pass
    assert understood == 1


@pytest.mark.parametrize("where", ["outermost", "an array of samples"])
def test_lists_in_lists_that_all_claim_the_rest_of_a_frame(where: str) -> None:
    head = b"\x91\x94" if where == "outermost" else b"\x91\x94\xa8NewAudio\x93\xa1s\x00\x00\x00"
    size_bytes, bomb = 1 << 20, bytearray(head)
    while len(bomb) < 60_000:
        bomb += b"\xdd" + (size_bytes - len(bomb) - 5).to_bytes(4, "big")
    refused_or_read(bytes(bomb).ljust(size_bytes, b"\xc0"))


def test_damaged_voices_and_texts_are_refused() -> None:
    samples = np.zeros(1000, np.float32)
    frame = next(codec.frames([codec.encode(NewAudio(KEY, 0, samples))]))
    take_to_worker(frame)
    for cut in (1, 2, 3, 4000):
        with pytest.raises(BrokenFrameError):
            take_to_worker(frame[:-cut])
