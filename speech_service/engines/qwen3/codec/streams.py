"""The decoder's streams: each has a slot with its state, and one call decodes chunks of many of them.

On a GPU all passes are captured before the first stream. Their numbers of frames are powers of two, and a chunk of
another length is decoded in several: any chunking gives what one decode of the whole gives.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor

from speech_service.engines.qwen3.encoder.torch import fitting, powers_of_two
from speech_service.engines.runtimes.torch import HOST, Body, Capture, Coming, Device

_MOST_ROWS = 64
_MOST_FRAMES = 512
"""Of all rows of a captured pass together; its activations take 4 MB a frame."""
RECORDING_FRAMES = (16, 32, 64)
"""Of passes for one row alone: a cloned voice's recording comes in one piece."""


class CodecStep(Protocol):
    """The decoder, on whatever runs it."""

    @property
    def state_size(self) -> int:
        """Numbers in one stream's state."""
        ...

    @property
    def device(self) -> torch.device:
        """Of its arguments and results."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Of states and samples."""
        ...

    def __call__(
        self, codes: Tensor, states: Tensor, positions: Tensor, /
    ) -> tuple[Tensor, Tensor]:
        """As ``CodecDecoder.forward``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class CodecSnapshot:
    """A stream's state at one moment, to go on from again and again."""

    state: Tensor
    position: int


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPass:
    """One pass over several streams, which may be under way."""

    slots: Sequence[int]
    """Of its rows."""
    frames: int
    """Of each row."""
    is_first: bool
    """Whether it has a chunk that somebody waits for."""
    samples: Coming
    """[rows or more, frames * frame_samples] within [-1, 1]."""


@dataclass(frozen=True, slots=True)
class CodecCapture:
    """How passes are captured."""

    capture: Capture
    codebooks: int
    longest: int
    """Frames of a chunk for which many rows are captured; longer ones take several passes."""


Chunk = Tensor | Sequence[Tensor]
"""Frames of a stream, int64 [codebooks] each."""


