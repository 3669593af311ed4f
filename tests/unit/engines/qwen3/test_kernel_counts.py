"""How many kernels the passes of released sizes launch on a GPU. ``pytest -s`` prints them."""

import pytest
import torch

from speech_service.engines.qwen3.asr.forward import Feed, PackedForward
from speech_service.engines.qwen3.asr.slots import Sizes, SlotForward
from speech_service.engines.qwen3.codec.streams import CodecCapture, CodecStreams
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.qwen3.tts.generator import FrameGenerator
from speech_service.engines.qwen3.tts.sampling import choose
from tests.qwen_tiny.folder import TinyModels
from tests.unit.engines.qwen3.launches import META, Launches, as_one
from tests.unit.engines.qwen3.released import (
    DECODER,
    Bodies,
    Shapes,
    codec,
    recognizer,
    synthesizer,
)

LENGTH = 786
"""Tokens of a slot."""
HELD = 256
"""Tokens that a sequence holds."""


def launches_of(name: str, bodies: Bodies, rows: int) -> Launches:
    """Count one run of the body for so many rows, behind another that prepares what is prepared once."""
    body, given = bodies.taken[-1 if len(bodies.taken) == 1 else bodies.rows().index(rows)]
    body(*given)
    with Launches(HELD) as seen:
        body(*given)
    print(f"\n{name}, {rows} rows: {seen.total} kernels, {seen.total_bytes / 1e9:.2f} GB")
    print("   ", dict(seen.by_name.most_common(14)))
    return seen


@torch.inference_mode()
@pytest.mark.parametrize("rows", [1, 64, 256, 512])
def test_a_decode_step_of_the_recognizer(rows: int) -> None:
    counts: dict[str, int] = {}
    for quantize in ("none", "fp8", "int8"):
        bodies, model = Bodies(), recognizer(quantize)
        cache = KvCache(DECODER, rows, LENGTH, model.dtype, META)
        SlotForward(model, cache, Shapes(), bodies, Sizes((rows,), ()))
        counts[quantize] = launches_of(f"ASR decode step, {quantize}", bodies, rows).total
    assert counts["none"] <= 300
    assert max(counts.values()) <= counts["none"]


@torch.inference_mode()
@pytest.mark.parametrize("prompts", [1, 16])
def test_prompts_of_the_recognizer(prompts: int) -> None:
    model = recognizer()
    cache = KvCache(DECODER, 16, LENGTH, model.dtype, META)
    forward = PackedForward(model, cache, Shapes())
    states = torch.empty(144, DECODER.hidden_size, dtype=model.dtype, device=META)
    with Launches(HELD) as seen:
        forward.run([Feed(slot, states, (5,), 0) for slot in range(prompts)])
    print(f"\nASR prefill, {prompts} prompts of 145: {seen.total} kernels")
    assert seen.total <= 300


@torch.inference_mode()
@pytest.mark.parametrize("rows", [1, 64, 256, 512])
def test_a_frame_of_the_synthesizer(tiny_models: TinyModels, rows: int) -> None:
    counts: dict[str, int] = {}
    for quantize in ("none", "fp8", "int8"):
        bodies, model = Bodies(), synthesizer(tiny_models.tts("custom_voice", "1b7"), quantize)
        FrameGenerator(model, rows, LENGTH, bodies, Shapes(), as_one("draw", choose))
        counts[quantize] = launches_of(f"TTS frame, {quantize}", bodies, rows).total
    assert counts["none"] <= 1200
    assert max(counts.values()) <= counts["none"]


@torch.inference_mode()
@pytest.mark.parametrize(("rows", "frames"), [(1, 1), (1, 8), (64, 8)])
def test_a_pass_of_the_codec(rows: int, frames: int) -> None:
    """With the state of each stream fetched and put back; of a GPU's decoder, and of a CPU's as it was run on one."""
    counts: dict[bool, int] = {}
    for is_frozen in (True, False):
        bodies, decoder = Bodies(), codec(is_frozen=is_frozen)
        capture = CodecCapture(bodies, decoder.shape.codebooks, frames)
        CodecStreams(decoder, rows, Shapes(), capture)
        body, given = next(
            (body, given) for body, given in bodies.taken if given[0].shape[:2] == (rows, frames)
        )
        with Launches() as seen:
            body(*given)
        counts[is_frozen] = seen.total
        name = "with a GPU's kernels" if is_frozen else "as a CPU decodes"
        print(f"\ncodec {name}, {rows} rows of {frames} frames: {seen.total} kernels")
        print(f"    {seen.total_bytes / 1e9:.2f} GB", dict(seen.by_name.most_common(14)))
    assert counts[True] <= 260
    assert counts[False] > 500
