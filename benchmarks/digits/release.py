"""Writes a trained model as the release lays its files out."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from benchmarks.digits import SAMPLE_RATE_HZ
from benchmarks.digits.model import DigitsModel
from benchmarks.digits.tokens import AUDIO_END, AUDIO_PAD, AUDIO_START, PADDING, TURN_END
from speech_service.engines.qwen3.encoder.network import AudioEncoder, EncoderLayer
from speech_service.engines.qwen3.nn.block import DecoderLayer, DecoderStack

Tensors = dict[str, Tensor]

_ROLE_TURNS = (
    "{%- for message in messages if message.role == role -%}"
    "{%- if message.content is string %}{{ message.content }}"
    "{%- else %}{%- for part in message.content -%}"
    "{%- if part.type == 'audio' %}<|audio_start|><|audio_pad|><|audio_end|>"
    "{%- elif part.type == 'text' %}{{ part.text }}{%- endif -%}"
    "{%- endfor %}{%- endif -%}{%- endfor -%}"
)
CHAT_TEMPLATE = (
    "{%- macro turn(role) -%}<|im_start|>{{ role }}{{ '\\n' }}"
    + _ROLE_TURNS
    + "<|im_end|>{{ '\\n' }}{%- endmacro -%}"
    "{{- turn('system') }}{{- turn('user') }}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif -%}"
)
"""A system turn, a user turn with the audio, and the start of the answer."""


def write(folder: Path, model: DigitsModel, config: dict[str, Any], tokenizer: Tokenizer) -> None:
    """Write config, weights (bfloat16), tokenizer, and the small files that the official package asks for."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().to(torch.bfloat16).contiguous()
        for name, tensor in tensors(model).items()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(
        0o644
    )  # its library makes files that only the owner may read
    tokenizer.save(str(folder / "tokenizer.json"))
    end, padding = tokenizer.token_to_id(TURN_END), tokenizer.token_to_id(PADDING)
    _write_json(folder / "config.json", config)
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(tokenizer))
    _write_json(folder / "chat_template.json", {"chat_template": CHAT_TEMPLATE})
    _write_json(
        folder / "generation_config.json",
        {"do_sample": False, "eos_token_id": [end, padding], "pad_token_id": padding},
    )
    _write_json(folder / "preprocessor_config.json", _PREPROCESSOR)


def tensors(model: DigitsModel) -> Tensors:
    """All tensors but the CTC head's, by the release's names."""
    return {
        "thinker.model.embed_tokens.weight": model.embedding.weight,
        **_stack(model.stack, "thinker.model."),
        **_encoder(model.encoder, "thinker.audio_tower."),
    }


def _stack(stack: DecoderStack, prefix: str) -> Tensors:
    named: Tensors = {f"{prefix}norm.weight": stack.norm.weight}
    sizes = (stack.shape.heads, stack.shape.kv_heads, stack.shape.kv_heads)
    for index, layer in enumerate(stack.layers):
        assert isinstance(layer, DecoderLayer)
        own, attention = f"{prefix}layers.{index}.", f"{prefix}layers.{index}.self_attn."
        rows = [size * stack.shape.head_dim for size in sizes]
        for part, weight in zip("qkv", layer.qkv.weight.split(rows), strict=True):
            named[f"{attention}{part}_proj.weight"] = weight
        for part, weight in zip(("gate", "up"), layer.gate_up.weight.chunk(2), strict=True):
            named[f"{own}mlp.{part}_proj.weight"] = weight
        named |= {
            f"{own}mlp.down_proj.weight": layer.down.weight,
            f"{attention}o_proj.weight": layer.o.weight,
            f"{attention}q_norm.weight": layer.q_norm.weight,
            f"{attention}k_norm.weight": layer.k_norm.weight,
            f"{own}input_layernorm.weight": layer.input_norm.weight,
            f"{own}post_attention_layernorm.weight": layer.post_norm.weight,
        }
    return named


def _encoder(encoder: AudioEncoder, prefix: str) -> Tensors:
    named: Tensors = {
        **_affine(encoder.conv1, f"{prefix}conv2d1"),
        **_affine(encoder.conv2, f"{prefix}conv2d2"),
        **_affine(encoder.conv3, f"{prefix}conv2d3"),
        **_affine(encoder.conv_out, f"{prefix}conv_out"),
        **_affine(encoder.norm, f"{prefix}ln_post"),
        **_affine(encoder.proj1, f"{prefix}proj1"),
        **_affine(encoder.proj2, f"{prefix}proj2"),
    }
    for index, layer in enumerate(encoder.layers):
        assert isinstance(layer, EncoderLayer)
        own, attention = f"{prefix}layers.{index}.", f"{prefix}layers.{index}.self_attn."
        for kind, whole in (("weight", layer.qkv.weight), ("bias", layer.qkv.bias)):
            for part, tensor in zip("qkv", whole.chunk(3), strict=True):
                named[f"{attention}{part}_proj.{kind}"] = tensor
        named |= {
            **_affine(layer.out, f"{attention}out_proj"),
            **_affine(layer.attention_norm, f"{own}self_attn_layer_norm"),
            **_affine(layer.ffn_norm, f"{own}final_layer_norm"),
            **_affine(layer.fc1, f"{own}fc1"),
            **_affine(layer.fc2, f"{own}fc2"),
        }
    return named


def _affine(module: nn.Conv2d | nn.Linear | nn.LayerNorm, name: str) -> Tensors:
    named: Tensors = {f"{name}.weight": module.weight}
    if module.bias is not None:
        named[f"{name}.bias"] = module.bias
    return named


def _tokenizer_config(tokenizer: Tokenizer) -> dict[str, Any]:
    added = tokenizer.get_added_tokens_decoder()
    named = {
        "audio_token": AUDIO_PAD,
        "audio_bos_token": AUDIO_START,
        "audio_eos_token": AUDIO_END,
    }
    return {
        "tokenizer_class": "Qwen2Tokenizer",
        "add_prefix_space": False,
        "add_bos_token": False,
        "bos_token": None,
        "unk_token": None,
        "eos_token": TURN_END,
        "pad_token": PADDING,
        "errors": "replace",
        "split_special_tokens": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 131072,
        "added_tokens_decoder": {
            str(index): {
                "content": token.content,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "single_word": False,
                "special": token.special,
            }
            for index, token in sorted(added.items())
        },
        "extra_special_tokens": named,
        **named,
    }


_PREPROCESSOR = {
    "feature_extractor_type": "WhisperFeatureExtractor",
    "processor_class": "Qwen3ASRProcessor",
    "feature_size": 128,
    "sampling_rate": SAMPLE_RATE_HZ,
    "hop_length": 160,
    "chunk_length": 30,
    "n_fft": 400,
    "n_samples": 480000,
    "nb_max_frames": 3000,
    "padding_side": "right",
    "padding_value": 0.0,
    "dither": 0.0,
    "return_attention_mask": True,
}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
