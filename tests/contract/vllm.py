"""Runs the vllm recognizer for the tests: work in, outcomes out."""

import random
import time
from collections.abc import Sequence

import numpy as np
from msgspec import structs

from speech_service.domain.errors import SpeechError
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.engines.model_server.engine import ServerEngine
from speech_service.engines.shared import SharedModels
from speech_service.engines.vllm import recognizer as vllm
from tests.contract.speech_server import MODEL, SECRET

TIMEOUT_S = 100.0


def work_of(
    seconds: float = 2.0,
    work_id: str = "w",
    language: str = "",
    context: str = "",
    deadline_s: float | None = None,
) -> RecognizeWork:
    return RecognizeWork(
        work_id=work_id,
        segment=SegmentKey("s", 0, 0),
        kind=RecognizeKind.FINAL,
        work_class=WorkClass.UNARY,
        samples=np.full(round(seconds * 16_000), 0.25, np.float32),
        model="m",
        language=language,
        context=context,
        deadline_s=deadline_s,
    )


def engine_of(url: str, **options: object) -> ServerEngine:
    base = vllm.VllmRecognizerOptions(base_url=url, model=MODEL, timeout_s=60.0, max_retries=2)
    return vllm.build(structs.replace(base, **options), SharedModels())


def outcomes(engine: ServerEngine, items: Sequence[RecognizeWork]) -> dict[str, WorkEvent]:
    """Run the items to their end, and the engine to its."""
    for item in items:
        engine.admit(item)
    ends: dict[str, WorkEvent] = {}
    until_s = time.monotonic() + TIMEOUT_S
    while len(ends) < len(items):
        assert time.monotonic() < until_s, "the engine never ends"
        for event in engine.step():
            assert event.work_id not in ends, "one end per item"
            ends[event.work_id] = event
    engine.close()
    return ends


def heard(url: str, item: RecognizeWork | None = None, **options: object) -> Hypothesis:
    event = outcomes(engine_of(url, **options), [item or work_of()])["w"]
    assert isinstance(event, WorkDone), event
    return event.hypothesis


def failure(url: str, item: RecognizeWork | None = None, **options: object) -> SpeechError:
    event = outcomes(engine_of(url, **options), [item or work_of()])["w"]
    assert isinstance(event, WorkFailed), event
    assert SECRET not in str(event.error)
    assert "127.0.0.1" not in str(event.error)
    return event.error


def abort_many_and_run_a_full_batch(engine: ServerEngine) -> set[type[WorkEvent]]:
    """The kinds of ends of as many items as there is room for, after many that were given up."""
    chance = random.Random(5)
    for number in range(100):
        engine.admit(work_of(0.2, str(number)))
        if chance.random() < 0.5:
            engine.step()
        engine.abort(str(number))
    assert list(engine.step()) == []
    ends = outcomes(engine, [work_of(1.0, f"kept {i}") for i in range(4)])
    return {type(event) for event in ends.values()}
