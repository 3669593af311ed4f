"""A thousand streams cancelled at any moment leave nothing behind: no stream, no work, no task, no pump."""

import asyncio
import random

from grpc import aio

from speech.v1 import common_pb2
from tests.integration.harness import FAKE, Server, chunk, raw_config, request, running, until
from tests.integration.sound import speech
from tests.integration.test_word_times import ALIGNER

CANCELS = 1_000
AT_ONCE = 100
AUDIO = speech(400, 200, 400)


async def cancel_somewhere(server: Server, rng: random.Random) -> None:
    """One stream, given up after any part of it."""
    pacing = rng.choice([common_pb2.PACING_REALTIME, common_pb2.PACING_FILE])
    call = server.recognition.StreamingRecognize()
    messages = [
        request(config=raw_config(pacing=pacing, word_times=True, partial_results=True)),
        chunk(AUDIO[:16_000]),
        request(finalize={"control_id": "f"}),
        chunk(AUDIO),
        request(end_of_audio={}),
    ]
    count = rng.randint(0, len(messages))
    try:
        for number, message in enumerate(messages[:count]):
            await call.write(message)
            if number == 0 and rng.random() < 0.8:
                await call.read()  # the session has started
        for _ in range(rng.randint(0, 2)):
            await asyncio.wait_for(call.read(), 0.01)
    except (TimeoutError, aio.AioRpcError, asyncio.InvalidStateError, asyncio.CancelledError):
        pass  # it was cancelled by the read that took too long
    call.cancel()


async def test_a_thousand_cancels_leave_nothing_behind() -> None:
    rng = random.Random(7)
    async with running(models=(FAKE, ALIGNER)) as server:
        await server.works()
        await server.idle()
        before = len(asyncio.all_tasks())
        for _ in range(CANCELS // AT_ONCE):
            await asyncio.gather(*(cancel_somewhere(server, rng) for _ in range(AT_ONCE)))
        await server.idle()
        await until(lambda: len(asyncio.all_tasks()) <= before)
        metrics = await server.metrics()
        assert metrics["speech_active_streams"] == 0
        served = [v for k, v in metrics.items() if k.startswith("grpc_server_started_total{")]
        assert sum(served) > CANCELS / 2, "most had begun"
        await server.works()
