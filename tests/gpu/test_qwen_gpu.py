"""What the Qwen engine does on a GPU only."""

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from speech_service.domain.audio import Samples
from speech_service.domain.work import RecognizeWork
from speech_service.engines.qwen3.asr.options import Qwen3AsrOptions, build
from speech_service.engines.qwen3.export import export_encoder
from speech_service.engines.qwen3.nn.attention import (
    TokenSpan,
    flash_attention,
    gathered_attention,
)
from speech_service.engines.qwen3.nn.captured import PassSize, pass_table, table_rows
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.qwen3.nn.quantize import quantiser
from speech_service.engines.shared import SharedModels
from tests.qwen_tiny.folder import TinyModels
from tests.unit.engines.qwen3.asr.engines import clips, greedy, limit, make_work, run, tokens_of
from tests.unit.engines.qwen3.test_block import SHAPE

ANSWER_TOKENS = 24


@pytest.fixture
def target(tiny_models: TinyModels) -> Path:
    """Give the recognizer's folder."""
    return tiny_models.asr_target()


@pytest.fixture
def draft(tiny_models: TinyModels) -> Path:
    """Give the draft's folder."""
    return tiny_models.asr_draft()


def tokens(model: Path, sounds: Sequence[Samples], **options: Any) -> list[tuple[int, ...]]:
    """Recognize on the GPU, in one batch, with answers that are cut at a number of tokens."""
    values: dict[str, Any] = {"max_batch": 4, "max_audio_ms": 30_000, **options}
    chosen = Qwen3AsrOptions(str(model), device="cuda", dtype="float32", **values)
    engine: Any = build(chosen, SharedModels())
    limit(engine._engine, ANSWER_TOKENS)
    works: list[RecognizeWork] = [make_work(samples) for samples in sounds]
    events = run(engine, works)
    return [tokens_of(events[work.work_id]) for work in works]


def expected(model: Path, sounds: Sequence[Samples]) -> list[tuple[int, ...]]:
    """Recognize one by one on the CPU."""
    return greedy(model, [make_work(samples) for samples in sounds], ANSWER_TOKENS)


@pytest.mark.parametrize("decoding", ["greedy", "previous", "draft", "previous+draft"])
@pytest.mark.parametrize("graphs", [False, True])
def test_tokens_are_those_of_the_cpu(
    target: Path, draft: Path, decoding: str, graphs: bool
) -> None:
    sounds = clips(9, seed=1)
    options: dict[str, Any] = {"draft": str(draft), "decoding": decoding, "graphs": graphs}
    assert tokens(target, sounds, **options) == expected(target, sounds)


def test_warming_up_and_a_kv_budget_work_with_graphs(target: Path) -> None:
    sounds = clips(5, seed=3, longest_s=1.0)
    options: dict[str, Any] = {"graphs": True, "kv_mib": 64, "warm_up_ms": (1000, 9000)}
    assert tokens(target, sounds, **options) == expected(target, sounds)


@pytest.mark.parametrize("method", ["int8", "int8-weights", "fp8"])
def test_eight_bits_are_within_a_few_per_cent(method: str) -> None:
    if method == "fp8" and torch.cuda.get_device_capability() < (8, 9):
        pytest.skip("this GPU does not multiply FP8")
    torch.manual_seed(0)
    layer = torch.nn.Linear(256, 512, bias=False).to("cuda", torch.bfloat16)
    quantise = quantiser(method, torch.bfloat16, "cuda")
    assert quantise is not None
    rough = quantise("layers.0.qkv", layer)
    for rows in (1, 16, 17, 100):
        x = torch.randn(rows, 256, device="cuda", dtype=torch.bfloat16)
        exact = x.float() @ layer.weight.detach().float().T
        error = (rough(x).float() - exact).norm() / exact.norm()
        assert float(error) < (0.06 if method == "fp8" else 0.02)


def test_the_encoder_on_onnx_runtime_gives_the_same_tokens(target: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has no CUDA provider")
    export_encoder(str(target), "", tmp_path / "encoder.onnx")
    sounds = clips(5, seed=4)
    options: dict[str, Any] = {"encoder": "onnx", "encoder_file": str(tmp_path / "encoder.onnx")}
    assert tokens(target, sounds, **options) == expected(target, sounds)


def test_the_encoder_on_tensorrt_gives_the_same_tokens_and_its_engine_is_kept(
    target: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt")
    export_encoder(str(target), "", tmp_path / "encoder.onnx", "float32")
    sounds = clips(5, seed=5)
    options: dict[str, Any] = {
        "encoder": "tensorrt",
        "encoder_file": str(tmp_path / "encoder.onnx"),
    }
    assert tokens(target, sounds, **options) == expected(target, sounds)
    (kept,) = tmp_path.glob("*.engine")
    written = kept.stat().st_mtime_ns
    assert tokens(target, sounds, **options) == expected(target, sounds)
    assert kept.stat().st_mtime_ns == written


def test_a_model_that_is_dropped_frees_its_memory(target: Path) -> None:
    tokens(target, clips(1, seed=6))
    before = allocated_bytes()
    tokens(target, clips(2, seed=6), graphs=True)
    assert allocated_bytes() <= before


def allocated_bytes() -> int:
    """Count what tensors have; cuBLAS keeps a workspace for each stream that somebody has used, which is no leak."""
    gc.collect()
    vars(torch._C)["_cuda_clearCublasWorkspaces"]()
    return torch.cuda.memory_allocated()


@pytest.mark.parametrize("counts", [(1, 1, 1), (5, 1, 30)], ids=["single tokens", "all kinds"])
def test_one_call_of_attention_gives_what_the_reference_gives(counts: tuple[int, ...]) -> None:
    """Rows in slots of any order, behind tokens that the slots hold, in a shape that is not full."""
    torch.manual_seed(0)
    cache = KvCache(SHAPE, 4, 64, torch.bfloat16, "cuda")
    for side in (cache.keys, cache.values):
        side.normal_()
    spans = [TokenSpan(slot, 7 * slot, n) for slot, n in zip((3, 0, 2), counts, strict=True)]
    size = PassSize(48, 6)
    table = torch.tensor(pass_table(cache, spans, size), dtype=torch.int32, device="cuda")
    rows = table_rows(table, size, max(counts), cache.length)
    query = torch.randn(size.tokens, SHAPE.heads, SHAPE.head_dim).to("cuda", torch.bfloat16)
    keys, values = cache.places[0]
    used = sum(counts)
    found = flash_attention(query, keys, values, rows)[:used]
    expected = gathered_attention(query, keys, values, rows)[:used]
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)
