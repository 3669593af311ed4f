"""How many kernels the passes of released sizes launch on a GPU. ``pytest -s`` prints them."""

import pytest
import torch

from speech_service.engines.qwen3.asr.forward import Feed, PackedForward
from speech_service.engines.qwen3.asr.slots import Sizes, SlotForward
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.qwen3.tts.generator import FrameGenerator
from speech_service.engines.runtimes.torch import Body
from tests.qwen_tiny.folder import TinyModels
from tests.unit.engines.qwen3.launches import META, Launches
from tests.unit.engines.qwen3.released import DECODER, Bodies, Shapes, recognizer, synthesizer

LENGTH = 786
"""Tokens of a slot."""


def launches_of(name: str, body: Body, *given: torch.Tensor) -> Launches:
    """Count one run, behind another that prepares what is prepared once."""
    body(*given)
    with Launches() as seen:
        body(*given)
    print(f"\n{name}: {seen.total} kernels, {seen.total_bytes / 1e9:.2f} GB")
    print("   ", dict(seen.by_name.most_common(12)))
    return seen


@pytest.mark.parametrize(("rows", "most"), [(1, 630), (64, 660)])
def test_a_decode_step_of_the_recognizer(rows: int, most: int) -> None:
    bodies = Bodies()
    with torch.inference_mode():
        model = recognizer()
        cache = KvCache(DECODER, rows, LENGTH, model.dtype, META)
        SlotForward(model, cache, Shapes(), bodies, Sizes((rows,), ()))
        ((body, examples),) = bodies.taken
        assert launches_of(f"ASR decode step, {rows} rows", body, *examples).total <= most


@pytest.mark.parametrize(("prompts", "most"), [(1, 760), (16, 5000)])
def test_prompts_of_the_recognizer(prompts: int, most: int) -> None:
    with torch.inference_mode():
        model = recognizer()
        cache = KvCache(DECODER, 16, LENGTH, model.dtype, META)
        forward = PackedForward(model, cache, Shapes())
        states = torch.empty(144, DECODER.hidden_size, dtype=model.dtype, device=META)
        feeds = [Feed(slot, states, (5,), 0) for slot in range(prompts)]
        with Launches() as seen:
            forward.run(feeds)
    print(f"\nASR prefill, {prompts} prompts of 145: {seen.total} kernels")
    assert seen.total <= most


@pytest.mark.parametrize(("rows", "most"), [(1, 2800), (64, 2900)])
def test_a_frame_of_the_synthesizer(tiny_models: TinyModels, rows: int, most: int) -> None:
    bodies = Bodies()
    with torch.inference_mode():
        model = synthesizer(tiny_models.tts("custom_voice", "1b7"))
        FrameGenerator(model, rows, LENGTH, bodies, Shapes())
        body, examples = next((b, e) for b, e in bodies.taken if len(e) == 3 and len(e[0]) == rows)
        assert launches_of(f"TTS frame, {rows} rows", body, *examples).total <= most
