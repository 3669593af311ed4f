"""Builds engines over tiny checkpoints, and runs work through them."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from speech_service.domain.audio import Samples
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    TerminalEvent,
    WorkClass,
    WorkDone,
    WorkEvent,
)
from speech_service.engines.qwen3.asr.compose import compose
from speech_service.engines.qwen3.asr.engine import AsrEngine, AsrParts
from speech_service.engines.qwen3.asr.features import MakeFeatures, PrefixFeatures
from speech_service.engines.qwen3.asr.options import Qwen3AsrOptions, describe
from speech_service.engines.shared import SharedModels
from tests.qwen_tiny.audio import speech_like

_ids = itertools.count()
_shared = SharedModels()


def make_engine(
    model: Path,
    draft: Path | None = None,
    *,
    answer_tokens: int = 24,
    features: MakeFeatures = PrefixFeatures,
    **options: Any,
) -> AsrEngine:
    """Build an engine whose answers are cut at a number of tokens and at nothing else."""
    chosen = Qwen3AsrOptions(model=str(model), draft=str(draft or ""), dtype="float32", **options)
    engine = cast(AsrEngine, compose(chosen, describe(chosen), _shared, features))
    limit(engine, answer_tokens)
    return engine


def limit(engine: AsrEngine, answer_tokens: int) -> None:
    """Cut answers at so many tokens and at nothing else."""
    change_limits(engine, spare_tokens=answer_tokens, tokens_per_s=0.0, loop_tokens=10**6)


def change_limits(engine: AsrEngine, **limits: Any) -> None:
    """Replace limits of an engine."""
    changed = dataclasses.replace(parts(engine).limits, **limits)
    replace_parts(engine, limits=changed)


def parts(engine: AsrEngine) -> AsrParts:
    """Give what the engine is composed of."""
    return engine._parts


def replace_parts(engine: AsrEngine, **changes: Any) -> None:
    """Put other parts into an engine."""
    engine._parts = dataclasses.replace(parts(engine), **changes)


def make_work(samples: Samples, **fields: Any) -> RecognizeWork:
    """Make work of its own stream."""
    id_ = f"work-{next(_ids)}"
    values: dict[str, Any] = {
        "work_id": id_,
        "segment": SegmentKey(id_, 0, 0),
        "kind": RecognizeKind.FINAL,
        "work_class": WorkClass.UNARY,
        "samples": samples,
        "model": "tiny",
    }
    return RecognizeWork(**(values | fields))


def clip(seed: int, duration_s: float) -> Samples:
    """Make sound."""
    return speech_like(seed, duration_s)


def clips(count: int, seed: int = 0, longest_s: float = 2.5) -> list[Samples]:
    """Make sounds of random lengths."""
    lengths = np.random.default_rng(seed).uniform(0.3, longest_s, count)
    return [clip(seed + number, float(length)) for number, length in enumerate(lengths)]


def run(
    engine: AsrEngine,
    works: Iterable[RecognizeWork],
    between: Callable[[int], None] = lambda step: None,
) -> Mapping[str, TerminalEvent]:
    """Step until all works ended; ``between`` is called before each step."""
    waiting = {work.work_id for work in works}
    ended: dict[str, TerminalEvent] = {}
    for work in works:
        engine.admit(work)
    for step in range(100_000):
        between(step)
        for event in engine.step():
            ended[event.work_id] = cast(TerminalEvent, event)
        if waiting <= ended.keys():
            return ended
    raise AssertionError("the engine did not finish")


def tokens_of(event: WorkEvent) -> tuple[int, ...]:
    """Give the tokens of work that is done."""
    assert isinstance(event, WorkDone), event
    return event.hypothesis.tokens


def greedy(
    model: Path, works: Sequence[RecognizeWork], answer_tokens: int = 24
) -> list[tuple[int, ...]]:
    """Decode each work alone, from nothing, without proposals."""
    engine = make_engine(model, answer_tokens=answer_tokens, decoding="greedy")
    return [tokens_of(run(engine, [work])[work.work_id]) for work in works]


def slots_in_use(engine: AsrEngine) -> int:
    """Count slots that are neither free nor kept for a segment."""
    reader = parts(engine).reader
    return reader.cache.slots - reader.available
