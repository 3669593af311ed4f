"""Truncated, forged and bomb containers: a clear error, what was there is kept, the pool lives."""

import asyncio
import struct
from dataclasses import replace

import numpy as np
import pytest

from speech_service.domain.audio import AudioLoss, ContainerFormat, LossKind
from speech_service.domain.errors import AudioLimitError, InvalidAudioError, SpeechError
from speech_service.media.codec.host import CodecHost
from speech_service.media.decode.limits import STREAM_LIMITS, UNARY_LIMITS, DecodeLimits
from speech_service.media.decode.pool import AudioBlock, DecoderPool, decode_file
from tests.unit.media.encode import KINDS, encode, encoded, ogg_silence, speechlike, wav

pytestmark = pytest.mark.integration
MIB = 1024 * 1024


async def outcome(
    pool: DecoderPool, data: bytes, limits: DecodeLimits = STREAM_LIMITS
) -> tuple[list[AudioBlock], SpeechError | None]:
    """The blocks, and the error that ended them."""
    blocks, _, error = await decoded(pool, data, limits)
    return blocks, error


async def decoded(
    pool: DecoderPool, data: bytes, limits: DecodeLimits = STREAM_LIMITS
) -> tuple[list[AudioBlock], list[AudioLoss], SpeechError | None]:
    """The blocks, what is missing, and the error that ended them."""
    decoder = await pool.open(ContainerFormat(), limits, "audio")

    async def feed() -> None:
        await decoder.feed(data)
        await decoder.end_input()

    feeding = asyncio.create_task(feed())
    blocks: list[AudioBlock] = []
    error = None
    try:
        async for block in decoder.blocks():
            blocks.append(block)
    except SpeechError as caught:
        error = caught
    await asyncio.wait([feeding], timeout=60)
    assert feeding.done()
    feeding.exception()
    await decoder.close()
    return blocks, list(decoder.take_losses()), error


def seconds(blocks: list[AudioBlock]) -> float:
    return round(sum(len(block.samples) / block.sample_rate_hz for block in blocks), 6)


