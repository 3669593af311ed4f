"""Synthesize and SynthesizeChunked: formats, timings, limits, errors, the cache."""

import io
import wave
from collections.abc import AsyncIterator
from typing import Any

import av
import numpy as np
import pytest
import pytest_asyncio
from grpc import aio

from speech.admin.v1 import model_admin_service_pb2 as admin_pb
from speech.admin.v1 import model_admin_service_pb2_grpc as admin_grpc
from speech.v1 import synthesis_service_pb2 as pb
from tests.integration.failures import failure_of, pairs
from tests.integration.harness import Server, running
from tests.integration.synthesis_harness import (
    ALAW,
    F32,
    FLAC,
    HUM,
    MP3,
    MULAW,
    OPUS,
    PCM,
    RATE,
    WAV,
    config,
    gather,
    hum,
    pcm,
    speech_stub,
    words_ms,
)

TEXT = "Hello there. How are you today?"


@pytest_asyncio.fixture
async def talker() -> AsyncIterator[Server]:
    async with running(models=[HUM]) as server:
        yield server


async def synthesize(server: Server, text: str = TEXT, **fields: Any) -> pb.SynthesizeResponse:
    request = pb.SynthesizeRequest(config=config(**fields), text=text)
    return await speech_stub(server).Synthesize(request, timeout=60)


async def chunked(server: Server, text: str = TEXT, **fields: Any) -> list[Any]:
    request = pb.SynthesizeChunkedRequest(config=config(**fields), text=text)
    return [e async for e in speech_stub(server).SynthesizeChunked(request, timeout=60)]


async def test_unary_defaults(talker: Server) -> None:
    reply = await synthesize(talker)
    assert reply.duration_ms == words_ms(TEXT)
    assert len(reply.audio) == words_ms(TEXT) * RATE // 1000 * 2
    assert (reply.model, reply.voice_id, reply.cached) == ("fake-synthesizer", "hum", False)
    assert (reply.output.encoding, reply.output.sample_rate_hz) == (PCM, RATE)
    assert reply.usage.characters_in == len(TEXT)
    assert reply.usage.audio_out_ms == reply.duration_ms
    assert reply.latency.first_result_ms > 0
    assert not reply.timings
    assert not reply.warnings


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
async def test_rates(talker: Server, rate: int) -> None:
    reply = await synthesize(talker, rate=rate)
    assert abs(len(reply.audio) / 2 / rate * 1000 - words_ms(TEXT)) < 3
    assert abs(reply.duration_ms - words_ms(TEXT)) < 3


async def test_a_wav_has_its_length_in_a_reply_and_none_in_a_stream(talker: Server) -> None:
    reply = await synthesize(talker, encoding=WAV)
    with wave.open(io.BytesIO(reply.audio)) as file:
        assert file.getnframes() == words_ms(TEXT) * RATE // 1000
        assert file.getframerate() == RATE
    streamed = gather(await chunked(talker, encoding=WAV)).data
    assert streamed[40:44] == b"\xff\xff\xff\xff"
    assert streamed[44:] == reply.audio[44:]


@pytest.mark.parametrize(
    ("encoding", "name"), [(FLAC, "flac"), (MP3, "mp3"), (OPUS, "ogg"), (WAV, "wav")]
)
async def test_files_decode(talker: Server, encoding: int, name: str) -> None:
    reply = await synthesize(talker, encoding=encoding)
    file: Any
    with av.open(io.BytesIO(reply.audio)) as file:
        assert name in file.format.name
        frames = [f for f in file.decode(audio=0)]
        length_s = sum(f.samples for f in frames) / frames[0].sample_rate
    assert abs(length_s * 1000 - words_ms(TEXT)) < 80
    events = await chunked(talker, encoding=encoding)
    assert gather(events).duration_ms == reply.duration_ms


@pytest.mark.parametrize(("encoding", "width"), [(MULAW, 1), (ALAW, 1), (PCM, 2), (F32, 4)])
async def test_raw_encodings(talker: Server, encoding: int, width: int) -> None:
    reply = await synthesize(talker, encoding=encoding, rate=8_000)
    assert abs(len(reply.audio) / width / 8 - words_ms(TEXT)) < 3


async def test_speed_gain_and_trimming(talker: Server) -> None:
    plain = await synthesize(talker)
    fast = await synthesize(talker, speaking_rate=2.0)
    assert abs(fast.duration_ms * 2 - plain.duration_ms) <= 4
    quiet = await synthesize(talker, gain_db=-20.0)
    ratio = np.abs(pcm(quiet.audio)).max() / np.abs(pcm(plain.audio)).max()
    assert abs(ratio - 0.1) < 0.01
    trimmed = await synthesize(talker, trim=True, timing=2)
    assert trimmed.duration_ms < plain.duration_ms


