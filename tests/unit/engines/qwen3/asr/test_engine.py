"""Rules of the recognition engine, on random weights: whatever the batch and the strategy, the text is greedy's."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
)
from speech_service.engines.qwen3.asr.engine import AsrEngine
from speech_service.engines.qwen3.asr.forward import Chosen, Feed, Underway
from speech_service.engines.qwen3.encoder.network import Encoder, MelWindow
from tests.qwen_tiny.folder import TinyModels
from tests.unit.engines.qwen3.asr.engines import (
    change_limits,
    clip,
    clips,
    greedy,
    make_engine,
    make_work,
    parts,
    replace_parts,
    run,
    slots_in_use,
    tokens_of,
)

STRATEGIES = ("previous", "draft", "previous+draft")
RANDOM_CASES = 70
"""For each of three strategies: more than 200 in all."""


def damaged(rng: np.random.Generator, tokens: Sequence[int]) -> tuple[int, ...]:
    """Make a draft that is right in parts: tokens lost, doubled and replaced."""
    draft: list[int] = []
    for token in tokens:
        draft += {0: [], 1: [token, token], 2: [int(rng.integers(256))]}.get(
            int(rng.integers(12)), [token]
        )
    return tuple(draft[: int(rng.integers(len(draft) + 1))])


@pytest.fixture(scope="module")
def reference(tiny_models: TinyModels) -> tuple[list[Any], list[tuple[int, ...]]]:
    """Give random clips and their greedy answers, each decoded alone."""
    torch.set_num_threads(1)
    sounds = clips(RANDOM_CASES, seed=7, longest_s=1.2)
    works = [make_work(samples) for samples in sounds]
    return sounds, greedy(tiny_models.asr_target(), works, answer_tokens=8)


@pytest.mark.parametrize("decoding", STRATEGIES)
def test_speculation_equals_greedy_in_any_batch_and_among_cancels(
    target: Path, draft: Path, reference: Any, decoding: str
) -> None:
    sounds, answers = reference
    rng = np.random.default_rng(11)
    at = 0
    while at < len(sounds):
        batch = int(rng.integers(1, 17))
        part = slice(at, at + batch)
        at += batch
        engine = make_engine(target, draft, decoding=decoding, max_batch=16, answer_tokens=8)
        works = [
            make_work(samples, draft_tokens=damaged(rng, tokens))
            for samples, tokens in zip(sounds[part], answers[part], strict=True)
        ]
        others = [make_work(samples) for samples in sounds[:2]]
        for other in others:
            engine.admit(other)
        steps = iter(rng.integers(0, 6, len(others)))
        leaves = {int(next(steps)): other.work_id for other in others}

        def cancel(step: int, engine: AsrEngine = engine, leaves: dict[int, str] = leaves) -> None:
            if step in leaves:
                engine.abort(leaves[step])

        events = run(engine, works, cancel)
        found = [tokens_of(events[work.work_id]) for work in works]
        assert found == answers[part]


def test_sequences_that_join_and_leave_at_random_do_not_change_each_other(
    target: Path, reference: Any
) -> None:
    sounds, answers = reference
    engine = make_engine(target, decoding="greedy", max_batch=16, answer_tokens=8)
    rng = np.random.default_rng(3)
    works = [make_work(samples) for samples in sounds[:60]]
    late = list(works)

    def join(step: int) -> None:
        for _ in range(int(rng.integers(0, 4))):
            if late:
                engine.admit(late.pop())

    ended: dict[str, tuple[int, ...]] = {}
    step = 0
    while len(ended) < len(works):
        join(step)
        step += 1
        ended |= {event.work_id: tokens_of(event) for event in engine.step()}
    assert [ended[work.work_id] for work in works] == answers[:60]


def growing(samples: Any, step_s: float = 0.5) -> list[Any]:
    """Cut the updates of a segment that grows."""
    step = int(step_s * 16_000)
    return [samples[:end] for end in range(step, len(samples) + 1, step)]


@pytest.mark.parametrize("decoding", ["greedy", *STRATEGIES])
def test_streaming_from_the_cache_equals_computing_from_nothing(
    target: Path, draft: Path, decoding: str
) -> None:
    engine = make_engine(target, draft, decoding=decoding, answer_tokens=12)
    key = SegmentKey("stream", 0, 0)
    tokens: tuple[int, ...] = ()
    for samples in growing(clip(5, 20.0), 1.25):
        update = make_work(samples, segment=key, kind=RecognizeKind.PARTIAL, draft_tokens=tokens)
        tokens = tokens_of(run(engine, [update])[update.work_id])
        assert [tokens] == greedy(target, [make_work(samples)], answer_tokens=12)


class CountingEncoder:
    """Counts the windows that it encodes."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.windows = 0

    def encode(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
        """Count and pass on."""
        self.windows += len(windows)
        return self.encoder.encode(windows)


def test_an_update_encodes_the_open_window_only(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(target)
    model = parts(engine).reader._model
    counting = CountingEncoder(model.encoder)
    monkeypatch.setattr(model, "encoder", counting)
    key, samples = SegmentKey("stream", 0, 0), clip(6, 20.0)
    counts: list[int] = []
    for seconds in (18.0, 18.5, 19.0):
        work = make_work(samples[: int(seconds * 16_000)], segment=key, kind=RecognizeKind.PARTIAL)
        run(engine, [work])
        counts.append(counting.windows)
    assert counts == [3, 4, 5]


def flops_of(engine: AsrEngine, work: RecognizeWork) -> tuple[int, tuple[int, ...]]:
    """Count the multiplications and additions of one work item; returns its tokens too."""
    with FlopCounterMode(display=False) as counter:
        events = run(engine, [work])
    return counter.get_total_flops(), tokens_of(events[work.work_id])


def test_an_update_of_a_20_s_segment_costs_a_third_or_less_of_doing_it_all_again(
    target: Path,
) -> None:
    """Random weights, scripted: all but the last words of the update before still hold, as they do in real speech."""
    samples, key = clip(8, 20.0), SegmentKey("stream", 0, 0)
    engine = make_engine(target, answer_tokens=70)
    run(engine, [make_work(samples[: 19 * 16_000], segment=key, kind=RecognizeKind.PARTIAL)])
    alone = make_engine(target, decoding="greedy", answer_tokens=70)
    again, tokens = flops_of(alone, make_work(samples))
    update = make_work(samples, segment=key, kind=RecognizeKind.PARTIAL, draft_tokens=tokens[:-4])
    cached, _ = flops_of(engine, update)
    assert cached * 3 <= again


def test_another_context_is_not_answered_from_the_old_ones_cache(target: Path) -> None:
    samples, key = clip(9, 10.0), SegmentKey("stream", 0, 0)
    engine = make_engine(target)
    run(engine, [make_work(samples, segment=key, kind=RecognizeKind.PARTIAL, context="one")])
    other = make_work(samples, segment=key, kind=RecognizeKind.PARTIAL, context="two words")
    found = tokens_of(run(engine, [other])[other.work_id])
    assert [found] == greedy(target, [make_work(samples, context="two words")])


def test_a_long_prompt_is_fed_in_pieces_beside_those_who_decode(target: Path) -> None:
    samples = clip(10, 12.0)
    engine = make_engine(target, decoding="greedy")
    change_limits(engine, prefill_tokens=20)
    works = [make_work(samples), make_work(clip(11, 1.0))]
    events = run(engine, works)
    expected = greedy(target, works)
    assert [tokens_of(events[work.work_id]) for work in works] == expected


def test_urgent_work_takes_the_place_of_the_least_urgent_and_nobody_loses_a_word(
    target: Path,
) -> None:
    engine = make_engine(target, max_batch=2, answer_tokens=20)
    background = [make_work(samples, work_class=WorkClass.BACKGROUND) for samples in clips(2, 21)]
    urgent = make_work(clip(30, 0.6), work_class=WorkClass.STREAM_FINAL)
    order: list[str] = []
    for work in background:
        engine.admit(work)
    for _ in range(4):
        engine.step()
    engine.admit(urgent)
    found: dict[str, tuple[int, ...]] = {}
    while len(found) < 3:
        for event in engine.step():
            order.append(event.work_id)
            found[event.work_id] = tokens_of(event)
    everyone = [*background, urgent]
    assert [found[work.work_id] for work in everyone] == greedy(target, everyone, 20)
    assert order[-1] == background[1].work_id


def test_many_random_cancels_and_preemptions_leave_nothing_behind(
    target: Path, draft: Path
) -> None:
    engine = make_engine(
        target, draft, decoding="previous+draft", max_batch=3, kept_segments=2, answer_tokens=12
    )
    rng = np.random.default_rng(5)
    sounds = clips(20, seed=40, longest_s=1.0)
    alive: list[RecognizeWork] = []
    cancelled = 0
    while cancelled < 120:
        if len(alive) < 6:
            work = make_work(
                sounds[int(rng.integers(len(sounds)))],
                work_class=WorkClass(int(rng.integers(4))),
                segment=SegmentKey(f"s{rng.integers(6)}", 0, cancelled // 20),
                kind=RecognizeKind.PARTIAL if rng.integers(2) else RecognizeKind.FINAL,
            )
            engine.admit(work)
            alive.append(work)
        if rng.integers(3) == 0:
            ended = {event.work_id for event in engine.step()}
            alive = [work for work in alive if work.work_id not in ended]
        if alive and rng.integers(2):
            engine.abort(alive.pop(int(rng.integers(len(alive)))).work_id)
            cancelled += 1
    for work in alive:
        engine.abort(work.work_id)
    assert slots_in_use(engine) == 0
    assert not engine.step()
    proposer: Any = parts(engine).proposer
    previous, drafting = proposer._strategies
    assert not previous._verify
    assert not drafting._works
    assert not drafting._drafting
    assert drafting._reader.cache.slots == drafting._reader.available


def test_an_answer_that_goes_in_circles_is_cut_off(target: Path) -> None:
    engine = make_engine(target, decoding="greedy", answer_tokens=200)
    change_limits(engine, loop_tokens=6)
    forward = parts(engine).forward

    class Circling:
        """Runs the pass, then says the same three tokens in turn."""

        said = 0

        def begin(self, feeds: Sequence[Feed]) -> Underway:
            forward.begin(feeds)
            self.said += 1
            return Chosen([(70 + self.said % 3,)])

    replace_parts(engine, forward=Circling())
    work = make_work(clip(130, 1.0))
    assert len(tokens_of(run(engine, [work])[work.work_id])) == 9


def test_the_draft_model_is_not_asked_in_a_batch_that_is_too_large(
    target: Path, draft: Path
) -> None:
    engine = make_engine(target, draft, decoding="draft", max_batch=20, max_audio_ms=5000)
    change_limits(engine, windows_per_step=32)  # so that all of them begin together
    few = run(engine, [make_work(samples) for samples in clips(2, seed=140)])
    many = run(engine, [make_work(clip(seed, 1.0)) for seed in range(20)])
    assert sum(_proposed(event) for event in few.values()) > 0
    first = next(iter(many.values()))
    assert _proposed(first) == 0


def _proposed(event: Any) -> int:
    return event.timing.draft_proposed


def test_partials_of_the_draft_tier_are_the_drafts_and_finals_the_targets(
    target: Path, draft: Path
) -> None:
    from speech_service.engines.qwen3.asr.options import Qwen3AsrOptions, build
    from speech_service.engines.shared import SharedModels

    options = Qwen3AsrOptions(str(target), draft=str(draft), dtype="float32", partials="draft")
    engine: Any = build(options, SharedModels())
    samples = clip(150, 2.0)
    partial = make_work(samples, kind=RecognizeKind.PARTIAL)
    final = make_work(samples)
    events = run(engine, [partial, final])
    for work, model in ((partial, draft), (final, target)):
        alone: Any = build(Qwen3AsrOptions(str(model), dtype="float32"), SharedModels())
        twin = make_work(samples)
        assert tokens_of(events[work.work_id]) == tokens_of(run(alone, [twin])[twin.work_id])
