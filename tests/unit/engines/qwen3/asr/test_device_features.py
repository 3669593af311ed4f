"""Features made in one go for many segments are those of each segment alone."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from speech_service.domain.audio import Samples
from speech_service.engines.qwen3.asr.device_features import DeviceMel
from speech_service.engines.qwen3.asr.features import Features, PrefixFeatures
from speech_service.engines.qwen3.nn.shapes import AudioShape
from speech_service.engines.runtimes.torch import HOST
from tests.qwen_tiny.audio import speech_like
from tests.unit.engines.qwen3.launches import META, Launches

SHAPE = AudioShape(128, 64, 128, 2, 4, 16, 48, 100, 800)
SECONDS = (0.01, 0.5, 2.0, 7.995, 8.0, 8.01, 16.0, 17.3)
"""Lengths of clips: shorter than a frame, about a window, and of several."""


def alike(found: Features, expected: Features) -> None:
    for mine, wanted in ((found.closed, expected.closed), (found.open, expected.open)):
        assert [window.is_clip for window in mine] == [window.is_clip for window in wanted]
        for one, other in zip(mine, wanted, strict=True):
            torch.testing.assert_close(one.mel, other.mel, rtol=0, atol=1e-5)


def grown(sounds: Sequence[Samples], ends: Sequence[Sequence[float]]) -> None:
    """Let segments grow together, and each alone, and compare."""
    maker = DeviceMel(SHAPE, HOST)
    together = [maker.begin() for _ in sounds]
    alone = [PrefixFeatures(SHAPE) for _ in sounds]
    for steps in ends:
        clips = [s[: int(end * 16_000)] for s, end in zip(sounds, steps, strict=True)]
        found = maker.grow(together, clips)
        for segment, clip, features in zip(alone, clips, found, strict=True):
            alike(features, segment.grow(clip))


@torch.inference_mode()
def test_segments_of_all_lengths_in_one_batch() -> None:
    grown([speech_like(seed, 18.0) for seed in range(len(SECONDS))], [SECONDS])


@torch.inference_mode()
def test_segments_that_grow_by_all_steps() -> None:
    """The same audio twice among them; a loud sound comes late, after windows are closed."""
    rising = speech_like(1, 20.0) * np.linspace(0.01, 1.0, 320_000, dtype=np.float32)
    sounds = [rising, speech_like(2, 20.0), rising[::-1].copy()]
    steps = [
        (0.3, 1.0, 7.9),
        (0.3, 8.6, 8.0),
        (2.0, 8.7, 8.02),
        (9.0, 8.7, 15.99),
        (17.0, 19.9, 16.01),
        (19.0, 19.9, 20.0),
    ]
    grown(sounds, steps)


@torch.inference_mode()
def test_a_segment_alone() -> None:
    sound = speech_like(5, 9.0)
    segment, other = DeviceMel(SHAPE, HOST).begin(), PrefixFeatures(SHAPE)
    for end in (16_000, 16_000, 144_000):
        alike(segment.grow(sound[:end]), other.grow(sound[:end]))


class _Meta:
    """Shapes alone."""

    where = META
    stage = staticmethod(lambda tensor: tensor.to(META))


@torch.inference_mode()
@pytest.mark.parametrize("segments", [1, 64])
def test_how_many_kernels_run_hardly_depends_on_how_many_segments_there_are(segments: int) -> None:
    maker = DeviceMel(SHAPE, _Meta())  # pyright: ignore[reportArgumentType]
    together = [maker.begin() for _ in range(segments)]
    sound = speech_like(1, 4.0)
    maker.grow(together, [sound[:32_000]] * segments)
    with Launches() as seen:
        maker.grow(together, [sound] * segments)
    print(f"\nmel of {segments} updates: {seen.total} kernels")
    assert seen.total <= 40 + segments  # what is kept of each is a copy of its own
