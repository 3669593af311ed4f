"""Tiny random Qwen3-TTS models of every kind: configuration and tensors in the release's names."""

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from tests.qwen_tiny.decoder import DecoderSizes, decoder_tensors
from tests.qwen_tiny.speaker_encoder import speaker_encoder_config, speaker_encoder_tensors
from tests.qwen_tiny.tensors import Draw
from tests.qwen_tiny.vocabulary import Vocabulary

Kind = Literal["custom_voice", "voice_design", "base"]
Size = Literal["0b6", "1b7"]

WIDTH = 32
CODEBOOKS = 16
CODES = 2048
CODEC_ROWS = 3072  # the codes of the first codebook, then control ids
CODEC_EOS = 2150
EOS_GAIN = 1.1
PROMPT_IDS = {
    "codec_pad_id": 2148,
    "codec_bos_id": 2149,
    "codec_eos_token_id": CODEC_EOS,
    "codec_think_id": 2154,
    "codec_nothink_id": 2155,
    "codec_think_bos_id": 2156,
    "codec_think_eos_id": 2157,
}
LANGUAGE_IDS = {
    **{"english": 2050, "german": 2053, "spanish": 2054, "chinese": 2055, "japanese": 2058},
    **{"french": 2061, "sichuan_dialect": 2062, "korean": 2064, "russian": 2069, "italian": 2070},
    **{"portuguese": 2071, "beijing_dialect": 2074},
}
SPEAKER_IDS = {
    **{"serena": 3066, "vivian": 3065, "uncle_fu": 3010, "ryan": 3061, "aiden": 2861},
    **{"ono_anna": 2873, "sohee": 2864, "eric": 2875, "dylan": 2878},
}
DIALECTS = {"eric": "sichuan_dialect", "dylan": "beijing_dialect"}
TALKER = DecoderSizes(layers=2, width=WIDTH, ffn=2 * WIDTH, heads=2, kv_heads=1, head_dim=128)


@dataclass(frozen=True)
class Variant:
    """Which of the releases."""

    kind: Kind
    size: Size = "1b7"

    @property
    def predictor(self) -> DecoderSizes:
        """The code predictor is narrower than the talker in the large release, and as wide in the small one."""
        width = WIDTH // 2 if self.size == "1b7" else WIDTH
        return DecoderSizes(layers=2, width=width, ffn=2 * width, heads=2, kv_heads=1, head_dim=16)


def tts_config(variant: Variant, vocabulary: Vocabulary) -> dict[str, Any]:
    """Give ``config.json``."""
    config: dict[str, Any] = {
        "architectures": ["Qwen3TTSForConditionalGeneration"],
        "model_type": "qwen3_tts",
        "tokenizer_type": "qwen3_tts_tokenizer_12hz",
        "tts_model_size": variant.size,
        "tts_model_type": variant.kind,
        "im_start_token_id": vocabulary.added["<|im_start|>"],
        "im_end_token_id": vocabulary.added["<|im_end|>"],
        "tts_pad_token_id": vocabulary.added["<tts_pad>"],
        "tts_bos_token_id": vocabulary.added["<tts_text_bos>"],
        "tts_eos_token_id": vocabulary.added["<tts_text_eod>"],
        "talker_config": _talker_config(variant, vocabulary),
        "dtype": "bfloat16",
    }
    if variant.kind == "base":
        config["speaker_encoder_config"] = speaker_encoder_config(WIDTH)
    return config


def tts_generation_config() -> dict[str, Any]:
    """Give ``generation_config.json``: the releases' defaults."""
    return {
        "do_sample": True,
        "temperature": 0.9,
        "top_p": 1.0,
        "top_k": 50,
        "repetition_penalty": 1.05,
        "subtalker_dosample": True,
        "subtalker_temperature": 0.9,
        "subtalker_top_p": 1.0,
        "subtalker_top_k": 50,
        "max_new_tokens": 8192,
    }


def tts_preprocessor_config() -> dict[str, Any]:
    """Give ``preprocessor_config.json``."""
    return {
        "processor_class": "Qwen3TTSProcessor",
        "padding_side": "left",
        "padding_value": 0.0,
        "return_attention_mask": True,
    }


