"""What a recognition stream was asked to do, after validation: frozen, in the service's own terms."""

from dataclasses import dataclass
from enum import Enum


class EndpointingMode(Enum):
    """Who ends segments. OFF: only length, ``finalize`` and the end of the stream; VAD: pauses as well;
    EXTERNAL: the client says ``finalize`` at each turn end, pauses never cut."""

    OFF = "off"
    VAD = "vad"
    EXTERNAL = "external"


class LanguageMode(Enum):
    """What a list of languages means. HINT: they are likely; ALLOW: it is one of them; DENY: it is none of them;
    FORCE: it is this one."""

    HINT = "hint"
    ALLOW = "allow"
    DENY = "deny"
    FORCE = "force"


class Pacing(Enum):
    """REALTIME: audio comes as it is spoken, partials matter. FILE: audio comes as fast as it is read."""

    REALTIME = "realtime"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Endpointing:
    """How a channel is cut into segments. Probabilities are in [0, 1]."""

    mode: EndpointingMode = EndpointingMode.VAD
    threshold: float = 0.5
    """A frame above it is speech; speech goes on until frames stay below ``release_threshold``."""
    release_threshold: float = 0.35
    min_speech_ms: int = 96
    """Speech shorter than this does not open a segment."""
    end_silence_ms: int = 600
    """Silence after which a segment ends (mode VAD)."""
    max_segment_ms: int = 20_000
    """A segment is cut here at the latest."""
    soft_segment_ms: int = 12_000
    """A segment of this length is cut at the next short pause."""
    quiet_margin_ms: int = 500
    """A live client may send nothing for so much longer than ``end_silence_ms`` before its speech has ended (mode
    VAD)."""
    padding_ms: int = 300
    """Audio before the first speech frame that belongs to the segment."""
    gain_db: float = 0.0
    """How much louder, up to full scale, detection hears the audio."""


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """Everything a recognition session needs to know."""

    model: str
    language: str = ""
    """BCP-47 code; empty means that the model decides."""
    context: str = ""
    endpointing: Endpointing = Endpointing()
    pacing: Pacing = Pacing.REALTIME
    partial_results: bool = True
    partial_interval_ms: int = 500
    separate_channels: bool = False
    noise_words: tuple[str, ...] = ()
    """What the model says of noise."""
    aligner: str = ""
    """Model that gives each FINAL its word times; empty: nobody asked for them."""
    aligner_languages: tuple[str, ...] = ()
