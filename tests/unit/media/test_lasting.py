"""A lost decoder is replaced, whoever notices the loss first."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np

from speech_service.domain.audio import AudioLoss
from speech_service.domain.errors import UnavailableError
from speech_service.media.decode.decoder import AudioBlock
from speech_service.media.decode.lasting import LastingDecoder
from tests.unit.dispatch.builders import until

RATE = 16_000


class ScriptedDecoder:
    """Gives a sample for each byte at the end of its input, unless it is lost."""

    unreadable = False

    def __init__(self) -> None:
        self.fed = b""
        self.has_ended = asyncio.Event()
        self.is_lost = False
        self.may_say_so = asyncio.Event()

    async def feed(self, data: bytes) -> None:
        """As ``ContainerDecoder``, of one that is lost as well."""
        if self.is_lost:
            raise UnavailableError("lost", reason="DECODER_LOST")
        self.fed += data

    async def end_input(self) -> None:
        self.has_ended.set()

    async def blocks(self) -> AsyncIterator[AudioBlock]:
        """Of one that is lost: an error, once it may say so."""
        if self.is_lost:
            await self.may_say_so.wait()
            raise UnavailableError("lost", reason="DECODER_LOST")
        await self.has_ended.wait()
        yield AudioBlock(RATE, np.zeros((len(self.fed), 1), np.float32))

    def take_losses(self) -> Sequence[AudioLoss]:
        return ()

    async def close(self) -> None:
        self.has_ended.set()


async def test_what_is_fed_between_a_loss_and_its_notice_is_decoded_by_the_next() -> None:
    decoders = [ScriptedDecoder(), ScriptedDecoder()]
    opened = iter(decoders)

    async def opens() -> Any:
        return next(opened)

    lasting = LastingDecoder(opens, max_held_bytes=1000)
    await lasting.open()
    await lasting.feed(b"one")
    decoders[0].is_lost = True
    frames: list[int] = []

    async def read() -> None:
        async for block in lasting.blocks():
            frames.append(len(block.samples))

    reading = asyncio.create_task(read())
    await lasting.feed(b"two")
    decoders[0].may_say_so.set()
    await until(lambda: decoders[1].fed == b"onetwo")
    await lasting.feed(b"three")
    await lasting.end_input()
    await reading
    assert frames == [len(b"onetwothree")]
    await lasting.close()
