"""The Qwen3 decoder stack: text decoder, draft, aligner, talker and code predictor are all of this one kind.

Qwen3 technical report (arXiv 2505.09388): pre-norm RMSNorm, grouped-query attention with normalised queries and
keys, rotary positions, SwiGLU. The models' multi-part rotary positions are equal in all parts for speech, which
makes them ordinary ones.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from speech_service.engines.qwen3.nn.attention import AttentionPlan, RowsPlan, is_flash_fit
from speech_service.engines.qwen3.nn.fused import FusedLayer, FusedStack
from speech_service.engines.qwen3.nn.kernels import Heads, Kernels, kernels_of
from speech_service.engines.qwen3.nn.packing import Map, norm, quick, quick_norm
from speech_service.engines.qwen3.nn.shapes import DecoderShape

Tensors = Callable[[str], Tensor]
"""Gives the tensor of a name; raises where there is none."""


class RmsNorm(nn.Module):
    """Root mean square normalisation over the last dimension (Zhang and Sennrich 2019)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return norm(self.weight, self.eps)(x)


class _Parts(NamedTuple):
    """What a layer computes with. Looking up the parts of a module one by one costs as much as using them."""

    qkv: Map
    o: Map
    gate_up: Map
    down: Map
    input_norm: Map
    post_norm: Map
    query_key_norm: Map
    """Of queries and keys, by head: [n, heads + kv_heads, width]."""
    heads: int
    kv_heads: int
    width: int


class DecoderLayer(nn.Module):
    """Attention and feed-forward, each behind a norm and added to its input.

    Queries and keys are normalised and turned in one go, and few modules are called: at one token a step, calls cost
    more than arithmetic.
    """

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        hidden, width = shape.hidden_size, shape.head_dim
        self._heads, self._kv_heads, self._width = shape.heads, shape.kv_heads, width
        self._eps = shape.rms_norm_eps
        self.input_norm = RmsNorm(hidden, shape.rms_norm_eps)
        self.qkv = nn.Linear(hidden, (shape.heads + 2 * shape.kv_heads) * width, bias=False)
        self.q_norm = RmsNorm(width, shape.rms_norm_eps)
        self.k_norm = RmsNorm(width, shape.rms_norm_eps)
        self.o = nn.Linear(shape.heads * width, hidden, bias=False)
        self.post_norm = RmsNorm(hidden, shape.rms_norm_eps)
        self.gate_up = nn.Linear(hidden, 2 * shape.ffn_size, bias=False)
        self.down = nn.Linear(shape.ffn_size, hidden, bias=False)
        self._frozen: _Parts | None = None

    def forward(
        self, index: int, x: Tensor, turn: tuple[Tensor, Tensor], plan: AttentionPlan
    ) -> Tensor:
        """[n, hidden] -> [n, hidden]; ``turn`` is the rotation of each token's position."""
        parts = self._frozen or self._parts()
        qkv = parts.qkv(parts.input_norm(x)).view(x.shape[0], -1, parts.width)
        both = parts.heads + parts.kv_heads
        query_key, value = qkv.split_with_sizes((both, parts.kv_heads), dim=1)
        query_key = _rotate(parts.query_key_norm(query_key), turn)
        query, key = query_key.split_with_sizes((parts.heads, parts.kv_heads), dim=1)
        x = x + parts.o(plan.attend(index, query, key, value).flatten(1))
        gate, up = parts.gate_up(parts.post_norm(x)).chunk(2, dim=-1)
        return x + parts.down(silu(gate) * up)

    @torch.no_grad()
    def freeze(self) -> None:
        """From now on neither weights nor layers change, and nobody hooks into them: keep what follows from them."""
        self._frozen = self._parts(quick_norm)._replace(
            qkv=quick(self.qkv),
            o=quick(self.o),
            gate_up=quick(self.gate_up),
            down=quick(self.down),
        )

    def fused(self) -> FusedLayer:
        """What it computes with, for a GPU; weights and layers must not change any more."""
        weights = torch.cat(
            [
                self.q_norm.weight.expand(self._heads, -1),
                self.k_norm.weight.expand(self._kv_heads, -1),
            ]
        )
        return FusedLayer(
            qkv=self.qkv,
            o=quick(self.o),
            gate_up=self.gate_up,
            down=self.down,
            input_norm=self.input_norm.weight,
            post_norm=self.post_norm.weight,
            heads=Heads(self._heads, self._kv_heads, self._width, weights, self._eps),
        )

    def _parts(self, normalise: Callable[[Tensor, float], Map] = norm) -> _Parts:
        query, key = self.q_norm.weight, self.k_norm.weight
        return _Parts(
            self.qkv,
            self.o,
            self.gate_up,
            self.down,
            normalise(self.input_norm.weight, self._eps),
            normalise(self.post_norm.weight, self._eps),
            normalise(
                torch.cat([query.expand(self._heads, -1), key.expand(self._kv_heads, -1)]),
                self._eps,
            ),
            self._heads,
            self._kv_heads,
            self._width,
        )


