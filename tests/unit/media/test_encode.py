"""Encoders: audio of the right length and content comes out while samples go in, and nothing is left behind."""

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator

import av
import numpy as np
import psutil
import pytest
import pytest_asyncio

from speech_service.domain.audio import Samples
from speech_service.domain.errors import InvalidOptionError, OverloadedError, UnavailableError
from speech_service.domain.synthesis import OutputEncoding, OutputFormat
from speech_service.media.codec.host import CodecHost
from speech_service.media.decode.pool import DecoderPool, decode_file
from speech_service.media.encode.encoder import (
    EncoderPool,
    OutputEncoder,
    bit_rate_bps,
    check_output,
    coded_rate_hz,
)
from speech_service.media.encode.length import whole_file
from speech_service.media.encode.pcm import to_s16
from speech_service.media.resample import StreamResampler
from tests.unit.dispatch.builders import until
from tests.unit.media.conftest import children_of
from tests.unit.media.encode import encoded, speechlike

pytestmark = pytest.mark.integration
RATE = 24_000
RAW_BYTES = {
    OutputEncoding.PCM_S16LE: 2,
    OutputEncoding.PCM_F32LE: 4,
    OutputEncoding.MULAW: 1,
    OutputEncoding.ALAW: 1,
}
FILES = (OutputEncoding.WAV, OutputEncoding.FLAC, OutputEncoding.MP3, OutputEncoding.OGG_OPUS)
IN_CHILDREN = FILES[1:]
# Padding to whole frames, whose end a stream does not tell.
MP3_EXTRA_SAMPLES = 2 * 1152


@pytest_asyncio.fixture(loop_scope="module")
async def encoders(host: CodecHost) -> AsyncIterator[EncoderPool]:
    pool = EncoderPool(host)
    yield pool
    await pool.close()


def speech(seconds: float = 1.0) -> Samples:
    return speechlike(RATE, seconds)[:, 0] * np.float32(0.9)


async def encode(
    pool: EncoderPool,
    output: OutputFormat,
    samples: Samples,
    piece: int = 4800,
    gain_db: float = 0.0,
    rate: float = 1.0,
) -> list[bytes]:
    encoder = await pool.open(output, RATE, gain_db=gain_db, rate=rate)
    parts = [await encoder.push(samples[at : at + piece]) for at in range(0, len(samples), piece)]
    parts.append(await encoder.finish())
    await encoder.close()
    return parts


async def push_for(encoder: OutputEncoder, seconds: float) -> None:
    for _ in range(round(seconds / 0.01)):
        await encoder.push(speech(0.1))
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("encoding", FILES)
async def test_files_have_the_length_that_went_in(
    encoders: EncoderPool, pool: DecoderPool, encoding: OutputEncoding, rate: int
) -> None:
    parts = await encode(encoders, OutputFormat(encoding, rate), speech(1.3))
    decoded_rate, decoded = await decode_file(pool, b"".join(parts))
    assert decoded_rate == (48_000 if encoding is OutputEncoding.OGG_OPUS else rate)
    seconds = len(decoded) / decoded_rate
    most_s = 1.3 + (MP3_EXTRA_SAMPLES if encoding is OutputEncoding.MP3 else 1.5) / rate
    assert 1.3 - 1.5 / rate <= seconds <= most_s
    loudness = np.abs(decoded).sum() / decoded_rate
    assert loudness == pytest.approx(np.abs(speech(1.3)).sum() / RATE, rel=0.1)


@pytest.mark.parametrize("rate", [8_000, 11_111, 24_000, 48_000])
@pytest.mark.parametrize("encoding", RAW_BYTES)
async def test_raw_audio_has_the_length_that_went_in(
    encoders: EncoderPool, encoding: OutputEncoding, rate: int
) -> None:
    parts = await encode(encoders, OutputFormat(encoding, rate), speech(1.3))
    assert len(b"".join(parts)) / RAW_BYTES[encoding] == pytest.approx(1.3 * rate, abs=1)


