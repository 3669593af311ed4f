"""Logs of a real process: nobody waits for their reader, and JSON is JSON to the last line."""

import asyncio
import fcntl
import json
import os
import re
import signal
import sys
from datetime import datetime
from pathlib import Path

import pytest
from grpc import aio

from speech.v1 import model_service_pb2, model_service_pb2_grpc
from tests.integration.harness import pb, raw_config, recognition_stub
from tests.integration.processes import FAKE_TOML, FREE_PORTS, ROOT, START_S, environment, serving
from tests.integration.sound import speech

PIPE_SIZE = 64 * 1024
REDIRECTIONS = {
    "full disk": ">/dev/full 2>/dev/full",
    "closed pipe": "",
    "closed stream": "2>&- >&-",
}


@pytest.fixture
def fake_toml(tmp_path: Path) -> str:
    """Give a configuration with the fake recognizer."""
    path = tmp_path / "service.toml"
    path.write_text(FAKE_TOML.format(step_ms=0))
    return f"--config={path}"


async def start(*arguments: str, **streams: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speech_service", "serve", *FREE_PORTS, *arguments),
        cwd=ROOT,
        env=environment(),
        **streams,  # pyright: ignore[reportArgumentType] - stdout and stderr
    )


async def ports(process: asyncio.subprocess.Process) -> list[int]:
    assert process.stdout is not None
    async with asyncio.timeout(START_S):
        line = (await process.stdout.readline()).decode()
    return [int(number) for number in re.findall(r"=(\d+) ", line)]


@pytest.mark.skipif(sys.platform != "linux", reason="sets the size of a pipe")
@pytest.mark.parametrize("mode", ["inline", "process"])
async def test_a_pipe_that_nobody_reads_stops_no_call(fake_toml: str, mode: str) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    process = await start(
        fake_toml,
        f"--workers={mode}",
        "--set=observability.log_level=DEBUG",
        stdout=asyncio.subprocess.PIPE,
        stderr=writing,
    )
    os.close(writing)
    try:
        public, _, metrics = await ports(process)
        async with aio.insecure_channel(f"127.0.0.1:{public}") as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            while not await sample(metrics, "speech_log_lines_dropped_total"):
                calls = [stub.ListModels(model_service_pb2.ListModelsRequest()) for _ in range(100)]
                await asyncio.wait_for(asyncio.gather(*calls), 60)
            reply = await recognition_stub(channel).Recognize(
                pb.RecognizeRequest(config=raw_config(), audio=speech(500)), timeout=60
            )
            assert reply.results
            # The pipe moves again: what was lost is told.
            rest = asyncio.create_task(asyncio.to_thread(read_all, reading))
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), START_S) == 0
            assert "lines were dropped" in (await rest).decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def sample(port: int, name: str) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    page = (await reader.read()).decode()
    writer.close()
    found = re.search(rf"^{name} (\S+)$", page, re.MULTILINE)
    assert found, page
    return float(found[1])


def read_all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("kind", REDIRECTIONS)
async def test_the_service_runs_where_nothing_can_be_written(
    fake_toml: str, tmp_path: Path, kind: str
) -> None:
    redirect = REDIRECTIONS[kind]
    address = f"unix:{tmp_path / 'public'}"  # of a port that is free we could not be told
    listen = f"--set=server.listen={address}"
    command = [sys.executable, "-m", "speech_service", "serve", *FREE_PORTS, listen, fake_toml]
    reading, writing = os.pipe()
    os.close(reading)  # whoever writes gets EPIPE
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'exec "$@" {redirect}', "sh", *command),
        cwd=ROOT,
        env=environment(),
        stdout=writing,
        stderr=writing,
    )
    os.close(writing)
    try:
        async with aio.insecure_channel(address) as channel:
            await asyncio.wait_for(channel.channel_ready(), START_S)
            reply = await recognition_stub(channel).Recognize(
                pb.RecognizeRequest(config=raw_config(), audio=speech(500)), timeout=60
            )
            assert reply.results
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), START_S) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_every_line_of_a_json_log_is_a_flat_record(fake_toml: str) -> None:
    """Also what a library prints past the log: here gRPC, told to say much by the operator."""
    noisy = environment() | {"GRPC_VERBOSITY": "debug", "GRPC_TRACE": "http_keepalive,api"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speech_service", "serve", *FREE_PORTS, fake_toml),
        "--log-format=json",
        cwd=ROOT,
        env=noisy,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(START_S):
        first = (await process.stdout.readline()).decode()
    serving_line = json.loads(first)
    assert serving_line["message"] == "serving"
    errors = asyncio.create_task(process.stderr.read())
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with aio.insecure_channel(f"127.0.0.1:{serving_line['grpc']}") as channel:
        await recognition_stub(channel).Recognize(
            pb.RecognizeRequest(config=raw_config(), audio=speech(500)),
            metadata=(("traceparent", trace),),
            timeout=60,
        )
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), START_S) == 0
    lines = [*(await process.stdout.read()).splitlines(), *(await errors).splitlines()]
    records = [json.loads(line) for line in lines]
    assert records
    for record in records:
        assert {"time", "level", "message", "logger"} <= record.keys()
        assert datetime.fromisoformat(record["time"]).tzinfo is not None
        assert all(isinstance(value, str | int | float | bool | None) for value in record.values())
    (rpc,) = [record for record in records if record["message"] == "rpc"]
    assert rpc["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert rpc["code"] == "OK"
    assert any(record["logger"] == "stderr" for record in records), "gRPC said something"


async def test_the_log_has_no_noise_at_the_end(tmp_path: Path) -> None:
    toml = tmp_path / "service.toml"
    toml.write_text(FAKE_TOML.format(step_ms=0))
    async with serving(f"--config={toml}") as server:
        async with aio.insecure_channel(server.target) as channel:
            await recognition_stub(channel).Recognize(  # resampled: what soxr holds is let go
                pb.RecognizeRequest(config=raw_config(8000), audio=speech(500)), timeout=60
            )
        server.signal()
        assert await server.exit_code(100) == 0
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} (INFO|WARNING) ", line) for line in server.errors)
    assert server.errors[-1].rstrip().endswith("stopped")
