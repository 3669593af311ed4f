"""What the services are built from."""

from dataclasses import dataclass

from speech_service.audio.containers import DecoderPool
from speech_service.audio.encode import EncoderPool
from speech_service.config import Config
from speech_service.protocols import Observer, Submitter, Tracer, Vad
from speech_service.servicers.admission import Admission
from speech_service.servicers.audio_cache import AudioCache, VoicePromptCache
from speech_service.servicers.catalog import ModelCatalog
from speech_service.servicers.made_voices import MadeVoices


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
