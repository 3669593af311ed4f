"""TranslationConfig to a checked request: every field is honoured, refused by name, or (lenient) warned of.

Field paths in errors start at ``config``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from speech.v1 import common_pb2, recognition_service_pb2, translation_service_pb2
from speech.v1 import synthesis_service_pb2 as pb_synthesis
from speech_service.calls.audio_source import AudioInput
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.translation_routes import TARGETS, TranslationRoutes
from speech_service.config.tree import TranslationConfig
from speech_service.domain.errors import (
    InvalidFieldError,
    InvalidOptionError,
    SpeechError,
    UnsupportedOptionError,
)
from speech_service.domain.events import SpeechChunk, StreamWarning, TranslatedSegment
from speech_service.domain.models import Capability, ModelCapabilities
from speech_service.domain.synthesis import SynthesisOptions
from speech_service.domain.transcript import ResultKind
from speech_service.domain.translation import GlossaryEntry, LanguageGuess, TranslationRoute
from speech_service.edge.fields import Fields, limit_exceeded, moved
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.recognition.config import RecognitionConverter, RecognitionRequest
from speech_service.edge.v1.synthesis import results as convert_speech
from speech_service.edge.v1.synthesis.requests import SynthesisRequests
from speech_service.media.encode.encoder import EncoderPool
from speech_service.text import bcp47

MAX_CONTEXT_CHARACTERS = 10_000
_CONFIG = translation_service_pb2.TranslationConfig.DESCRIPTOR
_OF_RECOGNITION = {"word_times": "config.word_times"}
TEXT_FIELDS = Fields.of(_CONFIG, "config", subtitles="subtitles")
UNARY_FIELDS = Fields.of(_CONFIG, "config", audio="audio", **_OF_RECOGNITION)
STREAM_FIELDS = Fields.of(
    _CONFIG, "config", audio="audio.data", text="text.text", **_OF_RECOGNITION
)
RECOGNITION_FIELDS = Fields.of(
    recognition_service_pb2.RecognitionConfig.DESCRIPTOR, "config.recognition"
)
TARGETS_FIELD = TEXT_FIELDS.path(TARGETS)
MAX_GLOSSARY_ENTRIES = 500
MAX_TERM_CHARACTERS = 200
_KINDS = {
    ResultKind.PARTIAL: common_pb2.RESULT_KIND_PARTIAL,
    ResultKind.FINAL: common_pb2.RESULT_KIND_FINAL,
    ResultKind.REFINED: common_pb2.RESULT_KIND_REFINED,
}


@dataclass(slots=True)
class TranslationRequest:
    """A checked configuration."""

    message: translation_service_pb2.TranslationConfig
    source: str
    """Empty: it is identified."""
    targets: tuple[str, ...]
    glossary: tuple[GlossaryEntry, ...]
    context: str
    lenient: bool
    routes: TranslationRoutes
    warnings: list[StreamWarning] = field(default_factory=list[StreamWarning])
    model: str = ""
    """That served the first pair looked up."""
    spoken: pb_synthesis.SynthesisConfig | None = None
    """How translations are spoken, with defaults filled in."""

    def route(self, source: str, target: str) -> TranslationRoute:
        """Who translates the pair, with what of the request.

        Raises:
            UnsupportedOptionError: the model lacks the pair, or an option and the request is strict.
            PreconditionError: nobody has the pair.
        """
        index = self.targets.index(target)
        model = self.routes.find(source, target, f"{TARGETS}[{index}]")
        return self._route(model)

    def _route(self, model: ModelCapabilities) -> TranslationRoute:
        glossary = tuple(
            entry
            for index, entry in enumerate(self.glossary)
            if self._allowed(
                model,
                Capability.DO_NOT_TRANSLATE if entry.do_not_translate else Capability.GLOSSARY,
                f"config.glossary[{index}]",
            )
        )
        has_context = bool(self.context) and self._allowed(
            model, Capability.CONTEXT_TEXT, "config.context"
        )
        self.model = self.model or model.name
        return TranslationRoute(model.name, glossary, self.context if has_context else "")

    def check_routes(self) -> None:
        """Find out now what can be known now.

        Raises:
            UnsupportedOptionError, PreconditionError: as :meth:`route`.
        """
        for index, target in enumerate(self.targets):
            if self.source:
                self.route(self.source, target)
            else:
                self._route(self.routes.into(target, f"{TARGETS}[{index}]")[0])

    def _allowed(self, model: ModelCapabilities, capability: Capability, path: str) -> bool:
        """True where the model has it; else an error, or in lenient mode a warning."""
        if capability in model.capabilities:
            return True
        problem = f"model {model.name!r} has no {capability.value.lower()}"
        if not self.lenient:
            having = [m.name for m in self.routes.models if capability in m.capabilities]
            raise UnsupportedOptionError(path, problem, having or ["no model of the pair has it"])
        warning = StreamWarning("OPTION_IGNORED", path, problem)
        if warning not in self.warnings:
            self.warnings.append(warning)
        return False


@dataclass(frozen=True, slots=True)
class SpeechTranslationTools:
    """What a translation of speech, or into speech, needs beside those of text."""

    audio: AudioInput
    listening: RecognitionConverter
    encoders: EncoderPool
    speaking: SynthesisRequests


class TranslationConverter:
    """Checks requests against the models and fills in the server's defaults."""

    def __init__(self, catalog: ModelCatalog, config: TranslationConfig) -> None:
        self._catalog = catalog
        self.limits = config

    def request(
        self,
        message: translation_service_pb2.TranslationConfig,
        *,
        refused: Sequence[tuple[str, str]] = (),
    ) -> TranslationRequest:
        """Check and convert.

        Args:
            message: as the client sent it.
            refused: fields that make no sense in this RPC, each with the RPC where they do.

        Raises:
            InvalidFieldError: a field is missing, unknown or out of range.
            UnsupportedOptionError: the model lacks it, and the request is strict.
            PreconditionError: no model has a pair.
            ResourceNotFoundError: unknown model.
        """
        for name, allowed in refused:
            if message.HasField(name):  # pyright: ignore[reportArgumentType] - literals only
                raise InvalidFieldError(f"config.{name}", "has no place in this call", allowed)
        if message.option_handling not in common_pb2.OptionHandling.values():
            allowed = convert.names(common_pb2.OptionHandling.keys(), "OPTION_HANDLING_")
            raise InvalidFieldError("config.option_handling", "is unknown", allowed)
        source = (
            bcp47.normalize(message.source_language, "config.source_language")
            if message.source_language
            else ""
        )
        targets = self._targets(message, source)
        request = TranslationRequest(
            message=message,
            source=source,
            targets=targets,
            glossary=_glossary(message, targets),
            context=_context(message),
            lenient=message.option_handling == common_pb2.OPTION_HANDLING_LENIENT,
            routes=TranslationRoutes(self._catalog, message.model, self.limits.default_model),
        )
        request.check_routes()
        return request

    def _targets(
        self, message: translation_service_pb2.TranslationConfig, source: str
    ) -> tuple[str, ...]:
        codes = message.target_languages
        if not codes:
            raise InvalidFieldError(TARGETS_FIELD, "is empty", "at least one BCP-47 code")
        if len(codes) > self.limits.max_targets:
            raise limit_exceeded(TARGETS_FIELD, "max_targets", self.limits.max_targets)
        targets: list[str] = []
        for index, code in enumerate(codes):
            path = f"{TARGETS_FIELD}[{index}]"
            target = bcp47.normalize(code, path)
            if target in targets:
                raise InvalidFieldError(path, f"{target} is there twice", "each target once")
            if target == source:
                raise InvalidFieldError(path, f"{target} is the source language too", "another")
            targets.append(target)
        return tuple(targets)


