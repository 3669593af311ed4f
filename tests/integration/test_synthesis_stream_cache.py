"""Streams and the audio cache: what was spoken before is spoken again without the model, and sounds the same."""

from typing import Any

import pytest

from speech.admin.v1 import model_admin_service_pb2 as admin_pb
from speech.admin.v1 import model_admin_service_pb2_grpc as admin_grpc
from speech.v1 import synthesis_service_pb2 as pb
from tests.integration.harness import Server, running
from tests.integration.synthesis_harness import (
    FLAC,
    HUM,
    MP3,
    SpeechTalk,
    config,
    gather,
    hum,
    speech_stub,
    words_ms,
)

CACHE = "synthesis.cache_bytes=20000000"
TEXT = "Hello there. General remarks follow. The end."


async def spoken(server: Server, text: str = TEXT, **fields: Any) -> tuple[SpeechTalk, str]:
    """Speak a text as one context; returns what came, and the label."""
    async with SpeechTalk(server, config(**fields)) as talk:
        await talk.text(text, "a")
        await talk.end()
        trailers = {str(key): value for key, value in await talk.call.trailing_metadata()}
    return talk, str(trailers.get("x-speech-cache", ""))


@pytest.mark.parametrize("encoding", [1, FLAC, MP3])
async def test_a_context_again(encoding: int) -> None:
    fields: dict[str, Any] = {"encoding": encoding, "timing": 2, "gain_db": -3.0}
    async with running(CACHE, models=[HUM]) as server:
        first, label = await spoken(server, **fields)
        assert label == "miss"
        again, label = await spoken(server, **fields)
        assert label == "hit"
        made, kept = gather(first.events, "a"), gather(again.events, "a")
        assert (kept.data, kept.timings) == (made.data, made.timings)
        assert kept.duration_ms == words_ms(TEXT)
        ended = again.events[-1].session_ended
        assert ended.latency.decode_ms == 0
        assert ended.usage.audio_out_ms == kept.duration_ms
        metrics = await server.metrics()
        assert metrics['speech_audio_cache_total{outcome="hit"}'] == 3
        assert metrics["speech_synthesis_rtf_count"] == 1


async def test_a_sentence_is_found_in_other_surroundings() -> None:
    async with running(CACHE, models=[HUM]) as server:
        await spoken(server, "Hello there. Something else.")
        talk, label = await spoken(server, TEXT)
        assert label == "partial"
        plain, _ = await spoken(server, TEXT, seed=0)
        assert gather(talk.events, "a").data == gather(plain.events, "a").data
        _, label = await spoken(server, "Hello there.", seed=4)
        assert label == "miss"
        _, label = await spoken(server, "Hello there.", speaking_rate=1.5)
        assert label == "miss"


async def test_what_is_kept_for_streams_and_for_texts_is_apart() -> None:
    async with running(CACHE, models=[HUM]) as server:
        await spoken(server, "Hello there.")
        request = pb.SynthesizeRequest(text="Hello there.")
        first = await speech_stub(server).Synthesize(request)
        again = await speech_stub(server).Synthesize(request)
        assert (first.cached, again.cached) == (False, True)
        talk, label = await spoken(server, "Hello there.")
        assert label == "hit"
        assert gather(talk.events, "a").data == again.audio
        admin: Any = admin_grpc.ModelAdminServiceStub(server.admin)
        cleared = await admin.ClearCaches(admin_pb.ClearCachesRequest())
        assert cleared.entries == 2
        assert cleared.size_bytes > 3 * len(again.audio)
        _, label = await spoken(server, "Hello there.")
        assert label == "miss"


async def test_a_failed_or_cancelled_piece_is_not_kept() -> None:
    async with running(CACHE, models=[hum(fail_every=2, step_ms=20)]) as server:
        async with SpeechTalk(server) as talk:
            await talk.text("First one here.", "a")
            await talk.flush("a")
            await talk.until("context_ended", context_id="a", outcome=1)
            await talk.text("Second one here.", "b")
            await talk.flush("b")
            await talk.until("context_ended", context_id="b", outcome=3)
            await talk.text("Third one is here.", "c")
            await talk.cancel("c")
            await talk.end()
        _, label = await spoken(server, "Second one here.")
        assert label == "miss"


async def test_a_hit_needs_no_model() -> None:
    """The model fails on every text but the first: what was spoken once is spoken on."""
    async with running(CACHE, models=[hum(fail_every=2)]) as server, SpeechTalk(server) as talk:
        for name in "abcd":
            await talk.text("Hello there.", name)
            await talk.flush(name)
            await talk.until("context_ended", context_id=name, outcome=1)
        await talk.text("Hello there.", "e")
        await talk.cancel("e", "stop")
        await talk.until("control_ack", control_id="stop")
        await talk.end()
    assert all(gather(talk.events, name).duration_ms == words_ms("Hello there.") for name in "abcd")


async def test_off_by_default() -> None:
    async with running(models=[HUM]) as server:
        for _ in range(2):
            _, label = await spoken(server)
            assert label == ""
