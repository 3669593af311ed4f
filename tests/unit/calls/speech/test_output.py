"""SpeechOutput: tracks beside one another, steps in their place, a failure that costs its track alone."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from speech_service.calls.speech.output import SpeechOutput, Track
from speech_service.domain.errors import SpeechError, UnavailableError
from speech_service.domain.events import SegmentInLanguage, SpeechChunk, SpeechSamples
from speech_service.domain.synthesis import OutputEncoding, OutputFormat, SynthesisOptions
from speech_service.media.encode.encoder import EncoderPool

RATE = 8_000
OPTIONS = SynthesisOptions("m", "v", OutputFormat(OutputEncoding.PCM_S16LE, RATE))


class Listener:
    """Notes what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def encoded(
        self,
        track: Track[SegmentInLanguage],
        chunks: Sequence[SpeechChunk[SegmentInLanguage]],
        audio_ms: float,
    ) -> None:
        self.told += chunks

    def failed(self, owner: SegmentInLanguage, error: SpeechError) -> None:
        self.told.append((owner, error.reason))

    async def note(self, what: str) -> None:
        self.told.append(what)


class Bench:
    def __init__(self, encoders: Any = None) -> None:
        self.listener = Listener()
        self.output: SpeechOutput[SegmentInLanguage] = SpeechOutput(
            encoders or EncoderPool(), self.listener
        )

    def speak(self, segment_id: int, language: str, ms: int) -> None:
        samples = np.full(ms * RATE // 1000, 0.25, np.float32)
        owner = SegmentInLanguage(segment_id, language)
        self.output.speak(SpeechSamples(owner, samples, RATE, OPTIONS))

    def note(self, what: str) -> None:
        self.output.then(lambda: self.listener.note(what))

    async def told(self) -> list[Any]:
        done = asyncio.Event()

        async def end() -> None:
            done.set()

        self.output.then(end)
        await done.wait()
        return self.listener.told

    def chunks(self, language: str) -> list[SpeechChunk[SegmentInLanguage]]:
        told = self.listener.told
        return [t for t in told if isinstance(t, SpeechChunk) and t.owner.language == language]


async def test_a_language_is_one_file_whatever_segments_it_holds() -> None:
    bench = Bench()
    for segment_id, language in ((1, "pt"), (1, "de"), (2, "pt")):
        bench.speak(segment_id, language, 250)
    await bench.told()
    for language, segments in (("pt", [1, 2]), ("de", [1])):
        chunks = bench.chunks(language)
        assert [c.owner.segment_id for c in chunks] == segments
        assert [c.sequence for c in chunks] == list(range(len(segments)))
        assert [c.start_ms for c in chunks] == [250 * at for at in range(len(segments))]
    await bench.output.close()


async def test_steps_keep_their_place_and_the_last_is_last() -> None:
    bench = Bench()
    bench.note("before")
    bench.speak(1, "pt", 500)
    ended = asyncio.Event()

    async def last() -> None:
        await bench.listener.note("last")
        ended.set()

    bench.output.at_last(last)
    bench.note("behind")
    bench.speak(2, "pt", 250)
    await ended.wait()
    told = bench.listener.told
    kinds = [t if isinstance(t, str) else t.owner.segment_id for t in told]
    assert kinds == ["before", 1, 1, "behind", 2, "last"]
    await bench.output.close()


class _BrokenForOne:
    """Its first encoder cannot be opened."""

    def __init__(self) -> None:
        self._pool = EncoderPool()
        self._asked = 0

    async def open(self, *given: Any, **others: Any) -> Any:
        self._asked += 1
        if self._asked == 1:
            raise UnavailableError("codec")
        return await self._pool.open(*given, **others)


async def test_a_failure_costs_its_track_alone_and_is_told_once() -> None:
    bench = Bench(_BrokenForOne())
    for segment_id in (1, 2):
        for language in ("pt", "de"):
            bench.speak(segment_id, language, 250)
    bench.output.then(bench.output.finish_all)
    told = await bench.told()
    assert [t for t in told if isinstance(t, tuple)] == [
        (SegmentInLanguage(1, "pt"), "UNAVAILABLE")
    ]
    assert [c.owner.segment_id for c in bench.chunks("de")] == [1, 2]
    assert not bench.chunks("pt")
    await bench.output.close()


async def test_what_is_dropped_is_not_encoded_and_its_steps_are_not_taken() -> None:
    bench = Bench()
    owner = SegmentInLanguage(1, "pt")
    bench.speak(1, "pt", 250)
    bench.output.then(lambda: bench.listener.note("of pt"), owner)
    bench.speak(1, "de", 250)
    bench.output.drop(owner)
    told = await bench.told()
    assert "of pt" not in told
    assert not bench.chunks("pt")
    assert bench.chunks("de")
    await bench.output.close()
