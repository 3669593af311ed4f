"""A front end that has few file descriptors, or none for a while: it goes on, it says so, it comes back by itself."""

import asyncio
import contextlib
import errno
import io
import os
import resource
import socket
import wave
from pathlib import Path
from typing import Any

import psutil
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from speech.v1 import audio_pb2
from speech.v1 import recognition_service_pb2 as pb
from tests.integration.failures import failure_of
from tests.integration.harness import raw_config, recognition_stub, running, until
from tests.integration.processes import (
    FAKE_TOML,
    ServerProcess,
    serving,
)
from tests.integration.sound import RATE

PATIENT_S = 90.0
AUDIO = b"\x00\x20\x00\xe0" * (RATE // 2)
SERVING = health_pb2.HealthCheckResponse.SERVING


async def recognize(channel: aio.Channel) -> str:
    """The text of a second of sound."""
    request = pb.RecognizeRequest(config=raw_config(), audio=AUDIO)
    reply = await recognition_stub(channel).Recognize(request, timeout=PATIENT_S)
    return reply.results[0].text


def wav_file() -> bytes:
    """The same sound in a container."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, RATE, 0, "NONE", ""))
        wav.writeframes(AUDIO)
    return file.getvalue()


async def works(channel: aio.Channel) -> None:
    """Ask until it is answered; what may fail on the way is UNAVAILABLE and nothing else."""
    async with asyncio.timeout(PATIENT_S):
        while True:
            outcome = await failing_or_text(channel)
            if outcome == "zero one":
                return
            assert outcome == "UNAVAILABLE"
            await asyncio.sleep(0.1)


async def serves(channel: aio.Channel, wanted: bool) -> None:
    """Wait until health says so."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest(service="speech.v1.RecognitionService")
    async with asyncio.timeout(PATIENT_S):
        async for answer in stub.Watch(request):
            if (answer.status == SERVING) is wanted:
                return


def worker_of(server: ServerProcess) -> psutil.Process:
    """The worker process of a front end."""
    children = psutil.Process(server.process.pid).children()
    (worker,) = (child for child in children if "speech_service.worker" in child.cmdline())
    return worker


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A configuration with the fake model."""
    path = tmp_path / "fake.toml"
    path.write_text(FAKE_TOML.format(step_ms=1))
    return path


async def test_a_shortage_with_a_worker_death_inside_passes_by_itself(model_file: Path) -> None:
    settings = ("--set=worker.max_restarts=1",)
    async with serving("--config", str(model_file), *settings) as server:
        async with aio.insecure_channel(server.target) as channel:
            await works(channel)
            pid, limits = (
                server.process.pid,
                resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE),
            )
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, limits[1]))
            worker_of(server).kill()
            waiting = asyncio.ensure_future(failing_or_text(channel))
            await serves(channel, False)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
            await serves(channel, True)
            await works(channel)
            assert await waiting in ("UNAVAILABLE", "zero one")
        assert not [line for line in server.errors if "never retrieved" in line]


async def failing_or_text(channel: aio.Channel) -> str:
    """What a call in the middle of it comes to."""
    try:
        return await recognize(channel)
    except aio.AioRpcError as error:
        return error.code().name


async def test_idle_connections_keep_no_worker_from_being_replaced(model_file: Path) -> None:
    settings = ("--set=server.handshake_timeout_s=2", "--set=server.max_streams=16")
    launcher = ("sh", "-c", 'ulimit -n 256; exec "$@"', "sh")
    async with serving("--config", str(model_file), *settings, launcher=launcher) as server:
        async with aio.insecure_channel(server.target) as channel:
            await works(channel)
            idle = [socket.socket() for _ in range(400)]
            for number, each in enumerate(idle):
                each.setblocking(False)
                port = server.public if number % 4 else server.metrics
                each.connect_ex(("127.0.0.1", port))
            await asyncio.sleep(0.5)
            worker_of(server).kill()
            await works(channel)
            own = [("grpc.use_local_subchannel_pool", 1)]
            async with aio.insecure_channel(server.target, options=own) as other:
                await works(other)  # once those that shake no hands are gone
            for each in idle:
                each.close()
        assert len(server.errors) < 60, server.errors
        assert not [line for line in server.errors if "Traceback" in line]


async def test_a_connection_that_shakes_no_hands_is_closed() -> None:
    async with running("server.handshake_timeout_s=0.5") as server:
        port = server.app.ports.public
        for first in (b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(first)
            async with asyncio.timeout(PATIENT_S):
                with contextlib.suppress(ConnectionError):
                    while await reader.read(1000):
                        pass
            writer.close()
        await server.works()


async def test_one_connection_too_many_is_closed_and_the_others_work() -> None:
    async with running("server.max_connections=5") as server:
        await server.works()
        port = server.app.ports.public
        ends = [await asyncio.open_connection("127.0.0.1", port) for _ in range(12)]
        closed = [asyncio.ensure_future(reader.read(1)) for reader, _ in ends]
        await until(lambda: sum(each.done() for each in closed) >= 8)
        await server.works()
        for _, writer in ends:
            writer.close()
        await asyncio.gather(*closed, return_exceptions=True)


async def test_a_container_without_descriptors_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    config = pb.RecognitionConfig(
        audio=audio_pb2.AudioFormat(container=audio_pb2.AUDIO_CONTAINER_WAV)
    )
    request = pb.RecognizeRequest(config=config, audio=wav_file())
    async with running() as server:
        for _ in range(2):  # without a codec process, and with one
            with monkeypatch.context() as patch:
                patch.setattr(socket, "socketpair", none)
                failure = await failure_of(server.recognition.Recognize(request, timeout=PATIENT_S))
                failure.is_("UNAVAILABLE", "UNAVAILABLE", "RetryInfo")
            reply = await server.recognition.Recognize(request, timeout=PATIENT_S)
            assert reply.results[0].text == "zero one"


PLANTED = ("json", "numpy", "logging", "asyncio", "socket", "google", "speech", "onnxruntime", "av")


@pytest.mark.parametrize("flags", [("-P",), ()], ids=["program", "module"])
async def test_no_process_of_ours_imports_what_lies_in_its_folder(
    tmp_path: Path, model_file: Path, flags: tuple[str, ...]
) -> None:
    """As the installed program, which does not search that folder, and as ``python -m``, which does at first."""
    ran = tmp_path / "ran"
    # ``-m`` looks for the module that it is to run in the current folder first: that is what it is asked to do.
    names = (*PLANTED, "speech_service") if flags else PLANTED
    for name in names:
        trap = f"open({str(ran)!r}, 'a').write({name!r} + ' ')\nraise SystemExit(9)\n"
        (tmp_path / f"{name}.py").write_text(trap)
    request = pb.RecognizeRequest(
        config=pb.RecognitionConfig(
            audio=audio_pb2.AudioFormat(container=audio_pb2.AUDIO_CONTAINER_WAV)
        ),
        audio=wav_file(),
    )
    async with (
        serving("--config", str(model_file), flags=flags, cwd=tmp_path) as server,
        aio.insecure_channel(server.target) as channel,
    ):
        reply = await recognition_stub(channel).Recognize(request, timeout=PATIENT_S)
        assert reply.results[0].text == "zero one"
    assert not ran.exists(), ran.read_text()
