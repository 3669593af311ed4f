"""The same sound in every format that the contract names is the same transcript."""

from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from speech.v1 import audio_pb2 as audio
from speech.v1 import common_pb2 as common
from tests.integration.harness import (
    Server,
    Talk,
    auto_config,
    pb,
    raw_config,
    recognize,
    running,
)
from tests.integration.sound import (
    burst,
    linear_to_alaw,
    linear_to_mulaw,
    quiet,
    s16,
)
from tests.unit.media.encode import KINDS, encode, encoded, opus_packets, speechlike, wav

FILE = common.PACING_FILE
CONTAINERS = {
    "wav": audio.AUDIO_CONTAINER_WAV,
    "flac": audio.AUDIO_CONTAINER_FLAC,
    "ogg": audio.AUDIO_CONTAINER_OGG_OPUS,
    "mp3": audio.AUDIO_CONTAINER_MP3,
    "webm": audio.AUDIO_CONTAINER_WEBM_OPUS,
    "m4a": audio.AUDIO_CONTAINER_M4A,
}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Server]:
    """Give one server to all tests here, and so one codec process."""
    async with running() as started:
        yield started


def encode_raw(encoding: int, samples: NDArray[np.float32]) -> bytes:
    if encoding == audio.AUDIO_ENCODING_PCM_F32LE:
        return samples.astype("<f4").tobytes()
    if encoding == audio.AUDIO_ENCODING_MULAW:
        return linear_to_mulaw(samples)
    if encoding == audio.AUDIO_ENCODING_ALAW:
        return linear_to_alaw(samples)
    return s16(samples)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("encoding", [1, 2, 3, 4], ids=["s16", "f32", "mulaw", "alaw"])
async def test_raw_audio(server: Server, encoding: int, rate: int) -> None:
    sound = np.concatenate([quiet(500, rate), burst(2000, rate), quiet(1500, rate)])
    data = encode_raw(encoding, sound)
    config = raw_config(rate=rate, encoding=encoding, pacing=FILE)
    talk = await recognize(server, data, config)
    (final,) = talk.finals
    assert final.text == "zero one two three four"
    assert final.start_ms == pytest.approx(200, abs=64)
    assert final.end_ms == pytest.approx(2700, abs=64)
    assert talk.events[-1].session_ended.usage.audio_in_ms == pytest.approx(4000, abs=2)
    reply = await server.recognition.Recognize(pb.RecognizeRequest(config=config, audio=data))
    assert list(reply.results) == talk.finals
    assert reply.model == "fake"
    assert reply.languages[0].code == "en"
    assert reply.usage.audio_in_ms == talk.events[-1].session_ended.usage.audio_in_ms


@pytest.mark.parametrize("named", [True, False], ids=["named", "sniffed"])
@pytest.mark.parametrize("kind", KINDS)
async def test_containers(server: Server, kind: str, named: bool) -> None:
    config = auto_config(pacing=FILE)
    if named:
        config.audio.container = CONTAINERS[kind.partition("-")[0]]
    data = encoded(kind, seconds=3.0)
    talk = await recognize(server, data, config)
    assert len(talk.finals) == 1
    assert talk.finals[0].text.startswith("zero one two three four")
    assert talk.events[-1].session_ended.usage.audio_in_ms == pytest.approx(3000, abs=120)
    reply = await server.recognition.Recognize(pb.RecognizeRequest(config=config, audio=data))
    assert [r.text for r in reply.results] == [talk.finals[0].text]


async def test_a_container_in_crumbs(server: Server) -> None:
    data = encoded("ogg", seconds=1.0)
    async with server.talk(auto_config(pacing=FILE)) as talk:
        await talk.audio(data, piece=7)
        await talk.end()
    assert len(talk.finals) == 1


def packets_config(**fields: int) -> pb.RecognitionConfig:
    packets = audio.OpusPackets(**fields)
    return pb.RecognitionConfig(audio=audio.AudioFormat(opus_packets=packets), pacing=FILE)


async def send_packets(server: Server, packets: list[bytes], config: pb.RecognitionConfig) -> Talk:
    async with server.talk(config) as talk:
        for packet in packets:
            await talk.send(audio={"data": packet})
        await talk.end()
    return talk


@pytest.mark.parametrize("rate", [0, 8000, 16_000, 24_000])
@pytest.mark.parametrize("channels", [1, 2])
async def test_opus_packets(server: Server, rate: int, channels: int) -> None:
    config = packets_config(sample_rate_hz=rate, channel_count=channels)
    talk = await send_packets(server, opus_packets(2.0, channels), config)
    assert talk.finals[0].text.startswith("zero one two")
    assert talk.events[-1].session_ended.usage.audio_in_ms == pytest.approx(2000, abs=41)


async def test_opus_pre_skip_drops_the_encoders_delay(server: Server) -> None:
    packets = opus_packets(1.0)
    whole = await send_packets(server, packets, packets_config())
    cut = await send_packets(server, packets, packets_config(pre_skip_frames=24_000))
    before, after = (t.events[-1].session_ended.usage.audio_in_ms for t in (whole, cut))
    assert before - after == pytest.approx(500, abs=2)


def stereo(rate: int = 16_000) -> NDArray[np.float32]:
    """The left one speaks first, the right one later: float32 [n, 2]."""
    left = np.concatenate([burst(1000, rate), quiet(3000, rate)])
    right = np.concatenate([quiet(2000, rate), burst(1500, rate), quiet(500, rate)])
    return np.stack([left, right], axis=1)


