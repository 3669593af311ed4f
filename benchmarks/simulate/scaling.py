"""How cost grows with streams, and with GPUs that share them out."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from benchmarks.simulate.loads import Load, simulate
from benchmarks.stats import percentile

PER_GPU = 156
"""Streams of each GPU where their number grows: 64 of them have 10,000."""
ON_ONE_GPU = (1, 10, 30, 100, 200, 400, 600, 800)
GPUS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Point:
    """A load and what it cost. Times of streams and devices are virtual; ``cpu_ms`` is this process's own."""

    gpus: int
    streams: int
    final_p99_ms: float
    update_p99_ms: float
    device_ms: float
    """Time of a device for a second of a stream, waits for the host included."""
    taken: float
    """Share of the time in which devices made steps."""
    uneven: float
    """Computing time of the device that computed most over that of the least."""
    superseded: float
    """Share of the work."""
    cpu_ms: float
    """CPU of the simulation for a second of a stream: sessions, router, schedulers, simulated engines."""

    def row(self) -> dict[str, float]:
        """As it goes into the results."""
        return asdict(self)


def over_streams(counts: Sequence[int] = ON_ONE_GPU, seconds: float = 3.0) -> Iterator[Point]:
    """One GPU."""
    for streams in counts:
        yield _point(Load(streams, seconds=seconds, chunk_ms=480))


def over_gpus(counts: Sequence[int] = GPUS, per_gpu: int = PER_GPU) -> Iterator[Point]:
    """So many GPUs, each with as many streams; everybody says one thing."""
    for gpus in counts:
        load = Load(gpus * per_gpu, seconds=0.5, spread_s=1.0, chunk_ms=480, gpus=gpus)
        yield _point(replace(load, speech_s=(1.5, 3.5)))


def _point(load: Load) -> Point:
    began_s = time.process_time()
    came = simulate(load)
    cpu_s = time.process_time() - began_s
    return Point(
        gpus=load.gpus,
        streams=load.live,
        final_p99_ms=percentile(came.heard.final_lags, 99) * 1000,
        update_p99_ms=percentile(came.heard.update_lags, 99) * 1000,
        device_ms=came.held_s / came.speech_s * 1000,
        taken=came.held_s / came.lasted_s / load.gpus,
        uneven=came.most_busy_s / max(came.least_busy_s, 1e-9),
        superseded=came.dropped_share,
        cpu_ms=cpu_s / came.speech_s * 1000,
    )