async def test_the_seed_repeats_the_audio(talker: Server) -> None:
    one, same, other = [await synthesize(talker, seed=seed) for seed in (1, 1, 2)]
    assert one.audio == same.audio != other.audio


async def test_word_timings(talker: Server) -> None:
    reply = await synthesize(talker, timing=2)
    assert [t.text for t in reply.timings] == TEXT.split()
    assert [TEXT[t.char_start : t.char_end] for t in reply.timings] == TEXT.split()
    assert reply.timings[0].start_ms == 0
    starts = [t.start_ms for t in reply.timings]
    assert starts == sorted(starts)
    assert all(t.start_ms < t.end_ms <= reply.duration_ms for t in reply.timings)
    spoken = gather(await chunked(talker, timing=2))
    assert spoken.timings == list(reply.timings)


async def test_chunked(talker: Server) -> None:
    events = await chunked(talker)
    kinds = [e.WhichOneof("event") for e in events]
    assert kinds[0] == "session_started"
    assert kinds[-1] == "session_ended"
    assert set(kinds[1:-1]) == {"audio"}
    started = events[0]
    assert started.session_started.model == "fake-synthesizer"
    assert started.session_started.limits.max_text_characters == 100_000
    effective = started.effective_config
    assert (effective.voice_id, effective.language) == ("hum", "en")
    assert effective.output.sample_rate_hz == RATE
    spoken = gather(events)
    assert spoken.data == (await synthesize(talker)).audio
    assert events[-1].session_ended.usage.audio_out_ms == spoken.duration_ms
    assert events[-1].session_ended.latency.first_result_ms > 0


async def test_large_chunks_are_cut(talker: Server) -> None:
    spoken = gather(await chunked(talker, "incomprehensibilities " * 20, encoding=F32, rate=48_000))
    assert len(spoken.chunk_bytes) > 40
    assert max(spoken.chunk_bytes) <= 65_536


async def test_first_audio_leaves_before_generation_ends() -> None:
    async with running(models=[hum(step_ms=60)]) as server:
        text = "One sentence here. " * 10
        arrived = 0
        request = pb.SynthesizeChunkedRequest(text=text)
        async for event in speech_stub(server).SynthesizeChunked(request, timeout=60):
            if event.HasField("audio"):
                arrived += 1
                if arrived == 1:
                    latency_ms = words_ms(text)
                    assert sum(await server.work()), "work is left while the first audio is here"
        assert arrived >= 10
        assert latency_ms > 0


async def test_a_voice_that_is_slower_than_its_speech_counts_underruns() -> None:
    text = "One here. " * 4
    for step_ms, underruns in ((0, 0), (600, 3)):  # each sentence sounds for 420 ms
        async with running(models=[hum(step_ms=step_ms)]) as server:
            await chunked(server, text)
            metrics = await server.metrics()
            assert metrics["speech_synthesis_underruns_total"] == underruns
            buffered = metrics["speech_synthesis_buffer_seconds_count"]
            await synthesize(server, text)
            metrics = await server.metrics()
            assert metrics["speech_synthesis_buffer_seconds_count"] == buffered > 3


async def test_a_long_reply_names_the_other_rpc(talker: Server) -> None:
    text = "incomprehensibilities " * 200
    failure = await failure_of(
        speech_stub(talker).Synthesize(pb.SynthesizeRequest(text=text), timeout=60)
    )
    failure.is_("OUT_OF_RANGE", "REPLY_TOO_LARGE")
    assert failure.info.metadata["use"] == "SynthesizeChunked"
    await talker.idle()
    spoken = gather(await chunked(talker, text))
    assert len(spoken.data) > 4 * 1024 * 1024


BAD_TEXT = [
    ("", "NOTHING_TO_SPEAK"),
    (" \n\t ", "NOTHING_TO_SPEAK"),
    ("🙂🙃", "NOTHING_TO_SPEAK"),
    ("\x00\x01\x02", "NOTHING_TO_SPEAK"),
    ("... !?", "NOTHING_TO_SPEAK"),
    ("x" * 100_001, "LIMIT_EXCEEDED"),
    ("é" * 1_000_000, "LIMIT_EXCEEDED"),
]


