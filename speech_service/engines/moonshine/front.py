"""The first two convolutions, over growing audio: what they made of settled audio is kept and not computed again.

Moonshine evens out the loudness of the whole clip between the first convolution and the second: ``y = (x - mean) /
deviation`` over all channels and frames, then a scale and a shift for each channel. The mean changes with every new
sample, so ``y`` cannot be kept. But the second convolution is linear: with the channel scales folded into its weights,
``conv2(y) = conv2(x) / deviation + shift``, and ``conv2(x)`` of a frame depends on the 1 kB of audio below it alone.
That is a third of the encoder's work, most of which partial results would do again every half second. Neither
convolution has a bias before the shift: silence gives zeros, which need no computing.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from speech_service.domain.audio import Samples
from speech_service.engines.formats.onnx import FLOAT, GraphBuilder
from speech_service.engines.formats.ort import OrtFile

WIDTH = 288
_HOP_1, _KERNEL_1 = 64, 127
_HOP_2, _KERNEL_2 = 3, 7
_REACH = _KERNEL_1 + _HOP_1 * (_KERNEL_2 - 1)
"""Samples below one frame."""
_EPSILON = 1e-5
_SCALE, _SHIFT = "onnx::Mul_2080", "onnx::Add_2081"
"""Of the channels of the first convolution."""


def front_graph(encoder: OrtFile) -> bytes:
    """From audio to frames that are not evened out yet.

    Input ``samples`` float32 [1, 1, n]; outputs ``sound`` float32 [1, 288, s], s = 250 per second, and ``frames``
    float32 [1, 576, f], f = 83 per second.
    """
    build = GraphBuilder(encoder.tensors)
    samples = build.input("samples", FLOAT, (1, 1, "samples"))
    first = build.node("Conv", [samples, "conv1.weight_add_tensor"], ["conv1"], strides=[_HOP_1])
    sound = build.node("Tanh", [first], ["sound"])
    weights = build.constant("weights", _folded_weights(encoder))
    build.node("Conv", [sound, weights], ["frames"], strides=[_HOP_2])
    build.output("sound", FLOAT, (1, WIDTH, "sound"))
    build.output("frames", FLOAT, (1, 2 * WIDTH, "frames"))
    return build.model()


@dataclass(frozen=True, slots=True)
class SettledFrames:
    """Frames of audio that will not change, whatever follows it. Immutable: several results may grow from it."""

    frames: Samples
    """float32 [576, f]."""
    first: int = 0
    """Frames before ``frames``, which nobody needs any more."""
    total: float = 0.0
    """Sum over the values of the first convolution that all frames leave behind; ``squares``: of their squares."""
    squares: float = 0.0

    @property
    def end(self) -> int:
        """Frames that are settled, those that nobody needs included."""
        return self.first + self.frames.shape[1]

    def since(self, first: int) -> "SettledFrames":
        """Without the frames before ``first``."""
        return replace(self, frames=self.frames[:, first - self.first :], first=first)


NO_FRAMES = SettledFrames(np.zeros((2 * WIDTH, 0), np.float32))


@dataclass(frozen=True, slots=True)
class Front:
    """Inputs of the encoder's graph."""

    frames: Samples
    """float32 [1, 576, f], on from ``SettledFrames.first``."""
    scale: Samples
    """float32 [1]: one over the deviation."""
    shift: Samples
    """float32 [1, 576, 1]."""


class FrontNetwork:
    """Runs the front's graph; any number of threads may, at the same time."""

    def __init__(self, session: Any, encoder: OrtFile) -> None:
        """``session``: onnxruntime's, of ``front_graph(encoder)``."""
        self._session = session
        weights, folded = _array(encoder, "conv2.weight_add_tensor"), _folded_weights(encoder)
        shifted = (weights * _array(encoder, _SHIFT).reshape(1, WIDTH, 1)).sum(axis=(1, 2))
        self._still = shifted + _array(encoder, "conv2.bias")
        self._of_mean = folded.sum(axis=(1, 2))

    def hear(
        self, samples: Samples, before: int, after: int, settled: SettledFrames = NO_FRAMES
    ) -> tuple[Front, SettledFrames]:
        """Run over what ``settled`` does not cover. All of ``samples`` is settled then, the silence behind is not.

        Args:
            samples: the clip so far, float32 [n], its beginning the audio that ``settled`` came from.
            before: so many samples of silence before it.
            after: and behind it.
            settled: of an earlier call with the same silence before.

        Returns:
            The front of the whole clip, and what a later call may take for ``settled``.
        """
        end, known = before + len(samples), settled.end
        sound, fresh = self._convolve(samples, before, after, known)
        count, heard = frame_count(end + after), known + fresh.shape[1]
        frames = np.zeros((2 * WIDTH, count - settled.first), np.float32)
        frames[:, : known - settled.first] = settled.frames
        frames[:, known - settled.first : heard - settled.first] = fresh
        keep = max(known, frame_count(end))
        left_behind = _HOP_2 * (keep - known)
        total, squares = _sums(sound[:, :left_behind])
        kept = SettledFrames(
            frames[:, : keep - settled.first],
            settled.first,
            settled.total + total,
            settled.squares + squares,
        )
        total, squares = _sums(sound[:, left_behind:])
        values = WIDTH * _sound_count(end + after)
        mean = (kept.total + total) / values
        scale = 1 / np.sqrt((kept.squares + squares) / values - mean**2 + _EPSILON)
        shift = (self._still - mean * scale * self._of_mean).astype(np.float32)
        front = Front(
            frames[np.newaxis], np.array([scale], np.float32), shift[np.newaxis, :, np.newaxis]
        )
        return front, kept

    def _convolve(
        self, samples: Samples, before: int, after: int, known: int
    ) -> tuple[Samples, Samples]:
        """Values of both convolutions on from frame ``known``; both are zero where they hear nothing but silence."""
        begin, end = known * _HOP_2 * _HOP_1, before + len(samples)
        stop = end + min(after, _REACH)
        rest = np.zeros(max(stop - begin, _REACH), np.float32)
        if begin < before:
            rest[before - begin : end - begin] = samples
        else:
            rest[: end - begin] = samples[begin - before :]
        outputs = self._session.run(["sound", "frames"], {"samples": rest[np.newaxis, np.newaxis]})
        sound: Samples = outputs[0][0, :, : _sound_count(stop) - _HOP_2 * known]
        return sound, outputs[1][0, :, : frame_count(stop) - known]


def frame_count(samples: int) -> int:
    """Frames that lie in so many samples as a whole."""
    return max(0, (_sound_count(samples) - _KERNEL_2) // _HOP_2 + 1)


def _sound_count(samples: int) -> int:
    return (samples - _KERNEL_1) // _HOP_1 + 1


def _sums(values: Samples) -> tuple[float, float]:
    return float(values.sum(dtype=np.float64)), float(np.square(values).sum(dtype=np.float64))


def _folded_weights(encoder: OrtFile) -> Samples:
    """The second convolution's, with the channel scales before it: float32 [576, 288, 7]."""
    scales = _array(encoder, _SCALE).reshape(1, WIDTH, 1)
    return (_array(encoder, "conv2.weight_add_tensor") * scales).astype(np.float32)


def _array(encoder: OrtFile, name: str) -> Samples:
    tensor = encoder.tensors[name]
    return np.frombuffer(tensor.data, np.float32).reshape(tensor.shape)
