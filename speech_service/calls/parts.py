"""What the services are built from."""

from dataclasses import dataclass, field

from speech_service.calls.admission import Admission
from speech_service.calls.audio_cache import AudioCache, LruCache, VoicePromptCache
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.voices.store import MadeVoices
from speech_service.config.tree import Config
from speech_service.media.decode.pool import DecoderPool
from speech_service.media.encode.encoder import EncoderPool
from speech_service.protocols import Observer, Submitter, Tracer, Vad

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
