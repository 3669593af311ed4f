"""StreamingSynthesize and SynthesizeChunked after their first message: what the others mean, and what is answered."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import assert_never

from speech.v1 import common_pb2
from speech.v1 import synthesis_service_pb2 as pb
from speech_service.calls.driver import SessionRunner
from speech_service.calls.outbox import Outbox
from speech_service.calls.requests.synthesis import SynthesisRequest, SynthesisRequests
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.speech.caching_submitter import CachedSpeech
from speech_service.calls.speech.collected import CollectedAudio
from speech_service.calls.synthesis import OpenedSynthesis, SpeechTools
from speech_service.config.tree import StreamConfig
from speech_service.domain import events
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError, SpeechError
from speech_service.domain.synthesis import SpeechFinish
from speech_service.domain.work import WorkClass
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.control import check_context_id, control_actions, refusal
from speech_service.edge.v1.synthesis import results as convert_speech
from speech_service.edge.v1.synthesis.config import FIELDS, UPDATE_FIELDS, updated, wanted
from speech_service.sessions.synthesis.events import (
    EncodedSynthesisEvent,
    SynthesisAction,
    SynthesisEvent,
)
from speech_service.sessions.synthesis.session import SynthesisSession

ChunkedEvent = (
    events.SessionStarted
    | events.SpeechChunk[events.ContextTurn]
    | events.SpeechTimings
    | events.StreamWarning
    | events.GoingAway
    | events.SessionEnded
)
"""What the client of a chunked call is told."""


class SynthesizeStream:
    """StreamingSynthesize; ``config`` is what its first message held, ``request`` what became of it."""

    def __init__(
        self,
        requests: SynthesisRequests,
        tools: SessionTools,
        speech: SpeechTools,
        limits: StreamConfig,
        call: Call,
        config: pb.SynthesisConfig,
        request: SynthesisRequest,
        outbox: Outbox[EncodedSynthesisEvent],
    ) -> None:
        self._requests = requests
        self._speech = speech
        self._limits = limits
        self._call = call
        self._config = config
        self._cached: CachedSpeech | None = None
        if speech.cache.is_on:
            self._cached = CachedSpeech(
                tools.submitter, speech.cache, tools.observer, call.principal.tenant
            )
            tools = replace(tools, submitter=self._cached)
        self._opened = OpenedSynthesis(
            tools, speech, call, request, WorkClass.STREAM_FINAL, outbox, single=False
        )
        self._opened.start()

    @property
    def runner(self) -> SessionRunner[SynthesisSession, SynthesisEvent]:
        """Drives the session."""
        return self._opened.runner

    async def message(self, request: pb.StreamingSynthesizeRequest) -> bool:
        """One client message; False after ``end_of_text``."""
        opened, perform = self._opened, self._opened.runner.perform_now
        match request.WhichOneof("payload"):
            case "text":
                context_id = check_context_id(request.text.context_id, "text.context_id")
                await opened.text(context_id, request.text.text)
            case "flush":
                perform(_flush(opened, request.flush))
            case "cancel":
                perform(_cancel(opened.session, request.cancel))
            case "update_config":
                await self._update(request.update_config)
            case "keep_alive":
                pass
            case "end_of_text":
                return False
            case "config":
                raise InvalidFieldError(
                    "config", "came twice", "update_config", reason="CONFIG_REPEATED"
                )
            case _:
                raise InvalidFieldError("payload", "is not set", "one of the payload's messages")
        return True

    async def half_close(self) -> None:
        """Speak what is there, then end."""
        self._opened.end_of_text()

    def responses(self, event: EncodedSynthesisEvent) -> Sequence[pb.StreamingSynthesizeResponse]:
        """Domain to wire."""
        return (self._response(event),)

    def _response(self, event: EncodedSynthesisEvent) -> pb.StreamingSynthesizeResponse:
        response = pb.StreamingSynthesizeResponse
        match event:
            case events.SpeechChunk():
                return response(audio=convert_speech.audio(event))
            case events.SpeechTimings():
                return response(timings=convert_speech.timings(event))
            case events.ContextEnded():
                ended = convert_speech.context_ended(event, self._call.request_id)
                return response(context_ended=ended)
            case events.ControlAck(kind=kind):
                message = response(control_ack=convert.control_ack(event, FIELDS))
                if kind is events.ControlKind.UPDATE_CONFIG:
                    message.effective_config.CopyFrom(self._effective())
                return message
            case events.StreamWarning():
                return response(warning=convert.warning(event, FIELDS))
            case events.GoingAway(drain_ms):
                return response(going_away=common_pb2.GoingAway(drain_ms=convert.uint32(drain_ms)))
            case events.SessionStarted(session_id):
                started = convert_speech.started(
                    session_id, self._opened.request, self._speech.config, self._limits
                )
                return response(session_started=started, effective_config=self._effective())
            case events.SessionEnded(usage, latency):
                label = self._cached.label if self._cached is not None else ""
                self._call.trailers = (("x-speech-cache", label),) if label else ()
                self._call.finished(usage, latency)
                return response(session_ended=convert.session_ended(event))
            case _:
                assert_never(event)

    def sent(self, event: EncodedSynthesisEvent) -> None:
        """The client took it: more may be made."""
        self._opened.output.sent(event)

    async def close(self) -> None:
        """Free the encoders."""
        await self._opened.close()

    def _effective(self) -> pb.SynthesisConfig:
        return convert_speech.effective_config(self._opened.request)

    async def _update(self, message: pb.UpdateSynthesisConfig) -> None:
        opened = self._opened
        try:
            control = convert.control_id(message.control_id, "update_config.control_id")
            config = updated(self._config, message)
            with UPDATE_FIELDS.named():
                request = await self._requests.prepare(
                    wanted(config, self._call, "update_config.config")
                )
        except SpeechError as error:
            kind = events.ControlKind.UPDATE_CONFIG
            opened.runner.perform_now(refusal(opened.session, kind, message.control_id, error))
            return
        self._config, opened.request = config, request
        opened.warn(request)
        opened.runner.perform_now(opened.session.update(request.options, control))


class ChunkedSink:
    """Events of the one context of a chunked call: its end is not told, its failure is the call's."""

    def __init__(
        self, outbox: Outbox[ChunkedEvent], on_end: Callable[[events.ContextEnded], None]
    ) -> None:
        self._outbox = outbox
        self._on_end = on_end

    def put(self, event: EncodedSynthesisEvent) -> None:
        match event:
            case events.ContextEnded():
                self._on_end(event)
            case events.ControlAck():
                return  # the client of a chunked call cannot send what would be acknowledged
            case _:
                self._outbox.put(event)

    def discard(
        self, unwanted: Callable[[EncodedSynthesisEvent], bool]
    ) -> Sequence[EncodedSynthesisEvent]:
        return self._outbox.discard(unwanted)


