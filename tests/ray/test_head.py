"""A head that is gone: servers go on for as long as their nodes wait for it, and end with them."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from grpc import aio

from speech_client import RawAudio, RecognitionResult, ReconnectPolicy, SpeechClient
from speech_client.errors import UnavailableError
from tests.integration.harness import Talk, raw_config, recognition_stub
from tests.integration.processes import ROOT, environment
from tests.integration.sound import speech

pytest.importorskip("ray", reason="ray is not installed: make test-ray installs it")

WAIT_S = 180.0
PATIENCE_S = 20


@asynccontextmanager
async def losing_head() -> AsyncIterator[asyncio.subprocess.Process]:
    """The cluster, for as long as the block runs."""
    paths = [environment()["PYTHONPATH"], str(ROOT / "deploy/ray")]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.ray.losing_head", str(PATIENCE_S)),
        cwd=ROOT,
        env=environment() | {"PYTHONPATH": os.pathsep.join(paths)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):  # Ray has ended it, too
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def test_servers_go_on_without_a_head_until_their_nodes_give_it_up() -> None:
    async with losing_head() as cluster, asyncio.timeout(WAIT_S):
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        while not (line := await cluster.stdout.readline()).startswith(b"address"):
            assert line, "the cluster does not start"
        _, host, port = line.decode().split()
        target = f"{host}:{port}"
        async with (
            aio.insecure_channel(target) as channel,
            Talk(recognition_stub(channel).StreamingRecognize(), raw_config()) as talk,
        ):
            await talk.until("session_started")
            cluster.stdin.write(b"end the head\n")
            assert (await cluster.stdout.readline()).startswith(b"gone")
            await talk.audio(speech(1000, 1000))
            await talk.end()
            assert [final.text for final in talk.finals] == ["zero one"], "it goes on"
        assert await heard(target) == ["zero one"], "and takes new calls"
        with pytest.raises(UnavailableError):
            await until_it_ends(target)


async def until_it_ends(target: str) -> None:
    """Call again and again; the node gives its head up at last."""
    while True:
        await heard(target)
        await asyncio.sleep(0.5)


async def heard(target: str) -> list[str]:
    """The FINALs of a new stream."""
    hasty = ReconnectPolicy(attempts=1, total_s=1)
    async with (
        SpeechClient.connect(target, reconnect=hasty) as client,
        client.stream_recognize(format=RawAudio(16_000)) as stream,
    ):
        await stream.send_audio(speech(1000, 1000))
        await stream.end_audio()
        return [e.text async for e in stream if isinstance(e, RecognitionResult) and e.is_final]
