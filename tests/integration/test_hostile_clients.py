"""Clients that do not read, vanish, lie in their metadata or cancel: none costs the others anything."""

import asyncio
import contextlib
import ctypes
import gc
import itertools
import random
import struct

import grpc
import psutil
import pytest
from grpc import aio

from benchmarks.faults.floods import frames_of, preface
from speech.v1 import common_pb2 as common
from tests.integration.failures import failure_of
from tests.integration.harness import (
    Server,
    Talk,
    auto_config,
    chunk,
    fake_model,
    pb,
    raw_config,
    recognition_stub,
    request,
    running,
    until,
)
from tests.integration.sound import speech
from tests.integration.test_word_times import ALIGNER
from tests.unit.media.encode import encoded

MIB = 1024 * 1024


# As most clients have it: what is read ahead of the application is bounded, and not adapted to the line.
SMALL_WINDOW = (("grpc.http2.lookahead_bytes", 65_536), ("grpc.http2.bdp_probe", 0))


async def test_a_client_that_never_reads() -> None:
    async with running("stream.slow_reader_timeout_s=0.5") as server:
        before = psutil.Process().memory_info().rss
        admission = server.app.parts.admission
        async with (
            aio.insecure_channel(server.target, options=SMALL_WINDOW) as own,
            server.talk() as good,
        ):
            talk = Talk(recognition_stub(own).StreamingRecognize(), raw_config())

            async def pour() -> None:
                """Ask for more answers than anybody buffers."""
                await talk.send(config=raw_config())
                for _ in range(4000):
                    if not await talk.write(request(finalize={"control_id": "x" * 64})):
                        return

            pouring = asyncio.create_task(pour())
            await until(lambda: admission.open_streams == 2)
            await good.audio(speech(1000))
            await good.until("speech_event")
            await until(lambda: admission.open_streams == 1)  # the bad one lost its place
            assert psutil.Process().memory_info().rss - before < 32 * MIB
            await good.audio(speech(0, 1000))
            await good.end()
            assert good.finals[0].text == "zero one"
            (await talk.fails()).is_("ABORTED", "CLIENT_NOT_READING")  # should it ever read on
            assert 100 < talk.kinds().count("control_ack") < 4000
            await pouring
        await server.idle()
        assert (await server.metrics())["speech_active_streams"] == 0
        await server.works()


async def test_a_client_that_reads_slowly_is_not_punished() -> None:
    """It takes longer for all than it may for any, and more waits for it than is buffered on the way."""
    async with (
        running("stream.slow_reader_timeout_s=3") as server,
        aio.insecure_channel(server.target, options=SMALL_WINDOW) as own,
        Talk(recognition_stub(own).StreamingRecognize(), raw_config()) as talk,
    ):

        async def pour() -> None:
            for _ in range(1500):
                await talk.send(finalize={"control_id": "x" * 64})

        pouring = asyncio.create_task(pour())
        for _ in range(7):
            await asyncio.sleep(0.5)
            for _ in range(100):
                await talk.read()
        while talk.kinds().count("control_ack") < 1500:
            await talk.read()
        await pouring
        await talk.end()


