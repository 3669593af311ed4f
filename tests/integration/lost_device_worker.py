"""A worker whose fake recognizer is on an acted GPU, which an assertion in a kernel breaks for the rest of the process:
with the 7th step of the first worker of a test.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from speech_service.domain.work import WorkEvent
from speech_service.engines.fake import recognizer as fake
from speech_service.engines.runtimes.placement import PlacedEngine
from speech_service.engines.runtimes.torch import Cuda
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine
from speech_service.worker.process import main
from tests.fake_cuda import FakeCuda

STEPS = 7
ASSERTED = "CUDA error: device-side assert triggered"
CUDA = FakeCuda()


class AssertingRecognizer(fake.FakeRecognizer):
    """Computes, as far as CUDA does."""

    def __init__(self, options: fake.FakeRecognizerOptions, first: bool) -> None:
        super().__init__(options)
        self._steps_left = STEPS if first else sys.maxsize

    def step(self) -> Sequence[WorkEvent]:
        """Fail as torch does, and as every later call of it would."""
        self._steps_left -= 1
        if not self._steps_left:
            CUDA.error = torch.AcceleratorError(ASSERTED)
        if CUDA.error is not None:
            raise RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED")
        return super().step()


def is_first(mark: Path) -> bool:
    """Whether no worker of the folder was before."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def build(options: fake.FakeRecognizerOptions, shared: SharedModels) -> Engine:
    """What the registry calls instead of the fake's own."""
    del shared
    engine = AssertingRecognizer(options, is_first(Path(sys.argv[1])))
    return PlacedEngine(engine, Cuda(torch.device("cpu")), frozenset())


if __name__ == "__main__":
    CUDA.install(pytest.MonkeyPatch())
    fake.build = build
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main(sys.argv[2:]))
