"""The worker's service: how it packs what it says."""

import asyncio

import pytest

from speech_service.worker.service import together

pytestmark = pytest.mark.unit


async def test_what_is_ready_leaves_together_in_order_and_none_is_lost_at_the_end() -> None:
    outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
    batches: list[list[bytes]] = []

    async def read() -> None:
        async for batch in together(outgoing):
            batches.append(batch)

    reading = asyncio.create_task(read())
    outgoing.put_nowait(b"1")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for message in (b"2", b"3"):
        outgoing.put_nowait(message)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    outgoing.put_nowait(b"4")
    outgoing.put_nowait(None)
    await reading
    assert batches == [[b"1"], [b"2", b"3"], [b"4"]]
