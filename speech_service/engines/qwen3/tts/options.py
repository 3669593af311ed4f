"""Qwen3-TTS on the service's own engine: batched, sounding from the first frame on. Needs the ``qwen`` extra."""

from dataclasses import replace
from typing import Literal

from speech_service.config.tree import Amount, ConfigError, Count, Settings
from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.engines.qwen3.tts.config import TtsConfig, read_tts_config
from speech_service.engines.qwen3.tts.sampling_rules import Sampling
from speech_service.engines.qwen_release.files import read_files
from speech_service.engines.qwen_release.hub import locate
from speech_service.engines.qwen_release.voices import SAMPLE_RATE_HZ, qwen_voices
from speech_service.engines.runtimes.choice import RuntimeChoice, check_runtime
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine


class Qwen3TtsOptions(Settings, frozen=True):
    """Options of ``synthesizer/qwen3``."""

    model: str
    """Folder or hub id of a Qwen3-TTS checkpoint: CustomVoice, VoiceDesign or Base."""
    revision: str = ""
    """Branch, tag or commit of a hub id; empty means the main branch. Not used with a folder."""
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    """Number format of weights and computation; on a GPU the codec's is float32, with convolutions in TF32."""
    device: str = "cpu"
    """Device that computes, as torch names it: `cpu`, `cuda` or `cuda:0`."""
    quantize: Literal["none", "int8", "int8-weights", "fp8"] = "none"
    """Linear layers of the talker and its predictor in eight bits: weights and activations, or weights only."""
    graphs: bool | None = None
    """Capture frames, prompts and passes of the codec as CUDA graphs. Left out: where there is a GPU."""
    kv_mib: Count = 0
    """Memory of one lane's KV cache and codec states, which bounds its streams; 0: what ``max_batch`` takes."""
    warm_up_tokens: tuple[Count, ...] = (32, 128)
    """Lengths of prompts that are spoken, unheard, when the model is loaded; empty: none."""
    codec: Literal["torch", "onnx", "tensorrt"] = "torch"
    """What runs the codec's decoder; onnx and tensorrt need ``codec_file``, and compute it in float32."""
    codec_file: str = ""
    """What ``speech-service export-codec`` wrote for ``model``."""
    threads: Count = 0
    """CPU threads of one operation; 0: torch's own choice."""
    max_batch: Count = 8
    """Streams that speak together."""
    ramp: tuple[Count, ...] = (1, 2, 4, 8)
    """Most frames (80 ms) of a stream's first, second, ... chunk of audio; the last is that of all further ones. On a
    busy GPU a first chunk may be as long as the longest.
    """
    max_seconds: Amount = 60.0
    """Speech of one piece of text, at most."""
    max_prompt_tokens: Count = 1024
    """Text, instruction and reference recording (12.5 tokens a second) of one piece, at most."""
    voices_folder: str = ""
    """Where cloned voices are kept between runs; empty: in memory only."""
    max_voices: Count = 64
    """Cloned voices kept in memory."""
    temperature: Amount | None = None
    """How freely codes of the talker are drawn; 0 takes the likeliest. Left out: what the checkpoint recommends."""
    top_k: Count | None = None
    """Only the k likeliest codes are drawn from. Left out: what the checkpoint recommends."""
    top_p: Amount | None = None
    """Only the likeliest codes that have this share of the probability together are drawn from. Empty means what the
    checkpoint recommends."""
    repetition_penalty: Amount | None = None
    """Divides the score of codes that were drawn before; 1 changes nothing. Empty means what the checkpoint
    recommends."""
    predictor_temperature: Amount | None = None
    """The same as `temperature`, for the predictor of the further codebooks."""
    predictor_top_k: Count | None = None
    """The same as `top_k`, for the predictor."""
    predictor_top_p: Amount | None = None
    """The same as `top_p`, for the predictor."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not self.model:
            raise ConfigError("model: name a folder or a hub id of a Qwen3-TTS checkpoint")
        if not self.ramp or min(self.ramp) < 1:
            raise ConfigError("ramp: name one length at least, in frames, each of them positive")
        for name in (
            "max_batch",
            "max_seconds",
            "max_prompt_tokens",
            "max_voices",
        ):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name}: must be positive")
        self._check_device()
        check_runtime("codec", RuntimeChoice(self.codec, self.codec_file), self.device)
        self.sampling(Sampling())

    def _check_device(self) -> None:
        """Refuse switches that cannot work."""
        if self.graphs and not self.device.startswith("cuda"):
            raise ConfigError('graphs: CUDA graphs need device = "cuda"')
        if self.kv_mib < 0 or self.threads < 0:
            raise ConfigError("kv_mib, threads: must not be negative")
        wrong = [each for each in self.warm_up_tokens if not 0 < each <= self.max_prompt_tokens]
        if wrong:
            raise ConfigError(f"warm_up_tokens: {wrong[0]} is not between 1 and max_prompt_tokens")

    def sampling(self, recommended: Sampling) -> Sampling:
        """The checkpoint's rules with what is set here in their place.

        Raises:
            ConfigError: a value is out of range.
        """
        own = {
            name: getattr(self, name)
            for name in Sampling.__dataclass_fields__
            if getattr(self, name) is not None
        }
        try:
            return replace(recommended, **own)
        except ValueError as error:
            raise ConfigError(str(error)) from error


def describe(options: Qwen3TtsOptions) -> ModelCapabilities:
    """What the model can do, from its config.json; its weights are not read.

    Raises:
        CheckpointError: the checkpoint is missing or damaged, or another kind of model.
    """
    files = read_files(options.model, locate(options.model, options.revision))
    return capabilities(read_tts_config(files), options)


def capabilities(config: TtsConfig, options: Qwen3TtsOptions) -> ModelCapabilities:
    """What a checkpoint of this configuration can do."""
    abilities = config.abilities
    name = f"qwen3-tts-{config.kind.value.replace('_', '-')}"
    voices = qwen_voices(name, abilities.voices, SAMPLE_RATE_HZ)
    return ModelCapabilities(
        name=name,
        kind=ModelKind.SYNTHESIZER,
        languages=abilities.languages,
        sample_rate_hz=SAMPLE_RATE_HZ,
        max_segment_ms=round(options.max_seconds * 1000),
        capabilities=abilities.capabilities,
        voices=tuple(replace(voice, languages=abilities.languages) for voice in voices),
        licence="Apache-2.0",
        description=f"Qwen3-TTS ({config.kind.value}) on the service's own engine",
        max_batch=options.max_batch,
    )


def build(options: Qwen3TtsOptions, shared: SharedModels) -> Engine:
    """Load the model for one lane; lanes share the weights.

    Raises:
        ImportError: torch, safetensors or tokenizers is not installed.
        CheckpointError: the checkpoint is missing, damaged, or of another kind.
    """
    from speech_service.engines.qwen3.tts.compose import compose

    return compose(options, describe(options), shared)
