"""One bad byte costs one frame: what is decoded of damaged files, where it lies in time, what is told of the rest."""

import io
import shutil
import struct
import subprocess

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.damage import WAYS, damaged
from speech_service.domain.audio import LossKind
from speech_service.domain.errors import InvalidAudioError
from speech_service.media.decode.pool import DecoderPool, decode_file
from tests.unit.media.encode import KINDS, encode, encoded, speechlike, wav
from tests.unit.media.test_bad_containers import decoded, seconds

pytestmark = pytest.mark.integration
BEHIND = ("zeros behind", "text behind", "tag behind")
LENGTH_S = 4.0


def pages(ogg: bytes) -> list[tuple[int, int]]:
    """Where each page of an Ogg file begins, and its length."""
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(ogg):
        lengths = ogg[at + 27 : at + 27 + ogg[at + 26]]
        size = 27 + len(lengths) + sum(lengths)
        found.append((at, size))
        at += size
    return found


def chirps(rate: int, length_s: float = LENGTH_S) -> NDArray[np.float32]:
    """float32 [n]: sound by which a place in time is told."""
    noise = np.random.default_rng(5).standard_normal(int(rate * length_s))
    smooth = np.convolve(noise, np.ones(12) / 12, "same")
    return (0.3 * smooth / np.abs(smooth).max()).astype(np.float32)


def shift_ms(heard: NDArray[np.float32], source: NDArray[np.float32], rate: int) -> float:
    """How much later the last second of ``source`` is in ``heard``."""
    end = len(source) - rate // 4
    part, reach = source[end - rate : end], rate // 2
    region = heard[end - rate - reach : end + reach]
    return (int(np.argmax(np.correlate(region, part))) - reach) * 1000 / rate


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", BEHIND)
async def test_what_follows_a_file_is_no_matter(pool: DecoderPool, kind: str, way: str) -> None:
    _, whole = await decode_file(pool, encoded(kind, LENGTH_S))
    blocks, losses, error = await decoded(pool, damaged(encoded(kind, LENGTH_S), way, 1))
    assert (error, losses) == (None, [])
    assert sum(len(block.samples) for block in blocks) == len(whole)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_undamaged_file_lacks_nothing(pool: DecoderPool, kind: str) -> None:
    _, losses, error = await decoded(pool, encoded(kind, LENGTH_S))
    assert (error, losses) == (None, [])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [way for way in WAYS if way not in BEHIND])
async def test_no_accident_costs_the_rest(pool: DecoderPool, kind: str, way: str) -> None:
    """At 76ad801 most of these were errors. An index that comes last must be found, though."""
    for seed in range(2):
        data = damaged(encoded(kind, LENGTH_S), way, seed)
        blocks, _, error = await decoded(pool, data)
        if kind == "m4a" and way in ("cut", "bytes dropped", "zeros put in", "zeros over it"):
            assert error is None or isinstance(error, InvalidAudioError)
        else:
            assert error is None
            # Of a WebM with one cluster FFmpeg reads nothing behind a hole.
            assert seconds(blocks) > (0.1 if way == "cut" or kind == "webm" else 1.0)


