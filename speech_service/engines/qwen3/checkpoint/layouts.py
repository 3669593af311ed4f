"""The two layouts of the recognizer's checkpoints: the release's own, and that of transformers 5. Pure renaming.

Everything else in the service knows the release's names only. qwen-asr 0.0.6 and transformers 5.23 were compared.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

Config = Mapping[str, Any]


class Layout(Enum):
    """How the tensors of a checkpoint are named."""

    RELEASE = "release"
    TRANSFORMERS = "transformers"


_TO_RELEASE = (
    ("model.multi_modal_projector.linear_1.", "thinker.audio_tower.proj1."),
    ("model.multi_modal_projector.linear_2.", "thinker.audio_tower.proj2."),
    ("model.audio_tower.", "thinker.audio_tower."),
    ("model.language_model.", "thinker.model."),
    ("lm_head.", "thinker.lm_head."),
    ("score.", "thinker.lm_head."),
)


def layout_of(config: Config) -> Layout:
    """Tell the layouts apart: the release nests the network's sizes under ``thinker_config``."""
    is_native = config.get("model_type") == "qwen3_asr" and "thinker_config" not in config
    return Layout.TRANSFORMERS if is_native else Layout.RELEASE


def release_names(stored: Iterable[str], layout: Layout) -> dict[str, str]:
    """Stored name of each tensor by its release name."""
    if layout is Layout.RELEASE:
        return {name: name for name in stored}
    return {_release_name(name): name for name in stored}


def release_config(config: Config) -> Config:
    """The configuration in the release's form, whichever layout it is in."""
    if layout_of(config) is Layout.RELEASE:
        return config
    is_aligner = "Qwen3ASRForTokenClassification" in config.get("architectures", ())
    thinker: dict[str, Any] = {
        "model_type": "qwen3_forced_aligner" if is_aligner else "qwen3_asr_thinker",
        **{key: config[key] for key in ("audio_config", "text_config") if key in config},
    }
    for key in ("audio_token_id", "pad_token_id", "eos_token_id"):
        if config.get(key) is not None:
            thinker[key] = config[key]
    if is_aligner:
        thinker["classify_num"] = len(config.get("id2label", ()))
    moved: dict[str, Any] = {"model_type": "qwen3_asr", "thinker_config": thinker}
    if "timestamp_token_id" in config:
        moved["timestamp_token_id"] = config["timestamp_token_id"]
    return moved


def _release_name(name: str) -> str:
    for native, release in _TO_RELEASE:
        if name.startswith(native):
            return release + name.removeprefix(native)
    return name
