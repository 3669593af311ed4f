"""What is to be known before engines are measured: what torch chooses, what the device can do, and the GPU tests."""

import gc
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from benchmarks import ROOT
from benchmarks.gpu import device
from benchmarks.gpu.bench import Bench, GpuFigure
from benchmarks.gpu.device import timed_ms
from benchmarks.stats import Figure
from speech_service.engines.runtimes.torch import open_device

KERNELS = 1000
SMALL_KERNEL_US = 2.0
"""Estimate of the cost model."""
SPANS = ((145, 145), (1, 290), (130, 380), (16, 786))
"""Queries and keys of one sequence: a prompt, a decode step, a verification, a step of fixed shape."""
HEADS, KV_HEADS, WIDTH = 16, 8, 128
REPLAYS = 200
RESULT = re.compile(r"(?<!\d)(\d++) (passed|failed|skipped|error)")

Found = Figure | dict[str, Any]


def probe(bench: Bench) -> Iterator[Found]:
    """Versions, attention's first call with and without cuDNN, flash attention over slots, and graphs that die."""
    yield {"kind": "info", "device": device.describe(bench.device)}
    yield from _attention(bench)
    yield from _slots(bench)
    yield from _graphs_that_die(bench)


def _attention(bench: Bench) -> Iterator[Figure]:
    for is_cudnn in (False, True):
        torch.backends.cuda.enable_cudnn_sdp(is_cudnn)
        for queries, keys in SPANS:
            shape = (1, KV_HEADS, HEADS // KV_HEADS * queries, WIDTH)
            query = torch.randn(shape, device=bench.device, dtype=torch.bfloat16)
            key, value = (
                torch.randn(1, KV_HEADS, keys, WIDTH, device=bench.device, dtype=torch.bfloat16)
                for _ in range(2)
            )
            seen = torch.ones(shape[2], keys, dtype=torch.bool, device=bench.device)

            def attend(
                query: Tensor = query, key: Tensor = key, value: Tensor = value, seen: Tensor = seen
            ) -> Tensor:
                return scaled_dot_product_attention(query, key, value, attn_mask=seen)

            first_ms, _ = timed_ms(bench.device, attend, 1)
            later_ms, _ = timed_ms(bench.device, attend, 20)
            title = f"attention {queries} x {keys}, cuDNN {'on' if is_cudnn else 'off'}"
            yield Figure(f"{title}, first call", "ms", [first_ms])
            yield Figure(f"{title}, later calls", "ms", [later_ms])
    torch.backends.cuda.enable_cudnn_sdp(False)


def _slots(bench: Bench) -> Iterator[Found]:
    """Flash attention over parts of slots: what it gives beside attention of each sequence alone."""
    if bench.device == "cpu":
        yield {"kind": "info", "flash over slots": "only on a GPU"}
        return
    torch.manual_seed(0)
    slots, length, lengths = 4, 256, [200, 1, 37, 256]
    made = {"device": bench.device, "dtype": torch.bfloat16}
    keys, values = (torch.randn(slots, length, KV_HEADS, WIDTH, **made) for _ in range(2))
    query = torch.randn(slots, HEADS, WIDTH, **made)
    steps = torch.arange(slots + 1, dtype=torch.int32, device=bench.device)
    used = torch.tensor(lengths, dtype=torch.int32, device=bench.device)
    try:
        found = torch.ops.aten._flash_attention_forward(
            query,
            keys.flatten(0, 1),
            values.flatten(0, 1),
            steps,
            steps * length,
            1,
            length,
            0.0,
            True,
            False,
            seqused_k=used,
        )[0]
    except (RuntimeError, TypeError, AttributeError) as error:
        yield {"kind": "info", "flash over slots": str(error).splitlines()[0]}
        return
    worst = 0.0
    for slot, count in enumerate(lengths):
        alone = scaled_dot_product_attention(
            query[slot, None, :, None].float(),
            keys[slot, None, :count].transpose(1, 2).float(),
            values[slot, None, :count].transpose(1, 2).float(),
            enable_gqa=True,
        )
        worst = max(worst, float((alone[0, :, 0] - found[slot].float()).abs().max()))
    yield Figure("flash over slots, greatest difference", "", [worst], 0.02)


def _graphs_that_die(bench: Bench) -> Iterator[Figure]:
    """Whether the graphs of an engine give the same when another engine's are gone."""

    def captured() -> Any:
        lane = open_device(bench.device)
        with lane.stream():
            weight = torch.randn(512, 512, device=bench.device)
            thin = torch.randn(8, 512, device=bench.device)
            lane.synchronize()
            replay = lane.graphs()(lambda x: (x @ weight @ weight).sin(), [thin])
        return lambda: replay(thin)

    stays, goes = captured(), captured()
    wanted = stays().clone()
    goes()
    del goes
    gc.collect()
    odd = 0
    for _ in range(REPLAYS // 10 if bench.quick else REPLAYS):
        device.synchronize(bench.device)
        filled = torch.full((2**22,), float("nan"), device=bench.device)  # whoever has freed memory
        odd += int(not torch.equal(stays(), wanted))
        del filled
    yield Figure("replays that differ when another engine's graphs are gone", "replays", [odd], 0.0)


def rates(bench: Bench) -> Iterator[Found]:
    """Copies, matrix products, and the time of one small kernel in a graph."""
    found = device.rates(bench.device)
    yield {
        "kind": "rates",
        "copy_gb_s": found.copy_gb_s,
        "bf16_tflop_s": found.bf16_tflop_s,
        "fp8_tflop_s": found.fp8_tflop_s,
    }
    lane = open_device(bench.device)
    kernels = 20 if bench.quick else KERNELS

    def adds(x: Tensor) -> Tensor:
        for _ in range(kernels):
            x = x + 1.0
        return x

    with lane.stream(), torch.inference_mode():
        few = torch.zeros(16, 2048, device=bench.device, dtype=torch.bfloat16)
        lane.synchronize()
        replay = lane.graphs()(adds, [few])
        wall_ms, span_ms = timed_ms(bench.device, lambda: replay(few), 10, lane.stream)
    for what, time_ms in (("wall", wall_ms), ("GPU", span_ms)):
        each_us = [1000 * time_ms / kernels]
        yield GpuFigure(f"small kernel in a graph, {what}", "us", each_us, estimate=SMALL_KERNEL_US)


def tests(bench: Bench) -> Iterator[Found]:
    """The tests that need a GPU, with no settings but their own: a machine may lack what the project's name."""
    for package in ("pytest", "hypothesis"):
        if find_spec(package) is None:
            raise ModuleNotFoundError(package, name=package)
    begin_s = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", f"--rootdir={ROOT}"]
    command += ["--import-mode=importlib", "-p", "no:cacheprovider", "-q", "tests/gpu"]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    counts = {what: int(count) for count, what in RESULT.findall(done.stdout[-300:])}
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stdout[-400:])
    for line in done.stdout.splitlines():
        if line.startswith(("FAILED", "ERROR")):
            yield {"kind": "info", "test": line[:400]}
    del bench
    yield Figure("tests that passed", "tests", [float(counts.get("passed", 0))], better="higher")
    failed = counts.get("failed", 0) + counts.get("error", 0)
    yield Figure("tests that failed", "tests", [float(failed)], 0.0)
    yield Figure("tests, time", "s", [time.perf_counter() - begin_s])
