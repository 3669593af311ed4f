"""SynthesisConfig to SynthesisOptions: every field is honoured, refused by name, or (lenient) warned of.

Field paths in errors start at ``config``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from google.protobuf.field_mask_pb2 import FieldMask

from speech.v1 import audio_pb2, common_pb2
from speech.v1 import synthesis_service_pb2 as pb
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.voices.catalog import VoiceCatalog
from speech_service.calls.voices.files import MadeVoice
from speech_service.calls.voices.store import MadeVoices
from speech_service.config.tree import SynthesisConfig
from speech_service.domain.errors import (
    InvalidFieldError,
    PreconditionError,
    SpeechError,
    UnsupportedOptionError,
)
from speech_service.domain.events import StreamWarning
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
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
from speech_service.edge.fields import Fields, limit_exceeded, moved
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.field_bounds import COUNTS, MAX_NAME_CHARACTERS
from speech_service.media.encode.encoder import MAX_GAIN_DB, MIN_GAIN_DB, check_output
from speech_service.media.tempo import MAX_RATE, MIN_RATE

MAX_LEXICON_ENTRIES = COUNTS["speech.v1.SynthesisConfig.lexicon"].most
MAX_TERM_CHARACTERS = 200
MAX_SEED = 2**63 - 1
MAX_PITCH_SEMITONES = 12.0
MAX_INSTRUCTION_CHARACTERS = 2_000
DEFAULT_SENTENCE_PAUSE_MS = 200
_KNOWN_CONFIGS, _KNOWN_BYTES = 256, 256
"""How many checked configurations are remembered, and how long each may be."""

FIELDS = Fields.of(pb.SynthesisConfig.DESCRIPTOR, "config")
ENCODINGS = {
    audio_pb2.OUTPUT_ENCODING_UNSPECIFIED: OutputEncoding.PCM_S16LE,
    audio_pb2.OUTPUT_ENCODING_PCM_S16LE: OutputEncoding.PCM_S16LE,
    audio_pb2.OUTPUT_ENCODING_PCM_F32LE: OutputEncoding.PCM_F32LE,
    audio_pb2.OUTPUT_ENCODING_WAV: OutputEncoding.WAV,
    audio_pb2.OUTPUT_ENCODING_FLAC: OutputEncoding.FLAC,
    audio_pb2.OUTPUT_ENCODING_MP3: OutputEncoding.MP3,
    audio_pb2.OUTPUT_ENCODING_OGG_OPUS: OutputEncoding.OGG_OPUS,
    audio_pb2.OUTPUT_ENCODING_MULAW: OutputEncoding.MULAW,
    audio_pb2.OUTPUT_ENCODING_ALAW: OutputEncoding.ALAW,
}
SEGMENTATIONS = {
    pb.SEGMENTATION_UNSPECIFIED: Segmentation.SENTENCE,
    pb.SEGMENTATION_SENTENCE: Segmentation.SENTENCE,
    pb.SEGMENTATION_CLAUSE: Segmentation.CLAUSE,
    pb.SEGMENTATION_IMMEDIATE: Segmentation.IMMEDIATE,
    pb.SEGMENTATION_MANUAL: Segmentation.MANUAL,
}
ALPHABETS = {
    pb.PHONETIC_ALPHABET_UNSPECIFIED: "",
    pb.PHONETIC_ALPHABET_IPA: "ipa",
    pb.PHONETIC_ALPHABET_ARPABET: "arpabet",
}
_OPTION_HANDLINGS = frozenset(common_pb2.OptionHandling.values())
_NEW_VOICES = {
    "inline_prompt": Capability.VOICE_CLONING,
    "design": Capability.VOICE_DESIGN,
}
_TIMINGS = {
    pb.TIMING_UNSPECIFIED: None,
    pb.TIMING_NONE: None,
    pb.TIMING_WORD: Capability.WORD_TIMINGS,
    pb.TIMING_CHARACTER: Capability.CHARACTER_TIMINGS,
}


@dataclass(slots=True)
class SynthesisRequest:
    """A checked configuration."""

    message: pb.SynthesisConfig
    """As the client wrote it, with the updates since."""
    options: SynthesisOptions
    model: ModelCapabilities
    voice: Voice
    lenient: bool
    warnings: list[StreamWarning] = field(default_factory=list[StreamWarning])


class SynthesisConverter:
    """Checks requests against the models and fills in the server's defaults."""

    def __init__(
        self, catalog: ModelCatalog, defaults: SynthesisConfig, made: MadeVoices | None = None
    ) -> None:
        self._catalog = catalog
        self._voices = VoiceCatalog(catalog, defaults, made)
        # Most configurations came before, and what the models declare never changes.
        self._known = lru_cache(_KNOWN_CONFIGS)(self._parsed)

    def request(self, message: pb.SynthesisConfig) -> SynthesisRequest:
        """Check and convert. A voice to be made (``design``, ``inline_prompt``) is ``make_voice``'s to check.

        Raises:
            InvalidFieldError: a field is unknown or out of range.
            UnsupportedOptionError: the model lacks it, and the request is strict.
            ResourceNotFoundError: unknown model or voice.
        """
        made = self._voices.made(message.voice_id)
        if made is None and message.ByteSize() <= _KNOWN_BYTES:
            known = self._known(message.SerializeToString(deterministic=True))
            return replace(known, warnings=list(known.warnings))
        return self._request(message, made)

    def _parsed(self, data: bytes) -> SynthesisRequest:
        return self._request(pb.SynthesisConfig.FromString(data), None)

    def _request(self, message: pb.SynthesisConfig, made: MadeVoice | None) -> SynthesisRequest:
        model = self._model(message, made)
        if message.option_handling not in _OPTION_HANDLINGS:
            allowed = convert.names(common_pb2.OptionHandling.keys(), "OPTION_HANDLING_")
            raise InvalidFieldError("config.option_handling", "is unknown", allowed)
        lenient = message.option_handling == common_pb2.OPTION_HANDLING_LENIENT
        voice = (
            _new_voice(model)
            if message.WhichOneof("voice") in _NEW_VOICES
            else self._voices.resolve(message.voice_id, model, "config.voice_id")
        )
        output = _output(message.output, voice.sample_rate_hz)
        request = SynthesisRequest(
            message=message,
            options=SynthesisOptions(model.name, voice.voice_id, output),
            model=model,
            voice=voice,
            lenient=lenient,
        )
        _refuse_unsupported(message, request)
        rate = _in_range(message, "speaking_rate", 1.0, MIN_RATE, MAX_RATE)
        own_pace = Capability.SPEAKING_RATE in model.capabilities
        request.options = replace(
            request.options,
            language=_language(message.language, request),
            speaking_rate=rate if own_pace else 1.0,
            tempo=1.0 if own_pace else rate,
            gain_db=_in_range(message, "gain_db", 0.0, MIN_GAIN_DB, MAX_GAIN_DB),
            lexicon=_lexicon(message, request),
            seed=_seed(message, request),
            segmentation=_segmentation(message.segmentation),
            sentence_pause_ms=_sentence_pause_ms(message),
            instruct=_instruct(message, made, request),
        )
        self._add_word_timings(message.timing, request)
        if made is not None:
            # What it is made from says who speaks; the model has no voice of that name.
            request.options = replace(request.options, voice="", voice_prompt=made.prompt)
        return request

    def _add_word_timings(self, timing: int, request: SynthesisRequest) -> None:
        """The model says them, or an aligner of the language finds them."""
        if not _word_timings(timing, request):
            return
        aligner = ""
        if not self._catalog.says_when(request.model):
            language = request.options.language
            found = self._catalog.aligner_for(language)
            if found is None:
                problem = f"there is no aligner for {language!r}"
                _left_out(request, "timing", problem, ("TIMING_NONE",))
                return
            aligner = found.name
        request.options = replace(request.options, word_timings=True, aligner=aligner)

    def _model(self, message: pb.SynthesisConfig, made: MadeVoice | None) -> ModelCapabilities:
        """The model that the request names, or else the one that its voice needs, or the default."""
        wanted = _NEW_VOICES.get(message.WhichOneof("voice") or "")
        if not message.model and made is not None:
            return self._catalog.find(made.voice.model, ModelKind.SYNTHESIZER)
        if not message.model and wanted is not None:
            able = [m for m in self._catalog.models if wanted in m.capabilities]
            if able:
                return next(filter(self._catalog.is_default, able), able[0])
        return self._catalog.find(message.model, ModelKind.SYNTHESIZER)

    def update(
        self, current: SynthesisRequest, message: pb.UpdateSynthesisConfig
    ) -> SynthesisRequest:
        """The request after an update; ``current`` stays as it is.

        Raises:
            InvalidFieldError: the mask is empty or names no field, or a new value is wrong.
            PreconditionError: the model would change.
        """
        _check_mask(message.update_mask)
        config = pb.SynthesisConfig()
        config.CopyFrom(current.message)
        message.update_mask.MergeMessage(message.config, config, True, True)
        try:
            return self.request(config)
        except SpeechError as error:
            raise moved(error, "config", "update_config.config") from None


