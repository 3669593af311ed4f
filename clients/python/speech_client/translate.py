"""Translation: texts, subtitle files and speech, whole or as they come."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

import grpc.aio

from speech.v1 import audio_pb2, common_pb2
from speech.v1 import translation_service_pb2 as pb
from speech.v1.translation_service_pb2_grpc import TranslationServiceStub
from speech_client.calls import Connection, whole_audio
from speech_client.channel import CallOptions, RetryPolicy
from speech_client.events import (
    LanguageGuess,
    Latency,
    ServiceWarning,
    StreamEvent,
    Usage,
    languages_from_proto,
    latency_from_proto,
    stream_event,
    usage_from_proto,
    warnings_from_proto,
)
from speech_client.options import Pacing, RecognizeOptions, SubtitleFormat
from speech_client.options import subtitle_format as subtitle_value
from speech_client.part import OpenCall
from speech_client.reconnect import NEVER, ReconnectPolicy
from speech_client.results import RecognitionResult, ResultKind, result_from_proto
from speech_client.sending import OnSent, sending
from speech_client.session import PendingAck, Session
from speech_client.sources import AudioInput, open_source
from speech_client.translate_options import (
    StreamTranslateOptions,
    TranslateOptions,
    TranslateSpeechOptions,
    build_speech_translation_config,
    build_stream_translation_config,
    build_translation_config,
)
from speech_client.translate_resume import TranslationRecovery
from speech_client.translated import Translation, TranslationChunk


@dataclass(frozen=True, slots=True)
class SpokenTranslation:
    """All translations of one language, spoken one after the other."""

    language: str
    audio: bytes
    duration_ms: int


TranslateEvent = RecognitionResult | Translation | TranslationChunk | StreamEvent
"""What a translation stream gives."""


@dataclass(frozen=True, slots=True)
class TextTranslation:
    """Reply to TranslateText.

    Attributes:
        translations: by text, then by target in the order asked for; empty for a subtitle file.
        subtitles: target language to subtitle file; only for a subtitle file.
        languages: languages found in the source; empty when it was named.
    """

    translations: tuple[Translation, ...]
    subtitles: dict[str, str]
    languages: tuple[LanguageGuess, ...]
    model: str
    usage: Usage
    latency: Latency
    warnings: tuple[ServiceWarning, ...]
    raw: pb.TranslateTextResponse | None = field(default=None, repr=False, compare=False)

    @property
    def text(self) -> str:
        """The translations, one a line; what one text in one language became is just that."""
        return "\n".join(each.text for each in self.translations)


@dataclass(frozen=True, slots=True)
class SpeechTranslation:
    """Reply to TranslateSpeech.

    Attributes:
        source: what was said: one FINAL for each segment, also where its translation failed.
        translations: by segment, then by target; a failed one is missing and has a warning.
        subtitles: language to subtitle file; only when asked for.
        audio: speech for each target; only when asked for.
        languages: languages found in the audio.
    """

    source: tuple[RecognitionResult, ...]
    translations: tuple[Translation, ...]
    subtitles: dict[str, str]
    audio: tuple[SpokenTranslation, ...]
    languages: tuple[LanguageGuess, ...]
    model: str
    usage: Usage
    latency: Latency
    warnings: tuple[ServiceWarning, ...]
    raw: pb.TranslateSpeechResponse | None = field(default=None, repr=False, compare=False)


class TranslateStream(Session[pb.StreamingTranslateRequest, TranslateEvent]):
    """A translation session; made by ``SpeechClient.stream_translate``, used in ``async with``.

    It carries text or audio, not both. Iterating ends after ``session_ended``.
    """

    def __init__(
        self,
        open_call: OpenCall,
        config: pb.TranslationConfig,
        call_options: CallOptions,
        retry: RetryPolicy,
        reconnect: ReconnectPolicy = NEVER,
    ) -> None:
        first = pb.StreamingTranslateRequest(config=config)
        recovery = None
        if config.HasField("recognition") and not config.HasField("synthesis"):
            recovery = TranslationRecovery(config, reconnect)
        super().__init__(
            open_call, first, translate_event, call_options, retry, reconnect, recovery
        )

    async def send_text(self, text: str) -> None:
        """Send a piece of text, joined to what came before exactly as it is."""
        await self.send(pb.StreamingTranslateRequest(text=pb.TranslationText(text=text)))

    async def send_audio(self, data: bytes) -> None:
        """Send audio in the declared format, at most 1 MiB; waits while the server does not take more."""
        await self.send(pb.StreamingTranslateRequest(audio=audio_pb2.AudioChunk(data=data)))

    async def keep_alive(self) -> None:
        """Restart the server's idle limit; not acknowledged."""
        await self.send(pb.StreamingTranslateRequest(keep_alive=common_pb2.KeepAlive()))

    async def finalize(self, control_id: str = "") -> PendingAck:
        """End the open segments and translate them now. Await the result for the ack."""
        name = control_id or self.new_control_id()
        message = common_pb2.Finalize(control_id=name)
        return await self.send_control(name, pb.StreamingTranslateRequest(finalize=message))

    async def reset(self, control_id: str = "") -> PendingAck:
        """Drop the open segments. Await the result for the ack."""
        name = control_id or self.new_control_id()
        message = common_pb2.Reset(control_id=name)
        return await self.send_control(name, pb.StreamingTranslateRequest(reset=message))

    async def end_input(self) -> None:
        """Say that no more input follows: what is left is translated. May be called twice."""
        await self.finish(pb.StreamingTranslateRequest(end_of_input=common_pb2.EndOfInput()))


