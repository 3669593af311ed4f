"""Tasks that must not end by an exception."""

import asyncio

import pytest

from speech_service import tasks
from speech_service.tasks import keep, log_failure


async def test_a_kept_task_is_started_again_and_each_failure_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tasks, "FIRST_PAUSE_S", 0.001)
    starts: list[int] = []

    async def run() -> None:
        starts.append(len(starts))
        if len(starts) < 4:
            raise OSError("out of something")

    await keep(run, "the keeper")
    assert len(starts) == 4
    assert [record.exc_info is not None for record in caplog.records] == [True] * 3
    assert all("the keeper" in record.getMessage() for record in caplog.records)


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
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails() -> None:
        raise ValueError("why")

    task = asyncio.create_task(fails(), name="lonely")
    task.add_done_callback(log_failure)
    await asyncio.wait([task])
    await asyncio.sleep(0)
    (record,) = caplog.records
    assert "lonely" in record.getMessage()
