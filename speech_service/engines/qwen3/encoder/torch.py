"""The audio encoder as the torch module that it is."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from speech_service.engines.qwen3.encoder.network import AudioEncoder, MelWindow, stack_windows
from speech_service.engines.runtimes.torch import HOST, Body, Capture, Device

MOST_WINDOWS = 16
"""Windows of one captured pass; more are encoded in several."""


class TorchEncoder:
    """Implements :class:`Encoder` with the module itself.

    Windows of about the same length share a batch: a whole window beside the first second of another would cost twice.
    """

    def __init__(self, module: AudioEncoder, device: Device = HOST) -> None:
        self._module = module
        self._device = device
        self._dtype = module.places.dtype

    def encode(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
        """As the protocol says."""
        alike: dict[int, list[int]] = {}
        for place, window in enumerate(windows):
            chunks = -(-window.mel.shape[1] // self._module.shape.chunk_frames)
            alike.setdefault((chunks - 1).bit_length(), []).append(place)
        states: dict[int, Tensor] = {}
        for places in alike.values():
            made = self._batch([windows[place] for place in places])
            states |= dict(zip(places, made, strict=True))
        return [states[place] for place in range(len(windows))]

    def _batch(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
        mel, tokens, ends = stack_windows(windows, self._module.shape)
        stage = self._device.stage
        states = self._module(stage(mel, self._dtype), stage(tokens), stage(ends))
        return [row[:count] for row, count in zip(states, tokens.tolist(), strict=True)]


class CapturedEncoder:
    """Implements :class:`Encoder` with passes of fixed shapes, captured at the start.

    Their numbers of windows and of chunks are powers of two.
    """

    def __init__(
        self, module: AudioEncoder, device: Device, capture: Capture, windows: int | None = None
    ) -> None:
        """Prepare all passes; ``windows`` are the most that come at once, None: as many as a pass may take."""
        self._module = module
        self._most = min(windows or MOST_WINDOWS, MOST_WINDOWS)
        self._device = device
        self._dtype = module.places.dtype
        shape = module.shape
        chunks = shape.window_frames // shape.chunk_frames
        self._windows = powers_of_two(self._most)
        self._chunks = powers_of_two(chunks)
        self._passes: dict[tuple[int, int], Body] = {
            (w, c): capture(module, self._examples(w, c))
            for w in reversed(self._windows)  # the largest first: the others fit into its memory
            for c in reversed(self._chunks)
        }

    def encode(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
        """As the protocol says."""
        states: list[Tensor] = []
        for at in range(0, len(windows), self._most):
            states += self._pass(windows[at : at + self._most])
        return states

    def _pass(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
        shape = self._module.shape
        mel, tokens, ends = stack_windows(windows, shape)
        rows = fitting(self._windows, len(windows))
        chunks = fitting(self._chunks, mel.shape[2] // shape.chunk_frames)
        missing = rows - len(windows)
        whole = pad(mel, (0, chunks * shape.chunk_frames - mel.shape[2], 0, 0, 0, missing))
        stage = self._device.stage
        states = self._passes[rows, chunks](
            stage(whole, self._dtype),
            stage(pad(tokens, (0, missing), value=1)),
            stage(pad(ends, (0, missing), value=shape.chunk_frames)),
        )
        counts = tokens.tolist()
        return [row[:count] for row, count in zip(states[: len(counts)], counts, strict=True)]

    def _examples(self, windows: int, chunks: int) -> tuple[Tensor, Tensor, Tensor]:
        shape, where = self._module.shape, self._device.where
        size = (windows, shape.mel_bins, chunks * shape.chunk_frames)
        return (
            torch.zeros(size, dtype=self._dtype, device=where),
            torch.full((windows,), chunks * shape.chunk_tokens, device=where),
            torch.full((windows,), shape.chunk_frames, device=where),
        )


def powers_of_two(most: int) -> tuple[int, ...]:
    """1, 2, 4, ... below ``most``, and ``most``."""
    return (*(1 << power for power in range((most - 1).bit_length())), most)


def fitting(sizes: Sequence[int], wanted: int) -> int:
    """The smallest of the ascending sizes that is not less than wanted."""
    return next(size for size in sizes if size >= wanted)