@pytest.mark.parametrize("encoding", [OutputEncoding.WAV, OutputEncoding.FLAC])
async def test_lossless_is_exact(
    encoders: EncoderPool, pool: DecoderPool, encoding: OutputEncoding
) -> None:
    samples = speech()
    parts = await encode(encoders, OutputFormat(encoding, RATE), samples)
    _, decoded = await decode_file(pool, b"".join(parts))
    np.testing.assert_array_equal(to_s16(decoded[:, 0]), to_s16(samples))


@pytest.mark.parametrize("encoding", OutputEncoding)
async def test_the_same_bytes_however_the_samples_arrive(
    encoders: EncoderPool, encoding: OutputEncoding
) -> None:
    output = OutputFormat(encoding, 16_000, trim_silence=True)
    samples = np.concatenate((np.zeros(5000, np.float32), speech(), np.zeros(9000, np.float32)))
    shape = {"gain_db": 6.0, "rate": 1.25}
    files = [
        b"".join(await encode(encoders, output, samples, piece, **shape))
        for piece in (480, 7000, 60_000)
    ]
    if encoding is OutputEncoding.OGG_OPUS:  # The stream's serial number is a random one.
        files = [file.replace(file[14:18], b"") for file in files]
        assert len({len(file) for file in files}) == 1
    else:
        assert len(set(files)) == 1


@pytest.mark.parametrize("encoding", OutputEncoding)
async def test_first_bytes_leave_with_the_first_second(
    encoders: EncoderPool, encoding: OutputEncoding
) -> None:
    encoder = await encoders.open(OutputFormat(encoding, RATE), RATE)
    first = await encoder.push(speech(1.0))
    whole = first + await encoder.push(speech(1.0)) + await encoder.finish()
    assert len(first) > 0.35 * len(whole)
    await encoder.close()


