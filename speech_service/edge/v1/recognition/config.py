"""RecognitionConfig to RecognitionOptions: every field is honoured, refused by name, or (lenient) warned of.

Field paths in errors start at ``config``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from google.protobuf.field_mask_pb2 import FieldMask

from speech.v1 import common_pb2, recognition_service_pb2
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.config.tree import RecognitionConfig
from speech_service.domain.audio import AudioFormat
from speech_service.domain.errors import (
    InvalidFieldError,
    PreconditionError,
    ResourceNotFoundError,
    SpeechError,
    UnsupportedOptionError,
)
from speech_service.domain.events import StreamWarning
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.recognition import (
    Endpointing,
    EndpointingMode,
    Pacing,
    RecognitionOptions,
)
from speech_service.edge.fields import Fields, moved
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.field_bounds import MAX_NAME_CHARACTERS

MAX_CONTEXT_CHARACTERS = 10_000
_MODES = {
    common_pb2.ENDPOINTING_MODE_UNSPECIFIED: EndpointingMode.VAD,
    common_pb2.ENDPOINTING_MODE_OFF: EndpointingMode.OFF,
    common_pb2.ENDPOINTING_MODE_VAD: EndpointingMode.VAD,
    common_pb2.ENDPOINTING_MODE_EXTERNAL: EndpointingMode.EXTERNAL,
}
_PACINGS = {
    common_pb2.PACING_UNSPECIFIED: Pacing.REALTIME,
    common_pb2.PACING_REALTIME: Pacing.REALTIME,
    common_pb2.PACING_FILE: Pacing.FILE,
}
_CONFIG = recognition_service_pb2.RecognitionConfig.DESCRIPTOR
UNARY_FIELDS = Fields.of(_CONFIG, "config", audio="audio")
STREAM_FIELDS = Fields.of(_CONFIG, "config", audio="audio.data", silence="silence.duration")
UPDATE_FIELDS = Fields.of(_CONFIG, "update_config.config")
# What update_config may not change: audio or text would be lost.
_IMMUTABLE = frozenset(("audio", "model", "pacing", "separate_channels", "resume"))
_MUTABLE = tuple(
    field.name
    for field in recognition_service_pb2.RecognitionConfig.DESCRIPTOR.fields
    if field.name not in _IMMUTABLE
)


@dataclass(frozen=True, slots=True)
class TakenContext:
    """What of a context the model has a use for."""

    text: str = ""
    terms: tuple[str, ...] = ()


def joined_context(text: str, terms: Sequence[str]) -> str:
    """A context as models read it."""
    return "\n".join(filter(None, (text, ", ".join(terms))))


@dataclass(slots=True)
class RecognitionRequest:
    """A checked configuration."""

    message: recognition_service_pb2.RecognitionConfig
    """As the client wrote it, with the updates since."""
    options: RecognitionOptions
    audio: AudioFormat
    model: ModelCapabilities
    lenient: bool
    warnings: list[StreamWarning] = field(default_factory=list[StreamWarning])
    taken: TakenContext = TakenContext()

    def forget_context(self) -> None:
        """The client dropped it."""
        self.message.ClearField("context")
        self.options = replace(self.options, context="")


class RecognitionConverter:
    """Checks requests against the models and fills in the server's defaults."""

    def __init__(self, catalog: ModelCatalog, defaults: RecognitionConfig) -> None:
        self._catalog = catalog
        self._defaults = defaults

    def request(
        self, message: recognition_service_pb2.RecognitionConfig, *, streaming: bool
    ) -> RecognitionRequest:
        """Check and convert.

        Raises:
            InvalidFieldError: a field is missing, unknown or out of range.
            UnsupportedOptionError: the model lacks it, and the request is strict.
            ResourceNotFoundError: unknown model or session.
        """
        model = self._catalog.find(message.model, ModelKind.RECOGNIZER)
        if message.HasField("resume"):
            raise ResourceNotFoundError(
                "session", message.resume.token[:64], "Sessions are not kept; start a new one."
            )
        if message.option_handling not in common_pb2.OptionHandling.values():
            allowed = convert.names(common_pb2.OptionHandling.keys(), "OPTION_HANDLING_")
            raise InvalidFieldError("config.option_handling", "is unknown", allowed)
        lenient = message.option_handling == common_pb2.OPTION_HANDLING_LENIENT
        request = RecognitionRequest(
            message=message,
            options=RecognitionOptions(
                model=model.name, language=model.languages[0], noise_words=model.noise_words
            ),
            audio=convert.audio_format(message.audio, "config.audio", packets=streaming),
            model=model,
            lenient=lenient,
        )
        self._refuse_unsupported(message, request, streaming=streaming)
        pacing = _PACINGS.get(message.pacing)
        if pacing is None:
            allowed = convert.names(common_pb2.Pacing.keys(), "PACING_")
            raise InvalidFieldError("config.pacing", "is unknown", allowed)
        if not streaming:
            pacing = Pacing.FILE
        request.options = replace(
            request.options,
            language=self._language(message, request),
            context=self._context(message, request),
            endpointing=self._endpointing(message.endpointing, model),
            pacing=pacing,
            partial_results=self._partial_results(message, request, pacing, streaming=streaming),
            partial_interval_ms=self._partial_interval_ms(message),
            separate_channels=message.separate_channels,
        )
        self._add_aligner(message, request)
        return request

    def _add_aligner(
        self,
        message: recognition_service_pb2.RecognitionConfig,
        request: RecognitionRequest,
    ) -> None:
        """Word times come from an aligner, for the client or for its subtitles."""
        mode = message.subtitles.mode if message.HasField("subtitles") else None
        accurate = mode == common_pb2.SUBTITLE_MODE_ACCURATE
        if not (message.word_times or accurate):
            return
        aligner = self._catalog.aligner_for(request.options.language)
        if aligner is None:  # lenient: a warning says so
            return
        request.options = replace(
            request.options, aligner=aligner.name, aligner_languages=aligner.languages
        )

    def update(
        self,
        current: RecognitionRequest,
        message: recognition_service_pb2.UpdateRecognitionConfig,
    ) -> RecognitionOptions:
        """The options after an update, which ``current`` takes, with warnings of the fields named; a wrong one changes
        nothing.

        Raises:
            InvalidFieldError: the mask is empty or names no field, or a new value is wrong.
            PreconditionError: the field cannot change while a stream runs.
        """
        _check_mask(message.update_mask)
        config = recognition_service_pb2.RecognitionConfig()
        config.CopyFrom(current.message)
        message.update_mask.MergeMessage(message.config, config, True, True)
        try:
            updated = self.request(config, streaming=True)
        except SpeechError as error:
            raise moved(error, "config", "update_config.config") from None
        roots = tuple(f"config.{path.partition('.')[0]}" for path in message.update_mask.paths)
        current.message, current.options = config, updated.options
        current.warnings = [w for w in updated.warnings if w.option.startswith(roots)]
        return updated.options

    # --- fields ---

    def _refuse_unsupported(
        self,
        message: recognition_service_pb2.RecognitionConfig,
        request: RecognitionRequest,
        *,
        streaming: bool,
    ) -> None:
        asked = (
            ("word_times", message.word_times, Capability.WORD_TIMES),
            ("word_confidence", message.word_confidence, Capability.WORD_CONFIDENCE),
            ("profanity_filter", message.profanity_filter, Capability.PROFANITY_FILTER),
            (
                "inverse_text_normalization",
                message.HasField("inverse_text_normalization"),
                Capability.INVERSE_TEXT_NORMALIZATION,
            ),
            (
                "punctuation",
                message.HasField("punctuation") and not message.punctuation,
                Capability.PUNCTUATION_SWITCH,
            ),
            (
                "punctuation",
                message.HasField("punctuation") and message.punctuation,
                Capability.PUNCTUATION,
            ),
            ("subtitles", message.HasField("subtitles"), Capability.SUBTITLES_FAST),
            (
                "subtitles.mode",
                message.subtitles.mode == common_pb2.SUBTITLE_MODE_ACCURATE,
                Capability.SUBTITLES_ACCURATE,
            ),
        )
        if streaming and message.HasField("subtitles"):
            raise InvalidFieldError("config.subtitles", "is for unary calls only", "Recognize")
        for name, wanted, capability in asked:
            if wanted:
                self._require(request, capability, f"config.{name}")

    def _require(self, request: RecognitionRequest, capability: Capability, path: str) -> bool:
        """True where the model has it; else an error, or in lenient mode a warning."""
        if capability in request.model.capabilities:
            return True
        problem = f"model {request.model.name!r} has no {capability.value.lower()}"
        if not request.lenient:
            having = [m.name for m in self._catalog.models if capability in m.capabilities] or [
                "no loaded model has it"
            ]
            raise UnsupportedOptionError(path, problem, having)
        request.warnings.append(StreamWarning("OPTION_IGNORED", path, problem))
        return False

    def _language(
        self,
        message: recognition_service_pb2.RecognitionConfig,
        request: RecognitionRequest,
    ) -> str:
        """The language to decode in; empty where the model decides."""
        languages, mode = request.model.languages, message.language.mode
        if mode not in common_pb2.LanguageMode.values():
            allowed = convert.names(common_pb2.LanguageMode.keys(), "LANGUAGE_MODE_")
            raise InvalidFieldError("config.language.mode", "is unknown", allowed)
        wanted: list[str] = []
        for index, code in enumerate(message.language.codes):
            found = match_language(code, languages)
            if found is None and mode != common_pb2.LANGUAGE_MODE_DENY:
                raise UnsupportedOptionError(
                    f"config.language.codes[{index}]",
                    f"{code[:35]!r} is not a language of model {request.model.name!r}",
                    languages,
                )
            wanted += [found] if found else []
        if mode == common_pb2.LANGUAGE_MODE_FORCE and len(message.language.codes) != 1:
            raise InvalidFieldError(
                "config.language.codes", f"has {len(message.language.codes)} codes", "exactly 1"
            )
        if mode == common_pb2.LANGUAGE_MODE_DENY:
            left = [language for language in languages if language not in wanted]
            if not left:
                raise UnsupportedOptionError(
                    "config.language.codes", "denies every language of the model", languages
                )
            wanted = left
        if len(languages) == 1:
            return languages[0]
        if len(wanted) > 1 and mode != common_pb2.LANGUAGE_MODE_HINT:
            self._require(request, Capability.LANGUAGE_LISTS, "config.language.mode")
        return wanted[0] if len(wanted) == 1 else ""

    def _context(
        self,
        message: recognition_service_pb2.RecognitionConfig,
        request: RecognitionRequest,
    ) -> str:
        context = message.context
        length = len(context.text) + sum(map(len, context.terms))
        if length > MAX_CONTEXT_CHARACTERS:
            raise InvalidFieldError(
                "config.context", f"has {length} characters", f"at most {MAX_CONTEXT_CHARACTERS}"
            )
        if context.replacements:
            self._require(request, Capability.REPLACEMENTS, "config.context.replacements")
        text, terms = context.text, tuple(context.terms)
        if text and not self._require(request, Capability.CONTEXT_TEXT, "config.context.text"):
            text = ""
        if terms and not self._require(request, Capability.CONTEXT_TERMS, "config.context.terms"):
            terms = ()
        request.taken = TakenContext(text, terms)
        return joined_context(text, terms)

    def _endpointing(
        self, message: common_pb2.EndpointingConfig, model: ModelCapabilities
    ) -> Endpointing:
        defaults, path = self._defaults, "config.endpointing"
        mode = _MODES.get(message.mode)
        if mode is None:
            allowed = convert.names(common_pb2.EndpointingMode.keys(), "ENDPOINTING_MODE_")
            raise InvalidFieldError(f"{path}.mode", "is unknown", allowed)
        threshold = message.threshold if message.HasField("threshold") else defaults.vad_threshold
        if not 0.05 <= threshold <= 0.95:
            raise InvalidFieldError(f"{path}.threshold", f"is {threshold:g}", "0.05 to 0.95")
        max_segment_ms = min(defaults.max_segment_ms or model.max_segment_ms, model.max_segment_ms)

        def milliseconds(name: str, default: int, minimum: int, maximum: int) -> int:
            if not message.HasField(name):  # pyright: ignore[reportArgumentType] - literals only
                return default
            value = getattr(message, name)
            return round(convert.duration_ms(value, f"{path}.{name}", minimum, maximum))

        base = Endpointing()
        longest_ms = milliseconds("max_segment", max_segment_ms, 1_000, model.max_segment_ms)
        return replace(
            base,
            mode=mode,
            threshold=threshold,
            release_threshold=min(base.release_threshold, threshold * 0.7),
            min_speech_ms=milliseconds("min_speech", defaults.min_speech_ms, 0, 2_000),
            end_silence_ms=milliseconds("end_silence", defaults.end_silence_ms, 100, 10_000),
            max_segment_ms=longest_ms,
            soft_segment_ms=min(base.soft_segment_ms, round(longest_ms * 0.6)),
            quiet_margin_ms=milliseconds("quiet_margin", defaults.quiet_margin_ms, 100, 10_000),
            padding_ms=milliseconds("padding", defaults.padding_ms, 0, 1_000),
            gain_db=model.vad_gain_db,
        )

    def _partial_results(
        self,
        message: recognition_service_pb2.RecognitionConfig,
        request: RecognitionRequest,
        pacing: Pacing,
        *,
        streaming: bool,
    ) -> bool:
        if message.HasField("partial_results"):
            if message.partial_results and not streaming:
                raise InvalidFieldError(
                    "config.partial_results", "is for streams only", "StreamingRecognize"
                )
            return message.partial_results and self._require(
                request, Capability.PARTIAL_RESULTS, "config.partial_results"
            )
        able = Capability.PARTIAL_RESULTS in request.model.capabilities
        return streaming and able and pacing is Pacing.REALTIME

    def _partial_interval_ms(self, message: recognition_service_pb2.RecognitionConfig) -> int:
        if not message.HasField("partial_interval"):
            return self._defaults.partial_interval_ms
        value_ms = convert.duration_ms(
            message.partial_interval, "config.partial_interval", 100, 10_000
        )
        return round(value_ms)


def _check_mask(mask: FieldMask) -> None:
    field, allowed = "update_config.update_mask", ", ".join(_MUTABLE)
    if not mask.paths:
        raise InvalidFieldError(field, "is empty", allowed)
    for path in mask.paths:
        root = path.partition(".")[0]
        single = FieldMask(paths=[path])
        if not single.IsValidForDescriptor(recognition_service_pb2.RecognitionConfig.DESCRIPTOR):
            raise InvalidFieldError(field, f"{path[:64]!r} is no field", allowed)
        if root not in _MUTABLE:
            raise PreconditionError(
                f"update_config.config.{root}",
                f"{root} cannot change while a stream runs; open a new stream",
                reason="IMMUTABLE_FIELD",
            )


def match_language(code: str, languages: Sequence[str]) -> str | None:
    """The model's language for a BCP-47 code: the code itself, or its primary subtag (``en-US`` is ``en``)."""
    if len(code) > MAX_NAME_CHARACTERS:
        return None
    lowered = code.lower()
    for language in languages:
        if lowered == language.lower() or lowered.split("-")[0] == language.lower():
            return language
    return None
