"""StreamingSynthesize under clients that do anything in any order: acks, ends and audio stay in order."""

import asyncio
import random

import pytest

from speech.v1 import common_pb2
from tests.integration.harness import Server, codec_jobs, running, until
from tests.integration.synthesis_harness import SpeechTalk, config, hum

DONE, CANCELLED = 1, 2


async def converse(server: Server, seed: int) -> tuple[SpeechTalk, list[str]]:
    """Forty random messages of three contexts; returns the stream, and the control ids in order."""
    chance = random.Random(seed)
    controls: list[str] = []
    encoding, rate = chance.choice([1, 2, 3, 4, 6]), chance.choice([24_000, 48_000])
    async with SpeechTalk(server, config(encoding=encoding, rate=rate, timing=2)) as talk:
        reading = asyncio.create_task(talk.rest())
        for number in range(40):
            context, dice = chance.choice("abc"), chance.random()
            if dice < 0.5:
                text = "Some words are here. And more of them, " * chance.randint(1, 6)
                await talk.text(text, context)
            elif dice < 0.9:
                controls.append(str(number))
                control = talk.flush if dice < 0.7 else talk.cancel
                await control(context, str(number))
            else:
                await asyncio.sleep(chance.random() * 0.05)
        await talk.send(end_of_text={})
        await reading
    return talk, controls


def check(talk: SpeechTalk, controls: list[str]) -> None:
    """What must hold of every stream."""
    next_sequence: dict[str, int] = {}
    silenced: set[str] = set()
    for event in talk.events:
        match event.WhichOneof("event"):
            case "audio":
                context = event.audio.context_id
                assert event.audio.sequence == next_sequence.get(context, 0)
                assert context not in silenced or not event.audio.sequence, "audio after the ack"
                silenced.discard(context)
                next_sequence[context] = event.audio.sequence + 1
            case "timings":
                assert next_sequence[event.timings.context_id]
            case "context_ended":
                assert event.context_ended.outcome in (DONE, CANCELLED)
                next_sequence[event.context_ended.context_id] = 0
            case "control_ack" if event.control_ack.kind == common_pb2.CONTROL_KIND_CANCEL:
                silenced.add(event.control_ack.context_id)
            case _:
                pass
    acks = [e.control_ack.control_id for e in talk.events if e.HasField("control_ack")]
    assert acks == controls
    assert not any(next_sequence.values()), "every context was ended"
    assert talk.kinds()[-1] == "session_ended"


@pytest.mark.parametrize("seed", range(0, 12, 6))
async def test_anything_in_any_order(seed: int) -> None:
    async with running("synthesis.ahead_ms=2000", models=[hum(step_ms=2)]) as server:
        talks = [converse(server, seed + number) for number in range(6)]
        for talk, controls in await asyncio.gather(*talks):
            check(talk, controls)
        await server.idle()
        await until(lambda: not codec_jobs())
