"""Sizes of the networks, as the released ``config.json`` files give them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """One Qwen3 stack: the text decoder, the talker or the code predictor."""

    vocab_size: int
    hidden_size: int
    ffn_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    rope_theta: float
    rms_norm_eps: float

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "DecoderShape":
        """Read a ``text_config``, ``talker_config`` or ``code_predictor_config``.

        Raises:
            KeyError: a size is missing.
        """
        rope: Mapping[str, Any] = config.get("rope_parameters") or {}
        heads = int(config["num_attention_heads"])
        hidden_size = int(config["hidden_size"])
        return cls(
            vocab_size=int(config["vocab_size"]),
            hidden_size=hidden_size,
            ffn_size=int(config["intermediate_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(config["num_key_value_heads"]),
            head_dim=int(config.get("head_dim") or hidden_size // heads),
            rope_theta=float(rope.get("rope_theta") or config["rope_theta"]),
            rms_norm_eps=float(config["rms_norm_eps"]),
        )

    @property
    def kv_floats_per_token(self) -> int:
        """Numbers that the KV cache holds for one token."""
        return 2 * self.layers * self.kv_heads * self.head_dim


@dataclass(frozen=True, slots=True)
class AudioShape:
    """The windowed audio encoder."""

    mel_bins: int
    width: int
    ffn_size: int
    layers: int
    heads: int
    conv_channels: int
    out_size: int
    chunk_frames: int
    """Frames that the convolutions see together; positions restart with each chunk."""
    window_frames: int
    """Frames that attention sees together; nothing crosses a window's edge."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "AudioShape":
        """Read an ``audio_config``.

        Raises:
            KeyError: a size is missing.
        """
        return cls(
            mel_bins=int(config["num_mel_bins"]),
            width=int(config["d_model"]),
            ffn_size=int(config["encoder_ffn_dim"]),
            layers=int(config["encoder_layers"]),
            heads=int(config["encoder_attention_heads"]),
            conv_channels=int(config["downsample_hidden_size"]),
            out_size=int(config["output_dim"]),
            chunk_frames=2 * int(config["n_window"]),
            window_frames=int(config["n_window_infer"]),
        )

    @property
    def chunk_tokens(self) -> int:
        """Encoder states of one whole chunk: 13 for 100 frames."""
        return conv_length(self.chunk_frames)

    @property
    def window_tokens(self) -> int:
        """Encoder states of one whole window: 104 for 8 s."""
        return self.window_frames // self.chunk_frames * self.chunk_tokens

    def tokens(self, frames: int) -> int:
        """Encoder states of ``frames`` mel frames."""
        whole, rest = divmod(frames, self.chunk_frames)
        return whole * self.chunk_tokens + conv_length(rest)


def halved(frames: int) -> int:
    """Length behind one convolution of stride 2, kernel 3, padding 1."""
    return (frames + 1) // 2


def conv_length(frames: int) -> int:
    """Length behind the three convolutions of the encoder's stem."""
    return halved(halved(halved(frames)))
