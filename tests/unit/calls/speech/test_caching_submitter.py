"""Speech that a stream asks for again: one outcome for each work item, nothing kept but what was made to its end."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from speech_service.calls.speech.audio_cache import AudioCache, work_key
from speech_service.calls.speech.caching_submitter import CachedSpeech
from speech_service.domain.errors import InternalError, OverloadedError
from speech_service.domain.synthesis import LexiconEntry, SpokenWord, VoicePrompt
from speech_service.domain.work import (
    DropReason,
    SpeechMade,
    SynthesizeWork,
    Work,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)
from speech_service.protocols import OnWorkEvent

WORK = SynthesizeWork(
    work_id="s:1",
    stream_id="s",
    work_class=WorkClass.STREAM_FINAL,
    model="m",
    text="Hello.",
    voice="v",
)
MADE = SpeechMade(1_000, (SpokenWord("Hello.", 0, 6, 0, 5),))


class Device:
    """A submitter that does what the test says. Implements ``Observer`` too."""

    def __init__(self) -> None:
        self.works: dict[str, OnWorkEvent] = {}
        self.cancelled: list[str] = []
        self.released: list[str] = []
        self.outcomes: list[str] = []
        self.full = False

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        if self.full:
            raise OverloadedError("full")
        self.works[work.work_id] = on_event

    def cancel(self, work_id: str) -> None:
        self.cancelled.append(work_id)

    def release(self, stream_id: str) -> None:
        self.released.append(stream_id)

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        assert (name, value) == ("speech_audio_cache_total", 1.0)
        self.outcomes.append(labels["outcome"])

    def observe(self, name: str, value: float, **labels: str) -> None:
        raise AssertionError(name)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        raise AssertionError(name)


class Bench:
    def __init__(self, capacity_bytes: int = 100_000) -> None:
        self.device = Device()
        self.cache = AudioCache(capacity_bytes, 100)
        self.speech = CachedSpeech(self.device, self.cache, self.device, "acme")
        self.events: list[WorkEvent] = []

    def submit(self, work_id: str) -> None:
        self.speech.submit(replace(WORK, work_id=work_id), self.events.append)

    def made(self, work_id: str) -> None:
        """The device speaks it in two goes."""
        tell = self.device.works.pop(work_id)
        tell(WorkAudio(work_id, np.arange(3, dtype=np.float32), 1_000))
        tell(WorkAudio(work_id, np.ones(2, np.float32), 1_000))
        tell(WorkDone(work_id, MADE, WorkTiming(decode_ms=5.0)))


def shape(events: list[WorkEvent]) -> list[object]:
    return [e.samples.tolist() if isinstance(e, WorkAudio) else type(e) for e in events]


async def test_what_was_made_is_answered_without_the_device() -> None:
    bench = Bench()
    bench.submit("s:1")
    bench.made("s:1")
    first = bench.events.copy()
    bench.events.clear()
    bench.submit("s:2")
    assert bench.events == [], "never inside submit: the session is not ready for it"
    await asyncio.sleep(0)
    assert shape(bench.events) == shape(first) == [[0, 1, 2], [1, 1], WorkDone]
    assert {event.work_id for event in bench.events} == {"s:2"}
    assert bench.events[-1] == WorkDone("s:2", MADE, WorkTiming())
    assert not bench.device.works
    assert bench.device.outcomes == ["miss", "hit"]
    assert bench.speech.label == "partial"


async def test_labels() -> None:
    bench = Bench()
    assert bench.speech.label == ""
    bench.submit("s:1")
    assert bench.speech.label == "miss"
    bench.made("s:1")
    for tenant, label in (("acme", "hit"), ("globex", "miss")):
        other = CachedSpeech(bench.device, bench.cache, bench.device, tenant)
        other.submit(WORK, bench.events.append)
        assert other.label == label


async def test_a_cancel_before_the_answer_is_its_one_outcome() -> None:
    bench = Bench()
    bench.submit("s:1")
    bench.made("s:1")
    bench.events.clear()
    bench.submit("s:2")
    bench.speech.cancel("s:2")
    bench.speech.cancel("s:9")
    for _ in range(3):
        await asyncio.sleep(0)
    assert bench.events == [WorkDropped("s:2", DropReason.CANCELLED)]
    assert bench.device.cancelled == ["s:9"]
    bench.speech.release("s")
    assert bench.device.released == ["s"]


@pytest.mark.parametrize(
    "end", [WorkFailed("s:1", InternalError("x")), WorkDropped("s:1", DropReason.CANCELLED)]
)
async def test_what_did_not_end_well_is_not_kept(end: WorkEvent) -> None:
    bench = Bench()
    bench.submit("s:1")
    tell = bench.device.works["s:1"]
    tell(WorkAudio("s:1", np.ones(2, np.float32), 1_000))
    tell(end)
    assert bench.events[-1] is end
    assert bench.cache.stats().entries == 0


async def test_the_session_cannot_change_what_is_kept() -> None:
    bench = Bench()
    bench.submit("s:1")
    bench.made("s:1")
    (audio, *_) = bench.events
    assert isinstance(audio, WorkAudio)
    with pytest.raises(ValueError, match="read-only"):
        audio.samples[0] = 1


async def test_a_refusal_is_the_submitters() -> None:
    bench = Bench()
    bench.device.full = True
    with pytest.raises(OverloadedError):
        bench.submit("s:1")


async def test_the_speech_of_a_clone_is_not_kept() -> None:
    bench = Bench()
    clone = replace(WORK, voice_prompt=VoicePrompt(np.ones(8, np.float32), "Hello."))
    bench.speech.submit(clone, bench.events.append)
    bench.made("s:1")
    assert shape(bench.events) == [[0, 1, 2], [1, 1], WorkDone]
    assert (bench.cache.stats().entries, bench.device.outcomes, bench.speech.label) == (0, [], "")


async def test_speech_larger_than_the_cache_is_not_kept() -> None:
    bench = Bench(capacity_bytes=600)
    bench.submit("s:1")
    bench.made("s:1")
    assert bench.cache.stats().entries == 0


def test_the_key_is_what_determines_the_samples() -> None:
    others = [
        replace(WORK, model="n"),
        replace(WORK, text="Hello!"),
        replace(WORK, voice="w"),
        replace(WORK, language="en"),
        replace(WORK, speaking_rate=1.5),
        replace(WORK, seed=1),
        replace(WORK, lexicon=(LexiconEntry("a", "b"),)),
        replace(WORK, instruct="whisper"),
    ]
    keys = {work_key(work, "") for work in (WORK, *others)}
    assert len(keys) == len(others) + 1
    asked_by_another = replace(
        WORK,
        work_id="t:1",
        stream_id="t",
        work_class=WorkClass.UNARY,
        deadline_s=1.0,
        traceparent="00-1-2-01",
        ahead_ms=5000,
    )
    assert work_key(asked_by_another, "") == work_key(WORK, "")
