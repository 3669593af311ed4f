"""Options of the recognizer: each acts, or is refused when the configuration is read."""

import importlib.util
import os
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from speech_service.config.tree import ConfigError
from speech_service.engines.qwen3.asr import build
from speech_service.engines.qwen3.asr import options as qwen3
from speech_service.engines.qwen3.asr.build import AsrNumerics
from speech_service.engines.qwen3.asr.options import Qwen3AsrOptions
from speech_service.engines.qwen3.asr.quantization_report import report_quantization
from speech_service.engines.qwen3.export import export_encoder
from speech_service.engines.qwen3.nn.quantize import Int8Linear, linears
from speech_service.engines.runtimes.cores import parse_cores
from speech_service.engines.runtimes.placement import PlacedEngine
from speech_service.engines.runtimes.torch import HOST, open_device
from speech_service.engines.shared import SharedModels
from tests.unit.engines.qwen3.asr.engines import (
    clip,
    clips,
    greedy,
    make_engine,
    make_work,
    parts,
    run,
    tokens_of,
)

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "graphs on the CPU": ({"graphs": True}, 'graphs: .* need device = "cuda"'),
    "onnx without a file": ({"encoder": "onnx"}, "encoder_file: .* export-encoder"),
    "a file without onnx": ({"encoder_file": "e.onnx"}, 'encoder_file: encoder = "torch"'),
    "tensorrt on the CPU": (
        {"encoder": "tensorrt", "encoder_file": "e.onnx"},
        'encoder: "tensorrt" needs device = "cuda"',
    ),
    "calibration without int8": ({"calibration": "c"}, 'calibration: only quantize = "int8"'),
    "a negative budget": ({"kv_mib": -1}, "kv_mib"),
    "warming up with nothing": ({"warm_up_ms": (0,)}, "warm_up_ms: 0 is not"),
    "warming up with too much": ({"warm_up_ms": (60_001,)}, "warm_up_ms: 60001 is not"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_act_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Qwen3AsrOptions(model="m", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "onnx", "encoder_file": "none.onnx"}, "encoder_file: there is no 'none.onnx'"),
        ({"quantize": "int8", "calibration": "none"}, "calibration: there is no 'none'"),
        ({"cores": "99999"}, "cores: .* may not use"),
    ],
)
def test_what_is_not_there_stops_the_start(
    target: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        qwen3.describe(Qwen3AsrOptions(model=str(target), **options))


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="it is installed")
def test_tensorrt_that_is_not_installed_stops_the_start(target: Path) -> None:
    file = str(target / "config.json")
    options = Qwen3AsrOptions(str(target), device="cuda", encoder="tensorrt", encoder_file=file)
    with pytest.raises(ConfigError, match=r'encoder: "tensorrt" .* pip install tensorrt'):
        qwen3.describe(options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without a GPU")
@pytest.mark.parametrize("options", [{"device": "cuda"}, {"quantize": "fp8"}])
def test_what_this_machine_lacks_stops_the_load(target: Path, options: dict[str, Any]) -> None:
    chosen = Qwen3AsrOptions(model=str(target), **options)
    with pytest.raises(ConfigError, match=r"cannot be used here|needs an NVIDIA GPU"):
        qwen3.build(chosen, SharedModels())


def test_a_device_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="device: 'meta' is not supported"):
        open_device("meta")
    assert open_device("cpu") is HOST


def test_bfloat16_which_is_the_default_recognizes(target: Path) -> None:
    engine: Any = qwen3.build(Qwen3AsrOptions(str(target), max_context_tokens=64), SharedModels())
    work = make_work(clip(300, 0.6))
    assert tokens_of(run(engine, [work])[work.work_id])
    assert parts(engine).reader.cache.keys.dtype is torch.bfloat16


