"""A recognizer that loops, behind a real server: the rest of the segment is decoded, and the client is told."""

import itertools
from contextlib import AbstractAsyncContextManager

import pytest

from speech.v1 import common_pb2 as common
from speech.v1 import recognition_service_pb2 as pb
from tests.integration.harness import Server, fake_model, raw_config, recognize, running
from tests.integration.sound import speech

WORDS = tuple(f"word{n}" for n in range(40))
"""Each once, so that a word twice is a loop."""
REPAIRS = "speech_recognition_repairs_total"
LENGTHS_MS = (6000, 7000, 8000, 9000, 10_000)
PACINGS = (common.PACING_REALTIME, common.PACING_FILE)


def looping(above_ms: int, *overrides: str) -> AbstractAsyncContextManager[Server]:
    return running(*overrides, models=[fake_model(words=list(WORDS), loops_above_ms=above_ms)])


def has_no_loop(text: str, length_ms: int) -> bool:
    """Each part counts from its own first word, half a second each; nothing follows itself."""
    words = text.split()
    apart = all(before != after for before, after in itertools.pairwise(words))
    return apart and abs(len(words) - length_ms / 500) <= 3


async def repairs(server: Server, kind: str) -> float:
    metrics = await server.metrics()
    return sum(v for name, v in metrics.items() if name.startswith(REPAIRS) and f'"{kind}"' in name)


@pytest.mark.parametrize("pacing", PACINGS)
@pytest.mark.parametrize("length_ms", LENGTHS_MS)
async def test_what_follows_a_loop_is_decoded(length_ms: int, pacing: common.Pacing) -> None:
    async with looping(above_ms=5500) as server:
        config = raw_config(pacing=pacing)
        talk = await recognize(server, speech(length_ms, 1200), config)
        (final,) = talk.finals
        assert has_no_loop(final.text, final.end_ms - final.start_ms)
        (warning,) = [e.warning for e in talk.events if e.HasField("warning")]
        assert warning.reason == "REPETITION_REPAIRED"
        assert final.start_ms <= warning.start_ms < warning.end_ms <= final.end_ms
        assert await repairs(server, "repetition") == 1
        assert await repairs(server, "undecoded") == 0


@pytest.mark.parametrize("length_ms", LENGTHS_MS)
async def test_a_unary_call_is_told_too(length_ms: int) -> None:
    async with looping(above_ms=5500) as server:
        request = pb.RecognizeRequest(config=raw_config(), audio=speech(length_ms, 1200))
        reply = await server.recognition.Recognize(request)
        (result,) = reply.results
        assert has_no_loop(result.text, result.end_ms - result.start_ms)
        assert [warning.reason for warning in reply.warnings] == ["REPETITION_REPAIRED"]
        assert await repairs(server, "repetition") == 1


async def test_repairs_come_from_a_worker_process_as_well() -> None:
    async with looping(5500, "worker.mode=process") as server:
        talk = await recognize(server, speech(8000, 1200), raw_config(pacing=common.PACING_FILE))
        assert has_no_loop(talk.finals[0].text, 8000)
        assert [e.warning.reason for e in talk.events if e.HasField("warning")] == [
            "REPETITION_REPAIRED"
        ]
        assert await repairs(server, "repetition") == 1


async def test_what_cannot_be_decoded_is_said_to_be_lost() -> None:
    async with looping(above_ms=100) as server:
        talk = await recognize(server, speech(6000, 1200), raw_config(pacing=common.PACING_FILE))
        (final,) = talk.finals
        warnings = [e.warning for e in talk.events if e.HasField("warning")]
        assert {warning.reason for warning in warnings} == {"SPEECH_NOT_DECODED"}
        covered = sum(warning.end_ms - warning.start_ms for warning in warnings)
        assert covered == pytest.approx(final.end_ms - final.start_ms, abs=100)
        assert await repairs(server, "undecoded") == len(warnings)


async def test_speech_without_a_loop_is_left_alone() -> None:
    async with looping(above_ms=5500) as server:
        talk = await recognize(server, speech(4000, 1200), raw_config(pacing=common.PACING_FILE))
        assert not [e for e in talk.events if e.HasField("warning")]
        assert talk.finals[0].text.split() == list(WORDS[: len(talk.finals[0].text.split())])
        assert await repairs(server, "repetition") == 0