def recognition_request(
    converter: RecognitionConverter,
    message: recognition_service_pb2.RecognitionConfig,
    *,
    streaming: bool,
    subtitles: common_pb2.SubtitleConfig | None = None,
) -> RecognitionRequest:
    """Check ``config.recognition``; ``subtitles`` are those of the translation, which it serves too.

    Raises:
        SpeechError: as ``RecognitionConverter.request``, with the path of the outer message.
    """
    path = "config.recognition"
    for name in ("resume", "subtitles"):
        if message.HasField(name):
            allowed = "config.subtitles" if name == "subtitles" and not streaming else "nothing"
            raise InvalidFieldError(f"{path}.{name}", "has no place in a translation", allowed)
    wanted = recognition_service_pb2.RecognitionConfig()
    wanted.CopyFrom(message)
    if subtitles is not None:
        wanted.subtitles.CopyFrom(subtitles)
    try:
        return converter.request(wanted, streaming=streaming)
    except (InvalidFieldError, InvalidOptionError) as error:
        if _name(error).startswith("config.subtitles"):
            raise
        raise moved(error, "config", path) from None


def effective_config(request: TranslationRequest) -> translation_service_pb2.TranslationConfig:
    """The configuration in force, as a client would write it."""
    message = translation_service_pb2.TranslationConfig()
    message.CopyFrom(request.message)
    message.source_language = request.source
    del message.target_languages[:]
    message.target_languages.extend(request.targets)
    message.partial_translations = request.message.partial_translations
    if request.spoken is not None:
        message.synthesis.CopyFrom(request.spoken)
    message.option_handling = (
        common_pb2.OPTION_HANDLING_LENIENT if request.lenient else common_pb2.OPTION_HANDLING_STRICT
    )
    return message


