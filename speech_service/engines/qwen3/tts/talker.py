"""The talker: from text and the codes so far to a state, whose head says the next frame's first code."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, silu

from speech_service.engines.qwen3.nn.block import DecoderStack, Tensors
from speech_service.engines.qwen3.nn.kernels import Kernels
from speech_service.engines.qwen3.nn.loading import linear_layer
from speech_service.engines.qwen3.nn.packing import quick
from speech_service.engines.qwen3.tts.config import TtsConfig

_PREFIX = "talker."


class Talker(nn.Module):
    """Embeddings of text and codes, the stack and the head."""

    def __init__(self, tensors: Tensors, config: TtsConfig, stack: DecoderStack) -> None:
        super().__init__()
        self.stack = stack
        self.text_rows = nn.Parameter(tensors(f"{_PREFIX}model.text_embedding.weight"))
        self.code_rows = nn.Parameter(tensors(f"{_PREFIX}model.codec_embedding.weight"))
        wide, narrow = (f"{_PREFIX}text_projection.linear_fc{place}" for place in (1, 2))
        self.wide = linear_layer(tensors(f"{wide}.weight"), tensors(f"{wide}.bias"))
        self.narrow = linear_layer(tensors(f"{narrow}.weight"), tensors(f"{narrow}.bias"))
        self.head = linear_layer(tensors(f"{_PREFIX}codec_head.weight"))
        self._codes = self.head.out_features
        self._ids = config.ids
        self.freeze()

    def freeze(self, kernels: Kernels | None = None) -> None:
        """Compute with the layers as they are now; see :meth:`DecoderStack.freeze`."""
        self.stack.freeze(kernels)
        self._head = quick(self.head)

    def text(self, ids: Tensor) -> Tensor:
        """Embedded text tokens: int64 or int32 [n] -> [n, hidden]."""
        return self.narrow(silu(self.wide(embedding(ids, self.text_rows))))

    def codes(self, ids: Tensor) -> Tensor:
        """Embedded first codes or control ids: int64 or int32 [n] -> [n, hidden]."""
        return embedding(ids, self.code_rows)

    def logits(self, states: Tensor) -> Tensor:
        """States [n, hidden] -> float32 [n, vocabulary]."""
        return self._head(states).float()

    def never_said(self) -> Tensor:
        """bool [vocabulary]: control ids, which are no codes; the end is one that may be said."""
        control = torch.zeros(self._codes, dtype=torch.bool, device=self.text_rows.device)
        control[self._codes - 1024 :] = True
        control[self._ids.codec_eos] = False
        return control
