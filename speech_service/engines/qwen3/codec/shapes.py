"""What the codec's ``config.json`` says that its tensors do not."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CodecDecoderShape:
    """Codes to samples."""

    codebooks: int
    codebook_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    window_frames: int
    """Frames that a frame attends to, itself included."""
    rope_theta: float
    rms_norm_eps: float
    latent_rates: tuple[int, ...]
    """Upsampling in front of the vocoder."""
    sample_rates: tuple[int, ...]
    """Upsampling inside the vocoder."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "CodecDecoderShape":
        """Read a ``decoder_config``; what it leaves out has the values of the package.

        Raises:
            ValueError: it is not the network that is implemented.
        """
        _hold(config, hidden_act="silu", attention_bias=False)
        heads = int(config.get("num_attention_heads", 16))
        return cls(
            codebooks=int(config.get("num_quantizers", 16)),
            codebook_size=int(config.get("codebook_size", 2048)),
            layers=int(config.get("num_hidden_layers", 8)),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads", 16)),
            head_dim=int(config.get("head_dim") or int(config.get("hidden_size", 1024)) // heads),
            window_frames=int(config.get("sliding_window", 72)),
            rope_theta=float(config.get("rope_theta", 10_000.0)),
            rms_norm_eps=float(config.get("rms_norm_eps", 1e-5)),
            latent_rates=tuple(map(int, config.get("upsampling_ratios", (2, 2)))),
            sample_rates=tuple(map(int, config.get("upsample_rates", (8, 5, 4, 3)))),
        )

    @property
    def frame_samples(self) -> int:
        """Samples of one frame: 1920."""
        return math.prod(self.latent_rates) * math.prod(self.sample_rates)


@dataclass(frozen=True, slots=True)
class CodecEncoderShape:
    """Samples to codes."""

    codebooks: int
    """Codebooks that the talker uses; the network may have more."""
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    rope_theta: float
    norm_eps: float
    rates: tuple[int, ...]
    """Strides of the convolutions, in the order of the samples' way."""
    residual_units: int
    dilation_growth: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any], codebooks: int) -> "CodecEncoderShape":
        """Read an ``encoder_config``; what the release leaves out has the values of Mimi's own release.

        Raises:
            ValueError: it is not the network that is implemented.
        """
        _hold(
            config,
            use_causal_conv=True,
            use_conv_shortcut=False,
            pad_mode="constant",
            hidden_act="gelu",
            attention_bias=False,
            audio_channels=1,
        )
        heads = int(config.get("num_attention_heads", 8))
        return cls(
            codebooks=codebooks,
            layers=int(config.get("num_hidden_layers", 8)),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads", 8)),
            head_dim=int(config.get("head_dim") or int(config.get("hidden_size", 512)) // heads),
            rope_theta=float(config.get("rope_theta", 10_000.0)),
            norm_eps=float(config.get("norm_eps", 1e-5)),
            rates=tuple(
                int(rate) for rate in reversed(config.get("upsampling_ratios", (8, 6, 5, 4)))
            ),
            residual_units=int(config.get("num_residual_layers", 1)),
            dilation_growth=int(config.get("dilation_growth_rate", 2)),
        )


def _hold(config: Mapping[str, Any], **fixed: object) -> None:
    """Refuse a network that computes something else than the modules do."""
    for key, value in fixed.items():
        if config.get(key, value) != value:
            raise ValueError(f"{key} is {config[key]!r}; only {value!r} is implemented")
