"""What the tests of the worker process share: work, and a submitter that leaves nothing behind."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import psutil
from msgspec import structs

from speech_service.config.tree import Config, ModelConfig, SchedulerConfig, WorkerConfig
from speech_service.dispatch.workers import RemoteSubmitter
from speech_service.dispatch.workers.process import WORKER_COMMAND
from speech_service.domain.errors import (
    SpeechError,
)
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkFailed,
)
from speech_service.engines import registry
from speech_service.protocols import NullObserver
from tests.unit.dispatch.builders import Outcomes

FINAL, PARTIAL, UNARY, BACKGROUND = WorkClass


HOSTILE_COMMAND = (sys.executable, str(Path(__file__).with_name("hostile_worker.py")))
LOST_DEVICE_COMMAND = (sys.executable, str(Path(__file__).with_name("lost_device_worker.py")))
"""Another word names a file that tells it whether it is the first."""
FOREIGN_COMMAND = (sys.executable, str(Path(__file__).with_name("foreign_worker.py")))
"""Another word says what is foreign about it."""


class Metrics(NullObserver):
    """Keeps the names of what was measured, and counts."""

    def __init__(self) -> None:
        self.observed: set[str] = set()
        self.counts: dict[str, float] = {}

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Add up."""
        self.counts[name] = self.counts.get(name, 0) + value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Keep the name."""
        self.observed.add(name)


def work(
    work_id: str,
    work_class: WorkClass = FINAL,
    *,
    ms: int = 1000,
    stream: str = "",
    context: str = "",
    deadline_s: float | None = None,
    tokens: tuple[int, ...] = (),
) -> RecognizeWork:
    """A work item for the fake: its text tells the length of its audio."""
    return RecognizeWork(
        work_id=work_id,
        segment=SegmentKey(stream or work_id, 0, 0),
        kind=RecognizeKind.PARTIAL if work_class is PARTIAL else RecognizeKind.FINAL,
        work_class=work_class,
        samples=np.full(ms * 16, 0.25, np.float32),
        model="fake",
        context=context,
        deadline_s=deadline_s,
        draft_tokens=tokens,
    )


def word_count(ms: int) -> int:
    """Words that the fake hears in ``ms`` of audio."""
    return (ms + 250) // 500


def texts(events: Sequence[object]) -> list[int]:
    """Numbers of words; fails on anything that is not done."""
    counts: list[int] = []
    for event in events:
        assert isinstance(event, WorkDone), event
        counts.append(len(event.hypothesis.text.split()))
    return counts


def config(options: dict[str, object] | None = None, **worker: object) -> Config:
    """One lane, one item per step, no pre-load."""
    model = ModelConfig("recognizer/fake", options={"max_batch": 1, **(options or {})})
    scheduler = SchedulerConfig(lanes=1)
    return Config(
        models=(model,), worker=structs.replace(WorkerConfig(), **worker), scheduler=scheduler
    )


def described(settings: Config) -> list[ModelCapabilities]:
    """What the models of a configuration say that they can do."""
    return [registry.describe(model) for model in settings.models]


@asynccontextmanager
async def remote(
    settings: Config, command: Sequence[str] = WORKER_COMMAND, metrics: Metrics | None = None
) -> AsyncIterator[tuple[RemoteSubmitter, Outcomes]]:
    """A submitter that leaves no process, directory or task behind."""
    loop = asyncio.get_running_loop()
    # A folder of this test alone, with a short name, as the path of a socket must be short.
    with TemporaryDirectory(prefix="w") as sockets, patch.object(tempfile, "tempdir", sockets):
        observer = metrics or NullObserver()
        submitter = RemoteSubmitter(settings, described(settings), observer, loop, command)
        try:
            yield submitter, Outcomes(submitter)
        finally:
            await submitter.close()
            assert len(asyncio.all_tasks()) == 1
            assert not psutil.Process().children()
            assert not entries(Path(sockets))


def entries(folder: Path) -> list[Path]:
    """What lies in the folder."""
    return list(folder.iterdir())


async def failure(outcomes: Outcomes, work_id: str) -> SpeechError:
    """The error of a failed work."""
    (event,) = await outcomes.wait(work_id)
    assert isinstance(event, WorkFailed), event
    return event.error
