"""Containers: the right samples, as they arrive, and nothing left behind."""

import asyncio
import json
import os
import signal
import struct
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from speech_service.domain.audio import Container, ContainerFormat, OpusPacketsFormat
from speech_service.domain.errors import InvalidAudioError, UnavailableError
from speech_service.media.decode.limits import STREAM_LIMITS
from speech_service.media.decode.pool import ContainerDecoder, DecoderPool, decode_file
from tests.unit.dispatch.builders import until
from tests.unit.media.encode import KINDS, encode, encoded, opus_packets, speechlike, wav

pytestmark = pytest.mark.integration
STREAMABLE = [kind for kind in KINDS if kind != "m4a"]
# Encoders add delay or round the length up to a frame; lossless ones must be exact.
SLACK_FRAMES = {"wav": 0, "flac": 0, "ogg": 960, "webm": 960, "mp3": 1152 * 2}


async def read_seconds(decoder: ContainerDecoder, seconds: float) -> float:
    """Read until that much audio came; gives how much."""
    got = 0.0
    async for block in decoder.blocks():
        got += len(block.samples) / block.sample_rate_hz
        if got >= seconds:
            break
    return got


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
async def test_decodes_what_was_encoded(pool: DecoderPool, kind: str, channels: int) -> None:
    rate, samples = await decode_file(pool, encoded(kind, channels=channels))
    assert samples.dtype == np.float32
    assert samples.shape[1] == channels
    source = speechlike(rate, 3.0, channels)
    assert abs(len(samples) - len(source)) <= SLACK_FRAMES.get(kind, 2048)
    if kind in ("wav", "flac"):
        np.testing.assert_allclose(samples, source, atol=1 / 16384)
    else:
        assert np.abs(samples).mean() == pytest.approx(np.abs(source).mean(), rel=0.1)


