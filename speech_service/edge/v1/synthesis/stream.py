"""StreamingSynthesize and SynthesizeChunked: what their messages mean, as the pump sees them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from speech.v1 import common_pb2
from speech.v1 import synthesis_service_pb2 as pb
from speech_service.calls.audio_cache import FinishedAudio
from speech_service.calls.caching_submitter import CachedSpeech
from speech_service.calls.driver import SessionRunner
from speech_service.calls.outbox import Outbox
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.speech_output import Unwanted
from speech_service.calls.synthesis import OpenedSynthesis, SpeechTools
from speech_service.domain import events
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError, SpeechError
from speech_service.domain.synthesis import SpeechFinish
from speech_service.domain.work import WorkClass
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.control import check_context_id, control_actions, refusal
from speech_service.edge.v1.synthesis import results as convert_speech
from speech_service.edge.v1.synthesis.config import FIELDS, SynthesisRequest
from speech_service.edge.v1.synthesis.requests import SynthesisRequests
from speech_service.sessions.synthesis.session import SynthesisSession


class SynthesizeStream:
    """StreamingSynthesize as the pump sees it."""

    def __init__(
        self,
        serving: Serving,
        requests: SynthesisRequests,
        tools: SessionTools,
        speech: SpeechTools,
        call: Call,
    ) -> None:
        self._serving = serving
        self._requests = requests
        self._tools = tools
        self._speaking = speech
        self._call = call
        self._opened: OpenedSynthesis | None = None
        self._speech: CachedSpeech | None = None

    async def open(
        self, first: pb.StreamingSynthesizeRequest, outbox: Outbox
    ) -> SessionRunner[SynthesisSession]:
        """Check the configuration and start the session."""
        self._request = await self._requests.check(first.config)
        opened = self._opened = OpenedSynthesis(
            self._with_cache(),
            self._speaking,
            self._call,
            self._request,
            WorkClass.STREAM_FINAL,
            outbox,
            single=False,
        )
        opened.runner.perform_now(opened.session.start())
        opened.warn(self._request)
        return opened.runner

    async def message(self, request: pb.StreamingSynthesizeRequest) -> bool:
        """One client message; False after ``end_of_text``."""
        assert self._opened is not None, "the pump opens first"
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
        assert self._opened is not None, "the pump opens first"
        self._opened.end_of_text()

    def response(self, event: events.SessionEvent) -> pb.StreamingSynthesizeResponse:
        """Domain to wire."""
        response = pb.StreamingSynthesizeResponse
        match event:
            case events.SpeechChunk():
                return response(audio=convert_speech.audio(event))
            case events.SpeechTimings():
                return response(timings=convert_speech.timings(event))
            case events.ContextEnded():
                request_id = self._call.request_id
                return response(context_ended=convert_speech.context_ended(event, request_id))
            case events.ControlAck():
                message = response(control_ack=convert.control_ack(event, FIELDS))
                if event.kind is events.ControlKind.UPDATE_CONFIG:
                    message.effective_config.CopyFrom(
                        convert_speech.effective_config(self._request)
                    )
                return message
            case events.StreamWarning():
                return response(warning=convert.warning(event, FIELDS))
            case events.GoingAway(drain_ms):
                return response(going_away=common_pb2.GoingAway(drain_ms=convert.uint32(drain_ms)))
            case events.SessionStarted(session_id):
                return response(
                    session_started=convert_speech.started(
                        session_id,
                        self._request.model.name,
                        self._speaking.config,
                        self._serving.stream,
                    ),
                    effective_config=convert_speech.effective_config(self._request),
                )
            case events.SessionEnded():
                label = self._speech.label if self._speech is not None else ""
                self._call.trailers = (("x-speech-cache", label),) if label else ()
                self._call.finished(event.usage, event.latency)
                return response(session_ended=convert.session_ended(event))
            case _:
                raise TypeError(f"synthesis has no {type(event).__name__}")

    def sent(self, event: events.SessionEvent) -> None:
        """The client took it: more may be made."""
        if self._opened is not None:
            self._opened.output.sent(event)

    async def close(self) -> None:
        """Free the encoders."""
        if self._opened is not None:
            await self._opened.close()

    def _with_cache(self) -> SessionTools:
        """The tools, whose submitter asks the cache first where there is one."""
        tools, cache = self._tools, self._speaking.cache
        if not cache.is_on:
            return tools
        self._speech = CachedSpeech(tools.submitter, cache, tools.observer)
        return replace(tools, submitter=self._speech)

    async def _update(self, message: pb.UpdateSynthesisConfig) -> None:
        assert self._opened is not None
        opened = self._opened
        try:
            control = convert.control_id(message.control_id, "update_config.control_id")
            updated = await self._requests.update(self._request, message)
        except SpeechError as error:
            kind = events.ControlKind.UPDATE_CONFIG
            refused = refusal(opened.session, kind, message.control_id, error)
            opened.runner.perform_now(refused)
            return
        self._request = opened.request = updated
        opened.warn(updated)
        opened.runner.perform_now(opened.session.update(updated.options, control))


class ChunkedSink:
    """Events of the one context of a chunked call: its end is not told, its failure is the call's."""

    def __init__(self, outbox: Outbox, on_end: Callable[[events.ContextEnded], None]) -> None:
        self._outbox = outbox
        self._on_end = on_end

    def put(self, event: events.SessionEvent) -> None:
        """As of ``Sink``."""
        if isinstance(event, events.ContextEnded):
            self._on_end(event)
        else:
            self._outbox.put(event)

    def discard(self, unwanted: Unwanted) -> list[events.SessionEvent]:
        """As of ``Sink``."""
        return self._outbox.discard(unwanted)


