"""The codec decoder's transformer: each frame attends to the last frames of its own stream."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

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

    def forward(self, x: Tensor, positions: Tensor, tape: StateTape) -> Tensor:
        """Advance streams by n frames.

        Args:
            x: [streams, n, latent].
            positions: int64 [streams], frames that each stream had before.
            tape: the streams' states.

        Returns:
            [streams, n, latent].
        """
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


def _linear(tensors: Tensors, name: str) -> nn.Linear:
    return linear_layer(tensors(f"{name}.weight"), tensors(f"{name}.bias"))
