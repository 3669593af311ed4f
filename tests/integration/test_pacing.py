"""FILE streams and long calls are background work: live speech goes first, whatever is sent, and bulk still moves.

The model takes a step when the test lets it: order is counted in steps, nothing is measured in time.
"""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from speech.v1 import common_pb2
from speech_service.config.tree import ModelConfig
from speech_service.dispatch.policy import LONG_CALL_MS
from speech_service.domain.work import RecognizeKind, RecognizeWork, Work, WorkClass, WorkEvent
from speech_service.engines.fake.recognizer import FakeRecognizer
from tests.integration import test_alignment as aligning
from tests.integration.failures import WAIT_S
from tests.integration.harness import FAKE, Server, Talk, pb, raw_config, running, until
from tests.integration.sound import speech
from tests.integration.translating import Interpreting, config, translating

FILE = common_pb2.PACING_FILE
REALTIME = common_pb2.PACING_REALTIME
ALIGNER = ModelConfig(kind="aligner/fake")
FILES = 6
ONE_LANE = "scheduler.lanes=1"


class Device:
    """The fake recognizer, held: it takes a step for each permit. ``admitted`` is the work in the order it began."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.admitted: list[RecognizeWork] = []
        self.is_open = False

    def open(self) -> None:
        """Hold it no longer."""
        self.is_open = True
        self.permits.release(10_000)

    def classes(self, kind: RecognizeKind = RecognizeKind.FINAL) -> list[WorkClass]:
        """Of the work that began."""
        return [work.work_class for work in self.admitted if work.kind is kind]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """Every fake recognizer of the test asks it."""
    held, admit, step = Device(), FakeRecognizer.admit, FakeRecognizer.step

    def counted_admit(self: FakeRecognizer, work: Work) -> None:
        assert isinstance(work, RecognizeWork)
        held.admitted.append(work)
        admit(self, work)

    def held_step(self: FakeRecognizer) -> Sequence[WorkEvent]:
        held.permits.acquire(timeout=WAIT_S)
        return step(self)

    monkeypatch.setattr(FakeRecognizer, "admit", counted_admit)
    monkeypatch.setattr(FakeRecognizer, "step", held_step)
    yield held
    held.open()


async def is_queued(server: Server, work_class: WorkClass, least: int) -> bool:
    """Whether so much work of a class waits for the model."""
    label = f'speech_queue_depth{{class="{work_class.name.lower()}",worker="inline"}}'
    return (await server.metrics()).get(label, 0) >= least


async def send_file(talk: Talk) -> None:
    """Three sentences, and the end."""
    await talk.audio(speech(600, 900, 600, 900, 600, 900))
    await talk.send(end_of_audio={})


async def test_a_live_final_waits_for_one_step_of_bulk_whatever_waits(device: Device) -> None:
    model = ModelConfig(kind=FAKE.kind, options={"max_batch": 1})
    async with running(ONE_LANE, models=(model,)) as server, AsyncExitStack() as stack:
        files = [
            await stack.enter_async_context(server.talk(pacing=FILE, partial_results=True))
            for _ in range(FILES)
        ]
        await asyncio.gather(*map(send_file, files))
        await until(lambda: is_queued(server, WorkClass.BACKGROUND, 3 * FILES - 1))
        began = len(device.admitted)
        live = await stack.enter_async_context(server.talk(pacing=REALTIME))
        await live.audio(speech(600))
        await live.send(finalize={"control_id": "now"})
        await until(lambda: is_queued(server, WorkClass.STREAM_FINAL, 1))
        device.permits.release(2)  # what runs, and what is most urgent
        assert (await live.until("result", kind=2)).text == "zero"
        assert device.admitted[began].work_class is WorkClass.STREAM_FINAL
        device.open()
        await live.end()
        for file in files:
            await file.rest()
            assert len(file.finals) == 3
        assert set(device.classes()) == {WorkClass.STREAM_FINAL, WorkClass.BACKGROUND}
        assert device.classes().count(WorkClass.BACKGROUND) == 3 * FILES


async def test_bulk_moves_beside_a_device_full_of_live_work(device: Device) -> None:
    """With a starvation time of nothing, a file gets one of the first two places although others are more urgent."""
    model = ModelConfig(kind=FAKE.kind, options={"max_batch": 1})
    settings = (ONE_LANE, "scheduler.starvation_ms=0")
    async with running(*settings, models=(model,)) as server, AsyncExitStack() as stack:
        file = await stack.enter_async_context(server.talk(pacing=FILE))
        await send_file(file)
        await until(lambda: is_queued(server, WorkClass.BACKGROUND, 2))
        request = pb.RecognizeRequest(config=raw_config(), audio=speech(600))
        calls = [server.recognition.Recognize(request, timeout=WAIT_S) for _ in range(6)]
        await until(lambda: is_queued(server, WorkClass.UNARY, 6))
        device.open()
        await file.rest()
        await asyncio.gather(*calls)
        order = [work.work_class for work in device.admitted]
        assert order[0] is WorkClass.BACKGROUND
        assert order[1:3].count(WorkClass.BACKGROUND) == 1


@pytest.mark.parametrize(
    ("pacing", "priority", "classes"),
    [
        (REALTIME, "", {WorkClass.STREAM_FINAL}),
        (REALTIME, "batch", {WorkClass.BACKGROUND}),
        (FILE, "", {WorkClass.BACKGROUND}),
        (FILE, "default", {WorkClass.BACKGROUND}),
        (FILE, "interactive", {WorkClass.BACKGROUND}),
        (FILE, "batch", {WorkClass.BACKGROUND}),
    ],
)
async def test_pacing_and_priority_make_the_class(
    device: Device, pacing: Any, priority: str, classes: set[WorkClass]
) -> None:
    device.open()
    metadata = (("x-speech-priority", priority),) if priority else ()
    async with running() as server:
        async with server.talk(metadata=metadata, pacing=pacing) as talk:
            await talk.audio(speech(600, 900, 600, 900))
            await talk.end()
        assert len(talk.finals) == 2
    assert set(device.classes()) == classes


async def test_a_long_call_is_background_work_after_its_first_minute(device: Device) -> None:
    device.open()
    sentence = speech(5_000, 1_000)
    audio = sentence * (LONG_CALL_MS // 6_000 + 4)
    async with running() as server:
        request = pb.RecognizeRequest(config=raw_config(), audio=audio)
        reply = await server.recognition.Recognize(request, timeout=WAIT_S)
    starts = {result.segment_id: result.start_ms for result in reply.results}
    assert len(starts) == len(audio) // len(sentence)
    for work in device.admitted:
        late = starts[work.segment.segment_id] >= LONG_CALL_MS
        assert work.work_class is (WorkClass.BACKGROUND if late else WorkClass.UNARY)
    assert len(set(device.classes())) == 2


@pytest.mark.parametrize(("pacing", "is_bulk"), [(REALTIME, False), (FILE, True)])
async def test_files_that_are_aligned_or_translated_are_background_work_too(
    pacing: Any, is_bulk: bool
) -> None:
    async with running(models=(FAKE, ALIGNER)) as server:
        messages = aligning.words("one two three") + aligning.sound(speech(1_500))
        assert aligning.units(await aligning.stream(server, messages, pacing=pacing))
        await server.idle()
        check_classes(await server.metrics(), is_bulk)
    async with translating() as server:
        settings = config("pt", source_language="en", recognition=raw_config(pacing=pacing))
        async with Interpreting(server.channel, settings) as talk:
            await talk.audio(speech(600, 900, 600, 900))
            await talk.end()
        await server.idle()
        check_classes(await server.metrics(), is_bulk)


def check_classes(metrics: dict[str, float], is_bulk: bool) -> None:
    """Every work item that was done is of the class, or a live partial."""
    done = [name for name in metrics if name.startswith("speech_work_total") and '"done"' in name]
    assert done
    wanted = "background" if is_bulk else "stream_"
    assert all(f'class="{wanted}' in name for name in done), done
