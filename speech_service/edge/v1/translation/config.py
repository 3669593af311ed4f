"""TranslationConfig to what a client asks for, and back: decoding alone, but for enum values that nobody knows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from speech.v1 import (
    common_pb2,
    recognition_service_pb2,
    synthesis_service_pb2,
    translation_service_pb2,
)
from speech_service.calls.audio.source import AudioInput
from speech_service.calls.requests.recognition import RecognitionRequests, WantedRecognition
from speech_service.calls.requests.translation import TranslationRequest, WantedTranslation
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError
from speech_service.domain.events import SegmentInLanguage, SpeechChunk, TranslatedSegment
from speech_service.domain.translation import GlossaryEntry, LanguageGuess
from speech_service.edge.fields import Fields
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.recognition import config as recognition_config
from speech_service.edge.v1.recognition.results import KINDS
from speech_service.edge.v1.synthesis import config as synthesis_config
from speech_service.edge.v1.synthesis import results as convert_speech
from speech_service.media.encode.encoder import EncoderPool

_CONFIG = translation_service_pb2.TranslationConfig.DESCRIPTOR
_INNER = {
    field.name: f"config.{field.name}"
    for config in (
        recognition_service_pb2.RecognitionConfig.DESCRIPTOR,
        synthesis_service_pb2.SynthesisConfig.DESCRIPTOR,
    )
    for field in config.fields
    if field.name not in (*_CONFIG.fields_by_name, "audio")
}
"""Of warnings: what a lenient client is told of how speech is recognized, and translations are spoken."""
TEXT_FIELDS = Fields.of(_CONFIG, "config", subtitles="subtitles")
UNARY_FIELDS = Fields.of(_CONFIG, "config", audio="audio", **_INNER)
STREAM_FIELDS = Fields.of(_CONFIG, "config", audio="audio.data", text="text.text", **_INNER)
RECOGNITION_FIELDS = Fields.of(
    recognition_service_pb2.RecognitionConfig.DESCRIPTOR,
    "config.recognition",
    audio_format="config.recognition.audio",
    subtitles="config.subtitles",
)
_ELSEWHERE = {
    ("resume", True): "config.resume",
    ("resume", False): "nothing",
    ("subtitles", True): "nothing",
    ("subtitles", False): "config.subtitles",
}
"""Fields of recognition that have no place in a translation: what has theirs, by whether it is a stream."""


@dataclass(frozen=True, slots=True)
class SpeechTranslationTools:
    """What a translation of speech, or into speech, needs beside those of text."""

    audio: AudioInput
    listening: RecognitionRequests
    encoders: EncoderPool


def wanted(
    message: translation_service_pb2.TranslationConfig,
    call: Call,
    refused: Sequence[tuple[str, str]] = (),
) -> WantedTranslation:
    """What a client wrote.

    Args:
        message: as the client sent it.
        call: whose it is.
        refused: fields that make no sense in this RPC, each with the RPC where they do.

    Raises:
        InvalidFieldError: a field has no place here, or an enum an unknown value.
    """
    for name, allowed in refused:
        if message.HasField(name):  # pyright: ignore[reportArgumentType] - literals only
            raise InvalidFieldError(f"config.{name}", "has no place in this call", allowed)
    if message.HasField("resume") and not message.HasField("recognition"):
        problem, allowed = "is for streams of audio", "config.recognition beside it"
        raise InvalidFieldError("config.resume", problem, allowed)
    if message.HasField("sentence_pause") and message.HasField("recognition"):
        problem = "has no place where audio comes"
        allowed = "config.recognition.endpointing"
        raise InvalidFieldError("config.sentence_pause", problem, allowed)
    timing = message.synthesis.timing
    if timing not in (synthesis_service_pb2.TIMING_UNSPECIFIED, synthesis_service_pb2.TIMING_NONE):
        problem = "has no place in a translation"
        raise InvalidFieldError("config.synthesis.timing", problem, "NONE")
    return WantedTranslation(
        model=message.model,
        source_language=message.source_language,
        target_languages=tuple(message.target_languages),
        glossary=tuple(
            GlossaryEntry(e.source, e.target, e.target_language, e.do_not_translate)
            for e in message.glossary
        ),
        context=message.context,
        partials=message.partial_translations,
        sentence_pause_ms=convert.given_ms(message, "sentence_pause"),
        synthesis=(
            synthesis_config.wanted(message.synthesis, call, "config.synthesis")
            if message.HasField("synthesis")
            else None
        ),
        lenient=convert.is_lenient(message.option_handling, "config.option_handling"),
    )


def wanted_recognition(
    message: translation_service_pb2.TranslationConfig, *, streaming: bool
) -> WantedRecognition:
    """How a client wants its speech recognized; the subtitles of the translation are those of what is recognized too.

    Raises:
        InvalidFieldError: a field has no place in a translation; or as in a recognition.
    """
    path, inner = "config.recognition", message.recognition
    for name in ("resume", "subtitles"):
        if inner.HasField(name):
            allowed = _ELSEWHERE[name, streaming]
            raise InvalidFieldError(f"{path}.{name}", "has no place in a translation", allowed)
    accurate = message.subtitles.mode == common_pb2.SUBTITLE_MODE_ACCURATE
    return replace(
        recognition_config.wanted(inner, path, streaming=streaming),
        subtitles=message.HasField("subtitles"),
        accurate_subtitles=accurate,
    )


def effective_config(
    given: translation_service_pb2.TranslationConfig, request: TranslationRequest
) -> translation_service_pb2.TranslationConfig:
    """The configuration in force, as a client would write it; it wrote ``given``."""
    message = translation_service_pb2.TranslationConfig()
    message.CopyFrom(given)
    message.ClearField("resume")
    message.source_language = request.source
    del message.target_languages[:]
    message.target_languages.extend(request.targets)
    message.partial_translations = request.wanted.partials
    if not message.HasField("recognition"):
        message.sentence_pause.CopyFrom(convert.to_duration(request.sentence_pause_ms))
    for spoken in request.spoken.values():
        message.synthesis.CopyFrom(convert_speech.effective_config(spoken))
    if len(request.spoken) > 1:
        message.synthesis.ClearField("language")
    message.option_handling = convert.option_handling(lenient=request.wanted.lenient)
    return message


def translation(value: TranslatedSegment) -> translation_service_pb2.Translation:
    """Domain to wire."""
    return translation_service_pb2.Translation(
        segment_id=value.segment_id,
        language=value.language,
        kind=KINDS[value.kind],
        text=value.text,
        source_language=value.source_language,
        char_end=value.char_end,
    )


def audio(value: SpeechChunk[SegmentInLanguage]) -> translation_service_pb2.TranslationAudio:
    """Domain to wire."""
    return translation_service_pb2.TranslationAudio(
        segment_id=value.owner.segment_id,
        language=value.owner.language,
        sequence=value.sequence,
        data=value.data,
        start_ms=value.start_ms,
        duration_ms=value.duration_ms,
    )


def guess(value: LanguageGuess) -> common_pb2.LanguageGuess:
    """Domain to wire."""
    return common_pb2.LanguageGuess(code=value.code, probability=value.probability)