def _new_voice(model: ModelCapabilities) -> Voice:
    """Stands for a voice that is made for one request."""
    rate_hz, languages = model.sample_rate_hz, model.languages
    return Voice("", "", model.name, languages, VoiceGender.NEUTRAL, rate_hz, kind=VoiceKind.CLONED)


def _instruct(
    message: pb.SynthesisConfig, made: MadeVoice | None, request: SynthesisRequest
) -> str:
    """What the voice is like, then how it is to speak, in words."""
    described = made.design if made is not None else message.design.description
    style = message.style_instruction.strip()
    if Capability.STYLE_INSTRUCTION not in request.model.capabilities:
        style = ""  # refused, or warned of
    return " ".join(filter(None, (described.strip(), style)))


def _refuse_unsupported(message: pb.SynthesisConfig, request: SynthesisRequest) -> None:
    pitch = message.pitch_semitones
    if not -MAX_PITCH_SEMITONES <= pitch <= MAX_PITCH_SEMITONES:
        allowed = f"-{MAX_PITCH_SEMITONES:g} to {MAX_PITCH_SEMITONES:g}"
        raise InvalidFieldError("config.pitch_semitones", f"{pitch:g} is out of range", allowed)
    if len(message.style_instruction) > MAX_INSTRUCTION_CHARACTERS:
        limit = MAX_INSTRUCTION_CHARACTERS
        raise limit_exceeded("config.style_instruction", "max_characters", limit)
    asked = (
        ("style_instruction", bool(message.style_instruction), Capability.STYLE_INSTRUCTION),
        ("pitch_semitones", pitch != 0, Capability.PITCH),
    )
    for name, wanted, capability in asked:
        if wanted:
            _supported(request, name, capability)


