"""Frames over a stream socket arrive whole and in order, or not at all."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from speech_service.dispatch.workers.codec import MAX_FRAME_BYTES, BrokenFrameError
from speech_service.dispatch.workers.frames import FrameSocket


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[FrameSocket, FrameSocket]]:
    """Both ends of a connection."""
    ends = socket.socketpair()
    ours, theirs = await FrameSocket.over(ends[0]), await FrameSocket.over(ends[1])
    try:
        yield ours, theirs
    finally:
        await ours.close()
        await theirs.close()


async def test_messages_of_any_size_arrive_whole_and_in_order() -> None:
    messages = [b"", b"x", os.urandom(70_000), b"", os.urandom(5_000_000), b"last"]
    async with pair() as (ours, theirs):

        async def send() -> None:
            for message in messages:
                await ours.write(message)

        sending = asyncio.create_task(send())
        received = [await theirs.read() for _ in messages]
        await sending
        await ours.close()
        assert await theirs.read() is None
    assert received == messages


async def test_both_sides_may_speak_at_once() -> None:
    async with pair() as ends:
        big = [os.urandom(3_000_000), os.urandom(3_000_000)]
        received = await asyncio.gather(
            *(end.write(message) for end, message in zip(ends, big, strict=True)),
            *(end.read() for end in ends),
        )
    assert received[2:] == big[::-1]


@pytest.mark.parametrize("sent", [b"\x05", b"\x05\0\0\0", b"\x05\0\0\0abc"])
async def test_a_message_that_breaks_off_is_none(sent: bytes) -> None:
    ours, ends = socket.socketpair()
    theirs = await FrameSocket.over(ends)
    with ours:
        ours.sendall(sent)
    assert await theirs.read() is None
    await theirs.close()


async def test_writing_to_one_who_is_gone_says_so() -> None:
    async with pair() as (ours, theirs):
        await theirs.close()
        with pytest.raises(ConnectionError):
            await asyncio.gather(*(ours.write(os.urandom(100_000)) for _ in range(100)))


async def test_closing_does_not_wait_for_one_who_takes_nothing() -> None:
    async with pair() as (ours, _):
        writing = asyncio.create_task(ours.write(bytes(20_000_000)))
        await asyncio.sleep(0.05)
        assert not writing.done(), "the other side takes some of it only"
        writing.cancel()
        async with asyncio.timeout(60):
            await ours.close()


async def test_a_closed_end_is_refused() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    ours.close()
    with pytest.raises(OSError, match="descriptor"):
        await FrameSocket.over(ours)


async def test_a_frame_that_nobody_may_send_is_refused_before_it_is_read() -> None:
    ours, ends = socket.socketpair()
    theirs = await FrameSocket.over(ends)
    with ours:
        ours.sendall((MAX_FRAME_BYTES + 1).to_bytes(4, "little"))
        with pytest.raises(BrokenFrameError, match="at most"):
            await theirs.read()
    await theirs.close()
