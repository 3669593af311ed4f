"""The tiny 12 Hz codec: a Mimi encoder, and the causal decoder of 16 codebooks."""

from typing import Any

import torch
from torch import Tensor

from tests.qwen_tiny.tensors import Draw

CODES = 2048
CODEBOOKS = 16
ENCODER_CODEBOOKS = 18  # more than are used, as in the release
WIDTH = 32
HEADS = 2
HEAD_DIM = 16
FFN = 64
LAYERS = 2
CODE_DIM = 8
ENCODER_FILTERS = 4
ENCODER_STRIDES = (4, 5, 6, 8)
DECODER_CHANNELS = 32
DECODER_STRIDES = (8, 5, 4, 3)
UPSAMPLING = (2, 2)
WINDOW_FRAMES = 72
LAYER_SCALE = 0.3


def codec_config() -> dict[str, Any]:
    """Give the codec's ``config.json``."""
    attention = {
        "hidden_size": WIDTH,
        "head_dim": HEAD_DIM,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "intermediate_size": FFN,
        "codebook_size": CODES,
        "num_semantic_quantizers": 1,
        "max_position_embeddings": 8000,
        "rope_theta": 10_000,
    }
    encoder = {
        "model_type": "mimi",
        **attention,
        "sampling_rate": 24_000,
        "frame_rate": 12.5,
        "audio_channels": 1,
        "num_filters": ENCODER_FILTERS,
        "num_residual_layers": 1,
        "upsampling_ratios": list(reversed(ENCODER_STRIDES)),
        "codebook_dim": CODE_DIM,
        "vector_quantization_hidden_dimension": CODE_DIM,
        "num_quantizers": ENCODER_CODEBOOKS,
        "sliding_window": 250,
        "upsample_groups": WIDTH,
        "use_causal_conv": True,
    }
    decoder = {
        **attention,
        "codebook_dim": 2 * CODE_DIM,  # of a sum of books; a book's vectors are half as long
        "latent_dim": WIDTH,
        "num_quantizers": CODEBOOKS,
        "sliding_window": WINDOW_FRAMES,
        "decoder_dim": DECODER_CHANNELS,
        "upsample_rates": list(DECODER_STRIDES),
        "upsampling_ratios": list(UPSAMPLING),
        "layer_scale_initial_scale": 0.01,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "attention_bias": False,
    }
    return {
        "architectures": ["Qwen3TTSTokenizerV2Model"],
        "model_type": "qwen3_tts_tokenizer_12hz",
        "encoder_config": encoder,
        "decoder_config": decoder,
        "encoder_valid_num_quantizers": CODEBOOKS,
        "input_sample_rate": 24_000,
        "output_sample_rate": 24_000,
        "encode_downsample_rate": 1920,
        "decode_upsample_rate": 1920,
    }


def codec_preprocessor_config() -> dict[str, Any]:
    """Give the codec's ``preprocessor_config.json``."""
    return {
        "feature_extractor_type": "EncodecFeatureExtractor",
        "feature_size": 1,
        "sampling_rate": 24_000,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": True,
        "chunk_length_s": None,
        "overlap": None,
    }


def codec_tensors(seed: int = 3) -> dict[str, Tensor]:
    """Give the float32 tensors of encoder and decoder."""
    parts = _Parts(Draw(seed))
    _encoder(parts)
    _decoder(parts)
    return parts.tensors


class _Parts:
    """Collects tensors by the kinds of layers that a codec has."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self.tensors: dict[str, Tensor] = {}

    def weight(self, name: str, *shape: int, gain: float = 1.0) -> None:
        self.tensors[f"{name}.weight"] = self._draw.weight(f"{name}.weight", shape, gain)

    def biased(self, name: str, *shape: int, gain: float = 1.0, size: int | None = None) -> None:
        """Add a weight and a bias, as long as the weight's first axis unless ``size`` says else."""
        self.weight(name, *shape, gain=gain)
        self.tensors[f"{name}.bias"] = self._draw.uniform(f"{name}.bias", (size or shape[0],), 0.05)

    def around(self, name: str, size: int, mean: float, deviation: float = 0.1) -> None:
        self.tensors[name] = mean + self._draw.uniform(name, (size,), deviation)

    def codebook(self, name: str, total: str) -> None:
        """Add sums of vectors and how many were summed; their quotient is the codebook."""
        usage = 1.0 + self._draw.uniform(f"{name}.usage", (CODES,), 0.25)
        vectors = self._draw.uniform(f"{name}.vectors", (CODES, CODE_DIM), 1.0)
        self.tensors[f"{name}.cluster_usage"] = usage
        self.tensors[f"{name}.{total}"] = vectors * usage[:, None]

    def attention(self, name: str) -> None:
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            self.weight(f"{name}.self_attn.{part}", WIDTH, WIDTH)
        for part in ("self_attn_layer_scale", "mlp_layer_scale"):
            self.around(f"{name}.{part}.scale", WIDTH, LAYER_SCALE)


