"""A coroutine that begins at once is otherwise like any other."""

import asyncio
import gc

import pytest

from speech_service.edge.begun import Begun


async def test_it_runs_up_to_where_it_waits_and_goes_on_when_awaited() -> None:
    gate: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    steps: list[str] = []

    async def work() -> int:
        steps.append("begun")
        first = await gate
        await asyncio.sleep(0)
        steps.append("ended")
        return first + 1

    begun = Begun(work())
    assert steps == ["begun"]
    gate.set_result(41)
    assert await begun == 42
    assert steps == ["begun", "ended"]


async def test_one_that_waits_for_nothing_is_over() -> None:
    async def work() -> str:
        return "done"

    assert await Begun(work()) == "done"


async def test_what_it_raises_at_once_is_raised_at_once() -> None:
    async def work() -> None:
        raise ValueError("now")

    with pytest.raises(ValueError, match="now"):
        Begun(work())


async def test_what_it_raises_later_is_raised_where_it_is_awaited() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("later")

    begun = Begun(work())
    with pytest.raises(ValueError, match="later"):
        await begun


async def test_a_cancelled_task_cancels_what_it_awaits() -> None:
    cleaned: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(True)

    async def owner() -> None:
        await Begun(work())

    task = asyncio.create_task(owner())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]


async def test_one_that_is_abandoned_lets_what_it_waits_for_fail_unheard() -> None:
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    await _abandon_one_that_fails(loop.create_future())
    gc.collect()
    assert not complaints


async def _abandon_one_that_fails(gate: "asyncio.Future[None]") -> None:
    async def work() -> None:
        await gate

    begun = Begun(work())
    begun.abandon()
    begun.abandon()
    gate.set_exception(ConnectionError())
    await asyncio.sleep(0)
