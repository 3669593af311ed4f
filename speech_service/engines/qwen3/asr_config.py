"""Sizes and ids of a recognizer or a forced aligner, read from its checkpoint and checked against its tensors."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, cast

from speech_service.engines.qwen3.checkpoint.reading import Checkpoint
from speech_service.engines.qwen3.nn.shapes import AudioShape, DecoderShape, conv_length

MODEL_TYPE = "qwen3_asr"
DECODER_PREFIX = "thinker.model."
AUDIO_PREFIX = "thinker.audio_tower."
EMBEDDING = "thinker.model.embed_tokens.weight"
HEAD = "thinker.lm_head.weight"
_NETWORK = "thinker."
"""Releases of this family may carry other networks beside this one; they are left alone."""

_FIXED: Mapping[str, Mapping[str, object]] = {
    "text_config": {"hidden_act": "silu", "attention_bias": False, "use_sliding_window": False},
    "audio_config": {"activation_function": "gelu", "scale_embedding": False},
}
"""What the modules take for granted, where the configuration mentions it."""


@dataclass(frozen=True, slots=True)
class AsrConfig:
    """One model. ``classes`` is 0 for a recognizer, whose head gives tokens; an aligner's gives so many times.

    Ids are None where the configuration does not say; the tokenizer knows them all.
    """

    audio: AudioShape
    decoder: DecoderShape
    classes: int
    tied_head: bool
    audio_token_id: int | None
    timestamp_token_id: int | None
    timestamp_ms: int
    """Time between two classes of an aligner."""
    languages: tuple[str, ...]
    """English names of the languages, as the release calls them; empty: it does not say."""

    @property
    def head(self) -> str:
        """Release name of the tensor that makes logits of states."""
        return EMBEDDING if self.tied_head else HEAD


def read_asr_config(checkpoint: Checkpoint) -> AsrConfig:
    """Read the configuration and check that the tensors are the ones that it asks for.

    Raises:
        CheckpointError: a field is missing or of a value that is not supported, or a tensor does not fit.
    """
    top = checkpoint.config
    thinker = _section(checkpoint, top, "thinker_config")
    audio_section = _section(checkpoint, thinker, "audio_config")
    text_section = _section(checkpoint, thinker, "text_config")
    try:
        audio = AudioShape.from_config(audio_section)
        decoder = DecoderShape.from_config(text_section)
        is_aligner = "forced_aligner" in str(thinker.get("model_type"))
        config = AsrConfig(
            audio=audio,
            decoder=decoder,
            classes=int(thinker["classify_num"]) if is_aligner else 0,
            tied_head=not is_aligner and _is_tied(checkpoint, text_section),
            audio_token_id=_id(thinker, "audio_token_id"),
            timestamp_token_id=_id(top, "timestamp_token_id"),
            timestamp_ms=int(top.get("timestamp_segment_time", 80)),
            languages=tuple(map(str, top.get("support_languages") or ())),
        )
    except KeyError as error:
        raise checkpoint.error(f"config.json lacks {error.args[0]}") from error
    except (TypeError, ValueError, ArithmeticError) as error:
        raise checkpoint.error(f"config.json holds a value of the wrong type: {error}") from error
    _check(checkpoint, config)
    expected = tensor_shapes(config)
    if config.tied_head and HEAD in checkpoint.names:
        expected[HEAD] = expected[EMBEDDING]  # some releases write the tied tensor twice
    checkpoint.require(expected, _NETWORK)
    return config


def tensor_shapes(config: AsrConfig) -> dict[str, tuple[int, ...]]:
    """Release names and shapes of all tensors of a model."""
    shapes = _audio_shapes(config.audio) | _decoder_shapes(config.decoder)
    if not config.tied_head:
        rows = config.classes or config.decoder.vocab_size
        shapes[HEAD] = (rows, config.decoder.hidden_size)
    return shapes


def _audio_shapes(shape: AudioShape) -> dict[str, tuple[int, ...]]:
    width, channels = shape.width, shape.conv_channels
    shapes: dict[str, tuple[int, ...]] = {
        "conv_out.weight": (width, channels * conv_length(shape.mel_bins)),
        **_affine("ln_post", width),
        **_affine("proj1", width, width),
        **_affine("proj2", shape.out_size, width),
    }
    for index, inputs in enumerate((1, channels, channels), start=1):
        shapes |= _affine(f"conv2d{index}", channels, inputs, 3, 3)
    for layer in range(shape.layers):
        prefix = f"layers.{layer}."
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes |= _affine(f"{prefix}self_attn.{part}", width, width)
        shapes |= _affine(f"{prefix}self_attn_layer_norm", width)
        shapes |= _affine(f"{prefix}final_layer_norm", width)
        shapes |= _affine(f"{prefix}fc1", shape.ffn_size, width)
        shapes |= _affine(f"{prefix}fc2", width, shape.ffn_size)
    return {AUDIO_PREFIX + name: size for name, size in shapes.items()}


def _affine(name: str, *size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": size, f"{name}.bias": size[:1]}


def _decoder_shapes(shape: DecoderShape) -> dict[str, tuple[int, ...]]:
    hidden, head = shape.hidden_size, shape.head_dim
    layer: dict[str, tuple[int, ...]] = {
        "self_attn.q_proj": (shape.heads * head, hidden),
        "self_attn.k_proj": (shape.kv_heads * head, hidden),
        "self_attn.v_proj": (shape.kv_heads * head, hidden),
        "self_attn.o_proj": (hidden, shape.heads * head),
        "self_attn.q_norm": (head,),
        "self_attn.k_norm": (head,),
        "mlp.gate_proj": (shape.ffn_size, hidden),
        "mlp.up_proj": (shape.ffn_size, hidden),
        "mlp.down_proj": (hidden, shape.ffn_size),
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
    }
    shapes: dict[str, tuple[int, ...]] = {
        EMBEDDING: (shape.vocab_size, hidden),
        f"{DECODER_PREFIX}norm.weight": (hidden,),
    }
    for index in range(shape.layers):
        for name, size in layer.items():
            shapes[f"{DECODER_PREFIX}layers.{index}.{name}.weight"] = size
    return shapes


def _section(checkpoint: Checkpoint, config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = config.get(key)
    if not isinstance(section, dict):
        raise checkpoint.error(f"config.json lacks the section {key}")
    found = cast(dict[str, Any], section)
    for field, allowed in _FIXED.get(key, {}).items():
        if found.get(field, allowed) != allowed:
            raise checkpoint.error(
                f"config.json: {key}.{field} is {found[field]!r}; only {allowed!r} is supported"
            )
    rope: Mapping[str, Any] = found.get("rope_scaling") or found.get("rope_parameters") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in ("default", "mrope"):
        raise checkpoint.error(
            f"config.json: {key} asks for rotary positions of type {kind!r}; only 'default' is supported"
        )
    return found


def _check(checkpoint: Checkpoint, config: AsrConfig) -> None:
    audio, decoder = config.audio, config.decoder
    sizes = (*astuple(audio), *astuple(decoder), config.timestamp_ms)
    if min(sizes) <= 0 or config.classes < 0:
        raise checkpoint.error("config.json holds a size that is not positive")
    if audio.layers + decoder.layers > len(checkpoint.names):
        raise checkpoint.error("config.json asks for more layers than the weights have")
    rules = {
        "heads of the audio encoder divide its width": audio.width % audio.heads == 0,
        "chunks fill a window": audio.window_frames % audio.chunk_frames == 0,
        "the audio encoder's output is as wide as the decoder": audio.out_size
        == decoder.hidden_size,
        "key-value heads divide the heads": decoder.heads % decoder.kv_heads == 0,
        "heads have an even width": decoder.head_dim % 2 == 0,
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise checkpoint.error(f"config.json contradicts itself; it must be that {broken[0]}")


def _is_tied(checkpoint: Checkpoint, text: Mapping[str, Any]) -> bool:
    """Tied unless the configuration says otherwise; without a word, the head's own tensor decides."""
    said = text.get("tie_word_embeddings")
    return HEAD not in checkpoint.names if said is None else bool(said)


def _id(config: Mapping[str, Any], key: str) -> int | None:
    value = config.get(key)
    return None if value is None else int(value)
