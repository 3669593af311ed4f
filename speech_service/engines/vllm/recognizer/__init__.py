"""A running vLLM server: any model that it transcribes with, over its OpenAI-compatible API.

Mode ``batch`` posts a segment to ``/audio/transcriptions``. Mode ``realtime`` speaks the websocket ``/realtime``, which
only models with a realtime class have (for Qwen3-ASR the server needs an architecture override): it cuts the audio
into pieces of 5 s that know nothing of each other, and takes neither a language nor a context.

Both send a segment whole, from its first sample: a partial costs the server as much as a final. A websocket kept open
for a segment would be cheaper, but has nothing to say before 5 s are full.
"""

from typing import TYPE_CHECKING, Literal

from speech_service.config.tree import Amount, ConfigError, Count
from speech_service.domain.audio import MODEL_RATE_HZ
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.engines.model_server.options import ServerOptions, check_server, read_key
from speech_service.engines.qwen_release.recognition import NAMES, VAD_GAIN_DB
from speech_service.engines.shared import SharedModels

if TYPE_CHECKING:
    from speech_service.engines.model_server.engine import ServerEngine

_WHISPERS_NOISE_WORDS = (
    *("you", "thank you", "thank you very much", "thanks for watching", "thank you for watching"),
    *("bye", "bye bye"),
)
"""What Whisper says of noise; the server's model may be one."""
_UNKNOWN_TO_VLLM = frozenset({"yue", "fil"})
"""vLLM takes the languages of Whisper; these two of Qwen3-ASR are none of them."""


class VllmRecognizerOptions(ServerOptions, frozen=True):
    """Options of ``recognizer/vllm``."""

    mode: Literal["batch", "realtime"] = "batch"
    """`batch` sends each segment as a file; `realtime` streams audio over a WebSocket, for models that have it."""
    streaming: bool = True
    """Mode batch: takes the text as it is written; one that runs in circles is then stopped early."""
    languages: tuple[str, ...] = tuple(tag for tag in NAMES if tag not in _UNKNOWN_TO_VLLM)
    """What the server's model understands, as the server names it; those of Qwen3-ASR unless others are given."""
    max_tokens_per_s: Amount = 20.0
    """Mode batch: the longest transcript of a second of audio; 0: the server's own limit."""
    realtime_chunk_ms: Count = 1_000
    """Mode realtime: audio in one message."""
    max_segment_ms: Count = 30_000
    """vLLM cuts longer audio itself, at places of its own choice."""


def describe(options: VllmRecognizerOptions) -> ModelCapabilities:
    """What the server is taken to do; it is not asked.

    Raises:
        ConfigError: an option that is required is missing or wrong.
    """
    check_server(options, positive=("realtime_chunk_ms", "max_segment_ms"))
    if not options.languages:
        raise ConfigError("languages: name at least one")
    capabilities = {Capability.PARTIAL_RESULTS, Capability.PUNCTUATION}
    if options.mode == "batch":
        capabilities |= {Capability.CONTEXT_TEXT, Capability.CONTEXT_TERMS}
    return ModelCapabilities(
        name="vllm",
        kind=ModelKind.RECOGNIZER,
        languages=options.languages,
        sample_rate_hz=MODEL_RATE_HZ,
        max_segment_ms=options.max_segment_ms,
        vad_gain_db=VAD_GAIN_DB,
        noise_words=_WHISPERS_NOISE_WORDS,
        capabilities=frozenset(capabilities),
        licence="the server's",
        description=f"{options.model} on a vLLM server",
        max_batch=options.max_batch,
        probe=False,
    )


def build(options: VllmRecognizerOptions, shared: SharedModels) -> "ServerEngine":
    """Make one lane's engine; the server is not asked for anything yet.

    Raises:
        ConfigError: an option is wrong, or the key's file cannot be read.
        ImportError: httpx2, or for mode realtime websockets, is not installed.
    """
    del shared  # nothing is loaded
    from speech_service.engines.vllm.recognizer.engine import vllm_engine

    return vllm_engine(options, describe(options), read_key(options.api_key_file))