@pytest.mark.parametrize("form", ["raw", "raw 44.1", "wav", "flac"])
async def test_channels_apart(server: Server, form: str) -> None:
    if form == "wav":
        data, config = wav(stereo(), 16_000), auto_config()
    elif form == "flac":
        data, config = encode(stereo(), 16_000, "flac", "flac", {}), auto_config()
    else:
        rate = 44_100 if "44" in form else 16_000
        data, config = s16(stereo(rate)), raw_config(rate=rate, channels=2)
    config.separate_channels, config.pacing = True, FILE
    talk = await recognize(server, data, config)
    finals = {f.channel: f for f in talk.finals}
    assert finals[0].text == "zero one"
    assert finals[0].start_ms == 0
    assert finals[1].text.startswith("zero one two three")
    assert finals[1].start_ms == pytest.approx(1700, abs=64)
    assert len({f.segment_id for f in talk.finals}) == 2
    events = [e.speech_event for e in talk.events if e.HasField("speech_event")]
    assert {(e.channel, e.kind) for e in events} >= {(0, 1), (0, 2), (1, 1)}
    assert talk.events[-1].session_ended.usage.audio_in_ms == pytest.approx(8000, abs=4)
    reply = await server.recognition.Recognize(pb.RecognizeRequest(config=config, audio=data))
    assert [(r.channel, r.text) for r in reply.results] == [(c, finals[c].text) for c in (0, 1)]


async def test_channels_mixed(server: Server) -> None:
    config = raw_config(channels=2, pacing=FILE)
    talk = await recognize(server, s16(stereo()), config)
    assert {f.channel for f in talk.finals} == {0}
    assert len(talk.finals) == 2


async def test_eight_channels(server: Server) -> None:
    sound = np.repeat(np.concatenate([burst(600), quiet(900)])[:, None], 8, axis=1)
    config = raw_config(channels=8, separate_channels=True, pacing=FILE)
    talk = await recognize(server, s16(sound), config)
    assert sorted(f.channel for f in talk.finals) == list(range(8))


@pytest.mark.parametrize("kind", ["wav", "opus packets"])
async def test_finalize_covers_the_encoded_audio_sent_before_it(server: Server, kind: str) -> None:
    """The decoder is another process; a control message must not overtake what was sent before it."""
    if kind == "wav":
        config, messages = auto_config(), [wav(speechlike(16_000, 2.0), 16_000, data_bytes=0)]
    else:
        config, messages = packets_config(), opus_packets(2.0)
    async with server.talk(config) as talk:
        for message in messages:
            await talk.send(audio={"data": message})
        await talk.send(finalize={"control_id": "all of it"})
        await talk.until("control_ack")
        covered = talk.finals[-1].end_ms if talk.finals else 0
        await talk.end()
    assert covered >= 1900


RARE = {
    "aiff": ("aiff", "pcm_s16be", 16_000, {}),
    "aiff with floats": ("aiff", "pcm_f32be", 16_000, {}),
    "aiff with adpcm": ("aiff", "adpcm_ima_qt", 16_000, {}),
    "aac": ("adts", "aac", 16_000, {}),
    "amr": ("amr", "libopencore_amrnb", 8000, {}),
    "3gp with amr": ("3gp", "libopencore_amrnb", 8000, {}),
    "m4a with alac": ("ipod", "alac", 16_000, {}),
    "caf with alac": ("caf", "alac", 16_000, {}),
    "caf with samples": ("caf", "pcm_s16le", 16_000, {}),
    "wav with ima adpcm": ("wav", "adpcm_ima_wav", 16_000, {}),
    "wav with ms adpcm": ("wav", "adpcm_ms", 16_000, {}),
    "w64": ("w64", "pcm_s16le", 16_000, {}),
    "mov": ("mov", "pcm_s24le", 16_000, {}),
}
RARE_CONTAINERS = {
    "aiff": audio.AUDIO_CONTAINER_AIFF,
    "aac": audio.AUDIO_CONTAINER_AAC,
    "amr": audio.AUDIO_CONTAINER_AMR,
    "caf": audio.AUDIO_CONTAINER_CAF,
    "w64": audio.AUDIO_CONTAINER_W64,
    "wav": audio.AUDIO_CONTAINER_WAV,
    "m4a": audio.AUDIO_CONTAINER_M4A,
    "mov": audio.AUDIO_CONTAINER_M4A,
    "3gp": audio.AUDIO_CONTAINER_M4A,
}


@pytest.mark.parametrize("kind", RARE)
async def test_formats_beside_the_common_ones(server: Server, kind: str) -> None:
    """All of them were refused at 76ad801; named by the client and found from the bytes."""
    fmt, codec, rate, options = RARE[kind]
    data = encode(speechlike(rate, 3.0), rate, fmt, codec, options)
    for container in (None, RARE_CONTAINERS[kind.partition(" ")[0]]):
        config = auto_config(pacing=FILE)
        if container is not None:
            config.audio.container = container
        talk = await recognize(server, data, config)
        assert talk.finals[0].text.startswith("zero one two three")
        assert not [event for event in talk.events if event.HasField("warning")]
        assert talk.events[-1].session_ended.usage.audio_in_ms == pytest.approx(3000, abs=150)


async def test_wideband_amr(server: Server) -> None:
    """No encoder of it is at hand: any bits are sound of 20 ms in a frame of 23.85 kbit/s."""
    frames = np.random.default_rng(1).integers(0, 256, (100, 61), np.uint8)
    frames[:, 0] = 8 << 3 | 4
    reply = await server.recognition.Recognize(
        pb.RecognizeRequest(config=auto_config(), audio=b"#!AMR-WB\n" + frames.tobytes())
    )
    assert reply.usage.audio_in_ms == 2000
    assert not reply.warnings
