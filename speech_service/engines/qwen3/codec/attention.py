"""The codec decoder's transformer: each frame attends to the last frames of its own stream."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

from speech_service.engines.qwen3.codec.kernels import CodecKernels
from speech_service.engines.qwen3.codec.rotary import rotary_frequencies, rotate, rotation
from speech_service.engines.qwen3.codec.shapes import CodecDecoderShape
from speech_service.engines.qwen3.codec.streaming import StateTape, StreamingLayer
from speech_service.engines.qwen3.nn.block import Tensors
from speech_service.engines.qwen3.nn.loading import linear_layer


class WindowedTransformer(nn.Module):
    """Pre-norm layers with rotary positions, a sliding window and scaled residuals (Touvron et al. 2021)."""

    def __init__(self, tensors: Tensors, name: str, shape: CodecDecoderShape) -> None:
        super().__init__()
        self._window = shape.window_frames
        self._eps = shape.rms_norm_eps
        self.input = _linear(tensors, f"{name}.input_proj")
        self.layers = nn.ModuleList(
            WindowedLayer(tensors, f"{name}.layers.{index}", shape) for index in range(shape.layers)
        )
        self.norm = nn.Parameter(tensors(f"{name}.norm.weight"))
        self.output = _linear(tensors, f"{name}.output_proj")
        frequencies = rotary_frequencies(shape.head_dim, shape.rope_theta)
        self.register_buffer("frequencies", frequencies.to(self.norm.device), persistent=False)
        self.frequencies: Tensor
        self._fused: FusedTransformer | None = None

    @torch.no_grad()
    def freeze(self, kernels: CodecKernels) -> None:
        """Compute with the weights as they are now and with a GPU's kernels."""
        layers: list[FusedWindowLayer] = []
        for layer in self.layers:
            assert isinstance(layer, WindowedLayer)
            layers.append(layer.fused())
        self._fused = FusedTransformer(layers, self.norm, self.frequencies, self._eps, kernels)

    def forward(self, x: Tensor, positions: Tensor, tape: StateTape) -> Tensor:
        """Advance streams by n frames.

        Args:
            x: [streams, n, latent].
            positions: int64 [streams], frames that each stream had before.
            tape: the streams' states.

        Returns:
            [streams, n, latent].
        """
        if self._fused is not None:
            return self.output(self._fused(self.input(x), positions, tape))
        frames = torch.arange(x.shape[1], device=x.device)
        past = torch.arange(1 - self._window, x.shape[1], device=x.device)
        query_at = positions[:, None] + frames
        key_at = positions[:, None] + past
        distance = query_at[:, :, None] - key_at[:, None, :]
        seen = (key_at[:, None, :] >= 0) & (distance >= 0) & (distance < self._window)
        turn = rotation(query_at[:, :, None], self.frequencies, x.dtype)
        x = self.input(x)
        for layer in self.layers:
            x = layer(x, turn, seen[:, None], tape)
        return self.output(rms_norm(x, (x.shape[-1],), self.norm, self._eps))


