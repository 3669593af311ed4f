"""AlignmentConfig to AlignmentOptions and results to the wire. Field paths in errors start at ``config``."""

from dataclasses import dataclass, field

from speech.v1 import alignment_service_pb2 as pb
from speech.v1 import common_pb2
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.domain.alignment import (
    AlignedUnit,
    AlignmentOptions,
    Granularity,
    UnalignedReason,
    UnalignedSpan,
)
from speech_service.domain.audio import AudioFormat
from speech_service.domain.errors import (
    InvalidFieldError,
    PreconditionError,
    UnsupportedOptionError,
)
from speech_service.domain.events import StreamWarning
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.recognition import Pacing
from speech_service.edge.fields import Fields, limit_exceeded
from speech_service.edge.v1 import common as convert
from speech_service.text import bcp47
from speech_service.text.script import guess_by_script

MAX_TEXT_CHARACTERS = 1_000_000
UNARY_FIELDS = Fields.of(pb.AlignmentConfig.DESCRIPTOR, "config", audio="audio")
STREAM_FIELDS = Fields.of(
    pb.AlignmentConfig.DESCRIPTOR, "config", audio="audio.data", text="text.text"
)
_GRANULARITIES = {
    pb.ALIGNMENT_GRANULARITY_UNSPECIFIED: Granularity.WORD,
    pb.ALIGNMENT_GRANULARITY_WORD: Granularity.WORD,
    pb.ALIGNMENT_GRANULARITY_PHONE: Granularity.PHONE,
    pb.ALIGNMENT_GRANULARITY_CHARACTER: Granularity.CHARACTER,
}
_NEEDED = {
    Granularity.WORD: Capability.ALIGN_WORDS,
    Granularity.PHONE: Capability.ALIGN_PHONES,
    Granularity.CHARACTER: Capability.ALIGN_CHARACTERS,
}
_WIRE_GRANULARITIES = {
    Granularity.WORD: pb.ALIGNMENT_GRANULARITY_WORD,
    Granularity.PHONE: pb.ALIGNMENT_GRANULARITY_PHONE,
    Granularity.CHARACTER: pb.ALIGNMENT_GRANULARITY_CHARACTER,
}
_REASONS = {
    UnalignedReason.TEXT_NOT_SPOKEN: pb.UNALIGNED_REASON_TEXT_NOT_SPOKEN,
    UnalignedReason.AUDIO_NOT_IN_TEXT: pb.UNALIGNED_REASON_AUDIO_NOT_IN_TEXT,
    UnalignedReason.NO_PRONUNCIATION: pb.UNALIGNED_REASON_NO_PRONUNCIATION,
    UnalignedReason.NOT_SPEAKABLE: pb.UNALIGNED_REASON_NOT_SPEAKABLE,
}
_PACINGS = {
    common_pb2.PACING_UNSPECIFIED: Pacing.REALTIME,
    common_pb2.PACING_REALTIME: Pacing.REALTIME,
    common_pb2.PACING_FILE: Pacing.FILE,
}
_WIRE_PACINGS = {
    Pacing.REALTIME: common_pb2.PACING_REALTIME,
    Pacing.FILE: common_pb2.PACING_FILE,
}


@dataclass(slots=True)
class AlignmentRequest:
    """A checked configuration."""

    message: pb.AlignmentConfig
    options: AlignmentOptions
    audio: AudioFormat
    model: ModelCapabilities
    lenient: bool
    warnings: list[StreamWarning] = field(default_factory=list[StreamWarning])


