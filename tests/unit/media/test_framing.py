"""Frames: none lost, none moved, whatever the pushes are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.media.framing import FrameBuffer

pytestmark = pytest.mark.unit


@given(st.integers(1, 64), st.lists(st.integers(0, 200), max_size=20))
def test_frames_are_the_stream(size: int, pushes: list[int]) -> None:
    stream = np.arange(sum(pushes), dtype=np.float32)
    buffer, heard, at = FrameBuffer(size), list[float](), 0
    for count in pushes:
        frames = buffer.push(stream[at : at + count])
        at += count
        assert frames.shape == (at // size - len(heard) // size, size)
        heard += frames.ravel().tolist()
    assert heard == stream[: at - at % size].tolist()
    assert buffer.take().tolist() == stream[at - at % size :].tolist()
    assert not len(buffer.take())
    assert buffer.push(stream[:size]).shape[0] == min(1, at // size), "what was taken does not come"


def test_a_push_of_whole_frames_is_not_copied() -> None:
    samples = np.zeros(1024, np.float32)
    assert np.shares_memory(FrameBuffer(512).push(samples), samples)


def test_what_waits_does_not_hold_the_push() -> None:
    samples = np.zeros(1025, np.float32)
    buffer = FrameBuffer(512)
    buffer.push(samples)
    assert not np.shares_memory(buffer.take(), samples)
