"""Values of synthesis: voices, output formats, options."""

import hashlib
from dataclasses import dataclass, field
from enum import Enum

from speech_service.domain.audio import Samples


class OutputEncoding(Enum):
    """Encodings and containers that the service makes."""

    PCM_S16LE = "pcm_s16le"
    PCM_F32LE = "pcm_f32le"
    WAV = "wav"
    FLAC = "flac"
    MP3 = "mp3"
    OGG_OPUS = "ogg_opus"
    MULAW = "mulaw"
    ALAW = "alaw"


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """How the client wants its audio; always one channel. ``bit_rate_bps`` is for lossy encodings, 0: the default."""

    encoding: OutputEncoding
    sample_rate_hz: int
    trim_silence: bool = False
    bit_rate_bps: int = 0


class Segmentation(Enum):
    """When text that arrives in pieces is spoken: at sentence ends, at clause ends too, at once, or at ``flush``."""

    SENTENCE = "sentence"
    CLAUSE = "clause"
    IMMEDIATE = "immediate"
    MANUAL = "manual"


class VoiceKind(Enum):
    """Where a voice comes from."""

    BUILT_IN = "built_in"
    CLONED = "cloned"
    DESIGNED = "designed"


class VoiceGender(Enum):
    """How a voice sounds."""

    FEMALE = "female"
    MALE = "male"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that a synthesizer speaks with. ``sample_rate_hz`` is the model's own rate."""

    voice_id: str
    display_name: str
    model: str
    languages: tuple[str, ...]
    gender: VoiceGender
    sample_rate_hz: int
    licence: str = ""
    description: str = ""
    kind: VoiceKind = VoiceKind.BUILT_IN


VOICE_PROMPT_RATE_HZ = 24_000
"""Sample rate of recordings that voices are cloned from."""


@dataclass(frozen=True, slots=True)
class VoicePrompt:
    """A voice to be cloned: a recording, float32 [n], 24 kHz mono, and what is said in it, word for word.

    Without a ``transcript`` only the speaker's timbre is taken from it.
    """

    samples: Samples = field(repr=False, compare=False)
    transcript: str = field(default="", repr=False)
    digest: str = field(init=False)
    """Names the content: equal prompts make equal voices."""

    def __post_init__(self) -> None:
        content = hashlib.sha256(self.transcript.encode("utf-8", "surrogatepass"))
        content.update(b"\0")
        content.update(self.samples.tobytes())
        object.__setattr__(self, "digest", content.hexdigest())


class SpeechFinish(Enum):
    """Whether a model came to the end of what it was to say by itself, or was stopped at its limit."""

    COMPLETE = "complete"
    LENGTH_LIMIT = "length_limit"


SPEECH_CUT = "SPEECH_CUT"
"""Reason of the warning that speech was stopped at the model's limit."""
LANGUAGE_NOT_SPOKEN = "LANGUAGE_NOT_SPOKEN"
"""Reason of the warning that the text is in a language that the voice does not speak."""
WORD_TIMINGS_UNAVAILABLE = "WORD_TIMINGS_UNAVAILABLE"
"""Reason of the warning that the aligner failed; another try may succeed."""


@dataclass(frozen=True, slots=True)
class LexiconEntry:
    """How to say a term. ``alphabet`` is "ipa", "arpabet", or empty for a respelling in ordinary letters."""

    term: str
    pronunciation: str
    alphabet: str = "ipa"


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word of the text (code points, end exclusive) and its place in the audio of the whole text, in samples."""

    text: str
    char_start: int
    char_end: int
    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class SpokenPart:
    """What became of one piece of text: its place in the audio of its work item, in samples of the model's rate."""

    text: str
    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class SynthesisOptions:
    """How one context is spoken, checked and with defaults filled in.

    ``speaking_rate`` is the model's business, ``tempo`` the encoder's (for a model that has one pace only).
    """

    model: str
    voice: str
    output: OutputFormat
    language: str = ""
    speaking_rate: float = 1.0
    tempo: float = 1.0
    gain_db: float = 0.0
    lexicon: tuple[LexiconEntry, ...] = field(default=(), repr=False)
    seed: int = 0
    segmentation: Segmentation = Segmentation.SENTENCE
    sentence_pause_ms: int = 200
    """A finished sentence is spoken when no text came for so long; 0: when the next word proves that it is one."""
    word_timings: bool = False
    aligner: str = ""
    """The model that finds them; empty: the voice's own says them."""
    instruct: str = field(default="", repr=False)
    """How to speak, or what the voice is like, in words."""
    voice_prompt: VoicePrompt | None = field(default=None, repr=False)
    """Takes the place of ``voice``."""
