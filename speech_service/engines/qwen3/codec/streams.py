"""The decoder's streams: each has a slot with its state, and one call decodes chunks of many of them."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from speech_service.engines.runtimes.torch import HOST, Device


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


class CodecStreams:
    """Slots for the states of streams. Only the device's thread uses it."""

    def __init__(self, decoder: CodecStep, slots: int, host: Device = HOST) -> None:
        """Make room; ``host`` stages what only the host knows."""
        device = decoder.device
        self._decoder = decoder
        self._host = host
        self._states = torch.zeros(slots, decoder.state_size, dtype=decoder.dtype, device=device)
        self._positions = torch.zeros(slots, dtype=torch.int64, device=device)
        self._free = list(range(slots - 1, -1, -1))

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
        if start is None:
            self._states[slot].zero_()
            self._positions[slot] = 0
        else:
            self._states[slot] = start.state
            self._positions[slot] = start.position
        return slot

    def close(self, slot: int) -> None:
        """Give a slot back.

        Raises:
            ValueError: it was not taken.
        """
        if slot in self._free or not 0 <= slot < len(self._states):
            raise ValueError(f"codec slot {slot} is not taken")
        self._free.append(slot)

    def snapshot(self, slot: int) -> CodecSnapshot:
        """Keep a stream's state."""
        return CodecSnapshot(self._states[slot].clone(), int(self._positions[slot]))

    def decode(self, chunks: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Decode the next frames of streams; chunks of equal length run in one batch.

        Args:
            chunks: int64 [n, codebooks] for each slot; n may differ, and is at least 1.

        Returns:
            Samples [n * frame_samples] within [-1, 1] for each slot, on the decoder's device.
        """
        by_length: dict[int, list[int]] = defaultdict(list)
        for slot, codes in chunks.items():
            by_length[len(codes)].append(slot)
        samples: dict[int, Tensor] = {}
        for length, slots in by_length.items():
            rows = self._host.stage(torch.tensor(slots))
            codes = torch.stack([chunks[slot] for slot in slots])
            positions = self._positions[rows]
            decoded, states = self._decoder(codes, self._states[rows], positions)
            self._states[rows] = states
            self._positions[rows] = positions + length
            samples.update(zip(slots, decoded, strict=True))
        return samples
