"""Puts a recognizer together from its checkpoints and options."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from speech_service.engines.qwen3.asr.features import EachAlone, FeatureMaker, PrefixFeatures
from speech_service.engines.qwen3.asr.listening import MOST_RECORDINGS, SLOT_TOKENS, listen
from speech_service.engines.qwen3.asr.model import AsrModel
from speech_service.engines.qwen3.asr.prompt import AsrPrompter
from speech_service.engines.qwen3.asr.reading import SegmentReader
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
from speech_service.engines.qwen3.encoder.sources import SOURCES, OpenEncoder
from speech_service.engines.qwen3.nn.block import DecoderStack
from speech_service.engines.qwen3.nn.loading import WithoutInitialValues, linear_layer
from speech_service.engines.qwen3.nn.packing import pack_linears
from speech_service.engines.qwen3.nn.quantize import InputRecorder, quantiser, replace_linears
from speech_service.engines.qwen3.tokenizer import QwenTokenizer
from speech_service.engines.recordings import read_recordings
from speech_service.engines.runtimes.choice import RuntimeChoice
from speech_service.engines.runtimes.torch import HOST, Capture, Device, open_device

END_TOKENS = ("<|im_end|>", "<|endoftext|>")
TORCH_ENCODER = RuntimeChoice()


@dataclass(frozen=True, slots=True)
class Loaded:
    """One network with what belongs to it. Lanes share it."""

    config: AsrConfig
    tokenizer: QwenTokenizer
    open_encoder: OpenEncoder
    embedding: Tensor
    decoder: nn.ModuleDict
    """``stack`` and ``head``: all linear layers that may be quantised."""

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return frozenset(self.tokenizer.token(name) for name in END_TOKENS)

    def model(
        self, device: Device = HOST, capture: Capture | None = None, windows: int | None = None
    ) -> AsrModel:
        """One lane's network, over the shared weights. ``windows``: as of :data:`OpenEncoder`."""
        encoder = self.open_encoder(device, capture, windows)
        stack, head = self.decoder["stack"], self.decoder["head"]
        assert isinstance(stack, DecoderStack)
        return AsrModel(encoder, self.embedding, stack, head)

    def reader(
        self,
        model: AsrModel,
        features: FeatureMaker,
        slots: int,
        slot_tokens: int,
        device: Device = HOST,
        by_token: bool | None = None,
    ) -> SegmentReader:
        """A reader with a cache of its own."""
        cache = model.new_cache(slots, slot_tokens, by_token)
        return SegmentReader(model, cache, AsrPrompter(self.tokenizer), features, device)

    def slot_bytes(self, slot_tokens: int) -> int:
        """Memory of one sequence: its slot."""
        floats = self.config.decoder.kv_floats_per_token * slot_tokens
        return floats * self.embedding.element_size()


@dataclass(frozen=True, slots=True)
class AsrNumerics:
    """What a network computes in, and where."""

    dtype: str
    device: str
    quantize: str
    calibration: str = ""
    """Recordings, file or folder, that show which activations are large; empty: no smoothing."""
    packs: bool = True
    """Large layers are packed for the CPU, after which their weights cannot be read."""


def load(
    source: str,
    revision: str,
    numbers: AsrNumerics,
    max_positions: int,
    encoder: RuntimeChoice = TORCH_ENCODER,
) -> Loaded:
    """Read a recognizer's checkpoint into memory.

    Raises:
        ConfigError: this machine cannot compute in such numbers, or the encoder's runtime does not work.
        CheckpointError: the checkpoint is missing, damaged, or of another kind.
    """
    device, dtype = open_device(numbers.device), DTYPES[numbers.dtype]
    quantiser(
        numbers.quantize, dtype, numbers.device
    )  # what cannot work fails before weights are read
    checkpoint, config = open_recognizer(source, revision)
    tokenizer = QwenTokenizer(checkpoint.files)
    tokenizer.token("<|audio_pad|>", config.audio_token_id)
    source_of = SOURCES[encoder.runtime]
    open_encoder = source_of(read_encoder(checkpoint, config), encoder, device, dtype)
    decoder, embedding = _decoder(checkpoint, config, numbers, max_positions)
    loaded = Loaded(config, tokenizer, open_encoder, embedding, decoder)
    peaks = _peaks(loaded, device, numbers.calibration) if numbers.calibration else {}
    quantise = quantiser(numbers.quantize, dtype, numbers.device, peaks)
    if quantise is not None:
        replace_linears(decoder, quantise)
    if numbers.packs:
        pack_linears(decoder)
    device.synchronize()
    return loaded


def open_recognizer(source: str, revision: str) -> tuple[Checkpoint, AsrConfig]:
    """A recognizer's checkpoint; its weights are not read.

    Raises:
        CheckpointError: it is missing, damaged, or of another kind.
    """
    checkpoint = open_checkpoint(source, MODEL_TYPE, revision)
    config = read_asr_config(checkpoint)
    if config.classes:
        raise checkpoint.error("it is a forced aligner; a recognizer is needed here")
    return checkpoint, config


def read_encoder(checkpoint: Checkpoint, config: AsrConfig) -> AudioEncoder:
    """The audio encoder with its weights, float32 on the CPU."""
    with WithoutInitialValues():
        encoder = AudioEncoder(config.audio)
    encoder.load(checkpoint.reader(torch.float32), AUDIO_PREFIX)
    return encoder.requires_grad_(False).eval()


def _decoder(
    checkpoint: Checkpoint, config: AsrConfig, numbers: AsrNumerics, positions: int
) -> tuple[nn.ModuleDict, Tensor]:
    """Stack and head, and the embedding, which the head may share."""
    dtype, device = DTYPES[numbers.dtype], numbers.device
    tensors = checkpoint.reader(dtype, device)
    with torch.device(device), WithoutInitialValues():
        stack = DecoderStack(config.decoder, positions).to(dtype)
    stack.load(tensors, DECODER_PREFIX)
    embedding = tensors(EMBEDDING)
    head = linear_layer(embedding if config.tied_head else tensors(config.head))
    decoder = nn.ModuleDict({"stack": stack, "head": head})
    return decoder.requires_grad_(False).eval(), embedding


def record(loaded: Loaded, device: Device, places: list[Path], rows: int) -> InputRecorder:
    """Transcribe recordings and record what the decoder's linear layers are given.

    Args:
        loaded: not quantised.
        device: where it is.
        places: files or folders.
        rows: as for :class:`InputRecorder`.

    Raises:
        ConfigError: a recording cannot be read.
    """
    recordings = read_recordings(places, MOST_RECORDINGS)
    model = loaded.model(device)
    features = EachAlone(lambda: PrefixFeatures(loaded.config.audio))
    reader = loaded.reader(model, features, 1, SLOT_TOKENS, device)
    with InputRecorder(loaded.decoder, rows) as recorder:
        listen(model, reader, device, loaded.ends, recordings)
    return recorder


def _peaks(loaded: Loaded, device: Device, calibration: str) -> dict[str, Tensor]:
    return record(loaded, device, [Path(calibration)], rows=0).peaks
