"""TranslateSpeech: a FILE-paced session whose events are collected into one reply."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from speech.v1 import translation_service_pb2
from speech_service.calls.audio.fed_session import feed_whole
from speech_service.calls.audio.source import unary_limits
from speech_service.calls.requests.context import fitting
from speech_service.calls.requests.recognition import RecognitionRequest
from speech_service.calls.requests.translation import TranslationRequest, TranslationRequests
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.translation import FedTranslation
from speech_service.domain import events
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError
from speech_service.domain.synthesis import SynthesisOptions
from speech_service.domain.work import WorkClass
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1 import subtitles as convert_subtitles
from speech_service.edge.v1.recognition import results as convert_result
from speech_service.edge.v1.recognition.unary import transcript_of
from speech_service.edge.v1.subtitles import SubtitleWish
from speech_service.edge.v1.translation import config as convert_translation
from speech_service.edge.v1.translation.config import (
    RECOGNITION_FIELDS,
    UNARY_FIELDS,
    SpeechTranslationTools,
)
from speech_service.edge.v1.translation.text import check_reply
from speech_service.media.encode.length import whole_file
from speech_service.sessions.recognition.session import SessionLimits
from speech_service.sessions.translation.events import EncodedTranslationEvent
from speech_service.text.subtitles.share import share_out

Chunk = events.SpeechChunk[events.SegmentInLanguage]
_REFUSED = (
    ("partial_translations", "StreamingTranslate"),
    ("sentence_pause", "StreamingTranslate"),
    ("resume", "StreamingTranslate"),
)


async def translate_speech(
    serving: Serving,
    requests: TranslationRequests,
    tools: SessionTools,
    speech: SpeechTranslationTools,
    identifier: str,
    call: Call,
    message: translation_service_pb2.TranslateSpeechRequest,
) -> translation_service_pb2.TranslateSpeechResponse:
    """Recognize and translate ``message.audio``."""
    if not message.HasField("config"):
        raise InvalidFieldError("config", "is missing", "a TranslationConfig")
    wanted = convert_translation.wanted(message.config, call, _REFUSED)
    request = await requests.with_speech(requests.check(wanted))
    config, server, stream = message.config, serving.server, serving.stream
    asked = convert_subtitles.wish(config.subtitles) if config.HasField("subtitles") else None
    if not config.HasField("recognition"):
        raise InvalidFieldError("config.recognition", "is missing", "a RecognitionConfig")
    heard = convert_translation.wanted_recognition(config, streaming=False)
    with RECOGNITION_FIELDS.named():
        recognition = speech.listening.check(heard, streaming=False)
    convert.check_audio(message.audio)
    with RECOGNITION_FIELDS.named():
        recognition = await fitting(tools.submitter, recognition)
    opener = partial(
        FedTranslation,
        tools,
        speech.audio,
        speech.encoders,
        call,
        request,
        recognition,
        (WorkClass.UNARY, WorkClass.UNARY),
        unary_limits(speech.audio.config),
        SessionLimits(max_lag_s=stream.max_lag_s),
        identifier,
    )
    piece_bytes = server.max_audio_message_bytes // 4
    waiting_ms = stream.max_buffered_audio_ms
    told, ended = await feed_whole(call, opener, message.audio, piece_bytes, waiting_ms)
    made = _Made(request, recognition, told)
    response = made.response(ended)
    if asked:
        # A lenient client was warned.
        accurate = asked.accurate and bool(recognition.options.aligner)
        made.add_subtitles(response, replace(asked, accurate=accurate))
    check_reply(response.ByteSize(), server.max_unary_reply_bytes)
    return response


class _Made:
    """What a session told, as one reply."""

    def __init__(
        self,
        request: TranslationRequest,
        recognition: RecognitionRequest,
        told: Sequence[EncodedTranslationEvent],
    ) -> None:
        self._request = request
        self._recognition = recognition
        self._transcript = transcript_of(told)
        self._translations = [e for e in told if isinstance(e, events.TranslatedSegment)]
        self._warnings = [e for e in told if isinstance(e, events.StreamWarning)]
        self._spoken: dict[str, list[Chunk]] = {}
        for event in told:
            if isinstance(event, events.SpeechChunk):
                self._spoken.setdefault(event.owner.language, []).append(event)

    def response(
        self, ended: events.SessionEnded
    ) -> translation_service_pb2.TranslateSpeechResponse:
        """The reply without subtitles."""
        request, ordered = self._request, self._transcript
        place = {result.segment_id: at for at, result in enumerate(ordered)}
        translated = sorted(self._translations, key=lambda t: place[t.segment_id])
        with_words = self._recognition.wanted.word_times
        response = translation_service_pb2.TranslateSpeechResponse(
            source_results=[convert_result.shown(r, with_words=with_words) for r in ordered],
            translations=[convert_translation.translation(t) for t in translated],
            usage=convert.usage(ended.usage),
            latency=convert.latency(ended.latency),
            model=request.model,
            warnings=[convert.warning(w, UNARY_FIELDS) for w in self._warnings],
        )
        for language in [t for t in request.targets if t in self._spoken]:
            chunks = self._spoken[language]
            response.audio.add(
                language=language,
                audio=_whole(chunks, request.spoken[language].options),
                duration_ms=sum(chunk.duration_ms for chunk in chunks),
            )
        found = [r.language for r in ordered] + [t.source_language for t in translated]
        for code in dict.fromkeys(filter(None, found)):
            response.languages.add(code=code)
        return response

    def add_subtitles(
        self, response: translation_service_pb2.TranslateSpeechResponse, asked: SubtitleWish
    ) -> None:
        """Subtitles of the source, and of each target with the same cues."""
        request, ordered = self._request, self._transcript
        length_ms = max((r.end_ms for r in ordered), default=0)
        cues = convert_subtitles.transcript_cues(ordered, asked, length_ms)
        source = request.source or next((r.language for r in ordered if r.language), "und")
        file = convert_subtitles.file_of(cues, asked)
        response.subtitles.add(language=source).subtitles.CopyFrom(file)
        translated = {(t.segment_id, t.language): t.text for t in self._translations}
        for target in request.targets:
            pairs = [(r.text, translated.get((r.segment_id, target), r.text)) for r in ordered]
            file = convert_subtitles.file_of(share_out(cues, pairs, asked.rules), asked)
            response.subtitles.add(language=target).subtitles.CopyFrom(file)


def _whole(chunks: Sequence[Chunk], options: SynthesisOptions) -> bytes:
    audio = b"".join(chunk.data for chunk in chunks)
    samples = sum(chunk.coded_samples for chunk in chunks)
    return whole_file(audio, options.output.encoding, samples)