def test_an_exported_encoder_gives_the_same_tokens(
    target: Path, draft: Path, tmp_path: Path
) -> None:
    file = tmp_path / "encoder.onnx"
    assert export_encoder(str(target), "", file) > 10_000
    engine = make_engine(
        target, draft, decoding="draft", encoder="onnx", encoder_file=str(file), threads=1
    )
    works = [make_work(samples) for samples in clips(4, seed=310)]
    events = run(engine, works)
    assert [tokens_of(events[work.work_id]) for work in works] == greedy(target, works)


def test_an_encoder_of_no_checkpoint_or_to_no_folder_is_refused(
    target: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="--model: "):
        export_encoder(str(tmp_path), "", tmp_path / "encoder.onnx")
    with pytest.raises(ConfigError, match=r"--out: .* cannot be written"):
        export_encoder(str(target), "", tmp_path / "none" / "encoder.onnx")


def test_the_kv_budget_bounds_the_slots_of_every_cache(target: Path, draft: Path) -> None:
    wide = make_engine(target, draft, decoding="draft", max_batch=16, kept_segments=16)
    proposer: Any = parts(wide).proposer
    caches = [parts(wide).reader.cache, proposer._reader.cache]
    assert [cache.slots for cache in caches] == [32, 32]
    budget = sum(cache.nbytes for cache in caches) // 4 // (1 << 20)
    tight = make_engine(
        target, draft, decoding="draft", max_batch=16, kept_segments=16, kv_mib=budget
    )
    proposer = parts(tight).proposer
    caches = [parts(tight).reader.cache, proposer._reader.cache]
    assert caches[0].slots == caches[1].slots < 9
    assert budget * 0.7 < sum(cache.nbytes for cache in caches) / (1 << 20) <= budget
    works = [make_work(samples) for samples in clips(12, seed=320, longest_s=0.6)]
    events = run(tight, works)
    assert [tokens_of(events[work.work_id]) for work in works] == greedy(target, works)


def test_a_budget_for_no_sequence_is_refused(target: Path) -> None:
    with pytest.raises(ConfigError, match=r"kv_mib: 1 MiB hold no sequence; one takes \d+ MiB"):
        make_engine(target, kv_mib=1, max_audio_ms=600_000)


def test_warming_up_leaves_nothing_behind(target: Path) -> None:
    engine = make_engine(target, warm_up_ms=(300, 9000))
    reader = parts(engine).reader
    assert reader.cache.free_slots == reader.cache.slots
    assert bool((reader.cache.keys != 0).any())
    work = make_work(clip(330, 1.0))
    assert [tokens_of(run(engine, [work])[work.work_id])] == greedy(target, [work])


def test_the_longest_answer_grows_with_the_audio_at_the_rate_that_is_set(target: Path) -> None:
    for tokens_per_s in (4.0, 8.0):
        options: dict[str, Any] = {"max_context_tokens": 64, "tokens_per_s": tokens_per_s}
        engine: Any = qwen3.build(Qwen3AsrOptions(str(target), **options), SharedModels())
        one, ten = (parts(engine).limits.answer_tokens(seconds * 16_000) for seconds in (1, 10))
        assert ten - one == 9 * tokens_per_s


def test_segments_of_streams_are_no_longer_than_the_longest_audio(target: Path) -> None:
    limits = [
        qwen3.describe(Qwen3AsrOptions(str(target), max_audio_ms=longest)).max_segment_ms
        for longest in (10_000, 60_000)
    ]
    assert limits == [10_000, 30_000]


def test_cores_are_lists_or_nodes() -> None:
    mine = sorted(os.sched_getaffinity(0))
    assert parse_cores("") == frozenset()
    assert parse_cores(str(mine[0])) == {mine[0]}
    assert parse_cores(f"{mine[0]},{mine[-1]}-{mine[-1]}") == {mine[0], mine[-1]}
    for wrong in ("first", "1-", "node:", "0;1"):
        with pytest.raises(ConfigError, match="is neither a list"):
            parse_cores(wrong)
    with pytest.raises(ConfigError, match="may not use: 99999"):
        parse_cores("99999")
    with pytest.raises(ConfigError, match="no NUMA node 99999"):
        parse_cores("node:99999")


