"""What a call is told of its latency, and what the log says of it: no call waits longer than it takes."""

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from loguru import logger

from speech.v1 import common_pb2
from speech.v1 import recognition_service_pb2 as pb
from speech_service.config.tree import ModelConfig
from tests.integration.failures import WAIT_S
from tests.integration.harness import Server, fake_model, raw_config, recognize, running
from tests.integration.sound import speech
from tests.integration.translating import Interpreting, translate
from tests.integration.translating import config as translate_config

MANY = speech(*([700.0, 900.0] * 12))
"""Twelve segments, more than one lane can compute at a time."""
SLOW = {"step_ms": 60}


@pytest.mark.parametrize("lanes", [1, 3])
async def test_no_call_waits_longer_than_it_takes(lanes: int) -> None:
    models = [
        fake_model(**SLOW),
        ModelConfig(kind="translator/fake", options=SLOW),
        ModelConfig(kind="language/fake"),
    ]
    logged: list[dict[str, Any]] = []
    sink = logger.add(lambda line: logged.append(line.record["extra"]), level="INFO")
    try:
        async with running(f"scheduler.lanes={lanes}", models=models) as server:
            latencies = [await latency async for latency in _calls(server)]
    finally:
        logger.remove(sink)
    for latency in latencies:
        assert latency.queue_ms <= latency.total_ms, latency
    assert max(latency.queue_ms for latency in latencies) > 0
    told = [extra for extra in logged if "queue_ms" in extra]
    assert len(told) == len(latencies)
    for extra in told:
        assert extra["queue_ms"] <= extra["total_ms"], extra


async def _calls(server: Server) -> AsyncIterator[Awaitable[common_pb2.Latency]]:
    """One coroutine for each call, which gives its latency."""

    async def unary() -> common_pb2.Latency:
        request = pb.RecognizeRequest(config=raw_config(), audio=MANY)
        return (await server.recognition.Recognize(request, timeout=WAIT_S)).latency

    async def file() -> common_pb2.Latency:
        talk = await recognize(server, MANY, raw_config(pacing=2))
        return talk.events[-1].session_ended.latency

    async def texts() -> common_pb2.Latency:
        lines = [f"Line {number}." for number in range(60)]
        return (await translate(server.channel, lines, translate_config())).latency

    async def interpreted() -> common_pb2.Latency:
        config = translate_config("pt", "de", recognition=raw_config(pacing=2))
        async with Interpreting(server.channel, config) as call:
            await call.audio(MANY, 65_536)
            events = await call.end()
        return events[-1].session_ended.latency

    for call in (unary, file, texts, interpreted):
        yield call()
