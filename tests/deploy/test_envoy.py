"""Envoy as deploy/envoy configures it, before two real servers: streams, REST, gRPC-Web, drain, a server killed."""

import asyncio
import base64
import json
import signal
import struct
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from grpc import aio

from benchmarks.envoy import Envoy
from speech.v1 import model_service_pb2 as models_pb
from speech_client import (
    RawAudio,
    RecognitionResult,
    Reconnected,
    ReconnectPolicy,
    SpeechClient,
    UnavailableError,
)
from tests.deploy.envoys import envoy
from tests.integration.harness import Talk, raw_config, recognition_stub
from tests.integration.processes import FAKE_TOML, ServerProcess, serving
from tests.integration.sound import speech

STREAMS = 20


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[tuple[Envoy, list[ServerProcess]]]:
    """Give Envoy and the two servers behind it."""
    path = tmp_path / "service.toml"
    path.write_text(FAKE_TOML.format(step_ms=1))
    arguments = (f"--config={path}", "--workers=inline", "--set=server.drain_notice_s=3")
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(serving(*arguments)) for _ in range(2)]
        gate = await stack.enter_async_context(envoy(tmp_path, [s.public for s in servers]))
        await gate.until_healthy(2)
        yield gate, servers


async def spoken(channel: aio.Channel) -> str:
    """The text of one stream."""
    async with Talk(recognition_stub(channel).StreamingRecognize(), raw_config()) as talk:
        await talk.audio(speech(1000))
        await talk.end()
        return " ".join(result.text for result in talk.finals)


async def test_streams_are_shared_out_and_all_say_the_same(
    house: tuple[Envoy, list[ServerProcess]],
) -> None:
    gate, servers = house
    async with aio.insecure_channel(gate.target) as channel, AsyncExitStack() as stack:
        talks = [
            await stack.enter_async_context(
                Talk(recognition_stub(channel).StreamingRecognize(), raw_config())
            )
            for _ in range(STREAMS)
        ]
        for talk in talks:
            await talk.until("session_started")
        loads = [await open_streams(server) for server in servers]
        assert sum(loads) == STREAMS
        assert min(loads) >= STREAMS // 4
        for talk in talks:
            await talk.audio(speech(1000))
            await talk.end()
        assert len({talk.finals[0].text for talk in talks}) == 1


async def open_streams(server: ServerProcess) -> int:
    """How many streams a server has."""
    page = await asyncio.to_thread(
        lambda: urllib.request.urlopen(f"http://127.0.0.1:{server.metrics}/metrics").read()
    )
    (line,) = [x for x in page.decode().splitlines() if x.startswith("speech_active_streams ")]
    return int(float(line.split()[1]))


async def test_a_killed_server_fails_its_streams_alone_and_new_ones_go_to_the_other(
    house: tuple[Envoy, list[ServerProcess]],
) -> None:
    gate, servers = house
    async with aio.insecure_channel(gate.target) as channel, AsyncExitStack() as stack:
        talks = [
            await stack.enter_async_context(
                Talk(recognition_stub(channel).StreamingRecognize(), raw_config())
            )
            for _ in range(STREAMS)
        ]
        for talk in talks:
            await talk.until("session_started")
        survivors = await open_streams(servers[1])
        servers[0].signal(signal.SIGKILL)
        ended = await asyncio.gather(*(ends(talk) for talk in talks))
        assert sum(code is None for code in ended) == survivors
        assert set(ended) <= {None, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL}
        assert await asyncio.gather(*(spoken(channel) for _ in range(4)))


async def ends(talk: Talk) -> grpc.StatusCode | None:
    """How the stream ends when all of its audio is sent; None: well. What a killed server leaves is Envoy's to say."""
    try:
        await talk.audio(speech(500))
        await talk.end()
    except aio.AioRpcError as error:
        return error.code()
    return None


async def test_a_server_that_drains_gets_nothing_new(
    house: tuple[Envoy, list[ServerProcess]],
) -> None:
    gate, servers = house
    async with aio.insecure_channel(gate.target) as channel:
        servers[0].signal(signal.SIGTERM)
        await gate.until_healthy(1)
        results = await asyncio.gather(*(spoken(channel) for _ in range(STREAMS)))
        assert len(set(results)) == 1
        assert await servers[0].exit_code(60) == 0
        assert await spoken(channel) == results[0]


