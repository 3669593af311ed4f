"""A real process that is told to stop under load: nobody loses what was sent, nobody hangs."""

import asyncio
import itertools
import signal
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from tests.integration.failures import WAIT_S, Failure
from tests.integration.harness import Talk, pb, raw_config, recognition_stub, request, until
from tests.integration.processes import FAKE_TOML, ServerProcess, serving
from tests.integration.sound import speech

STREAMS = 6
SENT_MS = 100
TONE = speech(SENT_MS)


@pytest.fixture
def fake_toml(tmp_path: Path) -> str:
    """Give a configuration with the fake recognizer, which takes a little time."""
    path = tmp_path / "service.toml"
    path.write_text(FAKE_TOML.format(step_ms=5))
    return f"--config={path}"


class Speaker:
    """A client that speaks until it is told to end, and keeps count."""

    def __init__(self, channel: aio.Channel, *, polite: bool) -> None:
        self.talk = Talk(recognition_stub(channel).StreamingRecognize(), raw_config())
        self.polite = polite
        self.sent_ms = 0
        self.failure: Failure | None = None
        self.told = asyncio.Event()
        self.heard = asyncio.Event()

    async def run(self) -> None:
        await self.talk.send(config=raw_config())
        speaking = asyncio.create_task(self._speak())
        try:
            while (event := await self.talk.read()) is not None:
                if event.HasField("going_away"):
                    self.told.set()
                if event.HasField("result"):
                    self.heard.set()
        except aio.AioRpcError as error:
            self.failure = Failure.of(error)
        speaking.cancel()
        await asyncio.wait([speaking])

    async def _speak(self) -> None:
        while not (self.polite and self.told.is_set()):
            if not await self.talk.write(request(audio={"data": TONE})):
                return
            self.sent_ms += SENT_MS
            await asyncio.sleep(0.02)
        await self.talk.send(end_of_audio={})


async def start_speakers(server: ServerProcess) -> tuple[aio.Channel, list[Speaker], asyncio.Task]:
    channel = aio.insecure_channel(server.target)
    speakers = [Speaker(channel, polite=n % 2 == 0) for n in range(STREAMS)]
    running = asyncio.create_task(_all(speakers))
    for speaker in speakers:
        await asyncio.wait_for(speaker.heard.wait(), WAIT_S)
    return channel, speakers, running


async def _all(speakers: list[Speaker]) -> None:
    await asyncio.gather(*(speaker.run() for speaker in speakers))


@pytest.mark.parametrize(
    ("number", "mode"), [(signal.SIGTERM, "process"), (signal.SIGINT, "inline")]
)
async def test_a_stop_under_live_streams(fake_toml: str, number: int, mode: str) -> None:
    arguments = (fake_toml, f"--workers={mode}", "--set=server.drain_grace_s=8")
    async with serving(*arguments) as server:
        channel, speakers, running = await start_speakers(server)
        server.signal(number)
        await asyncio.wait_for(running, WAIT_S)
        assert await server.exit_code(WAIT_S) == 0
        for speaker in speakers:
            assert speaker.told.is_set()
            finals = speaker.talk.finals
            assert finals, "what was sent got its FINAL"
            if speaker.polite:
                assert speaker.failure is None
                ended = speaker.talk.events[-1].session_ended
                assert ended.usage.audio_in_ms == speaker.sent_ms
                assert finals[-1].end_ms >= speaker.sent_ms - 64
            else:
                assert speaker.failure is not None
                speaker.failure.is_("UNAVAILABLE", "DRAINING", "RetryInfo")
            # No gap between segments: speech went on all the time.
            for before, after in itertools.pairwise(finals):
                assert after.start_ms == before.end_ms
        await channel.close()
        assert not [line for line in server.errors if "ERROR" in line or "Traceback" in line]


async def test_a_second_signal_stops_at_once(fake_toml: str) -> None:
    async with serving(fake_toml, "--workers=inline", "--set=server.drain_grace_s=600") as server:
        channel, speakers, running = await start_speakers(server)
        server.signal()
        for speaker in speakers:
            await asyncio.wait_for(speaker.told.wait(), WAIT_S)
        impolite = [s for s in speakers if not s.polite]
        assert all(s.failure is None for s in impolite)
        server.signal()
        assert await server.exit_code(WAIT_S) == 0
        await asyncio.wait_for(running, WAIT_S)
        for speaker in impolite:
            assert speaker.failure is not None
            speaker.failure.is_("UNAVAILABLE", "DRAINING", "RetryInfo")
        await channel.close()


async def test_new_calls_are_refused_while_it_drains(fake_toml: str) -> None:
    arguments = (fake_toml, "--workers=inline", "--set=server.drain_grace_s=600")
    async with serving(*arguments) as server, aio.insecure_channel(server.target) as channel:
        stub = recognition_stub(channel)
        async with Talk(stub.StreamingRecognize(), raw_config()) as talk:
            await talk.audio(speech(1000))
            await talk.until("speech_event")
            server.signal()
            await talk.until("going_away")
            refused = Talk(stub.StreamingRecognize(), raw_config())
            await refused.send(config=raw_config())
            (await refused.fails()).is_("UNAVAILABLE", "DRAINING", "RetryInfo")
            await talk.end()
            assert await talk.call.code() is grpc.StatusCode.OK
        assert await server.exit_code(WAIT_S) == 0


async def test_what_does_not_end_in_the_grace_gets_what_is_ready_and_a_full_error(
    tmp_path: Path,
) -> None:
    """The device is far behind: FINALs that it made go out, the others cannot come any more."""
    toml = tmp_path / "slow.toml"
    toml.write_text(FAKE_TOML.format(step_ms=400))
    arguments = (f"--config={toml}", "--workers=inline", "--set=server.drain_grace_s=1")
    async with serving(*arguments) as server, aio.insecure_channel(server.target) as channel:
        stub = recognition_stub(channel)
        talks = [Talk(stub.StreamingRecognize(), raw_config()) for _ in range(6)]
        readers = []
        for talk in talks:
            await talk.send(config=raw_config())
            for _ in range(8):
                await talk.audio(speech(700))
                await talk.send(silence={"duration": {"seconds": 2}})
            readers.append(asyncio.create_task(talk.fails()))
        many = bytes(speech(60_000))
        calls = [
            stub.Recognize(pb.RecognizeRequest(config=raw_config(), audio=many)) for _ in range(8)
        ]
        await until(lambda: any(talk.finals for talk in talks))
        server.signal()
        for failed in await asyncio.gather(*readers):
            failed.is_("UNAVAILABLE", "DRAINING", "RetryInfo")
        assert sum(len(talk.finals) for talk in talks)
        ended = await asyncio.gather(*(outcome(call) for call in calls))
        failures = [each for each in ended if isinstance(each, Failure)]
        assert failures, "the device cannot have done all of that"
        for failed in failures:
            failed.is_("UNAVAILABLE", "DRAINING", "RetryInfo")
        assert await server.exit_code(WAIT_S) == 0
        assert not [line for line in server.errors if "Traceback" in line or "never" in line]


async def outcome(call: Any) -> Any:
    """The reply, or how the call failed."""
    try:
        return await call
    except aio.AioRpcError as error:
        return Failure.of(error)
