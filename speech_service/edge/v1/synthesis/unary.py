"""Synthesize: a session of one context whose audio is collected into one reply; and replies out of the cache."""

from collections.abc import Callable, Sequence

from speech.v1 import synthesis_service_pb2 as pb
from speech_service.calls.requests.synthesis import SynthesisRequest
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.speech.audio_cache import FinishedAudio
from speech_service.calls.speech.collected import CollectedAudio
from speech_service.calls.synthesis import OpenedSynthesis, SpeechTools
from speech_service.domain import events
from speech_service.domain.call import Call
from speech_service.domain.errors import CancelledWorkError, ReplyTooLargeError
from speech_service.domain.work import WorkClass
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.synthesis import results as convert_speech
from speech_service.edge.v1.synthesis.config import FIELDS
from speech_service.media.encode.length import whole_file
from speech_service.sessions.synthesis.events import EncodedSynthesisEvent

_ENVELOPE_BYTES = 64 * 1024
"""Of a reply, kept for what is no audio."""
_TAG_BYTES = 8


class UnarySynthesis:
    """One Synthesize call that the cache could not answer. Implements ``Sink``."""

    def __init__(
        self,
        tools: SessionTools,
        speech: SpeechTools,
        call: Call,
        request: SynthesisRequest,
        max_reply_bytes: int,
    ) -> None:
        self._max_reply_bytes = max_reply_bytes
        self._collected = CollectedAudio()
        self._ended: events.SessionEnded | None = None
        self._opened = OpenedSynthesis(
            tools, speech, call, request, WorkClass.UNARY, self, single=True
        )
        call.when_over(lambda: self._opened.runner.close(CancelledWorkError("the call is over")))

    async def run(self, text: str) -> tuple[FinishedAudio, events.SessionEnded]:
        """Speak ``text``.

        Raises:
            ReplyTooLargeError: the audio does not fit into one reply; found out as soon as it shows.
            SpeechError: the text cannot be spoken.
        """
        opened = self._opened
        try:
            await opened.text("", text)
            opened.end_of_text()
            error = await opened.runner.finished
        finally:
            await opened.close()
        if error is not None:
            raise error
        assert self._ended is not None, "a session that ends well says so"
        return self._collected.finished(self._ended), self._ended

    def put(self, event: EncodedSynthesisEvent) -> None:
        """Collect."""
        self._collected.take(event)
        if self._collected.size_bytes > self._max_reply_bytes - _ENVELOPE_BYTES:
            self._opened.runner.close(too_large(self._max_reply_bytes))
        if isinstance(event, events.ContextEnded) and event.error is not None:
            self._opened.runner.close(event.error)
        if isinstance(event, events.SessionEnded):
            self._ended = event
        self._opened.output.sent(event)

    def discard(
        self, unwanted: Callable[[EncodedSynthesisEvent], bool]
    ) -> Sequence[EncodedSynthesisEvent]:
        """Nobody cancels a part of a unary call."""
        del unwanted
        return []


def unary_response(
    request: SynthesisRequest,
    made: FinishedAudio,
    ended: events.SessionEnded,
    max_reply_bytes: int,
    *,
    cached: bool,
) -> pb.SynthesizeResponse:
    """The reply.

    Raises:
        ReplyTooLargeError: it is.
    """
    samples = sum(e.coded_samples for e in made.chunks if isinstance(e, events.SpeechChunk))
    audio = whole_file(made.audio, request.options.output.encoding, samples)
    response = pb.SynthesizeResponse(
        output=convert_speech.output(request.options.output),
        duration_ms=made.duration_ms,
        timings=[t for event in made.timings for t in convert_speech.timing_list(event.units)],
        usage=convert.usage(ended.usage),
        latency=convert.latency(ended.latency),
        model=request.model.name,
        voice_id=request.voice.voice_id,
        warnings=[convert.warning(w, FIELDS) for w in (*request.warnings, *made.warnings)],
        cached=cached,
        finish=convert_speech.finish(made.finish),
    )
    # The size is that of a serialization: too dear with the audio inside.
    if response.ByteSize() + len(audio) + _TAG_BYTES > max_reply_bytes:
        raise too_large(max_reply_bytes)
    response.audio = audio
    return response


def too_large(limit: int) -> ReplyTooLargeError:
    """The error for audio that does not fit."""
    return ReplyTooLargeError(
        f"the reply would exceed {limit} bytes; use SynthesizeChunked",
        metadata={"max_unary_reply_bytes": str(limit), "use": "SynthesizeChunked"},
    )
