"""Qwen3-ForcedAligner on the service's own engine: times of words in eleven languages. Needs the ``qwen`` extra.

Japanese needs the ``qwen-ja`` extra as well; without it the model declares the other ten.
"""

import importlib.util
from typing import Literal

from speech_service.config.tree import ConfigError, Count, Settings
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.engines.qwen3.aligner.japanese import PACKAGE as JAPANESE_PACKAGE
from speech_service.engines.qwen3.aligner.pieces import TAIL_MS
from speech_service.engines.qwen3.checkpoint.layouts import release_config
from speech_service.engines.qwen_release.files import read_files
from speech_service.engines.qwen_release.hub import check_source
from speech_service.engines.qwen_release.recognition import tags_of
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine

LANGUAGES = ("zh", "en", "yue", "fr", "de", "it", "ja", "ko", "pt", "ru", "es")
_MAX_PIECE_MS = 300_000
_MIN_PIECE_MS = 3 * TAIL_MS


class Qwen3AlignerOptions(Settings, frozen=True):
    """Options of ``aligner/qwen3``."""

    model: str
    """Folder or hub id of a Qwen3-ForcedAligner checkpoint."""
    revision: str = ""
    """Branch, tag or commit of a hub id; empty means the main branch. Not used with a folder."""
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    """Number format of weights and computation."""
    device: str = "cpu"
    """Device that computes, as torch names it: `cpu`, `cuda` or `cuda:0`."""
    threads: Count = 0
    """CPU threads of one operation; 0: torch's own choice."""
    max_batch: Count = 16
    """Texts that are aligned together."""
    piece_ms: Count = 180_000
    """Longer audio is aligned in pieces of at most so much, which is what the model is made for."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.model:
            raise ConfigError(
                "model: name a folder or a hub id of a Qwen3-ForcedAligner checkpoint"
            )
        if self.max_batch < 1 or self.threads < 0:
            raise ConfigError("max_batch must be positive, threads not negative")
        if not _MIN_PIECE_MS <= self.piece_ms <= _MAX_PIECE_MS:
            allowed = f"{_MIN_PIECE_MS} to {_MAX_PIECE_MS}"
            raise ConfigError(f"piece_ms: {self.piece_ms} is out of range. Allowed: {allowed}")


def describe(options: Qwen3AlignerOptions) -> ModelCapabilities:
    """What the model can do, from its config.json; its weights are not read."""
    folder = check_source(options.model, options.revision)
    languages = LANGUAGES
    if folder is not None:
        config = release_config(read_files(options.model, folder).config)
        languages = tags_of(list(config.get("support_languages") or ())) or LANGUAGES
    if importlib.util.find_spec(JAPANESE_PACKAGE) is None:
        languages = tuple(language for language in languages if language != "ja")
    return ModelCapabilities(
        name="qwen3-forced-aligner",
        kind=ModelKind.ALIGNER,
        languages=languages,
        sample_rate_hz=16_000,
        max_segment_ms=4 * 3600 * 1000,
        capabilities=frozenset({Capability.ALIGN_WORDS, Capability.ALIGN_CHARACTERS}),
        licence="Apache-2.0",
        description="Qwen3-ForcedAligner on the service's own engine",
        max_batch=options.max_batch,
    )


def build(options: Qwen3AlignerOptions, shared: SharedModels) -> Engine:
    """Load the model for one lane; lanes share the weights.

    Raises:
        ImportError: torch, safetensors or tokenizers is not installed.
        CheckpointError: the checkpoint is missing, damaged, or of another kind.
        ConfigError: the device is not there.
    """
    from speech_service.engines.qwen3.aligner.compose import compose

    return compose(options, describe(options), shared)
