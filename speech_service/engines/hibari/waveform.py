"""The network's spectra to samples, slice by slice: the first sound does not wait for the processing of the rest.

The formula is hibari's (``hibari.dsp.synth``), whose parts are used as they are:

    S = exp(lh) exp(i pi tanh(theta)) STFT(pulses(f0)) + exp(ln) Z + exp(lr) exp(i phi),  wave = ISTFT(S)

A frame of S depends on its own frame of the spectra alone, and a sample on the four frames around it, so slices joined
are the whole. The noise Z is drawn frame after frame for the same reason: how a text is sliced does not change it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import hibari.dsp  # pyright: ignore[reportMissingTypeStubs]
import numpy as np
from numpy.typing import NDArray

from speech_service.domain.audio import Samples

_dsp = cast(Any, hibari.dsp)
"""Not annotated."""

HOP_SAMPLES: int = _dsp.HOP
"""Samples of one frame of the spectra: 12.5 ms at 24 kHz."""
_BEFORE, _AFTER = 1, 2
"""Frames before and after its own that a frame's samples are made of: the window is four frames long."""
_HALF_TURN = np.float32(np.pi)
_REACH = 2
"""Frames on either side that a frame's window reaches into the excitation."""

Spectrum = NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class Spectra:
    """What the network predicts: float32 [601, F] each, but for ``f0_hz``: float32 [F]."""

    harmonic: Samples
    """Log magnitude of the voiced part; ``turn`` is its phase against the pulses, before tanh."""
    turn: Samples
    noise: Samples
    """Log magnitude of the breath."""
    free: Samples
    """Log magnitude of what is neither; ``phase`` is its phase in radians."""
    phase: Samples
    f0_hz: Samples

    @property
    def frames(self) -> int:
        """F."""
        return len(self.f0_hz)


def waveform(
    spectra: Spectra, noise: np.random.Generator, ends: Sequence[int]
) -> Iterator[Samples]:
    """Samples of the slices, each computed when it is asked for.

    Args:
        spectra: of one piece of text.
        noise: where the breath comes from; its state moves on by as much as was computed.
        ends: frames at which slices end, rising; the last is ``spectra.frames``.

    Yields:
        float32 [n] in [-1, 1] at 24 kHz, the caller's own.
    """
    pulses = _dsp.pulses(spectra.f0_hz)
    held: Spectrum = np.zeros((len(spectra.noise), 0), np.complex64)
    held_from = ready = played = 0
    for end in ends:
        needed = min(end + _AFTER, spectra.frames)
        held = np.concatenate([held, _spectrum(spectra, pulses, ready, needed, noise)], axis=1)
        ready = needed
        samples = _dsp.ola(held)[
            (played - held_from) * HOP_SAMPLES : (end - held_from) * HOP_SAMPLES
        ]
        # What the library returns is a view into its own buffer.
        yield np.clip(samples, -1.0, 1.0).astype(np.float32, copy=True)
        played, keep_from = end, max(0, end - _BEFORE)
        held, held_from = held[:, keep_from - held_from :], keep_from


def _spectrum(
    spectra: Spectra, pulses: Samples, begin: int, end: int, noise: np.random.Generator
) -> Spectrum:
    """Complex spectrum of the frames from ``begin`` to ``end``: complex64 [601, n]."""
    if begin == end:
        return np.zeros((len(spectra.noise), 0), np.complex64)
    here = slice(begin, end)
    voiced = _excitation(pulses, begin, end, spectra.frames)
    voiced *= _polar(spectra.harmonic[:, here], _HALF_TURN * np.tanh(spectra.turn[:, here]))
    breath = noise.standard_normal((end - begin, 2 * len(spectra.noise)), np.float32)
    voiced += breath.view(np.complex64).T * _dsp.ex(spectra.noise[:, here])
    voiced += _polar(spectra.free[:, here], spectra.phase[:, here])
    return voiced


def _excitation(pulses: Samples, begin: int, end: int, frames: int) -> Spectrum:
    """Frames of the excitation's STFT. A margin keeps the ends of what is transformed out of them."""
    first, last = max(0, begin - _REACH), min(frames, end + _REACH)
    part = pulses[first * HOP_SAMPLES : last * HOP_SAMPLES]
    return _dsp.stft(part, last - first)[:, begin - first : end - first]


def _polar(log_magnitude: Samples, phase: Samples) -> Spectrum:
    out = np.empty(phase.shape, np.complex64)
    np.cos(phase, out=out.real)
    np.sin(phase, out=out.imag)
    out *= _dsp.ex(log_magnitude)
    return out
