"""Mel features of a segment that grows, in the windows that the encoder takes."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from speech_service.domain.audio import Samples
from speech_service.engines.qwen3.encoder.mel import (
    frame_count,
    lifted,
    raw_frames,
    settled_frames,
)
from speech_service.engines.qwen3.encoder.network import MelWindow
from speech_service.engines.qwen3.nn.shapes import AudioShape

MIN_SAMPLES = 400
"""Shorter audio is filled up with silence: one frame needs that many."""


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Windows that no further audio can change and that were not given before; and those that are not final."""

    closed: tuple[MelWindow, ...]
    open: tuple[MelWindow, ...]


class SegmentFeatures(Protocol):
    """Features of one segment; only ever given more of the same audio."""

    def grow(self, samples: Samples) -> Features:
        """Read the segment's audio from its start: float32 [n], 16 kHz."""
        ...


class FeatureMaker(Protocol):
    """Makes the features of all segments."""

    def begin(self) -> SegmentFeatures:
        """Those of a new segment."""
        ...

    def grow(
        self, segments: Sequence[SegmentFeatures], clips: Sequence[Samples]
    ) -> Sequence[Features]:
        """Read the audio of segments that it began, as :meth:`SegmentFeatures.grow` does."""
        ...


class EachAlone:
    """Implements :class:`FeatureMaker` for segments that have nothing to share."""

    def __init__(self, begin: Callable[[], SegmentFeatures]) -> None:
        self.begin = begin

    def grow(
        self, segments: Sequence[SegmentFeatures], clips: Sequence[Samples]
    ) -> Sequence[Features]:
        """One after the other."""
        return [segment.grow(clip) for segment, clip in zip(segments, clips, strict=True)]


class PrefixFeatures:
    """Under the prefix policy a full window is final, so each frame is computed once (see ``mel.py``)."""

    def __init__(self, shape: AudioShape) -> None:
        self._shape = shape
        self._raw = torch.zeros(shape.mel_bins, 0)
        """Frames of the open window that further audio cannot change."""
        self._before = 0
        """Frames of the windows that are closed."""
        self._loudest = torch.tensor(-torch.inf)

    def grow(self, samples: Samples) -> Features:
        """Compute what is new."""
        audio = _tensor(samples)
        bins, size = self._shape.mel_bins, self._shape.window_frames
        settled = settled_frames(len(samples))  # what a very short segment is filled up with is not
        fresh = raw_frames(audio, bins, self._before + self._raw.shape[1], settled)
        self._raw = torch.cat([self._raw, fresh], dim=1)
        closed: list[MelWindow] = []
        while self._raw.shape[1] >= size:
            window, self._raw = self._raw[:, :size], self._raw[:, size:]
            self._before += size
            self._loudest = torch.maximum(self._loudest, window.max())
            closed.append(MelWindow(lifted(window, self._loudest), is_clip=False))
        rest = raw_frames(audio, bins, max(settled, self._before), frame_count(len(audio)))
        return Features(tuple(closed), self._opened(torch.cat([self._raw, rest], dim=1)))

    def _opened(self, raw: Tensor) -> tuple[MelWindow, ...]:
        if not raw.shape[1]:
            return ()
        loudest = torch.maximum(self._loudest, raw.max())
        return (MelWindow(lifted(raw, loudest), is_clip=self._before == 0),)


MakeFeatures = Callable[[AudioShape], SegmentFeatures]
"""Features of a new segment, for an encoder of this shape."""


def _tensor(samples: Samples) -> Tensor:
    if len(samples) < MIN_SAMPLES:
        samples = np.pad(samples, (0, MIN_SAMPLES - len(samples)))
    return torch.from_numpy(np.array(samples))  # a copy: work may hold audio that cannot be written
