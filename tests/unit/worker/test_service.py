"""The worker's service: what it says of one Run stream, and how it packs it."""

import asyncio

import pytest

from speech.internal.v1 import work_pb2
from speech.internal.v1 import worker_pb2 as pb
from speech_service.worker.service import together

pytestmark = pytest.mark.unit


def event(number: int) -> pb.RunEvent:
    """The end of a work."""
    return pb.RunEvent(done=work_pb2.WorkDone(work_id=number))


async def test_events_that_are_ready_leave_together_in_order_and_none_is_lost_at_the_end() -> None:
    events: asyncio.Queue[pb.RunEvent | None] = asyncio.Queue()
    batches: list[list[int]] = []

    async def read() -> None:
        async for batch in together(events):
            batches.append([item.done.work_id for item in batch])

    reading = asyncio.create_task(read())
    events.put_nowait(event(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for number in (2, 3):
        events.put_nowait(event(number))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    events.put_nowait(event(4))
    events.put_nowait(None)
    await reading
    assert batches == [[1], [2, 3], [4]]
