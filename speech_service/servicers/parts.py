"""What the services are built from."""

from dataclasses import dataclass, field

from speech_service.audio.containers import DecoderPool
from speech_service.audio.encode import EncoderPool
from speech_service.config import Config
from speech_service.protocols import Observer, Submitter, Tracer, Vad
from speech_service.servicers.admission import Admission
from speech_service.servicers.audio_cache import AudioCache, LruCache, VoicePromptCache
from speech_service.servicers.catalog import ModelCatalog
from speech_service.servicers.made_voices import MadeVoices

_KNOWN_BYTES, _KNOWN_TEXTS = 256 * 1024, 4_096


@dataclass(frozen=True, slots=True)
class EdgeParts:
    """Shared by all servicers of one front end."""

    config: Config
    catalog: ModelCatalog
    submitter: Submitter
    vad: Vad
    decoders: DecoderPool
    encoders: EncoderPool
    admission: Admission
    observer: Observer
    tracer: Tracer
    audio_cache: AudioCache
    prompt_cache: VoicePromptCache
    voices: MadeVoices
    known_languages: LruCache[str] = field(
        default_factory=lambda: LruCache[str](_KNOWN_BYTES, _KNOWN_TEXTS)
    )
    """Of texts that were judged for synthesis: speech out of a cache needs no worker to say it again."""
