"""A running vLLM-Omni server with Qwen3-TTS, over its speech API (``POST /audio/speech``).

Audio is passed on as the server makes it. A server that fails in the middle of a piece is not asked for it again: the
piece fails.
"""

from typing import TYPE_CHECKING, Literal

from speech_service.config.tree import ConfigError, Count
from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.engines.model_server.options import ServerOptions, check_server, read_key
from speech_service.engines.qwen_release.requests import LANGUAGES
from speech_service.engines.qwen_release.synthesis import Abilities, TtsKind
from speech_service.engines.qwen_release.voices import SAMPLE_RATE_HZ, SPEAKERS, qwen_voices
from speech_service.engines.shared import SharedModels

if TYPE_CHECKING:
    from speech_service.engines.model_server.engine import ServerEngine

NAME = "vllm-omni"


class VllmOmniOptions(ServerOptions, frozen=True):
    """Options of ``synthesizer/vllm-omni``."""

    kind: Literal["custom_voice", "voice_design", "base"] = "custom_voice"
    """Which release the server runs; it runs one."""
    follows_instructions: bool = True
    """Whether words may say how to speak: not with the CustomVoice release of 0.6 B, which drops them."""
    voices: tuple[str, ...] = SPEAKERS
    """Speakers of a CustomVoice release to offer, the default one first; the server lists them at ``/audio/voices``."""
    sample_rate_hz: Count = SAMPLE_RATE_HZ
    """Rate of the server's audio, which does not say it."""
    first_chunk_frames: Count = 0
    """Frames (12.5 a second) in the server's first piece of audio; 0: as the server likes."""
    max_new_tokens: Count = 2048
    """A piece ends here at the latest, a short one sooner; 12.5 are a second."""

    @property
    def abilities(self) -> Abilities:
        """What the server can be asked for."""
        kind = TtsKind(self.kind)
        designs, clones = kind is TtsKind.VOICE_DESIGN, kind is TtsKind.BASE
        return Abilities(
            kind=kind,
            voices=self.voices if kind is TtsKind.CUSTOM_VOICE else (),
            languages=LANGUAGES,
            follows_instructions=designs or (self.follows_instructions and not clones),
        )


def describe(options: VllmOmniOptions) -> ModelCapabilities:
    """What the server is taken to do; it is not asked.

    Raises:
        ConfigError: an option that is required is missing or wrong.
    """
    check_server(options, positive=("sample_rate_hz", "max_new_tokens"))
    if not options.voices:
        raise ConfigError("voices: name at least one")
    abilities = options.abilities
    return ModelCapabilities(
        name=NAME,
        kind=ModelKind.SYNTHESIZER,
        languages=abilities.languages,
        sample_rate_hz=options.sample_rate_hz,
        max_segment_ms=60_000,
        capabilities=abilities.capabilities,
        voices=qwen_voices(NAME, abilities.voices, options.sample_rate_hz),
        licence="the server's",
        description=f"{options.model} on a vLLM-Omni server",
        max_batch=options.max_batch,
        probe=False,
    )


def build(options: VllmOmniOptions, shared: SharedModels) -> "ServerEngine":
    """Make one lane's engine; the server is not asked for anything yet.

    Raises:
        ConfigError: an option is wrong, or the key's file cannot be read.
        ImportError: httpx2 is not installed.
    """
    del shared  # nothing is loaded
    from speech_service.engines.vllm.synthesizer.engine import vllm_omni_engine

    return vllm_omni_engine(options, describe(options), read_key(options.api_key_file))
