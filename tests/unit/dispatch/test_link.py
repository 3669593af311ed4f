"""The connection to a worker, whose part the test plays."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from speech_service.config.tree import ObservabilityConfig, SchedulerConfig
from speech_service.dispatch.workers import codec, messages
from speech_service.dispatch.workers.frames import FrameSocket
from speech_service.dispatch.workers.link import WorkerLink
from speech_service.dispatch.workers.messages import (
    AudioWanted,
    CancelledWork,
    FinishedWork,
    FromWorker,
    LogChanged,
    MadeAudio,
    NewAudio,
    NewWork,
    SegmentOver,
    ToWorker,
)
from speech_service.dispatch.workers.outbox import WorkOutbox
from speech_service.domain.errors import InternalError
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    SynthesizeWork,
    Work,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)
from tests.unit.dispatch.builders import make_work

pytestmark = pytest.mark.unit

PARTIAL, FINAL = WorkClass.STREAM_PARTIAL, WorkClass.STREAM_FINAL
DONE = WorkDone("", Hypothesis("text"), WorkTiming())


class Played:
    """A link, its outbox, and the worker's end of the connection."""

    def __init__(self, ours: FrameSocket, theirs: FrameSocket) -> None:
        self.outbox = WorkOutbox(SchedulerConfig(), 10**9)
        self.events: asyncio.Queue[WorkEvent] = asyncio.Queue()
        self.link = WorkerLink(ours, self.outbox, self.events.put_nowait)
        self._theirs = theirs

    def submit(self, *works: Work) -> None:
        """Have work to send."""
        for work in works:
            self.outbox.add(work, lambda event: None, 0.0)
        self.link.wake()

    async def frame(self) -> list[ToWorker]:
        """What the next frame says."""
        frame = await self._theirs.read()
        assert frame is not None
        return list(messages.read_to_worker(frame))

    async def say(self, *said: FromWorker) -> None:
        """The worker says something."""
        for frame in codec.frames(map(codec.encode, said)):
            await self._theirs.write(frame)

    async def say_bytes(self, frame: bytes) -> None:
        """The worker says anything."""
        await self._theirs.write(frame)

    async def done(self, number: int) -> None:
        """The worker finishes work, and the outcome is delivered."""
        await self.say(*messages.event_messages(DONE, number))
        self.outbox.end((await self.events.get()).work_id)


@asynccontextmanager
async def played() -> AsyncIterator[Played]:
    """Both ends of a connection, closed in the end."""
    ends = [await FrameSocket.over(end) for end in socket.socketpair()]
    play = Played(*ends)
    try:
        yield play
    finally:
        await play.link.close()
        for end in ends:
            await end.close()


def pieces(said: list[ToWorker]) -> list[tuple[int, int]]:
    """Where the audio in a frame begins and ends."""
    audio = [each for each in said if isinstance(each, NewAudio)]
    return [(each.offset_samples, each.offset_samples + len(each.samples)) for each in audio]


async def test_only_new_audio_is_sent_and_a_segment_that_is_over_is_forgotten() -> None:
    async with played() as play:
        sent: list[list[tuple[int, int]]] = []
        for number, (ms, work_class) in enumerate(
            [(10, PARTIAL), (20, PARTIAL), (20, FINAL)], start=1
        ):
            play.submit(make_work(f"w{number}", work_class, ms=ms, stream="s"))
            said = await play.frame()
            sent.append(pieces(said))
            assert isinstance(said[-1], NewWork)
            assert said[-1].sample_count == ms * 16
            await play.done(number)
        assert sent == [[(0, 160)], [(160, 320)], []]
        play.link.release_stream("s")
        assert await play.frame() == [SegmentOver(make_work("w", stream="s").segment)]
        play.submit(make_work("again", FINAL, ms=20, stream="s"))
        assert pieces(await play.frame()) == [(0, 320)]


async def test_a_worker_is_told_how_to_log() -> None:
    async with played() as play:
        play.link.change_log(ObservabilityConfig(log_level="DEBUG"))
        assert await play.frame() == [LogChanged(ObservabilityConfig(log_level="DEBUG"))]


async def test_what_waits_together_travels_together() -> None:
    async with played() as play:
        play.submit(*(make_work(f"w{number}", FINAL) for number in range(8)))
        said = await play.frame()
    assert [type(each) for each in said] == [NewAudio, NewWork] * 8


async def test_long_audio_is_many_frames_and_what_is_said_meanwhile_has_its_turn() -> None:
    async with played() as play:
        play.submit(make_work("long", FINAL, ms=120_000))
        first = await play.frame()
        item = play.outbox.find(1)
        assert item is not None
        play.link.cancel(item)
        later = [await play.frame() for _ in range(8)]
    assert pieces(first) == [(0, messages.MAX_AUDIO_SAMPLES)]
    assert later[-1] == [CancelledWork(1)]


async def test_lost_audio_is_sent_again_whole_and_the_work_is_not() -> None:
    async with played() as play:
        play.submit(make_work("w", FINAL, ms=20))
        await play.frame()
        await play.say(AudioWanted(1))
        said = await play.frame()
    assert pieces(said) == [(0, 320)]
    assert len(said) == 1


async def test_speech_arrives_and_a_second_attempt_says_nothing_twice() -> None:
    speech = np.arange(100, dtype=np.float32)
    async with played() as play:
        play.submit(
            SynthesizeWork(
                work_id="w", stream_id="s", work_class=FINAL, model="m", text="Say.", voice="v"
            )
        )
        await play.frame()
        await play.say(MadeAudio(1, speech[:60], 24_000))
        first = await play.events.get()
        play.outbox.lost((), 0.0)
        play.link.wake()
        await play.frame()
        await play.say(MadeAudio(1, speech[:50], 24_000), MadeAudio(1, speech[50:], 24_000))
        second = await play.events.get()
    assert isinstance(first, WorkAudio)
    assert isinstance(second, WorkAudio)
    assert np.array_equal(np.concatenate([first.samples, second.samples]), speech)


@pytest.mark.parametrize("odd", ["an outcome", "work"])
async def test_what_makes_no_sense_costs_its_own_work_only(odd: str) -> None:
    async with played() as play:
        context = "\ud800" if odd == "work" else ""
        play.submit(make_work("odd", FINAL, context=context), make_work("good", FINAL))
        await play.frame()
        if odd == "an outcome":
            nothing = codec.Tagged("NoOutcome", codec.pack_error(InternalError("x")).value)
            await play.say(FinishedWork(1, nothing, WorkTiming()))
        failed = await play.events.get()
        assert isinstance(failed, WorkFailed)
        assert isinstance(failed.error, InternalError)
        assert failed.work_id == "odd"
        await play.done(2)


BROKEN: dict[str, Callable[[], Any]] = {
    "no list": lambda: codec.encode({}),
    "no message": lambda: codec.encode([["NoMessage", 1]]),
    "no msgpack": lambda: b"\xc1",
    "a greeting again": lambda: messages.encode_hello(()),
}


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_frame_that_is_none_ends_the_connection(broken: str) -> None:
    async with played() as play:
        await play.say_bytes(BROKEN[broken]())
        async with asyncio.timeout(60):
            await play.link.wait_closed()


async def test_closing_does_not_wait_for_a_worker_that_takes_nothing() -> None:
    async with played() as play:
        play.submit(make_work("long", FINAL, ms=300_000))
        await play.frame()
        async with asyncio.timeout(60):
            await play.link.close()
