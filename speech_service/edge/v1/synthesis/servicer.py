"""SynthesisService: one session type behind its three RPCs, and the cache of finished audio before two of them.

The third, which learns its text bit by bit, keeps the speech of its pieces: see ``calls/speech/caching_submitter.py``.
"""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

from grpc import aio

from speech.v1 import synthesis_service_pb2 as pb
from speech.v1 import synthesis_service_pb2_grpc
from speech_service.calls.live_load import LiveAsk
from speech_service.calls.outbox import Outbox
from speech_service.calls.requests.synthesis import SynthesisRequest, SynthesisRequests
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.speech.audio_cache import FinishedAudio, audio_key
from speech_service.calls.synthesis import SpeechTools, check_text
from speech_service.domain import events
from speech_service.domain.call import Call
from speech_service.edge.metadata import call_of
from speech_service.edge.serving import Serving
from speech_service.edge.v1.synthesis.config import FIELDS, wanted
from speech_service.edge.v1.synthesis.stream import (
    ChunkedEvent,
    SynthesizeChunkedStream,
    SynthesizeStream,
    chunked_response,
)
from speech_service.edge.v1.synthesis.unary import UnarySynthesis, unary_response
from speech_service.sessions.synthesis.events import EncodedSynthesisEvent

ServicerContext = aio.ServicerContext[Any, Any]


class SynthesisServicer(synthesis_service_pb2_grpc.SynthesisServiceServicer):
    """speech.v1.SynthesisService."""

    def __init__(
        self,
        serving: Serving,
        requests: SynthesisRequests,
        tools: SessionTools,
        speech: SpeechTools,
    ) -> None:
        self._serving = serving
        self._requests = requests
        self._tools = tools
        self._speech = speech

    async def Synthesize(  # noqa: N802 - the name on the wire
        self, request: pb.SynthesizeRequest, context: ServicerContext
    ) -> pb.SynthesizeResponse:
        """Speak a text and return it whole."""
        call, limit = call_of(context), self._serving.server.max_unary_reply_bytes
        with FIELDS.named(), self._serving.unary(call):
            checked = await self._checked(call, request.config, request.text)
            key, found = self._look_up(call, checked, request.text)
            if found is not None:
                made, ended = found, _from_cache(call, request.text, found)
            else:
                call.meter.reserve(events.Usage(characters_in=len(request.text)))
                unary = UnarySynthesis(self._tools, self._speech, call, checked, limit)
                made, ended = await unary.run(request.text)
                if key is not None:
                    self._speech.cache.store(key, made)
            cached = found is not None
            call.finished(ended.usage, ended.latency)
            call.trailers = _cache_trailers(key, cached=cached)
            return unary_response(checked, made, ended, limit, cached=cached)

    async def SynthesizeChunked(  # noqa: N802 - the name on the wire
        self, request: pb.SynthesizeChunkedRequest, context: ServicerContext
    ) -> AsyncIterator[pb.SynthesizeChunkedResponse]:
        """Speak a text in pieces as they are made."""
        call = call_of(context)
        with FIELDS.named():
            checked = await self._checked(call, request.config, request.text)
            key, found = self._look_up(call, checked, request.text)
            if found is not None:
                for response in self._replay(call, request.text, checked, found):
                    yield response
                return
            opener = partial(self._open_chunked, call, checked, key)
            async for response in self._serving.run(opener, _once(request), context):
                yield response

    async def StreamingSynthesize(  # noqa: N802 - the name on the wire
        self,
        request_iterator: AsyncIterator[pb.StreamingSynthesizeRequest],
        context: ServicerContext,
    ) -> AsyncIterator[pb.StreamingSynthesizeResponse]:
        """Speak text that arrives in pieces."""
        opener = partial(self._open_stream, call_of(context))
        asks = [_ask(model) for model in self._requests.model_names]
        with FIELDS.named():
            async for response in self._serving.run(opener, request_iterator, context, asks):
                yield response

    async def _open_stream(
        self,
        call: Call,
        first: pb.StreamingSynthesizeRequest,
        outbox: Outbox[EncodedSynthesisEvent],
    ) -> SynthesizeStream:
        request = await self._requests.prepare(wanted(first.config, call))
        self._serving.admission.live(call, _ask(request.model.name))
        return SynthesizeStream(
            self._requests,
            self._tools,
            self._speech,
            self._serving.stream,
            call,
            first.config,
            request,
            outbox,
        )

    async def _open_chunked(
        self,
        call: Call,
        checked: SynthesisRequest,
        key: bytes | None,
        first: pb.SynthesizeChunkedRequest,
        outbox: Outbox[ChunkedEvent],
    ) -> SynthesizeChunkedStream:
        call.opened(checked.model.name)
        call.meter.reserve(events.Usage(characters_in=len(first.text)))
        self._serving.admission.live(call, _ask(checked.model.name))
        return SynthesizeChunkedStream(
            self._tools,
            self._speech,
            self._serving.stream,
            call,
            first.text,
            checked,
            key,
            outbox,
        )

    async def _checked(self, call: Call, config: pb.SynthesisConfig, text: str) -> SynthesisRequest:
        checked = await self._requests.prepare(wanted(config, call))
        check_text(text, self._speech.config.max_text_characters)
        call.model = checked.model.name
        return checked

    def _look_up(
        self, call: Call, checked: SynthesisRequest, text: str
    ) -> tuple[bytes | None, FinishedAudio | None]:
        """The key under which the audio is kept (None: the cache is off, or the voice is a clone), and the audio if it
        is there.
        """
        cache = self._speech.cache
        if not cache.is_on or checked.options.voice_prompt is not None:
            return None, None
        key = audio_key(checked.options, text, call.principal.tenant)
        found = cache.finished(key)
        outcome = "hit" if found is not None else "miss"
        self._tools.observer.count("speech_audio_cache_total", 1.0, outcome=outcome)
        return key, found

    def _replay(
        self, call: Call, text: str, checked: SynthesisRequest, found: FinishedAudio
    ) -> Iterator[pb.SynthesizeChunkedResponse]:
        """The stream of a text whose audio is known."""
        with self._serving.unary(call):
            call.opened(checked.model.name)
            ended = _from_cache(call, text, found)
            call.trailers = _cache_trailers(b"", cached=True)
            started = events.SessionStarted(call.session_id)
            for event in (started, *checked.warnings, *found.warnings, *found.chunks, ended):
                yield chunked_response(event, checked, self._speech, self._serving.stream)


def _ask(model: str) -> LiveAsk:
    return LiveAsk(model, channels=0)


def _from_cache(call: Call, text: str, found: FinishedAudio) -> events.SessionEnded:
    """What a call used that the cache answered: nothing of a device."""
    total_ms = call.elapsed_s() * 1000
    usage = events.Usage(audio_out_ms=found.duration_ms, characters_in=len(text))
    latency = events.LatencySummary(total_ms=total_ms, first_result_ms=total_ms)
    call.finished(usage, latency)
    return events.SessionEnded(usage, latency)


def _cache_trailers(key: bytes | None, *, cached: bool) -> tuple[tuple[str, str], ...]:
    if key is None:
        return ()
    return (("x-speech-cache", "hit" if cached else "miss"),)


async def _once(request: pb.SynthesizeChunkedRequest) -> AsyncIterator[pb.SynthesizeChunkedRequest]:
    yield request
