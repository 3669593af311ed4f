"""Raw speech of a session to encoded chunks: one encoder for each context, one task that keeps everything in order.

Every event of the session passes here; what is no speech is handed on in its place. A context that is cancelled loses
at once what waits here and what waits in the sink. ``sent`` tells the session what the client took, so that no more is
made than it listens to.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from loguru import logger

from speech_service.calls.playback_clock import PlaybackClock
from speech_service.domain.audio import Samples
from speech_service.domain.errors import InternalError, SpeechError
from speech_service.domain.events import (
    ContextEnded,
    ContextOutcome,
    SessionEnded,
    SessionEvent,
    SpeechChunk,
    SpeechSamples,
    SpeechTimings,
    SpokenUnit,
)
from speech_service.domain.synthesis import SpeechFinish, SynthesisOptions
from speech_service.domain.word_times import in_order
from speech_service.media.encode.encoder import EncoderPool, OutputEncoder, coded_rate_hz
from speech_service.protocols import Observer
from speech_service.tasks import keep

MAX_CHUNK_BYTES = 64 * 1024
_SLICES_PER_S = 4
"""Speech is encoded a quarter of a second at a time: the first bytes of a long sentence do not wait for its last."""

Unwanted = Callable[[SessionEvent], bool]


class Sink(Protocol):
    """Where events for the client go."""

    def put(self, event: SessionEvent) -> None:
        """Add an event."""
        ...

    def discard(self, unwanted: Unwanted) -> list[SessionEvent]:
        """Take out what was not handed to the client yet; returns it."""
        ...


class Feedback(Protocol):
    """What the session is told."""

    def audio_sent(self, turn: int, audio_ms: float) -> None:
        """The client took audio of that length, in milliseconds as the model made it."""
        ...

    def end_sent(self, turn: int) -> None:
        """The client was told that the context ended."""
        ...

    def failed(self, turn: int, error: SpeechError) -> None:
        """The context's audio cannot be encoded."""
        ...

    def delivered(self) -> None:
        """``SessionEnded`` went to the sink."""
        ...


@dataclass(frozen=True, slots=True)
class _Credit:
    """What the client has taken with a chunk."""

    chunk: SpeechChunk
    audio_ms: float
    """As the model made it."""
    ready_s: float
    asked_s: float


@dataclass(slots=True)
class _Voice:
    """The audio of one context."""

    turn: int
    context_id: str
    options: SynthesisOptions
    encoder: OutputEncoder
    model_rate_hz: int
    sequence: int = 0
    coded: int = 0
    """Coded samples whose bytes went out."""
    asked_s: float = 0.0
    early: list[SpeechTimings] = field(default_factory=list[SpeechTimings])
    """Timings that wait for the first bytes."""
    told_ms: int = 0
    """End of the last word whose time went out."""

    @property
    def coded_ms(self) -> int:
        return self.to_ms(self.coded)

    def to_ms(self, samples: int) -> int:
        return samples * 1000 // coded_rate_hz(self.options.output)


