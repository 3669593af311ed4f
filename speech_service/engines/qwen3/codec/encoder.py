"""Samples to codes: the encoder of the codec, which is Mimi's (Défossez et al. 2024, arXiv 2410.00037).

It runs once per reference recording, over the whole of it.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    conv1d,
    elu,
    gelu,
    layer_norm,
    linear,
    pad,
    scaled_dot_product_attention,
)

from speech_service.engines.qwen3.codec.codebooks import SEMANTIC_CODEBOOKS, ResidualQuantizer
from speech_service.engines.qwen3.codec.rotary import rotary_frequencies, rotate, rotation
from speech_service.engines.qwen3.codec.shapes import CodecEncoderShape
from speech_service.engines.qwen3.nn.block import Tensors


class CodecEncoder(nn.Module):
    """24 kHz samples to 12.5 frames of codes a second."""

    def __init__(self, tensors: Tensors, shape: CodecEncoderShape) -> None:
        super().__init__()
        self.convolutions = _Convolutions(tensors, "encoder.encoder.layers", shape)
        self.layers = nn.ModuleList(
            _Layer(tensors, f"encoder.encoder_transformer.layers.{index}", shape)
            for index in range(shape.layers)
        )
        self.halving = nn.Parameter(tensors("encoder.downsample.conv.weight"))
        self.semantic = ResidualQuantizer(
            tensors, "encoder.quantizer.semantic_residual_vector_quantizer", SEMANTIC_CODEBOOKS
        )
        self.acoustic = ResidualQuantizer(
            tensors,
            "encoder.quantizer.acoustic_residual_vector_quantizer",
            shape.codebooks - SEMANTIC_CODEBOOKS,
        )
        frequencies = rotary_frequencies(shape.head_dim, shape.rope_theta)
        self.register_buffer("frequencies", frequencies.to(self.halving.device), persistent=False)
        self.frequencies: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """Encode one recording.

        Args:
            samples: [n], 24 kHz, n at least 1.

        Returns:
            int64 [ceil(n / 1920), codebooks].
        """
        x = self.convolutions(samples[None, None]).transpose(1, 2)
        places = torch.arange(x.shape[1], device=x.device)
        turn = rotation(places, self.frequencies, x.dtype)
        for layer in self.layers:
            x = layer(x, turn)
        stride = self.halving.shape[2] // 2
        x = _causal(x.transpose(1, 2), self.halving, None, stride=stride, mode="replicate")
        return torch.cat([self.semantic(x), self.acoustic(x)], dim=1)


class _Convolutions(nn.Module):
    """SEANet's encoder (Tagliasacchi et al. 2020), causal."""

    def __init__(self, tensors: Tensors, name: str, shape: CodecEncoderShape) -> None:
        super().__init__()
        self.first = _CodecConv(tensors, f"{name}.0.conv")
        steps: list[nn.Module] = []
        index = 1
        for rate in shape.rates:
            for unit in range(shape.residual_units):
                dilation = shape.dilation_growth**unit
                steps.append(_ResidualUnit(tensors, f"{name}.{index}.block", dilation))
                index += 1
            steps.append(
                _CodecConv(tensors, f"{name}.{index + 1}.conv", stride=rate, activated=True)
            )
            index += 2
        self.steps = nn.ModuleList(steps)
        self.last = _CodecConv(tensors, f"{name}.{index + 1}.conv", activated=True)

    def forward(self, x: Tensor) -> Tensor:
        """[1, 1, samples] -> [1, width, samples / product of the rates]."""
        x = self.first(x)
        for step in self.steps:
            x = step(x)
        return self.last(x)


class _CodecConv(nn.Module):
    """A causal convolution, behind an ELU where ``activated``."""

    def __init__(
        self,
        tensors: Tensors,
        name: str,
        *,
        stride: int = 1,
        dilation: int = 1,
        activated: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(tensors(f"{name}.weight"))
        self.bias = nn.Parameter(tensors(f"{name}.bias"))
        self._stride = stride
        self._dilation = dilation
        self._activated = activated

    def forward(self, x: Tensor) -> Tensor:
        x = elu(x) if self._activated else x
        return _causal(x, self.weight, self.bias, stride=self._stride, dilation=self._dilation)


class _ResidualUnit(nn.Module):
    def __init__(self, tensors: Tensors, name: str, dilation: int) -> None:
        super().__init__()
        self.wide = _CodecConv(tensors, f"{name}.1.conv", dilation=dilation, activated=True)
        self.narrow = _CodecConv(tensors, f"{name}.3.conv", activated=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(self.wide(x))


class _Layer(nn.Module):
    """Causal attention over the whole past, then GELU feed-forward, both with scaled residuals."""

    def __init__(self, tensors: Tensors, name: str, shape: CodecEncoderShape) -> None:
        super().__init__()
        self._heads = (shape.heads, shape.kv_heads, shape.kv_heads)
        self._width = shape.head_dim
        self._eps = shape.norm_eps
        self.qkv = nn.Parameter(
            torch.cat([tensors(f"{name}.self_attn.{part}_proj.weight") for part in "qkv"])
        )
        self.o = nn.Parameter(tensors(f"{name}.self_attn.o_proj.weight"))
        self.wide = nn.Parameter(tensors(f"{name}.mlp.fc1.weight"))
        self.narrow = nn.Parameter(tensors(f"{name}.mlp.fc2.weight"))
        self.input_norm = nn.Parameter(tensors(f"{name}.input_layernorm.weight"))
        self.input_bias = nn.Parameter(tensors(f"{name}.input_layernorm.bias"))
        self.post_norm = nn.Parameter(tensors(f"{name}.post_attention_layernorm.weight"))
        self.post_bias = nn.Parameter(tensors(f"{name}.post_attention_layernorm.bias"))
        self.attention_scale = nn.Parameter(tensors(f"{name}.self_attn_layer_scale.scale"))
        self.mlp_scale = nn.Parameter(tensors(f"{name}.mlp_layer_scale.scale"))

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        y = layer_norm(x, (x.shape[-1],), self.input_norm, self.input_bias, self._eps)
        qkv = linear(y, self.qkv).unflatten(-1, (sum(self._heads), self._width)).transpose(1, 2)
        query, key, value = qkv.split(self._heads, dim=1)
        answer = scaled_dot_product_attention(
            rotate(query, turn),
            rotate(key, turn),
            value,
            is_causal=True,
            enable_gqa=self._heads[0] != self._heads[1],
        )
        x = x + self.attention_scale * linear(answer.transpose(1, 2).flatten(2), self.o)
        y = layer_norm(x, (x.shape[-1],), self.post_norm, self.post_bias, self._eps)
        return x + self.mlp_scale * linear(gelu(linear(y, self.wide)), self.narrow)


def _causal(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: int = 1,
    dilation: int = 1,
    mode: str = "constant",
) -> Tensor:
    """Convolution that sees no future but what completes its last stride.

    The past in front of the first sample, and the completion, are zeros or (``replicate``) the nearest sample.
    """
    left = (weight.shape[2] - 1) * dilation + 1 - stride
    right = -x.shape[2] % stride
    return conv1d(pad(x, (left, right), mode), weight, bias, stride=stride, dilation=dilation)