def _encoder(parts: _Parts) -> None:
    channels = ENCODER_FILTERS
    layers = "encoder.encoder.layers"
    parts.biased(f"{layers}.0.conv", channels, 1, 7, gain=6.0)  # speech is far below full scale
    for stage, stride in enumerate(ENCODER_STRIDES):
        block = f"{layers}.{3 * stage + 1}.block"
        parts.biased(f"{block}.1.conv", channels // 2, channels, 3)
        parts.biased(f"{block}.3.conv", channels, channels // 2, 1)
        down = f"{layers}.{3 * stage + 3}.conv"
        parts.biased(down, 2 * channels, channels, 2 * stride, gain=1.3)
        channels *= 2
    parts.biased(f"{layers}.14.conv", WIDTH, channels, 3, gain=1.5)
    for layer in range(LAYERS):
        name = f"encoder.encoder_transformer.layers.{layer}"
        parts.attention(name)
        parts.weight(f"{name}.mlp.fc1", FFN, WIDTH)
        parts.weight(f"{name}.mlp.fc2", WIDTH, FFN)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            parts.around(f"{name}.{norm}.weight", WIDTH, 1.0)
            parts.around(f"{name}.{norm}.bias", WIDTH, 0.0)
    parts.weight("encoder.downsample.conv", WIDTH, WIDTH, 4)
    for group, books in (("semantic", 1), ("acoustic", ENCODER_CODEBOOKS - 1)):
        name = f"encoder.quantizer.{group}_residual_vector_quantizer"
        parts.weight(f"{name}.input_proj", CODE_DIM, WIDTH, 1, gain=2.0)
        parts.weight(f"{name}.output_proj", WIDTH, CODE_DIM, 1)
        for book in range(books):
            parts.codebook(f"{name}.layers.{book}.codebook", "embed_sum")
            parts.tensors[f"{name}.layers.{book}.codebook.initialized"] = torch.ones(1)


def _decoder(parts: _Parts) -> None:
    for group, books in (("first", 1), ("rest", CODEBOOKS - 1)):
        name = f"decoder.quantizer.rvq_{group}"
        parts.weight(f"{name}.input_proj", CODE_DIM, 2 * CODE_DIM, 1)
        parts.weight(f"{name}.output_proj", 2 * CODE_DIM, CODE_DIM, 1)
        for book in range(books):
            parts.codebook(f"{name}.vq.layers.{book}._codebook", "embedding_sum")
    parts.biased("decoder.pre_conv.conv", WIDTH, 2 * CODE_DIM, 3)
    transformer = "decoder.pre_transformer"
    parts.biased(f"{transformer}.input_proj", WIDTH, WIDTH)
    parts.biased(f"{transformer}.output_proj", WIDTH, WIDTH)
    parts.around(f"{transformer}.norm.weight", WIDTH, 1.0)
    for layer in range(LAYERS):
        name = f"{transformer}.layers.{layer}"
        parts.attention(name)
        for part, rows, columns in (
            ("gate_proj", FFN, WIDTH),
            ("up_proj", FFN, WIDTH),
            ("down_proj", WIDTH, FFN),
        ):
            parts.weight(f"{name}.mlp.{part}", rows, columns)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            parts.around(f"{name}.{norm}.weight", WIDTH, 1.0)
    for stage, factor in enumerate(UPSAMPLING):
        _upsampling(parts, f"decoder.upsample.{stage}", factor)
    _waveform(parts)


def _upsampling(parts: _Parts, name: str, factor: int) -> None:
    """Add a transposed convolution and a ConvNeXt block."""
    parts.biased(f"{name}.0.conv", WIDTH, WIDTH, factor, gain=1.4)
    parts.biased(f"{name}.1.dwconv.conv", WIDTH, 1, 7)
    parts.around(f"{name}.1.norm.weight", WIDTH, 1.0)
    parts.around(f"{name}.1.norm.bias", WIDTH, 0.0)
    parts.biased(f"{name}.1.pwconv1", 4 * WIDTH, WIDTH)
    parts.biased(f"{name}.1.pwconv2", WIDTH, 4 * WIDTH)
    parts.around(f"{name}.1.gamma", WIDTH, 0.5)


def _waveform(parts: _Parts) -> None:
    """Add the stages from frames to samples: Snake, transposed convolution, three residual units."""
    channels = DECODER_CHANNELS
    parts.biased("decoder.decoder.0.conv", channels, WIDTH, 7)
    for stage, stride in enumerate(DECODER_STRIDES, 1):
        block = f"decoder.decoder.{stage}.block"
        _snake(parts, f"{block}.0", channels)
        half = channels // 2
        # Each output sample gets two of the kernel's steps, from all input channels.
        parts.biased(f"{block}.1.conv", channels, half, 2 * stride, gain=1.2, size=half)
        for unit in (2, 3, 4):
            _snake(parts, f"{block}.{unit}.act1", half)
            parts.biased(f"{block}.{unit}.conv1.conv", half, half, 7)
            _snake(parts, f"{block}.{unit}.act2", half)
            parts.biased(f"{block}.{unit}.conv2.conv", half, half, 1, gain=0.5)
        channels = half
    _snake(parts, "decoder.decoder.5", channels)
    # Quiet: float32 is then exact to well below 1e-5, at full scale its own noise is as large.
    parts.biased("decoder.decoder.6.conv", 1, channels, 7, gain=0.03)


def _snake(parts: _Parts, name: str, channels: int) -> None:
    parts.around(f"{name}.alpha", channels, 0.0, 0.3)
    parts.around(f"{name}.beta", channels, 0.0, 0.3)
