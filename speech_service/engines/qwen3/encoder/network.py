"""The audio encoder: mel windows of many streams in, states for the decoder out.

A window is up to 8 s. Convolutions see one chunk (1 s) at a time, attention one window, so a window's states depend
on nothing outside of it. The last chunk of a clip is padded with zeros to a whole chunk, but a clip shorter than one
chunk is not padded, as in the qwen-asr package: its convolutions end where it ends.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad, scaled_dot_product_attention

from speech_service.engines.qwen3.nn.block import Tensors
from speech_service.engines.qwen3.nn.shapes import AudioShape, conv_length


class EncoderLayer(nn.Module):
    """Pre-norm attention and feed-forward, with biases."""

    def __init__(self, shape: AudioShape) -> None:
        super().__init__()
        width = shape.width
        self._heads = shape.heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.ffn_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, shape.ffn_size)
        self.fc2 = nn.Linear(shape.ffn_size, width)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """[windows, tokens, width] -> the same; ``seen`` is bool, broadcast to [windows, 1, tokens, tokens]."""
        qkv = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self._heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        answer = scaled_dot_product_attention(query, key, value, attn_mask=seen)
        x = x + self.out(answer.transpose(1, 2).flatten(2))
        return x + self.fc2(gelu(self.fc1(self.ffn_norm(x))))


class AudioEncoder(nn.Module):
    """Windows [w, mel_bins, c * chunk_frames] -> states [w, c * chunk_tokens, out_size]."""

    def __init__(self, shape: AudioShape) -> None:
        super().__init__()
        self.shape = shape
        channels = shape.conv_channels
        self.conv1 = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.conv3 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.conv_out = nn.Linear(channels * conv_length(shape.mel_bins), shape.width, bias=False)
        self.layers = nn.ModuleList(EncoderLayer(shape) for _ in range(shape.layers))
        self.norm = nn.LayerNorm(shape.width)
        self.proj1 = nn.Linear(shape.width, shape.width)
        self.proj2 = nn.Linear(shape.width, shape.out_size)
        self.register_buffer(
            "places", _sinusoids(shape.chunk_tokens, shape.width), persistent=False
        )
        self.places: Tensor

    def forward(self, mel: Tensor, tokens: Tensor, conv_frames: Tensor) -> Tensor:
        """Encode windows.

        Args:
            mel: float [w, mel_bins, c * chunk_frames], zeros behind each window's frames.
            tokens: int64 [w], states that each window really has; what is behind them is meaningless.
            conv_frames: int64 [w], the chunk's frames; fewer for the only chunk of a clip that is shorter.

        Returns:
            float [w, c * chunk_tokens, out_size].
        """
        x = self._embed(mel, conv_frames)
        seen = (torch.arange(x.shape[1], device=x.device) < tokens[:, None])[:, None, None]
        return self.project(self.attend(x, seen))

    def attend(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """Run the attention layers over [w, tokens, width]."""
        for layer in self.layers:
            x = layer(x, seen)
        return x

    def project(self, x: Tensor) -> Tensor:
        """[..., width] -> [..., out_size]."""
        return self.proj2(gelu(self.proj1(self.norm(x))))

    def _embed(self, mel: Tensor, conv_frames: Tensor) -> Tensor:
        """Mel of windows, and their chunks' frames, -> tokens [w, c * chunk_tokens, width] with their positions."""
        shape = self.shape
        windows, chunks = mel.shape[0], mel.shape[2] // shape.chunk_frames
        x = mel.unflatten(2, (chunks, shape.chunk_frames)).transpose(1, 2).flatten(0, 1)[:, None]
        x = x.contiguous(memory_format=torch.channels_last)  # a tenth of the time for one channel
        x = self._stem(x, conv_frames.repeat_interleave(chunks))
        x = self.conv_out(x.permute(0, 3, 1, 2).flatten(2)) + self.places
        return x.unflatten(0, (windows, chunks)).flatten(1, 2)

    def _stem(self, x: Tensor, frames: Tensor) -> Tensor:
        """Three convolutions over chunks [k, 1, mel_bins, chunk_frames], as if each chunk ended at its frames."""
        for conv in (self.conv1, self.conv2, self.conv3):
            inside = torch.arange(x.shape[3], device=x.device) < frames[:, None]
            x = gelu(conv(x * inside[:, None, None].to(x.dtype)))
            frames = (frames + 1) // 2
        return x

    @torch.no_grad()
    def load(self, tensors: Tensors, prefix: str) -> None:
        """Read the release's tensors; ``prefix`` ends with a dot."""
        for module, name in (
            (self.conv1, "conv2d1"),
            (self.conv2, "conv2d2"),
            (self.conv3, "conv2d3"),
            (self.conv_out, "conv_out"),
            (self.norm, "ln_post"),
            (self.proj1, "proj1"),
            (self.proj2, "proj2"),
        ):
            _load(module, tensors, prefix + name)
        for index, layer in enumerate(self.layers):
            _load_layer(cast(EncoderLayer, layer), tensors, f"{prefix}layers.{index}.")
        for conv in (self.conv1, self.conv2, self.conv3):
            conv.weight = nn.Parameter(conv.weight.contiguous(memory_format=torch.channels_last))