UNTOLD = {
    "mp3": ("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}),
    "aac": ("adts", "aac", {}),
}


def place(samples: NDArray[np.float32], part: NDArray[np.float32]) -> int:
    """Where ``part`` is in ``samples``, in frames."""
    return int(np.argmax(np.correlate(samples, part)))


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("kind", UNTOLD)
async def test_audio_is_where_it_was_though_no_header_tells_of_a_delay(
    pool: DecoderPool, kind: str, rate: int
) -> None:
    source = np.zeros((rate, 1), np.float32)
    at, length = rate // 2, rate // 20
    source[at : at + length, 0] = speechlike(rate, 0.05)[:length, 0] * np.hanning(length)
    _, samples = await decode_file(pool, encode(source, rate, *UNTOLD[kind]))
    assert abs(place(samples[:, 0], source[at : at + length, 0]) - at) <= 2


async def test_an_mp3_from_the_middle_of_another_loses_nothing(pool: DecoderPool) -> None:
    """Its first frames need bytes of those before them, and are damaged as it is."""
    options = {"write_xing": "0", "b": "64k"}
    data = encode(speechlike(16_000, 6.0), 16_000, "mp3", "libmp3lame", options)
    _, whole = await decode_file(pool, data)
    _, half = await decode_file(pool, data[len(data) // 2 :])
    assert len(half) % 576 == 0
    assert len(half) * 2 == pytest.approx(len(whole) + 1105, abs=4 * 576)


async def test_aac_of_one_frame_is_silence(pool: DecoderPool) -> None:
    data = encode(speechlike(16_000, 0.01), 16_000, *UNTOLD["aac"])
    decoder = await pool.open(ContainerFormat())
    await decoder.feed(data[: int.from_bytes(data[3:6], "big") >> 5 & 0x1FFF])
    await decoder.end_input()
    assert [block async for block in decoder.blocks()] == []


@pytest.mark.parametrize("kind", STREAMABLE)
async def test_audio_comes_out_while_bytes_go_in(pool: DecoderPool, kind: str) -> None:
    """With 6 of 10 seconds sent and the input still open, most of those 6 are out."""
    data = encoded(kind, seconds=10.0)
    decoder = await pool.open(ContainerFormat())
    # A FLAC of ours begins with 8 KiB of padding: hence 70 % of the bytes for 60 % of the time.
    part = data[: len(data) * 7 // 10]
    feeding = asyncio.create_task(decoder.feed(part))
    # FFmpeg's FLAC parser wants to see ten frames ahead (2.9 s at 16 kHz).
    wanted = 2.5 if kind == "flac" else 4.5
    assert await asyncio.wait_for(read_seconds(decoder, wanted), 60) >= wanted
    await feeding
    await decoder.close()


@pytest.mark.parametrize("kind", STREAMABLE)
async def test_drained_is_when_nothing_more_comes_out(pool: DecoderPool, kind: str) -> None:
    decoder = await pool.open(ContainerFormat())
    await asyncio.wait_for(decoder.drained(), 60)
    frames: list[int] = []

    async def read() -> None:
        async for block in decoder.blocks():
            await asyncio.sleep(0.01)  # who reads may be slow
            frames.append(len(block.samples))

    reading = asyncio.create_task(read())
    data, seen = encoded(kind, seconds=6.0), 0
    for third in range(3):
        await decoder.feed(data[len(data) * third // 3 : len(data) * (third + 1) // 3])
        await asyncio.wait_for(decoder.drained(), 60)
        assert sum(frames) > seen
        seen = sum(frames)
        await asyncio.sleep(0.05)
        assert sum(frames) == seen
    await decoder.end_input()
    await reading
    await asyncio.wait_for(decoder.drained(), 60)


async def test_drained_waits_for_a_child_that_is_late(pool: DecoderPool) -> None:
    decoder = await pool.open(ContainerFormat())
    child = psutil.Process(pool.zygote_pid).children()[0]
    child.suspend()
    reading = asyncio.create_task(read_seconds(decoder, 1.0))
    await decoder.feed(encoded("wav", seconds=1.0))
    drained = asyncio.create_task(decoder.drained())
    await asyncio.wait([drained], timeout=0.3)
    assert not drained.done()
    child.resume()
    assert await asyncio.wait_for(reading, 60) == 1.0
    await decoder.close()
    await asyncio.wait_for(drained, 60)


async def test_byte_by_byte_start_and_small_pieces(pool: DecoderPool) -> None:
    data = encoded("flac", seconds=0.5)
    decoder = await pool.open(ContainerFormat())

    async def feed() -> None:
        for at in range(40):
            await decoder.feed(data[at : at + 1])
        for at in range(40, len(data), 777):
            await decoder.feed(data[at : at + 777])
        await decoder.end_input()

    feeding = asyncio.create_task(feed())
    blocks = [block.samples async for block in decoder.blocks()]
    await feeding
    np.testing.assert_allclose(np.concatenate(blocks), speechlike(16_000, 0.5), atol=1 / 16384)


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s24le", "pcm_f32le", "pcm_mulaw", "pcm_alaw"])
async def test_wav_codecs(pool: DecoderPool, codec: str) -> None:
    source = speechlike(16_000, 0.5)
    data = encode(source, 16_000, "wav", codec, {})
    _, samples = await decode_file(pool, data)
    np.testing.assert_allclose(samples, source, atol=0.04)


async def test_wav_of_unknown_length(pool: DecoderPool) -> None:
    source = speechlike(16_000, 0.5)
    for length in (0, 0x7FFFF000, 0xFFFFFFFF):
        _, samples = await decode_file(pool, wav(source, 16_000, data_bytes=length))
        assert samples.shape == source.shape


async def test_mp3_with_tags_at_both_ends(pool: DecoderPool) -> None:
    plain = encoded("mp3")
    body = plain[10 + (plain[8] << 7 | plain[9]) :]
    size = 300_000
    tag = b"ID3\x04\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    data = tag + bytes(size) + body + b"TAG" + bytes(125)
    _, samples = await decode_file(pool, data)
    assert abs(len(samples) - 48_000) <= 1152 * 2


async def test_video_beside_the_audio_is_left_out(pool: DecoderPool) -> None:
    """Other streams are set up by PyAV too; a confined child cannot import what that needs."""
    for fmt, codec in (("matroska", "libopus"), ("mp4", "aac")):
        data = encode(speechlike(48_000, 1.0), 48_000, fmt, codec, {}, with_video=True)
        _, samples = await decode_file(pool, data)
        assert len(samples) == pytest.approx(48_000, abs=3000)


@pytest.mark.parametrize("channels", [1, 2])
async def test_opus_packets(pool: DecoderPool, channels: int) -> None:
    decoder = await pool.open(OpusPacketsFormat(48_000, channels))
    packets = opus_packets(1.0, channels)
    for packet in packets:
        await decoder.feed(packet)
    await decoder.end_input()
    blocks = [block async for block in decoder.blocks()]
    assert {block.sample_rate_hz for block in blocks} == {48_000}
    samples = np.concatenate([block.samples for block in blocks])
    assert samples.shape == (960 * len(packets), channels)
    assert np.abs(samples).mean() > 0.1


async def test_opus_packets_come_out_one_by_one(pool: DecoderPool) -> None:
    decoder = await pool.open(OpusPacketsFormat())
    blocks = decoder.blocks()
    for packet in opus_packets(0.2):
        await decoder.feed(packet)
        block = await asyncio.wait_for(anext(blocks), 60)
        assert len(block.samples) == 960
    await decoder.close()


@pytest.mark.parametrize("packet", [b"", bytes(70_000), b"\xff\xff\xff\xff"])
async def test_bad_opus_packet(pool: DecoderPool, packet: bytes) -> None:
    decoder = await pool.open(OpusPacketsFormat())

    async def run() -> None:
        await decoder.feed(packet)
        await decoder.end_input()
        async for _ in decoder.blocks():
            pass

    with pytest.raises(InvalidAudioError, match="Opus packet"):
        await run()
    await decoder.close()


async def test_opus_packets_with_three_channels(pool: DecoderPool) -> None:
    with pytest.raises(InvalidAudioError, match="3 channels"):
        await pool.open(OpusPacketsFormat(48_000, 3))


async def test_declared_container_must_match(pool: DecoderPool) -> None:
    decoder = await pool.open(ContainerFormat(Container.MP3))
    with pytest.raises(InvalidAudioError, match="declared as mp3, but the bytes are flac"):
        await decoder.feed(encoded("flac"))
    await decoder.close()


async def test_a_reader_that_stops_stops_the_feeder(pool: DecoderPool) -> None:
    decoder = await pool.open(ContainerFormat())
    data = wav(speechlike(16_000, 300.0), 16_000)
    feeding = asyncio.create_task(decoder.feed(data))
    await asyncio.wait([feeding], timeout=0.7)
    assert not feeding.done()
    child = psutil.Process(pool.zygote_pid).children()[0]
    assert child.memory_info().rss < 60 * 1024 * 1024
    await decoder.close()
    await asyncio.wait_for(feeding, 60)


async def test_streams_side_by_side(pool: DecoderPool) -> None:
    files = [encoded(kind) for kind in KINDS] * 2
    blocks = await asyncio.gather(*(decode_file(pool, data) for data in files))
    assert all(len(block.samples) >= 2.9 * block.sample_rate_hz for block in blocks)


async def test_close_leaves_nothing() -> None:
    pool, me = DecoderPool(), psutil.Process()
    fds, tasks = me.num_fds(), len(asyncio.all_tasks())
    for ending in range(4):
        decoder = await pool.open(ContainerFormat())
        feeding = asyncio.create_task(decoder.feed(encoded("wav", seconds=30.0)))
        reading = asyncio.create_task(read_seconds(decoder, 0.1 if ending % 2 else 1000))
        await asyncio.sleep(0.05)
        await decoder.close()
        await decoder.close()
        await asyncio.wait([feeding, reading], timeout=60)
        assert feeding.done()
        assert reading.done()
    zygote = psutil.Process(pool.zygote_pid)
    await until(lambda: not zygote.children())
    await pool.close()
    await asyncio.sleep(0)
    assert not zygote.is_running()
    assert pool.zygote_pid is None
    assert me.num_fds() <= fds  # what an earlier test left may go meanwhile
    assert len(asyncio.all_tasks()) == tasks


async def test_cancelled_unary_leaves_no_child(pool: DecoderPool) -> None:
    data = encoded("mp3", seconds=60.0)
    for delay_s in (0.0, 0.001, 0.01, 0.03):
        task = asyncio.create_task(decode_file(pool, data))
        await asyncio.sleep(delay_s)
        task.cancel()
        await asyncio.wait([task])
    await decode_file(pool, encoded("mp3"))
    await until(lambda: not psutil.Process(pool.zygote_pid).children())


async def test_zygote_stops_when_idle() -> None:
    pool = DecoderPool(idle_s=0.1)
    await decode_file(pool, encoded("wav"))
    zygote = psutil.Process(pool.zygote_pid)
    await until(lambda: pool.zygote_pid is None and not zygote.is_running())
    await decode_file(pool, encoded("wav"))
    await pool.close()


async def test_a_dead_zygote_is_replaced(pool: DecoderPool) -> None:
    decoder = await pool.open(ContainerFormat())
    await decoder.feed(encoded("wav")[:1000])
    first = pool.zygote_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with pytest.raises(UnavailableError):
        async for _ in decoder.blocks():
            pass
    await decode_file(pool, encoded("wav"))
    assert pool.zygote_pid != first


async def test_zygote_killed_unnoticed_is_replaced(pool: DecoderPool) -> None:
    await decode_file(pool, encoded("wav"))
    assert pool.zygote_pid is not None
    os.kill(pool.zygote_pid, signal.SIGKILL)
    await decode_file(pool, encoded("wav"))


async def test_a_stuck_zygote_is_replaced(pool: DecoderPool) -> None:
    await decode_file(pool, encoded("wav"))
    stuck = pool.zygote_pid
    assert stuck is not None
    os.kill(stuck, signal.SIGSTOP)
    await decode_file(pool, encoded("wav"))
    assert pool.zygote_pid != stuck


async def test_child_is_confined(pool: DecoderPool) -> None:
    decoder = await pool.open(ContainerFormat(), STREAM_LIMITS)
    child = psutil.Process(pool.zygote_pid).children()[0]
    check_confined(Path("/proc") / str(child.pid))
    await decoder.close()


def check_confined(process: Path) -> None:
    limits = (process / "limits").read_text(encoding="ascii")
    rows = {line[:25].strip(): line[25:].split()[:2] for line in limits.splitlines()}
    assert rows["Max open files"] == ["0", "0"]
    assert rows["Max core file size"] == ["0", "0"]
    assert rows["Max file size"] == ["0", "0"]
    assert rows["Max cpu time"][0] == str(STREAM_LIMITS.max_cpu_s)
    assert rows["Max address space"][0] != "unlimited"
    status = (process / "status").read_text(encoding="ascii")
    assert "NoNewPrivs:\t1" in status
    links = {str(entry.readlink()) for entry in (process / "fd").iterdir()}
    assert sum(link.startswith("socket:") for link in links) == 1
    assert all(link.startswith("socket:") or link == os.devnull for link in links)
    environment = (process / "environ").read_bytes().split(b"\0")
    assert {item.split(b"=")[0] for item in environment if item} <= {b"PYTHONPATH", b"LC_CTYPE"}


def speech_data() -> Path:
    given = os.environ.get("SPEECH_DATA")
    root = Path(given) if given else Path(__file__).parents[4] / "shared" / "data" / "speech"
    if not (root / "manifest.jsonl").exists():
        pytest.skip("no recordings: set SPEECH_DATA to a folder with manifest.jsonl")
    return root


def recordings() -> list[tuple[dict[str, Any], bytes]]:
    root = speech_data()
    lines = (root / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    items = [item for item in map(json.loads, lines) if item["group"] in ("codecs", "telephone")]
    return [(item, (root / item["path"]).read_bytes()) for item in items]


async def test_recordings(pool: DecoderPool) -> None:
    for item, data in recordings():
        rate, samples = await decode_file(pool, data)
        assert rate == item["sample_rate"]
        assert samples.shape[1] == item["channels"]
        slack_s = 0.15 if item["codec"] == "aac" else 0.05  # AAC alone says nothing of its delay
        assert len(samples) / rate == pytest.approx(item["duration_s"], abs=slack_s)


def test_wire_header_is_packed() -> None:
    from speech_service.media.decode import wire as decode_wire

    assert decode_wire.HEADER.size == struct.calcsize("<BIHI") == 11
