"""The code predictor: from the talker's state and a frame's first code to its other codes, one after the other."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, scaled_dot_product_attention

from speech_service.engines.qwen3.nn.block import DecoderStack, Tensors
from speech_service.engines.qwen3.nn.loading import linear_layer
from speech_service.engines.qwen3.nn.packing import quick

_PREFIX = "talker.code_predictor."

Choose = Callable[[int, Tensor], Tensor]
"""Gives the codes [rows] of a codebook (from 1) for its logits, float32 [rows, codes]."""


class CodePredictor(nn.Module):
    """A small stack with an embedding and a head for each codebook but the first."""

    def __init__(self, tensors: Tensors, codebooks: int, stack: DecoderStack) -> None:
        super().__init__()
        self.stack = stack
        self.heads = nn.ModuleList(
            linear_layer(tensors(f"{_PREFIX}lm_head.{index}.weight"))
            for index in range(codebooks - 1)
        )
        self.tables = nn.ParameterList(
            tensors(f"{_PREFIX}model.codec_embedding.{index}.weight")
            for index in range(codebooks - 1)
        )
        self.narrow = _projection(tensors, self.tables[0], stack)
        self.freeze()

    def freeze(self) -> None:
        """Compute with the layers as they are now; see :meth:`DecoderStack.freeze`."""
        self.stack.freeze()
        heads = (quick(head) for head in self.heads)
        self._books = tuple(zip(heads, self.tables, strict=True))  # quicker to go through

    def plan(self, rows: int) -> "FramePlan":
        """Room for frames of up to ``rows`` streams; whoever uses it at a time has it alone."""
        return FramePlan(self.stack, len(self.tables) + 1, rows)

    def forward(
        self, state: Tensor, first: Tensor, choose: Choose, plan: "FramePlan"
    ) -> tuple[Tensor, Tensor]:
        """Say the rest of a frame.

        Args:
            state: [rows, talker's hidden], the talker's for this frame.
            first: [rows, talker's hidden], its first code, embedded.
            choose: chooses codes; called once per codebook, in order.
            plan: with room for the rows.

        Returns:
            Codes int64 [rows, codebooks - 1], and the summed embeddings of all of the frame's codes, [rows, hidden].
        """
        rows = state.shape[0]
        fed = torch.stack([state, first], dim=1).flatten(0, 1)
        codes: list[Tensor] = []
        embedded = [first]
        for index, ((head, table), one_pass) in enumerate(
            zip(self._books, plan.passes(rows), strict=True)
        ):
            states = self.stack(self._narrowed(fed), one_pass, one_pass.turn)
            if index == 0:
                states = states[1::2]
            codes.append(choose(index + 1, head(states).float()))
            fed = embedding(codes[-1], table)
            embedded.append(fed)
        return torch.stack(codes, dim=1), torch.stack(embedded, dim=1).sum(dim=1)

    def embed(self, codes: Tensor) -> Tensor:
        """Sum of the embeddings of known codes: int64 [n, codebooks - 1] -> [n, hidden]."""
        rows = [embedding(codes[:, index], table) for index, table in enumerate(self.tables)]
        return torch.stack(rows, dim=1).sum(dim=1)

    def _narrowed(self, x: Tensor) -> Tensor:
        return x if self.narrow is None else self.narrow(x)


class FramePlan:
    """Rows in lockstep through one frame: two tokens, then one at a time; every frame begins anew.

    The rows' keys and values lie in fixed tensors, and each pass looks at exactly what was written: no mask.
    """

    def __init__(self, stack: DecoderStack, codebooks: int, rows: int) -> None:
        shape, weight = stack.shape, stack.norm.weight
        size = (shape.layers, rows, shape.kv_heads, codebooks, shape.head_dim)
        self._stack = stack
        self._keys = torch.zeros(size, dtype=weight.dtype, device=weight.device)
        self._values = torch.zeros_like(self._keys)
        self._passes: dict[int, tuple[FirstPass | LaterPass, ...]] = {}

    def passes(self, rows: int) -> Sequence["FirstPass | LaterPass"]:
        """The plan of each pass over so many rows; made once, as most of a small pass is its preparation."""
        known = self._passes.get(rows)
        if known is None:
            keys, values = self._keys[:, :rows], self._values[:, :rows]
            later = (
                LaterPass(self._stack, keys[:, :, :, : end + 1], values[:, :, :, : end + 1])
                for end in range(2, self._keys.shape[3])
            )
            known = (FirstPass(self._stack, keys[:, :, :, :2], values[:, :, :, :2]), *later)
            self._passes[rows] = known
        return known


class FirstPass:
    """Plan of a frame's first two tokens. Keys and values are [layers, rows, kv_heads, 2, width]."""

    def __init__(self, stack: DecoderStack, keys: Tensor, values: Tensor) -> None:
        rows = keys.shape[1]
        self.positions = torch.arange(2, device=keys.device).repeat(rows)
        self.turn = stack.turn(self.positions)
        self._layers = list(zip(keys.unbind(), values.unbind(), strict=True))
        self._causal = torch.ones(2, 2, dtype=torch.bool, device=keys.device).tril()
        self._rows, self._is_grouped = rows, stack.shape.heads > stack.shape.kv_heads

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """As the protocol says."""
        keys, values = self._layers[layer]
        keys.copy_(self._by_row(key))
        values.copy_(self._by_row(value))
        answer = scaled_dot_product_attention(
            self._by_row(query), keys, values, self._causal, enable_gqa=self._is_grouped
        )
        return answer.transpose(1, 2).flatten(0, 1)

    def _by_row(self, x: Tensor) -> Tensor:
        return x.unflatten(0, (self._rows, 2)).transpose(1, 2)


class LaterPass:
    """Plan of one more token of each row. Keys and values are [layers, rows, kv_heads, tokens so far, width]."""

    def __init__(self, stack: DecoderStack, keys: Tensor, values: Tensor) -> None:
        self.positions = torch.tensor([keys.shape[3] - 1], device=keys.device)
        self.turn = stack.turn(self.positions)
        self._layers = [
            (keys[layer], values[layer], keys[layer, :, :, -1], values[layer, :, :, -1])
            for layer in range(len(keys))
        ]
        shape = stack.shape
        self._folded = (keys.shape[1], shape.kv_heads, shape.heads // shape.kv_heads, -1)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """As the protocol says."""
        keys, values, newest_key, newest_value = self._layers[layer]
        newest_key.copy_(key)
        newest_value.copy_(value)
        answer = scaled_dot_product_attention(query.reshape(self._folded), keys, values)
        return answer.flatten(1, 2)


def _projection(tensors: Tensors, table: Tensor, stack: DecoderStack) -> nn.Linear | None:
    """The layer between the talker's width and the predictor's; none where they are equal."""
    if table.shape[1] == stack.shape.hidden_size:
        return None
    name = f"{_PREFIX}small_to_mtp_projection"
    return linear_layer(tensors(f"{name}.weight"), tensors(f"{name}.bias"))
