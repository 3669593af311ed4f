"""Tensors of a Qwen3 decoder, which recognizer, aligner, talker and code predictor share."""

from dataclasses import dataclass

from torch import Tensor

from tests.qwen_tiny.tensors import Draw


@dataclass(frozen=True)
class DecoderSizes:
    """Sizes of a decoder, how sharply it attends, and from which layer on its residuals are weak."""

    layers: int
    width: int
    ffn: int
    heads: int
    kv_heads: int
    head_dim: int
    sharpness: float = 3.0  # at 1, attention is nearly flat, and the context hardly matters
    strong_layers: int | None = None
    weak_gain: float = 1.0


def decoder_tensors(draw: Draw, sizes: DecoderSizes, prefix: str) -> dict[str, Tensor]:
    """Give layers and final norm under ``prefix``; drawn by the names without it."""
    tensors: dict[str, Tensor] = {}
    queries, keys = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
    for layer in range(sizes.layers):
        strong = sizes.strong_layers is None or layer < sizes.strong_layers
        gain = 1.0 if strong else sizes.weak_gain
        for part, rows, columns, part_gain in (
            ("self_attn.q_proj", queries, sizes.width, 1.0),
            ("self_attn.k_proj", keys, sizes.width, 1.0),
            ("self_attn.v_proj", keys, sizes.width, 1.0),
            ("self_attn.o_proj", sizes.width, queries, gain),
            ("mlp.gate_proj", sizes.ffn, sizes.width, 1.0),
            ("mlp.up_proj", sizes.ffn, sizes.width, 1.0),
            ("mlp.down_proj", sizes.width, sizes.ffn, gain),
        ):
            name = f"layers.{layer}.{part}.weight"
            tensors[prefix + name] = draw.weight(name, (rows, columns), part_gain)
        for part, size, mean in (
            ("self_attn.q_norm", sizes.head_dim, sizes.sharpness),
            ("self_attn.k_norm", sizes.head_dim, 1.0),
            ("input_layernorm", sizes.width, 1.0),
            ("post_attention_layernorm", sizes.width, 1.0),
        ):
            name = f"layers.{layer}.{part}.weight"
            tensors[prefix + name] = mean * (1 + draw.uniform(name, (size,), 0.1))
    # Random signs: with tied embeddings, greedy decoding would otherwise repeat its input.
    tensors[f"{prefix}norm.weight"] = 1.5 * draw.signs("norm.weight", sizes.width)
    return tensors