async def test_silence_is_trimmed_and_told(encoders: EncoderPool) -> None:
    samples = np.concatenate((np.zeros(RATE, np.float32), speech(), np.zeros(RATE, np.float32)))
    output = OutputFormat(OutputEncoding.PCM_S16LE, RATE, trim_silence=True)
    encoder = await encoders.open(output, RATE)
    data = await encoder.push(samples) + await encoder.finish()
    assert encoder.dropped_at_start == pytest.approx(RATE, abs=RATE // 20)
    assert encoder.coded_samples == len(data) / 2
    assert len(data) / 2 == pytest.approx(1.07 * RATE, abs=RATE // 50)


@pytest.mark.parametrize("encoding", OutputEncoding)
async def test_an_encoder_that_got_nothing_ends_well(
    encoders: EncoderPool, encoding: OutputEncoding
) -> None:
    data = b"".join(await encode(encoders, OutputFormat(encoding, RATE), speech(0)))
    head = {
        OutputEncoding.WAV: b"RIFF",
        OutputEncoding.FLAC: b"fLaC",
        OutputEncoding.OGG_OPUS: b"OggS",
    }
    assert data.startswith(head.get(encoding, b""))


async def test_a_long_push_is_taken_in_parts(encoders: EncoderPool, host: CodecHost) -> None:
    encoder = await encoders.open(OutputFormat(OutputEncoding.FLAC, RATE), RATE)
    data = await encoder.push(speech(60.0))
    child = psutil.Process(host.zygote_pid).children()[0]
    assert child.memory_info().rss < 60 * 1024 * 1024
    assert len(data) > 100_000
    await encoder.close()


async def test_close_leaves_nothing() -> None:
    me = psutil.Process()
    fds, tasks, others = me.num_fds(), len(asyncio.all_tasks()), set(me.children())
    pool = EncoderPool()
    zygote = None
    for encoding in IN_CHILDREN:
        encoder = await pool.open(OutputFormat(encoding, RATE), RATE)
        pushing = asyncio.create_task(encoder.push(speech(30.0)))
        await asyncio.sleep(0.02)
        (zygote,) = set(me.children()) - others
        await encoder.close()
        await encoder.close()
        await asyncio.wait([pushing], timeout=60)
        assert pushing.exception() is None or isinstance(pushing.exception(), UnavailableError)
        await until(lambda of=zygote: not of.children())
        with pytest.raises(UnavailableError):
            await encoder.push(speech())
    await pool.close()
    await asyncio.sleep(0)
    assert zygote is not None
    assert not zygote.is_running()
    assert me.num_fds() <= fds  # what an earlier test left may go meanwhile
    assert len(asyncio.all_tasks()) == tasks


async def test_a_cancelled_open_leaves_no_child(encoders: EncoderPool, host: CodecHost) -> None:
    output = OutputFormat(OutputEncoding.MP3, RATE)
    await encode(encoders, output, speech())
    for delay_s in (0.0, 0.001, 0.003, 0.006, 0.01, 0.02):
        opening = asyncio.create_task(encoders.open(output, RATE))
        await asyncio.sleep(delay_s)
        if opening.cancel():
            await asyncio.wait([opening])
        if not opening.cancelled():
            await opening.result().close()
    await until(lambda: not children_of(host))


async def test_a_long_push_does_not_hold_up_the_event_loop(encoders: EncoderPool) -> None:
    encoder = await encoders.open(OutputFormat(OutputEncoding.PCM_S16LE, 16_000), RATE, rate=1.3)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await encoder.push(speech(20.0))
    task.cancel()
    assert turns >= 19


async def test_a_cancelled_push_leaves_no_child(encoders: EncoderPool, host: CodecHost) -> None:
    encoder = await encoders.open(OutputFormat(OutputEncoding.MP3, RATE), RATE)
    pushing = asyncio.create_task(encoder.push(speech(60.0)))
    await asyncio.sleep(0.01)
    pushing.cancel()
    await asyncio.wait([pushing])
    with pytest.raises(UnavailableError):
        await encoder.push(speech())
    await encoder.close()
    await until(lambda: not children_of(host))


async def test_a_dead_child_is_an_error_and_the_next_encoder_works(
    encoders: EncoderPool, host: CodecHost
) -> None:
    output = OutputFormat(OutputEncoding.OGG_OPUS, RATE)
    for victim in ("child", "zygote"):
        encoder = await encoders.open(output, RATE)
        zygote = psutil.Process(host.zygote_pid)
        os.kill(zygote.children()[0].pid if victim == "child" else zygote.pid, signal.SIGKILL)
        with pytest.raises(UnavailableError) as lost:
            await push_for(encoder, 1.0)
        assert lost.value.reason == "ENCODER_LOST"
        await encoder.close()
    assert len(b"".join(await encode(encoders, output, speech()))) > 1000


async def test_one_encoder_above_the_limit_is_refused(host: CodecHost) -> None:
    pool = EncoderPool(host, max_open=1)
    first = await pool.open(OutputFormat(OutputEncoding.MP3, RATE), RATE)
    raw = await pool.open(OutputFormat(OutputEncoding.PCM_S16LE, RATE), RATE)
    with pytest.raises(OverloadedError) as refused:
        await pool.open(OutputFormat(OutputEncoding.FLAC, RATE), RATE)
    assert refused.value.reason == "TOO_MANY_ENCODERS"
    await first.close()
    await (await pool.open(OutputFormat(OutputEncoding.FLAC, RATE), RATE)).close()
    await raw.close()
    await pool.close()


async def test_decoding_and_encoding_share_one_process(
    encoders: EncoderPool, pool: DecoderPool, host: CodecHost
) -> None:
    jobs = [encode(encoders, OutputFormat(kind, RATE), speech()) for kind in IN_CHILDREN * 3]
    await asyncio.gather(*jobs, *(decode_file(pool, encoded(kind)) for kind in ("mp3", "ogg")))
    await until(lambda: not children_of(host))


@pytest.mark.parametrize(
    ("output", "field"),
    [
        (OutputFormat(OutputEncoding.WAV, 7_999), "sample_rate_hz"),
        (OutputFormat(OutputEncoding.WAV, 48_001), "sample_rate_hz"),
        (OutputFormat(OutputEncoding.MP3, 20_000), "sample_rate_hz"),
        (OutputFormat(OutputEncoding.MP3, 24_000, bit_rate_bps=63_999), "bit_rate_bps"),
        (OutputFormat(OutputEncoding.MP3, 24_000, bit_rate_bps=320_000), "bit_rate_bps"),
        (OutputFormat(OutputEncoding.OGG_OPUS, 24_000, bit_rate_bps=5_999), "bit_rate_bps"),
        (OutputFormat(OutputEncoding.FLAC, 24_000, bit_rate_bps=64_000), "bit_rate_bps"),
    ],
)
def test_what_cannot_be_made_is_refused_by_field(output: OutputFormat, field: str) -> None:
    with pytest.raises(InvalidOptionError) as refused:
        check_output(output)
    assert refused.value.option == f"output.{field}"


@pytest.mark.parametrize(
    ("shape", "field"),
    [
        ({"gain_db": 20.1}, "gain_db"),
        ({"gain_db": float("nan")}, "gain_db"),
        ({"rate": 0.4}, "speaking_rate"),
    ],
)
async def test_shape_out_of_range(shape: dict[str, float], field: str) -> None:
    output = OutputFormat(OutputEncoding.WAV, RATE)
    gain_db, rate = shape.get("gain_db", 0.0), shape.get("rate", 1.0)
    with pytest.raises(InvalidOptionError) as refused:
        await EncoderPool().open(output, RATE, gain_db=gain_db, rate=rate)
    assert refused.value.option == field


@pytest.mark.parametrize("bits", [8_000, 64_000])
async def test_every_mp3_rate_takes_its_bit_rates(encoders: EncoderPool, bits: int) -> None:
    for rate in (8_000, 11_025, 12_000, 16_000, 22_050, 24_000):
        output = OutputFormat(OutputEncoding.MP3, rate, bit_rate_bps=bits)
        data = b"".join(await encode(encoders, output, speech(4.0)))
        assert len(data) * 8 / 4.0 == pytest.approx(bits, rel=0.15)


def test_rates_of_opus_are_raised_to_the_next_that_it_has() -> None:
    rates = {
        rate: coded_rate_hz(OutputFormat(OutputEncoding.OGG_OPUS, rate))
        for rate in (8_000, 9_000, 44_100)
    }
    assert rates == {8_000: 8_000, 9_000: 12_000, 44_100: 48_000}
    assert coded_rate_hz(OutputFormat(OutputEncoding.WAV, 44_100)) == 44_100
    assert bit_rate_bps(OutputFormat(OutputEncoding.OGG_OPUS, 24_000)) == 32_000
    assert bit_rate_bps(OutputFormat(OutputEncoding.WAV, 24_000)) == 0


def noise(seconds: float = 2.0) -> Samples:
    """Sound by which a place in time is told."""
    white = np.random.default_rng(7).standard_normal(int(RATE * seconds))
    smooth = np.convolve(white, np.ones(16) / 16, "same")
    return (0.4 * smooth / np.abs(smooth).max()).astype(np.float32)


def shift_ms(heard: Samples, rate: int) -> float:
    """How much later ``noise`` is in what was decoded."""
    source = StreamResampler(RATE, rate).push(noise()[:, None], last=True)[:, 0]
    size = 2 * max(len(heard), len(source))
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(source, size))
    at = int(np.argmax(np.fft.irfft(spectrum, size)))
    return (at if at < size // 2 else at - size) * 1000 / rate


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("encoding", IN_CHILDREN)
async def test_what_is_decoded_begins_and_ends_where_the_speech_does(
    encoders: EncoderPool, pool: DecoderPool, encoding: OutputEncoding, rate: int
) -> None:
    """At 76ad801 MP3 was 23 to 138 ms late, and FLAC had no length."""
    encoder = await encoders.open(OutputFormat(encoding, rate), RATE)
    streamed = await encoder.push(noise()) + await encoder.finish()
    samples = encoder.coded_samples
    await encoder.close()
    whole = whole_file(streamed, encoding, samples)
    for data in (streamed, whole):
        decoded_rate, decoded = await decode_file(pool, data)
        assert abs(shift_ms(decoded[:, 0], decoded_rate)) < 1.0
    # As a player does that can seek: only then does FFmpeg leave the padding of an MP3 out.
    with av.open(io.BytesIO(whole), "r") as file:
        stream = file.streams.audio[0]
        assert encoding is not OutputEncoding.FLAC or stream.duration == samples
        length = sum(frame.samples for frame in file.decode(stream))
        assert length == round(samples * stream.codec_context.sample_rate / rate)
    assert len(whole) == len(streamed)
