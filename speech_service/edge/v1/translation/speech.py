"""TranslateSpeech: a FILE-paced session whose events are collected into one reply."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from speech.v1 import recognition_service_pb2, translation_service_pb2
from speech_service.calls.audio_source import unary_limits
from speech_service.calls.context_check import check_context
from speech_service.calls.requests.translation import TranslationRequest, TranslationRequests
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.translation import OpenedTranslation
from speech_service.domain import events
from speech_service.domain.call import Call
from speech_service.domain.errors import CancelledWorkError, InvalidFieldError
from speech_service.domain.synthesis import SynthesisOptions
from speech_service.domain.transcript import ResultKind, TranscriptResult
from speech_service.domain.work import WorkClass
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1 import subtitles as convert_subtitles
from speech_service.edge.v1.recognition import results as convert_result
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
)


class SpeechTranslation:
    """One TranslateSpeech call."""

    def __init__(
        self,
        serving: Serving,
        requests: TranslationRequests,
        tools: SessionTools,
        speech: SpeechTranslationTools,
        identifier: str,
        call: Call,
    ) -> None:
        self._serving = serving
        self._requests = requests
        self._tools = tools
        self._speech = speech
        self._identifier = identifier
        self._call = call
        self._results: dict[int, TranscriptResult] = {}
        self._translations: list[events.TranslatedSegment] = []
        self._spoken: dict[str, list[Chunk]] = {}
        self._warnings: list[events.StreamWarning] = []
        self._ended: events.SessionEnded | None = None

    async def run(
        self, message: translation_service_pb2.TranslateSpeechRequest
    ) -> translation_service_pb2.TranslateSpeechResponse:
        """Recognize and translate ``message.audio``."""
        if not message.HasField("config"):
            raise InvalidFieldError("config", "is missing", "a TranslationConfig")
        wanted = convert_translation.wanted(message.config, _REFUSED)
        request = await self._requests.with_speech(self._requests.check(wanted))
        subtitles = message.config.subtitles if message.config.HasField("subtitles") else None
        asked = convert_subtitles.wish(subtitles) if subtitles else None
        if not message.config.HasField("recognition"):
            raise InvalidFieldError("config.recognition", "is missing", "a RecognitionConfig")
        recognition = convert_translation.recognition_request(
            self._speech.listening, message.config.recognition, streaming=False, subtitles=subtitles
        )
        if asked and not recognition.options.aligner:
            asked = replace(asked, accurate=False)  # a lenient client was warned
        if not message.audio:
            raise InvalidFieldError("audio", "is empty", "at least one frame", reason="EMPTY_AUDIO")
        with RECOGNITION_FIELDS.named():
            await check_context(self._tools.submitter, recognition)
        self._warnings += [*request.warnings, *recognition.warnings]
        opened = OpenedTranslation(
            self._tools,
            self._speech.audio,
            self._speech.encoders,
            self._call,
            request,
            recognition,
            (WorkClass.UNARY, WorkClass.UNARY),
            unary_limits(self._speech.audio.config),
            SessionLimits(max_lag_s=self._serving.stream.max_lag_s),
            self._identifier,
            self._collect,
        )
        self._call.when_over(lambda: opened.runner.close(CancelledWorkError("the call is over")))
        await self._session(opened, message.audio)
        response = self._response(message.config, request)
        if asked:
            self._add_subtitles(response, request, asked)
        check_reply(response.ByteSize(), self._serving.server.max_unary_reply_bytes)
        return response

    async def _session(self, opened: OpenedTranslation, audio: bytes) -> None:
        """Feed everything, and wait for the end."""
        runner = opened.runner
        feeding = asyncio.create_task(self._feed(opened, audio))
        try:
            await asyncio.wait([feeding, runner.finished], return_when=asyncio.FIRST_COMPLETED)
            if feeding.done():
                feeding.result()
            error = await runner.finished
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])
            await opened.close()
            runner.close(None)
        if error is not None:
            raise error

    async def _feed(self, opened: OpenedTranslation, audio: bytes) -> None:
        """Feed in pieces: the event loop stays free, and back-pressure bounds memory."""
        assert opened.source is not None, "the session takes audio"
        piece = self._serving.server.max_audio_message_bytes // 4
        piece -= piece % 256  # whole frames of every raw format
        limit_ms = self._serving.stream.max_buffered_audio_ms
        runner = opened.runner
        for at in range(0, len(audio), piece):
            await opened.source.feed(audio[at : at + piece])
            while runner.session.undecoded_ms > limit_ms and not runner.finished.done():
                runner.changed.clear()
                await runner.changed.wait()
        await opened.source.end()
        await runner.catch_up()
        await runner.perform(runner.session.end_of_input())

    def _collect(self, event: EncodedTranslationEvent) -> None:
        match event:
            case TranscriptResult(kind=ResultKind.FINAL):
                self._results[event.segment_id] = event
            case TranscriptResult(kind=ResultKind.REFINED, segment_id=segment_id, words=words):
                self._results[segment_id] = replace(self._results[segment_id], words=words)
            case events.TranslatedSegment():
                self._translations.append(event)
            case events.SpeechChunk():
                self._spoken.setdefault(event.owner.language, []).append(event)
            case events.StreamWarning():
                self._warnings.append(event)
            case events.SessionEnded():
                self._ended = event
            case (
                TranscriptResult()
                | events.SessionStarted()
                | events.SpeechEvent()
                | events.Progress()
                | events.ControlAck()
                | events.GoingAway()
            ):
                return
            case _:
                assert_never(event)

    def _ordered(self) -> list[TranscriptResult]:
        return sorted(self._results.values(), key=lambda r: (r.start_ms, r.channel))

    def _shown(
        self, result: TranscriptResult, config: translation_service_pb2.TranslationConfig
    ) -> recognition_service_pb2.RecognitionResult:
        """With its words, where the client wants them and not only its subtitles."""
        wanted = config.recognition.word_times
        return convert_result.result(result if wanted else replace(result, words=()))

    def _response(
        self,
        config: translation_service_pb2.TranslationConfig,
        request: TranslationRequest,
    ) -> translation_service_pb2.TranslateSpeechResponse:
        ended = self._ended
        assert ended is not None, "a session that ends well says so"
        self._call.finished(ended.usage, ended.latency)
        ordered = self._ordered()
        place = {result.segment_id: at for at, result in enumerate(ordered)}
        translated = sorted(self._translations, key=lambda t: place[t.segment_id])
        response = translation_service_pb2.TranslateSpeechResponse(
            source_results=[self._shown(r, config) for r in ordered],
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

    def _add_subtitles(
        self,
        response: translation_service_pb2.TranslateSpeechResponse,
        request: TranslationRequest,
        asked: SubtitleWish,
    ) -> None:
        """Subtitles of the source, and of each target with the same cues."""
        ordered = self._ordered()
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
