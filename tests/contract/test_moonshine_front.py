"""The encoder over growing audio: what is kept of the front changes nothing, what is kept of states next to nothing."""

from typing import Any

import numpy as np
import pytest

from speech_service.domain.audio import Samples
from speech_service.domain.work import RecognizeKind, RecognizeWork, SegmentKey, WorkClass, WorkDone
from speech_service.engines.formats.ort import OrtFile, read_ort_file
from speech_service.engines.moonshine import DECODER, ENCODER, MoonshineOptions, build
from speech_service.engines.moonshine.front import (
    NO_FRAMES,
    WIDTH,
    Front,
    FrontNetwork,
    SettledFrames,
    frame_count,
    front_graph,
)
from speech_service.engines.moonshine.graphs import growing_graph
from speech_service.engines.moonshine.growing import (
    NOTHING_SETTLED,
    GrowingEncoder,
    SettledStates,
    state_count,
)
from speech_service.engines.moonshine.settled_audio import SettledAudio
from speech_service.engines.shared import SharedModels

from .moonshine import model_folder
from .test_recognizers import clip

PADDING = 4_800
SECOND = 16_000
KEY = SegmentKey("stream", 0, 1)


@pytest.fixture(scope="module")
def encoder() -> OrtFile:
    return read_ort_file((model_folder() / ENCODER[0]).read_bytes())


@pytest.fixture(scope="module")
def network(encoder: OrtFile) -> FrontNetwork:
    ort = pytest.importorskip("onnxruntime")
    return FrontNetwork(ort.InferenceSession(front_graph(encoder)), encoder)


@pytest.fixture(scope="module")
def growing(encoder: OrtFile, network: FrontNetwork) -> GrowingEncoder:
    ort = pytest.importorskip("onnxruntime")
    decoder = read_ort_file((model_folder() / DECODER[0]).read_bytes())
    return GrowingEncoder(network, ort.InferenceSession(growing_graph(encoder, decoder)))


def padded(samples: Samples, padding: int = PADDING) -> Samples:
    return np.pad(samples, padding)


def evened_out(front: Front) -> Samples:
    """What goes into the second activation: float32 [576, f]."""
    values: Samples = front.frames[0] * front.scale + front.shift[0]
    return values


def packaged(encoder: OrtFile, samples: Samples) -> Samples:
    """The same by the packaged arithmetic, in float64: convolve, activate, normalise, scale, convolve."""

    def weights(name: str) -> Any:
        tensor = encoder.tensors[name]
        return np.frombuffer(tensor.data, np.float32).reshape(tensor.shape).astype(np.float64)

    windows = np.lib.stride_tricks.sliding_window_view
    first = weights("conv1.weight_add_tensor")[:, 0] @ windows(samples, 127)[::64].T
    sound = np.tanh(first)
    even = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-5)
    even = even * weights("onnx::Mul_2080").reshape(-1, 1)
    even = even + weights("onnx::Add_2081").reshape(-1, 1)
    columns = windows(even, 7, axis=1)[:, ::3]
    found = np.einsum("oik,ifk->of", weights("conv2.weight_add_tensor"), columns, optimize=True)
    return found + weights("conv2.bias")[:, np.newaxis]


