"""Tasks that must not end by an exception."""

import asyncio
import logging

import pytest

from speech_service import tasks
from speech_service.tasks import keep, log_failure


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[logging.LogRecord]:
    """What is logged, whatever other tests of this process did to the loggers that it has."""
    records: list[logging.LogRecord] = []
    logger = logging.Logger("of this test")
    logger.addFilter(lambda record: records.append(record) or False)
    monkeypatch.setattr(tasks, "logger", logger)
    return records


async def test_a_kept_task_is_started_again_and_each_failure_is_logged(
    monkeypatch: pytest.MonkeyPatch, logged: list[logging.LogRecord]
) -> None:
    monkeypatch.setattr(tasks, "FIRST_PAUSE_S", 0.001)
    starts: list[int] = []

    async def run() -> None:
        starts.append(len(starts))
        if len(starts) < 4:
            raise OSError("out of something")

    await keep(run, "the keeper")
    assert len(starts) == 4
    assert [record.exc_info is not None for record in logged] == [True] * 3
    assert all("the keeper" in record.getMessage() for record in logged)


async def test_a_kept_task_can_be_cancelled_while_it_runs_and_while_it_waits() -> None:
    async def fails() -> None:
        raise ValueError

    async def waits() -> None:
        await asyncio.Event().wait()

    for run in (fails, waits):
        task = keep(run, "x")
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()


async def test_the_end_of_a_task_that_nobody_waits_for_is_logged(
    logged: list[logging.LogRecord],
) -> None:
    async def fails() -> None:
        raise ValueError("why")

    task = asyncio.create_task(fails(), name="lonely")
    task.add_done_callback(log_failure)
    await asyncio.wait([task])
    await asyncio.sleep(0)
    (record,) = logged
    assert "lonely" in record.getMessage()
