"""What the device itself can do, and how its time is measured."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

FP8_CAPABILITY = (8, 9)
Stream = Callable[[], AbstractContextManager[object]]
"""Inside, events are recorded on the stream of an engine."""
_COPY_BYTES = {"cuda": 2**30, "cpu": 2**24}
_GEMM_SIZE = {"cuda": 8192, "cpu": 256}


@dataclass(frozen=True, slots=True)
class Rates:
    """Measured, not looked up."""

    copy_gb_s: float
    """Bytes read plus bytes written."""
    bf16_tflop_s: float
    fp8_tflop_s: float | None
    """None: the device does not multiply it."""

    def __str__(self) -> str:
        fp8 = "no fp8" if self.fp8_tflop_s is None else f"{self.fp8_tflop_s:.3g} TFLOP/s fp8"
        return f"copy {self.copy_gb_s:.4g} GB/s, {self.bf16_tflop_s:.3g} TFLOP/s bf16, {fp8}"


def describe(device: str) -> dict[str, Any]:
    """For the results file."""
    found: dict[str, Any] = {"device": device, "torch": torch.__version__}
    found["cudnn"] = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None
    if device != "cpu":
        properties = torch.cuda.get_device_properties(device)
        found |= {
            "gpu": properties.name,
            "memory_gb": round(properties.total_memory / 1e9, 1),
            "capability": f"{properties.major}.{properties.minor}",
            "cuda": torch.version.cuda,
        }
    return found


def synchronize(device: str) -> None:
    """Wait until the device has nothing to do."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def timed_ms(
    device: str, body: Callable[[], object], count: int, stream: Stream = nullcontext
) -> tuple[float, float]:
    """Median wall time of a call, and its time on the device between two CUDA events (NaN on a CPU).

    The device is waited for before and after each call. ``stream`` is what the body works on: an event of another
    stream says when it was recorded, not when the body was done.
    """
    walls: list[float] = []
    spans: list[float] = []
    for _ in range(count):
        synchronize(device)
        events = None
        if device != "cpu":
            events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
            with stream():
                events[0].record()
        begin_s = time.perf_counter()
        body()
        if events is not None:
            with stream():
                events[1].record()
        synchronize(device)
        walls.append((time.perf_counter() - begin_s) * 1000)
        if events is not None:
            spans.append(events[0].elapsed_time(events[1]))
    return median(walls), median(spans) if spans else float("nan")


def rates(device: str) -> Rates:
    """Measure copies and matrix products large enough to be bound by nothing else."""
    kind = device.partition(":")[0]
    source = torch.zeros(_COPY_BYTES[kind], dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copy_ms = _best_ms(device, lambda: target.copy_(source))
    size = _GEMM_SIZE[kind]
    flop = 2.0 * size**3
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    gemm_ms = _best_ms(device, lambda: torch.mm(a, b))
    fp8 = None
    if kind == "cuda" and torch.cuda.get_device_capability(device) >= FP8_CAPABILITY:
        one = torch.ones((), device=device)
        small_a, small_b = (x.to(torch.float8_e4m3fn) for x in (a, b))
        multiply = vars(torch)["_scaled_mm"]  # what torch has for it, until there is a public name
        fp8_ms = _best_ms(
            device,
            lambda: multiply(
                small_a, small_b.t(), one, one, out_dtype=torch.bfloat16, use_fast_accum=True
            ),
        )
        fp8 = flop / fp8_ms / 1e9
    return Rates(2 * source.nbytes / copy_ms / 1e6, flop / gemm_ms / 1e9, fp8)


def known_rates(found: Mapping[str, Any] | None, device: str) -> Rates:
    """Those that were measured before, else measured now."""
    if found is None:
        return rates(device)
    return Rates(found["copy_gb_s"], found["bf16_tflop_s"], found["fp8_tflop_s"])


def _best_ms(device: str, body: Callable[[], object]) -> float:
    timed_ms(device, body, 3)
    return min(timed_ms(device, body, 1)[0] for _ in range(10))


@dataclass(frozen=True, slots=True)
class Kernels:
    """What ran on the device, by the profiler; on a CPU, torch's operations in their place."""

    count: int
    busy_ms: float
    """Union of their times."""
    wall_ms: float

    @property
    def busy_share(self) -> float:
        """Of the wall time."""
        return self.busy_ms / self.wall_ms


def kernels(device: str, body: Callable[[], object]) -> Kernels:
    """Run the body once and look at every kernel of it."""
    from torch._C._autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    is_cpu = device == "cpu"
    looked_at = ProfilerActivity.CPU if is_cpu else ProfilerActivity.CUDA
    kind = DeviceType.CPU if is_cpu else DeviceType.CUDA
    synchronize(device)
    with profile(activities=[looked_at]) as profiler:
        begin_s = time.perf_counter()
        body()
        synchronize(device)
        wall_ms = (time.perf_counter() - begin_s) * 1e3
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in profiler.events() or ()
        if event.device_type == kind
    ]
    return Kernels(len(spans), union_length(spans) / 1e3, wall_ms)


def union_length(intervals: Iterable[tuple[float, float]]) -> float:
    """Length of what is covered by at least one of the intervals."""
    covered, upto = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        covered += max(0.0, end - max(begin, upto))
        upto = max(upto, end)
    return covered


def used_bytes(device: str) -> int:
    """Memory of the device that is taken, by anyone; on a CPU, of this process."""
    if device == "cpu":
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info(device)
    return total - free