@dataclass(frozen=True, slots=True, eq=False)
class MelWindow:
    """Up to one window of a clip's mel frames: float [mel_bins, frames], at least one frame."""

    mel: Tensor
    is_clip: bool
    """The clip has no other window: one shorter than a chunk is not padded."""


class Encoder(Protocol):
    """Runs the audio encoder, on whatever runtime."""

    def encode(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
        """States of each window: float [tokens, out_size], in order, as the decoder takes them."""
        ...


def stack_windows(windows: Sequence[MelWindow], shape: AudioShape) -> tuple[Tensor, Tensor, Tensor]:
    """Arguments of :meth:`AudioEncoder.forward` for windows of any clips: mel where it is, numbers on the host."""
    chunk = shape.chunk_frames
    frames = max(-(-window.mel.shape[1] // chunk) for window in windows) * chunk
    mel = torch.stack([pad(each.mel, (0, frames - each.mel.shape[1])) for each in windows])
    tokens = [shape.tokens(window.mel.shape[1]) for window in windows]
    ends = [min(each.mel.shape[1], chunk) if each.is_clip else chunk for each in windows]
    return mel, torch.tensor(tokens), torch.tensor(ends)


def _load_layer(layer: EncoderLayer, tensors: Tensors, prefix: str) -> None:
    attention = f"{prefix}self_attn."
    layer.qkv.weight.copy_(torch.cat([tensors(f"{attention}{part}_proj.weight") for part in "qkv"]))
    layer.qkv.bias.copy_(torch.cat([tensors(f"{attention}{part}_proj.bias") for part in "qkv"]))
    for module, name in (
        (layer.out, f"{attention}out_proj"),
        (layer.attention_norm, f"{prefix}self_attn_layer_norm"),
        (layer.ffn_norm, f"{prefix}final_layer_norm"),
        (layer.fc1, f"{prefix}fc1"),
        (layer.fc2, f"{prefix}fc2"),
    ):
        _load(module, tensors, name)


def _load(module: nn.Conv2d | nn.Linear | nn.LayerNorm, tensors: Tensors, name: str) -> None:
    module.weight.copy_(tensors(f"{name}.weight"))
    if module.bias is not None:
        module.bias.copy_(tensors(f"{name}.bias"))


def _sinusoids(tokens: int, width: int) -> Tensor:
    """Fixed positions [tokens, width]: sines, then cosines, of geometrically spaced timescales up to 10 000."""
    step = math.log(10_000) / (width // 2 - 1)
    angles = torch.outer(torch.arange(tokens).float(), torch.exp(-step * torch.arange(width // 2)))
    return torch.cat([angles.sin(), angles.cos()], dim=1)
