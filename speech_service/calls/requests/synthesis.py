"""What a client asks of synthesis: every option is honoured, refused by name, or (lenient) warned of."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.requests.options import checked_ms
from speech_service.calls.requests.voice_prompt import (
    RecordedVoice,
    VoiceRecordings,
    checked_description,
)
from speech_service.calls.voices.files import MadeVoice
from speech_service.calls.voices.tenants import VoicesByTenant
from speech_service.domain.errors import (
    InvalidOptionError,
    LimitExceededError,
    UnsupportedOptionError,
)
from speech_service.domain.events import StreamWarning
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.principal import UNTENANTED
from speech_service.domain.synthesis import (
    LexiconEntry,
    OutputEncoding,
    OutputFormat,
    Segmentation,
    SynthesisOptions,
    Voice,
    VoiceGender,
    VoiceKind,
)
from speech_service.media.encode.encoder import MAX_GAIN_DB, MIN_GAIN_DB, check_output
from speech_service.media.tempo import MAX_RATE, MIN_RATE

MAX_LEXICON_ENTRIES = 1_000
MAX_TERM_CHARACTERS = 200
MAX_SEED = 2**63 - 1
MAX_PITCH_SEMITONES = 12.0
MAX_INSTRUCTION_CHARACTERS = 2_000
DEFAULT_SENTENCE_PAUSE_MS = 200
_SENTENCE_PAUSES_MS = (50, 10_000)
_MAX_LANGUAGE_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """How the audio is to come. None: as the model and the encoder like it."""

    encoding: OutputEncoding = OutputEncoding.PCM_S16LE
    sample_rate_hz: int | None = None
    trim_silence: bool = False
    bit_rate_bps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSynthesis:
    """What a client wrote. Empty, or None: the server decides."""

    tenant: str = UNTENANTED
    """Whose the client is; said by its credential alone."""
    model: str = ""
    voice_id: str = ""
    recording: RecordedVoice | None = None
    """Speak with the voice of it, in place of ``voice_id``."""
    design: str | None = field(default=None, repr=False)
    """What the voice is like, in place of ``voice_id``."""
    language: str = ""
    output: WantedOutput = WantedOutput()
    speaking_rate: float | None = None
    gain_db: float | None = None
    pitch_semitones: float = 0.0
    style_instruction: str = field(default="", repr=False)
    lexicon: Sequence[LexiconEntry] = field(default=(), repr=False)
    seed: int | None = None
    segmentation: Segmentation | None = Segmentation.SENTENCE
    """None: one that nobody knows."""
    sentence_pause_ms: float | None = None
    timing: Capability | None = None
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class SynthesisRequest:
    """What was asked for, checked, and how it is done."""

    wanted: WantedSynthesis
    options: SynthesisOptions
    model: ModelCapabilities
    voice: Voice
    warnings: tuple[StreamWarning, ...] = ()


class SynthesisRequests:
    """Checks requests against the models and fills in the server's defaults."""

    def __init__(
        self, catalog: ModelCatalog, voices: VoicesByTenant, recordings: VoiceRecordings
    ) -> None:
        self._catalog = catalog
        self._voices = voices
        self._recordings = recordings

    @property
    def model_names(self) -> Sequence[str]:
        """Of all models that speak."""
        models = self._catalog.models
        return [model.name for model in models if model.kind is ModelKind.SYNTHESIZER]

    async def prepare(self, wanted: WantedSynthesis) -> SynthesisRequest:
        """The request that can be carried out, with the models and the voices of now.

        Raises:
            SpeechError: as ``check`` and ``with_voice``.
        """
        await self.refresh(wanted.tenant)
        return await self.with_voice(self.check(wanted))

    async def refresh(self, tenant: str) -> None:
        """Take in the voices that others of the tenant have made or deleted since."""
        await self._voices.refresh(tenant)

    async def with_voice(self, request: SynthesisRequest) -> SynthesisRequest:
        """The request with the voice that it brings along, if it does.

        Raises:
            InvalidOptionError: the recording or the description is wrong.
            PreconditionError: it is right, but no loaded model clones or designs voices.
            UnsupportedOptionError: the request's model does not, but another one does.
        """
        wanted = request.wanted
        voices = self._voices.of(wanted.tenant)
        if wanted.recording is not None:
            tenant = wanted.tenant
            prompt = await self._recordings.read(wanted.recording, "inline_prompt", tenant)
            voices.maker(Capability.VOICE_CLONING, wanted.model, "inline_prompt")
            return replace(request, options=replace(request.options, voice_prompt=prompt))
        if wanted.design is not None:
            checked_description(wanted.design)
            voices.maker(Capability.VOICE_DESIGN, wanted.model, "design")
        return request

    def check(self, wanted: WantedSynthesis) -> SynthesisRequest:
        """The request that can be carried out. A voice that is still to be made is ``with_voice``'s to check.

        Raises:
            InvalidOptionError: an option is out of range.
            UnsupportedOptionError: the model lacks it, and the request is strict.
            ResourceNotFoundError: unknown model or voice.
        """
        voices = self._voices.of(wanted.tenant)
        made = voices.made(wanted.voice_id)
        model = self._model(wanted, made)
        is_new = wanted.recording is not None or wanted.design is not None
        voice = _new_voice(model) if is_new else voices.resolve(wanted.voice_id, model)
        check = _OptionCheck(wanted, model, voice)
        output = _output(wanted.output, voice.sample_rate_hz)
        style = check.style()
        check.pitch()
        rate = _in_range("speaking_rate", wanted.speaking_rate, 1.0, MIN_RATE, MAX_RATE)
        own_pace = Capability.SPEAKING_RATE in model.capabilities
        described = made.design if made is not None else wanted.design or ""
        language = check.language()
        options = SynthesisOptions(
            model=model.name,
            # What a voice is made from says who speaks; the model has none of that name.
            voice="" if made is not None else voice.voice_id,
            voice_prompt=made.prompt if made is not None else None,
            output=output,
            language=language,
            speaking_rate=rate if own_pace else 1.0,
            tempo=1.0 if own_pace else rate,
            gain_db=_in_range("gain_db", wanted.gain_db, 0.0, MIN_GAIN_DB, MAX_GAIN_DB),
            lexicon=check.lexicon(),
            seed=check.seed(),
            segmentation=_segmentation(wanted.segmentation),
            sentence_pause_ms=sentence_pause_ms(wanted.sentence_pause_ms),
            instruct=" ".join(filter(None, (described.strip(), style))),
        )
        options = self._with_word_timings(options, check)
        return SynthesisRequest(wanted, options, model, voice, tuple(check.warnings))

    def _with_word_timings(
        self, options: SynthesisOptions, check: "_OptionCheck"
    ) -> SynthesisOptions:
        """The model says them, or an aligner of the language finds them."""
        timing = check.wanted.timing
        if timing is None or not check.supported("timing", timing):
            return options
        if self._catalog.says_when(check.model):
            return replace(options, word_timings=True)
        aligner = self._catalog.aligner_for(options.language)
        if aligner is None:
            check.left_out(
                "timing", f"there is no aligner for {options.language!r}", ("TIMING_NONE",)
            )
            return options
        return replace(options, word_timings=True, aligner=aligner.name)

    def _model(self, wanted: WantedSynthesis, made: MadeVoice | None) -> ModelCapabilities:
        """The model that the request names, or else the one that its voice needs, or the default."""
        if not wanted.model and made is not None:
            return self._catalog.find(made.voice.model, ModelKind.SYNTHESIZER)
        needed = None
        if wanted.recording is not None:
            needed = Capability.VOICE_CLONING
        elif wanted.design is not None:
            needed = Capability.VOICE_DESIGN
        if not wanted.model and needed is not None:
            able = [m for m in self._catalog.models if needed in m.capabilities]
            if able:
                return next(filter(self._catalog.is_default, able), able[0])
        return self._catalog.find(wanted.model, ModelKind.SYNTHESIZER)


