"""How a synthesis goes on in another call: contexts that are open are asked for again.

Nothing tells a client where the speech of a sentence ends in the audio. So an open context is spoken again from its
beginning (the cache of a server may have it); what the caller has is left out, and the rest follows. A voice that says
the same text the same way (one without chance, or with a seed) goes on without a seam. A file that has begun (WAV, MP3,
...) cannot be joined with another: such a context fails, and the stream lives on.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import grpc

from speech.v1 import audio_pb2
from speech.v1 import synthesis_service_pb2 as pb
from speech_client import errors
from speech_client.events import ControlAck, ControlKind, Usage
from speech_client.sent_log import payload
from speech_client.spoken import (
    ContextEnded,
    ContextOutcome,
    SpeechChunk,
    SpeechTimings,
)

_HEADERLESS = frozenset(
    {
        audio_pb2.OUTPUT_ENCODING_UNSPECIFIED,
        audio_pb2.OUTPUT_ENCODING_PCM_S16LE,
        audio_pb2.OUTPUT_ENCODING_PCM_F32LE,
        audio_pb2.OUTPUT_ENCODING_MULAW,
        audio_pb2.OUTPUT_ENCODING_ALAW,
    }
)


@dataclass(slots=True, eq=False)
class _Said:
    """A message of the caller's that is not done."""

    kind: str
    message: Any
    turn: "_Turn | None"
    is_acked: bool = False


@dataclass(slots=True, eq=False)
class _Turn:
    """One context, from its first text to its end; its name may have several, one after the other."""

    context_id: str
    pieces: int = 0
    """That the caller has."""
    held_bytes: int = 0
    """Audio that the caller has."""
    timed_char: int = 0
    """The caller has the timings of the text before it."""
    skip_bytes: int = 0
    """Of what comes in this call: what the caller has."""
    is_closed: bool = False
    """What follows in the context is another turn."""


