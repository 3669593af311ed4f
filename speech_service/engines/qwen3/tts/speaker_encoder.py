"""The speaker encoder of Qwen3-TTS: an ECAPA-TDNN (Desplanques et al. 2020, arXiv 2005.07143) over a log-mel."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

from speech_service.engines.qwen3.encoder.mel import mel_bank
from speech_service.engines.qwen3.nn.block import Tensors

SAMPLE_RATE_HZ = 24_000
_FFT = 1024
_HOP = 256
_MEL_BINS = 128
_LEAST_POWER = 1e-9
_LEAST_MEL = 1e-5
_LEAST_VARIANCE = 1e-12


@dataclass(frozen=True, slots=True)
class SpeakerShape:
    """What ``speaker_encoder_config`` says that the tensors do not."""

    dilations: tuple[int, ...]
    """Of the first convolution, the residual blocks and the aggregation."""
    groups: int
    """Parts of a Res2Net convolution (Gao et al. 2019)."""
    width: int
    """Of the embedding; the talker's."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "SpeakerShape":
        """Read a ``speaker_encoder_config``; what it leaves out has the values of the release.

        Raises:
            ValueError: it wants other mel features than those that are implemented.
        """
        if (config.get("mel_dim", _MEL_BINS), config.get("sample_rate", SAMPLE_RATE_HZ)) != (
            _MEL_BINS,
            SAMPLE_RATE_HZ,
        ):
            raise ValueError(f"only {_MEL_BINS} mel bins of {SAMPLE_RATE_HZ} Hz are implemented")
        return cls(
            dilations=tuple(map(int, config.get("enc_dilations", (1, 2, 3, 4, 1)))),
            groups=int(config.get("enc_res2net_scale", 8)),
            width=int(config.get("enc_dim", 1024)),
        )


class SpeakerEncoder(nn.Module):
    """A recording to the embedding of who speaks."""

    def __init__(self, tensors: Tensors, shape: SpeakerShape) -> None:
        super().__init__()
        first, *middle, _ = shape.dilations
        self.first = _SpeakerConv(tensors, "speaker_encoder.blocks.0.conv", first)
        self.blocks = nn.ModuleList(
            _Block(tensors, f"speaker_encoder.blocks.{index}", dilation, shape.groups)
            for index, dilation in enumerate(middle, start=1)
        )
        self.aggregate = _SpeakerConv(tensors, "speaker_encoder.mfa.conv", shape.dilations[-1])
        self.attention_in = _SpeakerConv(tensors, "speaker_encoder.asp.tdnn.conv")
        self.attention_out = _SpeakerConv(tensors, "speaker_encoder.asp.conv")
        self.last = _SpeakerConv(tensors, "speaker_encoder.fc")

    def forward(self, samples: Tensor) -> Tensor:
        """Float32 [n], 24 kHz, at least 385 samples -> [width]."""
        x = speaker_mel(samples).to(self.first.weight.dtype)[None]
        x = self.first(x).relu()
        layers: list[Tensor] = []
        for block in self.blocks:
            x = block(x)
            layers.append(x)
        x = self.aggregate(torch.cat(layers, dim=1)).relu()
        even = torch.full_like(x[:, :1], 1.0 / x.shape[2])
        mean, deviation = _moments(x, even)
        context = torch.cat([x, mean.expand_as(x), deviation.expand_as(x)], dim=1)
        weights = self.attention_out(self.attention_in(context).relu().tanh()).softmax(dim=2)
        return self.last(torch.cat(_moments(x, weights), dim=1))[0, :, 0]


class _Block(nn.Module):
    """Narrow, Res2Net, narrow, squeeze and excitation; added to its input."""

    def __init__(self, tensors: Tensors, name: str, dilation: int, groups: int) -> None:
        super().__init__()
        self._groups = groups
        self.before = _SpeakerConv(tensors, f"{name}.tdnn1.conv")
        self.parts = nn.ModuleList(
            _SpeakerConv(tensors, f"{name}.res2net_block.blocks.{index}.conv", dilation)
            for index in range(groups - 1)
        )
        self.after = _SpeakerConv(tensors, f"{name}.tdnn2.conv")
        self.squeeze = _SpeakerConv(tensors, f"{name}.se_block.conv1")
        self.excite = _SpeakerConv(tensors, f"{name}.se_block.conv2")

    def forward(self, x: Tensor) -> Tensor:
        untouched, *rest = self.before(x).relu().chunk(self._groups, dim=1)
        parts = [untouched]
        for part, conv in zip(rest, self.parts, strict=True):
            fed = part if len(parts) == 1 else part + parts[-1]
            parts.append(conv(fed).relu())
        y = self.after(torch.cat(parts, dim=1)).relu()
        gate = self.excite(self.squeeze(y.mean(dim=2, keepdim=True)).relu()).sigmoid()
        return x + y * gate


class _SpeakerConv(nn.Module):
    """Length-preserving convolution, mirrored at the ends."""

    def __init__(self, tensors: Tensors, name: str, dilation: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(tensors(f"{name}.weight"))
        self.bias = nn.Parameter(tensors(f"{name}.bias"))
        self._dilation = dilation
        total = (self.weight.shape[2] - 1) * dilation
        self._margins = (total // 2, total - total // 2)

    def forward(self, x: Tensor) -> Tensor:
        if any(self._margins):
            x = pad(x, self._margins, "reflect")
        return conv1d(x, self.weight, self.bias, dilation=self._dilation)


def speaker_mel(samples: Tensor) -> Tensor:
    """Natural logarithm of mel magnitudes.

    Args:
        samples: float32 [n], 24 kHz, at least 385 samples; mirrored by 384 at each end.

    Returns:
        float32 [128, frames], a frame for each 256 samples.
    """
    window, bank = _constants(samples.device)
    margin = (_FFT - _HOP) // 2
    padded = pad(samples[None], (margin, margin), "reflect")[0]
    spectrum = torch.fft.rfft(padded.unfold(0, _FFT, _HOP) * window)
    magnitude = (spectrum.real.square() + spectrum.imag.square() + _LEAST_POWER).sqrt()
    return (bank @ magnitude.T).clamp(min=_LEAST_MEL).log()


@cache
def _constants(device: torch.device) -> tuple[Tensor, Tensor]:
    """Periodic Hann window [1024] and mel bank [128, 513]."""
    bank = torch.from_numpy(mel_bank(_MEL_BINS, _FFT, SAMPLE_RATE_HZ))
    return torch.hann_window(_FFT, device=device), bank.to(device)


def _moments(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and standard deviation over time: [1, channels, 1] each."""
    mean = (weights * x).sum(dim=2, keepdim=True)
    variance = (weights * (x - mean).square()).sum(dim=2, keepdim=True)
    return mean, variance.clamp(min=_LEAST_VARIANCE).sqrt()