class WindowedLayer(StreamingLayer):
    """Attention, then a gated feed-forward network."""

    def __init__(self, tensors: Tensors, name: str, shape: CodecDecoderShape) -> None:
        super().__init__()
        attention, mlp = f"{name}.self_attn", f"{name}.mlp"
        self._heads = (shape.heads, shape.kv_heads, shape.kv_heads)
        self._width = shape.head_dim
        self._past = shape.window_frames - 1
        self._eps = shape.rms_norm_eps
        self.qkv = nn.Parameter(
            torch.cat([tensors(f"{attention}.{part}_proj.weight") for part in "qkv"])
        )
        self.o = nn.Parameter(tensors(f"{attention}.o_proj.weight"))
        self.gate_up = nn.Parameter(
            torch.cat([tensors(f"{mlp}.{part}_proj.weight") for part in ("gate", "up")])
        )
        self.down = nn.Parameter(tensors(f"{mlp}.down_proj.weight"))
        self.input_norm = nn.Parameter(tensors(f"{name}.input_layernorm.weight"))
        self.post_norm = nn.Parameter(tensors(f"{name}.post_attention_layernorm.weight"))
        self.attention_scale = nn.Parameter(tensors(f"{name}.self_attn_layer_scale.scale"))
        self.mlp_scale = nn.Parameter(tensors(f"{name}.mlp_layer_scale.scale"))
        side = (self._past, shape.kv_heads, shape.head_dim)
        self.state_shapes = (side, side)

    def fused(self) -> "FusedWindowLayer":
        """What it computes with, for a GPU: products that have the scales of what they add."""
        return FusedWindowLayer(
            qkv=self.qkv,
            o=self.attention_scale[:, None] * self.o,
            gate_up=self.gate_up,
            down=self.mlp_scale[:, None] * self.down,
            input_norm=self.input_norm,
            post_norm=self.post_norm,
            heads=self._heads,
        )

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], seen: Tensor, tape: StateTape
    ) -> Tensor:
        """[streams, n, latent] -> the same; ``seen`` [streams, 1, n, past and n]."""
        x = x + self.attention_scale * self._attend(
            rms_norm(x, (x.shape[-1],), self.input_norm, self._eps), turn, seen, tape
        )
        y = rms_norm(x, (x.shape[-1],), self.post_norm, self._eps)
        gate, up = linear(y, self.gate_up).chunk(2, dim=-1)
        return x + self.mlp_scale * linear(silu(gate) * up, self.down)

    def _attend(
        self, x: Tensor, turn: tuple[Tensor, Tensor], seen: Tensor, tape: StateTape
    ) -> Tensor:
        qkv = linear(x, self.qkv).unflatten(-1, (sum(self._heads), self._width))
        query, key, value = qkv.split(self._heads, dim=2)
        keys = torch.cat([tape.take(), rotate(key, turn)], dim=1)
        values = torch.cat([tape.take(), value], dim=1)
        tape.put(keys[:, -self._past :])
        tape.put(values[:, -self._past :])
        answer = scaled_dot_product_attention(
            rotate(query, turn).transpose(1, 2),
            keys.transpose(1, 2),
            values.transpose(1, 2),
            attn_mask=seen,
            enable_gqa=self._heads[0] != self._heads[1],
        )
        return linear(answer.transpose(1, 2).flatten(2), self.o)


@dataclass(frozen=True, slots=True, eq=False)
class FusedWindowLayer:
    """Weights of a layer; ``heads`` are those of queries, keys and values."""

    qkv: Tensor
    o: Tensor
    gate_up: Tensor
    down: Tensor
    input_norm: Tensor
    post_norm: Tensor
    heads: tuple[int, int, int]


class FusedTransformer:
    """All layers and the final norm as a GPU computes them; what a layer adds is added by the norm behind it."""

    def __init__(
        self,
        layers: Sequence[FusedWindowLayer],
        norm: Tensor,
        frequencies: Tensor,
        eps: float,
        kernels: CodecKernels,
    ) -> None:
        self._layers = layers
        self._norm = norm
        self._frequencies = frequencies
        self._eps = eps
        self._kernels = kernels

    def __call__(self, x: Tensor, positions: Tensor, tape: StateTape) -> Tensor:
        """[streams, n, hidden] -> the same; ``positions`` as of :class:`WindowedTransformer`."""
        kernels, shape = self._kernels, x.shape
        x = x.flatten(0, 1)
        delta: Tensor | None = None
        for layer in self._layers:
            x, normed = kernels.add_norm(x, delta, layer.input_norm, self._eps)
            answer = self._attend(linear(normed, layer.qkv), layer, shape, positions, tape)
            x, normed = kernels.add_norm(x, linear(answer, layer.o), layer.post_norm, self._eps)
            delta = linear(kernels.silu_mul(linear(normed, layer.gate_up)), layer.down)
        return kernels.add_norm(x, delta, self._norm, self._eps)[1].view(shape)

    def _attend(
        self,
        qkv: Tensor,
        layer: FusedWindowLayer,
        shape: torch.Size,
        positions: Tensor,
        tape: StateTape,
    ) -> Tensor:
        heads = qkv.view(*shape[:2], sum(layer.heads), -1)
        both, value = heads.split((layer.heads[0] + layer.heads[1], layer.heads[2]), dim=2)
        turned = self._kernels.turn(both, positions, self._frequencies)
        query, key = turned.split(layer.heads[:2], dim=2)
        sides: list[Tensor] = []
        for new in (key, value):
            past = tape.take()
            sides.append(torch.cat([past, new], dim=1))
            tape.put(sides[-1][:, -past.shape[1] :])
        keys, values = sides
        return self._kernels.attend(query, keys, values, positions).flatten(2).flatten(0, 1)


def _linear(tensors: Tensors, name: str) -> nn.Linear:
    return linear_layer(tensors(f"{name}.weight"), tensors(f"{name}.bias"))
