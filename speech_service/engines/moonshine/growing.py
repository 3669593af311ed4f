"""The encoder over growing audio: what it made of older audio is kept, a later result computes the rest.

Every state of Moonshine's encoder sees the whole clip, so strictly each of them changes with every new sample. What a
state hears is near it, though, and audio that comes much later changes little. So a state with ``settles_after`` of
audio behind it is settled: its row of each layer's keys and values stays as it was, and later states attend to it.
That is the left context of chunked attention (Chen et al. 2021, "Developing real-time streaming transformer
transducer", https://arxiv.org/abs/2010.11395), on weights that were not trained for it; decision 8 has what it does
to the text. An update then costs what it adds, not what the segment is long. For PARTIAL results alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from speech_service.domain.audio import Samples
from speech_service.engines.moonshine.front import (
    NO_FRAMES,
    WIDTH,
    FrontNetwork,
    SettledFrames,
    frame_count,
)
from speech_service.engines.moonshine.graphs import AUDIO_KEYS_VALUES, GROWN, SETTLED
from speech_service.engines.moonshine.values import Value, value_of

_HOP_3, _KERNEL_3 = 2, 3


@dataclass(frozen=True, slots=True)
class SettledStates:
    """What is known of a segment's older audio. Immutable: several results may grow from it."""

    frames: SettledFrames
    rows: Sequence[Samples]
    """Of ``SETTLED``: float32 [1, s, 288] each."""

    @property
    def states(self) -> int:
        """Settled states of the encoder."""
        return self.rows[0].shape[1]

    @property
    def nbytes(self) -> int:
        """Memory that this keeps: views keep the whole of what they look at."""
        return sum(_owner(array).nbytes for array in (self.frames.frames, *self.rows))


NOTHING_SETTLED = SettledStates(NO_FRAMES, [np.zeros((1, 0, WIDTH), np.float32) for _ in SETTLED])


class GrowingEncoder:
    """Runs front and layers; any number of threads may, at the same time."""

    def __init__(self, front: FrontNetwork, session: Any) -> None:
        """``session``: onnxruntime's, of ``graphs.growing_graph``."""
        self._front = front
        self._session = session

    def hear(
        self, samples: Samples, before: int, after: int, settled: SettledStates, settles_after: int
    ) -> tuple[list[Value], SettledStates]:
        """Encode a clip on from what is settled of it.

        Args:
            samples: the clip so far, float32 [n] at 16 kHz, its beginning the audio that ``settled`` came from.
            before: so many samples of silence before it.
            after: and behind it.
            settled: of an earlier call with the same silence before.
            settles_after: so many samples must lie behind a state that is settled.

        Returns:
            onnxruntime's values for ``AUDIO_KEYS_VALUES``, of the whole clip, and what a later call may grow from.
        """
        front, frames = self._front.hear(samples, before, after, settled.frames)
        known = settled.states
        grown = known + state_count(front.frames.shape[2])
        rows = [np.empty((1, grown, WIDTH), np.float32) for _ in GROWN]
        heard = self._run(front.frames, front.scale, front.shift, settled, rows)
        behind = frame_count(before + len(samples) - settles_after)
        states = max(known, state_count(behind))
        kept = [row[:, :states] for row in rows]
        return heard, SettledStates(frames.since(_HOP_3 * states), kept)

    def _run(
        self,
        frames: Samples,
        scale: Samples,
        shift: Samples,
        settled: SettledStates,
        grown: Sequence[Samples],
    ) -> list[Value]:
        binding = self._session.io_binding()
        inputs = {"frames": frames, "scale": scale, "shift": shift}
        inputs |= zip(SETTLED, settled.rows, strict=True)
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value_of(value))
        binding.bind_ortvalue_input("position", value_of(np.array([settled.states], np.int64)))
        for name, row in zip(GROWN, grown, strict=True):
            binding.bind_ortvalue_output(name, value_of(row))
        for name in AUDIO_KEYS_VALUES:
            binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        heard: list[Value] = binding.get_outputs()[len(grown) :]
        return heard


def _owner(array: Samples) -> Samples:
    return array if array.base is None else array.base


def state_count(frames: int) -> int:
    """States of the encoder that lie in so many frames as a whole."""
    return max(0, (frames - _KERNEL_3) // _HOP_3 + 1)