class SynthesisRecovery:
    """StreamingSynthesize; ``config`` is what the caller asked for."""

    def __init__(self, config: pb.SynthesisConfig) -> None:
        self._config = pb.SynthesisConfig()
        self._config.CopyFrom(config)
        self._said: list[_Said] = []
        self._sent = 0
        """How many of them were sent in the call that runs."""
        self._turns: dict[str, deque[_Turn]] = {}
        """Those that are open, by context, in the order in which they are spoken."""
        self._received = 0

    # --- what is sent ---

    def sent(self, message: Any, *, live: bool) -> None:
        """As of ``Recovery``."""
        kind = payload(message)
        if kind == "keep_alive":
            return
        turn = None
        if kind == "text":
            turn = self._open_turn(message.text.context_id)
        elif kind == "flush":
            turns = self._turns.get(message.flush.context_id)
            turn = turns[-1] if turns else None
            if turn is not None and not message.flush.keep_open:
                turn.is_closed = True
        elif kind == "cancel":
            for stopped in self._turns_of(message.cancel.context_id):
                stopped.is_closed = True
        self._said.append(_Said(kind, message, turn))
        if live:
            self._sent = len(self._said)

    def _open_turn(self, context_id: str) -> _Turn:
        turns = self._turns.setdefault(context_id, deque())
        if not turns or turns[-1].is_closed:
            turns.append(_Turn(context_id))
        return turns[-1]

    def _turns_of(self, context_id: str) -> list[_Turn]:
        """The open turns of a context; of all for ""."""
        chosen = self._turns.values() if not context_id else [self._turns.get(context_id, ())]
        return [turn for turns in chosen for turn in turns]

    def _spoken_turn(self, context_id: str) -> _Turn | None:
        turns = self._turns.get(context_id)
        return turns[0] if turns else None

    # --- what comes ---

    def taken(self, event: Any) -> Sequence[Any]:
        """As of ``Recovery``."""
        match event:
            case SpeechChunk():
                return self._chunk(event)
            case SpeechTimings():
                return self._timings(event)
            case ContextEnded():
                self._received += 1
                turn = self._spoken_turn(event.context_id)
                if turn is not None:
                    self._over(turn)
                return (event,)
            case ControlAck():
                return self._acked(event)
            case _:
                return (event,)

    def mark(self) -> object:
        """As of ``Recovery``."""
        return self._received

    def _chunk(self, chunk: SpeechChunk) -> Sequence[Any]:
        turn = self._spoken_turn(chunk.context_id)
        if turn is None:
            return (chunk,)
        start_ms, data, duration_ms = chunk.start_ms, chunk.data, chunk.duration_ms
        if turn.skip_bytes:
            known = min(turn.skip_bytes, len(data))
            turn.skip_bytes -= known
            if known == len(data):
                return ()
            known_ms = round(duration_ms * known / len(data))
            data, start_ms, duration_ms = data[known:], start_ms + known_ms, duration_ms - known_ms
        told = SpeechChunk(chunk.context_id, turn.pieces, data, start_ms, duration_ms)
        turn.pieces += 1
        turn.held_bytes += len(data)
        self._received += len(data)
        return (told,)

    def _timings(self, event: SpeechTimings) -> Sequence[Any]:
        turn = self._spoken_turn(event.context_id)
        if turn is None:
            return (event,)
        news = tuple(each for each in event.timings if each.char_start >= turn.timed_char)
        if not news:
            return ()
        turn.timed_char = news[-1].char_end
        return (replace(event, timings=news),)

    def _acked(self, ack: ControlAck) -> Sequence[Any]:
        said = next(
            (s for s in self._said if s.kind == _kind(ack) and _control_id(s) == ack.control_id),
            None,
        )
        if said is None:
            return (ack,)
        was_acked, said.is_acked = said.is_acked, True
        if ack.error is not None or said.kind == "cancel":
            self._forget([said])
        self._settle_updates()
        return () if was_acked else (ack,)

    def _over(self, turn: _Turn) -> None:
        turns = self._turns[turn.context_id]
        turns.remove(turn)
        if not turns:
            del self._turns[turn.context_id]
        self._forget([s for s in self._said if s.turn is turn])
        self._settle_updates()

    def _forget(self, done: Sequence[_Said]) -> None:
        self._sent -= sum(1 for said in self._said[: self._sent] if said in done)
        self._said = [said for said in self._said if said not in done]

    def _settle_updates(self) -> None:
        """What changed the configuration for all contexts that are asked for again is in it from the start."""
        while self._said and self._said[0].kind == "update_config" and self._said[0].is_acked:
            update = self._said[0].message.update_config
            update.update_mask.MergeMessage(update.config, self._config, True, True)
            self._forget(self._said[:1])

    # --- another call ---

    @property
    def _is_headerless(self) -> bool:
        return self._config.output.encoding in _HEADERLESS

    def may_move(self) -> bool:
        """As of ``Recovery``: no file is under way that would be cut."""
        return self._is_headerless or not any(turn.pieces for turn in self._turns_of(""))

    def first(self, token: str) -> Any:
        """As of ``Recovery``; every server of synthesis takes it."""
        del token
        return pb.StreamingSynthesizeRequest(config=self._config)

    def resumed(self) -> Sequence[Any]:
        """As of ``Recovery``. Contexts that cannot go on have failed; what was to be stopped is."""
        told = [*self._stopped(), *self._cut_files()]
        for turn in self._turns_of(""):
            turn.skip_bytes = turn.held_bytes
        self._sent = 0
        return told

    def _stopped(self) -> Iterator[Any]:
        """Cancels whose answer is lost: the speech of their contexts is over with the call that made it."""
        for said in [s for s in self._said if s.kind == "cancel"]:
            name = said.message.cancel.context_id
            before = self._said[: self._said.index(said)]
            for turn in self._turns_of(name):
                if any(s.turn is turn for s in before):
                    yield from self._flushes_answered(turn, None)
                    yield ContextEnded(turn.context_id, ContextOutcome.CANCELLED, Usage())
                    self._over(turn)
            yield ControlAck(said.message.cancel.control_id, ControlKind.CANCEL, None, name)
            self._forget([said])

    def _cut_files(self) -> Iterator[Any]:
        if self._is_headerless:
            return
        for turn in [turn for turn in self._turns_of("") if turn.pieces]:
            error = errors.UnavailableError(
                grpc.StatusCode.UNAVAILABLE,
                "the connection was lost in the middle of the file; ask for the text again",
                reason="SPEECH_FAILED",
            )
            yield from self._flushes_answered(turn, error)
            yield ContextEnded(turn.context_id, ContextOutcome.FAILED, Usage(), error)
            self._over(turn)

    def _flushes_answered(
        self, turn: _Turn, error: errors.SpeechApiError | None
    ) -> Iterator[ControlAck]:
        """Every control message gets its one answer, whatever became of its context."""
        for said in self._said:
            if said.kind == "flush" and said.turn is turn and not said.is_acked:
                flush = said.message.flush
                yield ControlAck(
                    flush.control_id, ControlKind.FLUSH, None, flush.context_id, error=error
                )

    def next(self) -> Any | None:
        """As of ``Recovery``."""
        if self._sent == len(self._said):
            return None
        self._sent += 1
        return self._said[self._sent - 1].message

    def given_up(self) -> Sequence[Any]:
        """As of ``Recovery``: nothing is held back."""
        return ()


def _kind(ack: ControlAck) -> str:
    return ack.kind.value if ack.kind is not None else ""


def _control_id(said: _Said) -> str:
    part: Any = getattr(said.message, said.kind)
    return part.control_id if said.kind in ("flush", "cancel", "update_config") else ""