class Proxy:
    """A connection that can be cut as a pulled cable is: without a word to either side."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, up_writer]
        await asyncio.gather(self._copy(reader, up_writer), self._copy(up_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return

    async def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._server.close()
        await self._server.wait_closed()


async def test_a_client_that_sends_and_vanishes() -> None:
    """Its work is given up: the device runs none of what still waited."""
    model = fake_model(step_ms=400, max_batch=1)
    async with running(models=[model]) as server:
        proxy = Proxy(server.app.ports.public)
        channel = aio.insecure_channel(await proxy.start())
        talks: list[Talk] = []
        for _ in range(10):
            talk = Talk(recognition_stub(channel).StreamingRecognize(), raw_config())
            await talk.send(config=raw_config())
            await talk.audio(speech(1000, 1000, 1000, 1000))
            await talk.until("speech_event")
            talks.append(talk)
        assert server.app.parts.admission.open_streams == 10
        done = 'speech_work_total{class="stream_final",outcome="done",worker="inline"}'
        before = (await server.metrics()).get(done, 0)
        await proxy.cut()
        await server.idle()
        metrics = await server.metrics()
        assert metrics["speech_active_streams"] == 0
        assert metrics.get(done, 0) <= before + 3, "of 20; one runs, others may have meanwhile"
        await channel.close()
        await server.works()


async def test_a_client_that_vanishes_from_a_unary_call(server: Server) -> None:
    async with running(models=[fake_model(step_ms=200, max_batch=1)]) as server:
        audio = speech(*[1000] * 40)
        channel = aio.insecure_channel(server.target)
        call = recognition_stub(channel).Recognize(
            pb.RecognizeRequest(config=raw_config(), audio=audio)
        )
        reply = asyncio.ensure_future(call)
        await until(lambda: server.app.parts.admission.open_unary == 1)
        await channel.close()
        with pytest.raises(asyncio.CancelledError):
            await reply
        await server.idle()
        metrics = await server.metrics()
        assert (
            metrics.get('speech_work_total{class="unary",outcome="done",worker="inline"}', 0) < 20
        )


ABUSE = [
    ("x-request-id", "with space", "metadata.x-request-id"),
    ("x-request-id", "", "metadata.x-request-id"),
    ("x-request-id", "a" * 129, "metadata.x-request-id"),
    ("x-request-id", "a{b}", "metadata.x-request-id"),
    ("x-speech-priority", "urgent", "metadata.x-speech-priority"),
    ("x-speech-priority", "x" * 4000, "metadata.x-speech-priority"),
    ("x-speech-priority", "", "metadata.x-speech-priority"),
]


@pytest.mark.parametrize(("key", "value", "path"), ABUSE)
async def test_malformed_metadata(server: Server, key: str, value: str, path: str) -> None:
    unary = server.recognition.Recognize(
        pb.RecognizeRequest(config=raw_config(), audio=speech(100)), metadata=((key, value),)
    )
    failure = (await failure_of(unary)).is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest")
    failure.names(path)
    async with server.talk(metadata=[(key, value)]) as talk:
        (await talk.fails()).is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest").names(path)


@pytest.mark.parametrize(
    "traceparent", ["garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-00", "ff-1", "x" * 4000, "00"]
)
async def test_a_malformed_traceparent_is_ignored(server: Server, traceparent: str) -> None:
    async with server.talk(metadata=[("traceparent", traceparent), ("tracestate", "a=b")]) as talk:
        await talk.end()
    assert talk.kinds() == ["session_started", "session_ended"]


async def test_metadata_above_the_limit_is_refused_by_grpc(server: Server) -> None:
    for metadata in (
        (("x-request-id", "a" * 40_000),),
        tuple((f"x-{n}", "v" * 90) for n in range(900)),
    ):
        with pytest.raises(aio.AioRpcError) as caught:
            await server.recognition.Recognize(
                pb.RecognizeRequest(config=raw_config(), audio=speech(100)), metadata=metadata
            )
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await server.works()


@pytest.mark.parametrize("problem", ["no such model", "no known container", "part of a frame"])
async def test_a_refused_call_keeps_nothing_of_its_message(server: Server, problem: str) -> None:
    """What is left of it would wait for a full collection of garbage, which comes after a thousand calls."""
    audio = bytes(MIB + 1)
    config = {
        "no such model": raw_config(model="nope"),
        "no known container": auto_config(),
        "part of a frame": raw_config(),
    }[problem]

    def nothing_held() -> bool:
        objects = gc.get_objects()
        return not any(isinstance(each, pb.RecognizeRequest) and each.audio for each in objects)

    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            await failure_of(
                server.recognition.Recognize(pb.RecognizeRequest(config=config, audio=audio))
            )
        await until(nothing_held)  # a decoder ends after its call
    finally:
        gc.enable()


async def _frame(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """Kind, flags and payload of an HTTP/2 frame."""
    head = await reader.readexactly(9)
    return head[3], head[4], await reader.readexactly(int.from_bytes(head[:3], "big"))


async def test_pings_are_answered_however_many_come() -> None:
    """To close the connection instead costs gRPC a kilobyte for each that has arrived."""
    ping, goaway, ack = 6, 7, 1
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.app.ports.public)
        with contextlib.closing(writer):
            writer.write(preface())
            pings = frames_of("ping", "")
            for _ in range(3):
                writer.write(b"".join(itertools.islice(pings, 2_000)))
                answered = 0
                while answered < 2_000:
                    kind, flags, _ = await _frame(reader)
                    assert kind != goaway, "the connection is closed"
                    answered += kind == ping and flags == ack
        await server.works()


class _Heap(ctypes.Structure):
    """glibc's ``struct mallinfo2``."""

    _fields_ = (
        ("before", ctypes.c_size_t * 7),
        ("allocated", ctypes.c_size_t),
        ("after", ctypes.c_size_t * 2),
    )


def _allocated_bytes() -> int:
    """What is allocated of the C heap, by gRPC's core above all."""
    mallinfo2 = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo2 is None:
        pytest.skip("another C library than glibc 2.33")
    mallinfo2.restype = _Heap
    gc.collect()
    return mallinfo2().allocated