@pytest.mark.parametrize("kind", ["ogg", "mp3", "flac", "m4a-faststart", "m4a-fragmented", "webm"])
async def test_later_times_stay_right_behind_a_hole(pool: DecoderPool, kind: str) -> None:
    rate = 48_000 if kind in ("ogg", "webm") else 16_000
    options = {"cluster_time_limit": "500"} if kind == "webm" else {}
    source = chirps(rate)
    data = _encoded(kind, source, rate, options)
    _, whole = await decode_file(pool, data)
    middle = len(data) * 4 // 10
    blocks, losses, error = await decoded(pool, data[:middle] + bytes(300) + data[middle + 300 :])
    assert error is None
    heard = np.concatenate([block.samples for block in blocks])[:, 0]
    assert len(heard) == pytest.approx(len(whole), abs=rate // 100)
    assert abs(shift_ms(heard, whole[:, 0], rate)) < 15
    (loss,) = losses
    assert loss.kind is LossKind.DAMAGED
    assert loss.end_ms is not None
    assert 1000 < loss.start_ms < loss.end_ms < 3400


def _encoded(kind: str, source: NDArray[np.float32], rate: int, options: dict[str, str]) -> bytes:
    from tests.unit.media.encode import _FORMATS, faststart

    name = "m4a" if kind == "m4a-faststart" else kind
    fmt, codec, own = _FORMATS[name]
    data = encode(source[:, None], rate, fmt, codec, {**own, **options})
    return faststart(data) if kind == "m4a-faststart" else data


async def test_a_page_that_is_not_there_is_silence(pool: DecoderPool) -> None:
    """At 76ad801 the second was missing without a word, and later times were early."""
    ogg = encoded("ogg", 5.0)
    at, size = pages(ogg)[3]
    blocks, losses, error = await decoded(pool, ogg[:at] + ogg[at + size :])
    assert (error, seconds(blocks)) == (None, 5.0)
    (loss,) = losses
    assert loss.end_ms is not None
    assert loss.kind is LossKind.DAMAGED
    assert loss.end_ms - loss.start_ms == pytest.approx(1000, abs=45)


async def test_the_first_page_that_is_not_there_is_silence_too(pool: DecoderPool) -> None:
    ogg = encoded("ogg", 5.0)
    at, size = pages(ogg)[2]
    blocks, losses, error = await decoded(pool, ogg[:at] + ogg[at + size :])
    assert error is None
    assert seconds(blocks) == pytest.approx(5.0, abs=0.03)
    assert [loss.start_ms for loss in losses] == [0]


async def test_a_stamp_that_is_wrong_makes_no_hour_of_silence(pool: DecoderPool) -> None:
    """Matroska: the time of one block, 30 s later than the block behind it says."""
    webm = bytearray(encoded("webm", LENGTH_S))
    block = webm.index(b"\xa3", len(webm) // 2)
    while webm[block + 1] & 0xC0 != 0x40 or webm[block + 3] != 0x81:
        block = webm.index(b"\xa3", block + 1)
    struct.pack_into(">h", webm, block + 4, 32_000)
    blocks, _, error = await decoded(pool, bytes(webm))
    assert error is None
    assert seconds(blocks) == pytest.approx(LENGTH_S, abs=0.05)


async def test_video_that_outlasts_the_audio(pool: DecoderPool) -> None:
    """At 76ad801: refused as truncated."""
    data = encode(speechlike(48_000, 0.5), 48_000, "matroska", "libopus", {}, with_video=True)
    blocks, losses, error = await decoded(pool, data)
    assert (error, losses) == (None, [])
    assert seconds(blocks) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_tag_before_anything(pool: DecoderPool, kind: str) -> None:
    tag = b"ID3\x03\x00\x00\x00\x00\x0f\x76" + b"x" * 2038
    _, whole = await decode_file(pool, encoded(kind, LENGTH_S))
    blocks, losses, error = await decoded(pool, tag + encoded(kind, LENGTH_S))
    assert (error, losses) == (None, [])
    assert sum(len(block.samples) for block in blocks) == len(whole)


@pytest.mark.parametrize("kind", ["mp3", "adts"])
@pytest.mark.parametrize("ahead", [b"\r\n", bytes(3000), b"HTTP/1.1 200 OK\r\n\r\n", b"inside"])
async def test_frames_that_begin_behind_something_else(
    pool: DecoderPool, kind: str, ahead: bytes
) -> None:
    codec = {"mp3": "libmp3lame", "adts": "aac"}[kind]
    data = encode(speechlike(44_100, LENGTH_S), 44_100, kind, codec, {})
    data = data[len(data) // 2 :] if ahead == b"inside" else ahead + data
    blocks, _, error = await decoded(pool, data)
    assert error is None
    assert seconds(blocks) > (LENGTH_S / 2 - 0.2 if ahead == b"inside" else LENGTH_S - 0.1)


def riff(*chunks: tuple[bytes, bytes, int], is_padded: bool = True) -> bytes:
    """A WAV of 16 kHz mono with these chunks behind its header: name, content, length that is told."""
    header = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    body = b"".join(
        struct.pack("<4sI", name, size) + data + bytes(len(data) % 2 if is_padded else 0)
        for name, data, size in chunks
    )
    return struct.pack("<4sI4s", b"RIFF", 0xFFFFFFFF, b"WAVE") + header + body


NOISE = np.random.default_rng(7).integers(-9000, 9000, 32_000).astype("<i2").tobytes()
HALF = len(NOISE) // 2
SAMPLES = (b"data", NOISE, len(NOISE))
WAVS = {
    "a length that is too short": riff((b"data", NOISE, HALF)),
    "two data chunks": riff((b"data", NOISE[:HALF], HALF), (b"data", NOISE[HALF:], HALF)),
    "a list between": riff(
        (b"data", NOISE[:HALF], HALF), (b"LIST", b"abc", 3), (b"data", NOISE[HALF:], HALF)
    ),
    "joined files": riff((b"data", NOISE[:HALF], HALF)) + riff((b"data", NOISE[HALF:], HALF)),
    "an odd chunk that is not filled up": riff((b"LIST", b"abc", 3), SAMPLES, is_padded=False),
    "zeros behind": riff(SAMPLES) + bytes(5000),
    "another form behind": riff(SAMPLES) + wav(speechlike(8000, 1.0), 8000),
    "a chunk behind that lies": riff(SAMPLES, (b"LIST", b"abc", 1 << 30)),
}


@pytest.mark.parametrize("kind", WAVS)
async def test_all_samples_of_a_wav_whose_chunks_are_odd(pool: DecoderPool, kind: str) -> None:
    blocks, losses, error = await decoded(pool, WAVS[kind])
    assert (error, losses) == (None, [])
    heard = np.concatenate([block.samples[:, 0] for block in blocks])
    assert np.array_equal(np.round(heard * 32768).astype("<i2"), np.frombuffer(NOISE, "<i2"))


async def test_joined_mp3s_are_one_after_the_other(pool: DecoderPool) -> None:
    blocks, losses, error = await decoded(pool, encoded("mp3", 2.0) + encoded("mp3", 2.0))
    assert (error, losses) == (None, [])
    assert seconds(blocks) == pytest.approx(4.0, abs=0.2)


async def test_a_tag_that_claims_more_than_the_file(pool: DecoderPool) -> None:
    mp3 = encoded("mp3", 2.0)
    plain = mp3[10 + (mp3[8] << 7 | mp3[9]) :]
    for tag in (b"ID3\4\0\0\x7f\x7f\x7f\x7f", b"ID3\4\0\0\0\0\0\x14" + bytes(20) + bytes(700)):
        blocks, _, error = await decoded(pool, tag + plain)
        assert error is None
        assert seconds(blocks) == pytest.approx(2.0, abs=0.2)


def _by_ffmpeg(data: bytes) -> NDArray[np.float32]:
    command = ["ffmpeg", "-v", "quiet", "-i", "-", "-ac", "1", "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(command, input=data, capture_output=True).stdout, "<f4")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the program ffmpeg is not installed")
@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_that_ffmpeg_finds_is_left(pool: DecoderPool, kind: str) -> None:
    """A sample of ``python -m benchmarks damaged_containers``."""
    for number, way in enumerate(WAYS):
        data = damaged(encoded(kind, LENGTH_S), way, number)
        theirs = _by_ffmpeg(data)
        blocks, _, _ = await decoded(pool, data)
        ours = np.concatenate([np.zeros(0), *(block.samples[:, 0] for block in blocks)])
        sound = float(np.square(theirs, dtype=np.float64).sum())
        assert float(np.square(ours, dtype=np.float64).sum()) >= 0.9 * sound, way


def test_damage_is_the_same_each_time() -> None:
    data = encoded("mp3", 1.0)
    for way in WAYS:
        assert damaged(data, way, 3) == damaged(data, way, 3) != data
    assert io.BytesIO(damaged(data, "cut", 3)).read() == data[: len(damaged(data, "cut", 3))]


def with_broken_pages(ogg: bytes, first: int) -> bytes:
    """``ogg`` with one bit wrong in the body of each page from ``first`` on."""
    data = bytearray(ogg)
    for at, size in pages(ogg)[first:]:
        data[at + size - 1] ^= 4
    return bytes(data)


@pytest.mark.parametrize("first", [-1, -2, -3, 3])
async def test_the_last_pages_of_ogg_are_missed(pool: DecoderPool, first: int) -> None:
    """FFmpeg drops a page whose sum is wrong, and says nothing."""
    blocks, losses, error = await decoded(pool, with_broken_pages(encoded("ogg", LENGTH_S), first))
    assert error is None
    (loss,) = losses or [None]
    heard_s = seconds(blocks)
    if heard_s > LENGTH_S - 0.1:  # the very last page may be a few milliseconds
        assert loss is None
        return
    assert loss is not None
    assert loss.kind is LossKind.TRUNCATED
    assert loss.start_ms == pytest.approx(heard_s * 1000, abs=2)
    assert loss.end_ms == pytest.approx(LENGTH_S * 1000, abs=20)


@pytest.mark.parametrize("behind", [bytes(4000), b"<html>504</html>" * 50, b"\xff" * 64])
async def test_ogg_that_goes_on_with_something_else(pool: DecoderPool, behind: bytes) -> None:
    data = encoded("ogg", LENGTH_S)
    at = pages(data)[4][0]
    blocks, losses, error = await decoded(pool, data[:at] + behind)
    assert (error, [loss.kind for loss in losses]) == (None, [LossKind.TRUNCATED])
    assert 1.5 < seconds(blocks) < 2.5
    # A stream that was stopped between two pages, as live ones are, lacks nothing that is known.
    _, losses, error = await decoded(pool, data[:at])
    assert (error, losses) == (None, [])


@pytest.mark.parametrize("lost", [0.1, 0.33, 0.5])
async def test_an_mp3_that_tells_its_length_misses_what_was_cut_out(
    pool: DecoderPool, lost: float
) -> None:
    data = encoded("mp3", LENGTH_S)
    begin, end = int(len(data) * 0.4), int(len(data) * (0.4 + lost))
    blocks, losses, error = await decoded(pool, data[:begin] + data[end:])
    assert error is None
    assert losses[-1].kind is LossKind.TRUNCATED
    assert losses[-1].start_ms == pytest.approx(seconds(blocks) * 1000, abs=2)
    assert losses[-1].end_ms == pytest.approx(LENGTH_S * 1000, abs=20)


AHEAD = {
    "form": b'------Form\r\nContent-Disposition: form-data; name="file"\r\n\r\n',
    "HTTP": b"HTTP/1.1 200 OK\r\nContent-Type: audio/x\r\n\r\n",
    "newline": b"\n",
    "zeros": bytes(512),
}


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("kind", KINDS)
async def test_what_stands_before_a_file_is_no_matter(
    pool: DecoderPool, kind: str, ahead: str
) -> None:
    _, whole = await decode_file(pool, encoded(kind, LENGTH_S))
    blocks, losses, error = await decoded(pool, AHEAD[ahead] + encoded(kind, LENGTH_S))
    assert (error, losses) == (None, [])
    assert sum(len(block.samples) for block in blocks) == len(whole)


@pytest.mark.parametrize("claimed", [0, 100, 300, 600])
async def test_an_id3_tag_with_a_wrong_length_before_adts(pool: DecoderPool, claimed: int) -> None:
    adts = encode(speechlike(16_000, LENGTH_S), 16_000, "adts", "aac", {})
    tag = b"ID3\x03\0\0" + bytes([0, 0, claimed >> 7, claimed & 127]) + b"TIT2" + b"a" * 296
    blocks, _, error = await decoded(pool, tag + adts)
    assert error is None
    assert seconds(blocks) > LENGTH_S - 0.5


async def test_a_wav_of_its_header_alone_is_truncated(pool: DecoderPool) -> None:
    blocks, losses, error = await decoded(pool, encoded("wav")[:45])
    assert (blocks, losses) == ([], [])
    assert isinstance(error, InvalidAudioError)
    assert "truncated" in error.problem
