"""Frames: none lost, none moved, whatever the pushes are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.audio.framing import Frame, FrameBuffer

pytestmark = pytest.mark.unit


@given(st.integers(1, 64), st.lists(st.integers(0, 200), max_size=20))
def test_frames_are_the_stream(size: int, pushes: list[int]) -> None:
    stream = np.arange(sum(pushes), dtype=np.float32)
    buffer, frames, at = FrameBuffer(size), list[Frame](), 0
    for count in pushes:
        frames += buffer.push(stream[at : at + count])
        at += count
        assert buffer.position == at
    assert [frame.start for frame in frames] == [n * size for n in range(at // size)]
    for frame in frames:
        assert frame.samples.tolist() == stream[frame.start : frame.start + size].tolist()
    assert buffer.pending.tolist() == stream[at - at % size :].tolist()
    tail = buffer.flush()
    if at % size == 0:
        assert tail is None
    else:
        assert tail is not None
        assert tail.start == at - at % size
        assert tail.samples.tolist() == stream[tail.start :].tolist() + [0.0] * (size - at % size)
    assert buffer.position == at
    assert buffer.flush() is None


def test_a_frame_inside_one_push_is_not_copied() -> None:
    samples = np.zeros(1024, np.float32)
    assert all(np.shares_memory(f.samples, samples) for f in FrameBuffer(512).push(samples))