class TranslationMethods(Connection):
    """The methods of ``SpeechClient`` that translate."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        call: CallOptions,
        retry: RetryPolicy,
        reconnect: ReconnectPolicy,
    ) -> None:
        super().__init__(channel, call, retry, reconnect)
        self._translation = TranslationServiceStub(channel)

    async def translate_text(
        self,
        text: str | Sequence[str],
        to: str | Sequence[str],
        *,
        call: CallOptions | None = None,
        **options: Unpack[TranslateOptions],
    ) -> TextTranslation:
        """Translate a text, or several, each by itself.

        Args:
            text: the text or texts; none blank.
            to: BCP-47 code or codes of the targets.
            call: metadata and deadline of this call.
            options: see ``TranslateOptions``.

        Raises:
            SpeechApiError: the call did not succeed.
        """
        request = pb.TranslateTextRequest(config=build_translation_config(to, options))
        if isinstance(text, str):
            request.text = text
        else:
            request.texts.texts[:] = text
        return await self._translate_text(request, call)

    async def translate_subtitles(
        self,
        document: str,
        to: str | Sequence[str],
        *,
        subtitle_format: SubtitleFormat = "srt",
        call: CallOptions | None = None,
        **options: Unpack[TranslateOptions],
    ) -> TextTranslation:
        """Translate a subtitle file, of which only the words change; see ``TextTranslation.subtitles``.

        Args:
            document: the whole file.
            to: BCP-47 code or codes of the targets.
            subtitle_format: format of the file, and of the answer.
            call: metadata and deadline of this call.
            options: see ``TranslateOptions``.

        Raises:
            SpeechApiError: the call did not succeed.
        """
        request = pb.TranslateTextRequest(config=build_translation_config(to, options))
        request.subtitles.format = subtitle_value(subtitle_format)
        request.subtitles.text = document
        return await self._translate_text(request, call)

    async def translate_speech(
        self,
        audio: str | Path | bytes,
        to: str | Sequence[str],
        *,
        call: CallOptions | None = None,
        **options: Unpack[TranslateSpeechOptions],
    ) -> SpeechTranslation:
        """Recognize one whole piece of audio and translate it.

        Args:
            audio: a path, or the bytes; at most 16 MiB. Longer audio is streamed (``translate_file``).
            to: BCP-47 code or codes of the targets.
            call: metadata and deadline of this call.
            options: see ``TranslateSpeechOptions``.

        Raises:
            AudioSourceError: the file cannot be read, is empty, or is too large for one request.
            SpeechApiError: the call did not succeed.
        """
        data = await whole_audio(audio, "use translate_file")
        config = build_speech_translation_config(to, options)
        request = pb.TranslateSpeechRequest(config=config, audio=data)
        method = self._translation.TranslateSpeech
        reply = await self._unary(method, request, pb.TranslateSpeechResponse, call)
        return speech_translation_from_proto(reply)

    def stream_translate(
        self,
        to: str | Sequence[str],
        *,
        pacing: Pacing = Pacing.REALTIME,
        call: CallOptions | None = None,
        **options: Unpack[StreamTranslateOptions],
    ) -> TranslateStream:
        """Make a translation session; it opens on entering ``async with``.

        Args:
            to: BCP-47 code or codes of the targets.
            pacing: of audio; REALTIME: latency first; FILE: throughput first.
            call: metadata and deadline of this call; a deadline covers the whole stream.
            options: see ``StreamTranslateOptions``; ``recognition`` is required to send audio.
        """
        opener = self._opener(self._translation.StreamingTranslate)
        config = build_stream_translation_config(to, options, pacing)
        return TranslateStream(opener, config, call or self._call, self._retry, self._reconnect)

    @asynccontextmanager
    async def translate_file(
        self,
        audio: AudioInput,
        to: str | Sequence[str],
        *,
        on_sent: OnSent | None = None,
        call: CallOptions | None = None,
        **options: Unpack[StreamTranslateOptions],
    ) -> AsyncGenerator[TranslateStream, None]:
        """Open a session and send a recording of any length to it in the background; iterate for the events.

        Args:
            audio: a path, bytes, or pieces as they come.
            to: BCP-47 code or codes of the targets.
            on_sent: told the bytes sent so far and in all (None: unknown) after each piece.
            call: metadata and deadline of this call.
            options: see ``StreamTranslateOptions``.

        Raises:
            AudioSourceError: the audio cannot be read, or is empty.
            SpeechApiError: opening failed; iterating raises what happens later.
        """
        recognition = options.get("recognition", RecognizeOptions())
        given = recognition.get("format")
        source = await asyncio.to_thread(open_source, audio, given, Pacing.FILE)
        options["recognition"] = {**recognition, "format": source.format}
        async with (
            self.stream_translate(to, pacing=Pacing.FILE, call=call, **options) as stream,
            sending(stream, source, stream.end_input, on_sent),
        ):
            yield stream

    async def _translate_text(
        self, request: pb.TranslateTextRequest, call: CallOptions | None
    ) -> TextTranslation:
        method = self._translation.TranslateText
        reply = await self._unary(method, request, pb.TranslateTextResponse, call)
        return text_translation_from_proto(reply)


_KINDS = {1: ResultKind.PARTIAL, 2: ResultKind.FINAL, 3: ResultKind.REFINED}


def text_translation_from_proto(raw: pb.TranslateTextResponse) -> TextTranslation:
    """A unary reply."""
    return TextTranslation(
        translations=tuple(_translation(each) for each in raw.translations),
        subtitles=_subtitles(raw.subtitles),
        languages=languages_from_proto(raw.languages),
        model=raw.model,
        usage=usage_from_proto(raw.usage),
        latency=latency_from_proto(raw.latency),
        warnings=warnings_from_proto(raw.warnings),
        raw=raw,
    )


def speech_translation_from_proto(raw: pb.TranslateSpeechResponse) -> SpeechTranslation:
    """A unary reply."""
    return SpeechTranslation(
        source=tuple(result_from_proto(result) for result in raw.source_results),
        translations=tuple(_translation(each) for each in raw.translations),
        subtitles=_subtitles(raw.subtitles),
        audio=tuple(SpokenTranslation(a.language, a.audio, a.duration_ms) for a in raw.audio),
        languages=languages_from_proto(raw.languages),
        model=raw.model,
        usage=usage_from_proto(raw.usage),
        latency=latency_from_proto(raw.latency),
        warnings=warnings_from_proto(raw.warnings),
        raw=raw,
    )


def translate_event(raw: pb.StreamingTranslateResponse) -> TranslateEvent | None:
    """A stream's event; None for one that this version does not know."""
    match raw.WhichOneof("event"):
        case "source_result":
            return result_from_proto(raw.source_result)
        case "translation":
            return _translation(raw.translation)
        case "audio":
            piece = raw.audio
            return TranslationChunk(
                segment_id=piece.segment_id,
                language=piece.language,
                sequence=piece.sequence,
                data=piece.data,
                start_ms=piece.start_ms,
                duration_ms=piece.duration_ms,
            )
        case _:
            return stream_event(raw)


def _translation(raw: pb.Translation) -> Translation:
    kind = _KINDS.get(raw.kind, ResultKind.REFINED)
    char_end = raw.char_end if raw.HasField("char_end") else None
    return Translation(raw.segment_id, raw.language, kind, raw.text, raw.source_language, char_end)


def _subtitles(raw: Iterable[pb.TranslatedSubtitles]) -> dict[str, str]:
    return {each.language: each.subtitles.text for each in raw}
