"""Speech of a synthesis session's contexts: each with its end and the times of its words, for a client that listens.

A context that is cancelled loses at once what waits here and what waits in the sink. ``sent`` tells the session what
the client took, so that no more is made than it listens to.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from speech_service.calls.speech.output import SpeechOutput, Track
from speech_service.calls.speech.playback_clock import PlaybackClock
from speech_service.domain.errors import SpeechError
from speech_service.domain.events import (
    ContextEnded,
    ContextOutcome,
    ContextTurn,
    SessionEnded,
    SpeechChunk,
    SpeechSamples,
    SpeechTimings,
    SpokenUnit,
)
from speech_service.domain.synthesis import SpeechFinish
from speech_service.domain.word_times import in_order
from speech_service.media.encode.encoder import EncoderPool, coded_rate_hz
from speech_service.protocols import Observer
from speech_service.sessions.synthesis.events import EncodedSynthesisEvent, SynthesisEvent


class Sink(Protocol):
    """Where events for the client go."""

    def put(self, event: EncodedSynthesisEvent) -> None:
        """Add an event."""
        ...

    def discard(
        self, unwanted: Callable[[EncodedSynthesisEvent], bool]
    ) -> Sequence[EncodedSynthesisEvent]:
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

    chunk: SpeechChunk[ContextTurn]
    audio_ms: float
    """As the model made it."""
    ready_s: float
    asked_s: float


@dataclass(slots=True)
class _WordTimes:
    """Of one context."""

    early: list[SpeechTimings] = field(default_factory=list[SpeechTimings])
    """They wait for the first bytes."""
    told_ms: int = 0
    """End of the last word whose time went out."""


class ContextOutput:
    """Of one session. ``close`` it when the call is over."""

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
        self._output: SpeechOutput[ContextTurn] = SpeechOutput(encoders, self)
        self._sink = sink
        self._feedback = feedback
        self._observer = observer
        self._rpc_type = rpc_type
        self._playback = playback
        self._times: dict[int, _WordTimes] = {}
        self._ends_out: set[int] = set()
        """Contexts whose end is in the sink, or already with the client's transport."""
        self._credits: deque[_Credit] = deque()
        self._audio_ms = 0
        self._text_s: float | None = None
        self._first_audio_ms: float | None = None

    def text_came(self) -> None:
        """The client sent text; first audio is counted from the first call."""
        self._text_s = self._text_s or time.monotonic()

    def put(self, event: SynthesisEvent) -> None:
        """Take an event of the session."""
        match event:
            case SpeechSamples():
                self._output.speak(event)
            case SpeechTimings():
                self._output.then(partial(self._place, event), event.owner)
            case ContextEnded(owner, ContextOutcome.CANCELLED):
                is_new = self._drop(owner)
                if is_new:  # else its end is on the wire already; ``sent`` will be told of it
                    self._output.then(partial(self._end, event), owner)
            case ContextEnded():
                self._output.then(partial(self._end, event), event.owner)
            case SessionEnded():
                self._output.at_last(partial(self._sum_up, event))
            case _:
                self._output.then(partial(self._tell, event))

    def sent(self, event: EncodedSynthesisEvent) -> None:
        """The event was handed to the client's transport."""
        if isinstance(event, SpeechChunk):
            while self._credits:
                credit = self._credits.popleft()
                self._heard(credit)
                self._feedback.audio_sent(credit.chunk.owner.turn, credit.audio_ms)
                if credit.chunk is event:
                    return
        if isinstance(event, ContextEnded):
            self._ends_out.discard(event.owner.turn)
            self._output.forget(event.owner)
            self._feedback.end_sent(event.owner.turn)

    async def close(self) -> None:
        """Stop, and free the encoders."""
        await self._output.close()

    # --- from the encoder ---

    def encoded(
        self,
        track: Track[ContextTurn],
        chunks: Sequence[SpeechChunk[ContextTurn]],
        audio_ms: float,
    ) -> None:
        """With the last of its chunks the client has taken ``audio_ms`` more."""
        if not chunks:
            self._feedback.audio_sent(track.owner.turn, audio_ms)
            return
        for chunk in chunks:
            taken_ms = audio_ms if chunk is chunks[-1] else 0.0
            self._credits.append(_Credit(chunk, taken_ms, time.monotonic(), track.asked_s))
            self._audio_ms += chunk.duration_ms
            self._note_first_audio(chunk)
            self._sink.put(chunk)
        times = self._times.setdefault(track.owner.turn, _WordTimes())
        for timings in times.early:
            self._sink.put(_placed(timings, track, times))
        times.early.clear()

    def failed(self, owner: ContextTurn, error: SpeechError) -> None:
        self._feedback.failed(owner.turn, error)

    def _note_first_audio(self, chunk: SpeechChunk[ContextTurn]) -> None:
        if chunk.duration_ms and self._first_audio_ms is None and self._text_s is not None:
            elapsed_s = time.monotonic() - self._text_s
            self._first_audio_ms = elapsed_s * 1000
            self._observer.observe(
                "speech_first_audio_seconds", elapsed_s, grpc_type=self._rpc_type
            )

    # --- what takes its place between the pieces of speech ---

    async def _tell(self, event: EncodedSynthesisEvent) -> None:
        self._sink.put(event)

    async def _place(self, timings: SpeechTimings) -> None:
        track = self._output.track(timings.owner)
        if track is None or self._output.is_dropped(timings.owner):
            return
        times = self._times.setdefault(timings.owner.turn, _WordTimes())
        if track.sequence:
            self._sink.put(_placed(timings, track, times))
        else:
            times.early.append(timings)

    async def _end(self, event: ContextEnded) -> None:
        owner, is_done = event.owner, event.outcome is ContextOutcome.DONE
        if is_done:
            try:
                await self._output.finish(owner)
            except SpeechError as error:
                event = replace(event, outcome=ContextOutcome.FAILED, error=error, finish=None)
        if is_done and self._output.is_dropped(owner):
            return  # it was cancelled meanwhile; that end is in the queue
        track = await self._output.release(owner)
        if is_done and self._output.is_dropped(owner):
            return
        if track is not None:
            usage = replace(event.usage, audio_out_ms=track.coded_ms)
            event = replace(event, usage=usage)
        self._times.pop(owner.turn, None)
        self._ends_out.add(owner.turn)
        if event.finish is SpeechFinish.LENGTH_LIMIT:
            self._observer.count("speech_synthesis_cut_total")
        self._sink.put(event)

    async def _sum_up(self, event: SessionEnded) -> None:
        if self._audio_ms and event.latency.decode_ms:  # not where a cache had all of it
            rtf = event.latency.decode_ms / self._audio_ms
            self._observer.observe("speech_synthesis_rtf", rtf)
        if self._audio_ms:
            self._observer.count("speech_audio_sent_seconds_total", self._audio_ms / 1000)
        usage = replace(event.usage, audio_out_ms=self._audio_ms)
        latency = replace(event.latency, first_result_ms=self._first_audio_ms)
        self._sink.put(SessionEnded(usage, latency))
        self._feedback.delivered()

    # --- the client ---

    def _heard(self, credit: _Credit) -> None:
        chunk = credit.chunk
        if self._playback is None or not chunk.duration_ms:
            return
        continued = self._playback.sent(
            chunk.owner.turn, chunk.duration_ms, credit.ready_s, credit.asked_s
        )
        if continued is not None:
            self._observer.observe("speech_synthesis_buffer_seconds", continued.buffer_s)
            self._observer.count("speech_synthesis_underruns_total", int(continued.is_underrun))

    def _drop(self, owner: ContextTurn) -> bool:
        """Forget what of the context was not handed over; False: its end was."""
        removed = self._sink.discard(lambda event: _owner_of(event) == owner)
        if owner.turn in self._ends_out and not any(isinstance(e, ContextEnded) for e in removed):
            return False
        self._ends_out.discard(owner.turn)
        self._output.drop(owner)
        self._times.pop(owner.turn, None)
        self._credits = deque(credit for credit in self._credits if credit.chunk.owner != owner)
        if self._playback is not None:
            self._playback.stop()
        lost_ms = sum(e.duration_ms for e in removed if isinstance(e, SpeechChunk))
        self._audio_ms -= lost_ms
        track = self._output.track(owner)
        if track is not None:
            lost = lost_ms * coded_rate_hz(track.options.output) // 1000
            track.coded = max(0, track.coded - lost)
        return True


def _owner_of(event: EncodedSynthesisEvent) -> ContextTurn | None:
    """The context that the event is about; None: none."""
    return event.owner if isinstance(event, SpeechChunk | SpeechTimings | ContextEnded) else None


def _placed(timings: SpeechTimings, track: Track[ContextTurn], times: _WordTimes) -> SpeechTimings:
    """Times of the model's audio as they are in the encoded audio: none outside it, none reaching into the next."""
    per_ms = track.model_rate_hz / 1000
    dropped_ms = track.encoder.dropped_at_start / per_ms
    tempo = track.options.tempo
    moved = [
        (round(u.start_ms / tempo - dropped_ms), round(u.end_ms / tempo - dropped_ms))
        for u in timings.units
    ]
    placed = in_order(moved, times.told_ms, int(track.encoder.kept_samples / per_ms))
    units = tuple(
        SpokenUnit(u.text, u.char_start, u.char_end, *at)
        for u, at in zip(timings.units, placed, strict=True)
    )
    times.told_ms = placed[-1][1] if placed else times.told_ms
    return replace(timings, units=units)