class SpeechOutput:
    """Of one session. ``close`` when the call is over."""

    def __init__(
        self,
        encoders: EncoderPool,
        sink: Sink,
        feedback: Feedback,
        observer: Observer,
        rpc_type: str,
        playback: PlaybackClock | None = None,
    ) -> None:
        """``playback`` of a client that listens while it is sent; None: it gets all at once."""
        self._encoders = encoders
        self._sink = sink
        self._feedback = feedback
        self._observer = observer
        self._rpc_type = rpc_type
        self._playback = playback
        self._events: deque[SessionEvent] = deque()
        self._filled = asyncio.Event()
        self._voices: dict[int, _Voice] = {}
        self._dropped: set[int] = set()
        self._ends_out: set[int] = set()
        """Contexts whose end is in the sink, or already with the client's transport."""
        self._credits: deque[_Credit] = deque()
        self._audio_ms = 0
        self._text_s: float | None = None
        self._first_audio_ms: float | None = None
        self._task = keep(self._run, "speech-output")

    def text_came(self) -> None:
        """The client sent text; first audio is counted from the first call."""
        self._text_s = self._text_s or time.monotonic()

    def put(self, event: SessionEvent) -> None:
        """Take an event of the session."""
        match event:
            case ContextEnded(turn=turn, outcome=ContextOutcome.CANCELLED) if not self._drop(turn):
                return  # its end is on the wire already; ``sent`` will be told of it
            case _:
                pass
        if self._events and isinstance(self._events[-1], SessionEnded):
            self._events.insert(-1, event)  # a context failed at the very end
        else:
            self._events.append(event)
        self._filled.set()

    def sent(self, event: SessionEvent) -> None:
        """The event was handed to the client's transport."""
        match event:
            case SpeechChunk():
                while self._credits:
                    credit = self._credits.popleft()
                    self._heard(credit)
                    self._feedback.audio_sent(credit.chunk.turn, credit.audio_ms)
                    if credit.chunk is event:
                        return
            case ContextEnded(turn=turn):
                self._ends_out.discard(turn)
                self._dropped.discard(turn)
                self._feedback.end_sent(turn)
            case _:
                return

    def _heard(self, credit: _Credit) -> None:
        chunk = credit.chunk
        if self._playback is None or not chunk.duration_ms:
            return
        continued = self._playback.sent(
            chunk.turn, chunk.duration_ms, credit.ready_s, credit.asked_s
        )
        if continued is not None:
            self._observer.observe("speech_synthesis_buffer_seconds", continued.buffer_s)
            self._observer.count("speech_synthesis_underruns_total", int(continued.is_underrun))

    async def close(self) -> None:
        """Stop, and free the encoders."""
        self._task.cancel()
        await asyncio.wait([self._task])
        for voice in self._voices.values():
            await voice.encoder.close()
        self._voices.clear()

    # --- the task ---

    async def _run(self) -> None:
        while True:
            while not self._events:
                self._filled.clear()
                await self._filled.wait()
            event = self._events.popleft()
            try:
                await self._one(event)
            except Exception as error:  # noqa: BLE001 - a bug must end this context only, and be logged
                logger.opt(exception=error).error("encoding speech failed")
                self._give_up(getattr(event, "turn", 0), InternalError("encoding failed"))

    async def _one(self, event: SessionEvent) -> None:
        match event:
            case SpeechSamples(turn=turn):
                try:
                    await self._encode(event)
                except SpeechError as error:
                    self._give_up(turn, error)
            case SpeechTimings():
                self._place(event)
            case ContextEnded():
                await self._end(event)
            case SessionEnded():
                self._sink.put(self._summed_up(event))
                self._feedback.delivered()
            case _:
                self._sink.put(event)

    async def _encode(self, event: SpeechSamples) -> None:
        if event.turn in self._dropped:
            return
        voice = self._voices.get(event.turn) or await self._open(event)
        voice.asked_s = event.asked_s
        for piece in _slices(event.samples, event.sample_rate_hz):
            data = await voice.encoder.push(piece)
            if event.turn in self._dropped:
                return
            self._send(voice, data, len(piece) * 1000 / event.sample_rate_hz)

    async def _open(self, event: SpeechSamples) -> _Voice:
        options = event.options
        encoder = await self._encoders.open(
            options.output, event.sample_rate_hz, gain_db=options.gain_db, rate=options.tempo
        )
        voice = _Voice(event.turn, event.context_id, options, encoder, event.sample_rate_hz)
        self._voices[event.turn] = voice
        return voice

    def _send(self, voice: _Voice, data: bytes, audio_ms: float) -> None:
        """``data`` in chunks; with the last of them the client has taken ``audio_ms`` more."""
        if not data:
            self._feedback.audio_sent(voice.turn, audio_ms)
            return
        first, length = voice.coded, voice.encoder.coded_samples - voice.coded
        for at in range(0, len(data), MAX_CHUNK_BYTES):
            part = data[at : at + MAX_CHUNK_BYTES]
            start = first + length * at // len(data)
            voice.coded = first + length * (at + len(part)) // len(data)
            start_ms = voice.to_ms(start)
            chunk = SpeechChunk(
                voice.context_id,
                voice.sequence,
                part,
                start_ms,
                voice.coded_ms - start_ms,
                turn=voice.turn,
                coded_samples=voice.coded - start,
            )
            voice.sequence += 1
            is_last = at + len(part) == len(data)
            taken_ms = audio_ms if is_last else 0.0
            self._credits.append(_Credit(chunk, taken_ms, time.monotonic(), voice.asked_s))
            self._audio_ms += chunk.duration_ms
            if chunk.duration_ms:
                self._note_first_audio()
            self._sink.put(chunk)
        for timings in voice.early:
            self._sink.put(_placed(timings, voice))
        voice.early.clear()

    def _note_first_audio(self) -> None:
        if self._first_audio_ms is None and self._text_s is not None:
            elapsed_s = time.monotonic() - self._text_s
            self._first_audio_ms = elapsed_s * 1000
            self._observer.observe(
                "speech_first_audio_seconds", elapsed_s, grpc_type=self._rpc_type
            )

    def _place(self, timings: SpeechTimings) -> None:
        voice = self._voices.get(timings.turn)
        if voice is None or timings.turn in self._dropped:
            return
        if voice.sequence:
            self._sink.put(_placed(timings, voice))
        else:
            voice.early.append(timings)

    async def _end(self, event: ContextEnded) -> None:
        turn = event.turn
        voice = self._voices.get(turn)
        done = event.outcome is ContextOutcome.DONE
        if voice is not None:
            try:
                if done and turn not in self._dropped:
                    data = await voice.encoder.finish()
                    if turn not in self._dropped:
                        self._send(voice, data, 0.0)
            except SpeechError as error:
                event = replace(event, outcome=ContextOutcome.FAILED, error=error, finish=None)
        if done and turn in self._dropped:
            return  # it was cancelled meanwhile; that end is in the queue
        if voice is not None:
            del self._voices[turn]
            await voice.encoder.close()
            if done and turn in self._dropped:
                return
            usage = replace(event.usage, audio_out_ms=voice.coded_ms)
            event = replace(event, usage=usage)
        self._ends_out.add(turn)
        if event.finish is SpeechFinish.LENGTH_LIMIT:
            self._observer.count("speech_synthesis_cut_total")
        self._sink.put(event)

    def _summed_up(self, event: SessionEnded) -> SessionEnded:
        if self._audio_ms and event.latency.decode_ms:  # not where a cache had all of it
            rtf = event.latency.decode_ms / self._audio_ms
            self._observer.observe("speech_synthesis_rtf", rtf)
        if self._audio_ms:
            self._observer.count("speech_audio_sent_seconds_total", self._audio_ms / 1000)
        return SessionEnded(
            replace(event.usage, audio_out_ms=self._audio_ms),
            replace(event.latency, first_result_ms=self._first_audio_ms),
        )

    # --- cancelling ---

    def _give_up(self, turn: int, error: SpeechError) -> None:
        """Its encoder failed: what was sent stays sent, nothing else of it follows but its end."""
        if turn in self._dropped:
            return
        self._dropped.add(turn)
        self._events = deque(e for e in self._events if getattr(e, "turn", None) != turn)
        self._feedback.failed(turn, error)

    def _drop(self, turn: int) -> bool:
        """Forget what of the context was not handed over; False: its end was."""

        def unwanted(event: SessionEvent) -> bool:
            return getattr(event, "turn", None) == turn

        removed = self._sink.discard(unwanted)
        if turn in self._ends_out and not any(isinstance(e, ContextEnded) for e in removed):
            return False
        self._ends_out.discard(turn)
        self._dropped.add(turn)
        self._events = deque(event for event in self._events if not unwanted(event))
        self._credits = deque(credit for credit in self._credits if credit.chunk.turn != turn)
        if self._playback is not None:
            self._playback.stop()
        lost_ms = sum(e.duration_ms for e in removed if isinstance(e, SpeechChunk))
        self._audio_ms -= lost_ms
        voice = self._voices.get(turn)
        if voice is not None:
            rate_hz = coded_rate_hz(voice.options.output)
            voice.coded = max(0, voice.coded - lost_ms * rate_hz // 1000)
        return True


def _slices(samples: Samples, sample_rate_hz: int) -> Iterator[Samples]:
    step = max(1, sample_rate_hz // _SLICES_PER_S)
    for at in range(0, len(samples), step):
        yield samples[at : at + step]


def _placed(timings: SpeechTimings, voice: _Voice) -> SpeechTimings:
    """Times of the model's audio as they are in the encoded audio: none outside it, none reaching into the next."""
    per_ms = voice.model_rate_hz / 1000
    dropped_ms = voice.encoder.dropped_at_start / per_ms
    tempo = voice.options.tempo
    moved = [
        (round(u.start_ms / tempo - dropped_ms), round(u.end_ms / tempo - dropped_ms))
        for u in timings.units
    ]
    times = in_order(moved, voice.told_ms, int(voice.encoder.kept_samples / per_ms))
    units = tuple(
        SpokenUnit(u.text, u.char_start, u.char_end, *at)
        for u, at in zip(timings.units, times, strict=True)
    )
    voice.told_ms = times[-1][1] if times else voice.told_ms
    return replace(timings, units=units)
