"""Streaming: qwen-asr's policy of re-reading all audio, with the last tokens of the text taken back."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch

from tests.qwen_tiny.audio import speech_like
from tests.qwen_tiny.folder import TinyModels
from tests.qwen_tiny.golden import Golden, audio_digest, unique_names
from tools.golden_qwen.official import load_recognizer, provenance
from tools.golden_qwen.recognition import SMALLEST_LEAD, end_ids, greedy

MAX_NEW_TOKENS = 24
PUSHED_SAMPLES = 1600


@dataclass(frozen=True)
class Stream:
    """One stream, and the settings of the policy."""

    name: str
    duration_s: float
    context: str = ""
    language: str | None = None
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


STREAMS = (
    Stream("forced", 9.96, language="English"),
    Stream("auto", 13.0, context="numbers and names"),
    Stream("short-chunks", 7.3, settings={"chunk_size_sec": 1.0, "unfixed_token_num": 3}),
    Stream("fixed-at-once", 6.0, language="Chinese", settings={"unfixed_chunk_num": 0}),
    Stream("shorter-than-a-chunk", 1.2, language="English"),
)


class GenerateServer:
    """Stands in for the vLLM engine, the only backend that the package streams with."""

    def __init__(self, package: Any) -> None:
        self._model = SimpleNamespace(model=package.model)
        self._processor = package.processor
        self.calls: list[dict[str, Any]] = []

    @torch.inference_mode()
    def generate(self, requests: list[dict[str, Any]], **_: Any) -> list[Any]:
        """Give the text that follows one prompt and its audio, and note the call."""
        (request,) = requests
        audio = request["multi_modal_data"]["audio"][0]
        inputs = self._processor(
            text=[request["prompt"]], audio=[audio], return_tensors="pt", padding=True
        )
        tokens, lead = greedy(self._model, inputs, MAX_NEW_TOKENS)
        text = self._processor.batch_decode([tokens], skip_special_tokens=True)[0]
        self.calls.append(
            {
                "audio_samples": len(audio),
                "prompt_ids": inputs["input_ids"][0].tolist(),
                "tokens": tokens,
                "smallest_lead": lead,
            }
        )
        return [SimpleNamespace(outputs=[SimpleNamespace(text=text)])]


def record(models: TinyModels) -> Golden:
    """Run every stream through the package's policy."""
    folder = models.asr_target()
    cases = [_clear_run(folder, index, stream) for index, stream in enumerate(STREAMS)]
    unique_names(cases)
    return Golden({**provenance({"asr-target": folder}), "eos_ids": end_ids(), "cases": cases}, {})


def _clear_run(folder: Any, index: int, stream: Stream) -> dict[str, Any]:
    seed = 7000 + index
    while True:
        case = _run(load_recognizer(folder), seed, stream)
        if min(call["smallest_lead"] for call in case["calls"]) >= SMALLEST_LEAD:
            return case
        seed += 1000


def _run(package: Any, seed: int, stream: Stream) -> dict[str, Any]:
    audio = speech_like(seed, stream.duration_s)
    server = GenerateServer(package)
    package.backend, package.model, package.sampling_params = "vllm", server, None
    state = package.init_streaming_state(
        context=stream.context, language=stream.language, **stream.settings
    )
    results: list[dict[str, str]] = []
    for start in range(0, len(audio), PUSHED_SAMPLES):
        package.streaming_transcribe(audio[start : start + PUSHED_SAMPLES], state)
        _note_result(server, state, results)
    package.finish_streaming_transcribe(state)
    _note_result(server, state, results)
    return {
        "name": stream.name,
        "audio": {"seed": seed, "duration_s": stream.duration_s, "sha256": audio_digest(audio)},
        "context": stream.context,
        "language": stream.language,
        "chunk_size_s": state.chunk_size_sec,
        "unfixed_chunks": state.unfixed_chunk_num,
        "unfixed_tokens": state.unfixed_token_num,
        "max_new_tokens": MAX_NEW_TOKENS,
        "calls": [call | result for call, result in zip(server.calls, results, strict=True)],
    }


def _note_result(server: GenerateServer, state: Any, results: list[dict[str, str]]) -> None:
    """Note what the state says after a call; a push is shorter than a chunk and makes one call at most."""
    if len(server.calls) > len(results):
        results.append(
            {"decoded": state._raw_decoded, "language": state.language, "text": state.text}
        )
