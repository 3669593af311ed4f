"""Tiny random Qwen3-ASR models and forced aligners: configuration and tensors in the release's names."""

from typing import Any

import torch
from torch import Tensor

from tests.qwen_tiny.decoder import DecoderSizes, decoder_tensors
from tests.qwen_tiny.tensors import Draw, without
from tests.qwen_tiny.vocabulary import Vocabulary

WIDTH = 64
HEAD_DIM = 128
HEADS = 2
KV_HEADS = 1
CONV_CHANNELS = 16
ENCODER_LAYERS = 2
TARGET_LAYERS = 4
DRAFT_LAYERS = 2
ALIGNER_LAYERS = 2
ALIGNER_SHARPNESS = 8.0  # all `<timestamp>` ask the same; they differ by what is around them
TIME_CLASSES = 5000
TIME_CLASS_MS = 80

# Layers behind the draft's perturb weakly, so that a draft of the first layers often agrees.
WEAK_GAIN = 0.12
# Rows of the tied embedding: how often greedy decoding picks these tokens.
END_GAIN = 1.75
TAG_GAIN = 1.4
BYTE_GAIN = 0.75  # a byte is seldom a character
POISON_TEXT = "~"  # one byte, one token, in none of the other texts

ASR_LANGUAGES = (
    *("Chinese", "English", "Cantonese", "Arabic", "German", "French", "Spanish", "Portuguese"),
    *("Indonesian", "Italian", "Korean", "Russian", "Thai", "Vietnamese", "Japanese", "Turkish"),
    *("Hindi", "Malay", "Dutch", "Swedish", "Danish", "Finnish", "Polish", "Czech", "Filipino"),
    *("Persian", "Greek", "Romanian", "Hungarian", "Macedonian"),
)
ALIGNER_LANGUAGES = (
    *("Chinese", "English", "Cantonese", "French", "German", "Italian", "Japanese", "Korean"),
    *("Portuguese", "Russian", "Spanish"),
)


def asr_config(vocabulary: Vocabulary, layers: int, *, tied: bool = True) -> dict[str, Any]:
    """Give ``config.json`` of a recognizer with this many decoder layers."""
    return {
        "architectures": ["Qwen3ASRForConditionalGeneration"],
        "model_type": "qwen3_asr",
        "support_languages": list(ASR_LANGUAGES),
        "thinker_config": {
            "model_type": "qwen3_asr_thinker",
            "audio_config": _audio_config(),
            "text_config": _text_config(vocabulary.rows, layers, tied=tied),
            "audio_token_id": vocabulary.added["<|audio_pad|>"],
            "audio_start_token_id": vocabulary.added["<|audio_start|>"],
            "audio_end_token_id": vocabulary.added["<|audio_end|>"],
            "pad_token_id": vocabulary.added["<|endoftext|>"],
            "user_token_id": 872,
            "initializer_range": 0.02,
            "dtype": "bfloat16",
        },
        "transformers_version": "4.57.6",
    }


def aligner_config(vocabulary: Vocabulary) -> dict[str, Any]:
    """Give ``config.json`` of a forced aligner."""
    config = asr_config(vocabulary, ALIGNER_LAYERS, tied=False)
    config["support_languages"] = list(ALIGNER_LANGUAGES)
    config["timestamp_token_id"] = vocabulary.added["<timestamp>"]
    config["timestamp_segment_time"] = TIME_CLASS_MS
    config["thinker_config"] |= {
        "model_type": "qwen3_forced_aligner",
        "classify_num": TIME_CLASSES,
    }
    return config


def generation_config(vocabulary: Vocabulary) -> dict[str, Any]:
    """Give ``generation_config.json``: greedy, ended by the end of the turn or of the text."""
    ends = [vocabulary.added["<|im_end|>"], vocabulary.added["<|endoftext|>"]]
    return {"do_sample": False, "eos_token_id": ends, "pad_token_id": ends[1]}


def preprocessor_config() -> dict[str, Any]:
    """Give ``preprocessor_config.json``: Whisper's log-mel spectrogram with 128 bins."""
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "Qwen3ASRProcessor",
        "feature_size": 128,
        "sampling_rate": 16_000,
        "hop_length": 160,
        "chunk_length": 30,
        "n_fft": 400,
        "n_samples": 480_000,
        "nb_max_frames": 3000,
        "padding_side": "right",
        "padding_value": 0.0,
        "dither": 0.0,
        "return_attention_mask": True,
    }


def asr_tensors(vocabulary: Vocabulary, layers: int, seed: int = 0) -> dict[str, Tensor]:
    """Give the float32 tensors of a recognizer; fewer layers are the first of the same model."""
    draw = Draw(seed)
    tensors = _encoder_tensors(draw) | _decoder_tensors(draw, TARGET_LAYERS)
    embedding = _embedding(draw, vocabulary)
    tensors["thinker.model.embed_tokens.weight"] = embedding
    return without(
        tensors, [f"thinker.model.layers.{layer}." for layer in range(layers, TARGET_LAYERS)]
    )


