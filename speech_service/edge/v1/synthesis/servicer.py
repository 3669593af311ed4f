"""SynthesisService: one session type behind its three RPCs, and the cache of finished audio before two of them.

The third, which learns its text bit by bit, keeps the speech of its pieces: see ``speech_cache.py``.
"""

from collections.abc import AsyncIterator
from typing import Any

from grpc import aio

from speech.v1 import synthesis_service_pb2 as pb
from speech.v1 import synthesis_service_pb2_grpc
from speech_service.calls.audio_cache import FinishedAudio, audio_key
from speech_service.calls.call import current_call
from speech_service.calls.parts import EdgeParts
from speech_service.calls.synthesis import check_text, make_voice
from speech_service.domain import events
from speech_service.edge.stream import StreamPump
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.synthesis.config import SynthesisConverter, SynthesisRequest
from speech_service.edge.v1.synthesis.stream import (
    SynthesizeChunkedStream,
    SynthesizeStream,
    chunked_response,
)
from speech_service.edge.v1.synthesis.unary import UnarySynthesis, unary_response

ServicerContext = aio.ServicerContext[Any, Any]


class SynthesisServicer(synthesis_service_pb2_grpc.SynthesisServiceServicer):
    """speech.v1.SynthesisService."""

    def __init__(self, parts: EdgeParts) -> None:
        self._parts = parts
        self._converter = SynthesisConverter(parts.catalog, parts.config.synthesis, parts.voices)

    async def Synthesize(  # noqa: N802 - the name on the wire
        self, request: pb.SynthesizeRequest, context: ServicerContext
    ) -> pb.SynthesizeResponse:
        """Speak a text and return it whole."""
        parts = self._parts
        with parts.admission.unary():
            checked = await self._checked(request.config, request.text)
            key, found = self._look_up(checked, request.text)
            if found is not None:
                ended = _from_cache(request.text, found)
                made = found
            else:
                made, ended = await UnarySynthesis(parts, context, checked).run(request.text)
                if key is not None:
                    parts.audio_cache.store(key, made)
            cached = found is not None
            response = unary_response(parts, checked, made, ended, cached=cached)
            context.set_trailing_metadata(
                (*convert.summary_trailers(ended), *_cache_trailers(key, cached=cached))
            )
            return response

    async def SynthesizeChunked(  # noqa: N802 - the name on the wire
        self, request: pb.SynthesizeChunkedRequest, context: ServicerContext
    ) -> AsyncIterator[pb.SynthesizeChunkedResponse]:
        """Speak a text in pieces as they are made."""
        checked = await self._checked(request.config, request.text)
        key, found = self._look_up(checked, request.text)
        if found is not None:
            with self._parts.admission.unary():
                ended = _from_cache(request.text, found)
                context.set_trailing_metadata(
                    (*convert.summary_trailers(ended), *_cache_trailers(key, cached=True))
                )
                for event in self._replay(checked, found, ended):
                    session_id = current_call.get().request_id
                    yield chunked_response(event, checked, self._parts, session_id)
            return
        handler = SynthesizeChunkedStream(self._parts, context, checked, key)
        pump = StreamPump(handler, self._parts.config.stream, current_call.get().request_id)
        with self._parts.admission.stream(pump):
            try:
                async for response in pump.run(_once(request), context):
                    yield response
            finally:
                await handler.close()

    async def StreamingSynthesize(  # noqa: N802 - the name on the wire
        self,
        request_iterator: AsyncIterator[pb.StreamingSynthesizeRequest],
        context: ServicerContext,
    ) -> AsyncIterator[pb.StreamingSynthesizeResponse]:
        """Speak text that arrives in pieces."""
        handler = SynthesizeStream(self._parts, context)
        pump = StreamPump(handler, self._parts.config.stream, current_call.get().request_id)
        with self._parts.admission.stream(pump):
            try:
                async for response in pump.run(request_iterator, context):
                    yield response
            finally:
                await handler.close()

    async def _checked(self, config: pb.SynthesisConfig, text: str) -> SynthesisRequest:
        await self._parts.voices.refresh()
        checked = self._converter.request(config)
        await make_voice(self._parts, checked, "config")
        check_text(text, self._parts.config.synthesis.max_text_characters)
        current_call.get().model = checked.model.name
        return checked

    def _look_up(
        self, checked: SynthesisRequest, text: str
    ) -> tuple[bytes | None, FinishedAudio | None]:
        """The key under which the audio is kept (None: the cache is off, or the voice is a clone), and the audio if it
        is there.
        """
        cache = self._parts.audio_cache
        if not cache.is_on or checked.options.voice_prompt is not None:
            return None, None
        key = audio_key(checked.options, text)
        found = cache.finished(key)
        outcome = "hit" if found is not None else "miss"
        self._parts.observer.count("speech_audio_cache_total", 1.0, outcome=outcome)
        return key, found

    def _replay(
        self, checked: SynthesisRequest, found: FinishedAudio, ended: events.SessionEnded
    ) -> list[events.SessionEvent]:
        started = events.SessionStarted("")
        return [started, *checked.warnings, *found.warnings, *found.chunks, ended]


def _from_cache(text: str, found: FinishedAudio) -> events.SessionEnded:
    """What a call used that the cache answered: nothing of a device."""
    total_ms = current_call.get().elapsed_s() * 1000
    usage = events.Usage(audio_out_ms=found.duration_ms, characters_in=len(text))
    latency = events.LatencySummary(total_ms=total_ms, first_result_ms=total_ms)
    ended = events.SessionEnded(usage, latency)
    current_call.get().finished(usage, latency)
    return ended


def _cache_trailers(key: bytes | None, *, cached: bool) -> tuple[tuple[str, str], ...]:
    if key is None:
        return ()
    return (("x-speech-cache", "hit" if cached else "miss"),)


async def _once(request: pb.SynthesizeChunkedRequest) -> AsyncIterator[pb.SynthesizeChunkedRequest]:
    yield request
