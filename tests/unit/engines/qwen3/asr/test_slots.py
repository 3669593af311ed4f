"""Passes of fixed shapes give the tokens of packed ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from speech_service.domain.work import RecognizeKind, SegmentKey, WorkFailed
from speech_service.engines.qwen3.asr import slots
from speech_service.engines.qwen3.asr.engine import AsrEngine
from speech_service.engines.qwen3.asr.slots import MOST_TOKENS, Sizes, SlotForward
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.runtimes.torch import HOST, Body, Capture, as_it_is
from tests.qwen_tiny.asr import POISON_TEXT
from tests.qwen_tiny.folder import TinyModels
from tests.unit.engines.qwen3.asr.engines import (
    clip,
    clips,
    greedy,
    make_engine,
    make_work,
    parts,
    replace_parts,
    run,
    tokens_of,
)


class Counting:
    """Captures nothing and counts passes by shape of their table."""

    def __init__(self) -> None:
        self.passes: list[tuple[int, ...]] = []

    def __call__(self, body: Body, examples: Sequence[Tensor]) -> Body:
        """Run the body as a capture would: on a table that stays where it is."""
        (table,) = (each.clone() for each in examples)
        body(table)

        def replay(given: Tensor) -> Tensor:
            self.passes.append(tuple(given.shape))
            return body(table.copy_(given))

        return replay


def with_slots(model: Path, capture: Capture, **options: Any) -> AsrEngine:
    """Make an engine whose steps have fixed shapes."""
    options = {"max_context_tokens": 64, "max_audio_ms": 30_000, **options}
    engine = make_engine(model, **options)
    reader = parts(engine).reader
    with torch.inference_mode():
        forward = SlotForward(reader._model, reader.cache, HOST, capture)
    replace_parts(engine, forward=forward)
    return engine


LARGEST = {"greedy": 1, "previous": MOST_TOKENS}
"""Tokens proposed in the largest pass that a strategy takes here."""


@pytest.mark.parametrize("decoding", list(LARGEST))
def test_tokens_are_those_of_packed_passes(target: Path, decoding: str) -> None:
    sounds = clips(12, seed=200, longest_s=1.5)
    answers = greedy(target, [make_work(samples) for samples in sounds])
    drafts = [(*tokens[:9], *tokens[3:7], *tokens[9:]) for tokens in answers]
    capture = Counting()
    engine = with_slots(target, capture, decoding=decoding, max_batch=5, kept_segments=1)
    works = [make_work(s, draft_tokens=d) for s, d in zip(sounds, drafts, strict=True)]
    events = run(engine, works)
    assert [tokens_of(events[work.work_id]) for work in works] == answers
    assert max(shape[1] for shape in capture.passes) == 1 + LARGEST[decoding]
    assert {shape[0] for shape in capture.passes} <= {1, 2, 4, 6}


def test_what_is_kept_of_segments_survives_the_steps_of_others(target: Path) -> None:
    engine = with_slots(target, as_it_is, max_batch=2, kept_segments=2, answer_tokens=6)
    samples, key = clip(210, 12.0), SegmentKey("stream", 0, 0)
    for end_s in (8.5, 10.0, 12.0):
        grown = samples[: int(end_s * 16_000)]
        work = make_work(grown, segment=key, kind=RecognizeKind.PARTIAL)
        other = make_work(clip(int(end_s), 0.7))
        events = run(engine, [work, other])
        expected = greedy(target, [work, other], answer_tokens=6)
        assert [tokens_of(events[each.work_id]) for each in (work, other)] == expected


def test_a_draft_model_verifies_in_fixed_shapes(target: Path, draft: Path) -> None:
    capture = Counting()
    engine: AsrEngine = make_engine(target, draft, decoding="draft", max_context_tokens=64)
    reader = parts(engine).reader
    with torch.inference_mode():
        forward = SlotForward(reader._model, reader.cache, HOST, capture)
    replace_parts(engine, forward=forward)
    works = [make_work(samples) for samples in clips(3, seed=220, longest_s=1.0)]
    events = run(engine, works)
    assert [tokens_of(events[work.work_id]) for work in works] == greedy(target, works)
    assert max(tokens for _, tokens in capture.passes) > 2


def test_a_poisoned_sequence_fails_alone(tiny_models: TinyModels) -> None:
    model = tiny_models.asr_poisoned()
    engine = with_slots(model, as_it_is, decoding="greedy", kept_segments=0)
    works = [make_work(samples) for samples in clips(3, seed=230)]
    poisoned = make_work(clip(240, 1.0), context=POISON_TEXT)
    events = run(engine, [works[0], poisoned, *works[1:]])
    assert isinstance(events[poisoned.work_id], WorkFailed)
    assert [tokens_of(events[work.work_id]) for work in works] == greedy(model, works)


def test_a_pass_that_raises_is_tried_packed(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(slots.logger, "exception", logged.append)

    def failing(body: Body, examples: Sequence[Tensor]) -> Body:
        del body, examples

        def replay(*given: Tensor) -> Tensor:
            raise RuntimeError("out of memory")

        return replay

    engine = with_slots(target, failing, decoding="greedy")
    works = [make_work(samples) for samples in clips(2, seed=250, longest_s=0.6)]
    events = run(engine, works)
    assert [tokens_of(events[work.work_id]) for work in works] == greedy(target, works)
    assert logged


def test_sizes_cover_the_whole_cache() -> None:
    cache: Any = type("Cache", (), {"slots": 6, "length": 1500})()
    assert Sizes.fitting(cache) == Sizes((1, 2, 4, 6), (1, 4, 16), (256, 512, 1024, 1500))


def test_an_idle_pass_changes_nothing_that_is_read(target: Path) -> None:
    engine = with_slots(target, as_it_is, kept_segments=0, max_batch=2)
    forward: Any = parts(engine).forward
    cache: KvCache = parts(engine).reader.cache
    with torch.inference_mode():
        before = cache.keys.clone()
        for (rows, tokens, _), body in forward._passes.items():
            body(forward._idle(rows, tokens))
        changed = (cache.keys != before).any(dim=-1).any(dim=2).any(dim=0).any(dim=0)
    assert int(np.flatnonzero(changed.numpy()).min()) >= cache.length - MOST_TOKENS
