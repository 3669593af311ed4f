"""Qwen3-ASR by its official package, qwen-asr (Apache-2.0), on transformers: to compare with and to migrate from.

The package needs transformers 4.57.6 and runs on nothing newer, so it lives in an environment of its own. It encodes
clip by clip and keeps nothing between calls: a partial transcribes its segment from the start, and no draft is
verified. Without flash-attention 2 it attends over the whole clip where the model was trained on windows of 8 s, so
that longer segments may read differently from the service's own engine.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from speech_service.config.tree import ConfigError, Count, Settings
from speech_service.domain.audio import MODEL_RATE_HZ, Samples, ms_to_samples
from speech_service.domain.errors import InternalError, SpeechError, UnsupportedOptionError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    RecognizeWork,
    Work,
    WorkDone,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)
from speech_service.engines.audio_checks import checked
from speech_service.engines.official_qwen.package import load_official, timed
from speech_service.engines.qwen_release.recognition import NAMES, TAGS, VAD_GAIN_DB
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine

_MIN_SAMPLES = ms_to_samples(100)
"""The package fails on less than about 50 ms."""
_MAX_CLIP_MS = 1_200_000
"""Longer clips the package cuts itself."""


class OfficialAsrOptions(Settings, frozen=True):
    """Options of ``recognizer/qwen-asr``."""

    model: str = ""
    """Folder of a release, or its name on the model hub such as ``Qwen/Qwen3-ASR-0.6B``; required."""
    device: str = "cpu"
    """Where it runs, as torch names it: ``cpu``, ``cuda:0``."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of weights and computation."""
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    """Only ``flash_attention_2`` attends in windows, as the model was trained."""
    max_new_tokens: Count = 512
    """A transcript ends here at the latest."""
    context: str = ""
    """Background and hotwords of requests that bring none."""
    max_batch: Count = 8
    """Segments decoded together."""
    max_segment_ms: Count = 30_000
    """Milliseconds after which a segment is cut, unless `recognition.max_segment_ms` or the request says less."""


def describe(options: OfficialAsrOptions) -> ModelCapabilities:
    """What the release can do; nothing is loaded.

    Raises:
        ConfigError: an option is missing or out of range.
    """
    if not options.model:
        raise ConfigError("model: the folder or the hub's name of a Qwen3-ASR release is required")
    if options.max_batch < 1 or options.max_new_tokens < 1:
        raise ConfigError("max_batch and max_new_tokens must be positive")
    if not 1_000 <= options.max_segment_ms <= _MAX_CLIP_MS:
        raise ConfigError(f"max_segment_ms: must be within 1000 and {_MAX_CLIP_MS}")
    return ModelCapabilities(
        name="qwen-asr",
        kind=ModelKind.RECOGNIZER,
        languages=tuple(NAMES),
        sample_rate_hz=MODEL_RATE_HZ,
        max_segment_ms=options.max_segment_ms,
        vad_gain_db=VAD_GAIN_DB,
        capabilities=frozenset(
            {
                Capability.PARTIAL_RESULTS,
                Capability.PUNCTUATION,
                Capability.CONTEXT_TEXT,
                Capability.CONTEXT_TERMS,
                Capability.LANGUAGE_IDENTIFICATION,
            }
        ),
        licence="Apache-2.0",
        description=f"{Path(options.model).name} by the official package, on transformers",
        max_batch=options.max_batch,
    )


def build(options: OfficialAsrOptions, shared: SharedModels) -> Engine:
    """Load the model; lanes share it and take turns.

    Raises:
        ConfigError: an option is wrong, transformers is not 4.57, or the package cannot load the release.
        CheckpointError: the release is neither a folder nor on a hub that can be reached.
        ImportError: qwen-asr, or a package that it needs, is not installed.
    """
    capabilities = describe(options)

    def load() -> tuple[Any, threading.Lock]:
        settings = {
            "max_inference_batch_size": options.max_batch,
            "max_new_tokens": options.max_new_tokens,
        }
        model = load_official("qwen_asr", "Qwen3ASRModel", options, settings)
        return model, threading.Lock()

    model, turn = shared.get((__name__, options), load)
    return QwenAsrRecognizer(options, capabilities, model, turn)


class QwenAsrRecognizer:
    """Implements ``protocols.Engine``: a step transcribes all that was admitted, in one call of the package.

    ``turn`` keeps lanes apart that share ``model``: its tokenizer is not safe to use from two threads.
    """

    def __init__(
        self,
        options: OfficialAsrOptions,
        capabilities: ModelCapabilities,
        model: Any,
        turn: threading.Lock,
    ) -> None:
        self._options = options
        self._capabilities = capabilities
        self._model = model
        self._turn = turn
        self._items: dict[str, RecognizeWork] = {}

    @property
    def capabilities(self) -> ModelCapabilities:
        """What the release can do."""
        return self._capabilities

    def admit(self, work: Work) -> None:
        """Take work in; nothing is computed yet."""
        assert isinstance(work, RecognizeWork), "the scheduler sends a model its own kind of work"
        self._items[work.work_id] = work

    def step(self) -> Sequence[WorkEvent]:
        """Transcribe all admitted items. The call cannot be interrupted: an abort comes before it or after it."""
        works, self._items = list(self._items.values()), {}
        events: list[WorkEvent] = []
        sound: list[tuple[RecognizeWork, Samples]] = []
        for work in works:
            try:
                _check_language(work.language)
                sound.append((work, checked(work.samples, _MIN_SAMPLES)))
            except SpeechError as error:
                events.append(WorkFailed(work.work_id, error))
        return events + (self._transcribed(sound) if sound else [])

    def abort(self, work_id: str) -> None:
        """Forget the item."""
        self._items.pop(work_id, None)

    def _transcribed(self, items: Sequence[tuple[RecognizeWork, Samples]]) -> list[WorkEvent]:
        """The outcomes; a batch that fails is halved until the item that spoils it is alone."""
        answers, busy_ms = timed(lambda: self._call(items))
        if answers is not None:
            timing = WorkTiming(decode_ms=busy_ms, decode_steps=1)
            return [
                WorkDone(work.work_id, hypothesis, timing)
                for (work, _), hypothesis in zip(items, answers, strict=True)
            ]
        if len(items) == 1:
            return [WorkFailed(items[0][0].work_id, InternalError("internal error"))]
        half = len(items) // 2
        return self._transcribed(items[:half]) + self._transcribed(items[half:])

    def _call(self, items: Sequence[tuple[RecognizeWork, Samples]]) -> list[Hypothesis]:
        with self._turn:
            answers: Sequence[Any] = self._model.transcribe(
                audio=[(samples, MODEL_RATE_HZ) for _, samples in items],
                context=[work.context or self._options.context for work, _ in items],
                language=[NAMES.get(work.language) for work, _ in items],
            )
        return [
            Hypothesis(str(answer.text), language=_language(work, str(answer.language)))
            for (work, _), answer in zip(items, answers, strict=True)
        ]


def _check_language(language: str) -> None:
    if language and language not in NAMES:
        problem = f"{language[:35]!r} is no language of Qwen3-ASR"
        raise UnsupportedOptionError("language", problem, tuple(NAMES))


def _language(work: RecognizeWork, names: str) -> str:
    """The forced language, else the first that the model heard: it may name several of a long clip."""
    return work.language or TAGS.get(names.split(",")[0].casefold(), "")
