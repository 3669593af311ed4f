"""Passes of fixed shapes give the tokens of packed ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from speech_service.domain.work import RecognizeKind, SegmentKey, WorkFailed
from speech_service.engines.qwen3.asr import slots
from speech_service.engines.qwen3.asr.engine import AsrEngine
from speech_service.engines.qwen3.asr.reading import SegmentReader
from speech_service.engines.qwen3.asr.slots import Sizes, SlotForward
from speech_service.engines.qwen3.nn.captured import PassSize, row_sizes
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.runtimes.pacing import OneBehind
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
    """Captures nothing and keeps the sizes of passes."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        """Rows of each."""
        self.prompts: list[int] = []
        """Tokens of each."""

    def __call__(self, body: Body, examples: Sequence[Tensor]) -> Body:
        """Run the body as a capture would: on arguments that stay where they are."""
        arguments = [each.clone() for each in examples]
        body(*arguments)

        def replay(*given: Tensor) -> Tensor:
            if len(given) == 1:
                self.steps.append(next(n for n in range(100) if _numbers(n) == len(given[0])))
            else:
                self.prompts.append(len(given[0]))
            return body(*(a.copy_(g) for a, g in zip(arguments, given, strict=True)))

        return replay


def _numbers(rows: int) -> int:
    return 2 * rows + PassSize(rows, rows).numbers


PROMPTS = (PassSize(16, 4), PassSize(48, 3))


def with_slots(
    model: Path, capture: Capture, prompts: tuple[PassSize, ...] = PROMPTS, **options: Any
) -> AsrEngine:
    """Make an engine whose steps have fixed shapes, and which reads what one has chosen while the next one runs."""
    options = {"max_context_tokens": 64, "max_audio_ms": 30_000, **options}
    engine = make_engine(model, **options)
    reader = parts(engine).reader
    network, slots, length = reader._model, reader.cache.slots, reader.cache.length
    cache = KvCache(network.stack.shape, slots, length, by_token=True)
    reader = SegmentReader(network, cache, reader._prompter, reader._features)
    with torch.inference_mode():
        sizes = Sizes(row_sizes(options.get("max_batch", 4)), prompts)
        forward = SlotForward(network, cache, HOST, capture, sizes)
    replace_parts(engine, reader=reader, forward=forward, pace=OneBehind())
    return engine


@pytest.mark.parametrize("prompts", [PROMPTS, ()], ids=["captured", "as they come"])
@pytest.mark.parametrize("decoding", ["greedy", "previous"])
def test_tokens_are_those_of_packed_passes(
    target: Path, decoding: str, prompts: tuple[PassSize, ...]
) -> None:
    sounds = clips(12, seed=200, longest_s=1.5)
    answers = greedy(target, [make_work(samples) for samples in sounds])
    drafts = [(*tokens[:9], *tokens[3:7], *tokens[9:]) for tokens in answers]
    capture = Counting()
    options: dict[str, Any] = {"decoding": decoding, "max_batch": 5, "kept_segments": 1}
    engine = with_slots(target, capture, prompts, **options)
    works = [make_work(s, draft_tokens=d) for s, d in zip(sounds, drafts, strict=True)]
    events = run(engine, works)
    assert [tokens_of(events[work.work_id]) for work in works] == answers
    assert capture.steps
    assert set(capture.steps) <= set(row_sizes(5))
    assert bool(capture.prompts) == bool(prompts)


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
    engine = with_slots(target, capture, draft=draft, decoding="draft")
    works = [make_work(samples) for samples in clips(3, seed=220, longest_s=1.0)]
    events = run(engine, works)
    assert [tokens_of(events[work.work_id]) for work in works] == greedy(target, works)
    assert 16 in capture.prompts


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


def test_sizes_of_rows_waste_a_third_at_most() -> None:
    for most in (1, 5, 6, 40, 300, 1000):
        sizes = row_sizes(most)
        assert sizes == tuple(sorted(set(sizes)))
        assert sizes[-1] == most
        for rows in range(17, most + 1):
            assert next(size for size in sizes if size >= rows) <= max(rows + 8, 1.5 * rows)


def test_an_idle_pass_changes_nothing_that_is_read(target: Path) -> None:
    """Each pass runs once as it is captured, and no slot is touched."""
    engine = with_slots(target, Counting(), kept_segments=0, max_batch=2)
    cache: KvCache = parts(engine).reader.cache
    assert not cache.keys[:, : cache.scrap].any()
    assert cache.keys[:, cache.scrap].any()
