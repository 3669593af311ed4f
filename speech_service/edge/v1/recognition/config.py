"""RecognitionConfig to what a client asks for: decoding alone, but for values that make no sense in the call."""

from speech.v1 import common_pb2, recognition_service_pb2
from speech_service.calls.requests.recognition import WantedEndpointing, WantedRecognition
from speech_service.domain.errors import InvalidFieldError
from speech_service.domain.recognition import EndpointingMode, LanguageMode, Pacing
from speech_service.edge.fields import Fields
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.update import merged

_CONFIG = recognition_service_pb2.RecognitionConfig.DESCRIPTOR
UNARY_FIELDS = Fields.of(_CONFIG, "config", audio="audio", audio_format="config.audio")
STREAM_FIELDS = Fields.of(
    _CONFIG,
    "config",
    audio="audio.data",
    audio_format="config.audio",
    silence="silence.duration",
)
UPDATE_FIELDS = Fields.of(_CONFIG, "update_config.config")
MODES = {
    common_pb2.ENDPOINTING_MODE_UNSPECIFIED: EndpointingMode.VAD,
    common_pb2.ENDPOINTING_MODE_OFF: EndpointingMode.OFF,
    common_pb2.ENDPOINTING_MODE_VAD: EndpointingMode.VAD,
    common_pb2.ENDPOINTING_MODE_EXTERNAL: EndpointingMode.EXTERNAL,
}
_LANGUAGE_MODES = {
    common_pb2.LANGUAGE_MODE_UNSPECIFIED: LanguageMode.HINT,
    common_pb2.LANGUAGE_MODE_HINT: LanguageMode.HINT,
    common_pb2.LANGUAGE_MODE_ALLOW: LanguageMode.ALLOW,
    common_pb2.LANGUAGE_MODE_DENY: LanguageMode.DENY,
    common_pb2.LANGUAGE_MODE_FORCE: LanguageMode.FORCE,
}
PACINGS = {
    common_pb2.PACING_UNSPECIFIED: Pacing.REALTIME,
    common_pb2.PACING_REALTIME: Pacing.REALTIME,
    common_pb2.PACING_FILE: Pacing.FILE,
}
WIRE_PACINGS = {value: wire for wire, value in PACINGS.items() if wire}
# What update_config may not change: audio or text would be lost.
_IMMUTABLE = frozenset(("audio", "model", "pacing", "separate_channels", "resume"))
_UNARY_ONLY = ("subtitles",)


def wanted(
    message: recognition_service_pb2.RecognitionConfig, path: str = "config", *, streaming: bool
) -> WantedRecognition:
    """What a client wrote at ``path``.

    Raises:
        InvalidFieldError: the audio's format is wrong, an enum has an unknown value, or a field has no place in a
            stream, or in a unary call.
    """
    if message.HasField("resume") and not streaming:
        raise InvalidFieldError(f"{path}.resume", "is for streams only", "StreamingRecognize")
    if streaming and message.HasField("subtitles"):
        raise InvalidFieldError(f"{path}.subtitles", "is for unary calls only", "Recognize")
    if message.partial_results and not streaming:
        allowed = "StreamingRecognize"
        raise InvalidFieldError(f"{path}.partial_results", "is for streams only", allowed)
    lenient = convert.is_lenient(message.option_handling, f"{path}.option_handling")
    accurate = message.subtitles.mode == common_pb2.SUBTITLE_MODE_ACCURATE
    switch = message.punctuation if message.HasField("punctuation") else None
    partials = message.partial_results if message.HasField("partial_results") else None
    return WantedRecognition(
        audio=convert.given_format(message.audio, f"{path}.audio", packets=streaming),
        model=message.model,
        languages=tuple(message.language.codes),
        language_mode=convert.enum_value(
            _LANGUAGE_MODES,
            message.language.mode,
            common_pb2.LanguageMode,
            f"{path}.language.mode",
        ),
        context=message.context.text,
        terms=tuple(message.context.terms),
        replacements=bool(message.context.replacements),
        endpointing=_endpointing(message.endpointing, f"{path}.endpointing"),
        partial_results=partials,
        partial_interval_ms=convert.given_ms(message, "partial_interval"),
        pacing=convert.enum_value(PACINGS, message.pacing, common_pb2.Pacing, f"{path}.pacing"),
        separate_channels=message.separate_channels,
        word_times=message.word_times,
        word_confidence=message.word_confidence,
        profanity_filter=message.profanity_filter,
        punctuation=switch,
        inverse_text_normalization=message.HasField("inverse_text_normalization"),
        subtitles=message.HasField("subtitles"),
        accurate_subtitles=accurate,
        lenient=lenient,
    )


def updated(
    config: recognition_service_pb2.RecognitionConfig,
    message: recognition_service_pb2.UpdateRecognitionConfig,
) -> recognition_service_pb2.RecognitionConfig:
    """The configuration after an update; raises as :func:`merged` does."""
    return merged(config, message.config, message.update_mask, _IMMUTABLE, unlisted=_UNARY_ONLY)


def _endpointing(message: common_pb2.EndpointingConfig, path: str) -> WantedEndpointing:
    mode = convert.enum_value(MODES, message.mode, common_pb2.EndpointingMode, f"{path}.mode")
    return WantedEndpointing(
        mode=mode,
        threshold=message.threshold if message.HasField("threshold") else None,
        min_speech_ms=convert.given_ms(message, "min_speech"),
        end_silence_ms=convert.given_ms(message, "end_silence"),
        max_segment_ms=convert.given_ms(message, "max_segment"),
        quiet_margin_ms=convert.given_ms(message, "quiet_margin"),
        padding_ms=convert.given_ms(message, "padding"),
    )