class SynthesizeChunkedStream:
    """SynthesizeChunked as the pump sees it; the request was checked before."""

    def __init__(
        self,
        serving: Serving,
        tools: SessionTools,
        speech: SpeechTools,
        call: Call,
        request: SynthesisRequest,
        cache_key: bytes | None,
    ) -> None:
        """``cache_key``: where the finished audio is kept; None: nowhere."""
        self._serving = serving
        self._tools = tools
        self._speech = speech
        self._call = call
        self._request = request
        self._key = cache_key
        self._opened: OpenedSynthesis | None = None
        self._kept: list[events.SpeechChunk | events.SpeechTimings] = []
        self._kept_bytes = 0
        self._warnings: list[events.StreamWarning] = []
        self._finish = SpeechFinish.COMPLETE

    async def open(
        self, first: pb.SynthesizeChunkedRequest, outbox: Outbox
    ) -> SessionRunner[SynthesisSession]:
        """Start the session with all its text."""
        opened = self._opened = OpenedSynthesis(
            self._tools,
            self._speech,
            self._call,
            self._request,
            WorkClass.STREAM_FINAL,
            ChunkedSink(outbox, self._context_ended),
            single=True,
        )
        opened.runner.perform_now(opened.session.start())
        opened.warn(self._request)
        await opened.text("", first.text)
        return opened.runner

    async def message(self, request: pb.SynthesizeChunkedRequest) -> bool:
        """There is none."""
        del request
        return False

    async def half_close(self) -> None:
        """The text is complete."""
        assert self._opened is not None, "the pump opens first"
        self._opened.end_of_text()

    def response(self, event: events.SessionEvent) -> pb.SynthesizeChunkedResponse:
        """Domain to wire."""
        self._keep(event)
        if isinstance(event, events.SessionEnded):
            self._call.trailers = (("x-speech-cache", "miss"),) if self._key is not None else ()
            self._call.finished(event.usage, event.latency)
            self._store(event)
        return chunked_response(event, self._request, self._started, self._finish)

    def _started(self) -> common_pb2.SessionStarted:
        session_id, model = self._call.session_id, self._request.model.name
        config, stream = self._speech.config, self._serving.stream
        return convert_speech.started(session_id, model, config, stream)

    def sent(self, event: events.SessionEvent) -> None:
        """The client took it: more may be made."""
        if self._opened is not None:
            self._opened.output.sent(event)

    async def close(self) -> None:
        """Free the encoders."""
        if self._opened is not None:
            await self._opened.close()

    def _context_ended(self, event: events.ContextEnded) -> None:
        assert self._opened is not None
        if event.error is not None:
            self._opened.runner.close(event.error)
        if event.finish is not None:
            self._finish = event.finish
        self._opened.output.sent(event)

    def _keep(self, event: events.SessionEvent) -> None:
        """Collect for the cache what it has room for."""
        if self._key is None:
            return
        if isinstance(event, events.StreamWarning):
            self._warnings.append(event)
        if isinstance(event, events.SpeechChunk | events.SpeechTimings):
            self._kept.append(event)
            self._kept_bytes += len(event.data) if isinstance(event, events.SpeechChunk) else 0
            if 2 * self._kept_bytes > self._speech.cache.capacity_bytes:
                self._kept.clear()
                self._key = None

    def _store(self, ended: events.SessionEnded) -> None:
        if self._key is None:
            return
        audio = b"".join(e.data for e in self._kept if isinstance(e, events.SpeechChunk))
        warnings = tuple(w for w in self._warnings if w not in self._request.warnings)
        duration_ms = ended.usage.audio_out_ms
        kept = FinishedAudio(audio, tuple(self._kept), duration_ms, warnings, self._finish)
        self._speech.cache.store(self._key, kept)


def chunked_response(
    event: events.SessionEvent,
    request: SynthesisRequest,
    started: Callable[[], common_pb2.SessionStarted],
    finish: SpeechFinish = SpeechFinish.COMPLETE,
) -> pb.SynthesizeChunkedResponse:
    """Domain to wire. ``started``: makes what is told first; ``finish`` as it stands when the session ends."""
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
        case events.SessionStarted():
            return response(
                session_started=started(),
                effective_config=convert_speech.effective_config(request),
            )
        case events.SessionEnded():
            ended = convert.session_ended(event)
            return response(session_ended=ended, finish=convert_speech.finish(finish))
        case _:
            raise TypeError(f"chunked synthesis has no {type(event).__name__}")


def _flush(opened: OpenedSynthesis, message: pb.Flush) -> list[events.Action]:
    def flush(control_id: str) -> list[events.Action]:
        if not message.keep_open:
            opened.text_ended(message.context_id)
        return opened.session.flush(message.context_id, control_id, keep_open=message.keep_open)

    kind = events.ControlKind.FLUSH
    return control_actions(opened.session, kind, message.control_id, flush, message.context_id)


def _cancel(session: SynthesisSession, message: pb.Cancel) -> list[events.Action]:
    cancel = partial(session.cancel, message.context_id)
    kind = events.ControlKind.CANCEL
    return control_actions(session, kind, message.control_id, cancel, message.context_id)