def test_the_thread_that_steps_is_bound_and_no_other(target: Path) -> None:
    import threading

    before = os.sched_getaffinity(0)
    core = min(before)
    options = Qwen3AsrOptions(str(target), dtype="float32", cores=str(core), max_context_tokens=64)
    engine: Any = qwen3.build(options, SharedModels())
    assert isinstance(engine, PlacedEngine)
    found: list[set[int]] = []

    def lane() -> None:
        work = make_work(clip(340, 0.5))
        run(engine, [work])  # pyright: ignore[reportArgumentType]
        found.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=lane)
    thread.start()
    thread.join()
    assert found == [{core}]
    assert os.sched_getaffinity(0) == before


def write_wav(file: Path, seed: int) -> None:
    """Write two seconds of sound at 8 kHz."""
    samples = (clip(seed, 2.0)[::2] * 32767).astype("<i2")
    with wave.open(str(file), "wb") as target:
        target.setparams((1, 2, 8000, len(samples), "NONE", ""))
        target.writeframes(samples.tobytes())


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of recordings."""
    folder = tmp_path_factory.mktemp("recordings")
    for seed in range(2):
        write_wav(folder / f"{seed}.wav", seed)
    return folder


def test_the_report_has_every_linear_layer_and_is_sane(target: Path, recordings: Path) -> None:
    numbers = AsrNumerics("float32", "cpu", "int8")
    layers = report_quantization(str(target), "", numbers, [recordings])
    loaded = build.load(str(target), "", AsrNumerics("float32", "cpu", "none"), 2048)
    assert [each.name for each in layers] == [name for name, _ in linears(loaded.decoder)]
    assert all(0 < each.error < 0.1 for each in layers)
    assert all(each.smoothed_error is not None and each.smoothed_error > 0 for each in layers)
    weights = AsrNumerics("float32", "cpu", "int8-weights")
    less = report_quantization(str(target), "", weights, [recordings / "0.wav"])
    assert np.mean([each.error for each in less]) < np.mean([each.error for each in layers])
    assert all(each.smoothed_error is None for each in less)


def test_calibration_smooths_what_is_loaded(target: Path, recordings: Path) -> None:
    loaded = build.load(
        str(target), "", AsrNumerics("float32", "cpu", "int8", str(recordings)), 2048
    )
    layers = [each for each in loaded.decoder.modules() if isinstance(each, Int8Linear)]
    assert len(layers) == 4 * 4 + 1
    assert all(each.shrink is not None and float(each.shrink.std()) > 0 for each in layers)
    rough = build.load(str(target), "", AsrNumerics("float32", "cpu", "int8"), 2048)
    head = rough.decoder["head"]
    assert isinstance(head, Int8Linear)
    assert head.shrink is None


def test_recordings_that_cannot_be_read_are_named(target: Path, tmp_path: Path) -> None:
    def load(calibration: Path) -> None:
        build.load(str(target), "", AsrNumerics("float32", "cpu", "int8", str(calibration)), 512)

    with pytest.raises(ConfigError, match="no recordings"):
        load(tmp_path)
    with pytest.raises(ConfigError, match=r"none\.wav.* cannot be read"):
        load(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(ConfigError, match=r"recording .*text\.wav"):
        load(tmp_path)


def test_an_engine_that_is_dropped_frees_its_model(target: Path) -> None:
    import gc
    import weakref

    shared = SharedModels()
    engine: Any = qwen3.build(Qwen3AsrOptions(str(target), max_context_tokens=64), shared)
    work = make_work(clip(350, 0.5))
    run(engine, [work])
    model: Any = parts(engine).reader._model
    watched = [weakref.ref(each) for each in (model.stack, model.embedding, model.encoder._module)]
    del engine, shared, model
    gc.collect()
    assert [each() for each in watched] == [None, None, None]