async def test_streams_that_are_reset_at_once_leave_nothing_in_the_heap() -> None:
    """grpc.aio keeps for good what it was to send to a call that is gone (grpc/grpc#43360)."""
    rounds, streams = 8, 250

    async def handled(server: Server) -> int:
        metrics = await server.metrics()
        return round(
            sum(v for k, v in metrics.items() if k.startswith("grpc_server_handled_total"))
        )

    async def flood(server: Server) -> None:
        total = await handled(server) + streams

        async def is_done() -> bool:
            return await handled(server) >= total

        _, writer = await asyncio.open_connection("127.0.0.1", server.app.ports.public)
        with contextlib.closing(writer):
            writer.write(preface() + b"".join(itertools.islice(frames_of("reset", "x"), streams)))
            await until(is_done)

    async with running() as server:
        await flood(server)
        grown: list[int] = []
        for _ in range(rounds):
            before = _allocated_bytes()
            await flood(server)
            grown.append(_allocated_bytes() - before)
        # 550 for each, where it is sent. A starved server may hear of some resets too late to send nothing.
        assert min(grown) < 350 * streams


async def test_a_connection_may_open_twice_what_is_admitted() -> None:
    """Each may take 16 kB of the transport before it is looked at; one above is refused without a reason."""
    async with running("server.max_streams=600", "server.max_unary=100") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.app.ports.public)
        with contextlib.closing(writer):
            writer.write(preface())
            _, _, payload = await _frame(reader)
        settings = dict(struct.iter_unpack("!HI", payload))
        assert settings[3] == 1_400, "SETTINGS_MAX_CONCURRENT_STREAMS"


async def _cancelled_somewhere(server: Server, channel: aio.Channel, chance: random.Random) -> None:
    """Open a stream, get somewhere, cancel."""
    pacing = chance.choice([common.PACING_REALTIME, common.PACING_FILE])
    options = {"pacing": pacing, "word_times": True, "partial_results": True}
    talk = Talk(recognition_stub(channel).StreamingRecognize(), raw_config())
    container = chance.random() < 0.01
    stage = chance.randrange(6)
    try:
        if stage > 0:
            await talk.send(config=(auto_config if container else raw_config)(**options))
        if stage > 1:
            data = encoded("wav", seconds=1.0) if container else speech(600, 700)
            await talk.write(chunk(data))
        if stage > 2:
            await talk.read()
        if stage > 3:
            await talk.send(finalize={"control_id": "c"})
        if stage > 4:
            await talk.send(end_of_audio={})
        if chance.random() < 0.5:
            await asyncio.sleep(chance.random() * 0.005)
    finally:
        talk.call.cancel()


CANCELS_AT_ONCE, CANCELS = 200, 1_200
"""``python -m benchmarks faults`` does tens of thousands."""


async def test_a_thousand_cancels_anywhere_leave_nothing_behind() -> None:
    chance = random.Random(7)
    async with running(
        "server.max_streams=4000", models=[fake_model(step_ms=0.2), ALIGNER]
    ) as server:
        await server.works()
        async with (
            aio.insecure_channel(
                server.target, options=[("grpc.use_local_subchannel_pool", 1)]
            ) as a,
            aio.insecure_channel(
                server.target, options=[("grpc.use_local_subchannel_pool", 1)]
            ) as b,
        ):
            process = psutil.Process()
            for round_number in range(CANCELS // CANCELS_AT_ONCE):
                if round_number == 1:  # the first round fills caches and opens connections
                    await server.idle()
                    gc.collect()
                    tasks, fds = len(asyncio.all_tasks()), process.num_fds()
                    rss = process.memory_info().rss
                await asyncio.gather(
                    *(
                        _cancelled_somewhere(server, chance.choice((a, b)), chance)
                        for _ in range(CANCELS_AT_ONCE)
                    )
                )
            await server.idle()
            await until(lambda: len(asyncio.all_tasks()) <= tasks)
            await until(lambda: process.num_fds() <= fds)
            gc.collect()
            assert process.memory_info().rss - rss < 96 * MIB  # it goes up and down by 50
            metrics = await server.metrics()
            assert metrics["speech_active_streams"] == 0
            served = [v for k, v in metrics.items() if k.startswith("grpc_server_started_total{")]
            assert sum(served) > CANCELS / 2, "most had begun"
            assert sum(v for k, v in metrics.items() if k.startswith("speech_queue_depth")) == 0
            assert not any("INTERNAL" in key and value for key, value in metrics.items())
        await server.works()


async def test_cancel_while_a_final_is_being_computed() -> None:
    """The stream is gone at once, not when the device is done."""
    async with running(models=[fake_model(step_ms=2000)]) as server:
        async with server.talk() as talk:
            await talk.audio(speech(1000))
            await talk.send(finalize={"control_id": "c"})
            await talk.until("speech_event", kind=common.SPEECH_EVENT_KIND_BEGIN)
        await until(lambda: server.app.parts.admission.open_streams == 0)
