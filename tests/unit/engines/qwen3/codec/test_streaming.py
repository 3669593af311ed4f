"""The codec decoder goes on where it stopped: any chunking and any company give what one decode of the whole gives."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from speech_service.engines.qwen3.codec.shapes import CodecDecoderShape, CodecEncoderShape
from speech_service.engines.qwen3.codec.streams import CodecStreams
from tests.unit.engines.qwen3.codec.decoding import Decoders, whole
from tests.unit.engines.qwen3.codec.visits import Visits

CODES = 2048
FRAME = 1920
# In float64 the two differ by rounding only; float32 has the noise of a random network on top.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


def codes(frames: int, seed: int = 0) -> Tensor:
    return torch.randint(0, CODES, (frames, 16), generator=torch.Generator().manual_seed(seed))


def chunks(length: int, chance: random.Random) -> list[int]:
    """Lengths that add up, among them single frames and some longer than the attention window."""
    lengths: list[int] = []
    while (rest := length - sum(lengths)) > 0:
        lengths.append(min(rest, chance.choice([1, 1, 2, 3, 4, 8, 20, 80])))
    return lengths


@torch.inference_mode()
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("seed", range(4))
def test_any_chunking_equals_one_decode(decoders: Decoders, dtype: torch.dtype, seed: int) -> None:
    decoder = decoders(dtype)
    frames = codes(120, seed)
    streams = CodecStreams(decoder, 1)
    slot = streams.open()
    lengths = chunks(len(frames), random.Random(seed))
    samples = torch.cat([streams.decode({slot: part})[slot] for part in frames.split(lengths)])
    expected = whole(decoder, frames)
    assert samples.shape == (len(frames) * FRAME,)
    assert expected.std() > 0.01
    assert float((samples - expected).abs().max()) <= TOLERANCE[dtype]


@torch.inference_mode()
def test_streams_that_come_and_go_do_not_hear_each_other(decoders: Decoders) -> None:
    decoder, chance = decoders(torch.float64), random.Random(7)
    streams = CodecStreams(decoder, 4)
    waiting = [codes(chance.randint(3, 16), seed) for seed in range(9)]
    expected = [whole(decoder, frames) for frames in waiting]
    visits = Visits(streams, waiting, 5, chance)
    while not visits.are_over:
        due = visits.due()
        for slot, samples in streams.decode(due).items():
            visits.hear(slot, samples)
            visits.go_on(slot, len(due[slot]))
    assert streams.free_slots == 4
    for number, samples in visits.heard.items():
        assert float((torch.cat(samples) - expected[number]).abs().max()) <= 1e-12


@torch.inference_mode()
def test_a_snapshot_is_gone_on_from_again_and_again(decoders: Decoders) -> None:
    decoder = decoders(torch.float64)
    frames = codes(100)
    expected = whole(decoder, frames)[80 * FRAME :]
    streams = CodecStreams(decoder, 2)
    slot = streams.open()
    streams.decode({slot: frames[:80]})
    snapshot = streams.snapshot(slot)
    streams.decode({slot: codes(30, seed=9)})
    streams.close(slot)
    for _ in range(2):
        slot = streams.open(snapshot)
        samples = streams.decode({slot: frames[80:]})[slot]
        assert float((samples - expected).abs().max()) <= 1e-12


@torch.inference_mode()
def test_the_future_does_not_change_the_past(decoders: Decoders) -> None:
    decoder = decoders(torch.float64)
    frames = codes(12)
    changed = torch.cat([frames[:8], codes(4, seed=5)])
    one, other = whole(decoder, frames), whole(decoder, changed)
    torch.testing.assert_close(one[: 8 * FRAME], other[: 8 * FRAME], rtol=0, atol=0)
    assert not torch.equal(one[8 * FRAME :], other[8 * FRAME :])


def test_slots_are_counted(decoders: Decoders) -> None:
    streams = CodecStreams(decoders(torch.float32), 2)
    one, two = streams.open(), streams.open()
    assert streams.free_slots == 0
    with pytest.raises(IndexError):
        streams.open()
    streams.close(one)
    with pytest.raises(ValueError, match="not taken"):
        streams.close(one)
    assert streams.open() == one
    assert two != one


@pytest.mark.parametrize(
    ("shape", "change"),
    [
        (CodecDecoderShape.from_config, {"hidden_act": "gelu"}),
        (CodecDecoderShape.from_config, {"attention_bias": True}),
        (lambda config: CodecEncoderShape.from_config(config, 16), {"use_causal_conv": False}),
        (lambda config: CodecEncoderShape.from_config(config, 16), {"pad_mode": "reflect"}),
        (lambda config: CodecEncoderShape.from_config(config, 16), {"use_conv_shortcut": True}),
    ],
)
def test_another_network_is_refused(shape: Callable[[Any], object], change: dict[str, Any]) -> None:
    shape({})
    with pytest.raises(ValueError, match=next(iter(change))):
        shape(change)


def test_what_a_configuration_leaves_out_is_the_releases() -> None:
    decoder = CodecDecoderShape.from_config({})
    assert (decoder.frame_samples, decoder.window_frames, decoder.head_dim) == (1920, 72, 64)
    assert CodecEncoderShape.from_config({}, 16).rates == (4, 5, 6, 8)
