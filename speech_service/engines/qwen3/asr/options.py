"""Qwen3-ASR on the service's own engine: batched, streaming, with exact speculation. Needs the ``qwen`` extra."""

import importlib.util
from pathlib import Path
from typing import Literal

from speech_service.config.tree import Amount, ConfigError, Count, Settings
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.engines.qwen3.checkpoint.layouts import release_config
from speech_service.engines.qwen_release.files import read_files
from speech_service.engines.qwen_release.hub import check_source
from speech_service.engines.qwen_release.recognition import NAMES, VAD_GAIN_DB, tags_of
from speech_service.engines.runtimes.choice import RuntimeChoice, check_runtime
from speech_service.engines.runtimes.cores import parse_cores
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine

_MAX_SEGMENT_MS = 30_000
_FRAME_TOKENS = 16
"""Of a prompt's head, at most: what frames the context."""

Decoding = Literal["greedy", "previous", "draft", "previous+draft"]


class Qwen3AsrOptions(Settings, frozen=True):
    """Options of ``recognizer/qwen3``."""

    model: str
    """Folder or hub id of a Qwen3-ASR checkpoint."""
    revision: str = ""
    """Branch, tag or commit of a hub id; empty means the main branch. Not used with a folder."""
    draft: str = ""
    """Folder or hub id of a smaller Qwen3-ASR with the same tokenizer."""
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    """Number format of weights and computation."""
    device: str = "cpu"
    """Device that computes, as torch names it: `cpu`, `cuda` or `cuda:0`."""
    quantize: Literal["none", "int8", "int8-weights", "fp8"] = "none"
    """Eight-bit linear layers of the decoder and its head; fp8 needs a GPU that multiplies it."""
    calibration: str = ""
    """Recordings, a file or a folder, that smoothing of int8 is fitted to; empty: no smoothing."""
    encoder: Literal["torch", "onnx", "tensorrt"] = "torch"
    """What runs the audio encoder; onnx and tensorrt need ``encoder_file``."""
    encoder_file: str = ""
    """What ``speech-service export-encoder`` wrote for ``model``; TensorRT computes in the ``--dtype`` of it. A draft
    model's encoder runs on torch."""
    graphs: bool = False
    """Capture decoder steps and batches of the torch encoder as CUDA graphs."""
    kv_mib: Count = 0
    """Memory of one lane's KV caches, which bounds its sequences; 0: what ``max_batch`` and ``kept_segments`` take."""
    warm_up_ms: tuple[Count, ...] = ()
    """Lengths of noise that are recognized in part when the model is loaded."""
    cores: str = ""
    """CPU cores of the lane's thread: a list as in "0-3,8", or "node:1" for a NUMA node; empty: any."""
    threads: Count = 0
    """CPU threads of one operation; 0: torch's own choice."""
    decoding: Decoding = "previous"
    """What is proposed for verification; the text is the same with all four."""
    partials: Literal["target", "draft"] = "target"
    """Which model serves partial results; finals are always the target's."""
    max_batch: Count = 8
    """Sequences that decode together; of many live streams, the few whose updates fall into one step."""
    kept_segments: Count = 8
    """Open segments whose closed windows stay in the KV cache between two updates: one for each live stream."""
    max_audio_ms: Count = 60_000
    """Milliseconds of audio of one request; longer audio is refused, reason `LIMIT_EXCEEDED`. Segments of streams are
    cut at 30 s at the latest."""
    max_context_tokens: Count = 512
    """Tokens of the longest context, with what frames it; a longer one is refused, or cut in a lenient request."""
    tokens_per_s: Amount = 12.0
    """Most tokens of text for a second of audio. An answer of more is cut off: nobody speaks so fast."""

    def __post_init__(self) -> None:
        """Refuse what cannot work together."""
        if not self.model:
            raise ConfigError("model: name a folder or a hub id of a Qwen3-ASR checkpoint")
        if not self.draft and ("draft" in self.decoding or self.partials == "draft"):
            raise ConfigError("draft: decoding and partials with a draft model need one")
        for name in ("max_batch", "max_audio_ms", "tokens_per_s"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name}: must be positive")
        check_runtime("encoder", RuntimeChoice(self.encoder, self.encoder_file), self.device)
        self._check_device()

    def _check_device(self) -> None:
        if self.graphs and not self.device.startswith("cuda"):
            raise ConfigError('graphs: CUDA graphs need device = "cuda"')
        if self.calibration and self.quantize != "int8":
            raise ConfigError('calibration: only quantize = "int8" uses it')
        if self.kv_mib < 0 or self.kept_segments < 0 or self.threads < 0:
            raise ConfigError("kv_mib, kept_segments, threads: must not be negative")
        too_long = [each for each in self.warm_up_ms if not 0 < each <= self.max_audio_ms]
        if too_long:
            raise ConfigError(f"warm_up_ms: {too_long[0]} is not between 1 and max_audio_ms")


def describe(options: Qwen3AsrOptions) -> ModelCapabilities:
    """What the model can do, from its config.json; its weights are not read.

    Raises:
        ConfigError: something that the options name is not on this machine.
        CheckpointError: the checkpoint is missing or of another kind.
    """
    _check_machine(options)
    folder = check_source(options.model, options.revision)
    languages = tuple(NAMES)
    if folder is not None:
        config = release_config(read_files(options.model, folder).config)
        languages = tags_of(list(config.get("support_languages") or NAMES.values()))
    return ModelCapabilities(
        name="qwen3-asr",
        kind=ModelKind.RECOGNIZER,
        languages=languages,
        sample_rate_hz=16_000,
        max_segment_ms=min(_MAX_SEGMENT_MS, options.max_audio_ms),
        max_context_tokens=max(1, options.max_context_tokens - _FRAME_TOKENS),
        vad_gain_db=VAD_GAIN_DB,
        capabilities=frozenset(
            {
                Capability.PARTIAL_RESULTS,
                Capability.PUNCTUATION,
                Capability.CONTEXT_TEXT,
                Capability.CONTEXT_TERMS,
                Capability.LANGUAGE_IDENTIFICATION,
                Capability.DRAFT_VERIFICATION,
            }
        ),
        licence="Apache-2.0",
        description="Qwen3-ASR on the service's own engine",
        max_batch=2 * options.max_batch,
    )


def _check_machine(options: Qwen3AsrOptions) -> None:
    """What can be known without torch; the rest shows when the model is loaded."""
    parse_cores(options.cores)
    for name in ("encoder_file", "calibration"):
        place = getattr(options, name)
        if place and not Path(place).exists():
            raise ConfigError(f"{name}: there is no {place!r}")
    if options.encoder == "tensorrt" and importlib.util.find_spec("tensorrt") is None:
        raise ConfigError(
            'encoder: "tensorrt" needs the package tensorrt, 10.13 to 11. Install it: pip install tensorrt'
        )


def build(options: Qwen3AsrOptions, shared: SharedModels) -> Engine:
    """Load the model for one lane; lanes share the weights.

    Raises:
        ImportError: torch, safetensors or tokenizers is not installed.
        CheckpointError: a checkpoint is missing, damaged, or of another kind.
    """
    from speech_service.engines.qwen3.asr.compose import compose

    return compose(options, describe(options), shared)
