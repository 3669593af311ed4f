"""An engine that says it pauses: live work goes on alone, what waits for it is not spoilt."""

from dataclasses import replace

import pytest

from speech_service.config.tree import ModelConfig
from speech_service.domain.work import WorkClass, WorkDone, WorkEvent
from speech_service.engines.registry import build_engine
from speech_service.protocols import Engine

from .test_recognizers import clip, done, work


@pytest.fixture(scope="module")
def engine() -> Engine:
    pytest.importorskip("onnxruntime")
    return build_engine(ModelConfig(kind="recognizer/moonshine"))


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("live_class", [WorkClass.STREAM_FINAL, WorkClass.STREAM_PARTIAL])
def test_live_work_goes_on_alone_and_changes_no_text(
    engine: Engine, steps: int, live_class: WorkClass
) -> None:
    assert engine.capabilities.pauses
    assert engine.capabilities.max_admitted == engine.capabilities.max_batch + 1
    speech = clip("beckett")
    bulk = replace(work(speech, "bulk"), work_class=WorkClass.BACKGROUND)
    live = replace(work(speech[: 3 * 16_000], "live"), work_class=live_class)
    alone = {item.work_id: done(engine, item).hypothesis for item in (bulk, live)}
    engine.admit(bulk)
    for _ in range(steps):
        assert not engine.step()
    engine.admit(live)
    events: list[WorkEvent] = []
    while len(events) < 2:
        events += engine.step()
    assert [event.work_id for event in events] == ["live", "bulk"]
    for event in events:
        assert isinstance(event, WorkDone)
        assert event.hypothesis == alone[event.work_id]
