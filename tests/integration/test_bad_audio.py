"""Audio that is broken, forged, hostile or empty: INVALID_ARGUMENT with a field path, and life goes on."""

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator, Iterable

import grpc
import numpy as np
import psutil
import pytest
import pytest_asyncio

from speech.v1 import audio_pb2 as audio
from speech.v1 import common_pb2 as common
from speech.v1 import recognition_service_pb2 as pb
from tests.integration.failures import Failure, failure_of
from tests.integration.harness import (
    Server,
    auto_config,
    raw_config,
    recognize,
    running,
    until,
)
from tests.integration.sound import quiet, s16, speech
from tests.unit.media.encode import KINDS, encoded, ogg_silence, opus_packets, speechlike, wav

MIB = 1024 * 1024
F32 = audio.AUDIO_ENCODING_PCM_F32LE


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    """Give one server to all tests here, and so one codec process."""
    async with running() as started:
        yield started


def file_config(config: pb.RecognitionConfig) -> pb.RecognitionConfig:
    config.pacing = common.PACING_FILE
    return config


async def both(
    server: Server, config: pb.RecognitionConfig, data: bytes
) -> tuple[Failure, Failure]:
    """How the streaming and the unary RPC refuse ``data``."""
    async with server.talk(file_config(config)) as talk:
        reading = asyncio.create_task(talk.fails())
        await talk.audio(data, MIB // 2)
        await talk.send(end_of_audio={})
        streamed = await reading
    call = server.recognition.Recognize(pb.RecognizeRequest(config=config, audio=data))
    return streamed, await failure_of(call)


def invalid(failures: tuple[Failure, Failure], *says: str) -> None:
    streamed, unary = failures
    streamed.is_("INVALID_ARGUMENT", "INVALID_AUDIO", "BadRequest").names("audio.data", *says)
    unary.is_("INVALID_ARGUMENT", "INVALID_AUDIO", "BadRequest").names("audio", *says)


@pytest.mark.parametrize(
    ("encoding", "channels", "count", "frame"), [(1, 1, 3, "2"), (1, 2, 6, "4"), (2, 1, 7, "4")]
)
async def test_half_a_frame(
    server: Server, encoding: int, channels: int, count: int, frame: str
) -> None:
    config = raw_config(encoding=encoding, channels=channels)
    invalid(await both(server, config, bytes(count)), f"multiples of {frame} bytes")
    await server.works()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
async def test_floats_that_are_no_numbers(server: Server, value: float) -> None:
    samples = np.zeros(1600, "<f4")
    samples[800] = value
    invalid(await both(server, raw_config(encoding=F32), samples.tobytes()), "finite numbers")
    await server.works()


async def test_floats_beyond_full_scale_are_clipped(server: Server) -> None:
    samples = np.full(16_000, 1e30, "<f4")
    samples[::2] *= -1
    talk = await recognize(server, samples.tobytes(), raw_config(encoding=F32))
    assert talk.finals[0].text == "zero one"


def told(events: Iterable[pb.StreamingRecognizeResponse]) -> list[common.Warning]:
    """The warnings of a stream."""
    return [event.warning for event in events if event.HasField("warning")]


@pytest.mark.parametrize("pacing", [common.PACING_FILE, common.PACING_REALTIME])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "m4a"])
async def test_a_container_that_is_cut_gives_what_it_holds(
    server: Server, kind: str, pacing: common.Pacing.ValueType
) -> None:
    """FINALs first, then the warning, then the end; at 76ad801 an error without a FINAL."""
    data = encoded(kind, seconds=4.0)
    data = data[: len(data) * 6 // 10]
    talk = await recognize(server, data, auto_config(pacing=pacing))
    assert talk.finals
    assert [*talk.kinds()][-2:] == ["warning", "session_ended"]
    (warning,) = told(talk.events)
    assert (warning.reason, warning.field) == ("AUDIO_TRUNCATED", "audio.data")
    received_ms = talk.events[-1].session_ended.usage.audio_in_ms
    assert warning.start_ms == pytest.approx(received_ms, abs=40)
    assert not warning.HasField("end_ms") or warning.end_ms == pytest.approx(4000, abs=60)
    request = pb.RecognizeRequest(config=auto_config(), audio=data)
    reply = await server.recognition.Recognize(request)
    assert [r.text for r in reply.results] == [f.text for f in talk.finals]
    assert [(w.reason, w.field) for w in reply.warnings] == [("AUDIO_TRUNCATED", "audio")]


async def test_an_index_that_is_not_there(server: Server) -> None:
    data = encoded("m4a", seconds=4.0)
    invalid(await both(server, auto_config(), data[: len(data) * 6 // 10]), "truncated")
    await server.works()


async def test_a_hole_in_a_live_stream_is_told_in_the_time_of_the_session(server: Server) -> None:
    """A silence of the client's comes before the hole: times of the session are later than those of the file."""
    data = bytearray(encoded("ogg", seconds=4.0))
    middle = len(data) // 2
    data[middle] ^= 0xFF
    async with server.talk(auto_config()) as talk:
        await talk.audio(bytes(data[:1000]))
        await talk.send(silence={"duration": {"seconds": 5}})
        await talk.audio(bytes(data[1000:]))
        await talk.end()
    (warning,) = told(talk.events)
    assert warning.reason == "AUDIO_DAMAGED"
    assert warning.end_ms - warning.start_ms == pytest.approx(1000, abs=60)
    assert 6000 <= warning.start_ms <= 8100
    assert talk.events[-1].session_ended.usage.audio_in_ms == pytest.approx(9000, abs=60)


async def test_strict_decoding_refuses_what_is_not_whole() -> None:
    async with running("decoder.strict=true") as server:
        invalid(await both(server, auto_config(), encoded("wav", seconds=2.0)[:-1]), "truncated")
        await server.works()


async def test_a_decoder_that_the_system_kills_is_replaced(server: Server) -> None:
    """At 76ad801: INVALID_ARGUMENT, AUDIO_LIMIT_EXCEEDED."""
    data = encoded("mp3", seconds=4.0)
    whole = await recognize(server, data, file_config(auto_config()))
    async with server.talk(file_config(auto_config())) as talk:
        await talk.audio(data[: len(data) // 2])
        await kill_the_decoder(server)
        await talk.audio(data[len(data) // 2 :])
        await talk.end()
    assert [f.text for f in talk.finals] == [f.text for f in whole.finals]
    ends = [t.events[-1].session_ended.usage.audio_in_ms for t in (talk, whole)]
    assert ends[0] == ends[1]


async def test_a_decoder_that_is_killed_again_is_unavailable(server: Server) -> None:
    async with server.talk(auto_config()) as talk:
        await talk.audio(encoded("mp3", seconds=4.0))
        killing = asyncio.create_task(kill_every_decoder(server))
        failure = await talk.fails()
        killing.cancel()
    assert (
        failure.code is grpc.StatusCode.UNAVAILABLE
    )  # killed while it starts, its reason is another
    assert "RetryInfo" in failure.details
    await server.works()


async def kill_every_decoder(server: Server) -> None:
    """One after the other; one that is killed while it starts is started again."""
    known: frozenset[int] = frozenset()
    while True:
        known = await kill_the_decoder(server, known)


async def kill_the_decoder(server: Server, known: frozenset[int] = frozenset()) -> frozenset[int]:
    """As the system's memory killer does: a child of the codec process that is none of ``known``; gives them all."""
    decoders, killed = server.app.parts.decoders, set[int]()

    def done() -> bool:
        pid = decoders.zygote_pid
        for child in psutil.Process(pid).children() if pid is not None else []:
            if child.pid not in known:
                with contextlib.suppress(psutil.NoSuchProcess):  # one of a call that is over
                    child.kill()
                    killed.add(child.pid)
        return bool(killed)

    await until(done)
    return known | killed


@pytest.mark.parametrize("rate", [0, 1, 7_999, 192_001, 2**32 - 1])
async def test_a_forged_sample_rate(server: Server, rate: int) -> None:
    data = bytearray(wav(speechlike(16_000, 0.5), 16_000))
    struct.pack_into("<I", data, 24, rate)
    invalid(await both(server, auto_config(), bytes(data)), f"{rate} Hz", "8000 to 192000")


async def test_a_header_that_says_hours(server: Server) -> None:
    data = wav(speechlike(16_000, 1.0), 16_000, data_bytes=8 * 3600 * 32_000)
    talk = await recognize(server, data, file_config(auto_config()))
    assert talk.finals
    (warning,) = told(talk.events)
    assert (warning.start_ms, warning.end_ms) == (1000, 8 * 3_600_000)


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 4096,
        b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff",
        b"fLaC" + b"\xff" * 4096,
        b"OggS" + b"\0" * 4096,
        b"\x1a\x45\xdf\xa3" + b"\xff" * 4096,
        b"\0\0\0\x20ftypM4A " + b"\xff" * 4096,
        b"ID3\x04\0\0" + b"\x7f" * 4096,
        b"#EXTM3U\nhttp://127.0.0.1/\n" * 100,
        b"x",
    ],
    ids=["zeros", "riff", "flac", "ogg", "webm", "mp4", "mp3", "playlist", "one byte"],
)
async def test_bytes_that_are_no_audio(server: Server, data: bytes) -> None:
    invalid(await both(server, auto_config(), data))
    await server.works()


async def test_a_container_that_is_not_the_one_named(server: Server) -> None:
    config = pb.RecognitionConfig(audio=audio.AudioFormat(container=audio.AUDIO_CONTAINER_FLAC))
    invalid(await both(server, config, encoded("wav")), "declared as flac")


async def test_opus_packets_that_are_none(server: Server) -> None:
    config = pb.RecognitionConfig(audio=audio.AudioFormat(opus_packets=audio.OpusPackets()))
    for bad in (b"", b"\xff" * 70_000):
        async with server.talk(config) as talk:
            await talk.audio(opus_packets(0.02)[0])
            await talk.send(audio={"data": bad})
            await talk.send(end_of_audio={})
            failure = await talk.fails()
        failure.is_("INVALID_ARGUMENT", "INVALID_AUDIO", "BadRequest").names("audio.data")
    await server.works()


async def test_an_opus_packet_that_is_damaged_costs_itself(server: Server) -> None:
    config = pb.RecognitionConfig(audio=audio.AudioFormat(opus_packets=audio.OpusPackets()))
    packets = opus_packets(1.0)
    async with server.talk(config) as talk:
        for packet in (*packets[:25], b"\xff\xff\xff", *packets[26:]):
            await talk.send(audio={"data": packet})
        await talk.end()
    (warning,) = told(talk.events)
    assert (warning.reason, warning.start_ms, warning.end_ms) == ("AUDIO_DAMAGED", 500, 520)
    assert talk.events[-1].session_ended.usage.audio_in_ms == len(packets) * 20


async def test_an_opus_bomb_in_a_unary_call(server: Server) -> None:
    """350 kB of Ogg that would be 660 MiB of samples: refused at the limit, in memory that stays small."""
    bomb = ogg_silence(hours=0.5)
    async with running("decoder.max_decoded_bytes=67108864") as limited:
        before = psutil.Process().memory_info().rss
        failure = await failure_of(
            limited.recognition.Recognize(pb.RecognizeRequest(config=auto_config(), audio=bomb))
        )
        failure.is_("INVALID_ARGUMENT", "AUDIO_LIMIT_EXCEEDED", "BadRequest").names("audio")
        assert failure.info.metadata["max_decoded_bytes"]
        assert psutil.Process().memory_info().rss - before < 64 * MIB
        await limited.works()


async def test_an_opus_bomb_in_a_stream_is_only_silence() -> None:
    """Seven minutes of Opus silence in 86 kB, 77 MiB of samples: no text, no error, little memory."""
    bomb = ogg_silence(hours=7 / 60)
    async with running() as server:
        before = psutil.Process().memory_info().rss
        talk = await recognize(server, bomb, file_config(auto_config()))
        assert not talk.finals
        assert talk.events[-1].session_ended.usage.audio_in_ms == 420_000
        assert psutil.Process().memory_info().rss - before < 48 * MIB
        await server.works()


async def test_a_unary_file_above_the_input_limit() -> None:
    async with running("decoder.max_input_bytes=50000") as server:
        call = server.recognition.Recognize(
            pb.RecognizeRequest(config=auto_config(), audio=encoded("wav", seconds=3.0))
        )
        failure = await failure_of(call)
        failure.is_("INVALID_ARGUMENT", "AUDIO_LIMIT_EXCEEDED", "BadRequest")
        assert failure.info.metadata["max_input_bytes"] == "50000"


async def test_empty_audio(server: Server) -> None:
    async with server.talk() as talk:
        await talk.send(audio={"data": b""})
        await talk.end()
    assert talk.kinds() == ["session_started", "session_ended"]
    nothing = wav(np.zeros((0, 1), np.float32), 16_000)
    talk = await recognize(server, nothing, auto_config())
    assert not talk.finals
    assert talk.events[-1].HasField("session_ended")
    async with server.talk(auto_config()) as none:
        await none.end()
    assert none.kinds() == ["session_started", "session_ended"]


async def test_ten_minutes_of_silence_as_samples(server: Server) -> None:
    talk = await recognize(server, s16(quiet(600_000)), file_config(raw_config()))
    assert talk.kinds() == ["session_started", "session_ended"]
    usage = talk.events[-1].session_ended.usage
    assert (usage.audio_in_ms, usage.speech_ms, usage.characters_out) == (600_000, 0, 0)
    reply = await server.recognition.Recognize(
        pb.RecognizeRequest(config=raw_config(rate=8000), audio=s16(quiet(600_000, 8000)))
    )
    assert not reply.results


async def test_silence_messages_of_hours_leave_the_others_alone(server: Server) -> None:
    """An hour in six messages; meanwhile the loop must go on answering."""
    worst_s = 0.0

    async def watch() -> None:
        nonlocal worst_s
        while True:
            started_s = time.thread_time()  # the loop's own: others may have the processor
            await asyncio.sleep(0.005)
            worst_s = max(worst_s, time.thread_time() - started_s)

    watching = asyncio.create_task(watch())
    async with server.talk() as talk:
        await talk.audio(speech(1000))
        for _ in range(6):
            await talk.send(silence={"duration": {"seconds": 600}})
        await talk.audio(speech(1000))
        await talk.end()
    watching.cancel()
    assert len(talk.finals) == 2
    assert 3_600_500 <= talk.finals[1].start_ms <= 3_601_000
    assert worst_s < 0.5
