"""Signals that ask for nothing, or for another look at the files: no process of the service ends by them."""

import asyncio
import io
import signal
import wave
from pathlib import Path

import grpc
import psutil
import pytest
from grpc import aio

from tests.integration.harness import Talk, auto_config, pb, raw_config, recognition_stub, until
from tests.integration.processes import FAKE_TOML, ServerProcess, serving
from tests.integration.sound import RATE, speech

FAKE = FAKE_TOML.format(step_ms=0)
HARMLESS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPIPE)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    """Give a configuration with the fake recognizer."""
    path = tmp_path / "service.toml"
    path.write_text(FAKE)
    return path


def wav(data: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(RATE)
        written.writeframes(data)
    return file.getvalue()


async def recognizes(channel: aio.Channel) -> bool:
    reply = await recognition_stub(channel).Recognize(
        pb.RecognizeRequest(config=raw_config(), audio=speech(500)), timeout=60
    )
    return bool(reply.results)


async def test_the_front_end_lives_through_them(toml: Path) -> None:
    async with serving(f"--config={toml}", "--workers=inline") as server:
        async with aio.insecure_channel(server.target) as channel:
            async with Talk(recognition_stub(channel).StreamingRecognize(), raw_config()) as talk:
                await talk.audio(speech(1000))
                await talk.until("speech_event")
                for number in HARMLESS:
                    server.signal(number)
                await until(lambda: any("state: 1 streams" in line for line in server.errors))
                await talk.end()
                assert talk.finals
                assert await talk.call.code() is grpc.StatusCode.OK
            assert await recognizes(channel)
        server.signal()
        assert await server.exit_code(100) == 0


async def test_the_worker_and_the_codecs_live_through_them_and_through_those_that_end(
    toml: Path,
) -> None:
    """A supervisor that signals a whole group must not take the children from under a drain."""
    async with (
        serving(f"--config={toml}") as server,
        aio.insecure_channel(server.target) as channel,
    ):
        assert await recognizes(channel)
        async with Talk(recognition_stub(channel).StreamingRecognize(), auto_config()) as talk:
            data = wav(speech(3000))
            await talk.audio(data[:40_000])
            await talk.until("speech_event")
            children = psutil.Process(server.process.pid).children(recursive=True)
            assert len(children) >= 3, "worker, codec host and a decoder"
            kept = {c.pid for c in children if c.ppid() == server.process.pid}
            for child in children:
                for number in (*HARMLESS, signal.SIGINT, signal.SIGTERM):
                    child.send_signal(number)
            await talk.audio(data[40_000:])
            await talk.end()
            assert talk.finals
        assert kept <= {c.pid for c in psutil.Process(server.process.pid).children()}
        assert await recognizes(channel)
        server.signal()
        assert await server.exit_code(100) == 0


async def test_hangup_reads_the_log_level_again_and_keeps_it_where_the_file_is_broken(
    toml: Path,
) -> None:
    async with serving(f"--config={toml}", "--workers=inline") as server:
        async with aio.insecure_channel(server.target) as channel:
            configure(toml, 'observability.log_level = "WARNING"\n', FAKE)
            server.signal(signal.SIGHUP)
            configured = len(server.errors)
            await quiet(channel, server)
            configure(toml, "nothing = 1")
            server.signal(signal.SIGHUP)
            await until(lambda: any("stays as it was" in line for line in server.errors))
            assert await recognizes(channel)
            configure(toml, FAKE)
            server.signal(signal.SIGHUP)
            await until(lambda: any("read again" in line for line in server.errors[configured:]))
            assert await recognizes(channel)
            await until(lambda: " rpc " in server.errors[-1])
        server.signal()
        assert await server.exit_code(100) == 0


async def test_hangup_changes_the_level_of_the_worker_that_runs(toml: Path) -> None:
    configure(toml, 'observability.log_level = "WARNING"\n', FAKE)
    async with serving(f"--config={toml}") as server:
        async with aio.insecure_channel(server.target) as channel:
            assert await recognizes(channel)  # it runs
            configure(toml, FAKE)
            server.signal(signal.SIGHUP)
            await until(lambda: told_by_worker(server) == ["INFO"])
            configure(toml, 'observability.log_level = "DEBUG"\n', FAKE)
            server.signal(signal.SIGHUP)
            await until(lambda: told_by_worker(server) == ["INFO", "DEBUG"])
        server.signal()
        assert await server.exit_code(100) == 0


def told_by_worker(server: ServerProcess) -> list[str]:
    """The levels that it logs to have now."""
    told = "the worker logs from level "
    return [line.partition(told)[2].split()[0] for line in server.errors if told in line]


def configure(toml: Path, *parts: str) -> None:
    toml.write_text("".join(parts))


async def quiet(channel: aio.Channel, server: ServerProcess) -> None:
    """Wait until calls are logged no more."""
    async with asyncio.timeout(60):
        while True:
            before = len(server.errors)
            assert await recognizes(channel)
            await asyncio.sleep(0.1)
            if len(server.errors) == before:
                return