def tts_tensors(variant: Variant, vocabulary: Vocabulary, seed: int = 2) -> dict[str, Tensor]:
    """Give the float32 tensors; the kinds differ by the seed, and by the speaker encoder of ``base``."""
    draw = Draw(seed + {"custom_voice": 0, "voice_design": 10, "base": 20}[variant.kind])
    tensors = decoder_tensors(draw, TALKER, "talker.model.")
    model = "talker.model."
    tensors[f"{model}text_embedding.weight"] = draw.uniform(
        "text_embedding", (vocabulary.rows, WIDTH), 1.0
    )
    tensors[f"{model}codec_embedding.weight"] = draw.uniform(
        "codec_embedding", (CODEC_ROWS, WIDTH), 0.5
    )
    for layer in ("linear_fc1", "linear_fc2"):
        name = f"talker.text_projection.{layer}"
        tensors[f"{name}.weight"] = draw.weight(f"{name}.weight", (WIDTH, WIDTH))
        tensors[f"{name}.bias"] = draw.uniform(f"{name}.bias", (WIDTH,), 0.1)
    head = draw.weight("codec_head", (CODEC_ROWS, WIDTH))
    head[CODEC_EOS] *= EOS_GAIN
    tensors["talker.codec_head.weight"] = head
    tensors |= _predictor_tensors(draw, variant.predictor)
    if variant.kind == "base":
        tensors |= speaker_encoder_tensors(draw, WIDTH)
    return tensors


def _predictor_tensors(draw: Draw, sizes: DecoderSizes) -> dict[str, Tensor]:
    predictor = "talker.code_predictor."
    own = Draw(100 + sizes.width)  # its layers have the names of the talker's
    tensors = decoder_tensors(own, sizes, f"{predictor}model.")
    for book in range(CODEBOOKS - 1):
        name = f"{predictor}model.codec_embedding.{book}.weight"
        tensors[name] = draw.uniform(name, (CODES, WIDTH), 0.5)
        name = f"{predictor}lm_head.{book}.weight"
        tensors[name] = draw.weight(name, (CODES, sizes.width))
    if sizes.width != WIDTH:
        name = f"{predictor}small_to_mtp_projection"
        tensors[f"{name}.weight"] = draw.weight(f"{name}.weight", (sizes.width, WIDTH))
        tensors[f"{name}.bias"] = draw.uniform(f"{name}.bias", (sizes.width,), 0.1)
    return tensors


def _talker_config(variant: Variant, vocabulary: Vocabulary) -> dict[str, Any]:
    custom = variant.kind == "custom_voice"
    return {
        "model_type": "qwen3_tts_talker",
        "code_predictor_config": _predictor_config(variant.predictor),
        "vocab_size": CODEC_ROWS,
        "text_vocab_size": vocabulary.rows,
        "text_hidden_size": WIDTH,
        **_decoder_config(TALKER),
        "max_position_embeddings": 32_768,
        "rope_scaling": {
            "rope_type": "default",
            "interleaved": True,
            "mrope_section": [24, 20, 20],
        },
        "num_code_groups": CODEBOOKS,
        "position_id_per_seconds": 13,
        **PROMPT_IDS,
        "codec_language_id": LANGUAGE_IDS,
        "spk_id": SPEAKER_IDS if custom else {},
        "spk_is_dialect": {name: DIALECTS.get(name, False) for name in SPEAKER_IDS}
        if custom
        else {},
    }


def _predictor_config(sizes: DecoderSizes) -> dict[str, Any]:
    return {
        "model_type": "qwen3_tts_talker_code_predictor",
        "vocab_size": CODES,
        **_decoder_config(sizes),
        "max_position_embeddings": 65_536,
        "rope_scaling": None,
        "num_code_groups": CODEBOOKS,
        "max_window_layers": 28,
        "layer_types": ["full_attention"] * sizes.layers,
    }


def _decoder_config(sizes: DecoderSizes) -> dict[str, Any]:
    return {
        "hidden_size": sizes.width,
        "intermediate_size": sizes.ffn,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000,
        "initializer_range": 0.02,
    }
