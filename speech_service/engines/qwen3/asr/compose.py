"""Puts the recognizer together from its options: one engine, or one for each of two tiers."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Mapping

import numpy as np
import torch
from msgspec import structs

from speech_service.config.tree import ConfigError
from speech_service.domain.audio import SAMPLES_PER_MS
from speech_service.domain.models import ModelCapabilities
from speech_service.engines.qwen3.asr import build
from speech_service.engines.qwen3.asr.build import AsrNumerics, Loaded
from speech_service.engines.qwen3.asr.device_features import DeviceMel
from speech_service.engines.qwen3.asr.engine import AsrEngine, AsrParts
from speech_service.engines.qwen3.asr.features import (
    EachAlone,
    FeatureMaker,
    MakeFeatures,
    PrefixFeatures,
)
from speech_service.engines.qwen3.asr.forward import Forward, PackedForward
from speech_service.engines.qwen3.asr.listening import silent_work
from speech_service.engines.qwen3.asr.model import AsrModel
from speech_service.engines.qwen3.asr.options import Qwen3AsrOptions
from speech_service.engines.qwen3.asr.proposing import (
    Combined,
    DraftModel,
    Nothing,
    PreviousPartial,
    Proposer,
)
from speech_service.engines.qwen3.asr.reading import SegmentReader
from speech_service.engines.qwen3.asr.running import AsrLimits
from speech_service.engines.qwen3.asr.slots import Sizes, SlotForward
from speech_service.engines.qwen3.asr.tiers import Tiers
from speech_service.engines.qwen3.asr_config import AsrConfig
from speech_service.engines.qwen3.checkpoint.reading import DTYPES
from speech_service.engines.qwen3.encoder.mel import HOP
from speech_service.engines.qwen3.nn.shapes import AudioShape
from speech_service.engines.qwen_release.hub import CheckpointError
from speech_service.engines.runtimes.choice import RuntimeChoice
from speech_service.engines.runtimes.cores import parse_cores
from speech_service.engines.runtimes.pacing import AtOnce, OneBehind
from speech_service.engines.runtimes.placement import PlacedEngine
from speech_service.engines.runtimes.torch import HOST, Device, open_device, watching_device
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine

_TAIL_TOKENS = 32
"""Room for what stands between the audio and the answer, and for what a draft runs ahead of it."""
_SPARE_TOKENS = 24
_LOOP_TOKENS = 24
_WINDOWS_PER_STEP = 16
_PREFILL_TOKENS = 2048
_DRAFT_AHEAD = 4
"""Tokens that the draft model decodes at a time."""
_DRAFT_MAX_BATCH = 16
"""With more sequences than this the draft model is not asked: it no longer pays."""
_STATES_PER_S = 13
_MARGIN_TOKENS = 512
"""Positions for the prompt's frame, a window that is not full, the spare tokens, and passes of fixed shape."""
_WARM_UP_STEPS = 4
_MIB = 1 << 20