def _supported(request: SynthesisRequest, name: str, capability: Capability) -> bool:
    """Whether the model has it; where not, an error, or a warning when the request is lenient."""
    if capability in request.model.capabilities:
        return True
    problem = f"model {request.model.name} has no {capability.value}"
    _left_out(request, name, problem, sorted(c.value for c in request.model.capabilities))
    return False


def _left_out(request: SynthesisRequest, name: str, problem: str, supported: Sequence[str]) -> None:
    """An option cannot be honoured: an error, or a warning when the request is lenient."""
    path = f"config.{name}"
    if not request.lenient:
        raise UnsupportedOptionError(path, problem, supported)
    request.warnings.append(StreamWarning("UNSUPPORTED_OPTION", path, f"{problem}; left out"))


def _output(message: audio_pb2.SynthesisOutput, rate_hz: int) -> OutputFormat:
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        allowed = convert.names(audio_pb2.OutputEncoding.keys(), "OUTPUT_ENCODING_")
        raise InvalidFieldError("config.output.encoding", "is unknown", allowed)
    if message.HasField("sample_rate_hz"):
        rate_hz = message.sample_rate_hz
    bits_bps = message.bit_rate_bps
    if message.HasField("bit_rate_bps") and not bits_bps:
        raise InvalidFieldError("config.output.bit_rate_bps", "is 0", "absent, or a bit rate")
    output = OutputFormat(encoding, rate_hz, message.trim_silence, bits_bps)
    check_output(output, "config.output")
    return output


def _in_range(
    message: pb.SynthesisConfig, name: str, default: float, low: float, high: float
) -> float:
    if not message.HasField(name):  # pyright: ignore[reportArgumentType] - a name from this file
        return default
    value: float = getattr(message, name)
    if not low <= value <= high:  # NaN is in no range
        allowed = f"{low:g} to {high:g}"
        raise InvalidFieldError(f"config.{name}", f"{value:g} is out of range", allowed)
    return value


