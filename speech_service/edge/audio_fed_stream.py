"""The one handler of every stream that is fed with audio: what its RPCs have in common of their messages."""

from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

from speech_service.calls.audio.fed_session import FedSession
from speech_service.calls.driver import SessionRunner
from speech_service.domain import events
from speech_service.domain.errors import InvalidFieldError
from speech_service.edge.fields import limit_exceeded
from speech_service.edge.v1.control import control_actions

Request = TypeVar("Request")
Response = TypeVar("Response")
Event = TypeVar("Event")
RequestIn = TypeVar("RequestIn", contravariant=True)
ResponseOut = TypeVar("ResponseOut", covariant=True)
EventIn = TypeVar("EventIn", contravariant=True)
_ENDS = ("end_of_audio", "end_of_input")


class AudioFedWire(Protocol[RequestIn, ResponseOut, EventIn]):
    """What one RPC has of its own."""

    instead_of_config: str
    """What a client sends in place of a second configuration."""
    beside_audio: Sequence[str]
    """Payloads that do not wait for the audio before them."""

    async def message(self, kind: str, request: RequestIn) -> bool:
        """Carry out a payload that is not every RPC's, while the session's turn is held. False: there is no such."""
        ...

    def responses(self, event: EventIn) -> Sequence[ResponseOut]:
        """What the client is told of an event."""
        ...


class AudioFedStream(Generic[Request, Response, Event]):
    """One stream, opened by its first message."""

    def __init__(
        self,
        fed: FedSession[Any, Any],
        wire: AudioFedWire[Request, Response, Event],
        max_message_bytes: int,
    ) -> None:
        self._fed = fed
        self._feed = fed.feed
        self._wire = wire
        self._max_message_bytes = max_message_bytes
        self._next_sequence = 0

    @property
    def runner(self) -> SessionRunner[Any, Any]:
        """Drives the session."""
        return self._fed.runner

    async def message(self, request: Any) -> bool:
        """One client message; False after the end of the input."""
        kind = request.WhichOneof("payload")
        if kind == "audio":  # the hot path: it takes the turn block by block
            await self._feed(self._checked(request.audio))
            return True
        if kind in _ENDS:
            return False
        if kind == "keep_alive":
            return True
        if kind not in self._wire.beside_audio:
            await self._fed.settle()
        runner = self._fed.runner
        async with runner.turn:
            await runner.catch_up()
            await self._other(kind, request)
        return True

    async def half_close(self) -> None:
        """Flush the decoder, then the session."""
        await self._fed.end()

    def responses(self, event: Event) -> Sequence[Response]:
        """What the client is told of an event."""
        return self._wire.responses(event)

    def sent(self, event: Event) -> None:
        """Nothing waits for it: audio comes at the client's pace."""

    async def close(self) -> None:
        """Free the decoder; note what a stream that failed had used."""
        await self._fed.close()

    async def _other(self, kind: str | None, request: Any) -> None:
        runner, session = self._fed.runner, self._fed.runner.session
        if kind == "finalize":
            finalize, given = events.ControlKind.FINALIZE, request.finalize.control_id
            await runner.perform(control_actions(session, finalize, given, session.finalize))
        elif kind == "config":
            allowed = self._wire.instead_of_config
            raise InvalidFieldError("config", "came twice", allowed, reason="CONFIG_REPEATED")
        elif kind is None or not await self._wire.message(kind, request):
            raise InvalidFieldError("payload", "is not set", "one of the payload's messages")

    def _checked(self, chunk: Any) -> bytes:
        """The audio of a message that comes in its turn and is not too long."""
        expected, self._next_sequence = self._next_sequence, self._next_sequence + 1
        if chunk.HasField("sequence") and chunk.sequence != expected:
            problem, allowed = "has a gap or a repeat", f"{expected} next"
            raise InvalidFieldError("audio.sequence", problem, allowed, reason="SEQUENCE_GAP")
        data: bytes = chunk.data
        if len(data) > self._max_message_bytes:
            limit = self._max_message_bytes
            raise limit_exceeded("audio.data", "max_audio_message_bytes", limit)
        return data