def compose(
    options: Qwen3AsrOptions,
    capabilities: ModelCapabilities,
    shared: SharedModels,
    features: MakeFeatures | None = None,
) -> Engine:
    """Load what the options name and wire it up; ``features`` are those of a growing segment; None: the prefix
    policy's, made where the model is.

    Raises:
        ConfigError: this machine cannot do what an option asks for.
        CheckpointError: a checkpoint is missing, damaged, or of another kind.
        DeviceLostError: the device computes nothing any more.
    """
    cores = parse_cores(options.cores)
    device = open_device(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    with watching_device():
        target = _loaded(options, shared)
        draft = _loaded(_for_draft(options), shared) if options.draft else None
        with device.stream(), torch.inference_mode():
            engine = _Lane(options, capabilities, device, features, target, draft).engine()
            _warm_up(engine, options.warm_up_ms)
        device.synchronize()
    is_placed = cores or device is not HOST
    return PlacedEngine(engine, device, cores) if is_placed else engine


def _for_draft(options: Qwen3AsrOptions) -> Qwen3AsrOptions:
    return structs.replace(
        options, model=options.draft, revision="", encoder="torch", encoder_file=""
    )


def _loaded(options: Qwen3AsrOptions, shared: SharedModels) -> Loaded:
    source, revision = options.model, options.revision
    numbers = AsrNumerics(options.dtype, options.device, options.quantize, options.calibration)
    encoder = RuntimeChoice(options.encoder, options.encoder_file, options.threads)
    seconds = options.max_audio_ms / 1000
    positions = options.max_context_tokens + int(
        seconds * (_STATES_PER_S + 2 * options.tokens_per_s)
    )
    positions += _MARGIN_TOKENS
    key = (__name__, source, revision, numbers, encoder, positions)
    return shared.get(key, lambda: build.load(source, revision, numbers, positions, encoder))


def slot_tokens(options: Qwen3AsrOptions, config: AsrConfig) -> int:
    """Tokens of the KV cache that are reserved for each sequence."""
    return _limits(options, config).slot_tokens(config.audio.window_tokens, _TAIL_TOKENS)


def kv_bytes(options: Qwen3AsrOptions, config: AsrConfig) -> int:
    """Memory of the KV cache of one network, where ``kv_mib`` does not bound it."""
    numbers = config.decoder.kv_floats_per_token * slot_tokens(options, config)
    return _wanted_slots(options) * numbers * DTYPES[options.dtype].itemsize


def _wanted_slots(options: Qwen3AsrOptions) -> int:
    return options.max_batch + options.kept_segments


def _limits(options: Qwen3AsrOptions, config: AsrConfig) -> AsrLimits:
    return AsrLimits(
        max_running=options.max_batch,
        max_audio_ms=options.max_audio_ms,
        window_samples=config.audio.window_frames * HOP,
        windows_per_step=_WINDOWS_PER_STEP,
        prefill_tokens=_PREFILL_TOKENS,
        tokens_per_s=options.tokens_per_s,
        spare_tokens=_SPARE_TOKENS,
        max_proposed=int(options.max_audio_ms / 1000 * options.tokens_per_s) + _SPARE_TOKENS,
        loop_tokens=_LOOP_TOKENS,
        max_context_tokens=options.max_context_tokens,
    )


class _Lane:
    """Everything that one lane has of its own: encoders, caches, passes."""

    def __init__(
        self,
        options: Qwen3AsrOptions,
        capabilities: ModelCapabilities,
        device: Device,
        features: MakeFeatures | None,
        target: Loaded,
        draft: Loaded | None,
    ) -> None:
        self._options = options
        self._capabilities = capabilities
        self._device = device
        self._features = features
        self._target = target
        self._draft = draft
        self._capture = device.graphs() if options.graphs else None
        self._slots = self._fitting_slots()

    def engine(self) -> Engine:
        """One engine, or two tiers."""
        engine = self._engine(self._target, self._proposer())
        if self._options.partials == "target":
            return engine
        assert self._draft is not None, "the options were checked"
        partials = self._engine(self._draft, PreviousPartial())
        return Tiers(self._capabilities, finals=engine, partials=partials)

    def _engine(self, loaded: Loaded, proposer: Proposer) -> AsrEngine:
        reader, forward = self._parts(loaded)
        parts = AsrParts(
            reader=reader,
            forward=forward,
            proposer=proposer,
            tokenizer=loaded.tokenizer,
            ends=loaded.ends,
            limits=_limits(self._options, loaded.config),
            pace=AtOnce() if self._capture is None else OneBehind(),
        )
        return AsrEngine(self._capabilities, parts)

    def _parts(self, loaded: Loaded) -> tuple[SegmentReader, Forward]:
        """A reader with a cache of its own, and passes over that."""
        model = loaded.model(self._device, self._capture, self._most_windows(loaded.config.audio))
        model.stack.freeze()
        by_token = None if self._capture is None else True
        tokens = self._slot_tokens(loaded)
        features = self._maker(loaded.config.audio)
        reader = loaded.reader(model, features, self._slots, tokens, self._device, by_token)
        return reader, self._forward(model, reader)

    def _most_windows(self, shape: AudioShape) -> int:
        """That one step encodes: of as many of the longest requests as run together."""
        options = self._options
        frames = options.max_audio_ms * SAMPLES_PER_MS // HOP
        return options.max_batch * -(-frames // shape.window_frames)

    def _maker(self, shape: AudioShape) -> FeatureMaker:
        if self._features is None and self._device is not HOST:
            return DeviceMel(shape, self._device)
        make = self._features or PrefixFeatures
        return EachAlone(lambda: make(shape))

    def _forward(self, model: AsrModel, reader: SegmentReader) -> Forward:
        cache, device = reader.cache, self._device
        if self._capture is None:
            return PackedForward(model, cache, device)
        sizes = Sizes.fitting(cache, min(self._options.max_batch, cache.slots))
        return SlotForward(model, cache, device, self._capture, sizes)

    def _slot_tokens(self, loaded: Loaded) -> int:
        return slot_tokens(self._options, loaded.config)

    def _fitting_slots(self) -> int:
        """Slots of each cache: as many as may be of use, or as the KV budget holds.

        Raises:
            ConfigError: it does not hold one.
        """
        options = self._options
        wanted = _wanted_slots(options)
        if not options.kv_mib:
            return wanted
        caches = [self._target]
        if self._draft is not None:
            caches += [self._draft] * (
                ("draft" in options.decoding) + (options.partials == "draft")
            )
        size = sum(loaded.slot_bytes(self._slot_tokens(loaded)) for loaded in caches)
        found = options.kv_mib * _MIB // size
        if not found:
            raise ConfigError(
                f"kv_mib: {options.kv_mib} MiB hold no sequence; one takes {-(-size // _MIB)} MiB. "
                "Raise it, or lower max_audio_ms or max_context_tokens"
            )
        return min(wanted, found)

    def _proposer(self) -> Proposer:
        makers: Mapping[str, Callable[[], Proposer]] = {
            "greedy": Nothing,
            "previous": PreviousPartial,
            "draft": self._draft_model,
            "previous+draft": lambda: Combined([PreviousPartial(), self._draft_model()]),
        }
        return makers[self._options.decoding]()

    def _draft_model(self) -> DraftModel:
        options, draft = self._options, self._draft
        assert draft is not None, "the options were checked"
        if not draft.tokenizer.equals(self._target.tokenizer):
            raise CheckpointError(
                f"checkpoint {options.draft!r} has another tokenizer than {options.model!r}; "
                "a draft must have the same."
            )
        reader, forward = self._parts(draft)
        return DraftModel(reader, forward, _DRAFT_AHEAD, _DRAFT_MAX_BATCH)


def _warm_up(engine: Engine, lengths_ms: tuple[int, ...]) -> None:
    """Begin to recognize noise of several lengths, so that the first request finds memory and kernels ready."""
    random = np.random.default_rng(0)
    for length_ms in lengths_ms:
        noise = random.standard_normal(length_ms * SAMPLES_PER_MS) * 0.1
        work = silent_work(noise.astype(np.float32), "warm-up")
        engine.admit(work)
        for _ in range(_WARM_UP_STEPS):
            engine.step()
        engine.abort(work.work_id)
