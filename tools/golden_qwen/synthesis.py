"""Synthesis: prompt embeddings and greedy codes of qwen-tts, for every kind of model."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tests.qwen_tiny.audio import speech_like
from tests.qwen_tiny.folder import TinyModels
from tests.qwen_tiny.golden import Golden, audio_digest, unique_names
from tests.qwen_tiny.tts import Kind, Size
from tools.golden_qwen.official import load_synthesizer, provenance
from tools.golden_qwen.recognition import smallest_lead

FRAMES = 32
CODEC_HZ = 24_000
# A near tie of two codes would test the rounding of a machine; such a request gets another full stop.
SMALLEST_LEAD = 0.0001
LONG = {"max_new_tokens": 161}
GREEDY = {"do_sample": False, "subtalker_dosample": False, "max_new_tokens": FRAMES + 1}

ENGLISH = "Please read the numbers, one by one, in a clear voice."
COUNTING = "One, two, three birds sat on the bank of the river."
CHINESE = "今天的会议十点开始,请大家准时到。"
CALM = "Speak slowly, in a calm and low voice."
LIVELY = "用活泼的声音说"


@dataclass(frozen=True)
class Reference:
    """A voice to clone: 24 kHz audio, and its text unless only the speaker's embedding is used."""

    seed: int
    duration_s: float
    text: str | None


@dataclass(frozen=True)
class Speech:
    """One request; ``whole_text`` gives the talker all text before the first frame, else a token a frame."""

    name: str
    kind: Kind
    text: str
    language: str
    whole_text: bool = True
    size: Size = "1b7"
    speaker: str | None = None
    instruct: str | None = None
    reference: Reference | None = None
    extra: dict[str, Any] = field(default_factory=dict[str, Any])


def _custom(name: str, text: str, language: str, speaker: str, **options: Any) -> Speech:
    return Speech(name, "custom_voice", text, language, speaker=speaker, **options)


def _design(name: str, text: str, language: str, **options: Any) -> Speech:
    return Speech(name, "voice_design", text, language, **options)


def _clone(name: str, text: str, language: str, reference: Reference, **options: Any) -> Speech:
    return Speech(name, "base", text, language, reference=reference, **options)


IN_CONTEXT = Reference(9001, 4.1, "the children on the bank were counting the birds")
SHORT_IN_CONTEXT = Reference(9002, 1.2, "a reference whose text is longer than its sound, by far")
SPEAKER_ONLY = Reference(9003, 3.0, None)
SPEECHES = (
    _custom("custom-en", ENGLISH, "English", "ryan"),
    _custom("custom-en-instruct", ENGLISH, "English", "Aiden", instruct=CALM),
    _custom("custom-zh", CHINESE, "Chinese", "vivian"),
    _custom("custom-zh-instruct", CHINESE, "Chinese", "serena", instruct=LIVELY),
    _custom("custom-auto", CHINESE, "Auto", "uncle_fu"),
    _custom("custom-ja", "東京の天気は晴れです", "Japanese", "ono_anna"),
    _custom("custom-sichuan", CHINESE, "Chinese", "eric"),
    _custom("custom-beijing-auto", CHINESE, "Auto", "dylan"),
    _custom("custom-dialect-speaker-en", ENGLISH, "English", "eric"),
    _custom("custom-de", "Der Zug nach München fährt um zehn Uhr.", "German", "aiden"),
    _custom("custom-en-by-token", ENGLISH, "English", "ryan", whole_text=False),
    _custom("custom-short-by-token", "Hi", "English", "sohee", whole_text=False),
    _custom("custom-small-en", ENGLISH, "English", "ryan", size="0b6"),
    _custom("custom-no-penalty", ENGLISH, "English", "ryan", extra={"repetition_penalty": 1.0}),
    _custom("custom-long-en", ENGLISH * 2, "English", "vivian", whole_text=False, extra=LONG),
    _custom("custom-long-zh", CHINESE, "Chinese", "sohee", extra=LONG),
    _design("design-en", ENGLISH, "English", instruct=CALM),
    _design("design-zh", CHINESE, "Chinese", instruct=LIVELY),
    _design("design-auto", ENGLISH, "Auto", instruct=CALM),
    _design("design-empty", ENGLISH, "English", instruct=""),
    _design("design-en-by-token", ENGLISH, "English", instruct=CALM, whole_text=False),
    _clone("clone-en", COUNTING, "English", IN_CONTEXT, whole_text=False),
    _clone("clone-ends", ENGLISH, "English", IN_CONTEXT, whole_text=False),
    _clone("clone-zh", CHINESE, "Chinese", IN_CONTEXT, whole_text=False),
    _clone("clone-auto-whole", ENGLISH, "Auto", IN_CONTEXT),
    _clone("clone-short-reference", ENGLISH, "English", SHORT_IN_CONTEXT, whole_text=False),
    _clone("clone-speaker-en", ENGLISH, "English", SPEAKER_ONLY, whole_text=False),
    _clone("clone-speaker-zh-whole", CHINESE, "Chinese", SPEAKER_ONLY),
    _clone("clone-small-en", ENGLISH, "English", IN_CONTEXT, whole_text=False, size="0b6"),
)


