"""What a model can do, declared by its backend before anything is loaded."""

from dataclasses import dataclass
from enum import Enum

from speech_service.domain.synthesis import Voice


class ModelKind(Enum):
    """What a model is for."""

    RECOGNIZER = "recognizer"
    SYNTHESIZER = "synthesizer"
    ALIGNER = "aligner"
    TRANSLATOR = "translator"
    LANGUAGE_IDENTIFIER = "language_identifier"


class ModelState(Enum):
    """How far a model is in its life. UNLOADED models load on first need."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    UNLOADING = "unloading"
    FAILED = "failed"


class Capability(Enum):
    """Options a model may have; values are the names of ``speech.v1.Capability`` without the prefix.

    A request for one that the model lacks is an error, never ignored. DRAFT_VERIFICATION is internal.
    """

    PARTIAL_RESULTS = "PARTIAL_RESULTS"
    WORD_TIMES = "WORD_TIMES"
    WORD_CONFIDENCE = "WORD_CONFIDENCE"
    CONTEXT_TEXT = "CONTEXT_TEXT"
    CONTEXT_TERMS = "CONTEXT_TERMS"
    REPLACEMENTS = "REPLACEMENTS"
    LANGUAGE_IDENTIFICATION = "LANGUAGE_IDENTIFICATION"
    LANGUAGE_LISTS = "LANGUAGE_LISTS"
    PUNCTUATION = "PUNCTUATION"
    PUNCTUATION_SWITCH = "PUNCTUATION_SWITCH"
    INVERSE_TEXT_NORMALIZATION = "INVERSE_TEXT_NORMALIZATION"
    PROFANITY_FILTER = "PROFANITY_FILTER"
    SUBTITLES_FAST = "SUBTITLES_FAST"
    SUBTITLES_ACCURATE = "SUBTITLES_ACCURATE"
    SPEAKING_RATE = "SPEAKING_RATE"
    PITCH = "PITCH"
    STYLE_INSTRUCTION = "STYLE_INSTRUCTION"
    VOICE_DESIGN = "VOICE_DESIGN"
    VOICE_CLONING = "VOICE_CLONING"
    LEXICON = "LEXICON"
    SEED = "SEED"
    WORD_TIMINGS = "WORD_TIMINGS"
    CHARACTER_TIMINGS = "CHARACTER_TIMINGS"
    ALIGN_WORDS = "ALIGN_WORDS"
    ALIGN_PHONES = "ALIGN_PHONES"
    ALIGN_CHARACTERS = "ALIGN_CHARACTERS"
    GLOSSARY = "GLOSSARY"
    DO_NOT_TRANSLATE = "DO_NOT_TRANSLATE"
    ANY_LANGUAGE_PAIR = "ANY_LANGUAGE_PAIR"
    DRAFT_VERIFICATION = "DRAFT_VERIFICATION"


@dataclass(frozen=True, slots=True)
class ModelCapabilities:
    """Declared by a backend module; the front end validates requests against it without loading the model."""

    name: str
    kind: ModelKind
    languages: tuple[str, ...] = ()
    """Empty: it names none, or pairs of them."""
    sample_rate_hz: int = 0
    """Of the audio that it takes or makes; 0: none. ``max_segment_ms`` likewise."""
    max_segment_ms: int = 0
    capabilities: frozenset[Capability] = frozenset()
    licence: str = ""
    description: str = ""
    max_batch: int = 1
    pauses: bool = False
    """Its engine steps the most urgent class of admitted work alone, and takes one live item above ``max_batch``."""
    voices: tuple[Voice, ...] = ()
    """Synthesizers: the voices that are here."""
    absent_voices: tuple[str, ...] = ()
    """Synthesizers: voices of the model that are not here, because they would have to be downloaded."""
    language_pairs: tuple[tuple[str, str], ...] = ()
    """Translators: source and target; empty for one that takes any pair (``ANY_LANGUAGE_PAIR``)."""
    probe: bool = True
    """The heartbeat may ask it for a small inference. False where that costs money or network."""
    max_context_tokens: int = 0
    """Recognizers: the longest context in tokens, each of which stands for one byte of UTF-8 at least (a context of so
    many bytes fits); 0: no such limit. A model that has one answers work of ``RecognizeKind.CHECK``."""
    vad_gain_db: float = 0.0
    """Recognizers: how much louder voice activity detection hears audio that is meant for it. Detection takes quiet
    speech and that of telephones for silence; a model that answers noise with nothing is better asked too often."""
    noise_words: tuple[str, ...] = ()
    """Recognizers: what the model says of noise, in small letters without punctuation. Such an answer counts for
    nothing where voice activity was faint."""

    @property
    def max_admitted(self) -> int:
        """How many items an engine may hold, the live one above ``max_batch`` included."""
        return max(1, self.max_batch) + self.pauses


class WorkerState(Enum):
    """STOPPED workers start on first need. FAILED ones are tried again from time to time."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"


class UnloadOutcome(Enum):
    """What became of a model that a worker was asked to unload; with a worker that ends, all of its models go."""

    UNLOADED = "unloaded"
    NOT_LOADED = "not_loaded"
    WORKER_ENDED = "worker_ended"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """The state of one model, as an operator sees it."""

    model: str
    state: ModelState
    worker_id: str = ""
    device: str = ""
    queued: int = 0
    active: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker process. ``pid`` 0: it does not run. ``device_memory_bytes``: in use on its GPUs, by whomever."""

    worker_id: str
    state: WorkerState
    pid: int = 0
    rss_bytes: int = 0
    device_memory_bytes: int = 0
    restarts: int = 0
    healthy: bool = True
    devices: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
