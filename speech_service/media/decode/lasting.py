"""One stream of encoded audio, and a second decoder for it where the system ended the first."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from speech_service.domain.audio import AudioLoss
from speech_service.domain.errors import SpeechError, UnavailableError
from speech_service.media.decode.decoder import AudioBlock, ContainerDecoder

OpenDecoder = Callable[[], Awaitable[ContainerDecoder]]


class LastingDecoder:
    """Feeds a ``ContainerDecoder`` and keeps what it fed, up to a limit.

    A decoder that was ended from outside (the system's memory killer, say) is replaced once, where all of its input is
    still kept: the second one decodes it again, and audio that was given before is left out.
    """

    def __init__(self, opens: OpenDecoder, max_held_bytes: int) -> None:
        """Args:
        opens: starts a decoder.
        max_held_bytes: input that is kept; of a longer stream nothing is, and a lost decoder is an error.
        """
        self._opens = opens
        self._max_held_bytes = max_held_bytes
        self._held: list[bytes] | None = []
        self._held_bytes = 0
        self._feeding = asyncio.Lock()
        self._ended = False
        self._given_frames = 0
        self._losses: list[AudioLoss] = []
        self._whole = asyncio.Event()
        """Not set while a second decoder was not yet fed all that the first was."""
        self._whole.set()
        self._replaced = False
        self._refeeding: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start the decoder.

        Raises:
            UnavailableError, OverloadedError: as ``DecoderPool.open``.
        """
        self._decoder = await self._opens()

    @property
    def unreadable(self) -> bool:
        return self._decoder.unreadable

    async def feed(self, data: bytes) -> None:
        async with self._feeding:
            self._hold(data)
            if self._whole.is_set():
                # A loss comes out of blocks(), which may still be at it: there it is made good, or told.
                with contextlib.suppress(UnavailableError):
                    await self._decoder.feed(data)

    async def end_input(self) -> None:
        async with self._feeding:
            self._ended = True
            if self._whole.is_set():
                await self._decoder.end_input()

    async def drained(self) -> None:
        while True:
            decoder = self._decoder
            await decoder.drained()
            if decoder is self._decoder and self._whole.is_set():
                return
            await self._whole.wait()

    def take_losses(self) -> Sequence[AudioLoss]:
        """Give parts that could not be decoded and that were not taken before."""
        losses, self._losses = self._losses, []
        return losses

    async def blocks(self) -> AsyncIterator[AudioBlock]:
        """Give what ``ContainerDecoder`` gives.

        Raises:
            InvalidAudioError, AudioLimitError: as of ``ContainerDecoder``.
            UnavailableError: the decoder was lost, and its input is not kept, or so was the second one.
        """
        while True:
            try:
                async for block in self._new_blocks():
                    yield block
            except UnavailableError:
                if self._replaced or self._held is None:
                    raise
                self._replaced = True
                self._whole.clear()  # Before anything else runs: what is fed from here on is fed again.
            else:
                return
            await self._replace()

    async def close(self) -> None:
        if self._refeeding is not None:
            self._refeeding.cancel()
            await asyncio.wait([self._refeeding])
        await self._decoder.close()

    async def _new_blocks(self) -> AsyncIterator[AudioBlock]:
        """Give the blocks that were not given before."""
        decoder, old_frames, frames = self._decoder, self._given_frames, 0
        try:
            async for block in decoder.blocks():
                old = max(0, min(len(block.samples), old_frames - frames))
                frames += len(block.samples)
                old_ms = old_frames * 1000 // block.sample_rate_hz
                self._losses += [x for x in decoder.take_losses() if x.start_ms >= old_ms]
                if old < len(block.samples):
                    self._given_frames = frames
                    yield AudioBlock(block.sample_rate_hz, block.samples[old:])
        finally:
            self._losses += decoder.take_losses()

    async def _replace(self) -> None:
        try:
            self._decoder = await self._opens()
        except BaseException:
            self._whole.set()
            raise
        self._refeeding = asyncio.create_task(self._feed_again())

    async def _feed_again(self) -> None:
        async with self._feeding:
            try:
                with contextlib.suppress(SpeechError):  # It comes out of blocks().
                    for data in self._held or ():
                        await self._decoder.feed(data)
                    if self._ended:
                        await self._decoder.end_input()
            finally:
                self._held = None
                self._whole.set()

    def _hold(self, data: bytes) -> None:
        if self._held is None:
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > self._max_held_bytes and self._whole.is_set():
            self._held = None
