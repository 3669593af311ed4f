"""Synthesis: text into speech, whole, piece by piece, or while the text is still being written."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Unpack

import grpc.aio
from google.protobuf.field_mask_pb2 import FieldMask

from speech.v1 import common_pb2
from speech.v1 import synthesis_service_pb2 as pb
from speech.v1.audio_pb2 import OutputEncoding
from speech.v1.synthesis_service_pb2_grpc import SynthesisServiceStub
from speech_client import errors
from speech_client.calls import Connection
from speech_client.channel import CallOptions, RetryPolicy
from speech_client.events import (
    Latency,
    ServiceWarning,
    StreamEvent,
    Usage,
    latency_from_proto,
    stream_event,
    usage_from_proto,
    warnings_from_proto,
)
from speech_client.part import OpenCall
from speech_client.reconnect import NEVER, ReconnectPolicy
from speech_client.session import PendingAck, Session
from speech_client.speech_options import SynthesizeOptions, build_synthesis_config
from speech_client.spoken import (
    ContextEnded,
    ContextOutcome,
    SpeechChunk,
    SpeechTiming,
    SpeechTimings,
)
from speech_client.synthesize_resume import SynthesisRecovery

SynthesizeEvent = SpeechChunk | SpeechTimings | ContextEnded | StreamEvent
"""What a synthesis stream gives."""


@dataclass(frozen=True, slots=True)
class SynthesisReply:
    """Reply to a unary Synthesize.

    Attributes:
        audio: the audio, in ``encoding`` at ``sample_rate_hz``.
        duration_ms: its length.
        timings: when each word or character is spoken; only when asked for.
        voice: id of the voice that spoke; empty for one made for this request.
        cached: whether the audio came from the server's cache.
        is_cut: whether the model was stopped at its limit, so that the speech ends too early or went astray.
    """

    audio: bytes
    encoding: str
    sample_rate_hz: int
    duration_ms: int
    timings: tuple[SpeechTiming, ...]
    model: str
    voice: str
    cached: bool
    usage: Usage
    latency: Latency
    warnings: tuple[ServiceWarning, ...]
    is_cut: bool = False
    raw: pb.SynthesizeResponse | None = field(default=None, repr=False, compare=False)


class SynthesizeStream(Session[pb.StreamingSynthesizeRequest, SynthesizeEvent]):
    """A synthesis session; made by ``SpeechClient.stream_synthesize``, used in ``async with``.

    Text belongs to contexts, each an utterance of its own; one is enough for most. Entering opens the session, so a
    wrong configuration raises there. Iterating ends after ``session_ended``. Leaving before the end cancels the call.
    """

    def __init__(
        self,
        open_call: OpenCall,
        config: pb.SynthesisConfig,
        call_options: CallOptions,
        retry: RetryPolicy,
        reconnect: ReconnectPolicy = NEVER,
    ) -> None:
        first = pb.StreamingSynthesizeRequest(config=config)
        recovery = SynthesisRecovery(config)
        super().__init__(
            open_call, first, synthesize_event, call_options, retry, reconnect, recovery
        )

    async def send_text(self, text: str, *, context_id: str = "") -> None:
        """Send a piece of text, joined to what came before in its context exactly as it is."""
        piece = pb.SynthesisText(context_id=context_id, text=text)
        await self.send(pb.StreamingSynthesizeRequest(text=piece))

    async def flush(
        self, context_id: str = "", *, keep_open: bool = False, control_id: str = ""
    ) -> PendingAck:
        """Speak a context's text to its end, and end the context unless it is kept open for more text.

        Await the result for the ack. Of a context that is kept open it comes behind all audio of its text so far; of
        one that ends, at once: ``ContextEnded`` follows the audio.
        """
        name = control_id or self.new_control_id()
        message = pb.Flush(context_id=context_id, control_id=name, keep_open=keep_open)
        return await self.send_control(name, pb.StreamingSynthesizeRequest(flush=message))

    async def cancel(self, context_id: str = "", *, control_id: str = "") -> PendingAck:
        """Stop a context at once; "": all of them. No more of its audio comes after the ack.

        To give up the whole session, leave the ``async with`` or call ``close``.
        """
        name = control_id or self.new_control_id()
        message = pb.Cancel(context_id=context_id, control_id=name)
        return await self.send_control(name, pb.StreamingSynthesizeRequest(cancel=message))

    async def update_config(
        self, config: pb.SynthesisConfig, *paths: str, control_id: str = ""
    ) -> PendingAck:
        """Change the configuration of contexts that open later.

        Args:
            config: carries the new values; ``build_synthesis_config`` makes one from options.
            paths: what to take from it, such as ``"speaking_rate"``; at least one.
            control_id: repeated in the ack; empty: chosen here.
        """
        name = control_id or self.new_control_id()
        update = pb.UpdateSynthesisConfig(
            config=config, update_mask=FieldMask(paths=paths), control_id=name
        )
        return await self.send_control(name, pb.StreamingSynthesizeRequest(update_config=update))

    async def keep_alive(self) -> None:
        """Restart the server's idle limit; not acknowledged."""
        await self.send(pb.StreamingSynthesizeRequest(keep_alive=common_pb2.KeepAlive()))

    async def end_text(self) -> None:
        """Say that no more text follows: all contexts are spoken to their ends. May be called twice."""
        await self.finish(pb.StreamingSynthesizeRequest(end_of_text=common_pb2.EndOfInput()))


