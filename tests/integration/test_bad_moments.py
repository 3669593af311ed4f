"""Deadlines in mid-stream, bursts of control messages, a worker that stands still, small limits of the system."""

import asyncio
import os
import signal
from pathlib import Path

import grpc
import pytest
from grpc import aio

from tests.integration.harness import (
    Server,
    Talk,
    auto_config,
    fake_model,
    pb,
    raw_config,
    recognition_stub,
    running,
    until,
)
from tests.integration.processes import FAKE_TOML, serving
from tests.integration.sound import speech
from tests.unit.media.encode import encoded

BURSTS, IN_A_BURST = 18, 7


async def finals_of(server: Server, *parts: bytes) -> list[str]:
    """Texts of a stream that nothing disturbs."""
    async with server.talk() as talk:
        for part in parts:
            await talk.audio(part)
        await talk.end()
    return [final.text for final in talk.finals]


async def test_bursts_of_finalize_are_exact(server: Server) -> None:
    """Each is answered once, in order, after the FINAL of all audio that was sent before it; audio is counted once."""
    ids: list[str] = []
    async with server.talk() as talk:
        for burst in range(BURSTS):
            await talk.audio(speech(1000))
            for number in range(IN_A_BURST):
                ids.append(f"{burst}.{number}")
                await talk.send(finalize={"control_id": ids[-1]})
        events = await talk.end()
    acks = [event.control_ack for event in events if event.HasField("control_ack")]
    assert [ack.control_id for ack in acks] == ids
    assert [ack.last_final_segment for ack in acks] == [
        burst + 1 for burst in range(BURSTS) for _ in range(IN_A_BURST)
    ]
    assert [(final.segment_id, final.text) for final in talk.finals] == [
        (burst + 1, "zero one") for burst in range(BURSTS)
    ]
    kinds = [k for k in talk.kinds() if k in ("control_ack", "session_ended")]
    assert kinds == ["control_ack"] * len(ids) + ["session_ended"]
    given: list[int] = []
    for event in events:
        if event.HasField("result") and event.result.kind == talk.finals[0].kind:
            given.append(event.result.segment_id)
        if event.HasField("control_ack"):
            assert event.control_ack.last_final_segment == given[-1], "an ack before its FINAL"
    assert events[-1].session_ended.usage.audio_in_ms == BURSTS * 1000


async def test_a_deadline_in_mid_stream_takes_nothing_back_and_disturbs_nobody() -> None:
    """What came before it stays with the client; what waited is given up; a stream beside it goes on."""
    async with running(models=[fake_model(step_ms=50)]) as server:
        async with server.talk() as beside:
            await beside.audio(speech(1000))
            talk = await expired_after_a_final(server)
            assert talk.finals[0].text == "zero one"
            await until(lambda: server.app.parts.admission.open_streams == 1)
            await beside.end()
            assert [final.text for final in beside.finals] == ["zero one"]
        await server.idle()
        await server.works()


async def expired_after_a_final(server: Server) -> Talk:
    """A stream that had its first FINAL, and whose deadline passed before its end."""
    timeout_s = 1.0
    while True:  # on a busy machine the deadline may pass before the FINAL
        async with server.talk(timeout=timeout_s) as talk:
            await talk.audio(speech(1000))
            await talk.send(finalize={"control_id": "first"})
            await talk.audio(speech(1000))
            with pytest.raises(aio.AioRpcError) as caught:
                await talk.rest()
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        if talk.finals:
            return talk
        timeout_s *= 2


async def test_a_worker_that_stands_still_under_a_stream_loses_nothing_of_it() -> None:
    """SIGSTOP, audio and a finalize, SIGCONT: the same texts of the same worker, only later."""
    parts = [speech(1000), speech(1000, 1500), speech(500)]
    async with running("worker.mode=process", "worker.heartbeat_timeout_s=60") as server:
        undisturbed = await finals_of(server, *parts)
        pid = await server.worker_pid()
        async with server.talk() as talk:
            await talk.audio(parts[0])
            await talk.until("speech_event")
            os.kill(pid, signal.SIGSTOP)
            try:
                await talk.audio(parts[1])
                await asyncio.sleep(1)
            finally:
                os.kill(pid, signal.SIGCONT)
            await talk.audio(parts[2])
            await talk.end()
        assert [final.text for final in talk.finals] == undisturbed
        assert await server.worker_pid() == pid


@pytest.mark.parametrize("limit", ["-n 64", "-v 1048576"], ids=["64 files", "1 GiB of addresses"])
async def test_it_serves_under_small_limits(limit: str, tmp_path: Path) -> None:
    """Front end, worker, codecs: all of them have the limit, and a call of each kind is answered."""
    toml = tmp_path / "service.toml"
    toml.write_text(FAKE_TOML.format(step_ms=0))
    launcher = ("sh", "-c", f'ulimit {limit} && exec "$@"', "sh")
    async with serving(f"--config={toml}", launcher=launcher) as server:
        async with aio.insecure_channel(server.target) as channel:
            stub = recognition_stub(channel)
            for config, audio in (
                (raw_config(), speech(1000)),
                (auto_config(), encoded("mp3", 2.0)),
            ):
                request = pb.RecognizeRequest(config=config, audio=audio)
                assert (await stub.Recognize(request, timeout=100)).results
        server.signal()
        assert await server.exit_code(100) == 0