def post(gate: Envoy, path: str, body: bytes, kind: str) -> tuple[int, bytes]:
    """An HTTP/1.1 call; the status and the body."""
    request = urllib.request.Request(
        f"http://{gate.target}{path}", body, {"content-type": kind}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


async def test_rest(house: tuple[Envoy, list[ServerProcess]]) -> None:
    gate, _ = house
    config = {"audio": {"raw": {"encoding": "AUDIO_ENCODING_PCM_S16LE", "sample_rate_hz": 16000}}}
    asked = {"config": config, "audio": base64.b64encode(speech(1000)).decode()}
    path = "/speech.v1.RecognitionService/Recognize"
    body = json.dumps(asked).encode()
    status, answer = await asyncio.to_thread(post, gate, path, body, "application/json")
    assert status == 200, answer
    assert json.loads(answer)["results"][0]["text"]
    asked["audio"] = ""
    body = json.dumps(asked).encode()
    status, answer = await asyncio.to_thread(post, gate, path, body, "application/json")
    assert status == 400
    assert "EMPTY_AUDIO" in answer.decode()
    admin = "/speech.admin.v1.ModelAdminService/DrainServer"
    status, _ = await asyncio.to_thread(post, gate, admin, b"{}", "application/json")
    assert status == 404


async def test_grpc_web(house: tuple[Envoy, list[ServerProcess]]) -> None:
    gate, _ = house
    message = models_pb.ListModelsRequest().SerializeToString()
    framed = struct.pack(">BI", 0, len(message)) + message
    status, answer = await asyncio.to_thread(
        *(post, gate, "/speech.v1.ModelService/ListModels", framed, "application/grpc-web+proto")
    )
    assert status == 200
    (length,) = struct.unpack(">I", answer[1:5])
    reply = models_pb.ListModelsResponse.FromString(answer[5 : 5 + length])
    assert reply.models
    assert b"grpc-status:0" in answer[5 + length :]


async def test_servers_are_added_and_taken_away_by_the_file(
    house: tuple[Envoy, list[ServerProcess]],
) -> None:
    gate, servers = house
    gate.route_to([servers[1].public])
    await gate.until_healthy(1)
    async with aio.insecure_channel(gate.target) as channel:
        assert await spoken(channel)
        assert await open_streams(servers[0]) == 0


async def test_an_envoy_that_is_gone_costs_its_streams_a_pause(tmp_path: Path) -> None:
    """Killed under live streams of ``speech_client`` and started again: all texts as if nothing had been."""
    path = tmp_path / "service.toml"
    path.write_text(FAKE_TOML.format(step_ms=1))
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    patient = ReconnectPolicy(attempts=100, total_s=120)
    async with serving(f"--config={path}", "--workers=inline") as server, AsyncExitStack() as stack:
        gate = await stack.enter_async_context(envoy(first, [server.public]))
        await gate.until_healthy(1)
        async with SpeechClient.connect(gate.target, reconnect=patient) as client:
            begun, gone = [asyncio.Event() for _ in range(4)], asyncio.Event()
            streams = [asyncio.create_task(heard(client, event, gone)) for event in begun]
            for event in begun:
                await event.wait()
            await stack.aclose()
            gone.set()
            hasty = ReconnectPolicy(attempts=2, total_s=2)
            async with SpeechClient.connect(gate.target, reconnect=hasty) as other:
                with pytest.raises(UnavailableError):
                    await heard(other, asyncio.Event(), gone)
            async with envoy(second, [server.public], gate.port):
                ends = await asyncio.gather(*streams)
                undisturbed = await heard(client, asyncio.Event(), gone)
    assert undisturbed[1] == 0
    assert all(reconnects for _, reconnects in ends)
    assert [finals for finals, _ in ends] == [undisturbed[0]] * 4


async def heard(
    client: SpeechClient, begun: asyncio.Event, may_end: asyncio.Event
) -> tuple[list[tuple[int, str, int]], int]:
    """FINALs of a stream (number, text, end) and how often it was opened again. ``begun``: the first has come;
    ``may_end``: the second half of the audio is sent."""
    sound = speech(1000, 1000, 1500, 1000, 500, 1000)
    half = len(sound) // 2
    finals: list[tuple[int, str, int]] = []
    reconnects = 0
    async with client.stream_recognize(format=RawAudio(16_000)) as stream:

        async def send() -> None:
            await stream.send_audio(sound[:half])
            await may_end.wait()
            await stream.send_audio(sound[half:])
            await stream.end_audio()

        sending = asyncio.create_task(send())
        async for event in stream:
            if isinstance(event, Reconnected):
                reconnects += 1
            elif isinstance(event, RecognitionResult) and event.is_final:
                finals.append((event.segment_id, event.text, event.end_ms))
                begun.set()
        await sending
    return finals, reconnects
