"""Who calls: people who speak and stop, people who listen, and files. Seeded, each on its own."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.simulate.cost_model import GRPC_S
from benchmarks.simulate.engines import SAMPLE_RATE_HZ
from benchmarks.simulate.fleet import Fleet, ScriptedVad
from benchmarks.synthesis_texts import SENTENCES
from speech_service.calls.speech.playback_clock import PlaybackClock
from speech_service.domain.events import ContextEnded, ContextTurn, SessionEnded, SpeechSamples
from speech_service.domain.recognition import (
    Endpointing,
    EndpointingMode,
    Pacing,
    RecognitionOptions,
)
from speech_service.domain.synthesis import OutputEncoding, OutputFormat, SynthesisOptions
from speech_service.domain.transcript import ResultKind, TranscriptResult
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkEvent,
)
from speech_service.sessions.recognition.session import RecognitionSession, SessionIdentity
from speech_service.sessions.synthesis.context import SynthesisIdentity
from speech_service.sessions.synthesis.events import SynthesisAction
from speech_service.sessions.synthesis.session import SynthesisSession

FRAME_MS = 32
FRAME_SAMPLES = 512
SPEECH_S = (3.0, 7.0)
PAUSE_S = (0.8, 1.6)
_NOISE = np.random.default_rng(0).normal(0.0, 0.01, (10 * SAMPLE_RATE_HZ, 1)).astype(np.float32)


@dataclass(slots=True)
class Heard:
    """What callers that speak saw, in seconds."""

    final_lags: list[float] = field(default_factory=list[float])
    """From the last audio of a turn, as its client sent it, to its FINAL there."""
    update_lags: list[float] = field(default_factory=list[float])
    """From the audio that made a partial due, as its client sent it, to the partial there."""
    refined: int = 0
    """FINALs that came again with word times."""
    stream_s: float = 0.0
    """Time of all streams."""


@dataclass(slots=True)
class Played:
    """What callers that listen saw, in seconds."""

    first_audio: list[float] = field(default_factory=list[float])
    underruns: int = 0
    texts: int = 0
    audio_s: float = 0.0


class LiveCaller:
    """Speaks for some seconds, says that its turn is over, pauses, and so on. Its audio comes in chunks."""

    def __init__(
        self,
        fleet: Fleet,
        heard: Heard,
        seed: int,
        model: str,
        interval_ms: int = 500,
        chunk_ms: int = 96,
        aligner: str = "",
        speech_s: tuple[float, float] = SPEECH_S,
    ) -> None:
        """``chunk_ms``: a multiple of 32 ms. ``speech_s``: shortest and longest turn."""
        self._speech_s = speech_s
        self._fleet, self._heard = fleet, heard
        self._draws = random.Random(seed)
        self._chunk_frames = chunk_ms // FRAME_MS
        self._ended_s: dict[int, float] = {}
        self._segments = 0
        self._began_s = 0.0
        session_id = fleet.new_id()
        endpointing = Endpointing(EndpointingMode.EXTERNAL)
        options = RecognitionOptions(
            model,
            "en",
            endpointing=endpointing,
            partial_interval_ms=interval_ms,
            aligner=aligner,
            aligner_languages=("en",),
        )
        self._session = RecognitionSession(
            SessionIdentity(session_id), options, asyncio.get_running_loop().time
        )
        self._script: list[bool] = []
        self._runner = fleet.drive(
            self._session, session_id, Pacing.REALTIME, self._on_event, ScriptedVad(self._script)
        )

    async def call(self, until_s: float, start_s: float) -> None:
        """Be there from ``start_s`` to the end of the turn that is under way at ``until_s``."""
        await asyncio.sleep(start_s)
        self._began_s = self._fleet.now_s
        self._runner.perform_now(self._session.start())
        while self._fleet.now_s < until_s:
            await self._say(self._draws.uniform(*self._speech_s), is_speech=True)
            self._segments += 1
            self._ended_s[self._segments] = self._fleet.now_s
            await self._runner.catch_up()
            await self._runner.perform(self._session.finalize(f"turn-{self._segments}"))
            await self._say(self._draws.uniform(*PAUSE_S), is_speech=False)
        await self._runner.catch_up()
        self._heard.stream_s += self._fleet.now_s - self._began_s
        await self._runner.perform(self._session.end_of_input())
        error = await self._runner.finished
        if error is not None:
            raise error
        self._runner.close(None)

    async def _say(self, seconds: float, *, is_speech: bool) -> None:
        frames = round(seconds * 1000 / FRAME_MS)
        for at in range(0, frames, self._chunk_frames):
            count = min(self._chunk_frames, frames - at)
            self._script += [is_speech] * count
            sent_s = self._began_s + len(self._script) * FRAME_MS / 1000
            await asyncio.sleep(max(0.0, sent_s - self._fleet.now_s))
            await self._runner.perform(self._session.audio(_NOISE[: count * FRAME_SAMPLES]))

    def _on_event(self, event: object) -> None:
        if not isinstance(event, TranscriptResult):
            return
        now_s = self._fleet.now_s + 2 * GRPC_S
        if event.kind is ResultKind.FINAL:
            self._heard.final_lags.append(now_s - self._ended_s.pop(event.segment_id))
        elif event.kind is ResultKind.PARTIAL:
            self._heard.update_lags.append(now_s - self._began_s - self._sent_ms(event) / 1000)
        else:
            self._heard.refined += 1

    def _sent_ms(self, partial: TranscriptResult) -> int:
        """When the chunk left that has the last audio of a partial."""
        chunk_ms = self._chunk_frames * FRAME_MS
        return -(-partial.end_ms // chunk_ms) * chunk_ms


def texts_of(draws: random.Random, sentences: int) -> Iterator[str]:
    """Texts of so many sentences each, for ever."""
    while True:
        yield " ".join(draws.choice(SENTENCES) for _ in range(sentences))


class Listener:
    """Has a text spoken, plays it from the first audio on, and so on."""

    def __init__(
        self, fleet: Fleet, played: Played, seed: int, model: str, sentences: int = 3
    ) -> None:
        self._fleet, self._played, self._model = fleet, played, model
        self._draws = random.Random(seed)
        self._texts = texts_of(self._draws, sentences)

    async def call(self, until_s: float, start_s: float) -> None:
        """One text after the other from ``start_s`` on; none is begun after ``until_s``."""
        await asyncio.sleep(start_s)
        while self._fleet.now_s < until_s:
            begin_s = self._fleet.now_s
            heard_s = begin_s + await self.hear() + self._draws.uniform(*PAUSE_S)
            await asyncio.sleep(max(0.0, heard_s - self._fleet.now_s))

    async def hear(self) -> float:
        """One text, to its end; all of it comes at once. Returns the seconds of its speech."""
        call = _ListenedCall(self._fleet, self._played, self._model)
        return await call.hear(next(self._texts))


class _ListenedCall:
    """One session, read as fast as it comes, played at its own pace."""

    def __init__(self, fleet: Fleet, played: Played, model: str) -> None:
        loop = asyncio.get_running_loop()
        self._fleet, self._played = fleet, played
        self._clock = PlaybackClock(loop.time)
        output = OutputFormat(OutputEncoding.PCM_S16LE, 24_000)
        options = SynthesisOptions(model, "voice", output, "en")
        session_id = fleet.new_id()
        self._session = SynthesisSession(SynthesisIdentity(session_id), options, loop.time)
        self._runner = fleet.drive(self._session, session_id, None, self._on_event)
        self._asked_s = self._fleet.now_s
        self._is_first = True
        self._audio_s = 0.0

    async def hear(self, text: str) -> float:
        """Ask for it, and take all of it; returns the seconds of its speech."""
        self._asked_s = self._fleet.now_s
        for actions in (
            self._session.start(),
            self._session.text("text", text),
            self._session.end_of_text(),
        ):
            self._runner.perform_now(actions)
        error = await self._runner.finished
        if error is not None:
            raise error
        self._runner.close(None)
        self._played.texts += 1
        self._played.audio_s += self._audio_s
        return self._audio_s

    def _on_event(self, event: object) -> None:
        match event:
            case SpeechSamples(ContextTurn() as owner, samples, rate_hz, asked_s=asked_s):
                now_s, lasts_ms = self._fleet.now_s, len(samples) * 1000 / rate_hz
                if self._is_first:
                    self._is_first = False
                    self._played.first_audio.append(now_s + 2 * GRPC_S - self._asked_s)
                played = self._clock.sent(owner.turn, lasts_ms, now_s, asked_s)
                self._played.underruns += played is not None and played.is_underrun
                self._audio_s += lasts_ms / 1000
                self._soon(lambda: self._session.sent(owner.turn, lasts_ms))
            case ContextEnded(ContextTurn() as owner):
                self._soon(lambda: self._session.end_sent(owner.turn))
            case SessionEnded():
                self._soon(self._session.delivered)
            case _:
                pass

    def _soon(self, take: Callable[[], Sequence[SynthesisAction]]) -> None:
        """The client takes things after the session has told them."""
        asyncio.get_running_loop().call_soon(lambda: self._runner.perform_now(take()))


async def recognize(
    fleet: Fleet,
    model: str,
    seconds: float,
    work_class: WorkClass = WorkClass.UNARY,
    draft_tokens: tuple[int, ...] = (),
) -> WorkDone:
    """One clip, whole, as a unary call gives it to the device.

    Raises:
        RuntimeError: it failed.
    """
    name = fleet.new_id()
    work = RecognizeWork(
        work_id=name,
        segment=SegmentKey(name, 0, 1),
        kind=RecognizeKind.FINAL,
        work_class=work_class,
        samples=clip(seconds),
        model=model,
        draft_tokens=draft_tokens,
    )
    ended: asyncio.Future[WorkEvent] = asyncio.get_running_loop().create_future()
    fleet.router.submit(work, ended.set_result)
    event = await ended
    fleet.router.release(name)
    if not isinstance(event, WorkDone):
        raise RuntimeError(f"work failed: {event}")
    return event


def clip(seconds: float) -> np.ndarray:
    """Audio of that length, float32 [n]; clips of one length share it."""
    return _CLIP[: round(seconds * SAMPLE_RATE_HZ)]


_CLIP = np.zeros(120 * SAMPLE_RATE_HZ, np.float32)
