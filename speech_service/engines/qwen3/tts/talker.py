"""The talker: from text and the codes so far to a state, whose head says the next frame's first code."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear, silu

from speech_service.engines.qwen3.block import DecoderStack, Tensors
from speech_service.engines.qwen3.tts.config import TtsConfig

_PREFIX = "talker."


class Talker(nn.Module):
    """Embeddings of text and codes, the stack and the head."""

    def __init__(self, tensors: Tensors, config: TtsConfig, stack: DecoderStack) -> None:
        super().__init__()
        self.stack = stack
        self.text_rows = nn.Parameter(tensors(f"{_PREFIX}model.text_embedding.weight"))
        self.code_rows = nn.Parameter(tensors(f"{_PREFIX}model.codec_embedding.weight"))
        projection = f"{_PREFIX}text_projection"
        self.wide_weight = nn.Parameter(tensors(f"{projection}.linear_fc1.weight"))
        self.wide_bias = nn.Parameter(tensors(f"{projection}.linear_fc1.bias"))
        self.narrow_weight = nn.Parameter(tensors(f"{projection}.linear_fc2.weight"))
        self.narrow_bias = nn.Parameter(tensors(f"{projection}.linear_fc2.bias"))
        self.head = nn.Parameter(tensors(f"{_PREFIX}codec_head.weight"))
        self._codes = self.head.shape[0]
        self._ids = config.ids

    def text(self, ids: Sequence[int]) -> Tensor:
        """Embedded text tokens, [n, hidden]."""
        rows = torch.tensor(ids, dtype=torch.int64, device=self.text_rows.device)
        wide = linear(embedding(rows, self.text_rows), self.wide_weight, self.wide_bias)
        return linear(silu(wide), self.narrow_weight, self.narrow_bias)

    def codes(self, ids: Tensor) -> Tensor:
        """Embedded first codes or control ids: int64 [n] -> [n, hidden]."""
        return embedding(ids, self.code_rows)

    def logits(self, states: Tensor) -> Tensor:
        """States [n, hidden] -> float32 [n, vocabulary]."""
        return linear(states, self.head).float()

    def never_said(self) -> Tensor:
        """bool [vocabulary]: control ids, which are no codes; the end is one that may be said."""
        control = torch.zeros(self._codes, dtype=torch.bool, device=self.head.device)
        control[self._codes - 1024 :] = True
        control[self._ids.codec_eos] = False
        return control
