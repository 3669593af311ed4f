"""The outbox: order, coalescing, closing, and how long a reader has been stuck."""

import asyncio
from typing import Any

import pytest

from speech_service.calls import outbox as module
from speech_service.calls.outbox import Outbox
from speech_service.domain.events import (
    ControlAck,
    ControlKind,
    Progress,
    SessionStarted,
    TranslatedSegment,
)
from speech_service.domain.transcript import ResultKind, TranscriptResult


def result(
    segment: int, revision: int, *, final: bool = False, channel: int = 0
) -> TranscriptResult:
    kind = ResultKind.FINAL if final else ResultKind.PARTIAL
    return TranscriptResult(segment, channel, revision, kind, "text", 0, 0, 100)


def progress(ms: int) -> Progress:
    return Progress(ms, ms, ms, 0)


async def drained(box: Outbox) -> list[Any]:
    box.close()
    events = []
    while (event := await box.get()) is not None:
        events.append(event)
    return events


async def test_first_in_first_out() -> None:
    box = Outbox()
    events = [SessionStarted("s"), result(1, 1, final=True), ControlAck("c", ControlKind.RESET, 1)]
    for event in events:
        box.put(event)
    assert len(box) == 3
    assert await drained(box) == events
    assert await box.get() is None


async def test_a_waiting_partial_gives_way_to_its_own_segment_only() -> None:
    box = Outbox()
    for event in (result(1, 1), result(2, 1), result(1, 1, channel=1), result(1, 2)):
        box.put(event)
    assert await drained(box) == [result(2, 1), result(1, 1, channel=1), result(1, 2)]


async def test_a_waiting_partial_translation_gives_way_to_its_own_language_only() -> None:
    partial, final = ResultKind.PARTIAL, ResultKind.FINAL
    box = Outbox()
    first = [TranslatedSegment(1, code, partial, "a") for code in ("pt", "de")]
    last = TranslatedSegment(1, "pt", final, "b")
    for event in (*first, TranslatedSegment(1, "pt", partial, "b"), last, last):
        box.put(event)
    assert await drained(box) == [first[1], last, last]


async def test_a_final_replaces_the_waiting_partial_and_is_never_replaced() -> None:
    box = Outbox()
    for event in (result(1, 1), result(1, 2, final=True), result(1, 3)):
        box.put(event)
    assert await drained(box) == [result(1, 2, final=True), result(1, 3)]


async def test_progress_gives_way_to_progress() -> None:
    box = Outbox()
    for ms in (1, 2, 3):
        box.put(progress(ms))
        box.put(result(1, 1, final=True))
    assert [e for e in await drained(box) if isinstance(e, Progress)] == [progress(3)]


async def test_a_waiting_reader_is_woken() -> None:
    box = Outbox()
    reading = asyncio.create_task(box.get())
    await asyncio.sleep(0)
    box.put(progress(1))
    assert await asyncio.wait_for(reading, 60) == progress(1)
    reading = asyncio.create_task(box.get())
    await asyncio.sleep(0)
    box.close()
    assert await asyncio.wait_for(reading, 60) is None


async def test_blocked_time_counts_only_while_something_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s)
    box = Outbox()
    now_s = 200.0
    assert box.blocked_s == 0
    box.put(progress(1))
    now_s = 205.0
    box.put(result(1, 1))
    assert box.blocked_s == 5
    await box.get()
    assert box.blocked_s == 0
    now_s = 206.0
    assert box.blocked_s == 1
    await box.get()
    assert box.blocked_s == 0
