"""Qwen3-TTS by its official package, qwen-tts (Apache-2.0), on transformers: to compare with and to migrate from.

The package needs transformers 4.57 and runs on nothing newer, so it lives in an environment of its own. It gives no
audio before the last frame: a piece of text comes as one piece of audio, and an abort waits for it. A recording that
is cloned is encoded anew for each piece.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from speech_service.config.tree import ConfigError, Count, Settings
from speech_service.domain.audio import Samples
from speech_service.domain.errors import InternalError
from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.domain.synthesis import VOICE_PROMPT_RATE_HZ
from speech_service.domain.work import SpeechMade, SynthesizeWork, Work, WorkAudio
from speech_service.engines.official_qwen.package import load_official, timed
from speech_service.engines.qwen_release.files import read_files
from speech_service.engines.qwen_release.hub import locate
from speech_service.engines.qwen_release.requests import (
    LANGUAGES,
    SpeechRequest,
    checked,
)
from speech_service.engines.qwen_release.synthesis import Abilities, TtsKind, read_abilities
from speech_service.engines.qwen_release.voices import SAMPLE_RATE_HZ, qwen_voices
from speech_service.engines.shared import SharedModels
from speech_service.engines.speech_budget import finish_of, most_frames
from speech_service.engines.stepping import Piece, SteppingEngine
from speech_service.protocols import Engine

NAME = "qwen-tts"


class OfficialTtsOptions(Settings, frozen=True):
    """Options of ``synthesizer/qwen-tts``."""

    model: str = ""
    """Folder of a release, or its name on the model hub; required. CustomVoice, VoiceDesign or Base."""
    device: str = "cpu"
    """Where it runs, as torch names it: ``cpu``, ``cuda:0``."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of weights and computation."""
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    """How attention is computed; `flash_attention_2` needs a GPU and its package."""
    sampling: bool = True
    """False: the likeliest code each time."""
    max_new_tokens: Count = 2048
    """A piece ends here at the latest, a short one sooner; 12.5 are a second."""


def describe(options: OfficialTtsOptions) -> ModelCapabilities:
    """What the release can do, from its config.json; its weights are not read.

    Raises:
        ConfigError: an option is missing or out of range.
        CheckpointError: the release is missing, or another kind of model.
    """
    if not options.model:
        raise ConfigError("model: the folder or the hub's name of a Qwen3-TTS release is required")
    if options.max_new_tokens < 3:  # the package makes one frame less than this, and needs two
        raise ConfigError("max_new_tokens: must be above 2")
    abilities = _abilities(options)
    return ModelCapabilities(
        name=NAME,
        kind=ModelKind.SYNTHESIZER,
        languages=abilities.languages,
        sample_rate_hz=SAMPLE_RATE_HZ,
        max_segment_ms=60_000,
        capabilities=abilities.capabilities,
        voices=qwen_voices(NAME, abilities.voices, SAMPLE_RATE_HZ),
        licence="Apache-2.0",
        description=f"Qwen3-TTS ({abilities.kind.value}) by the official package, on transformers",
        max_batch=1,
    )


def build(options: OfficialTtsOptions, shared: SharedModels) -> Engine:
    """Load the model; lanes share it and take turns.

    Raises:
        ConfigError: an option is wrong, transformers is not 4.57, or the package cannot load the release.
        CheckpointError: as :func:`describe`.
        ImportError: qwen-tts, or a package that it needs, is not installed.
    """
    capabilities, abilities = describe(options), _abilities(options)

    def load() -> tuple[Any, threading.Lock]:
        return load_official("qwen_tts", "Qwen3TTSModel", options, {}), threading.Lock()

    model, turn = shared.get((__name__, options), load)

    def run(work: Work) -> Iterator[Piece]:
        assert isinstance(work, SynthesizeWork), "the scheduler sends a model its own kind of work"
        return _speak(work, abilities, options, model, turn)

    return SteppingEngine(capabilities, run)


def _abilities(options: OfficialTtsOptions) -> Abilities:
    abilities = read_abilities(read_files(options.model, locate(options.model)))
    return replace(
        abilities, languages=tuple(tag for tag in LANGUAGES if tag in abilities.languages)
    )


def _speak(
    work: SynthesizeWork,
    abilities: Abilities,
    options: OfficialTtsOptions,
    model: Any,
    turn: threading.Lock,
) -> Iterator[Piece]:
    request = checked(work, abilities)
    answer, _ = timed(lambda: _generated(request, abilities.kind, options, model, turn))
    if answer is None:
        raise InternalError("internal error")
    samples, sample_rate_hz = answer
    yield WorkAudio(work.work_id, samples, sample_rate_hz)
    limit = most_frames(request.text, options.max_new_tokens)
    yield SpeechMade(sample_rate_hz, finish=finish_of(len(samples), sample_rate_hz, limit))


def _generated(
    request: SpeechRequest,
    kind: TtsKind,
    options: OfficialTtsOptions,
    model: Any,
    turn: threading.Lock,
) -> tuple[Samples, int]:
    """float32 [n] and its rate. The package draws from torch's one generator, so nobody else may meanwhile."""
    import torch  # heavy; the package brings it

    devices = [] if options.device == "cpu" else [options.device]
    arguments = {
        "text": request.text,
        "language": request.language,
        "do_sample": options.sampling,
        "subtalker_dosample": options.sampling,
        "max_new_tokens": most_frames(request.text, options.max_new_tokens),
    }
    with turn, torch.random.fork_rng(devices):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(request.work.seed)  # pyright: ignore[reportUnknownMemberType]
        waves, sample_rate_hz = _call(request.work, kind, model, arguments)
    return np.clip(np.array(waves[0], np.float32), -1.0, 1.0), int(sample_rate_hz)


def _call(
    work: SynthesizeWork, kind: TtsKind, model: Any, arguments: Mapping[str, object]
) -> tuple[Any, Any]:
    match kind:
        case TtsKind.CUSTOM_VOICE:
            return model.generate_custom_voice(
                speaker=work.voice, instruct=work.instruct or None, **arguments
            )
        case TtsKind.VOICE_DESIGN:
            return model.generate_voice_design(instruct=work.instruct, **arguments)
        case TtsKind.BASE:
            prompt = work.voice_prompt
            assert prompt is not None, "checked before"
            return model.generate_voice_clone(
                ref_audio=(prompt.samples, VOICE_PROMPT_RATE_HZ),
                ref_text=prompt.transcript or None,
                x_vector_only_mode=not prompt.transcript,
                **arguments,
            )