def translation(value: TranslatedSegment) -> translation_service_pb2.Translation:
    """Domain to wire."""
    return translation_service_pb2.Translation(
        segment_id=value.segment_id,
        language=value.language,
        kind=_KINDS[value.kind],
        text=value.text,
        source_language=value.source_language,
    )


def audio(value: SpeechChunk) -> translation_service_pb2.TranslationAudio:
    """Domain to wire."""
    return translation_service_pb2.TranslationAudio(
        segment_id=value.segment_id,
        language=value.language,
        sequence=value.sequence,
        data=value.data,
        start_ms=value.start_ms,
        duration_ms=value.duration_ms,
    )


def guess(value: LanguageGuess) -> common_pb2.LanguageGuess:
    """Domain to wire."""
    return common_pb2.LanguageGuess(code=value.code, probability=value.probability)


def _glossary(
    message: translation_service_pb2.TranslationConfig, targets: Sequence[str]
) -> tuple[GlossaryEntry, ...]:
    if len(message.glossary) > MAX_GLOSSARY_ENTRIES:
        raise limit_exceeded("config.glossary", "max_glossary_entries", MAX_GLOSSARY_ENTRIES)
    return tuple(
        _entry(entry, f"config.glossary[{index}]", targets)
        for index, entry in enumerate(message.glossary)
    )


def _entry(
    entry: translation_service_pb2.GlossaryEntry, path: str, targets: Sequence[str]
) -> GlossaryEntry:
    if not entry.source.strip():
        raise InvalidFieldError(f"{path}.source", "is blank", "a term")
    for name, term in (("source", entry.source), ("target", entry.target)):
        if len(term) > MAX_TERM_CHARACTERS:
            raise limit_exceeded(f"{path}.{name}", "max_term_characters", MAX_TERM_CHARACTERS)
    if entry.do_not_translate and entry.target:
        raise InvalidFieldError(f"{path}.target", "is set with do_not_translate", "one of the two")
    if not entry.do_not_translate and not entry.target.strip():
        raise InvalidFieldError(f"{path}.target", "is blank", "a translation, or do_not_translate")
    target_language = ""
    if entry.target_language:
        target_language = bcp47.normalize(entry.target_language, f"{path}.target_language")
        if not any(bcp47.serves(target_language, target) for target in targets):
            raise InvalidFieldError(
                f"{path}.target_language", f"{target_language} is no target", ", ".join(targets)
            )
    return GlossaryEntry(
        entry.source.strip(), entry.target.strip(), target_language, entry.do_not_translate
    )


def _context(message: translation_service_pb2.TranslationConfig) -> str:
    if len(message.context) > MAX_CONTEXT_CHARACTERS:
        raise limit_exceeded("config.context", "max_context_characters", MAX_CONTEXT_CHARACTERS)
    return message.context.strip()


async def voices(
    speaking: SynthesisRequests, request: TranslationRequest
) -> dict[str, SynthesisOptions]:
    """How each target is spoken; empty where no speech is asked for.

    Raises:
        SpeechError: as ``SynthesisConverter.request``, with the path of the outer message; a voice does not speak a
            target.
    """
    path = "config.synthesis"
    if not request.message.HasField("synthesis"):
        return {}
    message = request.message.synthesis
    if message.timing not in (pb_synthesis.TIMING_UNSPECIFIED, pb_synthesis.TIMING_NONE):
        raise InvalidFieldError(f"{path}.timing", "has no place in a translation", "NONE")
    spoken: dict[str, SynthesisOptions] = {}
    for index, target in enumerate(request.targets):
        if message.language and not bcp47.serves(message.language, target):
            problem = f"{message.language[:64]!r} is not the target {target}"
            raise InvalidFieldError(f"{path}.language", problem, "nothing, or the one target")
        wanted = pb_synthesis.SynthesisConfig()
        wanted.CopyFrom(message)
        wanted.language = message.language or target
        try:
            checked = await speaking.check(wanted)
        except SpeechError as error:
            if _name(error) == "config.language":
                raise moved(error, "config.language", f"{TARGETS_FIELD}[{index}]") from None
            raise moved(error, "config", path) from None
        request.warnings += [w for w in checked.warnings if w not in request.warnings]
        spoken[target] = checked.options
        request.spoken = convert_speech.effective_config(checked)
    if request.spoken is not None and len(spoken) > 1:
        request.spoken.ClearField("language")
    return spoken


def _name(error: SpeechError) -> str:
    match error:
        case InvalidFieldError(field=name) | InvalidOptionError(option=name):
            return name
        case _:
            return ""