@pytest.mark.parametrize("kind", KINDS)
async def test_cut_at_every_tenth(pool: DecoderPool, kind: str) -> None:
    """What is there is decoded, and it is told that the rest is not; only where nothing is there it is an error."""
    data = encoded(kind, seconds=6.0)
    lengths: list[float] = []
    for tenth in range(1, 10):
        blocks, losses, error = await decoded(pool, data[: len(data) * tenth // 10])
        lengths.append(seconds(blocks))
        if not blocks:
            assert isinstance(error, InvalidAudioError)
            assert (error.option, "truncated" in error.problem) == ("audio", True)
            continue
        assert error is None
        (loss,) = losses
        assert loss.kind is LossKind.TRUNCATED
        assert loss.start_ms == pytest.approx(lengths[-1] * 1000, abs=1.5)
        assert loss.end_ms is None or loss.end_ms == pytest.approx(6000, abs=60)
    assert lengths == sorted(lengths)
    if kind != "m4a":  # Its index comes last: nothing of it can be decoded.
        assert lengths[-1] > 4.0
        assert lengths[4] > 1.0


async def test_wav_that_claims_hours(pool: DecoderPool) -> None:
    data = wav(speechlike(16_000, 1.0), 16_000, data_bytes=8 * 3600 * 32_000)
    blocks, losses, error = await decoded(pool, data)
    assert (seconds(blocks), error) == (1.0, None)
    assert losses == [AudioLoss(LossKind.TRUNCATED, 1000, 8 * 3_600_000)]


async def test_strict_decoding_refuses_what_is_not_whole(host: CodecHost) -> None:
    strict = DecoderPool(host=host, strict=True)
    data = encoded("wav", seconds=2.0)
    blocks, error = await outcome(strict, data[:-1])
    assert seconds(blocks) > 1.9
    assert isinstance(error, InvalidAudioError)
    assert "truncated" in error.problem
    scratched = bytearray(encoded("flac", seconds=6.0))
    middle = len(scratched) * 6 // 10
    scratched[middle : middle + 900] = bytes(900)
    _, error = await outcome(strict, bytes(scratched))
    assert isinstance(error, InvalidAudioError)
    _, error = await outcome(strict, data)
    assert error is None
    await strict.close()


@pytest.mark.parametrize("rate", [0, 1, 7_999, 192_001, 2**31, 2**32 - 1])
async def test_forged_sample_rate(pool: DecoderPool, rate: int) -> None:
    data = bytearray(wav(speechlike(16_000, 0.5), 16_000))
    struct.pack_into("<I", data, 24, rate)
    blocks, error = await outcome(pool, bytes(data))
    assert blocks == []
    assert isinstance(error, InvalidAudioError)
    assert f"{rate} Hz" in error.problem


async def test_a_high_forged_rate_does_not_beat_the_byte_limit(pool: DecoderPool) -> None:
    """At 192 kHz the minute looks like 5 s; bytes do not change."""
    data = wav(np.zeros((16_000 * 60, 1), np.float32), 192_000)
    _, error = await outcome(pool, data, replace(UNARY_LIMITS, max_decoded_bytes=1 * MIB))
    assert isinstance(error, AudioLimitError)
    assert error.limit_name == "max_decoded_bytes"


async def test_other_bad_wav_headers(pool: DecoderPool) -> None:
    good = wav(speechlike(16_000, 0.2), 16_000)
    for at, value in ((20, 0x55), (22, 0), (22, 9), (34, 12), (16, 0xFFFFFFF)):
        data = bytearray(good)
        struct.pack_into("<I" if at == 16 else "<H", data, at, value)
        blocks, error = await outcome(pool, bytes(data))
        assert blocks == []
        assert isinstance(error, InvalidAudioError)


async def test_opus_silence_bomb(pool: DecoderPool) -> None:
    """1.4 MB that would be 2.6 GiB of float32: stopped at the limit, long before."""
    data = ogg_silence(hours=2.0)
    assert 1.2 * MIB < len(data) < 1.6 * MIB
    with pytest.raises(AudioLimitError) as caught:
        await decode_file(pool, data, replace(UNARY_LIMITS, max_decoded_bytes=32 * MIB))
    assert caught.value.metadata == {"max_decoded_bytes": str(32 * MIB)}


async def test_opus_silence_streams_in_bounded_memory(pool: DecoderPool) -> None:
    """Without a cap it is honest silence: it comes out, block by block, and is consumed."""
    blocks, error = await outcome(pool, ogg_silence(hours=0.05))
    assert error is None
    assert seconds(blocks) == pytest.approx(180, abs=0.1)
    assert max(block.samples.nbytes for block in blocks) < MIB


async def test_input_limit(pool: DecoderPool) -> None:
    blocks, error = await outcome(pool, encoded("mp3"), replace(UNARY_LIMITS, max_input_bytes=1000))
    assert blocks == []
    assert isinstance(error, AudioLimitError)
    assert error.metadata == {"max_input_bytes": "1000"}


async def test_m4a_with_its_index_last_has_a_buffer_limit(pool: DecoderPool) -> None:
    _, error = await outcome(pool, encoded("m4a"), replace(STREAM_LIMITS, max_buffered_bytes=4000))
    assert isinstance(error, AudioLimitError)
    assert error.limit_name == "max_buffered_bytes"


async def test_memory_limit(pool: DecoderPool) -> None:
    limits = replace(STREAM_LIMITS, max_memory_bytes=4 * MIB)
    data = encoded("m4a", seconds=1.0)
    mdat = data.index(b"mdat") - 4
    data = data[:mdat] + struct.pack(">I4s", 30 * MIB, b"mdat") + bytes(30 * MIB - 8)
    _, error = await outcome(pool, data, limits)
    assert isinstance(error, AudioLimitError)
    assert error.limit_name == "max_memory_bytes"


@pytest.mark.parametrize("ratio", [0.0, 0.0001])
async def test_cpu_limit(pool: DecoderPool, ratio: float) -> None:
    """One CPU second is less than the hours of silence take, and no audio second buys another."""
    limits = DecodeLimits(None, None, max_cpu_s=1, cpu_s_per_audio_s=ratio)
    data = ogg_silence(hours=2.5)
    decoder = await pool.open(ContainerFormat(), limits)

    async def feed() -> None:
        for _ in range(5):
            await decoder.feed(data)

    feeding = asyncio.create_task(feed())
    with pytest.raises(AudioLimitError) as caught:
        async for _ in decoder.blocks():
            pass
    assert caught.value.limit_name == "max_cpu_s"
    await feeding


async def test_numbers_that_are_none_in_a_float_wav_are_silence(pool: DecoderPool) -> None:
    data = bytearray(encode(speechlike(16_000, 0.2), 16_000, "wav", "pcm_f32le", {}))
    for back, value in ((400, float("nan")), (404, float("inf"))):
        struct.pack_into("<f", data, len(data) - back, value)
    blocks, losses, error = await decoded(pool, bytes(data))
    assert (seconds(blocks), error) == (0.2, None)
    assert losses == [AudioLoss(LossKind.DAMAGED, 193, 194)]


async def test_a_wav_whose_bytes_per_frame_lie_is_read_all_the_same(pool: DecoderPool) -> None:
    data = bytearray(wav(speechlike(16_000, 0.2), 16_000))
    struct.pack_into("<IH", data, 28, 1, 7)
    blocks, losses, error = await decoded(pool, bytes(data))
    assert (seconds(blocks), losses, error) == (0.2, [], None)


@pytest.mark.parametrize("data", [b"", b"R", b"RIFF", b"fLaC", b"OggS" * 100, b"\x1a\x45\xdf\xa3"])
async def test_almost_nothing(pool: DecoderPool, data: bytes) -> None:
    blocks, error = await outcome(pool, data)
    assert blocks == []
    assert isinstance(error, InvalidAudioError)


async def test_no_audio_stream(pool: DecoderPool) -> None:
    data = encode(speechlike(48_000, 0.5), 48_000, "webm", "libopus", {})
    data = data.replace(b"A_OPUS", b"V_VP8\0").replace(b"\x83\x81\x02", b"\x83\x81\x01")
    blocks, error = await outcome(pool, data)
    assert blocks == []
    assert isinstance(error, InvalidAudioError)


async def test_codec_outside_the_list(pool: DecoderPool) -> None:
    data = encode(speechlike(16_000, 0.5), 16_000, "matroska", "mp2", {})
    blocks, error = await outcome(pool, data)
    assert blocks == []
    assert isinstance(error, InvalidAudioError)
    assert "codec" in error.problem
