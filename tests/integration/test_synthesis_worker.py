"""Real speech through a worker process: hibari."""

from importlib.util import find_spec

import numpy as np
import pytest

from speech.v1 import synthesis_service_pb2 as pb
from speech_service.config.tree import ModelConfig
from tests.integration.harness import running
from tests.integration.synthesis_harness import FLAC, SpeechTalk, config, gather, pcm, speech_stub

pytestmark = pytest.mark.skipif(find_spec("hibari") is None, reason="hibari-tts is not installed")

HIBARI = ModelConfig(kind="synthesizer/hibari")
TEXT = "The quick brown fox jumps over the lazy dog. Dr. Smith paid $3.50 for it, didn't he?"
PROCESS = ("worker.mode=process", "worker.idle_timeout_s=0")


async def test_speech_through_a_worker_process() -> None:
    async with running(*PROCESS, models=[HIBARI]) as server:
        request = pb.SynthesizeRequest(text=TEXT, config=config(timing=2))
        reply = await speech_stub(server).Synthesize(request, timeout=60)
        assert (reply.model, reply.voice_id) == ("hibari", "heart")
        assert 4_000 < reply.duration_ms < 9_000
        samples = pcm(reply.audio)
        assert 0.05 < np.abs(samples).max() <= 1.0
        words = [TEXT[t.char_start : t.char_end] for t in reply.timings]
        assert words == [t.text for t in reply.timings]
        assert {"quick", "fox", "Smith"} <= set(words)
        assert all(t.end_ms <= reply.duration_ms for t in reply.timings)
        again = await speech_stub(server).Synthesize(request, timeout=60)
        assert again.audio == reply.audio

        async with SpeechTalk(server, config(encoding=FLAC)) as talk:
            await talk.text(TEXT, "a")
            await talk.until("audio", context_id="a")
            await talk.cancel("a")
            await talk.until("control_ack", control_id="c")
            await talk.text("And then it was quiet.", "b")
            await talk.end()
        spoken = gather(talk.events, "b")
        assert spoken.data.startswith(b"fLaC")
        assert 800 < spoken.duration_ms < 3_000


async def test_text_in_another_script_fails_its_context_only() -> None:
    async with running(models=[HIBARI]) as server, SpeechTalk(server) as talk:
        await talk.text("你好世界。", "zh")
        await talk.flush("zh")
        ended = await talk.until("context_ended", context_id="zh")
        assert (ended.outcome, ended.error.reason) == (3, "NOTHING_TO_SPEAK")
        await talk.text("Hello.", "en")
        await talk.end()
        assert gather(talk.events, "en").duration_ms > 200