def _language(code: str, request: SynthesisRequest) -> str:
    """What the voice speaks; of a text in a language that is not named, the voice's one language, if it has one."""
    spoken = request.voice.languages or request.model.languages
    only = spoken[0] if len(spoken) == 1 else ""
    if not code:
        return only
    known = code.lower() if len(code) <= MAX_NAME_CHARACTERS else ""
    for language in (*spoken, *request.model.languages):
        if language.lower() == known:
            return language
    for language in spoken:
        if language.lower().split("-")[0] == known.split("-")[0]:
            return language
    problem = f"voice {request.voice.voice_id} does not speak {code[:64]!r}"
    if not request.lenient:
        raise UnsupportedOptionError("config.language", problem, sorted(spoken))
    warning = StreamWarning("UNSUPPORTED_LANGUAGE", "config.language", f"{problem}; left out")
    request.warnings.append(warning)
    return only


def _lexicon(message: pb.SynthesisConfig, request: SynthesisRequest) -> tuple[LexiconEntry, ...]:
    if not message.lexicon or not _supported(request, "lexicon", Capability.LEXICON):
        return ()
    if len(message.lexicon) > MAX_LEXICON_ENTRIES:
        raise limit_exceeded("config.lexicon", "max_lexicon_entries", MAX_LEXICON_ENTRIES)
    entries: list[LexiconEntry] = []
    for index, entry in enumerate(message.lexicon):
        path = f"config.lexicon[{index}]"
        for name, value in (("term", entry.term), ("pronunciation", entry.pronunciation)):
            if not value.strip():
                raise InvalidFieldError(f"{path}.{name}", "is empty", f"a {name}")
            if len(value) > MAX_TERM_CHARACTERS:
                raise limit_exceeded(f"{path}.{name}", "max_characters", MAX_TERM_CHARACTERS)
        alphabet = ALPHABETS.get(entry.alphabet)
        if alphabet is None:
            allowed = convert.names(pb.PhoneticAlphabet.keys(), "PHONETIC_ALPHABET_")
            raise InvalidFieldError(f"{path}.alphabet", "is unknown", allowed)
        entries.append(LexiconEntry(entry.term, entry.pronunciation, alphabet))
    return tuple(entries)


def _seed(message: pb.SynthesisConfig, request: SynthesisRequest) -> int:
    if not message.HasField("seed") or not _supported(request, "seed", Capability.SEED):
        return 0
    if message.seed > MAX_SEED:
        raise InvalidFieldError("config.seed", "is out of range", f"0 to {MAX_SEED}")
    return message.seed


def _segmentation(value: int) -> Segmentation:
    found = SEGMENTATIONS.get(value)  # pyright: ignore[reportArgumentType] - any number may come
    if found is None:
        allowed = convert.names(pb.Segmentation.keys(), "SEGMENTATION_")
        raise InvalidFieldError("config.segmentation", "is unknown", allowed)
    return found


def _sentence_pause_ms(message: pb.SynthesisConfig) -> int:
    if not message.HasField("sentence_pause"):
        return DEFAULT_SENTENCE_PAUSE_MS
    pause = message.sentence_pause
    if not pause.seconds and not pause.nanos:
        return 0
    value_ms = convert.duration_ms(pause, "config.sentence_pause", 50, 10_000)
    return round(value_ms)


def _word_timings(value: int, request: SynthesisRequest) -> bool:
    if value not in _TIMINGS:
        allowed = convert.names(pb.Timing.keys(), "TIMING_")
        raise InvalidFieldError("config.timing", "is unknown", allowed)
    capability = _TIMINGS[value]  # pyright: ignore[reportArgumentType] - it is one of the keys
    return capability is not None and _supported(request, "timing", capability)


def _check_mask(mask: FieldMask) -> None:
    path_field = "update_config.update_mask"
    allowed = ", ".join(
        f.name for f in pb.SynthesisConfig.DESCRIPTOR.fields if f.name not in ("model",)
    )
    if not mask.paths:
        raise InvalidFieldError(path_field, "is empty", allowed)
    for path in mask.paths:
        if not FieldMask(paths=[path]).IsValidForDescriptor(pb.SynthesisConfig.DESCRIPTOR):
            raise InvalidFieldError(path_field, f"{path[:64]!r} is no field", allowed)
        if path.partition(".")[0] == "model":
            raise PreconditionError(
                "update_config.config.model",
                "model cannot change while a stream runs; open a new stream",
                reason="IMMUTABLE_FIELD",
            )
