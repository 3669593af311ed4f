"""One Qwen3-ASR network: audio encoder, token embedding, decoder stack, head."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from speech_service.engines.qwen3.encoder.network import Encoder
from speech_service.engines.qwen3.nn.block import DecoderStack
from speech_service.engines.qwen3.nn.kv_cache import KvCache


class AsrModel:
    """What the engine calls. ``head`` maps states to logits over the vocabulary."""

    def __init__(
        self, encoder: Encoder, embed: Tensor, stack: DecoderStack, head: nn.Module
    ) -> None:
        self.encoder = encoder
        self.stack = stack
        self.head = head
        self.embedding = embed
        """[vocabulary, hidden]."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.embedding.device

    @property
    def dtype(self) -> torch.dtype:
        """What its activations are."""
        return self.embedding.dtype

    def embed(self, tokens: Tensor) -> Tensor:
        """[n, hidden] of token ids, int64 [n], where the model is."""
        return embedding(tokens, self.embedding)

    def new_cache(self, slots: int, length: int, by_token: bool | None = None) -> KvCache:
        """A KV cache for its stack; see there."""
        return KvCache(self.stack.shape, slots, length, self.dtype, self.device, by_token)
