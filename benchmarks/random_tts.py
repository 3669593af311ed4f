"""Writes Qwen3-TTS checkpoints with random weights that never end by themselves: their lengths are what is asked for.

The end's row of the talker's head is zero, and other codes' scores are spread around zero: greedy never takes it, nor
does sampling from the 50 likeliest. Neither an engine nor a peer needs to be patched for frames of a fixed number.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.random_qwen import random_tensor
from tests.qwen_tiny import codec, tts
from tests.qwen_tiny.checkpoints import Checkpoint, Storage, write_checkpoint
from tests.qwen_tiny.folder import codec_checkpoint, tts_checkpoint, vocabulary
from tests.qwen_tiny.vocabulary import write_vocabulary

HEAD = "talker.codec_head.weight"
CODEC_FOLDER = "speech_tokenizer"
TEXT_ROWS = 151_936
TEXT_WIDTH = 2048
VARIANTS: Mapping[str, tts.Size] = {"tiny": "1b7", "0.6b": "0b6", "1.7b": "1b7"}

Sizes = Mapping[str, int]

_HEADS = {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128}
TALKERS: Mapping[str, Sizes] = {
    "0.6b": {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, **_HEADS},
    "1.7b": {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, **_HEADS},
}
PREDICTOR: Sizes = {
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 5,
    **_HEADS,
}
CODEC: Sizes = {
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 8,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "head_dim": 64,
    "latent_dim": 1024,
    "codebook_dim": 512,
    "decoder_dim": 1536,
}

Shapes = dict[str, tuple[int, ...]]
_VOCODER_GAIN = 0.7
"""Without it the vocoder's numbers grow from layer to layer: nine of ten samples are clipped, and rounding to TF32
moves them by 0.02 of their size; with it, by 0.001."""


def write_tts(size: str, folder: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
    """Write a CustomVoice model with its codec's decoder; a folder that is there is left as it is.

    Args:
        size: "tiny", "0.6b" or "1.7b".
        folder: where to; its parents exist.
        dtype: of the weights.
    """
    if (folder / "config.json").exists():
        return folder
    talker, decoder = _tiny() if size == "tiny" else _released(size)
    talker.tensors[HEAD][tts.CODEC_EOS] = 0.0
    write_checkpoint(decoder, folder / CODEC_FOLDER, Storage(dtype))
    write_vocabulary(vocabulary(), folder)
    write_checkpoint(talker, folder, Storage(dtype))
    return folder


def _tiny() -> tuple[Checkpoint, Checkpoint]:
    return tts_checkpoint(tts.Variant("custom_voice")), codec_checkpoint()


def _released(size: str) -> tuple[Checkpoint, Checkpoint]:
    generator = torch.Generator().manual_seed(0)

    def filled(shapes: Shapes) -> dict[str, Tensor]:
        return {name: values(name, shape, generator) for name, shape in shapes.items()}

    (talker, talker_shapes), (decoder, decoder_shapes) = released(size)
    return Checkpoint(talker, filled(talker_shapes)), Checkpoint(decoder, filled(decoder_shapes))


def released(size: str) -> tuple[tuple[dict[str, Any], Shapes], tuple[dict[str, Any], Shapes]]:
    """Files of a released size and the shapes of its tensors: of the model, and of its codec."""
    variant = tts.Variant("custom_voice", VARIANTS[size])
    files = dict(tts_checkpoint(variant).files)
    config = dict(files["config.json"])
    section: dict[str, Any] = {**config["talker_config"], **TALKERS[size]}
    section |= {"text_vocab_size": TEXT_ROWS, "text_hidden_size": TEXT_WIDTH}
    predictor = {**section["code_predictor_config"], **PREDICTOR}
    predictor["layer_types"] = ["full_attention"] * predictor["num_hidden_layers"]
    section["code_predictor_config"] = predictor
    files["config.json"] = config | {"talker_config": section}
    files_of_codec = dict(codec_checkpoint().files)
    codec_config = dict(files_of_codec["config.json"])
    codec_config["decoder_config"] = {**codec_config["decoder_config"], **CODEC}
    files_of_codec["config.json"] = codec_config
    return (
        (files, _talker_shapes(section)),
        (files_of_codec, _codec_shapes(codec_config["decoder_config"])),
    )


def values(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Values of one tensor, made where the generator is."""
    if name.endswith("cluster_usage"):
        return torch.ones(shape, device=generator.device)
    if name.endswith((".scale", "gamma")):
        # What such layers begin their training with.
        return torch.full(shape, 0.01, device=generator.device)
    tensor = random_tensor(name, shape, generator)
    is_vocoder = name.startswith("decoder.decoder.") and name.endswith("conv.weight")
    return tensor * _VOCODER_GAIN if is_vocoder else tensor


def _stack_shapes(prefix: str, sizes: Mapping[str, Any]) -> Shapes:
    hidden, ffn, width = sizes["hidden_size"], sizes["intermediate_size"], sizes["head_dim"]
    heads, kv_heads = sizes["num_attention_heads"], sizes["num_key_value_heads"]
    layer = {
        "self_attn.q_proj": (heads * width, hidden),
        "self_attn.k_proj": (kv_heads * width, hidden),
        "self_attn.v_proj": (kv_heads * width, hidden),
        "self_attn.o_proj": (hidden, heads * width),
        "mlp.gate_proj": (ffn, hidden),
        "mlp.up_proj": (ffn, hidden),
        "mlp.down_proj": (hidden, ffn),
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
    }
    shapes: Shapes = {f"{prefix}norm.weight": (hidden,)}
    for index in range(sizes["num_hidden_layers"]):
        shapes |= {f"{prefix}layers.{index}.{name}.weight": shape for name, shape in layer.items()}
    return shapes


