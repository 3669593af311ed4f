"""The networks in training: the service's own encoder and decoder stack with an embedding, and a release's config.

A second head on the encoder's states learns the digits by CTC (Graves et al. 2006) while training; it teaches the
encoder to hear long before the decoder has learnt to look, and is not saved.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from benchmarks.digits import DIGITS
from benchmarks.digits.tokens import AUDIO_END, AUDIO_START, Prompter
from speech_service.engines.qwen3.encoder.network import AudioEncoder
from speech_service.engines.qwen3.nn.block import DecoderStack
from speech_service.engines.qwen3.nn.shapes import AudioShape, DecoderShape

MAX_POSITIONS = 2048
_HEAD_DIM = 32
_MROPE_SECTION = (6, 5, 5)
"""Parts of the head's rotary halves that follow time, height and width; all the same for speech."""


class PaddedPlan:
    """Implements ``AttentionPlan`` for training: rows of equal length without a cache; token t attends to its row up
    to t, so padding behind a row's end is never looked back at.
    """

    def __init__(self, rows: int, tokens: int) -> None:
        self._shape = (rows, tokens)
        self.positions = torch.arange(tokens).repeat(rows)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Causal attention inside each row."""
        del layer
        q, k, v = (side.unflatten(0, self._shape).transpose(1, 2) for side in (query, key, value))
        answer = scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return answer.transpose(1, 2).flatten(0, 1)


@dataclass(frozen=True, slots=True)
class Size:
    """What differs between the target and the draft."""

    width: int
    encoder_layers: int
    decoder_layers: int
    conv_channels: int


TARGET = Size(width=128, encoder_layers=3, decoder_layers=3, conv_channels=24)
DRAFT = Size(width=64, encoder_layers=2, decoder_layers=2, conv_channels=16)


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """Tokens that a config names."""

    audio_pad: int
    audio_start: int
    audio_end: int
    padding: int


def special_ids(prompter: Prompter) -> SpecialIds:
    """The ids of a tokenizer."""
    return SpecialIds(
        audio_pad=prompter.audio_pad,
        audio_start=prompter.id_of(AUDIO_START),
        audio_end=prompter.id_of(AUDIO_END),
        padding=prompter.padding,
    )


def config(size: Size, vocab_size: int, ids: SpecialIds) -> dict[str, Any]:
    """The ``config.json`` of a release of this size."""
    thinker = {
        "model_type": "qwen3_asr_thinker",
        "audio_config": _audio_config(size),
        "text_config": _text_config(size, vocab_size),
        "audio_token_id": ids.audio_pad,
        "audio_start_token_id": ids.audio_start,
        "audio_end_token_id": ids.audio_end,
        "pad_token_id": ids.padding,
        "initializer_range": 0.02,
        "dtype": "bfloat16",
    }
    return {
        "architectures": ["Qwen3ASRForConditionalGeneration"],
        "model_type": "qwen3_asr",
        "thinker_config": thinker,
        "support_languages": ["English"],
        "transformers_version": "4.57.6",
    }


def _audio_config(size: Size) -> dict[str, Any]:
    return {
        "model_type": "qwen3_asr_audio_encoder",
        "num_mel_bins": 128,
        "encoder_layers": size.encoder_layers,
        "encoder_attention_heads": size.width // _HEAD_DIM,
        "encoder_ffn_dim": 4 * size.width,
        "d_model": size.width,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_function": "gelu",
        "activation_dropout": 0.0,
        "scale_embedding": False,
        "initializer_range": 0.02,
        "max_source_positions": 1500,
        "n_window": 50,
        "n_window_infer": 800,
        "conv_chunksize": 500,
        "downsample_hidden_size": size.conv_channels,
        "output_dim": size.width,
    }


def _text_config(size: Size, vocab_size: int) -> dict[str, Any]:
    heads = size.width // _HEAD_DIM
    return {
        "model_type": "qwen3_asr_text",
        "vocab_size": vocab_size,
        "hidden_size": size.width,
        "intermediate_size": 3 * size.width,
        "num_hidden_layers": size.decoder_layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads // 2,
        "head_dim": _HEAD_DIM,
        "hidden_act": "silu",
        "max_position_embeddings": MAX_POSITIONS,
        "initializer_range": 0.02,
        "rms_norm_eps": 1e-6,
        "use_cache": True,
        "tie_word_embeddings": True,
        "rope_theta": 1_000_000.0,
        "rope_scaling": {
            "rope_type": "default",
            "interleaved": True,
            "mrope_interleaved": True,
            "mrope_section": list(_MROPE_SECTION),
        },
        "attention_bias": False,
        "attention_dropout": 0.0,
    }


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Windows of some clips and the tokens around them.

    Attributes:
        mel: float [windows, 128, c * 100].
        tokens: int64 [windows], encoder states of each.
        conv_frames: int64 [windows], as ``AudioEncoder`` takes them.
        ids: int64 [rows, n], padded at the end. A row's audio tokens are its windows' states in order.
        is_audio: bool [rows, n].
    """

    mel: Tensor
    tokens: Tensor
    conv_frames: Tensor
    ids: Tensor
    is_audio: Tensor


class DigitsModel(nn.Module):
    """Qwen3-ASR of a size of our own."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Make random weights for a config as :func:`config` gives it."""
        super().__init__()
        thinker = config["thinker_config"]
        shape = DecoderShape.from_config(thinker["text_config"])
        self.encoder = AudioEncoder(AudioShape.from_config(thinker["audio_config"]))
        self.embedding = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.stack = DecoderStack(shape, MAX_POSITIONS)
        self.ctc_head = nn.Linear(self.encoder.shape.out_size, len(DIGITS) + 1)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """Random weights under which the audio is as loud as the positions that are added to it.

        The last linear map of each residual branch starts small, so that depth drowns nothing.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=module.weight.shape[1] ** -0.5)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        self.encoder.conv_out.weight.mul_(4.0)
        for layers, names in (
            (self.encoder.layers, ("out", "fc2")),
            (self.stack.layers, ("o", "down")),
        ):
            for layer in layers:
                for name in names:
                    layer.get_submodule(name).get_parameter("weight").mul_(
                        (2 * len(layers)) ** -0.5
                    )

    def encode(self, heard: Heard) -> Tensor:
        """States of all windows, one behind the other: float [states, width]."""
        states = self.encoder(heard.mel, heard.tokens, heard.conv_frames)
        inside = torch.arange(states.shape[1]) < heard.tokens[:, None]
        return states[inside]

    def decode(self, heard: Heard, states: Tensor) -> Tensor:
        """Decoder states of all tokens: float [rows, n, width]."""
        embedded = self.embedding(heard.ids)
        embedded = embedded.masked_scatter(heard.is_audio[..., None], states.to(embedded.dtype))
        rows, tokens = heard.ids.shape
        return self.stack(embedded.flatten(0, 1), PaddedPlan(rows, tokens)).unflatten(
            0, (rows, tokens)
        )

    def logits(self, states: Tensor) -> Tensor:
        """[..., width] -> [..., vocabulary]; the head is the embedding."""
        return linear(states, self.embedding.weight)
