"""ContextOutput: order, chunks, credit, cancelling, encoders that fail."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from speech_service.calls.outbox import Outbox
from speech_service.calls.speech.contexts import ContextOutput
from speech_service.domain.errors import SpeechError, UnavailableError
from speech_service.domain.events import (
    ContextEnded,
    ContextOutcome,
    ContextTurn,
    ControlAck,
    ControlKind,
    LatencySummary,
    SessionEnded,
    SpeechChunk,
    SpeechSamples,
    SpeechTimings,
    SpokenUnit,
    Usage,
)
from speech_service.domain.synthesis import OutputEncoding, OutputFormat, SynthesisOptions
from speech_service.media.encode.encoder import EncoderPool
from speech_service.protocols import NullObserver
from speech_service.sessions.synthesis.events import EncodedSynthesisEvent

RATE = 8_000
OPTIONS = SynthesisOptions("m", "v", OutputFormat(OutputEncoding.PCM_S16LE, RATE))


def context(turn: int) -> ContextTurn:
    return ContextTurn(turn, str(turn))


class Session:
    """What the output told."""

    def __init__(self) -> None:
        self.sent_ms: dict[int, float] = {}
        self.ends: list[int] = []
        self.failures: list[tuple[int, SpeechError]] = []
        self.is_delivered = False

    def audio_sent(self, turn: int, audio_ms: float) -> None:
        self.sent_ms[turn] = self.sent_ms.get(turn, 0.0) + audio_ms

    def end_sent(self, turn: int) -> None:
        self.ends.append(turn)

    def failed(self, turn: int, error: SpeechError) -> None:
        self.failures.append((turn, error))

    def delivered(self) -> None:
        self.is_delivered = True


class Bench:
    """An output with its sink."""

    def __init__(self, encoders: Any = None) -> None:
        self.session = Session()
        self.outbox = Outbox[EncodedSynthesisEvent]()
        pool = encoders or EncoderPool()
        self.output = ContextOutput(pool, self.outbox, self.session, NullObserver(), "bidi_stream")

    def speak(self, turn: int, ms: int, options: SynthesisOptions = OPTIONS) -> None:
        samples = np.full(ms * RATE // 1000, 0.25, np.float32)
        self.output.put(SpeechSamples(context(turn), samples, RATE, options))

    def end(self, turn: int, outcome: ContextOutcome = ContextOutcome.DONE) -> None:
        self.output.put(ContextEnded(context(turn), outcome, Usage()))

    async def settle(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    async def read(self, count: int = 1_000) -> list[EncodedSynthesisEvent]:
        await self.settle()
        events: list[EncodedSynthesisEvent] = []
        while len(self.outbox) and len(events) < count:
            event = await self.outbox.get()
            assert event is not None
            events.append(event)
            self.output.sent(event)
        return events


def kinds(events: list[EncodedSynthesisEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


async def test_audio_is_encoded_in_order_and_credited_when_it_is_sent() -> None:
    bench = Bench()
    bench.speak(1, 600)
    bench.output.put(ControlAck("x", ControlKind.FLUSH))
    bench.end(1)
    await bench.settle()
    assert not any(bench.session.sent_ms.values())
    events = await bench.read()
    assert kinds(events) == ["SpeechChunk"] * 3 + ["ControlAck", "ContextEnded"]
    chunks = [e for e in events if isinstance(e, SpeechChunk)]
    assert [(c.start_ms, c.duration_ms) for c in chunks] == [(0, 250), (250, 250), (500, 100)]
    assert bench.session.sent_ms == {1: 600.0}
    assert bench.session.ends == [1]
    ended = events[-1]
    assert isinstance(ended, ContextEnded)
    assert ended.usage.audio_out_ms == 600
    await bench.output.close()


async def test_a_cancelled_context_loses_what_waits() -> None:
    bench = Bench()
    bench.speak(1, 1_000)
    bench.speak(2, 250)
    await bench.read(1)
    bench.speak(1, 1_000)
    bench.end(1, ContextOutcome.CANCELLED)
    events = await bench.read()
    assert [e.owner.turn for e in events if isinstance(e, SpeechChunk | ContextEnded)] == [2, 1]
    assert kinds(events) == ["SpeechChunk", "ContextEnded"]
    ended = events[-1]
    assert isinstance(ended, ContextEnded)
    assert ended.usage.audio_out_ms == 250
    await bench.output.close()


async def test_a_cancel_takes_the_place_of_an_end_that_waits() -> None:
    bench = Bench()
    bench.speak(1, 250)
    bench.end(1)
    await bench.settle()
    bench.end(1, ContextOutcome.CANCELLED)
    (ended,) = await bench.read()
    assert isinstance(ended, ContextEnded)
    assert ended.outcome is ContextOutcome.CANCELLED
    await bench.output.close()


async def test_a_cancel_comes_too_late_for_an_end_on_the_wire() -> None:
    bench = Bench()
    bench.end(1)
    await bench.settle()
    taken = await bench.outbox.get()
    bench.end(1, ContextOutcome.CANCELLED)
    assert await bench.read() == []
    assert taken is not None
    bench.output.sent(taken)
    assert bench.session.ends == [1]
    await bench.output.close()


async def test_timings_follow_the_first_audio() -> None:
    bench = Bench()
    timings = SpeechTimings(context(1), (SpokenUnit("a", 0, 1, 100, 200),))
    fast = replace(OPTIONS, output=replace(OPTIONS.output, trim_silence=True))
    bench.output.put(
        SpeechSamples(context(1), np.zeros(RATE // 10, np.float32), RATE, fast)  # 100 ms of silence
    )
    bench.output.put(timings)
    assert await bench.read() == []
    assert bench.session.sent_ms == {1: 100.0}, "what gives no bytes holds up nothing"
    bench.speak(1, 250, fast)
    events = await bench.read()
    assert kinds(events) == ["SpeechChunk", "SpeechTimings"]
    moved = events[1]
    assert isinstance(moved, SpeechTimings)
    assert moved.units[0].start_ms == 20, "80 ms were trimmed"
    await bench.output.close()


class _Broken:
    """Encoders that cannot be opened."""

    async def open(self, *_: object, **__: object) -> Any:
        raise UnavailableError("codec")


async def test_an_encoder_that_fails_fails_its_context_once() -> None:
    bench = Bench(_Broken())
    bench.speak(1, 250)
    bench.speak(1, 250)
    bench.end(1)
    await bench.settle()
    assert [turn for turn, _ in bench.session.failures] == [1]
    bench.end(1, ContextOutcome.FAILED)
    assert kinds(await bench.read()) == ["ContextEnded"]
    await bench.output.close()


async def test_the_summary_counts_what_was_sent() -> None:
    bench = Bench()
    bench.output.text_came()
    bench.speak(1, 500)
    bench.end(1)
    bench.output.put(SessionEnded(Usage(characters_in=3), LatencySummary(decode_ms=10.0)))
    events = await bench.read()
    assert bench.session.is_delivered
    ended = events[-1]
    assert isinstance(ended, SessionEnded)
    assert ended.usage == Usage(characters_in=3, audio_out_ms=500)
    assert ended.latency.first_result_ms is not None
    await bench.output.close()


@pytest.mark.parametrize("encoding", [OutputEncoding.PCM_F32LE, OutputEncoding.WAV])
async def test_chunks_are_at_most_64_kib(encoding: OutputEncoding) -> None:
    bench = Bench()
    bench.speak(1, 3_000, replace(OPTIONS, output=OutputFormat(encoding, 48_000)))
    bench.end(1)
    chunks = [e for e in await bench.read() if isinstance(e, SpeechChunk)]
    assert max(len(c.data) for c in chunks) <= 65_536
    assert sum(c.duration_ms for c in chunks) in (2_999, 3_000)
    await bench.output.close()


@pytest.mark.parametrize(
    "encoding", [OutputEncoding.PCM_S16LE, OutputEncoding.WAV, OutputEncoding.MULAW]
)
@pytest.mark.parametrize("trims", [True, False])
@pytest.mark.parametrize("tail_ms", [0, 20, 200, 1_500])
async def test_no_word_ends_behind_the_audio_or_in_the_next(
    encoding: OutputEncoding, trims: bool, tail_ms: int
) -> None:
    bench = Bench()
    options = replace(OPTIONS, output=OutputFormat(encoding, RATE, trims))
    silence, sound = np.zeros(RATE // 2, np.float32), np.full(RATE, 0.25, np.float32)
    samples = np.concatenate((silence, sound, np.zeros(tail_ms * RATE // 1000, np.float32)))
    bench.output.put(SpeechSamples(context(1), samples, RATE, options))
    end_ms = 1_500 + tail_ms
    units = (SpokenUnit("a", 0, 1, 480, 1_025), SpokenUnit("b", 2, 3, 1_000, end_ms + 20))
    bench.output.put(SpeechTimings(context(1), units))
    bench.end(1)
    events = await bench.read()
    audio_ms = sum(e.duration_ms for e in events if isinstance(e, SpeechChunk))
    (told,) = [e for e in events if isinstance(e, SpeechTimings)]
    first, second = told.units
    assert 0 <= first.start_ms < first.end_ms <= second.start_ms < second.end_ms <= audio_ms
    assert second.end_ms >= audio_ms - 1