class _OptionCheck:
    """What one model makes of one request; collects warnings where the request is lenient."""

    def __init__(self, wanted: WantedSynthesis, model: ModelCapabilities, voice: Voice) -> None:
        self.wanted = wanted
        self.model = model
        self.warnings: list[StreamWarning] = []
        self._voice = voice

    def supported(self, option: str, capability: Capability) -> bool:
        """Whether the model has it; where not, an error, or a warning when the request is lenient."""
        if capability in self.model.capabilities:
            return True
        problem = f"model {self.model.name} has no {capability.value}"
        self.left_out(option, problem, sorted(c.value for c in self.model.capabilities))
        return False

    def left_out(self, option: str, problem: str, supported: Sequence[str]) -> None:
        """An option cannot be honoured: an error, or a warning when the request is lenient."""
        if not self.wanted.lenient:
            raise UnsupportedOptionError(option, problem, supported)
        warning = StreamWarning("UNSUPPORTED_OPTION", option, f"{problem}; left out")
        self.warnings.append(warning)

    def pitch(self) -> None:
        """No model sings."""
        pitch, most = self.wanted.pitch_semitones, MAX_PITCH_SEMITONES
        if not -most <= pitch <= most:
            problem, allowed = f"{pitch:g} is out of range", f"-{most:g} to {most:g}"
            raise InvalidOptionError("pitch_semitones", problem, allowed)
        if pitch:
            self.supported("pitch_semitones", Capability.PITCH)

    def style(self) -> str:
        """How to speak, in words; empty where the model takes no such words."""
        style = self.wanted.style_instruction
        if len(style) > MAX_INSTRUCTION_CHARACTERS:
            raise LimitExceededError(
                "style_instruction", "max_characters", MAX_INSTRUCTION_CHARACTERS
            )
        if style and self.supported("style_instruction", Capability.STYLE_INSTRUCTION):
            return style.strip()
        return ""

    def language(self) -> str:
        """What the voice speaks; of a text in a language that is not named, the voice's one language, if it has one."""
        code, spoken = self.wanted.language, self._voice.languages or self.model.languages
        only = spoken[0] if len(spoken) == 1 else ""
        if not code:
            return only
        known = code.lower() if len(code) <= _MAX_LANGUAGE_CHARACTERS else ""
        for language in (*spoken, *self.model.languages):
            if language.lower() == known:
                return language
        for language in spoken:
            if language.lower().split("-")[0] == known.split("-")[0]:
                return language
        problem = f"voice {self._voice.voice_id} does not speak {code[:64]!r}"
        if not self.wanted.lenient:
            raise UnsupportedOptionError("language", problem, sorted(spoken))
        warning = StreamWarning("UNSUPPORTED_LANGUAGE", "language", f"{problem}; left out")
        self.warnings.append(warning)
        return only

    def lexicon(self) -> tuple[LexiconEntry, ...]:
        """The entries, where the model heeds them."""
        lexicon = self.wanted.lexicon
        if not lexicon or not self.supported("lexicon", Capability.LEXICON):
            return ()
        if len(lexicon) > MAX_LEXICON_ENTRIES:
            raise LimitExceededError("lexicon", "max_lexicon_entries", MAX_LEXICON_ENTRIES)
        for index, entry in enumerate(lexicon):
            for name, value in (("term", entry.term), ("pronunciation", entry.pronunciation)):
                option = f"lexicon[{index}].{name}"
                if not value.strip():
                    raise InvalidOptionError(option, "is empty", f"a {name}")
                if len(value) > MAX_TERM_CHARACTERS:
                    raise LimitExceededError(option, "max_characters", MAX_TERM_CHARACTERS)
        return tuple(lexicon)

    def seed(self) -> int:
        """The seed, where the model takes one."""
        seed = self.wanted.seed
        if seed is None or not self.supported("seed", Capability.SEED):
            return 0
        if seed > MAX_SEED:
            raise InvalidOptionError("seed", "is out of range", f"0 to {MAX_SEED}")
        return seed


