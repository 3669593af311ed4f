"""Loads the tiny aligner in float32 and makes its work."""

import itertools
from pathlib import Path
from typing import Any, cast

from speech_service.domain.alignment import Alignment, Granularity
from speech_service.domain.audio import Samples
from speech_service.domain.work import AlignWork, SegmentKey, WorkClass, WorkDone, WorkEvent
from speech_service.engines.qwen3.aligner.engine import AlignerEngine, AlignerParts
from speech_service.engines.qwen3.aligner.options import Qwen3AlignerOptions, build
from speech_service.engines.shared import SharedModels

_MAX_STEPS = 400
_ids = itertools.count()


def make_engine(folder: Path, **options: Any) -> AlignerEngine:
    """Build an engine of the checkpoint."""
    chosen = Qwen3AlignerOptions(model=str(folder), dtype="float32", **options)
    return cast(AlignerEngine, build(chosen, SharedModels()))


def parts_of(engine: AlignerEngine) -> AlignerParts:
    """Give what the engine is composed of."""
    return engine._parts


def make_work(
    samples: Samples,
    text: str,
    language: str = "en",
    granularity: Granularity = Granularity.WORD,
    work_id: str = "",
) -> AlignWork:
    """Make work with an id of its own."""
    return AlignWork(
        work_id=work_id or f"w{next(_ids)}",
        stream_id="s",
        work_class=WorkClass.UNARY,
        model="m",
        segment=SegmentKey("s", 0, 0),
        samples=samples,
        text=text,
        language=language,
        granularity=granularity,
    )


def run(engine: AlignerEngine, *items: AlignWork) -> dict[str, WorkEvent]:
    """Run work to its end, all of it admitted at once."""
    for item in items:
        engine.admit(item)
    events: dict[str, WorkEvent] = {}
    for _ in range(_MAX_STEPS):
        for event in engine.step():
            assert event.work_id not in events, "one terminal event per item"
            events[event.work_id] = event
        if len(events) == len(items):
            assert not engine.step()
            return events
    raise AssertionError("the engine never ends")


def alignment(event: WorkEvent) -> Alignment:
    """Give the outcome of work that succeeded."""
    assert isinstance(event, WorkDone), event
    assert isinstance(event.outcome, Alignment)
    return event.outcome