@pytest.mark.parametrize(("text", "reason"), BAD_TEXT, ids=range(len(BAD_TEXT)))
async def test_bad_text(talker: Server, text: str, reason: str) -> None:
    stub = speech_stub(talker)
    failure = await failure_of(stub.Synthesize(pb.SynthesizeRequest(text=text), timeout=60))
    failure.is_("INVALID_ARGUMENT", reason, "BadRequest").names("text")
    call = stub.SynthesizeChunked(pb.SynthesizeChunkedRequest(text=text), timeout=60)
    failure = await failure_of(call.read())
    failure.is_("INVALID_ARGUMENT", reason, "BadRequest").names("text")


async def test_text_without_a_break_and_odd_characters(talker: Server) -> None:
    spoken = gather(await chunked(talker, "a" * 10_000, encoding=MULAW, rate=8_000))
    assert abs(spoken.duration_ms - 600_000) < 10
    reply = await synthesize(talker, "<speak>hi</speak> \x00 \u200b ok")
    assert reply.duration_ms > 0


BAD = [
    ({"voice_id": "x"}, "NOT_FOUND", "VOICE_NOT_FOUND"),
    ({"model": "x"}, "NOT_FOUND", "MODEL_NOT_FOUND"),
    ({"speaking_rate": 0.4}, "config.speaking_rate", "INVALID_FIELD"),
    ({"speaking_rate": float("nan")}, "config.speaking_rate", "INVALID_FIELD"),
    ({"gain_db": 21.0}, "config.gain_db", "INVALID_FIELD"),
    ({"pitch_semitones": 1.0}, "config.pitch_semitones", "UNSUPPORTED_OPTION"),
    ({"pitch_semitones": 13.0}, "config.pitch_semitones", "INVALID_FIELD"),
    ({"style_instruction": "whisper"}, "config.style_instruction", "UNSUPPORTED_OPTION"),
    ({"timing": 3}, "config.timing", "UNSUPPORTED_OPTION"),
    ({"timing": 9}, "config.timing", "INVALID_FIELD"),
    ({"segmentation": 9}, "config.segmentation", "INVALID_FIELD"),
    ({"option_handling": 9}, "config.option_handling", "INVALID_FIELD"),
    ({"language": "ja"}, "config.language", "UNSUPPORTED_OPTION"),
    ({"encoding": 99}, "config.output.encoding", "INVALID_FIELD"),
    ({"rate": 7_999}, "config.output.sample_rate_hz", "INVALID_FIELD"),
    ({"rate": 48_001}, "config.output.sample_rate_hz", "INVALID_FIELD"),
    ({"rate": 0}, "config.output.sample_rate_hz", "INVALID_FIELD"),
    (
        {"output": {"bit_rate_bps": 64_000}},
        "config.output.bit_rate_bps",
        "INVALID_FIELD",
    ),
    ({"lexicon": [{"term": "a"}]}, "config.lexicon[0].pronunciation", "INVALID_FIELD"),
    (
        {"lexicon": [{"term": "a", "pronunciation": "b", "alphabet": 9}]},
        "config.lexicon[0].alphabet",
        "INVALID_FIELD",
    ),
    ({"design": {}}, "config.design.description", "INVALID_FIELD"),
    ({"inline_prompt": {}}, "config.inline_prompt.format", "INVALID_FIELD"),
]


@pytest.mark.parametrize(("fields", "path", "reason"), BAD, ids=range(len(BAD)))
async def test_bad_configuration(
    talker: Server, fields: dict[str, Any], path: str, reason: str
) -> None:
    request = pb.SynthesizeRequest(config=config(**fields), text=TEXT)
    failure = await failure_of(speech_stub(talker).Synthesize(request, timeout=60))
    if path == "NOT_FOUND":
        failure.is_("NOT_FOUND", reason, "ResourceInfo")
    else:
        failure.is_("INVALID_ARGUMENT", reason, "BadRequest").names(path)


async def test_lenient_requests_are_warned(talker: Server) -> None:
    reply = await synthesize(
        talker,
        option_handling=2,
        pitch_semitones=2.0,
        style_instruction="sad",
        language="ja",
        timing=3,
    )
    fields = {w.field for w in reply.warnings}
    names = ("pitch_semitones", "style_instruction", "language", "timing")
    assert fields == {f"config.{name}" for name in names}
    assert reply.duration_ms == words_ms(TEXT)
    events = await chunked(talker, option_handling=2, pitch_semitones=2.0)
    assert [e.warning.field for e in events if e.HasField("warning")] == ["config.pitch_semitones"]


