"""GPUs are counted as CUDA's driver counts them; where there is none, there are none."""

import ctypes
import subprocess
import sys
from typing import Any

import pytest

from speech_service.engines.runtimes import gpus

pytestmark = pytest.mark.unit


class Driver:
    """CUDA's driver, with what it answers."""

    def __init__(self, count: int, init: int = 0, asked: int = 0) -> None:
        self._count, self._init, self._asked = count, init, asked

    def cuInit(self, flags: int) -> int:
        return self._init

    def cuDeviceGetCount(self, count: Any) -> int:
        ctypes.cast(count, ctypes.POINTER(ctypes.c_int)).contents.value = self._count
        return self._asked


@pytest.mark.parametrize(
    ("driver", "count"),
    [(Driver(4), 4), (Driver(0), 0), (Driver(4, init=999), 0), (Driver(4, asked=3), 0), (None, 0)],
    ids=["four", "none", "broken", "refuses", "no driver"],
)
def test_what_the_driver_says(
    monkeypatch: pytest.MonkeyPatch, driver: Driver | None, count: int
) -> None:
    def load(name: str) -> Driver:
        if driver is None:
            raise OSError(name)
        return driver

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert gpus.gpus_of_the_driver() == count


def test_another_process_asks() -> None:
    """This machine may have GPUs or not: both ways of asking agree, and ours stays without a driver."""
    script = "from speech_service.engines.runtimes import gpus; print(gpus.gpus_of_the_driver())"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert gpus.count_gpus() == int(printed.stdout)


def test_a_driver_that_says_nothing_counts_as_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise subprocess.TimeoutExpired(str(args), 1.0)

    monkeypatch.setattr(subprocess, "run", fail)
    assert gpus.count_gpus() == 0
    assert "TimeoutExpired" in caplog.text


def test_who_does_not_use_cuda_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert gpus.gpu_memory_bytes() == 0