class SynthesisMethods(Connection):
    """The methods of ``SpeechClient`` that speak."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        call: CallOptions,
        retry: RetryPolicy,
        reconnect: ReconnectPolicy,
    ) -> None:
        super().__init__(channel, call, retry, reconnect)
        self._synthesis = SynthesisServiceStub(channel)

    async def synthesize(
        self, text: str, *, call: CallOptions | None = None, **options: Unpack[SynthesizeOptions]
    ) -> SynthesisReply:
        """Speak a text and give the audio whole.

        Args:
            text: the text; not blank. Longer than a few minutes of speech: ``synthesize_chunked``.
            call: metadata and deadline of this call.
            options: see ``SynthesizeOptions``.

        Raises:
            SpeechApiError: the call did not succeed.
        """
        request = pb.SynthesizeRequest(config=build_synthesis_config(options), text=text)
        reply = await self._unary(self._synthesis.Synthesize, request, pb.SynthesizeResponse, call)
        return synthesis_from_proto(reply)

    async def synthesize_chunked(
        self, text: str, *, call: CallOptions | None = None, **options: Unpack[SynthesizeOptions]
    ) -> AsyncGenerator[SynthesizeEvent, None]:
        """Speak a text of any length; gives ``SpeechChunk`` and other events as they are made.

        Leaving the iteration early cancels the call once the generator is closed (``contextlib.aclosing``).

        Raises:
            SpeechApiError: the call did not succeed, or ended early.
        """
        request = pb.SynthesizeChunkedRequest(config=build_synthesis_config(options), text=text)
        method = self._synthesis.SynthesizeChunked
        async with aclosing(self._server_stream(method, request, call)) as messages:
            async for message in messages:
                event = synthesize_event(message)
                if event is not None:
                    yield event

    def stream_synthesize(
        self, *, call: CallOptions | None = None, **options: Unpack[SynthesizeOptions]
    ) -> SynthesizeStream:
        """Make a synthesis session, for text that arrives in pieces; it opens on entering ``async with``.

        Args:
            call: metadata and deadline of this call; a deadline covers the whole stream.
            options: see ``SynthesizeOptions``.
        """
        opener = self._opener(self._synthesis.StreamingSynthesize)
        config = build_synthesis_config(options)
        return SynthesizeStream(opener, config, call or self._call, self._retry, self._reconnect)


_OUTCOMES = {
    pb.CONTEXT_OUTCOME_DONE: ContextOutcome.DONE,
    pb.CONTEXT_OUTCOME_CANCELLED: ContextOutcome.CANCELLED,
}


def synthesis_from_proto(raw: pb.SynthesizeResponse) -> SynthesisReply:
    """A unary reply."""
    encoding = OutputEncoding.Name(raw.output.encoding) if raw.output.encoding else ""
    return SynthesisReply(
        audio=raw.audio,
        encoding=encoding.removeprefix("OUTPUT_ENCODING_").lower(),
        sample_rate_hz=raw.output.sample_rate_hz,
        duration_ms=raw.duration_ms,
        timings=_timings(raw.timings),
        model=raw.model,
        voice=raw.voice_id,
        cached=raw.cached,
        usage=usage_from_proto(raw.usage),
        latency=latency_from_proto(raw.latency),
        warnings=warnings_from_proto(raw.warnings),
        is_cut=raw.finish == pb.SYNTHESIS_FINISH_LENGTH_LIMIT,
        raw=raw,
    )


def synthesize_event(
    raw: pb.StreamingSynthesizeResponse | pb.SynthesizeChunkedResponse,
) -> SynthesizeEvent | None:
    """A stream's event; None for one that this version does not know."""
    match raw.WhichOneof("event"):
        case "audio":
            piece = raw.audio
            return SpeechChunk(
                piece.context_id, piece.sequence, piece.data, piece.start_ms, piece.duration_ms
            )
        case "timings":
            return SpeechTimings(raw.timings.context_id, _timings(raw.timings.timings))
        case "context_ended" if isinstance(raw, pb.StreamingSynthesizeResponse):
            return _context_ended(raw.context_ended)
        case _:
            return stream_event(raw)


def _context_ended(raw: pb.ContextEnded) -> ContextEnded:
    failure = None
    if raw.HasField("error"):
        error = raw.error
        failure = errors.from_code(error.code, error.message, error.reason, error.metadata)
    outcome = _OUTCOMES.get(raw.outcome, ContextOutcome.FAILED)
    is_cut = raw.finish == pb.SYNTHESIS_FINISH_LENGTH_LIMIT
    return ContextEnded(raw.context_id, outcome, usage_from_proto(raw.usage), failure, is_cut)


def _timings(raw: Iterable[pb.SynthesisTiming]) -> tuple[SpeechTiming, ...]:
    return tuple(
        SpeechTiming(each.text, each.char_start, each.char_end, each.start_ms, each.end_ms)
        for each in raw
    )
