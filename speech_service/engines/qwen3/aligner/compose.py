"""Builds the aligner's engine from its checkpoint. Lanes share the weights."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false

from dataclasses import dataclass

import torch

from speech_service.domain.models import ModelCapabilities
from speech_service.engines.qwen3.aligner.engine import AlignerEngine, AlignerParts
from speech_service.engines.qwen3.aligner.network import AlignerNetwork
from speech_service.engines.qwen3.aligner.options import Qwen3AlignerOptions
from speech_service.engines.qwen3.aligner.passages import TIMESTAMP, PassageMaker
from speech_service.engines.qwen3.aligner.rules import word_rules
from speech_service.engines.qwen3.asr_config import (
    AUDIO_PREFIX,
    DECODER_PREFIX,
    EMBEDDING,
    MODEL_TYPE,
    AsrConfig,
    read_asr_config,
)
from speech_service.engines.qwen3.checkpoint.reading import DTYPES, Checkpoint, open_checkpoint
from speech_service.engines.qwen3.encoder.network import AudioEncoder
from speech_service.engines.qwen3.encoder.torch import TorchEncoder
from speech_service.engines.qwen3.nn.block import DecoderStack
from speech_service.engines.qwen3.nn.loading import WithoutInitialValues
from speech_service.engines.qwen3.nn.packing import pack_linears
from speech_service.engines.qwen3.tokenizer import QwenTokenizer
from speech_service.engines.runtimes.placement import PlacedEngine
from speech_service.engines.runtimes.torch import HOST, open_device, watching_device
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine

_MAX_POSITIONS = 32_768
"""More than the audio of the longest piece and the text that may be in it need."""


def compose(
    options: Qwen3AlignerOptions, capabilities: ModelCapabilities, shared: SharedModels
) -> Engine:
    """Load the model, or take what another lane has loaded.

    Raises:
        CheckpointError: the checkpoint is missing, damaged, or no forced aligner.
        ConfigError: the device is not there.
        ImportError: the rules of a language need a package that is not installed.
        DeviceLostError: the device computes nothing any more.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    device = open_device(options.device)
    key = (__name__, options.model, options.revision, options.dtype, options.device)
    with watching_device():
        loaded = shared.get(key, lambda: _load(options, device.where))
        device.synchronize()
    rules = shared.get(
        (__name__, capabilities.languages), lambda: word_rules(capabilities.languages)
    )
    parts = AlignerParts(
        loaded.network,
        PassageMaker(loaded.network, loaded.tokenizer),
        rules,
        loaded.config.timestamp_ms,
        options.piece_ms,
    )
    engine = AlignerEngine(capabilities, parts)
    return engine if device is HOST else PlacedEngine(engine, device, frozenset())


@dataclass(frozen=True, slots=True)
class _LoadedAligner:
    """What lanes share."""

    config: AsrConfig
    tokenizer: QwenTokenizer
    network: AlignerNetwork


def _load(options: Qwen3AlignerOptions, device: torch.device) -> _LoadedAligner:
    checkpoint = open_checkpoint(options.model, MODEL_TYPE, options.revision)
    config = read_asr_config(checkpoint)
    if not config.classes:
        raise checkpoint.error("it is a recognizer; a forced aligner is needed here")
    tokenizer = QwenTokenizer(checkpoint.files)
    tokenizer.token("<|audio_pad|>", config.audio_token_id)
    timestamp_id = tokenizer.token(TIMESTAMP, config.timestamp_token_id)
    if tokenizer.size > config.decoder.vocab_size:
        raise checkpoint.error(
            f"the tokenizer has {tokenizer.size} tokens, the network {config.decoder.vocab_size}"
        )
    network = load_network(checkpoint, config, DTYPES[options.dtype], device, timestamp_id)
    return _LoadedAligner(config, tokenizer, network)


def load_network(
    checkpoint: Checkpoint,
    config: AsrConfig,
    dtype: torch.dtype,
    device: torch.device,
    timestamp_id: int,
) -> AlignerNetwork:
    """Read the weights."""
    reader = checkpoint.reader(dtype, str(device))
    with device, WithoutInitialValues():
        audio = AudioEncoder(config.audio).to(dtype)
        stack = DecoderStack(config.decoder, _MAX_POSITIONS).to(dtype)
    audio.load(reader, AUDIO_PREFIX)
    stack.load(reader, DECODER_PREFIX)
    for network in (audio, stack):
        pack_linears(network)
    stack.freeze()
    return AlignerNetwork(
        config.audio,
        TorchEncoder(audio.requires_grad_(False).eval()),
        reader(EMBEDDING),
        stack.requires_grad_(False).eval(),
        reader(config.head),
        timestamp_id,
    )
