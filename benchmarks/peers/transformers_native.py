"""The Qwen3-ASR classes of transformers 5 with a static cache. Runs in an environment that has them."""

# pyright: reportMissingImports=false

import json
from pathlib import Path
from typing import Any

import torch
from loop import Arrive, Transcribe, in_order, serve
from safetensors.torch import load_file

RENAMED = (
    ("thinker.audio_tower.proj1.", "model.multi_modal_projector.linear_1."),
    ("thinker.audio_tower.proj2.", "model.multi_modal_projector.linear_2."),
    ("thinker.audio_tower.", "model.audio_tower."),
    ("thinker.model.", "model.language_model."),
)


def load(config: dict[str, Any]) -> tuple[Transcribe, Arrive]:
    """Load ``config["model"]``, a release folder; prompts are ``config["head"]``, the audio, ``config["tail"]``."""
    from transformers.models.qwen3_asr import Qwen3ASRFeatureExtractor

    torch.set_num_threads(config["threads"])
    dtype = getattr(torch, config["dtype"])
    model = native_model(Path(config["model"]), dtype)
    extractor = Qwen3ASRFeatureExtractor()

    @torch.inference_mode()
    def transcribe(clip: Any) -> int:
        features = extractor(
            clip,
            sampling_rate=16_000,
            return_tensors="pt",
            return_attention_mask=True,
            padding=True,
            truncation=False,
        )
        mask = features["attention_mask"]
        whole, rest = divmod(int(mask.sum()), 100)
        count = whole * 13 + (((rest + 1) // 2 + 1) // 2 + 1) // 2
        audio = [model.config.audio_token_id] * count
        ids = torch.tensor([[*config["head"], *audio, *config["tail"]]])
        answer = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            input_features=features["input_features"].to(dtype),
            input_features_mask=mask,
            max_new_tokens=config["tokens"],
            min_new_tokens=config["tokens"],
            do_sample=False,
            cache_implementation="static",
        )
        return answer.shape[1] - ids.shape[1]

    return transcribe, in_order(transcribe)


def native_model(folder: Path, dtype: torch.dtype) -> Any:
    """Build the model and give it the release's tensors by their new names."""
    from transformers import Qwen3ASRConfig, Qwen3ASRForConditionalGeneration

    release = json.loads((folder / "config.json").read_text())
    thinker = release["thinker_config"]
    audio, text = dict(thinker["audio_config"]), dict(thinker["text_config"])
    for key in ("model_type", "max_source_positions", "conv_chunksize"):
        audio.pop(key, None)
    text.pop("rope_scaling", None)
    text["model_type"] = "qwen3"
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": text.pop("rope_theta")}
    config = Qwen3ASRConfig(
        audio_config=audio | {"model_type": "qwen3_asr_encoder"},
        text_config=text,
        audio_token_id=thinker["audio_token_id"],
        pad_token_id=thinker["pad_token_id"],
        tie_word_embeddings=text["tie_word_embeddings"],
    )
    model = Qwen3ASRForConditionalGeneration(config).to(dtype).eval()
    tensors = {renamed(k): v.to(dtype) for k, v in load_file(folder / "model.safetensors").items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise RuntimeError(f"layout mismatch: missing {missing}, unexpected {unexpected}")
    model.tie_weights()
    return model


def renamed(name: str) -> str:
    """Give the name that transformers has for a tensor of the release."""
    for release, native in RENAMED:
        if name.startswith(release):
            return native + name.removeprefix(release)
    return name.removeprefix("thinker.")


if __name__ == "__main__":
    serve(load)
