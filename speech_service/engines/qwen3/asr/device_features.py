"""Mel features of many segments that grow, computed on a device in one go: what :class:`PrefixFeatures` is, in a batch.

Audio is staged as it came, and the numbers that say where each window's frames lie are part of the same copy. How many
kernels run does not depend on how many segments there are, but for what is kept of each.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_service.domain.audio import Samples
from speech_service.engines.qwen3.asr.features import MIN_SAMPLES, Features, SegmentFeatures
from speech_service.engines.qwen3.encoder.mel import (
    HOP,
    frame_audio,
    frame_count,
    lifted,
    packed_frames,
    settled_frames,
)
from speech_service.engines.qwen3.encoder.network import MelWindow
from speech_service.engines.qwen3.nn.shapes import AudioShape
from speech_service.engines.runtimes.torch import Device

_NOTHING = np.zeros(3 * HOP, np.float32)
"""The least that has a frame: audio of a segment without new ones."""


class DeviceMel:
    """Implements :class:`FeatureMaker`. Only the device's thread uses it."""

    def __init__(self, shape: AudioShape, device: Device) -> None:
        self._shape = shape
        self._device = device
        packed_frames(
            torch.zeros(3 * HOP, device=device.where), shape.mel_bins
        )  # its tables go there now
        self._quiet = torch.full((), -torch.inf, device=device.where)

    def begin(self) -> "DeviceSegment":
        """As the protocol says."""
        return DeviceSegment(self, self._quiet)

    def grow(
        self, segments: Sequence[SegmentFeatures], clips: Sequence[Samples]
    ) -> Sequence[Features]:
        """As the protocol says."""
        size = self._shape.window_frames
        growths = [_Growth.of(*pair, size) for pair in zip(segments, clips, strict=True)]
        if not any(growth.frames for growth in growths):
            return [Features((), ()) for _ in growths]
        table = _WindowTable.of(growths, size)
        audio, numbers = self._staged(growths, table)
        raw = packed_frames(audio, self._shape.mel_bins)
        kept = [growth.segment.raw for growth in growths if growth.old]
        mel = torch.cat([raw, *kept])[numbers["frames"].view(table.frames.shape).long()]
        rows = torch.arange(mel.shape[1], device=mel.device) < numbers["counts"][:, None]
        loudest = torch.where(rows[:, :, None], mel, -torch.inf).amax(dim=(1, 2))
        upto = self._loudest(growths, numbers["places"].long(), loudest, table)
        own = upto.view(-1)[numbers["places"].long()]
        windows = lifted(mel, own[:, None, None]).transpose(1, 2)
        return [
            self._features(growth, at, windows, mel, upto[index])
            for index, (growth, at) in enumerate(zip(growths, table.begins, strict=True))
        ]

    def _staged(
        self, growths: Sequence["_Growth"], table: "_WindowTable"
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Audio and numbers on the device, by one copy."""
        audio = [growth.audio for growth in growths]
        parts = {"frames": table.frames, "counts": table.counts, "places": table.places}
        numbers = [part.reshape(-1).view(np.float32) for part in parts.values()]
        staged = self._device.stage(torch.from_numpy(np.concatenate([*audio, *numbers])))
        count = sum(map(len, audio))
        sizes = [len(part) for part in numbers]
        views = staged[count:].view(torch.int32).split(sizes)
        return staged[:count], dict(zip(parts, views, strict=True))

    def _loudest(
        self, growths: Sequence["_Growth"], places: Tensor, loudest: Tensor, table: "_WindowTable"
    ) -> Tensor:
        """[segments, 1 + most windows]: the loudest value up to each window's end; before the first, what was known."""
        known = torch.stack([growth.segment.loudest for growth in growths])
        grid = known.new_full((len(growths), table.width), -torch.inf)
        grid[:, 0] = known
        return grid.view(-1).scatter(0, places, loudest).view(grid.shape).cummax(dim=1).values

    def _features(
        self, growth: "_Growth", at: int, windows: Tensor, mel: Tensor, upto: Tensor
    ) -> Features:
        """One segment's windows, the first of which is row ``at``; keeps what the next update begins with."""
        segment, size = growth.segment, self._shape.window_frames
        closed = tuple(
            MelWindow(windows[at + place], is_clip=False) for place in range(growth.closed)
        )
        segment.before += growth.closed * size
        segment.loudest = upto[growth.closed]
        left = growth.frames - growth.closed * size
        row = at + growth.closed
        segment.settled = growth.settled - growth.closed * size
        segment.raw = mel[row, : segment.settled].clone() if segment.settled else mel[:0, 0]
        if not left:
            return Features(closed, ())
        opened = MelWindow(windows[row, :, :left], is_clip=segment.before == 0)
        return Features(closed, (opened,))


class DeviceSegment:
    """Implements :class:`SegmentFeatures`: what is kept of a segment between two updates."""

    def __init__(self, maker: DeviceMel, quiet: Tensor) -> None:
        self._maker = maker
        self.before = 0
        """Frames of the windows that are closed."""
        self.settled = 0
        """Frames of the open window that further audio cannot change."""
        self.raw: Tensor = quiet[None, None][:0]
        """Those frames, [settled, mel_bins]."""
        self.loudest = quiet
        """Of the windows that are closed, []."""

    def grow(self, samples: Samples) -> Features:
        """Alone."""
        return self._maker.grow([self], [samples])[0]


@dataclass(frozen=True, slots=True, eq=False)
class _Growth:
    """What an update brings to a segment."""

    segment: DeviceSegment
    audio: Samples
    """Of the new frames, as ``frame_audio`` gives it."""
    old: int
    """Frames that are kept."""
    frames: int
    """Frames behind the closed windows, with the kept ones."""
    settled: int
    """How many of them further audio cannot change."""
    closed: int
    """Windows that are full of such."""

    @classmethod
    def of(cls, segment: SegmentFeatures, clip: Samples, size: int) -> "_Growth":
        """Of a segment, and its audio from its start; windows have ``size`` frames."""
        assert isinstance(segment, DeviceSegment), "segments are grown by who began them"
        first = segment.before + segment.settled
        settled = max(settled_frames(len(clip)), first) - segment.before
        if len(clip) < MIN_SAMPLES:
            clip = np.pad(clip, (0, MIN_SAMPLES - len(clip)))
        last = max(first, frame_count(len(clip)))
        audio = frame_audio(clip, first, last) if last > first else _NOTHING
        return cls(segment, audio, segment.settled, last - segment.before, settled, settled // size)


@dataclass(frozen=True, slots=True, eq=False)
class _WindowTable:
    """Where windows find their frames; int32."""

    frames: NDArray[np.int32]
    """[windows, frames of the longest]: rows of new frames, behind which the kept ones lie."""
    counts: NDArray[np.int32]
    """[windows], frames of each."""
    places: NDArray[np.int32]
    """[windows], in the flat grid of :meth:`DeviceMel._loudest`."""
    begins: list[int]
    """First window of each segment."""
    width: int
    """Of that grid."""

    @classmethod
    def of(cls, growths: Sequence[_Growth], size: int) -> "_WindowTable":
        """Lay windows of ``size`` frames out."""
        cuts: list[NDArray[np.int64]] = []
        begins: list[int] = []
        new = 0
        kept = sum(len(growth.audio) for growth in growths) // HOP - 2
        per_segment: list[int] = []
        for growth in growths:
            count = growth.frames - growth.old
            own = np.concatenate([np.arange(kept, kept + growth.old), np.arange(new, new + count)])
            new += len(growth.audio) // HOP
            kept += growth.old
            begins.append(len(cuts))
            cuts += [own[at : at + size] for at in range(0, len(own), size)]
            per_segment.append(len(cuts) - begins[-1])
        width = 1 + max(per_segment)
        counts = np.array([len(cut) for cut in cuts], np.int32)
        frames = np.zeros((len(cuts), int(counts.max())), np.int32)
        for row, cut in zip(frames, cuts, strict=True):
            row[: len(cut)] = cut
        places = [
            segment * width + 1 + window
            for segment, windows in enumerate(per_segment)
            for window in range(windows)
        ]
        return cls(frames, counts, np.array(places, np.int32), begins, width)
