"""What a client asks of recognition: every option is honoured, refused by name, or (lenient) warned of."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.requests.options import checked_ms, given_format, unsupported
from speech_service.config.tree import RecognitionConfig
from speech_service.domain.audio import AudioFormat
from speech_service.domain.errors import InvalidOptionError, UnsupportedOptionError
from speech_service.domain.events import StreamWarning
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.recognition import (
    Endpointing,
    EndpointingMode,
    LanguageMode,
    Pacing,
    RecognitionOptions,
)

MAX_CONTEXT_CHARACTERS = 10_000
_MAX_LANGUAGE_CHARACTERS = 256
"""A longer code is no language of any model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedEndpointing:
    """Who ends segments, and when. None: as the server has it."""

    mode: EndpointingMode = EndpointingMode.VAD
    threshold: float | None = None
    min_speech_ms: float | None = None
    end_silence_ms: float | None = None
    max_segment_ms: float | None = None
    quiet_margin_ms: float | None = None
    padding_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRecognition:
    """What a client wrote. Empty, or None: the server decides, or it is not wanted."""

    audio: AudioFormat | None
    model: str = ""
    languages: Sequence[str] = ()
    language_mode: LanguageMode = LanguageMode.ALLOW
    context: str = field(default="", repr=False)
    terms: Sequence[str] = field(default=(), repr=False)
    replacements: bool = False
    endpointing: WantedEndpointing = WantedEndpointing()
    partial_results: bool | None = None
    partial_interval_ms: float | None = None
    pacing: Pacing = Pacing.REALTIME
    separate_channels: bool = False
    word_times: bool = False
    word_confidence: bool = False
    profanity_filter: bool = False
    punctuation: bool | None = None
    inverse_text_normalization: bool = False
    subtitles: bool = False
    accurate_subtitles: bool = False
    lenient: bool = False

    def without_context(self) -> "WantedRecognition":
        """The client dropped it."""
        return replace(self, context="", terms=(), replacements=False)


@dataclass(frozen=True, slots=True)
class RecognitionRequest:
    """What was asked for, checked, and how it is done."""

    wanted: WantedRecognition
    options: RecognitionOptions
    audio: AudioFormat
    model: ModelCapabilities
    context: str = field(default="", repr=False)
    """What of the context's text the model has a use for."""
    terms: Sequence[str] = field(default=(), repr=False)
    """And of its terms."""
    warnings: tuple[StreamWarning, ...] = ()

    def without_context(self) -> "RecognitionRequest":
        """The client dropped it."""
        options = replace(self.options, context="")
        wanted = self.wanted.without_context()
        return replace(self, wanted=wanted, options=options, context="", terms=())


class RecognitionRequests:
    """Checks requests against the models and fills in the server's defaults."""

    def __init__(self, catalog: ModelCatalog, defaults: RecognitionConfig) -> None:
        self._catalog = catalog
        self._defaults = defaults

    def check(self, wanted: WantedRecognition, *, streaming: bool) -> RecognitionRequest:
        """The request that can be carried out; whether the model reads so long a context is ``fitting``'s to ask.

        Raises:
            InvalidOptionError: an option is out of range.
            UnsupportedOptionError: the model lacks it, and the request is strict.
            ResourceNotFoundError: unknown model.
        """
        model = self._catalog.find(wanted.model, ModelKind.RECOGNIZER)
        audio = given_format(wanted.audio)
        check = _RecognitionCheck(wanted, model, self._catalog)
        check.abilities()
        pacing = wanted.pacing if streaming else Pacing.FILE
        language = check.language()
        context, terms = check.context()
        options = RecognitionOptions(
            model=model.name,
            language=language,
            noise_words=model.noise_words,
            context=joined_context(context, terms),
            endpointing=self._endpointing(wanted.endpointing, model),
            pacing=pacing,
            partial_results=check.partial_results(pacing, streaming=streaming),
            partial_interval_ms=self._partial_interval_ms(wanted),
            separate_channels=wanted.separate_channels,
        )
        options = self._with_aligner(options, wanted)
        warnings = tuple(check.warnings)
        return RecognitionRequest(wanted, options, audio, model, context, terms, warnings)

    def _with_aligner(
        self, options: RecognitionOptions, wanted: WantedRecognition
    ) -> RecognitionOptions:
        """Word times come from an aligner, for the client or for its subtitles."""
        if not (wanted.word_times or wanted.accurate_subtitles):
            return options
        aligner = self._catalog.aligner_for(options.language)
        if aligner is None:  # lenient: a warning says so
            return options
        return replace(options, aligner=aligner.name, aligner_languages=aligner.languages)

    def _endpointing(self, wanted: WantedEndpointing, model: ModelCapabilities) -> Endpointing:
        defaults, base = self._defaults, Endpointing()
        threshold = defaults.vad_threshold if wanted.threshold is None else wanted.threshold
        if not 0.05 <= threshold <= 0.95:
            problem, allowed = f"is {threshold:g}", "0.05 to 0.95"
            raise InvalidOptionError("endpointing.threshold", problem, allowed)
        most_ms = model.max_segment_ms
        default_ms = min(defaults.max_segment_ms or most_ms, most_ms)

        def checked(name: str, given_ms: float | None, default: int, least: int, most: int) -> int:
            if given_ms is None:
                return default
            return round(checked_ms(f"endpointing.{name}", given_ms, least, most))

        longest_ms = checked("max_segment", wanted.max_segment_ms, default_ms, 1_000, most_ms)
        return replace(
            base,
            mode=wanted.mode,
            threshold=threshold,
            release_threshold=min(base.release_threshold, threshold * 0.7),
            min_speech_ms=checked(
                "min_speech", wanted.min_speech_ms, defaults.min_speech_ms, 0, 2_000
            ),
            end_silence_ms=checked(
                "end_silence", wanted.end_silence_ms, defaults.end_silence_ms, 100, 10_000
            ),
            max_segment_ms=longest_ms,
            soft_segment_ms=min(base.soft_segment_ms, round(longest_ms * 0.6)),
            quiet_margin_ms=checked(
                "quiet_margin", wanted.quiet_margin_ms, defaults.quiet_margin_ms, 100, 10_000
            ),
            padding_ms=checked("padding", wanted.padding_ms, defaults.padding_ms, 0, 1_000),
            gain_db=model.vad_gain_db,
        )

    def _partial_interval_ms(self, wanted: WantedRecognition) -> int:
        if wanted.partial_interval_ms is None:
            return self._defaults.partial_interval_ms
        return round(checked_ms("partial_interval", wanted.partial_interval_ms, 100, 10_000))


