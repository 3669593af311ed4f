"""Synthesize: a session of one context whose audio is collected into one reply; and replies out of the cache."""

from speech.v1 import synthesis_service_pb2 as pb
from speech_service.calls.audio_cache import FinishedAudio
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.speech_output import Unwanted
from speech_service.calls.synthesis import OpenedSynthesis, SpeechTools
from speech_service.domain import events
from speech_service.domain.call import Call
from speech_service.domain.errors import CancelledWorkError, ReplyTooLargeError
from speech_service.domain.synthesis import SpeechFinish
from speech_service.domain.work import WorkClass
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.synthesis import results as convert_speech
from speech_service.edge.v1.synthesis.config import FIELDS, SynthesisRequest
from speech_service.media.encode.length import whole_file

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
        self._tools = tools
        self._speech = speech
        self._call = call
        self._request = request
        self._max_reply_bytes = max_reply_bytes
        self._made: list[events.SpeechChunk | events.SpeechTimings] = []
        self._warnings: list[events.StreamWarning] = []
        self._bytes = 0
        self._ended: events.SessionEnded | None = None
        self._finish = SpeechFinish.COMPLETE

    async def run(self, text: str) -> tuple[FinishedAudio, events.SessionEnded]:
        """Speak ``text``.

        Raises:
            ReplyTooLargeError: the audio does not fit into one reply; found out as soon as it shows.
            SpeechError: the text cannot be spoken.
        """
        opened = self._opened = OpenedSynthesis(
            self._tools,
            self._speech,
            self._call,
            self._request,
            WorkClass.UNARY,
            self,
            single=True,
        )
        runner = opened.runner
        self._call.when_over(lambda: runner.close(CancelledWorkError("the call is over")))
        try:
            await opened.text("", text)
            opened.end_of_text()
            error = await runner.finished
        finally:
            await opened.close()
        if error is not None:
            raise error
        assert self._ended is not None, "a session that ends well says so"
        audio = b"".join(e.data for e in self._made if isinstance(e, events.SpeechChunk))
        duration_ms = self._ended.usage.audio_out_ms
        finished = FinishedAudio(
            audio, tuple(self._made), duration_ms, tuple(self._warnings), self._finish
        )
        return finished, self._ended

    def put(self, event: events.SessionEvent) -> None:
        """Collect."""
        match event:
            case events.SpeechChunk():
                self._made.append(event)
                self._bytes += len(event.data)
                limit = self._max_reply_bytes
                if self._bytes > limit - _ENVELOPE_BYTES:
                    self._opened.runner.close(too_large(limit))
            case events.SpeechTimings():
                self._made.append(event)
            case events.StreamWarning():
                self._warnings.append(event)
            case events.ContextEnded(error=error) if error is not None:
                self._opened.runner.close(error)
            case events.ContextEnded(finish=finish) if finish is not None:
                self._finish = finish
            case events.SessionEnded():
                self._ended = event
            case _:
                return
        self._opened.output.sent(event)

    def discard(self, unwanted: Unwanted) -> list[events.SessionEvent]:
        """Nobody cancels a part of a unary call."""
        del unwanted
        return []


def unary_response(
    request: SynthesisRequest,
    made: FinishedAudio,
    ended: events.SessionEnded,
    limit: int,
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
    if response.ByteSize() + len(audio) + _TAG_BYTES > limit:
        raise too_large(limit)
    response.audio = audio
    return response


def too_large(limit: int) -> ReplyTooLargeError:
    """The error for audio that does not fit."""
    return ReplyTooLargeError(
        f"the reply would exceed {limit} bytes; use SynthesizeChunked",
        metadata={"max_unary_reply_bytes": str(limit), "use": "SynthesizeChunked"},
    )
