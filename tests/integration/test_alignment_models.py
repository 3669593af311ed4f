"""Alignment, word times and subtitles with the real models in a worker process, as the service is out of the box."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio
import srt
from grpc import aio

from speech.v1 import alignment_service_pb2 as align_pb
from speech.v1 import audio_pb2, common_pb2
from tests.integration.harness import Talk, pb, raw_config, recognition_stub
from tests.integration.processes import serving
from tests.integration.sound import moonshine_asset, recording
from tests.integration.test_alignment import kinds, message, sound, stub, units

CLIP = "two_cities.wav"
PATIENT_S = 120.0
TEXT = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, "
    "it was the age of foolishness"
)
STARTS_MS = {"best": 1670, "worst": 3360, "age": 5370, "wisdom": 5750, "foolishness": 7330}
"""Heard and looked at in the recording; of the first place of each word."""

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(moonshine_asset(CLIP) is None, reason="moonshine-voice is not installed"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channel() -> AsyncIterator[aio.Channel]:
    """Give a channel to a real ``serve`` with a worker process."""
    async with (
        serving("--set=worker.idle_timeout_s=0") as server,
        aio.insecure_channel(server.target) as opened,
    ):
        yield opened


def clip(seconds: float = 8.6) -> tuple[bytes, int]:
    data, rate = recording(CLIP)
    return data[: int(seconds * rate) * 2], rate


def config(rate: int, **fields: Any) -> align_pb.AlignmentConfig:
    raw = audio_pb2.RawAudio(encoding=1, sample_rate_hz=rate)  # pyright: ignore[reportArgumentType] - a number is fine on the wire
    return align_pb.AlignmentConfig(audio=audio_pb2.AudioFormat(raw=raw), **fields)


async def align(channel: aio.Channel, text: str, **fields: Any) -> align_pb.AlignResponse:
    data, rate = clip()
    request = align_pb.AlignRequest(config=config(rate, **fields), text=text, audio=data)
    return await stub(channel).Align(request, timeout=PATIENT_S)


def check_times(words: Sequence[Any], tolerance_ms: int = 80) -> None:
    first: dict[str, int] = {}
    for word in words:
        first.setdefault(word.text.strip(".,;").lower(), word.start_ms)
    for text, start_ms in STARTS_MS.items():
        assert abs(first[text] - start_ms) <= tolerance_ms, (text, first[text], start_ms)


async def test_align_places_every_word(channel: aio.Channel) -> None:
    reply = await align(channel, TEXT)
    assert [u.text for u in reply.units] == TEXT.replace(",", "").split()
    assert reply.model == "pocketsphinx-en-us"
    check_times(reply.units)
    assert not [s for s in reply.unaligned_spans if s.char_end > s.char_start]


async def test_phones_lie_in_their_words(channel: aio.Channel) -> None:
    reply = await align(channel, TEXT, granularity=align_pb.ALIGNMENT_GRANULARITY_PHONE)
    word = reply.units[0]
    for unit in reply.units:
        if unit.granularity == align_pb.ALIGNMENT_GRANULARITY_WORD:
            word = unit
            continue
        assert (unit.char_start, unit.char_end) == (word.char_start, word.char_end)
        assert word.start_ms <= unit.start_ms < unit.end_ms <= word.end_ms
    assert len(reply.units) > 2 * len(TEXT.split())


async def test_another_text_is_not_found(channel: aio.Channel) -> None:
    text = "Colourless green ideas sleep furiously under seven purple umbrellas."
    reply = await align(channel, text)
    missing = sum(
        len(text[s.char_start : s.char_end].split())
        for s in reply.unaligned_spans
        if s.reason == align_pb.UNALIGNED_REASON_TEXT_NOT_SPOKEN
    )
    assert missing >= 7
    assert len(reply.units) + missing == len(text.split())


async def test_streaming_equals_unary(channel: aio.Channel) -> None:
    data, rate = clip()
    pieces = [TEXT[at : at + 17] for at in range(0, len(TEXT), 17)]
    placed = asyncio.Event()
    call: Any = stub(channel).StreamingAlign(timeout=2 * PATIENT_S)
    await call.write(message(config=config(rate)))

    async def send() -> None:
        for number, item in enumerate(sound(data, 2 * rate // 2)):
            if number < len(pieces):
                await call.write(message(text={"text": pieces[number]}))
            await call.write(item)
            if number == 13:  # of 18: all of the text, and audio of most of it
                await asyncio.wait_for(placed.wait(), PATIENT_S)
        await call.write(message(end_of_input={}))

    sending = asyncio.create_task(send())
    events: list[align_pb.StreamingAlignResponse] = []
    async for event in call:
        events.append(event)
        if event.HasField("aligned_units"):
            placed.set()
    await sending
    assert kinds(events)[-1] == "session_ended"
    assert len([k for k in kinds(events) if k == "aligned_units"]) > 1
    whole = (await align(channel, TEXT)).units
    assert [u.text for u in units(events)] == [u.text for u in whole]
    for streamed, unit in zip(units(events), whole, strict=True):
        assert abs(streamed.start_ms - unit.start_ms) <= 60


async def test_word_times_of_a_stream(channel: aio.Channel) -> None:
    data, rate = clip()
    call = recognition_stub(channel).StreamingRecognize(timeout=PATIENT_S)
    async with Talk(call, raw_config(rate, word_times=True)) as talk:
        reading = asyncio.create_task(talk.rest())
        await talk.audio(data, 6400)
        await talk.send(end_of_audio={})
        await reading
    refined = talk.results(3)
    assert sorted(r.segment_id for r in refined) == [r.segment_id for r in talk.finals]
    words = [
        word for result in sorted(refined, key=lambda r: r.segment_id) for word in result.words
    ]
    check_times(words)
    for result in refined:
        assert " ".join(w.text for w in result.words) == result.text


@pytest.mark.parametrize("mode", [1, 2])
async def test_subtitles_of_a_recording(channel: aio.Channel, mode: int) -> None:
    data, rate = clip()
    subtitles = common_pb2.SubtitleConfig(format=1, mode=mode)  # pyright: ignore[reportArgumentType] - numbers are fine on the wire
    request = pb.RecognizeRequest(config=raw_config(rate, subtitles=subtitles), audio=data)
    reply = await recognition_stub(channel).Recognize(request, timeout=PATIENT_S)
    cues = list(srt.parse(reply.subtitles.text))
    assert len(cues) == reply.subtitles.cue_count >= 2
    shown = " ".join(cue.content.replace("\n", " ") for cue in cues)
    assert shown == " ".join(r.text for r in reply.results)
    worst = next(cue for cue in cues if "worst" in cue.content)
    assert worst.start.total_seconds() <= 3.5
    assert worst.end.total_seconds() >= 3.7


async def test_an_aligned_text_as_subtitles(channel: aio.Channel) -> None:
    subtitles = common_pb2.SubtitleConfig(format=1)  # pyright: ignore[reportArgumentType] - a number is fine on the wire
    reply = await align(channel, TEXT, subtitles=subtitles)
    cues = list(srt.parse(reply.subtitles.text))
    assert " ".join(cue.content.replace("\n", " ") for cue in cues) == TEXT
    assert abs(cues[0].start.total_seconds() - 1.18) < 0.1
