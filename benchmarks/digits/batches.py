"""From strings of digits to the tensors that the networks take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.digits import SAMPLE_RATE_HZ
from benchmarks.digits.mixing import DigitString, Mixer
from benchmarks.digits.model import Heard
from benchmarks.digits.tokens import CONTEXT_WORDS, Example, Prompter
from speech_service.engines.qwen3.encoder.mel import MelFloor, log_mel
from speech_service.engines.qwen3.encoder.network import MelWindow, stack_windows
from speech_service.engines.qwen3.nn.shapes import AudioShape

IGNORED = -100
_POOL_BATCHES = 8
"""Batches that are made together: strings of like lengths share one."""
_WITH_CONTEXT = 0.15
_WITH_LANGUAGE = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Strings to learn from.

    Attributes:
        heard: audio and tokens.
        labels: int64 [rows, n]: the token that follows, where it is to be learnt, else ``IGNORED``.
        states: int64 [rows], encoder states of each row.
        digits: per row, the digits in order.
        audio_s: length of the audio.
    """

    heard: Heard
    labels: Tensor
    states: Tensor
    digits: tuple[tuple[int, ...], ...]
    audio_s: float


def features(samples: np.ndarray, shape: AudioShape, floor: MelFloor) -> Tensor:
    """Network input of a clip: float32 [bins, frames]."""
    return log_mel(torch.from_numpy(samples), shape.mel_bins, shape.window_frames, floor)


def heard_of(
    mels: Sequence[Tensor], examples: Sequence[Example], prompter: Prompter, shape: AudioShape
) -> Heard:
    """Put clips and their prompts together.

    Args:
        mels: each float [bins, frames].
        examples: of the same length; each prompt has as many audio tokens as its clip has states.
        prompter: knows the special tokens.
        shape: the encoder's.
    """
    windows = [
        MelWindow(window, is_clip=mel.shape[1] <= shape.window_frames)
        for mel in mels
        for window in mel.split(shape.window_frames, dim=1)
    ]
    mel, tokens, conv_frames = stack_windows(windows, shape)
    length = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), length), prompter.padding)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
    return Heard(mel, tokens, conv_frames, ids, is_audio=ids == prompter.audio_pad)


class Batches:
    """Endless training batches; the same seed makes the same ones."""

    def __init__(
        self, mixer: Mixer, prompter: Prompter, shape: AudioShape, audio_s: float, seed: int
    ) -> None:
        """Make batches of about ``audio_s`` seconds of audio."""
        self._mixer = mixer
        self._prompter = prompter
        self._shape = shape
        self._audio_s = audio_s
        self._rng = np.random.default_rng(seed)

    def pool(self, most_digits: int) -> Iterator[Batch]:
        """Some batches of strings of up to ``most_digits`` digits, in random order."""
        wanted = self._audio_s * _POOL_BATCHES * SAMPLE_RATE_HZ
        strings: list[DigitString] = []
        while wanted > 0:
            strings.append(self._mixer.string(most_digits))
            wanted -= len(strings[-1].samples)
        strings.sort(key=lambda string: len(string.samples))
        groups: list[list[DigitString]] = [[]]
        for string in strings:
            padded = len(string.samples) * (len(groups[-1]) + 1)
            if groups[-1] and padded > self._audio_s * SAMPLE_RATE_HZ:
                groups.append([])
            groups[-1].append(string)
        for index in self._rng.permutation(len(groups)):
            yield self._batch(groups[int(index)])

    def _batch(self, strings: Sequence[DigitString]) -> Batch:
        mels = [self._varied(string) for string in strings]
        examples = [
            self._example(string, self._shape.tokens(mel.shape[1]))
            for string, mel in zip(strings, mels, strict=True)
        ]
        heard = heard_of(mels, examples, self._prompter, self._shape)
        labels = torch.full_like(heard.ids, IGNORED)
        for row, example in enumerate(examples):
            first, end = len(example.ids) - example.learnt, len(example.ids)
            labels[row, first - 1 : end - 1] = heard.ids[row, first:end]
        return Batch(
            heard=heard,
            labels=labels,
            states=heard.is_audio.sum(dim=1),
            digits=tuple(tuple(each.digit for each in string.digits) for string in strings),
            audio_s=sum(len(string.samples) for string in strings) / SAMPLE_RATE_HZ,
        )

    def _example(self, string: DigitString, audio_tokens: int) -> Example:
        rng = self._rng
        language = "English" if rng.random() < _WITH_LANGUAGE else ""
        context = ""
        if rng.random() < _WITH_CONTEXT:
            context = " ".join(rng.choice(CONTEXT_WORDS, int(rng.integers(1, 4))).tolist())
        return self._prompter.example(audio_tokens, string.text, context, language)

    def _varied(self, string: DigitString) -> Tensor:
        """Features under either floor policy, warped in frequency, with bands and moments blotted out."""
        rng = self._rng
        floor = MelFloor.PREFIX if rng.random() < 0.5 else MelFloor.CLIP
        mel = _warped(features(string.samples, self._shape, floor), float(rng.uniform(0.88, 1.12)))
        bins, frames = mel.shape
        quiet = float(mel.min())
        for _ in range(int(rng.integers(0, 3))):
            height = int(rng.integers(1, 20))
            low = int(rng.integers(0, bins - height))
            mel[low : low + height] = quiet
        for _ in range(int(rng.integers(0, 1 + frames // 100))):
            width = int(rng.integers(1, 7))
            start = int(rng.integers(0, max(1, frames - width)))
            mel[:, start : start + width] = quiet
        return mel


def _warped(mel: Tensor, factor: float) -> Tensor:
    """Stretch the frequency axis, as a longer or shorter vocal tract would (Jaitly and Hinton 2013)."""
    bins = mel.shape[0]
    places = (torch.arange(bins) * factor).clamp(max=bins - 1)
    low = places.long().clamp(max=bins - 2)
    share = (places - low)[:, None]
    return mel[low] * (1 - share) + mel[low + 1] * share
