"""The code predictor: from the talker's state and a frame's first code to its other codes, one after the other."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, scaled_dot_product_attention

from speech_service.engines.qwen3.nn.attention import (
    Attention,
    AttentionPlan,
    RowsPlan,
    TokenRows,
    is_flash_fit,
)
from speech_service.engines.qwen3.nn.block import DecoderStack, Tensors
from speech_service.engines.qwen3.nn.kernels import Kernels, kernels_of
from speech_service.engines.qwen3.nn.loading import linear_layer
from speech_service.engines.qwen3.nn.packing import quick

_PREFIX = "talker.code_predictor."

Choose = Callable[[int, Tensor], Tensor]
"""Gives the codes [rows] of a codebook (from 1) for its logits, float [rows, codes]."""
Feed = Callable[[Tensor], Tensor]
"""Codes [rows] of a codebook -> what the stack is fed with, [rows, hidden]."""
Turn = tuple[Tensor, Tensor]


class FramePasses(Protocol):
    """Rows in lockstep through one frame: two tokens, then one at a time; every frame begins anew."""

    def passes(self, rows: int) -> Sequence[tuple[AttentionPlan, Turn]]:
        """Plan and rotation of each pass over so many rows; made once, as most of a small pass is its preparation."""
        ...


class CodePredictor(nn.Module):
    """A small stack with an embedding and a head for each codebook but the first."""

    def __init__(self, tensors: Tensors, codebooks: int, stack: DecoderStack) -> None:
        super().__init__()
        self.stack = stack
        self.heads = nn.ModuleList(
            linear_layer(tensors(f"{_PREFIX}lm_head.{index}.weight"))
            for index in range(codebooks - 1)
        )
        tables = [
            tensors(f"{_PREFIX}model.codec_embedding.{index}.weight")
            for index in range(codebooks - 1)
        ]
        self.table = nn.Parameter(torch.cat(tables))
        """Embeddings of the codes of all codebooks, one behind the other: [codes, talker's hidden]."""
        self._codes = len(tables[0])
        first = torch.arange(codebooks - 1, device=self.table.device) * self._codes
        self.register_buffer("first", first, persistent=False)
        self.first: Tensor
        """int64 [codebooks - 1], where each codebook's embeddings begin."""
        self.narrow = _projection(tensors, self.table, stack)
        self.freeze()

    def freeze(self, kernels: Kernels | None = None) -> None:
        """Compute with the layers as they are now; see :meth:`DecoderStack.freeze`."""
        self.stack.freeze(kernels)
        heads = [quick(head) for head in self.heads]
        is_fused = is_flash_fit(self.table)
        self._kernels = (kernels or kernels_of(self.table.device)) if is_fused else None
        tables = self.table.split(self._codes)
        if is_fused:  # where memory is plenty and a product's time is that of its launch, each code is narrowed once
            narrowed = [self._narrowed(table.detach()) for table in tables]
            feeds: list[Feed] = [partial(embedding, weight=table) for table in narrowed]
        else:
            feeds = [self._feed(table) for table in tables]
        self._books = tuple(zip(heads, feeds, strict=True))

    def _feed(self, table: Tensor) -> Feed:
        narrow = self.narrow
        if narrow is None:
            return partial(embedding, weight=table)
        return lambda codes: narrow(embedding(codes, table))

    def plan(self, rows: int) -> FramePasses:
        """Room for frames of up to ``rows`` streams; whoever uses it at a time has it alone."""
        codebooks = len(self.heads) + 1
        if self._kernels is None:
            return FramePlan(self.stack, codebooks, rows)
        return RowFramePlan(self.stack, codebooks, rows, self._kernels.attend_short)

    def forward(
        self, state: Tensor, first: Tensor, choose: Choose, plan: FramePasses
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
        fed = self._narrowed(torch.stack([state, first], dim=1).flatten(0, 1))
        found: list[Tensor] = []
        passes = plan.passes(state.shape[0])
        for index, ((head, feed), (one_pass, turn)) in enumerate(
            zip(self._books, passes, strict=True)
        ):
            states = self.stack(fed, one_pass, turn)
            if index == 0:
                states = states[1::2]
            found.append(choose(index + 1, head(states)))
            if index + 1 < len(passes):
                fed = feed(found[-1])
        codes = torch.stack(found, dim=1)
        embedded = torch.cat([first[:, None], self._embedded(codes)], dim=1)
        return codes, embedded.sum(dim=1)

    def embed(self, codes: Tensor) -> Tensor:
        """Sum of the embeddings of known codes: int64 [n, codebooks - 1] -> [n, hidden]."""
        return self._embedded(codes).sum(dim=1)

    def _embedded(self, codes: Tensor) -> Tensor:
        return embedding(codes + self.first, self.table)

    def _narrowed(self, x: Tensor) -> Tensor:
        return x if self.narrow is None else self.narrow(x)


class FramePlan:
    """Implements :class:`FramePasses` for a CPU: each pass looks at exactly what was written, without a mask."""

    def __init__(self, stack: DecoderStack, codebooks: int, rows: int) -> None:
        shape, weight = stack.shape, stack.norm.weight
        size = (shape.layers, rows, shape.kv_heads, codebooks, shape.head_dim)
        self._stack = stack
        self._keys = torch.zeros(size, dtype=weight.dtype, device=weight.device)
        self._values = torch.zeros_like(self._keys)
        self._passes: dict[int, list[tuple[AttentionPlan, Turn]]] = {}

    def passes(self, rows: int) -> Sequence[tuple[AttentionPlan, Turn]]:
        """As the protocol says."""
        known = self._passes.get(rows)
        if known is None:
            keys, values = self._keys[:, :rows], self._values[:, :rows]
            later = (
                LaterPass(self._stack, keys[:, :, :, : end + 1], values[:, :, :, : end + 1])
                for end in range(2, self._keys.shape[3])
            )
            first = FirstPass(self._stack, keys[:, :, :, :2], values[:, :, :, :2])
            known = self._passes[rows] = [(first, first.turn)]
            known += [(each, each.turn) for each in later]
        return known


class RowFramePlan:
    """Implements :class:`FramePasses` for a GPU: one short call of attention for all rows."""

    def __init__(
        self, stack: DecoderStack, codebooks: int, rows: int, attention: Attention
    ) -> None:
        shape, weight = stack.shape, stack.norm.weight
        self._stack = stack
        self._attention = attention
        self._held = 1 << (codebooks - 1).bit_length()
        size = (shape.layers, rows * self._held, shape.kv_heads, shape.head_dim)
        keys = torch.zeros(size, dtype=weight.dtype, device=weight.device)
        self._layers = list(zip(keys.unbind(), torch.zeros_like(keys).unbind(), strict=True))
        self._codebooks = codebooks
        self._passes: dict[int, list[tuple[AttentionPlan, Turn]]] = {}

    def passes(self, rows: int) -> Sequence[tuple[AttentionPlan, Turn]]:
        """As the protocol says."""
        if rows not in self._passes:
            later = (self._pass(rows, [place]) for place in range(2, self._codebooks))
            self._passes[rows] = [self._pass(rows, [0, 1]), *later]
        return self._passes[rows]

    def _pass(self, rows: int, new: list[int]) -> tuple[AttentionPlan, Turn]:
        """The plan of tokens at so many places of each row."""
        device, count = self._layers[0][0].device, len(new)
        positions = torch.tensor(new * rows, dtype=torch.int32, device=device)
        begins = torch.arange(rows + 1, dtype=torch.int32, device=device) * self._held
        where = TokenRows(
            positions=positions,
            places=begins[:-1].repeat_interleave(count) + positions,
            ends=torch.arange(rows + 1, dtype=torch.int32, device=device) * count,
            begins=begins,
            lengths=torch.full((rows,), new[-1] + 1, dtype=torch.int32, device=device),
            most_new=count,
            most_held=self._held,
        )
        turn = self._stack.turn(positions if count > 1 else positions[:1])
        return RowsPlan(self._layers, where, self._attention), turn


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
