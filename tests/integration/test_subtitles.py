"""Subtitles of Recognize and Align: files that other readers take, times in order, rules kept."""

import io
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import srt
import webvtt
from grpc import aio

from speech.v1 import alignment_service_pb2, audio_pb2, common_pb2
from speech_service.config.tree import ModelConfig
from tests.integration.failures import WAIT_S, Failure
from tests.integration.harness import FAKE, Server, pb, raw_config, running
from tests.integration.sound import RATE, speech
from tests.integration.test_alignment import stub

SRT, VTT = common_pb2.SUBTITLE_FORMAT_SRT, common_pb2.SUBTITLE_FORMAT_VTT
ALIGNER = ModelConfig(kind="aligner/fake")
LONG = speech(9_000, 1_200, 4_000, 1_200, 2_000)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server with the fake aligner, whose words share the audio by their letters."""
    async with running(models=(FAKE, ALIGNER)) as started:
        yield started


async def recognize(server: Server, audio: bytes, **subtitles: Any) -> pb.RecognizeResponse:
    config = raw_config(subtitles=common_pb2.SubtitleConfig(**subtitles))
    request = pb.RecognizeRequest(config=config, audio=audio)
    return await server.recognition.Recognize(request, timeout=WAIT_S)


async def align(server: Server, text: str, audio: bytes, **subtitles: Any) -> common_pb2.Subtitles:
    raw = audio_pb2.RawAudio(encoding=1, sample_rate_hz=RATE)  # pyright: ignore[reportArgumentType] - a number is fine on the wire
    config = alignment_service_pb2.AlignmentConfig(
        audio=audio_pb2.AudioFormat(raw=raw), subtitles=common_pb2.SubtitleConfig(**subtitles)
    )
    request = alignment_service_pb2.AlignRequest(config=config, text=text, audio=audio)
    return (await stub(server.channel).Align(request, timeout=WAIT_S)).subtitles


Parsed = list[tuple[int, int, str]]


def parsed(file: common_pb2.Subtitles) -> Parsed:
    """Cues as another reader sees them: start, end in milliseconds, text."""
    if file.format == SRT:
        cues: Parsed = [
            (
                round(cue.start.total_seconds() * 1000),
                round(cue.end.total_seconds() * 1000),
                cue.content,
            )
            for cue in srt.parse(file.text)
        ]
    else:
        captions: Any = webvtt.from_buffer(io.StringIO(file.text))
        cues = [
            (
                round(caption.start_in_seconds * 1000) + caption.start_time.milliseconds,
                round(caption.end_in_seconds * 1000) + caption.end_time.milliseconds,
                str(caption.text),
            )
            for caption in captions
        ]
    assert len(cues) == file.cue_count
    return cues


def check(cues: Parsed, text: str, columns: int = 42, lines: int = 2) -> None:
    """Every word is shown once and in order, and no cue overlaps the next or breaks the layout."""
    assert " ".join(word for *_, shown in cues for word in shown.split()) == " ".join(text.split())
    last = 0
    for start, end, shown in cues:
        assert last <= start < end
        last = end
        rows = shown.splitlines()
        assert len(rows) <= lines
        assert max(map(len, rows)) <= columns
    assert all(b[0] - a[1] >= 80 for a, b in itertools.pairwise(cues))


@pytest.mark.parametrize("format_", [SRT, VTT])
@pytest.mark.parametrize("mode", [0, 1, 2])
async def test_a_recording_becomes_a_file(server: Server, format_: int, mode: int) -> None:
    reply = await recognize(server, LONG, format=format_, mode=mode)
    assert len(reply.results) == 3
    assert not reply.warnings
    assert not any(r.words for r in reply.results), "the words were for the subtitles only"
    cues = parsed(reply.subtitles)
    check(cues, " ".join(r.text for r in reply.results))
    assert cues[0][0] >= reply.results[0].start_ms
    assert cues[-1][1] <= reply.results[-1].end_ms
    for result in reply.results:
        assert any(start - 100 <= result.start_ms <= end + 100 for start, end, _ in cues)


async def test_rules_are_kept(server: Server) -> None:
    rules = {"max_columns": 16, "max_lines": 1, "max_duration": {"seconds": 3}}
    reply = await recognize(server, LONG, format=SRT, rules=rules)
    cues = parsed(reply.subtitles)
    check(cues, " ".join(r.text for r in reply.results), columns=16, lines=1)
    assert all(end - start <= 3_000 for start, end, _ in cues)


async def test_silence_is_an_empty_file(server: Server) -> None:
    for format_, text in ((SRT, ""), (VTT, "WEBVTT")):
        reply = await recognize(server, bytes(64_000), format=format_)
        assert reply.HasField("subtitles")
        assert reply.subtitles.cue_count == 0
        assert reply.subtitles.text.strip() == text


async def test_accurate_falls_back_where_alignment_fails() -> None:
    broken = ModelConfig(kind="aligner/fake", options={"fail_every": 1})
    async with running(models=(FAKE, broken)) as server:
        reply = await recognize(server, LONG, format=SRT, mode=2)
        check(parsed(reply.subtitles), " ".join(r.text for r in reply.results))
        assert {w.reason for w in reply.warnings} == {"WORD_TIMES_UNAVAILABLE"}


async def test_accurate_without_an_aligner_is_no_option() -> None:
    async with running() as server:
        with pytest.raises(aio.AioRpcError) as caught:
            await recognize(server, LONG, format=SRT, mode=2)
        Failure.of(caught.value).is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest").names(
            "config.subtitles.mode"
        )
        fast = await recognize(server, LONG, format=SRT, mode=1)
        config = raw_config(subtitles={"format": SRT, "mode": 2}, option_handling=2)
        request = pb.RecognizeRequest(config=config, audio=LONG)
        lenient = await server.recognition.Recognize(request, timeout=WAIT_S)
        assert lenient.subtitles.text == fast.subtitles.text
        assert [w.reason for w in lenient.warnings] == ["OPTION_IGNORED"]


@pytest.mark.parametrize("format_", [SRT, VTT])
async def test_an_aligned_text_becomes_a_file(server: Server, format_: int) -> None:
    text = (
        "It was the best of times, it was the worst of times; it was the age of wisdom --> "
        "Tom & Jerry said <nothing>. 42\n\n And so on, and so on, until the very end of it all."
    )
    cues = parsed(await align(server, text, speech(14_000), format=format_))
    shown = text.replace("-->", "\u2192")
    if format_ == VTT:
        shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert [word for *_, lines in cues for word in lines.split()] == shown.split()
    assert cues[-1][1] <= 14_000


async def test_what_nobody_says_is_not_shown() -> None:
    counting = ModelConfig(kind="aligner/fake", options={"word_ms": 500})
    async with running(models=(FAKE, counting)) as server:
        file = await align(server, "one two three four.", speech(1_000), format=SRT)
        [cue] = parsed(file)
        assert cue[2].split()[:2] == ["one", "two"]
        assert "three" not in cue[2]
        assert (await align(server, "?!", speech(1_000), format=SRT)).cue_count == 0


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({}, "format"),
        ({"format": 9}, "format"),
        ({"format": SRT, "mode": 9}, "mode"),
        ({"format": SRT, "rules": {"max_columns": 0}}, "rules.max_columns"),
        ({"format": SRT, "rules": {"max_lines": 0}}, "rules.max_lines"),
        ({"format": SRT, "rules": {"max_cps": -1}}, "rules.max_cps"),
        ({"format": SRT, "rules": {"max_cps": float("nan")}}, "rules.max_cps"),
        ({"format": SRT, "rules": {"min_gap": {"seconds": -1}}}, "rules.min_gap"),
        ({"format": SRT, "rules": {"min_duration": {"seconds": 9}}}, "rules.min_duration"),
    ],
)
async def test_wrong_wishes_are_named(server: Server, wrong: dict[str, Any], field: str) -> None:
    for call in (recognize(server, LONG, **wrong), align(server, "one", LONG, **wrong)):
        with pytest.raises(aio.AioRpcError) as caught:
            await call
        failure = Failure.of(caught.value)
        assert failure.code.name == "INVALID_ARGUMENT"
        failure.names(f"config.subtitles.{field}")