class SynthesizeChunkedStream:
    """SynthesizeChunked of a request that was checked before; all of its text is in its one message."""

    def __init__(
        self,
        tools: SessionTools,
        speech: SpeechTools,
        limits: StreamConfig,
        call: Call,
        text: str,
        request: SynthesisRequest,
        cache_key: bytes | None,
        outbox: Outbox[ChunkedEvent],
    ) -> None:
        """``cache_key``: where the finished audio is kept; None: nowhere."""
        self._speech = speech
        self._limits = limits
        self._call = call
        self._text = text
        self._request = request
        self._key = cache_key
        self._collected = CollectedAudio(request.warnings)
        sink = ChunkedSink(outbox, self._context_ended)
        self._opened = OpenedSynthesis(
            tools, speech, call, request, WorkClass.STREAM_FINAL, sink, single=True
        )
        self._opened.start()

    @property
    def runner(self) -> SessionRunner[SynthesisSession, SynthesisEvent]:
        """Drives the session."""
        return self._opened.runner

    async def message(self, request: pb.SynthesizeChunkedRequest) -> bool:
        """There is none."""
        del request
        return False

    async def half_close(self) -> None:
        """The text is complete."""
        await self._opened.text("", self._text)
        self._opened.end_of_text()

    def responses(self, event: ChunkedEvent) -> Sequence[pb.SynthesizeChunkedResponse]:
        """Domain to wire."""
        if self._key is not None:
            self._keep(self._key, event)
        if isinstance(event, events.SessionEnded):
            self._call.trailers = (("x-speech-cache", "miss"),) if self._key is not None else ()
            self._call.finished(event.usage, event.latency)
        finish = self._collected.finish
        return (chunked_response(event, self._request, self._speech, self._limits, finish),)

    def sent(self, event: ChunkedEvent) -> None:
        """The client took it: more may be made."""
        self._opened.output.sent(event)

    async def close(self) -> None:
        """Free the encoders."""
        await self._opened.close()

    def _context_ended(self, event: events.ContextEnded) -> None:
        if event.error is not None:
            self._opened.runner.close(event.error)
        self._collected.take(event)
        self._opened.output.sent(event)

    def _keep(self, key: bytes, event: ChunkedEvent) -> None:
        """Collect for the cache what it has room for."""
        self._collected.take(event)
        if isinstance(event, events.SessionEnded):
            self._speech.cache.store(key, self._collected.finished(event))
        elif 2 * self._collected.size_bytes > self._speech.cache.capacity_bytes:
            self._key = None
            self._collected.drop_audio()


def chunked_response(
    event: ChunkedEvent,
    request: SynthesisRequest,
    speech: SpeechTools,
    limits: StreamConfig,
    finish: SpeechFinish = SpeechFinish.COMPLETE,
) -> pb.SynthesizeChunkedResponse:
    """Domain to wire; ``finish`` as it stands when the session ends."""
    response = pb.SynthesizeChunkedResponse
    match event:
        case events.SpeechChunk():
            return response(audio=convert_speech.audio(event))
        case events.SpeechTimings():
            return response(timings=convert_speech.timings(event))
        case events.StreamWarning():
            return response(warning=convert.warning(event, FIELDS))
        case events.GoingAway():
            note = events.StreamWarning("GOING_AWAY", "", "the server is about to stop")
            return response(warning=convert.warning(note, FIELDS))
        case events.SessionStarted(session_id):
            return response(
                session_started=convert_speech.started(session_id, request, speech.config, limits),
                effective_config=convert_speech.effective_config(request),
            )
        case events.SessionEnded():
            ended = convert.session_ended(event)
            return response(session_ended=ended, finish=convert_speech.finish(finish))
        case _:
            assert_never(event)


def _flush(opened: OpenedSynthesis, message: pb.Flush) -> Sequence[SynthesisAction]:
    def flush(control_id: str) -> Sequence[SynthesisAction]:
        if not message.keep_open:
            opened.text_ended(message.context_id)
        return opened.session.flush(message.context_id, control_id, keep_open=message.keep_open)

    kind = events.ControlKind.FLUSH
    return control_actions(opened.session, kind, message.control_id, flush, message.context_id)


def _cancel(session: SynthesisSession, message: pb.Cancel) -> Sequence[SynthesisAction]:
    cancel = partial(session.cancel, message.context_id)
    kind = events.ControlKind.CANCEL
    return control_actions(session, kind, message.control_id, cancel, message.context_id)
