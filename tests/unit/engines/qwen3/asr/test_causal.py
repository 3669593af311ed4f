"""Rules of causal attention in the encoder: what is finished never changes, and only what is new is computed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from speech_service.config.tree import ConfigError
from speech_service.domain.audio import Samples
from speech_service.domain.work import RecognizeKind, SegmentKey
from speech_service.engines.qwen3.asr import options as qwen3
from speech_service.engines.qwen3.asr.build import AsrNumerics, Loaded, load
from speech_service.engines.qwen3.asr.engine import AsrEngine
from speech_service.engines.qwen3.asr.features import CausalFeatures, Features, PrefixFeatures
from speech_service.engines.qwen3.asr.options import Qwen3AsrOptions
from speech_service.engines.qwen3.encoder.network import Encoder, MelWindow
from speech_service.engines.qwen3.encoder.sources import EncoderChoice
from speech_service.engines.shared import SharedModels
from tests.qwen_tiny.folder import TinyModels
from tests.unit.engines.qwen3.asr.engines import (
    clip,
    clips,
    make_engine,
    make_work,
    parts,
    run,
    slots_in_use,
    tokens_of,
)

TOLERANCE = 1e-5
CHUNK = 16_000
CHUNK_TOKENS = 13


@pytest.fixture(scope="module")
def loaded(tiny_models: TinyModels) -> Loaded:
    """Give a recognizer with causal attention."""
    torch.set_num_threads(1)
    choice = EncoderChoice(attention="causal")
    return load(
        str(tiny_models.asr_target()), "", AsrNumerics("float32", "cpu", "none"), 2048, choice
    )


def encoded(encoder: Encoder, new: Features) -> tuple[Tensor, Tensor]:
    """Encode an update; gives the states that are final, and the others."""
    states = torch.cat(list(encoder.encode([*new.closed, *new.open])))
    closed = sum(window.mel.shape[1] // 100 * CHUNK_TOKENS for window in new.closed)
    final = closed + sum(window.settled_tokens for window in new.open)
    return states[:final], states[final:]


@torch.inference_mode()
def states_of(loaded: Loaded, samples: Samples) -> Tensor:
    """Encode a whole clip from nothing."""
    features = CausalFeatures(loaded.config.audio)
    return torch.cat(encoded(loaded.model().encoder, features.grow(samples)))


def ends_of(samples: Samples, seed: int) -> list[int]:
    """Draw where the updates of a growing segment end; the last is its end."""
    steps = np.random.default_rng(seed).uniform(0.02, 2.6, 40).cumsum() * 16_000
    return [*(int(end) for end in steps if end < len(samples)), len(samples)]


@pytest.mark.parametrize("kind", [PrefixFeatures, CausalFeatures])
@pytest.mark.parametrize("samples", [100, 200, 320, 399])
def test_the_silence_that_fills_up_very_short_audio_is_not_kept(
    loaded: Loaded, kind: type[PrefixFeatures | CausalFeatures], samples: int
) -> None:
    sound, growing, whole = clip(460, 1.0), kind(loaded.config.audio), kind(loaded.config.audio)
    growing.grow(sound[:samples])
    (found,), (expected,) = growing.grow(sound).open, whole.grow(sound).open
    assert float((found.mel - expected.mel).abs().max()) <= TOLERANCE


@pytest.mark.parametrize("seed", range(3))
@torch.inference_mode()
def test_states_of_a_segment_that_grows_equal_those_from_nothing(loaded: Loaded, seed: int) -> None:
    samples = clip(400 + seed, 19.3)
    features, encoder = CausalFeatures(loaded.config.audio), loaded.model().encoder
    known = torch.zeros(0, loaded.config.audio.out_size)
    for end in ends_of(samples, seed):
        final, rest = encoded(encoder, features.grow(samples[:end]))
        known = torch.cat([known, final])
        expected = states_of(loaded, samples[:end])
        found = torch.cat([known, rest])
        assert found.shape == expected.shape
        assert float((found - expected).abs().max()) <= TOLERANCE
    assert known.shape[0] >= 18 * CHUNK_TOKENS


def test_later_sound_changes_no_finished_chunk(loaded: Loaded) -> None:
    samples = clip(410, 7.5)
    louder = samples.copy()
    louder[4 * CHUNK :] *= 20.0
    before = states_of(loaded, samples)
    after = states_of(loaded, louder)
    kept = 3 * CHUNK_TOKENS  # the fourth second's last frames reach into the fifth
    assert float((before[:kept] - after[:kept]).abs().max()) <= TOLERANCE
    assert float((before[kept:] - after[kept:]).abs().max()) > 0.01


@torch.inference_mode()
def test_up_to_one_chunk_it_is_the_attention_of_the_release_and_beyond_it_is_not(
    target: Path, loaded: Loaded
) -> None:
    exact = load(str(target), "", AsrNumerics("float32", "cpu", "none"), 2048)
    gaps: list[float] = []
    for duration_s in (0.3, 0.97, 3.0):
        samples = clip(420, duration_s)
        windows = PrefixFeatures(exact.config.audio).grow(samples).open
        expected = torch.cat(list(exact.model().encoder.encode(windows)))
        gaps.append(float((states_of(loaded, samples) - expected).abs().max()))
    assert max(gaps[:2]) <= TOLERANCE
    assert gaps[2] > 0.01


@torch.inference_mode()
def test_a_batch_of_parts_behind_pasts_of_any_length_equals_each_alone(loaded: Loaded) -> None:
    sounds = [clip(430 + number, 11.0) for number in range(5)]
    shape, encoder = loaded.config.audio, loaded.model().encoder
    streams = [CausalFeatures(shape) for _ in sounds]
    for features, samples, seconds in zip(streams, sounds, (0.5, 1.5, 4.2, 7.9, 9.4), strict=True):
        new = features.grow(samples[: int(seconds * CHUNK)])
        encoder.encode([*new.closed, *new.open])
    windows: list[MelWindow] = []
    for features, samples in zip(streams, sounds, strict=True):
        new = features.grow(samples[: 10 * CHUNK])
        windows += [*new.closed, *new.open]
    expected = [states_of(loaded, samples[: 10 * CHUNK]) for samples in sounds]
    found = iter(encoder.encode(windows))
    for reference, parts_of_it in zip(expected, (2, 2, 2, 2, 1), strict=True):
        states = torch.cat([next(found) for _ in range(parts_of_it)])
        assert float((states - reference[-len(states) :]).abs().max()) <= TOLERANCE
    assert next(found, None) is None


def answer(engine: AsrEngine, samples: Samples, **fields: Any) -> tuple[int, ...]:
    """Give the tokens of one work."""
    work = make_work(samples, **fields)
    return tokens_of(run(engine, [work])[work.work_id])


@pytest.mark.parametrize("decoding", ["greedy", "previous+draft"])
def test_streaming_from_the_cache_equals_computing_from_nothing(
    target: Path, draft: Path, decoding: str
) -> None:
    engine = make_engine(target, draft, attention="causal", decoding=decoding, answer_tokens=12)
    alone = make_engine(target, attention="causal", decoding="greedy", answer_tokens=12)
    key, samples = SegmentKey("stream", 0, 0), clip(5, 18.0)
    tokens: tuple[int, ...] = ()
    seen: set[tuple[int, ...]] = set()
    for end in ends_of(samples, 7):
        update = {"segment": key, "kind": RecognizeKind.PARTIAL, "draft_tokens": tokens}
        tokens = answer(engine, samples[:end], **update)
        seen.add(tokens)
        assert tokens == answer(alone, samples[:end])
    assert len(seen) > 5


def test_an_update_that_is_cancelled_leaves_nothing_that_the_next_could_trip_over(
    target: Path,
) -> None:
    engine = make_engine(target, attention="causal", prefill_tokens=20)
    key, samples = SegmentKey("stream", 0, 0), clip(6, 9.0)
    fields: dict[str, Any] = {"segment": key, "kind": RecognizeKind.PARTIAL}
    answer(engine, samples[: 3 * CHUNK], **fields)
    cancelled = make_work(samples[: 6 * CHUNK], **fields)
    engine.admit(cancelled)
    engine.step()
    assert slots_in_use(engine) == 1
    engine.abort(cancelled.work_id)
    assert slots_in_use(engine) == 0
    alone = make_engine(target, attention="causal")
    assert answer(engine, samples, **fields) == answer(alone, samples)


class CountingEncoder:
    """Notes the frames that each call encodes."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.frames: list[int] = []

    def encode(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
        """Note and pass on."""
        self.frames.append(sum(window.mel.shape[1] for window in windows))
        return self.encoder.encode(windows)


def test_an_update_encodes_only_what_is_new_and_the_decoder_keeps_what_is_finished(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(target, attention="causal")
    reader = parts(engine).reader
    counting = CountingEncoder(reader._model.encoder)
    monkeypatch.setattr(reader._model, "encoder", counting)
    key, samples = SegmentKey("stream", 0, 0), clip(6, 20.0)
    kept: list[int] = []
    for seconds in (14.5, 15.0, 15.5, 17.25, 17.5):
        work = make_work(samples[: int(seconds * CHUNK)], segment=key, kind=RecognizeKind.PARTIAL)
        head = reader.head_tokens(work)
        run(engine, [work])
        kept.append(reader._idle[key].length - head)
    # a second is finished once the frames at its end cannot change: 12.5 ms behind it
    assert counting.frames == [1450, 100, 150, 225, 50]
    assert kept == [each * CHUNK_TOKENS for each in (14, 14, 15, 17, 17)]


def test_an_update_costs_a_third_or_less_of_encoding_the_open_window(target: Path) -> None:
    def flops(attention: str) -> int:
        engine = make_engine(target, attention=attention)
        key, samples = SegmentKey("stream", 0, 0), clip(8, 7.6)
        fields: dict[str, Any] = {"segment": key, "kind": RecognizeKind.PARTIAL}
        answer(engine, samples[: int(7.2 * CHUNK)], **fields)
        work = make_work(samples, **fields)
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            parts(engine).reader.open([work])
        return counter.get_total_flops()

    assert flops("causal") * 3 <= flops("window")


def test_an_encoder_that_fails_ends_the_update_and_the_next_begins_from_nothing(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(target, attention="causal")
    model = parts(engine).reader._model
    key, samples = SegmentKey("stream", 0, 0), clip(9, 5.0)
    fields: dict[str, Any] = {"segment": key, "kind": RecognizeKind.PARTIAL}
    answer(engine, samples[: 2 * CHUNK], **fields)

    class Failing:
        def encode(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
            raise RuntimeError("no memory")

    with monkeypatch.context() as patched:
        patched.setattr(model, "encoder", Failing())
        failed = make_work(samples[: 4 * CHUNK], **fields)
        run(engine, [failed])
    assert slots_in_use(engine) == 0
    alone = make_engine(target, attention="causal")
    assert answer(engine, samples, **fields) == answer(alone, samples)


def test_works_of_any_batch_have_the_tokens_of_each_alone(target: Path) -> None:
    engine = make_engine(target, attention="causal", max_batch=8)
    alone = make_engine(target, attention="causal", decoding="greedy")
    works = [make_work(samples) for samples in clips(10, seed=440, longest_s=9.5)]
    events = run(engine, works)
    expected = [answer(alone, work.samples) for work in works]
    assert [tokens_of(events[work.work_id]) for work in works] == expected


def test_bfloat16_which_is_the_default_streams(target: Path) -> None:
    options = Qwen3AsrOptions(str(target), attention="causal", max_context_tokens=64)
    engine: Any = qwen3.build(options, SharedModels())
    key, samples = SegmentKey("stream", 0, 0), clip(470, 4.0)
    for seconds in (1.5, 4.0):
        fields: dict[str, Any] = {"segment": key, "kind": RecognizeKind.PARTIAL}
        assert answer(engine, samples[: int(seconds * CHUNK)], **fields)
    past = parts(engine).reader._idle[key].features
    assert isinstance(past, CausalFeatures)
    assert past._past.keys_values is not None
    assert past._past.keys_values.dtype is torch.bfloat16


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "onnx": ({"encoder": "onnx", "encoder_file": "e.onnx"}, 'encoder = "torch"'),
    "tensorrt": (
        {"encoder": "tensorrt", "encoder_file": "e.onnx", "device": "cuda"},
        'encoder = "torch"',
    ),
    "graphs": ({"graphs": True, "device": "cuda"}, "graphs = false"),
    "compile": ({"compile": True}, "graphs = false and compile = false"),
    "clip": ({"mel_floor": "clip"}, 'mel_floor = "prefix"'),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=list(REFUSED))
def test_what_it_cannot_be_combined_with_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f'attention: "causal" needs {message}'):
        Qwen3AsrOptions(model="m", attention="causal", **options)


def test_the_description_says_that_it_is_inexact(target: Path) -> None:
    exact, causal = (
        qwen3.describe(Qwen3AsrOptions(str(target), attention=each))
        for each in ("window", "causal")
    )
    assert "inexact" in causal.description
    assert "inexact" not in exact.description


def test_the_kv_budget_counts_what_the_encoder_keeps(loaded: Loaded, target: Path) -> None:
    exact = load(str(target), "", AsrNumerics("float32", "cpu", "none"), 2048)
    features, encoder = CausalFeatures(loaded.config.audio), loaded.model().encoder
    with torch.inference_mode():
        new = features.grow(clip(450, 7.99))
        encoder.encode([*new.closed, *new.open])
    keys_values = features._past.keys_values
    assert keys_values is not None
    more = loaded.slot_bytes(100) - exact.slot_bytes(100)
    assert keys_values.nbytes * 8 // 7 == more
