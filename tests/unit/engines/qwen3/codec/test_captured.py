"""Captured passes of the codec, replayed on an acted device on a stream of their own, sound like one eager decode."""

import copy
import gc
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from speech_service.engines.qwen3.codec.streams import (
    CodecCapture,
    CodecStreams,
    pass_sizes,
    plan_passes,
)
from speech_service.engines.runtimes import torch as devices
from speech_service.engines.runtimes.torch import Body, Cuda, Graphs
from tests.fake_cuda import FakeCuda
from tests.fake_streams import StreamOrder
from tests.unit.engines.qwen3.codec.decoding import Decoders, whole
from tests.unit.engines.qwen3.codec.visits import Visits

HERE = torch.device("cpu")
CODES, CODEBOOKS, FRAME = 2048, 16, 1920
LONGEST = 4


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCuda]:
    """Give an acted device."""
    monkeypatch.setattr(devices, "_STREAMS", devices._Streams())
    yield FakeCuda().install(monkeypatch)
    gc.collect()


def codes(frames: int, seed: int) -> Tensor:
    return torch.randint(0, CODES, (frames, 16), generator=torch.Generator().manual_seed(seed))


def captured(decoder: Any, slots: int, talker: Cuda) -> CodecStreams:
    """Give streams whose passes are captured on another stream than the talker's."""
    device = talker.beside()
    capture = CodecCapture(device.graphs(), CODEBOOKS, LONGEST)
    return CodecStreams(decoder, slots, device, capture)


@torch.inference_mode()
@pytest.mark.parametrize(("is_frozen", "within"), [(False, 1e-12), (True, 1e-5)])
def test_replayed_streams_that_come_and_go_sound_like_one_eager_decode(
    cuda: FakeCuda, decoders: Decoders, is_frozen: bool, within: float
) -> None:
    """Codes are made on the talker's stream and let go of at once, as those of frames are."""
    decoder, chance, talker = decoders(torch.float64), random.Random(7), Cuda(HERE)
    waiting = [codes(chance.choice([3, 5, 9, 21]), seed) for seed in range(7)]
    expected = [whole(decoder, frames) for frames in waiting]
    if is_frozen:  # as a GPU computes it, with the functions that its kernels are compared with
        decoder = copy.deepcopy(decoder)
        decoder.freeze()
    with StreamOrder(cuda) as order, talker.stream():
        streams = captured(decoder, 3, talker)
        before = [what for what, _, _ in cuda.journal].count("capture")
        visits = Visits(streams, waiting, 7, chance)
        while not visits.are_over:
            due = {slot: [frame + 0 for frame in rest] for slot, rest in visits.due().items()}
            passes = streams.begin(due)
            lengths = {slot: len(frames) for slot, frames in due.items()}
            del due
            for each in passes:
                for slot, row in zip(each.slots, each.samples.here(), strict=False):
                    visits.hear(slot, row.clone())
            for slot, length in lengths.items():
                visits.go_on(slot, length)
        order.look_for_lost()
    assert streams.free_slots == 3
    for number, samples in visits.heard.items():
        assert float((torch.cat(samples) - expected[number]).abs().max()) <= within
    done = Counter(what for what, _, _ in cuda.journal)
    assert done["capture"] == before == len(sizes_of(3)), "nothing is captured while it serves"
    assert done["replay"] > 10
    (own,) = cuda.streams("replay")
    assert cuda.streams("capture") == {own}
    with talker.stream():
        assert own != torch.cuda.current_stream().cuda_stream
    assert order.crossings, "codes come from the talker's stream"


@torch.inference_mode()
def test_a_decoder_as_a_gpu_computes_it_gives_what_the_module_gives(decoders: Decoders) -> None:
    decoder = decoders(torch.float32)
    frames = codes(90, seed=5)
    frozen = copy.deepcopy(decoder)
    frozen.freeze()
    streams = CodecStreams(frozen, 1)
    slot = streams.open()
    samples = torch.cat([streams.decode({slot: part})[slot] for part in frames.split([1, 9, 80])])
    assert float((samples - whole(decoder, frames)).abs().max()) <= 1e-5


@torch.inference_mode()
def test_a_recording_of_any_length_is_gone_on_from(cuda: FakeCuda, decoders: Decoders) -> None:
    decoder, talker = decoders(torch.float64), Cuda(HERE)
    frames = codes(87, seed=3)
    with StreamOrder(cuda), talker.stream():
        streams = captured(decoder, 2, talker)
        slot = streams.open()
        streams.begin({slot: frames[:77]})
        snapshot = streams.snapshot(slot)
        streams.close(slot)
        again = streams.open(snapshot)
        samples = streams.decode({again: frames[77:]})[again]
    assert float((samples - whole(decoder, frames)[77 * FRAME :]).abs().max()) <= 1e-12


@torch.inference_mode()
def test_the_largest_pass_is_captured_first(
    cuda: FakeCuda, decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    capture = Graphs.__call__

    def noted(self: Graphs, body: Body, examples: Sequence[Tensor]) -> Body:
        sizes.append(examples[0].numel())
        return capture(self, body, examples)

    monkeypatch.setattr(Graphs, "__call__", noted)
    captured(decoders(torch.float32), 3, Cuda(HERE))
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == len(sizes_of(3))


def sizes_of(slots: int) -> list[tuple[int, int]]:
    return [(f, rows) for f, counts in pass_sizes(slots, LONGEST).items() for rows in counts]


def test_as_many_passes_are_captured_as_streams_and_chunks_can_need() -> None:
    assert pass_sizes(9, 8) == {
        **dict.fromkeys((1, 2, 4, 8), (1, 2, 4, 8, 9)),
        **dict.fromkeys((16, 32, 64), (1,)),
    }
    many = pass_sizes(1000, 24)
    assert max(many[8]) == 64
    assert max(many[16]) == 32
    assert max(many[24]) == 21
    assert many[32] == (1,)


def test_first_chunks_go_first_and_in_front_where_a_pass_is_full() -> None:
    sizes = {1: (1, 2), 2: (1, 2), 4: (1,)}
    lengths = {slot: 1 for slot in range(5)} | {5: 2, 6: 4, 7: 3}
    passes = plan_passes(lengths, {4, 7}, sizes)
    firsts = [index for index, (slots, _) in enumerate(passes) if {4, 7} & set(slots)]
    assert firsts == list(range(len(firsts)))
    assert passes[0] in (([4, 7], 1), ([7, 4], 1))


@given(
    lengths=st.dictionaries(st.integers(0, 90), st.integers(1, 200), max_size=80),
    urgent=st.sets(st.integers(0, 90)),
    longest=st.integers(1, 20),
)
def test_every_frame_is_in_one_pass_of_a_captured_size(
    lengths: dict[int, int], urgent: set[int], longest: int
) -> None:
    sizes = pass_sizes(90, longest)
    decoded = Counter[int]()
    for slots, frames in plan_passes(lengths, urgent, sizes):
        assert len(set(slots)) == len(slots) <= max(sizes[frames])
        decoded.update(dict.fromkeys(slots, frames))
    assert decoded == Counter(lengths)


def test_what_may_have_any_shape_is_one_pass_for_each_length() -> None:
    passes = plan_passes({0: 7, 1: 80, 2: 7}, {1}, {})
    assert [(list(slots), frames) for slots, frames in passes] == [([1], 80), ([0, 2], 7)]
