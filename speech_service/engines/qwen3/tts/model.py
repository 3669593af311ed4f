"""All networks of one speaking checkpoint, loaded."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from speech_service.engines.qwen3.checkpoint.reading import Checkpoint
from speech_service.engines.qwen3.codec.decoder import CodecDecoder
from speech_service.engines.qwen3.codec.encoder import CodecEncoder
from speech_service.engines.qwen3.codec.shapes import CodecDecoderShape, CodecEncoderShape
from speech_service.engines.qwen3.nn.block import DecoderStack, Tensors
from speech_service.engines.qwen3.nn.loading import WithoutInitialValues
from speech_service.engines.qwen3.nn.packing import pack_linears
from speech_service.engines.qwen3.nn.quantize import quantiser, replace_linears
from speech_service.engines.qwen3.nn.shapes import DecoderShape
from speech_service.engines.qwen3.tokenizer import QwenTokenizer
from speech_service.engines.qwen3.tts.config import CODEC_FOLDER, TtsConfig, read_tts_config
from speech_service.engines.qwen3.tts.predictor import CodePredictor
from speech_service.engines.qwen3.tts.prompt import TtsPrompter
from speech_service.engines.qwen3.tts.speaker_encoder import SpeakerEncoder, SpeakerShape
from speech_service.engines.qwen3.tts.talker import Talker
from speech_service.engines.qwen_release.synthesis import CODEC_MODEL_TYPE, TtsKind
from speech_service.engines.qwen_release.voices import SAMPLE_RATE_HZ
from speech_service.engines.runtimes.torch import open_device


@dataclass(frozen=True, slots=True, eq=False)
class VoiceEncoders:
    """What a checkpoint that clones voices has besides."""

    codec: CodecEncoder
    speaker: SpeakerEncoder

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """Both."""
        return self.codec, self.speaker


@dataclass(frozen=True, slots=True, eq=False)
class TtsModel:
    """One checkpoint on one device. ``encoders`` is None where it does not clone."""

    config: TtsConfig
    talker: Talker
    predictor: CodePredictor
    codec: CodecDecoder
    encoders: VoiceEncoders | None
    prompter: TtsPrompter

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.talker.text_rows.device

    @property
    def dtype(self) -> torch.dtype:
        """What the talker's activations are."""
        return self.talker.text_rows.dtype


@dataclass(frozen=True, slots=True)
class TtsNumerics:
    """What the networks compute in, and where. ``quantize``: method for the linear layers of talker and predictor."""

    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    quantize: str = "none"
    codec_dtype: torch.dtype | None = None
    """None: ``dtype``."""


@torch.no_grad()
def load_tts(
    checkpoint: Checkpoint, *, positions: int, numbers: TtsNumerics | None = None
) -> TtsModel:
    """Load everything.

    Args:
        checkpoint: a ``qwen3_tts`` release.
        positions: most tokens and frames of one stream, prompt included.
        numbers: None: float32 on the CPU.

    Raises:
        ConfigError: the device is not there, or cannot do what is asked of it.
        CheckpointError: a file, a field or a tensor is missing or is not what it should be.
    """
    numbers = numbers or TtsNumerics()
    device = open_device(numbers.device)
    config = read_tts_config(checkpoint.files)
    tokenizer = QwenTokenizer(checkpoint.files)
    tensors = checkpoint.reader(numbers.dtype, numbers.device)
    stack = _stack(tensors, "talker.model.", config.talker, positions, numbers)
    talker = Talker(tensors, config, stack)
    prefix = "talker.code_predictor.model."
    stack = _stack(tensors, prefix, config.predictor, config.codebooks, numbers)
    predictor = CodePredictor(tensors, config.codebooks, stack)
    codec = load_codec(checkpoint, config, numbers)
    encoders = _encoders(checkpoint, config, numbers) if config.kind is TtsKind.BASE else None
    for network in (talker, predictor):
        pack_linears(network)
        network.freeze()
    networks = (talker, predictor, codec, *(encoders.networks if encoders else ()))
    for network in networks:
        network.requires_grad_(requires_grad=False)
    prompter = TtsPrompter(config, tokenizer, talker, predictor, device)
    return TtsModel(config, talker, predictor, codec, encoders, prompter)


@torch.no_grad()
def load_codec(checkpoint: Checkpoint, config: TtsConfig, numbers: TtsNumerics) -> CodecDecoder:
    """Load the codec's decoder alone.

    Raises:
        CheckpointError: a file, a field or a tensor is missing or is not what it should be.
    """
    part = checkpoint.part(CODEC_FOLDER, CODEC_MODEL_TYPE)
    tensors = part.reader(numbers.codec_dtype or numbers.dtype, numbers.device)
    with _told_by(part):
        _check_codec(part.config, config)
        shape = CodecDecoderShape.from_config(part.config["decoder_config"])
    return CodecDecoder(tensors, shape).requires_grad_(requires_grad=False)


def _encoders(checkpoint: Checkpoint, config: TtsConfig, numbers: TtsNumerics) -> VoiceEncoders:
    part = checkpoint.part(CODEC_FOLDER, CODEC_MODEL_TYPE)
    with _told_by(part):
        speaker = SpeakerShape.from_config(checkpoint.config["speaker_encoder_config"])
        shape = CodecEncoderShape.from_config(part.config["encoder_config"], config.codebooks)
    return VoiceEncoders(
        CodecEncoder(part.reader(numbers.dtype, numbers.device), shape),
        SpeakerEncoder(checkpoint.reader(numbers.dtype, numbers.device), speaker),
    )


@contextmanager
def _told_by(checkpoint: Checkpoint) -> Generator[None]:
    """What is wrong with a configuration, as the checkpoint's error."""
    try:
        yield
    except KeyError as error:
        raise checkpoint.error(f"config.json lacks {error.args[0]}") from error
    except ValueError as error:
        raise checkpoint.error(str(error)) from error


def _stack(
    tensors: Tensors,
    prefix: str,
    shape: DecoderShape,
    positions: int,
    numbers: TtsNumerics,
) -> DecoderStack:
    with WithoutInitialValues():
        stack = DecoderStack(shape, positions).to(device=numbers.device, dtype=numbers.dtype)
    stack.load(tensors, prefix)
    quantise = quantiser(numbers.quantize, numbers.dtype, numbers.device)
    if quantise is not None:
        replace_linears(stack, quantise)
    return stack


def _check_codec(codec: Mapping[str, Any], config: TtsConfig) -> None:
    for key in ("input_sample_rate", "output_sample_rate"):
        if codec.get(key, SAMPLE_RATE_HZ) != SAMPLE_RATE_HZ:
            raise ValueError(f"{key} is {codec[key]}; only {SAMPLE_RATE_HZ} is implemented")
    found = codec["decoder_config"].get("num_quantizers", config.codebooks)
    if found != config.codebooks:
        raise ValueError(
            f"the codec has {found} codebooks, but the talker speaks {config.codebooks}"
        )
