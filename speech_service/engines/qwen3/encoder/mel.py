"""Log-mel features of 16 kHz speech, as Whisper's extractor makes them (Radford et al. 2022), frame by frame.

A raw frame (log10 of mel power) depends on 400 samples around it and on nothing else. The extractor then lifts all
frames to at least the loudest value of the whole clip minus 8, so one loud sound changes frames long gone. That is
the clip policy. Under the prefix policy each window takes the loudest value up to its own end: windows that are
full never change again, which makes caching them exact, and up to one window the two policies are the same.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from enum import Enum
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_service.domain.audio import Samples

SAMPLE_RATE_HZ = 16_000
HOP = 160
"""Samples from one frame to the next: 10 ms."""
_FFT = 400
_HALF = _FFT // 2
_RANGE = 8.0
_LEAST_POWER = 1e-10
_FRAMES_BETWEEN = 2
"""Frames of packed audio that reach over the end of a piece."""


class MelFloor(Enum):
    """From where on the loudest value counts; see the module's text."""

    PREFIX = "prefix"
    CLIP = "clip"


def frame_count(samples: int) -> int:
    """Frames of a clip."""
    return samples // HOP


def settled_frames(samples: int) -> int:
    """Frames that further samples can no longer change."""
    return max(0, (samples - _HALF) // HOP + 1)


def raw_frames(samples: Tensor, bins: int, first: int = 0, last: int | None = None) -> Tensor:
    """Raw frames ``first`` to ``last`` of a clip, mirrored at its ends.

    Args:
        samples: float32 [n], 16 kHz; n is at least 201.
        bins: mel bands.
        first: index of the first frame.
        last: index behind the last frame; None: the clip's end.

    Returns:
        float32 [bins, last - first], log10 of mel power, at least -10.
    """
    end = frame_count(len(samples)) if last is None else last
    if end <= first:
        return samples.new_zeros(bins, 0)
    begin, stop = first * HOP - _HALF, (end - 1) * HOP + _HALF
    piece = samples[max(0, begin) : stop]
    if begin < 0:
        piece = torch.cat([samples[1 : 1 - begin].flip(0), piece])
    if stop > len(samples):
        missing = stop - len(samples)
        piece = torch.cat([piece, samples[-1 - missing : -1].flip(0)])
    return packed_frames(piece, bins).T


def packed_frames(audio: Tensor, bins: int) -> Tensor:
    """Raw frames of pieces of audio that lie one behind the other, each as :func:`frame_audio` made it.

    Args:
        audio: float32 [n], on any device.
        bins: mel bands.

    Returns:
        float32 [frames, bins], as :func:`raw_frames`, one every ``HOP`` samples; those that reach over the end of a
        piece are meaningless.
    """
    window, bank = _constants(bins, audio.device)
    spectrum = torch.fft.rfft(audio.unfold(0, _FFT, HOP) * window)
    power = spectrum.real.square() + spectrum.imag.square()
    return (bank @ power.T).clamp(min=_LEAST_POWER).log10().T


def frame_audio(samples: Samples, first: int, last: int) -> Samples:
    """The audio of frames ``first`` to ``last`` of a clip of at least 201 samples, mirrored at its ends.

    Returns:
        float32 [(last - first + 2) * HOP]: with some silence behind it, pieces begin at a frame each.
    """
    begin, stop = first * HOP - _HALF, (last - 1) * HOP + _HALF
    audio = np.zeros((last - first + _FRAMES_BETWEEN) * HOP, np.float32)
    mirrored = samples[1 : 1 - begin][::-1] if begin < 0 else samples[:0]
    inside = samples[max(0, begin) : stop]
    missing = max(0, stop - len(samples))
    behind = samples[-1 - missing : -1][::-1] if missing else samples[:0]
    whole = np.concatenate([mirrored, inside, behind])
    audio[: len(whole)] = whole
    return audio


def lifted(raw: Tensor, loudest: Tensor | float) -> Tensor:
    """Network input of raw frames whose loudest relevant value is ``loudest``; shape kept."""
    return (torch.clamp(raw, min=loudest - _RANGE) + 4.0) / 4.0


def log_mel(samples: Tensor, bins: int, window_frames: int, floor: MelFloor) -> Tensor:
    """Network input of a whole clip: float32 [bins, frames].

    Args:
        samples: float32 [n]; n is at least 201.
        bins: mel bands.
        window_frames: frames of one encoder window.
        floor: the policy.
    """
    raw = raw_frames(samples, bins)
    if floor is MelFloor.CLIP:
        return lifted(raw, raw.max())
    windows = raw.split(window_frames, dim=1)
    loudest = torch.stack([window.max() for window in windows]).cummax(0).values
    return torch.cat([lifted(w, top) for w, top in zip(windows, loudest, strict=True)], dim=1)


@cache
def _constants(bins: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Periodic Hann window [400] and mel bank [bins, 201]."""
    window = torch.hann_window(_FFT, periodic=True, dtype=torch.float64)
    bank = torch.from_numpy(mel_bank(bins, _FFT, SAMPLE_RATE_HZ))
    return window.float().to(device), bank.to(device)


def mel_bank(bins: int, fft: int, sample_rate_hz: int) -> NDArray[np.float32]:
    """Triangular filters on Slaney's mel scale (Auditory Toolbox, 1998), each of unit area.

    Args:
        bins: how many, spread from 0 to half the sample rate.
        fft: length of the transform that they are laid on.
        sample_rate_hz: of the samples.

    Returns:
        float32 [bins, fft // 2 + 1].
    """
    edges_hz = _to_hz(np.linspace(0.0, _to_mel(sample_rate_hz / 2), bins + 2))
    places_hz = np.linspace(0.0, sample_rate_hz / 2, fft // 2 + 1)
    rise = (places_hz - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    fall = (edges_hz[2:, None] - places_hz) / np.diff(edges_hz)[1:, None]
    area = 2.0 / (edges_hz[2:] - edges_hz[:-2])
    return (np.maximum(0.0, np.minimum(rise, fall)) * area[:, None]).astype(np.float32)


_LINEAR_HZ = 200.0 / 3
"""Below 1 kHz one mel is so many hertz; above, 27 mels are a factor of 6.4."""
_BREAK_HZ = 1000.0
_LOG_STEP = math.log(6.4) / 27


def _to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ
    return _BREAK_HZ / _LINEAR_HZ + math.log(hz / _BREAK_HZ) / _LOG_STEP


def _to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    break_mel = _BREAK_HZ / _LINEAR_HZ
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mel - break_mel))
    return np.where(mel < break_mel, mel * _LINEAR_HZ, above)