class CodecStreams:
    """Slots for the states of streams. Only the device's thread uses it."""

    def __init__(
        self,
        decoder: CodecStep,
        slots: int,
        device: Device = HOST,
        captured: CodecCapture | None = None,
    ) -> None:
        """Make room.

        Args:
            decoder: what is run.
            slots: streams at once.
            device: of the decoder; its stream is the codec's own.
            captured: for passes of fixed shapes, which are all prepared now; None: they have the shapes that come.
        """
        where = decoder.device
        self._decoder = decoder
        self._device = device
        self._free = list(range(slots - 1, -1, -1))
        self._positions = [0] * slots
        """Frames that each stream has had."""
        self._rows = {} if captured is None else pass_sizes(slots, captured.longest)
        self._bodies: dict[tuple[int, int], Body] = {}
        with device.stream():
            # The last row of captured passes is for those of their rows that have no stream.
            rows = slots + (captured is not None)
            self._states = torch.zeros(rows, decoder.state_size, dtype=decoder.dtype, device=where)
            if captured is not None:
                self._capture(captured)

    @property
    def free_slots(self) -> int:
        """How many more streams it can take now."""
        return len(self._free)

    @property
    def nbytes(self) -> int:
        """Memory of the states."""
        return self._states.nbytes

    def open(self, start: CodecSnapshot | None = None) -> int:
        """Slot of a new stream, which begins with nothing or where ``start`` was taken.

        Raises:
            IndexError: all slots are taken.
        """
        slot = self._free.pop()
        self._positions[slot] = 0 if start is None else start.position
        with self._device.stream():
            if start is None:
                self._states[slot].zero_()
            else:
                self._states[slot] = start.state
        return slot

    def close(self, slot: int) -> None:
        """Give a slot back.

        Raises:
            ValueError: it was not taken.
        """
        if slot in self._free or not 0 <= slot < len(self._positions):
            raise ValueError(f"codec slot {slot} is not taken")
        self._free.append(slot)

    def snapshot(self, slot: int) -> CodecSnapshot:
        """Keep a stream's state."""
        with self._device.stream():
            return CodecSnapshot(self._states[slot].clone(), self._positions[slot])

    def begin(self, chunks: Mapping[int, Chunk], urgent: Container[int] = ()) -> list[DecodedPass]:
        """Begin to decode the next frames of streams, in as few passes as their lengths allow.

        Args:
            chunks: frames for each slot, one at least; made by the thread's current stream.
            urgent: slots of which somebody waits: they are in the first passes, and in front where a pass is full.

        Returns:
            The passes in their order; several of a slot follow each other.
        """
        lengths = {slot: len(chunk) for slot, chunk in chunks.items()}
        passes = plan_passes(lengths, urgent, self._rows)
        if not passes:
            return []
        rest = {slot: iter(chunk) for slot, chunk in chunks.items()}
        return [self._begin(rest, slots, frames, urgent) for slots, frames in passes]

    def decode(self, chunks: Mapping[int, Chunk]) -> dict[int, Tensor]:
        """Decode the next frames of streams, and wait for them: samples [n * frame_samples] for each slot."""
        samples: dict[int, list[Tensor]] = defaultdict(list)
        for each in self.begin(chunks):
            for slot, row in zip(each.slots, each.samples.here(), strict=False):
                samples[slot].append(row)
        return {
            slot: rows[0] if len(rows) == 1 else torch.cat(rows) for slot, rows in samples.items()
        }

    def _begin(
        self,
        rest: Mapping[int, Iterator[Tensor]],
        slots: Sequence[int],
        frames: int,
        urgent: Container[int],
    ) -> DecodedPass:
        rows = fitting(self._rows[frames], len(slots)) if self._rows else len(slots)
        given = [frame for slot in slots for frame in islice(rest[slot], frames)]
        missing = rows - len(slots)
        # Rows without a stream decode whatever is at hand.
        codes = torch.stack([*given, *given[:1] * (missing * frames)])
        codes = self._device.adopt(codes.unflatten(0, (rows, frames)))
        table = [*slots, *[len(self._positions)] * missing]
        table += [*(self._positions[slot] for slot in slots), *[0] * missing]
        with self._device.stream():
            where = self._device.stage(torch.tensor(table)).to(self._states.device)
            run = self._bodies[rows, frames] if self._bodies else self._pass
            samples = self._device.fetch(run(codes, where))
        for slot in slots:
            self._positions[slot] += frames
        return DecodedPass(slots, frames, slots[0] in urgent, samples)

    def _pass(self, codes: Tensor, table: Tensor) -> Tensor:
        """Decode [rows, frames, codebooks]; ``table``: int64 [2 * rows], slots and then positions."""
        slots, positions = table.chunk(2)
        samples, states = self._decoder(codes, self._states[slots], positions)
        self._states[slots] = states
        return samples

    def _capture(self, captured: CodecCapture) -> None:
        """Prepare all passes with frames for nobody; the largest first, as others use its memory again."""
        where, scrap = self._states.device, len(self._positions)
        sizes = [(rows, frames) for frames, counts in self._rows.items() for rows in counts]
        for rows, frames in sorted(sizes, key=math.prod, reverse=True):
            codes = torch.zeros(rows, frames, captured.codebooks, dtype=torch.int64, device=where)
            table = torch.tensor([*[scrap] * rows, *[0] * rows], device=where)
            self._bodies[rows, frames] = captured.capture(self._pass, (codes, table))


def pass_sizes(slots: int, longest: int) -> dict[int, tuple[int, ...]]:
    """Numbers of rows by numbers of frames that passes are captured for, both ascending."""
    sizes = {
        frames: powers_of_two(max(1, min(slots, _MOST_ROWS, _MOST_FRAMES // frames)))
        for frames in powers_of_two(longest)
    }
    return sizes | {frames: (1,) for frames in RECORDING_FRAMES if frames > longest}


def plan_passes(
    lengths: Mapping[int, int], urgent: Container[int], sizes: Mapping[int, Sequence[int]]
) -> list[tuple[Sequence[int], int]]:
    """Which slots are decoded together, and how many frames of each.

    Args:
        lengths: frames of each slot.
        urgent: slots that go first.
        sizes: as of :func:`pass_sizes`; none: passes may have any shape.
    """
    rounds: dict[tuple[int, int], list[int]] = defaultdict(list)
    for slot in sorted(lengths, key=lambda slot: slot not in urgent):
        for frames, times in Counter(_parts(lengths[slot], sizes)).items():
            for time in range(times):
                rounds[frames, time].append(slot)
    passes: list[tuple[Sequence[int], int]] = []
    for (frames, _), slots in rounds.items():
        most = max(sizes[frames]) if sizes else len(slots)
        passes += [(slots[at : at + most], frames) for at in range(0, len(slots), most)]
    return sorted(passes, key=lambda each: each[0][0] not in urgent)


def _parts(length: int, sizes: Iterable[int]) -> list[int]:
    """Numbers of frames that add up, each as large as can be."""
    parts: list[int] = []
    for size in sorted(sizes, reverse=True):
        parts += [size] * (length // size)
        length %= size
    return [*parts, length] if length else parts
