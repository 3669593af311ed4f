"""The layout of transformers 5 for recognizers and aligners: other names of the same tensors, another configuration."""

from collections.abc import Mapping
from typing import Any

from tests.qwen_tiny.checkpoints import Checkpoint

# Prefixes in the release -> in transformers 5; the first that fits.
RENAMED = (
    ("thinker.audio_tower.proj1.", "model.multi_modal_projector.linear_1."),
    ("thinker.audio_tower.proj2.", "model.multi_modal_projector.linear_2."),
    ("thinker.audio_tower.", "model.audio_tower."),
    ("thinker.model.", "model.language_model."),
)
AUDIO_KEYS_DROPPED = ("model_type", "max_source_positions", "conv_chunksize")


def native_checkpoint(checkpoint: Checkpoint) -> Checkpoint:
    """Give the same model as transformers 5 saves it."""
    config = checkpoint.files["config.json"]
    ends = checkpoint.files["generation_config.json"]["eos_token_id"]
    is_aligner = "classify_num" in config["thinker_config"]
    head = "score." if is_aligner else "lm_head."
    tensors = {_renamed(name, head): value for name, value in checkpoint.tensors.items()}
    files: dict[str, Any] = {
        "config.json": _config(config, ends),
        "processor_config.json": _processor_config(checkpoint.files["preprocessor_config.json"]),
    }
    if not is_aligner:
        pad = config["thinker_config"]["pad_token_id"]
        files["generation_config.json"] = {"eos_token_id": ends, "pad_token_id": pad}
    return Checkpoint(files, tensors)


def is_aligner(checkpoint: Checkpoint) -> bool:
    """Tell whether a checkpoint in the native layout is a forced aligner's."""
    return "id2label" in checkpoint.files["config.json"]


def _renamed(name: str, head: str) -> str:
    for release, native in (*RENAMED, ("thinker.lm_head.", head)):
        if name.startswith(release):
            return native + name.removeprefix(release)
    raise ValueError(f"no name in transformers 5 for {name}")


def _config(config: Mapping[str, Any], ends: list[int]) -> dict[str, Any]:
    thinker = config["thinker_config"]
    labels = range(thinker.get("classify_num", 0))
    kind = "TokenClassification" if labels else "ConditionalGeneration"
    audio = {k: v for k, v in thinker["audio_config"].items() if k not in AUDIO_KEYS_DROPPED}
    text = {k: v for k, v in thinker["text_config"].items() if not k.startswith("rope_")}
    theta = thinker["text_config"]["rope_theta"]
    native: dict[str, Any] = {
        "architectures": [f"Qwen3ASRFor{kind}"],
        "model_type": "qwen3_asr",
        "audio_config": {**audio, "model_type": "qwen3_asr_encoder", "max_position_embeddings": 13},
        "text_config": {
            **text,
            "model_type": "qwen3",
            "layer_types": ["full_attention"] * text["num_hidden_layers"],
            "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        },
        "audio_token_id": thinker["audio_token_id"],
        "timestamp_token_id": config.get("timestamp_token_id", thinker["audio_token_id"] + 29),
        "eos_token_id": ends,
        "pad_token_id": thinker["pad_token_id"],
        "tie_word_embeddings": text["tie_word_embeddings"],
        "dtype": thinker["dtype"],
        "transformers_version": "5.23.0",
    }
    if labels:
        native["id2label"] = {str(label): f"LABEL_{label}" for label in labels}
        native["label2id"] = {f"LABEL_{label}": label for label in labels}
    return native


def _processor_config(preprocessor: Mapping[str, Any]) -> dict[str, Any]:
    features = {k: v for k, v in preprocessor.items() if k != "processor_class"}
    features |= {
        "feature_extractor_type": "Qwen3ASRFeatureExtractor",
        "n_window": 50,
        "min_length": 8000,
    }
    return {
        "processor_class": "Qwen3ASRProcessor",
        "feature_extractor": features,
        "timestamp_segment_time": 80,
    }