def _new_voice(model: ModelCapabilities) -> Voice:
    """Stands for a voice that is made for one request."""
    rate_hz, languages = model.sample_rate_hz, model.languages
    return Voice("", "", model.name, languages, VoiceGender.NEUTRAL, rate_hz, kind=VoiceKind.CLONED)


def _output(wanted: WantedOutput, voice_rate_hz: int) -> OutputFormat:
    if wanted.bit_rate_bps == 0:
        raise InvalidOptionError("output.bit_rate_bps", "is 0", "absent, or a bit rate")
    rate_hz = voice_rate_hz if wanted.sample_rate_hz is None else wanted.sample_rate_hz
    bits_bps = wanted.bit_rate_bps or 0
    output = OutputFormat(wanted.encoding, rate_hz, wanted.trim_silence, bits_bps)
    check_output(output)
    return output


def _in_range(option: str, value: float | None, default: float, low: float, high: float) -> float:
    if value is None:
        return default
    if not low <= value <= high:  # NaN is in no range
        raise InvalidOptionError(option, f"{value:g} is out of range", f"{low:g} to {high:g}")
    return value


def _segmentation(value: Segmentation | None) -> Segmentation:
    if value is None:
        raise InvalidOptionError("segmentation", "is unknown", ", ".join(Segmentation.__members__))
    return value


def sentence_pause_ms(value_ms: float | None) -> int:
    """How long a finished sentence waits for more text; 0: until it comes.

    Raises:
        InvalidOptionError: outside the range.
    """
    if value_ms is None:
        return DEFAULT_SENTENCE_PAUSE_MS
    if value_ms:
        checked_ms("sentence_pause", value_ms, *_SENTENCE_PAUSES_MS)
    return round(value_ms)