class AlignmentConverter:
    """Checks requests against the models and fills in the server's defaults."""

    def __init__(self, catalog: ModelCatalog) -> None:
        self._catalog = catalog

    def request(
        self, message: pb.AlignmentConfig, *, streaming: bool, text: str = ""
    ) -> AlignmentRequest:
        """Check and convert. ``text``: what is known of it, to tell its language where none is given.

        Raises:
            InvalidFieldError: a field is missing, unknown or out of range.
            UnsupportedOptionError: no model, or not the one asked for, has the language or the option.
            ResourceNotFoundError: unknown model.
            PreconditionError: the server has no aligner.
        """
        if message.option_handling not in common_pb2.OptionHandling.values():
            allowed = convert.names(common_pb2.OptionHandling.keys(), "OPTION_HANDLING_")
            raise InvalidFieldError("config.option_handling", "is unknown", allowed)
        granularity = _GRANULARITIES.get(message.granularity)
        if granularity is None:
            allowed = convert.names(pb.AlignmentGranularity.keys(), "ALIGNMENT_GRANULARITY_")
            raise InvalidFieldError("config.granularity", "is unknown", allowed)
        pacing = _PACINGS.get(message.pacing)
        if pacing is None:
            allowed = convert.names(common_pb2.Pacing.keys(), "PACING_")
            raise InvalidFieldError("config.pacing", "is unknown", allowed)
        if streaming and message.HasField("subtitles"):
            raise InvalidFieldError("config.subtitles", "is for unary calls only", "Align")
        model, language = self._model(message, text)
        request = AlignmentRequest(
            message=message,
            options=AlignmentOptions(model=model.name),
            audio=convert.audio_format(message.audio, "config.audio", packets=streaming),
            model=model,
            lenient=message.option_handling == common_pb2.OPTION_HANDLING_LENIENT,
        )
        if _NEEDED[granularity] not in model.capabilities:
            granularity = self._without(granularity, request)
        request.options = AlignmentOptions(
            model=model.name,
            language=language,
            granularity=granularity,
            pacing=pacing if streaming else Pacing.FILE,
        )
        return request

    def _model(self, message: pb.AlignmentConfig, text: str) -> tuple[ModelCapabilities, str]:
        """The model and its language for the text."""
        wanted = message.language and bcp47.normalize(message.language[:65], "config.language")
        if not wanted and text:
            guesses = guess_by_script(text[:2_000])
            wanted = guesses[0].code if guesses else ""
        aligners = [m for m in self._catalog.models if m.kind is ModelKind.ALIGNER]
        if message.model:
            model = self._catalog.find(message.model, ModelKind.ALIGNER)
        elif not aligners:
            problem = 'no aligner is configured; add a model of kind "aligner/pocketsphinx"'
            raise PreconditionError("config.model", problem, reason="NO_ALIGNER")
        else:
            found = self._catalog.aligner_for(wanted)
            if found is None:
                languages = list(dict.fromkeys(code for m in aligners for code in m.languages))
                problem = f"no aligner has {wanted!r}"
                raise UnsupportedOptionError("config.language", problem, languages)
            model = found
        language = bcp47.best_match(wanted, model.languages) if wanted else model.languages[0]
        if language is None:
            problem = f"{wanted!r} is not a language of model {model.name!r}"
            raise UnsupportedOptionError("config.language", problem, model.languages)
        return model, language

    def _without(self, granularity: Granularity, request: AlignmentRequest) -> Granularity:
        """Words, where the client can live with them."""
        capability, path = _NEEDED[granularity], "config.granularity"
        problem = f"model {request.model.name!r} has no {capability.value.lower()}"
        if not request.lenient:
            having = [m.name for m in self._catalog.models if capability in m.capabilities]
            raise UnsupportedOptionError(path, problem, having or ["no loaded model has it"])
        request.warnings.append(StreamWarning("OPTION_IGNORED", path, problem))
        return Granularity.WORD


def checked_text(text: str) -> str:
    """The text of a unary request.

    Raises:
        InvalidFieldError: it is blank.
        LimitExceededError: it is too long.
    """
    if not text.strip():
        raise InvalidFieldError("text", "is blank", "what is spoken", reason="EMPTY_TEXT")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise limit_exceeded("text", "max_text_characters", MAX_TEXT_CHARACTERS)
    return text


def effective_config(options: AlignmentOptions) -> pb.AlignmentConfig:
    """The options in force, as a client would write them; without the audio format, which it knows."""
    return pb.AlignmentConfig(
        model=options.model,
        language=options.language,
        granularity=_WIRE_GRANULARITIES[options.granularity],
        pacing=_WIRE_PACINGS[options.pacing],
    )


def unit(value: AlignedUnit) -> pb.AlignedUnit:
    """Domain to wire."""
    return pb.AlignedUnit(
        text=value.text,
        granularity=_WIRE_GRANULARITIES[value.granularity],
        char_start=value.char_start,
        char_end=value.char_end,
        start_ms=value.start_ms,
        end_ms=value.end_ms,
        monotonic=value.monotonic,
        confidence=value.confidence,
    )


def span(value: UnalignedSpan) -> pb.UnalignedSpan:
    """Domain to wire."""
    return pb.UnalignedSpan(
        char_start=value.char_start,
        char_end=value.char_end,
        start_ms=value.start_ms,
        end_ms=value.end_ms,
        reason=_REASONS[value.reason],
    )