def _normed_heads(prefix: str, sizes: Mapping[str, Any]) -> Shapes:
    return {
        f"{prefix}layers.{index}.self_attn.{part}.weight": (sizes["head_dim"],)
        for index in range(sizes["num_hidden_layers"])
        for part in ("q_norm", "k_norm")
    }


def _affine(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _talker_shapes(section: Mapping[str, Any]) -> Shapes:
    hidden, text = section["hidden_size"], section["text_hidden_size"]
    predictor = section["code_predictor_config"]
    narrow, model = predictor["hidden_size"], "talker.code_predictor.model."
    shapes: Shapes = {
        "talker.model.text_embedding.weight": (section["text_vocab_size"], text),
        "talker.model.codec_embedding.weight": (section["vocab_size"], hidden),
        HEAD: (section["vocab_size"], hidden),
        **_affine("talker.text_projection.linear_fc1", text, text),
        **_affine("talker.text_projection.linear_fc2", hidden, text),
        **_stack_shapes("talker.model.", section),
        **_normed_heads("talker.model.", section),
        **_stack_shapes(model, predictor),
        **_normed_heads(model, predictor),
    }
    for book in range(section["num_code_groups"] - 1):
        shapes[f"{model}codec_embedding.{book}.weight"] = (predictor["vocab_size"], hidden)
        shapes[f"talker.code_predictor.lm_head.{book}.weight"] = (predictor["vocab_size"], narrow)
    if narrow != hidden:
        shapes |= _affine("talker.code_predictor.small_to_mtp_projection", narrow, hidden)
    return shapes


def _codec_shapes(sizes: Mapping[str, Any]) -> Shapes:
    hidden, latent, width = sizes["hidden_size"], sizes["latent_dim"], sizes["codebook_dim"]
    shapes: Shapes = {}
    for group, books in (("first", 1), ("rest", sizes["num_quantizers"] - 1)):
        name = f"decoder.quantizer.rvq_{group}"
        shapes[f"{name}.input_proj.weight"] = (width // 2, width, 1)
        shapes[f"{name}.output_proj.weight"] = (width, width // 2, 1)
        for book in range(books):
            codebook = f"{name}.vq.layers.{book}._codebook"
            shapes[f"{codebook}.cluster_usage"] = (codec.CODES,)
            shapes[f"{codebook}.embedding_sum"] = (codec.CODES, width // 2)
    transformer = "decoder.pre_transformer"
    shapes |= _affine("decoder.pre_conv.conv", latent, width, 3)
    shapes |= _affine(f"{transformer}.input_proj", hidden, latent)
    shapes |= _affine(f"{transformer}.output_proj", latent, hidden)
    shapes |= _stack_shapes(f"{transformer}.", sizes)
    for index in range(sizes["num_hidden_layers"]):
        for part in ("self_attn_layer_scale", "mlp_layer_scale"):
            shapes[f"{transformer}.layers.{index}.{part}.scale"] = (hidden,)
    for stage, rate in enumerate(sizes["upsampling_ratios"]):
        shapes |= _latent_upsampling(f"decoder.upsample.{stage}", latent, rate)
    return shapes | _vocoder_shapes(sizes)


def _latent_upsampling(name: str, width: int, rate: int) -> Shapes:
    return {
        **_affine(f"{name}.0.conv", width, width, rate),
        **_affine(f"{name}.1.dwconv.conv", width, 1, 7),
        **_affine(f"{name}.1.norm", width),
        **_affine(f"{name}.1.pwconv1", 4 * width, width),
        **_affine(f"{name}.1.pwconv2", width, 4 * width),
        f"{name}.1.gamma": (width,),
    }


def _vocoder_shapes(sizes: Mapping[str, Any]) -> Shapes:
    channels, rates = sizes["decoder_dim"], sizes["upsample_rates"]
    shapes = _affine("decoder.decoder.0.conv", channels, sizes["latent_dim"], 7)
    for stage, rate in enumerate(rates, start=1):
        name, inputs, channels = f"decoder.decoder.{stage}.block", channels, channels // 2
        shapes |= _snake(f"{name}.0", inputs)
        shapes[f"{name}.1.conv.weight"] = (inputs, channels, 2 * rate)
        shapes[f"{name}.1.conv.bias"] = (channels,)
        for unit in (2, 3, 4):
            shapes |= _snake(f"{name}.{unit}.act1", channels) | _snake(
                f"{name}.{unit}.act2", channels
            )
            shapes |= _affine(f"{name}.{unit}.conv1.conv", channels, channels, 7)
            shapes |= _affine(f"{name}.{unit}.conv2.conv", channels, channels, 1)
    shapes |= _snake(f"decoder.decoder.{len(rates) + 1}", channels)
    return shapes | _affine(f"decoder.decoder.{len(rates) + 2}.conv", 1, channels, 7)


def _snake(name: str, channels: int) -> Shapes:
    return {f"{name}.alpha": (channels,), f"{name}.beta": (channels,)}