@pytest.mark.parametrize("padding", [PADDING, 640, 100, 0])
def test_the_front_computes_what_the_packaged_one_does(
    encoder: OrtFile, network: FrontNetwork, padding: int
) -> None:
    samples = clip("beckett")[: 3 * SECOND]
    front, _ = network.hear(samples, padding, padding)
    expected = packaged(encoder, padded(samples, padding))
    assert front.frames[0].shape == expected.shape
    assert np.abs(evened_out(front) - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(("padding", "after"), [(PADDING, 3_200), (0, 0)])
def test_growing_audio_gives_what_the_whole_gives(
    network: FrontNetwork, padding: int, after: int
) -> None:
    speech = clip("two_cities")[: 6 * SECOND]
    settled = NO_FRAMES
    for end in (3_000, 11_111, 19_200, 19_201, 19_201, 60_000, 96_000):
        grown, settled = network.hear(speech[:end], padding, after, settled)
        fresh, _ = network.hear(speech[:end], padding, after)
        first = fresh.frames.shape[2] - grown.frames.shape[2]
        assert first == settled.first
        difference = evened_out(grown) - evened_out(fresh)[:, first:]
        assert np.abs(difference).max() < 1e-4
        assert padding + end - 1_000 < settled.end * 192 <= padding + end, "all but the overlap"
        settled = settled.since(settled.end // 2)


def test_what_was_settled_stays_as_it_is(network: FrontNetwork) -> None:
    speech = clip("two_cities")[: 3 * SECOND]
    _, settled = network.hear(speech[:SECOND], PADDING, PADDING)
    frames = settled.frames.copy()
    for tail in (speech, np.ones_like(speech)):
        network.hear(np.concatenate([speech[:SECOND], tail]), PADDING, PADDING, settled)
    assert np.array_equal(settled.frames, frames)


def test_states_settle_once_and_hear_what_they_would_have_heard(growing: GrowingEncoder) -> None:
    speech = clip("two_cities")[: 4 * SECOND]
    settled = NOTHING_SETTLED
    for end in range(SECOND, 4 * SECOND + 1, SECOND // 2):
        before = settled
        heard, settled = growing.hear(speech[:end], PADDING, PADDING, settled, 3 * SECOND // 2)
        whole, _ = growing.hear(speech[:end], PADDING, PADDING, NOTHING_SETTLED, 3 * SECOND // 2)
        for ours, all_again in zip(heard, whole, strict=True):
            assert ours.shape() == all_again.shape()
            assert likeness(ours.numpy(), all_again.numpy()) > 0.9
        for row, known in zip(settled.rows, before.rows, strict=True):
            assert np.array_equal(row[:, : before.states], known)
        # A state is 24 ms; the newest are settled 1.5 s and the overlap of the convolutions before the end.
        behind = (PADDING + end) / SECOND - settled.states * 0.024
        assert 1.5 < behind < 1.6 or settled.states == 0
        assert settled.frames.first == 2 * settled.states


def test_what_is_settled_counts_all_the_memory_that_it_keeps(growing: GrowingEncoder) -> None:
    speech = clip("two_cities")[: 2 * SECOND]
    _, settled = growing.hear(speech, PADDING, PADDING, NOTHING_SETTLED, 3 * SECOND // 2)
    grown = state_count(frame_count(len(speech) + 2 * PADDING))
    assert settled.states < grown, "the rows of younger states are kept with those of settled ones"
    assert settled.nbytes >= len(settled.rows) * grown * WIDTH * 4


def test_nothing_settles_where_all_audio_is_too_young(growing: GrowingEncoder) -> None:
    speech = clip("two_cities")[: 2 * SECOND]
    settled = NOTHING_SETTLED
    for end in (SECOND, 2 * SECOND):
        heard, settled = growing.hear(speech[:end], PADDING, PADDING, settled, 60 * SECOND)
    assert settled.states == 0
    whole, _ = growing.hear(speech, PADDING, PADDING, NOTHING_SETTLED, 60 * SECOND)
    for ours, all_again in zip(heard, whole, strict=True):
        assert likeness(ours.numpy(), all_again.numpy()) > 0.995


def likeness(one: Samples, other: Samples) -> float:
    """Cosine of the angle between them."""
    return float((one * other).sum() / np.sqrt(np.square(one).sum() * np.square(other).sum()))


def work(kind: RecognizeKind, samples: Samples, key: SegmentKey = KEY) -> RecognizeWork:
    return RecognizeWork(
        work_id="w",
        segment=key,
        kind=kind,
        work_class=WorkClass.STREAM_PARTIAL,
        samples=samples,
        model="moonshine-tiny-en",
    )


def test_partials_that_grow_say_what_partials_from_nothing_say() -> None:
    pytest.importorskip("onnxruntime")
    speech = clip("two_cities")[: 5 * SECOND]
    shared = SharedModels()
    lanes = [build(MoonshineOptions(), shared), build(MoonshineOptions(), shared)]

    def say(number: int, item: RecognizeWork) -> str:
        engine = lanes[number % 2]
        engine.admit(item)
        while not (events := engine.step()):
            pass
        (event,) = events
        assert isinstance(event, WorkDone)
        return event.hypothesis.text

    alike: list[float] = []
    for number, end in enumerate(range(24_000, 80_001, 8_000)):
        partial = work(RecognizeKind.PARTIAL, speech[:end])
        alone = work(RecognizeKind.PARTIAL, speech[:end], SegmentKey(f"alone {end}", 0, 0))
        alike.append(shared_words(say(number, partial), say(number, alone)))
    # A word may differ, by the settled states or by an int8 that rounds the other way; most do not.
    assert np.mean(alike) >= 0.8
    final = say(0, work(RecognizeKind.FINAL, speech))
    assert final == say(1, work(RecognizeKind.FINAL, speech, SegmentKey("alone", 0, 0)))


def shared_words(text: str, other: str) -> float:
    """Part of the words of both that they share."""
    ours, theirs = set(text.lower().split()), set(other.lower().split())
    return len(ours & theirs) / len(ours | theirs)


def settled_of(frames: int) -> SettledStates:
    return SettledStates(SettledFrames(np.zeros((576, frames), np.float32)), NOTHING_SETTLED.rows)


def test_only_audio_that_goes_on_gets_what_was_settled() -> None:
    kept, audio = SettledAudio(), np.arange(5_000, dtype=np.float32)
    settled = settled_of(10)
    assert kept.get(KEY, audio) is NOTHING_SETTLED
    kept.put(KEY, audio, settled)
    assert kept.get(KEY, np.concatenate([audio, audio])) is settled
    assert kept.get(KEY, audio) is settled
    assert kept.get(KEY, audio[:-1]) is NOTHING_SETTLED
    assert kept.get(KEY, audio + 1) is NOTHING_SETTLED
    assert kept.get(SegmentKey("other", 0, 1), audio) is NOTHING_SETTLED
    kept.drop(KEY)
    assert kept.get(KEY, audio) is NOTHING_SETTLED


def test_the_longest_unused_goes_when_there_is_no_room() -> None:
    audio, settled = np.ones(100, np.float32), settled_of(100)
    kept = SettledAudio(max_bytes=2 * settled.nbytes)
    keys = [SegmentKey("stream", 0, number) for number in range(3)]
    for key in (*keys[:2], keys[0], keys[2]):
        kept.put(key, audio, settled)
    found = [kept.get(key, audio) for key in keys]
    assert found == [settled, NOTHING_SETTLED, settled]
    kept.put(KEY, audio, settled_of(300))
    assert kept.get(KEY, audio) is NOTHING_SETTLED
