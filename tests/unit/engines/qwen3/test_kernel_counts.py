"""How many kernels the passes of released sizes launch on a GPU, and what they read and write; ``pytest -s`` prints it.

Bytes are held to the least that such a pass must move, and to the cost model of the design (an H200's, bfloat16), which
gives gigabytes by rows.
"""

import pytest
import torch
from torch import nn

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
MODEL_GB = {"ASR decode step": {1: 3.5, 64: 5.8}, "TTS frame": {1: 5.4, 64: 9.2}}
"""Of the cost model, where it counts sequences of ``HELD`` tokens."""
MOST_OF_LEAST = 1.6
"""What is moved / what must be: every weight once for each pass over it, keys and values once."""


def weight_bytes(*networks: nn.Module) -> int:
    """Memory of weights, tables of rotations left out."""
    found = [
        tensor.nbytes
        for network in networks
        for name, tensor in (*network.named_parameters(), *network.named_buffers())
        if not name.endswith(("cos", "sin"))
    ]
    return sum(found)


def check_bytes(name: str, quantize: str, rows: int, seen: Launches, least: int) -> None:
    """Hold a pass to what it must move beside its keys and values, ``least``, and to the cost model."""
    held = rows * HELD * DECODER.kv_floats_per_token * 2
    of_least = seen.total_bytes / (least + held)
    print(f"    {of_least:.2f} of the {(least + held) / 1e9:.2f} GB that must be moved")
    assert of_least <= MOST_OF_LEAST
    if quantize == "none" and rows in MODEL_GB[name]:
        assert seen.total_bytes / 1e9 <= MODEL_GB[name][rows] * 1.01


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
        seen = launches_of(f"ASR decode step, {quantize}", bodies, rows)
        check_bytes("ASR decode step", quantize, rows, seen, weight_bytes(model.stack, model.head))
        counts[quantize] = seen.total
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
        forward.begin([Feed(slot, states, (5,), 0) for slot in range(prompts)])
    print(f"\nASR prefill, {prompts} prompts of 145: {seen.total} kernels")
    assert seen.total <= 300


@torch.inference_mode()
@pytest.mark.parametrize("rows", [1, 64, 256, 512])
def test_a_frame_of_the_synthesizer(tiny_models: TinyModels, rows: int) -> None:
    counts: dict[str, int] = {}
    for quantize in ("none", "fp8", "int8"):
        bodies, model = Bodies(), synthesizer(tiny_models.tts("custom_voice", "1b7"), quantize)
        FrameGenerator(model, rows, LENGTH, bodies, Shapes(), as_one("draw", choose))
        seen = launches_of(f"TTS frame, {quantize}", bodies, rows)
        talker, predictor = model.talker, model.predictor
        least = weight_bytes(talker.stack, talker.head, predictor.heads)
        least += (model.config.codebooks - 1) * weight_bytes(predictor.stack)
        check_bytes("TTS frame", quantize, rows, seen, least)
        counts[quantize] = seen.total
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
