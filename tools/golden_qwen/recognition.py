"""Recognition: prompts, spectrograms, encoder states and greedy tokens of qwen-asr."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tests.qwen_tiny.audio import speech_like
from tests.qwen_tiny.folder import TinyModels, vocabulary
from tests.qwen_tiny.golden import Golden, audio_digest, reduced, unique_names
from tools.golden_qwen.official import load_recognizer, provenance

CONTEXTS = ("", "numbers and names", "会议 模型", "Zug, München, zehn", "boat river bank " * 12)
LANGUAGES = (None, "English", None, "Chinese", "German", None, "Japanese", "Korean")
# Around every border: chunk (1 s), window (8 s), and lengths that are no whole number of frames.
DURATIONS_S = (
    *(0.3, 0.3072, 0.405, 0.5, 0.61, 0.75, 0.83, 0.9, 0.99, 0.9999),
    *(1.0, 1.005, 1.01, 1.08, 1.25, 1.5, 1.93, 2.0, 2.37, 2.5, 3.0, 3.21, 4.0, 4.37, 5.0, 5.55),
    *(6.4, 7.0, 7.5, 7.99, 8.0, 8.005, 8.01, 8.1, 8.5, 9.0, 9.96, 11.3, 12.0, 13.7, 15.0),
    *(15.99, 16.0, 16.2, 18.4, 20.0, 22.8, 24.0, 25.6, 30.0, 33.3, 40.0, 44.0, 51.2, 60.0),
)
# Kept without reduction; all others as a number for each row and some whole rows.
WHOLE_STATES_S = (0.3, 0.5, 1.0, 2.37, 8.5)
WHOLE_MEL_S = (0.3, 1.0, 2.37)
MAX_NEW_TOKENS = (48, 24, 64)
# A near tie of two tokens would test the rounding of a machine; such a clip gets another sound.
SMALLEST_LEAD = 0.003


@dataclass(frozen=True)
class Clip:
    """One request."""

    name: str
    seed: int
    duration_s: float
    context: str
    language: str | None
    max_new_tokens: int


def clips() -> list[Clip]:
    """Give all requests."""
    return [
        Clip(
            name=f"asr-{index:02}",
            seed=1000 + index,
            duration_s=duration,
            context=CONTEXTS[index % len(CONTEXTS)],
            language=LANGUAGES[index % len(LANGUAGES)],
            max_new_tokens=MAX_NEW_TOKENS[index % len(MAX_NEW_TOKENS)],
        )
        for index, duration in enumerate(DURATIONS_S)
    ]


def record(models: TinyModels) -> Golden:
    """Ask the package about every clip."""
    folder = models.asr_target()
    package = load_recognizer(folder)
    cases: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for clip in clips():
        case, states = _clear_answer(package, clip)
        cases.append(case)
        arrays |= states
    unique_names(cases)
    return Golden(
        {**provenance({"asr-target": folder}), "eos_ids": end_ids(), "cases": cases}, arrays
    )


def end_ids() -> list[int]:
    """Give the ids that end a text: the package's own default is the ids of the large vocabulary."""
    added = vocabulary().added
    return [added["<|im_end|>"], added["<|endoftext|>"]]


def transcribed(package: Any, audio: NDArray[np.float32], clip: Clip) -> tuple[str, str]:
    """Give language and text of the package's public call."""
    generate = package.model.generate
    package.max_new_tokens = clip.max_new_tokens
    package.model.generate = functools.partial(generate, eos_token_id=end_ids())
    try:
        answer = package.transcribe((audio, 16_000), context=clip.context, language=clip.language)[
            0
        ]
    finally:
        package.model.generate = generate
    return answer.language, answer.text


def _clear_answer(package: Any, clip: Clip) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    while True:
        case, states = _answer(package, clip)
        if case["smallest_lead"] >= SMALLEST_LEAD:
            return case, states
        clip = replace(clip, seed=clip.seed + 1000)


@torch.inference_mode()
def _answer(package: Any, clip: Clip) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    audio = speech_like(clip.seed, clip.duration_s)
    prompt = package._build_text_prompt(clip.context, clip.language)
    inputs = package.processor(text=[prompt], audio=[audio], return_tensors="pt", padding=True)
    frames = int(inputs["feature_attention_mask"].sum())
    mel = inputs["input_features"][0, :, :frames]
    tower = package.model.thinker.audio_tower
    states = tower(mel, feature_lens=torch.tensor([frames])).last_hidden_state
    prompt_ids = inputs["input_ids"][0].tolist()
    tokens, lead = greedy(package, inputs, clip.max_new_tokens)
    language, text = transcribed(package, audio, clip)
    case = {
        "name": clip.name,
        "audio": {"seed": clip.seed, "duration_s": clip.duration_s, "sha256": audio_digest(audio)},
        "context": clip.context,
        "language": clip.language,
        "max_new_tokens": clip.max_new_tokens,
        "mel_frames": frames,
        "audio_tokens": len(states),
        "prompt_ids": prompt_ids,
        "tokens": tokens,
        "smallest_lead": lead,
        "result": {"language": language, "text": text},
    }
    name = clip.name
    return case, {
        **_kept(f"{name}/encoder", states, whole=clip.duration_s in WHOLE_STATES_S),
        **_kept(f"{name}/mel", mel.T, whole=clip.duration_s in WHOLE_MEL_S),
    }


def _kept(name: str, states: torch.Tensor, *, whole: bool) -> dict[str, NDArray[Any]]:
    array = np.ascontiguousarray(states.numpy())
    return {name: array} if whole else reduced(name, array)


def greedy(package: Any, inputs: Any, max_new_tokens: int) -> tuple[list[int], float]:
    """Give the greedy tokens, the end included, and the smallest lead of a chosen logit over the next."""
    answer = package.model.generate(
        **inputs, max_new_tokens=max_new_tokens, eos_token_id=end_ids(), output_logits=True
    )
    tokens = answer.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    return tokens, smallest_lead([step[0] for step in answer.logits])


def smallest_lead(logits: Sequence[torch.Tensor]) -> float:
    """Give the smallest difference of the two largest logits."""
    return min(float(step.topk(2).values.diff().abs()) for step in logits)
