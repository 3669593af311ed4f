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
from speech_service.engines.runtimes.cores import parse_cores
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine

_FRAME_TOKENS = 16
"""Of a prompt's head, at most: what frames the context."""

Decoding = Literal["greedy", "previous", "draft", "previous+draft"]


class Qwen3AsrOptions(Settings, frozen=True):
    """Options of ``recognizer/qwen3``."""

    model: str
    """Folder or hub id of a Qwen3-ASR checkpoint."""
    revision: str = ""
    draft: str = ""
    """Folder or hub id of a smaller Qwen3-ASR with the same tokenizer."""
    draft_revision: str = ""
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    device: str = "cpu"
    quantize: Literal["none", "int8", "int8-weights", "fp8"] = "none"
    """Eight-bit linear layers of the decoder and its head; fp8 needs a GPU that multiplies it."""
    calibration: str = ""
    """Recordings, a file or a folder, that smoothing of int8 is fitted to; empty: no smoothing."""
    encoder: Literal["torch", "onnx", "tensorrt"] = "torch"
    """What runs the audio encoder; onnx and tensorrt need ``encoder_file``."""
    encoder_file: str = ""
    """What ``speech-service export-encoder`` wrote for ``model``."""
    draft_encoder_file: str = ""
    """The same for ``draft``."""
    attention: Literal["window", "causal"] = "window"
    """What a second of audio sees in the encoder: its window of 8 s, or, ``causal``, what is before it in the window.
    An update then encodes the last second only, but the releases were not trained so: texts are inexact."""
    encoder_tolerance: Amount = 0.03
    """How far states of onnx and tensorrt may be from torch's in float32, as a share of their size."""
    tensorrt_cache: str = ""
    """Folder of built TensorRT engines; empty: where ``encoder_file`` is."""
    graphs: bool = False
    """Capture decoder steps and batches of the torch encoder as CUDA graphs."""
    compile: bool = False
    """Compile the same with torch.compile; loading takes minutes."""
    tf32: bool = False
    """Let float32 products on the GPU round their factors to 11 bits; for all of the process."""
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
    streaming: Literal["verified", "official"] = "verified"
    """``official`` keeps the text of the update before, less five tokens, uncorrected, as the qwen-asr package does:
    for comparison, with a partial result every two seconds. What it saves costs exactness."""
    draft_ahead: Count = 4
    """Tokens that the draft model decodes ahead."""
    draft_max_batch: Count = 16
    """With more sequences than this the draft model is not asked: it no longer pays."""
    partials: Literal["target", "draft"] = "target"
    """Which model serves partial results; finals are always the target's."""
    mel_floor: Literal["prefix", "clip"] = "prefix"
    """``clip`` is what the official package does, and keeps a long segment from being cached."""
    max_batch: Count = 8
    """Sequences that decode together."""
    kept_segments: Count = 8
    """Open segments whose closed windows stay in the KV cache between two updates."""
    max_segment_ms: Count = 30_000
    max_audio_ms: Count = 60_000
    max_context_tokens: Count = 512
    windows_per_step: Count = 16
    prefill_tokens: Count = 2048
    tokens_per_s: Amount = 12.0

    def __post_init__(self) -> None:
        """Refuse what cannot work together."""
        if not self.model:
            raise ConfigError("model: name a folder or a hub id of a Qwen3-ASR checkpoint")
        if not self.draft and ("draft" in self.decoding or self.partials == "draft"):
            raise ConfigError("draft: decoding and partials with a draft model need one")
        positive = (
            "max_batch",
            "windows_per_step",
            "prefill_tokens",
            "draft_ahead",
            "encoder_tolerance",
        )
        for name in (*positive, "max_segment_ms", "tokens_per_s"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name}: must be positive")
        if self.max_audio_ms < self.max_segment_ms:
            raise ConfigError("max_audio_ms: must not be less than max_segment_ms")
        self._check_encoder()
        self._check_attention()
        self._check_device()

    def _check_encoder(self) -> None:
        """An encoder on another runtime needs its file, and nothing else uses one."""
        is_torch = self.encoder == "torch"
        if not is_torch and not self.encoder_file:
            raise ConfigError(
                f'encoder_file: encoder = "{self.encoder}" needs the file that `speech-service export-encoder` writes'
            )
        if not is_torch and self.draft and not self.draft_encoder_file:
            raise ConfigError("draft_encoder_file: the draft model has an encoder of its own")
        if is_torch and (self.encoder_file or self.draft_encoder_file):
            raise ConfigError('encoder_file: encoder = "torch" uses none')
        if self.draft_encoder_file and not self.draft:
            raise ConfigError("draft_encoder_file: there is no draft model")
        if self.tensorrt_cache and self.encoder != "tensorrt":
            raise ConfigError('tensorrt_cache: only encoder = "tensorrt" uses it')

    def _check_attention(self) -> None:
        """Causal attention is made for torch, without fixed shapes, and needs features that do not change."""
        if self.attention == "window":
            return
        if self.encoder != "torch":
            raise ConfigError('attention: "causal" needs encoder = "torch"')
        if self.graphs or self.compile:
            raise ConfigError('attention: "causal" needs graphs = false and compile = false')
        if self.mel_floor != "prefix":
            raise ConfigError('attention: "causal" needs mel_floor = "prefix"')

    def _check_device(self) -> None:
        is_cuda = self.device.startswith("cuda")
        if self.graphs and not is_cuda:
            raise ConfigError('graphs: CUDA graphs need device = "cuda"')
        if self.tf32 and not (is_cuda and self.dtype == "float32"):
            raise ConfigError('tf32: needs device = "cuda" and dtype = "float32"')
        if self.encoder == "tensorrt" and not is_cuda:
            raise ConfigError('encoder: "tensorrt" needs device = "cuda"')
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
    how = "; causal attention in its encoder: inexact" if options.attention == "causal" else ""
    return ModelCapabilities(
        name="qwen3-asr",
        kind=ModelKind.RECOGNIZER,
        languages=languages,
        sample_rate_hz=16_000,
        max_segment_ms=options.max_segment_ms,
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
        description=f"Qwen3-ASR on the service's own engine{how}",
        max_batch=2 * options.max_batch,
    )


def _check_machine(options: Qwen3AsrOptions) -> None:
    """What can be known without torch; the rest shows when the model is loaded."""
    parse_cores(options.cores)
    for name in ("encoder_file", "draft_encoder_file", "calibration"):
        place = getattr(options, name)
        if place and not Path(place).exists():
            raise ConfigError(f"{name}: there is no {place!r}")
    if options.encoder == "tensorrt" and importlib.util.find_spec("tensorrt") is None:
        raise ConfigError(
            'encoder: "tensorrt" needs the package tensorrt. Install it: pip install tensorrt'
        )


def build(options: Qwen3AsrOptions, shared: SharedModels) -> Engine:
    """Load the model for one lane; lanes share the weights.

    Raises:
        ImportError: torch, safetensors or tokenizers is not installed.
        CheckpointError: a checkpoint is missing, damaged, or of another kind.
    """
    from speech_service.engines.qwen3.asr.compose import compose

    return compose(options, describe(options), shared)