async def test_a_failing_model() -> None:
    async with running(models=[hum(fail_every=1)]) as server:
        stub = speech_stub(server)
        failure = await failure_of(stub.Synthesize(pb.SynthesizeRequest(text=TEXT), timeout=60))
        failure.is_("INTERNAL", "INTERNAL")
        call = stub.SynthesizeChunked(pb.SynthesizeChunkedRequest(text=TEXT), timeout=60)
        with pytest.raises(aio.AioRpcError, match="internal error"):
            _ = [event async for event in call]
        await server.idle()


async def test_a_server_without_a_synthesizer(server: Server) -> None:
    failure = await failure_of(speech_stub(server).Synthesize(pb.SynthesizeRequest(text=TEXT)))
    failure.is_("NOT_FOUND", "MODEL_NOT_FOUND", "ResourceInfo")


# --- the cache ----------------------------------------------------------------------------------------


async def cached_call(server: Server, text: str = TEXT, **fields: Any) -> tuple[Any, str]:
    call = speech_stub(server).Synthesize(
        pb.SynthesizeRequest(config=config(**fields), text=text), timeout=100
    )
    reply = await call
    trailers = pairs(await call.trailing_metadata())
    return reply, str(trailers.get("x-speech-cache", ""))


async def test_the_cache() -> None:
    async with running("synthesis.cache_bytes=20000000", models=[HUM]) as server:
        first, label = await cached_call(server, timing=2)
        assert (label, first.cached) == ("miss", False)
        again, label = await cached_call(server, timing=2)
        assert (label, again.cached) == ("hit", True)
        assert again.audio == first.audio
        assert again.timings == first.timings
        assert again.usage == first.usage
        others: list[dict[str, Any]] = [
            {"seed": 3},
            {"gain_db": 1.0},
            {"encoding": WAV},
            {"speaking_rate": 1.5},
        ]
        for fields in others:
            _, label = await cached_call(server, timing=2, **fields)
            assert label == "miss"
        _, label = await cached_call(server, TEXT + "!", timing=2)
        assert label == "miss"
        # Both RPCs share it.
        call = speech_stub(server).SynthesizeChunked(
            pb.SynthesizeChunkedRequest(text=TEXT, config=config(timing=2)),
            metadata=(("x-request-id", "of-the-client"),),
        )
        told = [e async for e in call]
        session_id = told[0].session_started.session_id
        assert session_id not in ("", "of-the-client")
        spoken = gather(told)
        assert spoken.data == first.audio
        assert spoken.timings == list(first.timings)
        assert pairs(await call.trailing_metadata())["x-speech-cache"] == "hit"
        admin: Any = admin_grpc.ModelAdminServiceStub(server.admin)
        status = await admin.GetServerStatus(admin_pb.GetServerStatusRequest())
        audio, prompts = status.caches
        assert (audio.entries, audio.hits, audio.misses) == (6, 2, 6)
        assert audio.size_bytes > len(first.audio)
        assert (audio.capacity_bytes, prompts.entries) == (20_000_000, 0)
        cleared = await admin.ClearCaches(admin_pb.ClearCachesRequest())
        assert (cleared.entries, cleared.size_bytes) == (6, audio.size_bytes)
        _, label = await cached_call(server, timing=2)
        assert label == "miss"
        metrics = await server.metrics()
        assert metrics['speech_audio_cache_total{outcome="hit"}'] == 2
        assert metrics['speech_first_audio_seconds_count{grpc_type="unary"}'] == 7
        assert metrics["speech_synthesis_rtf_count"] == 7


FLAC_HEADER_BYTES = 4 + 4 + 34
"""The mark, and the block of facts about the stream, which is the first."""


async def test_chunked_audio_is_kept_for_both() -> None:
    async with running("synthesis.cache_bytes=20000000", models=[HUM]) as server:
        first = gather(await chunked(server, encoding=FLAC))
        reply, label = await cached_call(server, encoding=FLAC)
        # A unary reply's header says how long it is; a stream's cannot.
        sound = slice(FLAC_HEADER_BYTES, None)
        assert (label, reply.audio[sound]) == ("hit", first.data[sound])
        again = gather(await chunked(server, encoding=FLAC))
        assert (again.data, again.duration_ms) == (first.data, first.duration_ms)


async def test_the_cache_is_off_by_default(talker: Server) -> None:
    for _ in range(2):
        reply, label = await cached_call(talker)
        assert (label, reply.cached) == ("", False)
