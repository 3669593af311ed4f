"""The whole service with the real model in a worker process: real speech, unary and streaming, and the same words."""

import asyncio
import io
import re
import wave
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from grpc import aio

from speech.v1 import common_pb2 as common
from tests.integration.failures import failure_of
from tests.integration.harness import Talk, auto_config, pb, raw_config, recognition_stub
from tests.integration.processes import ServerProcess, serving
from tests.integration.sound import moonshine_asset, recording

CLIP = "two_cities.wav"
KNOWN = "it was the best of times it was the worst of times"

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(moonshine_asset(CLIP) is None, reason="moonshine-voice is not installed"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def moonshine_server() -> AsyncIterator[ServerProcess]:
    """Give a real ``serve`` with a worker process, as it is out of the box."""
    async with serving("--set=worker.idle_timeout_s=0") as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channel(moonshine_server: ServerProcess) -> AsyncIterator[aio.Channel]:
    """Give a channel to it."""
    async with aio.insecure_channel(moonshine_server.target) as opened:
        yield opened


def clip(seconds: int = 14) -> tuple[bytes, int]:
    data, rate = recording(CLIP)
    return data[: seconds * rate * 2], rate


def as_wav(data: bytes, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(data)
    return file.getvalue()


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())


def said(results: list[pb.RecognitionResult]) -> str:
    return plain(" ".join(r.text for r in results))


async def stream(
    channel: aio.Channel, data: bytes, config: pb.RecognitionConfig, **pace: float
) -> Talk:
    call = recognition_stub(channel).StreamingRecognize(timeout=60)
    async with Talk(call, config) as talk:
        reading = asyncio.create_task(talk.rest())
        for at in range(0, len(data), 6400):
            await talk.send(audio={"data": data[at : at + 6400]})
            await asyncio.sleep(pace.get("sleep_s", 0))
        await talk.send(end_of_audio={})
        await reading
    return talk


async def test_unary_and_file_streams_say_the_same(channel: aio.Channel) -> None:
    data, rate = clip()
    config = raw_config(rate=rate, pacing=common.PACING_FILE)
    reply = await recognition_stub(channel).Recognize(
        pb.RecognizeRequest(config=config, audio=data), timeout=60
    )
    assert KNOWN in said(list(reply.results))
    assert reply.usage.speech_ms > 0
    assert reply.latency.decode_ms > 0
    talk = await stream(channel, data, config)
    assert [(f.text, f.start_ms, f.end_ms) for f in talk.finals] == [
        (r.text, r.start_ms, r.end_ms) for r in reply.results
    ]


async def test_a_live_stream_shows_partials_whose_stable_part_holds(channel: aio.Channel) -> None:
    data, rate = clip(8)
    talk = await stream(channel, data, raw_config(rate=rate), sleep_s=0.03)
    assert talk.partials
    stable: dict[int, str] = {}
    for partial in talk.partials:
        before = stable.get(partial.segment_id, "")
        assert partial.text.startswith(before)
        stable[partial.segment_id] = partial.text[: partial.stable_char_count]
        assert len(stable[partial.segment_id]) >= len(before)
    assert KNOWN[:30] in said(talk.finals)


async def test_a_container_of_the_same_clip(channel: aio.Channel) -> None:
    data, rate = clip()
    config = raw_config(rate=rate, pacing=common.PACING_FILE)
    raw = await stream(channel, data, config)
    file = await stream(channel, as_wav(data, rate), auto_config(pacing=common.PACING_FILE))
    assert said(file.finals) == said(raw.finals)


async def test_silence_and_noise_have_no_text(channel: aio.Channel) -> None:
    noise = np.random.default_rng(1).normal(0, 0.002, 16_000 * 20)
    for samples in (np.zeros(16_000 * 60), noise):
        data = (samples * 32767).astype("<i2").tobytes()
        talk = await stream(channel, data, raw_config(pacing=common.PACING_FILE))
        assert not [f for f in talk.finals if f.text.strip()]


async def test_the_threshold_has_an_effect(channel: aio.Channel) -> None:
    data, rate = clip()
    faint = (np.frombuffer(data, "<i2") * 0.004).astype("<i2").tobytes()
    heard = {}
    for threshold in (0.05, 0.95):
        endpointing = common.EndpointingConfig(threshold=threshold, end_silence=Duration(seconds=1))
        config = raw_config(rate=rate, pacing=common.PACING_FILE, endpointing=endpointing)
        talk = await stream(channel, faint, config)
        heard[threshold] = talk.events[-1].session_ended.usage.speech_ms
    assert heard[0.05] > heard[0.95]


async def test_another_language_is_a_clear_error(channel: aio.Channel) -> None:
    config = raw_config(language={"codes": ["fr"]})
    call = recognition_stub(channel).Recognize(pb.RecognizeRequest(config=config, audio=b"\0\0"))
    failure = (await failure_of(call)).is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest")
    failure.names("config.language.codes[0]", "en")
