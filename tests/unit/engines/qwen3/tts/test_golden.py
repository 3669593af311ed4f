"""Prompts and greedy codes equal those that the official package gave for the same checkpoints."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from speech_service.engines.qwen3.tts.generator import Ended, FrameGenerator
from speech_service.engines.qwen3.tts.model import TtsModel
from speech_service.engines.qwen3.tts.prompt import Reference, TtsPrompt, Utterance
from speech_service.engines.qwen3.tts.sampling_rules import Sampling
from tests.qwen_tiny.audio import speech_like
from tests.qwen_tiny.golden import Golden, read_golden
from tests.unit.engines.qwen3.tts.speaking import POSITIONS, Loaded

TOLERANCE = 1e-5
MODELS = ("custom_voice-1b7", "custom_voice-0b6", "voice_design-1b7", "base-1b7", "base-0b6")


@cache
def golden() -> Golden:
    return read_golden("tts")


def cases_of(model: str) -> list[dict[str, Any]]:
    cases = [case for case in golden().cases if case["model"] == f"tts-{model}"]
    assert cases, model
    return cases


def model_of(loaded: Loaded, name: str) -> TtsModel:
    kind, size = name.split("-")
    return loaded(kind, size)  # pyright: ignore[reportArgumentType] - one of the names above


@torch.inference_mode()
def prompt_of(model: TtsModel, case: Mapping[str, Any]) -> TtsPrompt:
    language = case["language"].lower()
    utterance = Utterance(
        text=case["text"],
        language="" if language == "auto" else language,
        speaker=(case["speaker"] or "").lower(),
        instruct=case["instruct"] or "",
        reference=reference_of(model, case["reference"]),
        whole_text=case["whole_text"],
    )
    return model.prompter.prompt(utterance)


def reference_of(model: TtsModel, described: Mapping[str, Any] | None) -> Reference | None:
    if described is None:
        return None
    assert model.encoders is not None
    audio = speech_like(described["seed"], described["duration_s"], 24_000)
    samples = torch.from_numpy(audio)
    codes = model.encoders.codec(samples) if described["text"] else None
    return Reference(model.encoders.speaker(samples), codes, described["text"] or "")


def recorded(case: Mapping[str, Any], name: str) -> NDArray[Any]:
    return golden().arrays[f"{case['name']}/{name}"]


@pytest.mark.parametrize("name", MODELS)
def test_prompts(loaded: Loaded, name: str) -> None:
    model = model_of(loaded, name)
    for case in cases_of(name):
        prompt = prompt_of(model, case)
        expected = recorded(case, "prompt")
        assert prompt.prefill.shape == expected.shape, case["name"]
        assert np.abs(prompt.prefill.numpy() - expected).max() <= TOLERANCE, case["name"]
        trailing = recorded(case, "trailing")
        padded = torch.cat([prompt.following, model.prompter.pad])[: len(trailing)].numpy()
        assert len(prompt.following) in (len(trailing), len(trailing) - 1), case["name"]
        assert np.abs(padded - trailing).max() <= TOLERANCE, case["name"]


@torch.inference_mode()
@pytest.mark.parametrize("name", MODELS)
def test_greedy_codes(loaded: Loaded, name: str) -> None:
    """All cases of a model speak in one batch, and leave it at different times."""
    model, cases = model_of(loaded, name), cases_of(name)
    generator = FrameGenerator(model, len(cases), POSITIONS)
    spoken: dict[int, list[list[int]]] = {}
    waiting: dict[int, dict[str, Any]] = {}
    for case in cases:
        rules = Sampling(
            0.0, predictor_temperature=0.0, repetition_penalty=case["repetition_penalty"]
        )
        slot = generator.open(prompt_of(model, case), rules)
        waiting[slot], spoken[slot] = case, []
    while waiting:
        for slot, outcome in generator.step().items():
            case = waiting[slot]
            if not isinstance(outcome, Ended):
                spoken[slot].append(outcome.tolist())
            if isinstance(outcome, Ended) or len(spoken[slot]) == case["max_new_tokens"] - 1:
                assert spoken[slot] == recorded(case, "codes").tolist(), case["name"]
                generator.close(slot)
                del waiting[slot]


def test_there_is_enough_to_compare() -> None:
    lengths = [len(recorded(case, "codes")) for case in golden().cases]
    assert len(lengths) >= 25
    assert sum(length >= 30 for length in lengths) >= 20
    assert max(lengths) > 100
    assert min(lengths) < 30, "none ends by itself"