class DecoderStack(nn.Module):
    """All layers and the final norm. Embeddings and heads belong to the models that use it."""

    def __init__(self, shape: DecoderShape, max_positions: int) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList(DecoderLayer(shape) for _ in range(shape.layers))
        self.norm = RmsNorm(shape.hidden_size, shape.rms_norm_eps)
        self._final: Map | None = None
        self._fused: FusedStack | None = None
        cos, sin = _rotations(shape, max_positions)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.cos: Tensor
        self.sin: Tensor

    def forward(
        self, x: Tensor, plan: AttentionPlan, turn: tuple[Tensor, Tensor] | None = None
    ) -> Tensor:
        """Embedded tokens [n, hidden] -> normalised states [n, hidden].

        ``turn`` is :meth:`turn` of the plan's positions, where a plan serves again and again.
        """
        turn = turn or self.turn(plan.positions)
        if self._fused is not None:
            assert isinstance(plan, RowsPlan), "a GPU's passes are planned by rows"
            return self._fused(x, plan, turn)
        for index, layer in enumerate(self.layers):
            x = layer(index, x, turn, plan)
        return (self._final or self.norm)(x)

    def turn(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Rotation of tokens by their positions, int64 [n]: cosines and signed sines, [n, 1, width]."""
        return self.cos[positions], self.sin[positions]

    def fused(self, kernels: Kernels) -> FusedStack:
        """The stack as a GPU computes it, with layers and weights as they are now; its passes are planned by rows."""
        layers: list[FusedLayer] = []
        for layer in self.layers:
            assert isinstance(layer, DecoderLayer)
            layers.append(layer.fused())
        return FusedStack(layers, self.norm.weight, self.norm.eps, kernels)

    def freeze(self, kernels: Kernels | None = None) -> None:
        """Compute with the layers as they are now, and faster: no hook is called, and no later change is seen.

        ``kernels`` are a GPU's; None: the fastest.
        """
        if is_flash_fit(self.norm.weight):
            self._fused = self.fused(kernels or kernels_of(self.norm.weight.device))
            return
        for layer in self.layers:
            assert isinstance(layer, DecoderLayer)
            layer.freeze()
        self._final = quick_norm(self.norm.weight, self.norm.eps)

    @torch.no_grad()
    def load(self, tensors: Tensors, prefix: str) -> None:
        """Read the release's tensors, ``prefix`` up to and with the last dot before ``layers``."""
        self.norm.weight.copy_(tensors(f"{prefix}norm.weight"))
        for index, layer in enumerate(self.layers):
            assert isinstance(layer, DecoderLayer)
            _load_layer(layer, tensors, f"{prefix}layers.{index}.")


def _load_layer(layer: DecoderLayer, tensors: Tensors, prefix: str) -> None:
    attention, mlp = f"{prefix}self_attn.", f"{prefix}mlp."
    layer.qkv.weight.copy_(torch.cat([tensors(f"{attention}{part}_proj.weight") for part in "qkv"]))
    layer.gate_up.weight.copy_(
        torch.cat([tensors(f"{mlp}{part}_proj.weight") for part in ("gate", "up")])
    )
    for target, name in (
        (layer.o, f"{attention}o_proj"),
        (layer.down, f"{mlp}down_proj"),
        (layer.q_norm, f"{attention}q_norm"),
        (layer.k_norm, f"{attention}k_norm"),
        (layer.input_norm, f"{prefix}input_layernorm"),
        (layer.post_norm, f"{prefix}post_attention_layernorm"),
    ):
        target.weight.copy_(tensors(f"{name}.weight"))


def _rotations(shape: DecoderShape, positions: int) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines [positions, 1, head_dim] of rotary embedding (Su et al. 2021), halves side by side."""
    even = torch.arange(0, shape.head_dim, 2, dtype=torch.float32)
    frequencies = shape.rope_theta ** (-even / shape.head_dim)
    angles = torch.outer(torch.arange(positions, dtype=torch.float32), frequencies)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([cos, cos], dim=1)[:, None], torch.cat([-sin, sin], dim=1)[:, None]


def _rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turn [n, heads, d] by its positions' angles: each pair is one number of either half."""
    cos, sin = turn
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)