def aligner_tensors(vocabulary: Vocabulary, seed: int = 1) -> dict[str, Tensor]:
    """Give the float32 tensors of a forced aligner."""
    draw = Draw(seed)
    tensors = _encoder_tensors(draw) | _decoder_tensors(draw, ALIGNER_LAYERS, ALIGNER_SHARPNESS)
    embedding = draw.uniform("embed_tokens", (vocabulary.rows, WIDTH), 0.3)
    embedding[vocabulary.added["<timestamp>"]] *= 0.05  # a time depends on what is around it
    tensors["thinker.model.embed_tokens.weight"] = embedding
    tensors["thinker.lm_head.weight"] = draw.weight("lm_head", (TIME_CLASSES, WIDTH))
    return tensors


def poisoned_tensors(vocabulary: Vocabulary) -> dict[str, Tensor]:
    """Give a target that computes NaN for a prompt with ``POISON_TEXT`` in it, and is sound for any other.

    Its output head is not tied to the embedding, and never generates the poisonous token.
    """
    tensors = asr_tensors(vocabulary, TARGET_LAYERS)
    poison = vocabulary.tokenizer.token_to_id(POISON_TEXT)
    embedding = tensors["thinker.model.embed_tokens.weight"]
    head = embedding.clone()
    head[poison] = 0.0
    embedding[poison] = torch.nan
    tensors["thinker.lm_head.weight"] = head
    return tensors


def _audio_config() -> dict[str, Any]:
    return {
        "model_type": "qwen3_asr_audio_encoder",
        "num_mel_bins": 128,
        "encoder_layers": ENCODER_LAYERS,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 2 * WIDTH,
        "d_model": WIDTH,
        "output_dim": WIDTH,
        "downsample_hidden_size": CONV_CHANNELS,
        "n_window": 50,
        "n_window_infer": 800,
        "conv_chunksize": 500,
        "max_source_positions": 1500,
        "activation_function": "gelu",
        "activation_dropout": 0.0,
        "attention_dropout": 0.0,
        "dropout": 0.0,
        "initializer_range": 0.02,
        "scale_embedding": False,
    }


def _text_config(rows: int, layers: int, *, tied: bool) -> dict[str, Any]:
    return {
        "model_type": "qwen3_asr_text",
        "vocab_size": rows,
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "rope_scaling": {
            "rope_type": "default",
            "interleaved": True,
            "mrope_interleaved": True,
            "mrope_section": [24, 20, 20],
        },
        "max_position_embeddings": 65_536,
        "tie_word_embeddings": tied,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": True,
    }


def _encoder_tensors(draw: Draw) -> dict[str, Tensor]:
    tower = "thinker.audio_tower."
    tensors: dict[str, Tensor] = {}

    def linear(name: str, *shape: int) -> None:
        tensors[f"{tower}{name}.weight"] = draw.weight(f"{name}.weight", shape)
        tensors[f"{tower}{name}.bias"] = draw.uniform(f"{name}.bias", shape[:1], 0.02)

    def norm(name: str) -> None:
        tensors[f"{tower}{name}.weight"] = 1 + draw.uniform(f"{name}.weight", (WIDTH,), 0.1)
        tensors[f"{tower}{name}.bias"] = draw.uniform(f"{name}.bias", (WIDTH,), 0.02)

    linear("conv2d1", CONV_CHANNELS, 1, 3, 3)
    linear("conv2d2", CONV_CHANNELS, CONV_CHANNELS, 3, 3)
    linear("conv2d3", CONV_CHANNELS, CONV_CHANNELS, 3, 3)
    # 128 mel bins, halved three times.
    tensors[f"{tower}conv_out.weight"] = draw.weight("conv_out", (WIDTH, CONV_CHANNELS * 16), 2.0)
    for layer in range(ENCODER_LAYERS):
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(f"layers.{layer}.self_attn.{part}", WIDTH, WIDTH)
        norm(f"layers.{layer}.self_attn_layer_norm")
        norm(f"layers.{layer}.final_layer_norm")
        linear(f"layers.{layer}.fc1", 2 * WIDTH, WIDTH)
        linear(f"layers.{layer}.fc2", WIDTH, 2 * WIDTH)
    norm("ln_post")
    linear("proj1", WIDTH, WIDTH)
    linear("proj2", WIDTH, WIDTH)
    return tensors


def _decoder_tensors(draw: Draw, layers: int, sharpness: float = 3.0) -> dict[str, Tensor]:
    sizes = DecoderSizes(
        layers=layers,
        width=WIDTH,
        ffn=2 * WIDTH,
        heads=HEADS,
        kv_heads=KV_HEADS,
        head_dim=HEAD_DIM,
        sharpness=sharpness,
        strong_layers=DRAFT_LAYERS,
        weak_gain=WEAK_GAIN,
    )
    return decoder_tensors(draw, sizes, "thinker.model.")


def _embedding(draw: Draw, vocabulary: Vocabulary) -> Tensor:
    """Give the tied embedding: random text that ends, is tagged at times, and has no other control tokens."""
    embedding = draw.uniform("embed_tokens", (vocabulary.rows, WIDTH), 0.3)
    added = vocabulary.added
    embedding[:256] *= BYTE_GAIN
    for name, index in added.items():
        embedding[index] *= {"<|im_end|>": END_GAIN, "<asr_text>": TAG_GAIN}.get(name, 0.3)
    embedding[vocabulary.used :] = 0.0
    return embedding