def record(models: TinyModels) -> Golden:
    """Ask the package about every request."""
    cases: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    folders = {f"{item.kind}-{item.size}": models.tts(item.kind, item.size) for item in SPEECHES}
    packages = {name: load_synthesizer(folder) for name, folder in folders.items()}
    for speech in SPEECHES:
        case, states = _clear_answer(packages[f"{speech.kind}-{speech.size}"], speech)
        cases.append(case)
        arrays |= states
    unique_names(cases)
    checkpoints = provenance({f"tts-{name}": folder for name, folder in folders.items()})
    return Golden({**checkpoints, "cases": cases}, arrays)


class Watch:
    """Notes what passes between the parts of the package during one request."""

    def __init__(self, package: Any) -> None:
        self._package = package
        self._model = package.model
        self._generate, self._talk = self._model.generate, self._model.talker.generate
        self.codes = torch.empty(0)
        self.prompt = torch.empty(0)
        self.trailing = torch.empty(0)
        self.lead = float("inf")

    def __enter__(self) -> "Watch":
        self._model.generate, self._model.talker.generate = self._whole, self._talker
        heads = self._model.talker.code_predictor.lm_head
        self._hooks = [head.register_forward_hook(self._predicted) for head in heads]
        return self

    def __exit__(self, *_: object) -> None:
        self._model.generate, self._model.talker.generate = self._generate, self._talk
        for hook in self._hooks:
            hook.remove()

    def _whole(self, **options: Any) -> Any:
        answer = self._generate(**options)
        self.codes = answer[0][0]
        return answer

    def _talker(self, **options: Any) -> Any:
        self.prompt = options["inputs_embeds"][0]
        self.trailing = options["trailing_text_hidden"][0]
        answer = self._talk(**options, output_scores=True)
        self._note(list(answer.scores))
        return answer

    def _predicted(self, _head: Any, _inputs: Any, logits: torch.Tensor) -> None:
        self._note([logits[0, -1:]])

    def _note(self, logits: list[torch.Tensor]) -> None:
        self.lead = min(self.lead, smallest_lead([step[0] for step in logits]))


def _clear_answer(package: Any, speech: Speech) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    while True:
        case, states = _answer(package, speech)
        if case["smallest_lead"] >= SMALLEST_LEAD:
            return case, states
        speech = replace(speech, text=f"{speech.text}.")


def _answer(package: Any, speech: Speech) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    with Watch(package) as watch:
        _ask(package, speech)
    reference = speech.reference
    case = {
        "name": speech.name,
        "model": f"tts-{speech.kind}-{speech.size}",
        "text": speech.text,
        "language": speech.language,
        "whole_text": speech.whole_text,
        "speaker": speech.speaker,
        "instruct": speech.instruct,
        "reference": reference and _described(reference),
        "repetition_penalty": speech.extra.get("repetition_penalty", 1.05),
        "max_new_tokens": (GREEDY | speech.extra)["max_new_tokens"],
        "smallest_lead": watch.lead,
    }
    return case, {
        f"{speech.name}/prompt": _array(watch.prompt),
        f"{speech.name}/trailing": _array(watch.trailing),
        f"{speech.name}/codes": watch.codes.numpy().astype(np.int16),
    }


def _described(reference: Reference) -> dict[str, Any]:
    audio = speech_like(reference.seed, reference.duration_s, CODEC_HZ)
    return {
        "seed": reference.seed,
        "duration_s": reference.duration_s,
        "sha256": audio_digest(audio),
        "text": reference.text,
    }


def _array(states: torch.Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(states.detach().numpy())


def _ask(package: Any, speech: Speech) -> None:
    options: dict[str, Any] = {
        "text": speech.text,
        "language": speech.language,
        "non_streaming_mode": speech.whole_text,
        **(GREEDY | speech.extra),
    }
    if speech.reference is not None:
        reference = speech.reference
        audio = speech_like(reference.seed, reference.duration_s, CODEC_HZ)
        package.generate_voice_clone(
            **options,
            ref_audio=(audio, CODEC_HZ),
            ref_text=reference.text,
            x_vector_only_mode=reference.text is None,
        )
    elif speech.kind == "custom_voice":
        package.generate_custom_voice(**options, speaker=speech.speaker, instruct=speech.instruct)
    else:
        package.generate_voice_design(**options, instruct=speech.instruct)