class _RecognitionCheck:
    """What one model makes of one request; collects warnings where the request is lenient."""

    def __init__(
        self, wanted: WantedRecognition, model: ModelCapabilities, catalog: ModelCatalog
    ) -> None:
        self.warnings: list[StreamWarning] = []
        self._wanted = wanted
        self._model = model
        self._catalog = catalog

    def has(self, capability: Capability, option: str) -> bool:
        """True where the model has it; else an error, or in lenient mode a warning."""
        if capability in self._model.capabilities:
            return True
        error = unsupported(option, self._model, capability, self._catalog.models)
        if not self._wanted.lenient:
            raise error
        self.warnings.append(StreamWarning("OPTION_IGNORED", option, error.problem))
        return False

    def abilities(self) -> None:
        """What is wanted and needs no more than that the model can do it."""
        wanted = self._wanted
        asked = (
            ("word_times", wanted.word_times, Capability.WORD_TIMES),
            ("word_confidence", wanted.word_confidence, Capability.WORD_CONFIDENCE),
            ("profanity_filter", wanted.profanity_filter, Capability.PROFANITY_FILTER),
            (
                "inverse_text_normalization",
                wanted.inverse_text_normalization,
                Capability.INVERSE_TEXT_NORMALIZATION,
            ),
            ("punctuation", wanted.punctuation is False, Capability.PUNCTUATION_SWITCH),
            ("punctuation", wanted.punctuation is True, Capability.PUNCTUATION),
            ("subtitles", wanted.subtitles, Capability.SUBTITLES_FAST),
            ("subtitles.mode", wanted.accurate_subtitles, Capability.SUBTITLES_ACCURATE),
        )
        for option, is_wanted, capability in asked:
            if is_wanted:
                self.has(capability, option)

    def language(self) -> str:
        """The language to decode in; empty where the model decides."""
        languages, mode, codes = (
            self._model.languages,
            self._wanted.language_mode,
            self._wanted.languages,
        )
        matched: list[str] = []
        for index, code in enumerate(codes):
            found = match_language(code, languages)
            if found is None and mode is not LanguageMode.DENY:
                problem = f"{code[:35]!r} is not a language of model {self._model.name!r}"
                raise UnsupportedOptionError(f"language.codes[{index}]", problem, languages)
            matched += [found] if found else []
        if mode is LanguageMode.FORCE and len(codes) != 1:
            raise InvalidOptionError("language.codes", f"has {len(codes)} codes", "exactly 1")
        if mode is LanguageMode.DENY:
            matched = [language for language in languages if language not in matched]
            if not matched:
                problem = "denies every language of the model"
                raise UnsupportedOptionError("language.codes", problem, languages)
        if len(languages) == 1:
            return languages[0]
        if len(matched) > 1 and mode is not LanguageMode.HINT:
            self.has(Capability.LANGUAGE_LISTS, "language.mode")
        return matched[0] if len(matched) == 1 else ""

    def context(self) -> tuple[str, Sequence[str]]:
        """What of the context's text and terms the model has a use for."""
        text, terms = self._wanted.context, tuple(self._wanted.terms)
        length = len(text) + sum(map(len, terms))
        if length > MAX_CONTEXT_CHARACTERS:
            problem, allowed = f"has {length} characters", f"at most {MAX_CONTEXT_CHARACTERS}"
            raise InvalidOptionError("context", problem, allowed)
        if self._wanted.replacements:
            self.has(Capability.REPLACEMENTS, "context.replacements")
        if text and not self.has(Capability.CONTEXT_TEXT, "context.text"):
            text = ""
        if terms and not self.has(Capability.CONTEXT_TERMS, "context.terms"):
            terms = ()
        return text, terms

    def partial_results(self, pacing: Pacing, *, streaming: bool) -> bool:
        """Whether the client gets text before it is final."""
        wanted = self._wanted.partial_results
        if wanted is None:
            able = Capability.PARTIAL_RESULTS in self._model.capabilities
            return streaming and able and pacing is Pacing.REALTIME
        return wanted and self.has(Capability.PARTIAL_RESULTS, "partial_results")


def joined_context(text: str, terms: Sequence[str]) -> str:
    """A context as models read it."""
    return "\n".join(filter(None, (text, ", ".join(terms))))


def match_language(code: str, languages: Sequence[str]) -> str | None:
    """The model's language for a BCP-47 code: the code itself, or its primary subtag (``en-US`` is ``en``)."""
    if len(code) > _MAX_LANGUAGE_CHARACTERS:
        return None
    lowered = code.lower()
    for language in languages:
        if lowered == language.lower() or lowered.split("-")[0] == language.lower():
            return language
    return None
