"""Puts a synthesizer together from its options."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from speech_service.config.tree import ConfigError
from speech_service.domain.models import ModelCapabilities
from speech_service.engines.qwen3.checkpoint.reading import DTYPES, Checkpoint, open_checkpoint
from speech_service.engines.qwen3.codec.runtimes.sources import SOURCES, OpenCodec
from speech_service.engines.qwen3.codec.streams import CodecCapture, CodecStreams
from speech_service.engines.qwen3.tts.config import CODEC_FOLDER, FRAME_RATE_HZ
from speech_service.engines.qwen3.tts.engine import TtsEngine, TtsParts
from speech_service.engines.qwen3.tts.generator import FrameGenerator
from speech_service.engines.qwen3.tts.model import TtsModel, TtsNumerics, load_tts
from speech_service.engines.qwen3.tts.options import Qwen3TtsOptions
from speech_service.engines.qwen3.tts.reading import ScriptReader, TextLimits
from speech_service.engines.qwen3.tts.voices import VoiceStore
from speech_service.engines.qwen3.tts.warm_up import warm_up
from speech_service.engines.qwen_release.synthesis import CODEC_MODEL_TYPE, MODEL_TYPE, TtsKind
from speech_service.engines.runtimes.choice import RuntimeChoice
from speech_service.engines.runtimes.pacing import AtOnce, OneBehind
from speech_service.engines.runtimes.placement import PlacedEngine
from speech_service.engines.runtimes.torch import (
    HOST,
    Capture,
    Device,
    as_it_is,
    open_device,
    watching_device,
)
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine

_MIB = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class _LoadedTts:
    """What lanes share."""

    model: TtsModel
    codec: OpenCodec
    fingerprint: str


def compose(
    options: Qwen3TtsOptions, capabilities: ModelCapabilities, shared: SharedModels
) -> Engine:
    """Load what the options name and wire it up.

    Raises:
        ConfigError: this machine cannot do what an option asks for.
        CheckpointError: the checkpoint is missing, damaged, or of another kind.
        DeviceLostError: the device computes nothing any more.
    """
    if options.threads:
        torch.set_num_threads(options.threads)
    device = open_device(options.device)
    with watching_device():
        loaded = _shared(options, shared)
        device.synchronize()
        # What the lane reads and writes is made on its stream: nothing else orders one stream behind another.
        codec_device = device.beside()
        with device.stream(), torch.inference_mode():
            parts = _parts(options, loaded, device, codec_device)
        for each in (device, codec_device):
            each.synchronize()
    engine = TtsEngine(capabilities, parts)
    return engine if device is HOST else PlacedEngine(engine, device, frozenset())


def _shared(options: Qwen3TtsOptions, shared: SharedModels) -> _LoadedTts:
    choice = RuntimeChoice(options.codec, options.codec_file, options.threads)
    key = (
        __name__,
        options.model,
        options.revision,
        options.dtype,
        options.device,
        options.quantize,
        choice,
        _length(options),
    )
    return shared.get(key, lambda: _load(options, choice, _length(options)))


def _length(options: Qwen3TtsOptions) -> int:
    """Tokens and frames of a slot."""
    return options.max_prompt_tokens + _frames(options)


def _frames(options: Qwen3TtsOptions) -> int:
    return int(options.max_seconds * FRAME_RATE_HZ)


def _parts(
    options: Qwen3TtsOptions, loaded: _LoadedTts, device: Device, codec_device: Device
) -> TtsParts:
    """Caches, tables and passes of one lane, warmed up."""
    model, length = loaded.model, _length(options)
    streams = _streams(options, model, length)
    generator = FrameGenerator(model, streams, length, _capture(options, device), device)
    # One stream more: a cloned voice's recording is decoded while all others speak.
    captured = _codec_capture(options, model, codec_device)
    codec = CodecStreams(loaded.codec(), streams + 1, codec_device, captured)
    folder = Path(options.voices_folder).expanduser() if options.voices_folder else None
    voices = VoiceStore(model, codec, loaded.fingerprint, folder, options.max_voices)
    is_whole = model.config.kind is not TtsKind.BASE
    limits = TextLimits(_frames(options), length, is_whole)
    sampling = options.sampling(model.config.sampling)
    warm_up(model, generator, codec, sampling, options.warm_up_tokens, options.ramp)
    return TtsParts(
        reader=ScriptReader(model.config, model.prompter, voices, limits),
        generator=generator,
        codec=codec,
        sampling=sampling,
        ramp=options.ramp,
        pace=AtOnce() if _capture(options, device) is None else OneBehind(),
    )


def _streams(options: Qwen3TtsOptions, model: TtsModel, length: int) -> int:
    """As many as may be of use, or as the budget holds.

    Raises:
        ConfigError: it does not hold one.
    """
    if not options.kv_mib:
        return options.max_batch
    state = model.codec.state_size
    state *= model.codec.dtype.itemsize
    size = model.config.talker.kv_floats_per_token * length * model.dtype.itemsize + state
    found = (options.kv_mib * _MIB - 2 * state) // size
    if found < 1:
        raise ConfigError(
            f"kv_mib: {options.kv_mib} MiB hold no stream; one takes {-(-size // _MIB)} MiB. "
            "Raise it, or lower max_seconds or max_prompt_tokens"
        )
    return min(options.max_batch, found)


def _capture(options: Qwen3TtsOptions, device: Device) -> Capture | None:
    """A GPU wants fixed shapes, a CPU as few rows as there are."""
    if device.where.type != "cuda":
        return None
    return as_it_is if options.graphs is False else device.graphs()


def _codec_capture(
    options: Qwen3TtsOptions, model: TtsModel, device: Device
) -> CodecCapture | None:
    """The same for the codec; other runtimes than torch cannot be captured, and want no fixed shapes."""
    capture = _capture(options, device)
    if capture is None or options.codec != "torch":
        return None
    return CodecCapture(capture, model.config.codebooks, max(options.ramp))


def _load(options: Qwen3TtsOptions, choice: RuntimeChoice, positions: int) -> _LoadedTts:
    checkpoint = open_checkpoint(options.model, MODEL_TYPE, options.revision)
    dtype = DTYPES[options.dtype]
    # In 16 bits the codec's noise is nine times that of products in TF32, which are as fast.
    is_wide = choice.runtime != "torch" or options.device.startswith("cuda")
    codec_dtype = torch.float32 if is_wide else dtype
    numbers = TtsNumerics(dtype, options.device, options.quantize, codec_dtype)
    model = load_tts(checkpoint, positions=positions, numbers=numbers)
    codec = SOURCES[choice.runtime](model.codec, choice, model.device)
    fingerprint = _fingerprint(checkpoint, options.dtype) if options.voices_folder else ""
    return _LoadedTts(model, codec, fingerprint)


def _fingerprint(checkpoint: Checkpoint, dtype: str) -> str:
    """Names the weights that voices are made with."""
    codec = checkpoint.part(CODEC_FOLDER, CODEC_MODEL_TYPE)
    digests = sorted((*checkpoint.files.digests().items(), *codec.files.digests().items()))
    return hashlib.sha256(f"{dtype}:{digests}".encode()).hexdigest()
