"""The audio encoder under causal attention: inexact, but it computes only what is new of a window that grows."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from speech_service.engines.qwen3.encoder.network import (
    AudioEncoder,
    MelWindow,
    WindowPast,
    stack_windows,
)
from speech_service.engines.qwen3.encoder.torch import in_alike_batches
from speech_service.engines.runtimes.torch import HOST, Device


class CausalEncoder:
    """Implements :class:`Encoder` with the torch module, for windows that come in parts.

    A part is encoded behind its ``past``, which then holds its finished chunks, too. Where encoding raises, some
    pasts of the batch may have been added to: none of them can be used again.
    """

    def __init__(self, module: AudioEncoder, device: Device = HOST) -> None:
        self._module = module
        self._device = device
        self._dtype = module.places.dtype

    def encode(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
        """As the protocol says."""
        return in_alike_batches(windows, self._module.shape.chunk_frames, self._batch)

    def _batch(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
        pasts = [window.past or WindowPast() for window in windows]
        mel, tokens, ends = stack_windows(windows, self._module.shape)
        before = torch.tensor([past.tokens for past in pasts])
        stage = self._device.stage
        states, made = self._module.extend(
            stage(mel, self._dtype), stage(tokens), stage(ends), self._stacked(pasts), stage(before)
        )
        for place, (window, past) in enumerate(zip(windows, pasts, strict=True)):
            if window.settled_tokens:
                past.append(made[:, :, place, :, : window.settled_tokens])
        return [row[:count] for row, count in zip(states, tokens.tolist(), strict=True)]

    def _stacked(self, pasts: Sequence[WindowPast]) -> Tensor:
        """float [layers, 2, windows, heads, tokens, head_dim]; behind a past's own tokens it is zero."""
        shape = self._module.shape
        empty = torch.zeros(
            (shape.layers, 2, shape.heads, 0, shape.width // shape.heads),
            dtype=self._dtype,
            device=self._device.where,
        )
        longest = max(past.tokens for past in pasts)
        known = [empty if past.keys_values is None else past.keys_values for past in pasts]
        return torch.stack([pad(each, (0, 0, 0, longest - each.shape[3])) for each in known], dim=2)
