"""A worker that is killed, stopped, stuck or poisoned costs a pause, and no work but the poison."""

import asyncio
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import psutil
import pytest

from speech_service.dispatch.record import Record
from speech_service.dispatch.workers import WorkerState, codec, messages
from speech_service.dispatch.workers.frames import FrameSocket
from speech_service.dispatch.workers.process import WORKER_COMMAND
from speech_service.domain.errors import (
    InternalError,
    UnavailableError,
)
from tests.integration.workers import (
    BACKGROUND,
    FINAL,
    FOREIGN_COMMAND,
    HOSTILE_COMMAND,
    LOST_DEVICE_COMMAND,
    UNARY,
    Metrics,
    config,
    entries,
    failure,
    remote,
    texts,
    word_count,
    work,
)
from tests.unit.dispatch.builders import until


async def test_killed_under_load_loses_nothing() -> None:
    settings = config({"step_ms": 4.0, "max_batch": 4}, heartbeat_interval_s=30.0)
    metrics = Metrics()
    async with remote(settings, metrics=metrics) as (submitter, outcomes):
        sizes = {f"w{i}": 500 * (1 + i % 7) for i in range(240)}
        classes = (FINAL, UNARY, BACKGROUND)
        outcomes.submit(
            *(work(w, classes[i % 3], ms=ms) for i, (w, ms) in enumerate(sizes.items()))
        )
        pids: set[int] = set()
        for done in (20, 100):
            await until(lambda least=done: len(outcomes.events) >= least)
            pids.add(submitter.stats().pid)
            os.kill(submitter.stats().pid, signal.SIGKILL)
            await until(lambda: submitter.stats().pid not in pids | {0})
        events = await outcomes.wait(*sizes)
        assert texts(events) == [word_count(ms) for ms in sizes.values()]
        assert metrics.counts["speech_worker_restarts_total"] == 2
        assert submitter.healthy


async def test_work_that_is_killed_with_its_worker_again_and_again_ends_well() -> None:
    settings = config({"step_ms": 100.0, "steps": 20}, heartbeat_interval_s=30.0)
    async with remote(settings) as (submitter, outcomes):
        outcomes.submit(work("a"))
        pids = {0}
        for _ in range(4):
            await until(lambda: submitter.stats().pid not in pids)
            await until(lambda: submitter.state is WorkerState.READY)
            await asyncio.sleep(0.5)  # it most likely runs now; where it does not, less is proved
            pids.add(submitter.stats().pid)
            os.kill(submitter.stats().pid, signal.SIGKILL)
        assert texts(await outcomes.wait("a")) == [2]


@pytest.mark.parametrize("waiting_ms", [1_000, 60_000], ids=["little waits", "more than a socket"])
async def test_stopped_worker_is_detected_and_replaced(waiting_ms: int) -> None:
    settings = config(heartbeat_interval_s=0.2, heartbeat_timeout_s=0.3)
    async with remote(settings) as (submitter, outcomes):
        health: list[bool] = []
        submitter.subscribe_health(health.append)
        outcomes.submit(work("a"))
        await outcomes.wait("a")
        os.kill(submitter.stats().pid, signal.SIGSTOP)
        outcomes.submit(work("b", ms=waiting_ms))
        assert texts(await outcomes.wait("b", timeout_s=60)) == [word_count(waiting_ms)]
        assert health == [False, True]


async def test_hanging_model_turns_health_bad_and_the_item_is_given_up() -> None:
    settings = config(heartbeat_interval_s=0.05, heartbeat_timeout_s=0.2)
    async with remote(settings, HOSTILE_COMMAND) as (submitter, outcomes):
        health: list[bool] = []
        submitter.subscribe_health(health.append)
        outcomes.submit(work("h", context="hang"), work("good"))
        assert isinstance(await failure(outcomes, "h"), InternalError)
        assert texts(await outcomes.wait("good")) == [2]
        assert health[:2] == [False, True]


async def test_poison_fails_alone() -> None:
    settings = config({"max_batch": 4, "step_ms": 5.0})
    async with remote(settings, HOSTILE_COMMAND) as (submitter, outcomes):
        good = [f"g{i}" for i in range(30)]
        outcomes.submit(*(work(w, UNARY) for w in good[:10]))
        outcomes.submit(work("bad", UNARY, context="poison"))
        outcomes.submit(*(work(w, UNARY) for w in good[10:]))
        assert isinstance(await failure(outcomes, "bad"), InternalError)
        assert texts(await outcomes.wait(*good)) == [2] * 30
        assert submitter.state is WorkerState.READY


async def test_a_device_that_is_lost_costs_a_worker_and_no_work(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = config({"max_batch": 4})
    metrics = Metrics()
    command = (*LOST_DEVICE_COMMAND, str(tmp_path / "a worker was here"))
    async with remote(settings, command, metrics) as (submitter, outcomes):
        good = [f"g{i}" for i in range(60)]
        outcomes.submit(*(work(w, UNARY) for w in good))
        assert texts(await outcomes.wait(*good)) == [2] * 60
        assert metrics.counts["speech_worker_restarts_total"] == 1
        assert submitter.healthy
    assert (
        "a device is lost, and this process ends: CUDA error: device-side" in capfd.readouterr().err
    )


async def test_crashing_for_ever_fails_what_waits_and_says_so() -> None:
    health: list[bool] = []
    command = (sys.executable, "-c", "raise SystemExit(3)")
    async with remote(config(max_restarts=2), command) as (submitter, outcomes):
        submitter.subscribe_health(health.append)
        outcomes.submit(work("a"))
        error = await failure(outcomes, "a")
        assert isinstance(error, UnavailableError)
        assert error.reason == "WORKER_LOST"
        assert submitter.state is WorkerState.FAILED
        assert health == [False]
        with pytest.raises(UnavailableError):
            outcomes.submit(work("b"))


@pytest.mark.parametrize(
    ("foreign", "problem"),
    [
        ("protocol", "it speaks protocol 99"),
        ("schema", "its messages have the shape 0123456789abcdef"),
        ("model", "it has no model fake"),
        ("words", "its first words are no greeting"),
        ("noise", "a frame of"),
    ],
)
async def test_a_worker_that_does_not_fit_is_refused_and_the_log_says_why(
    foreign: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with remote(config(max_restarts=1), (*FOREIGN_COMMAND, foreign)) as (submitter, outcomes):
        outcomes.submit(work("a"))
        error = await failure(outcomes, "a")
        assert isinstance(error, UnavailableError)
        assert error.reason == "WORKER_LOST"
        assert submitter.state is WorkerState.FAILED
    lost = [each.getMessage() for each in caplog.records if "worker lost" in each.getMessage()]
    assert problem in lost[0]


async def test_a_front_end_that_does_not_fit_is_refused_and_the_log_says_why() -> None:
    ours, theirs = socket.socketpair()
    record = Record()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(*WORKER_COMMAND, "--socket", str(theirs.fileno()), "--record", str(record.fileno())),
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(theirs.fileno(), record.fileno()),
        )
    frames = await FrameSocket.over(ours)
    greeting = messages.Hello(messages.PROTOCOL, "of another release", ())
    await frames.write(codec.encode(greeting))
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"its messages have the shape of another rele" in said
    assert await frames.read() is None, "it says nothing to one that it does not know"
    await frames.close()
    record.close()


ORPHAN = """
import asyncio, os, signal, sys, tempfile
sys.path[:0] = {path!r}
tempfile.tempdir = {folder!r}
from tests.integration.workers import Outcomes, RemoteSubmitter, config, described, work
from speech_service.protocols import NullObserver

async def main():
    settings, loop = config(), asyncio.get_running_loop()
    submitter = RemoteSubmitter(settings, described(settings), NullObserver(), loop)
    outcomes = Outcomes(submitter)
    outcomes.submit(work("a"))
    await outcomes.wait("a")
    print(submitter.stats().pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_worker_dies_with_its_parent() -> None:
    path = [str(Path(__file__).parents[2]), *(entry for entry in sys.path if entry)]
    with TemporaryDirectory(prefix="w") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ORPHAN.format(path=path, folder=folder)),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        pid = int(output)
        await until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")
        assert not entries(Path(folder)), "nothing of a worker has a name in the file system"


async def test_temporary_files_of_a_worker_need_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    async with remote(config()) as (_, outcomes):
        monkeypatch.setenv("TMPDIR", "/not/there")
        with patch.object(tempfile, "tempdir", "/" + "x" * 200 + "/" + "y" * 200):
            outcomes.submit(work("a"))
            assert texts(await outcomes.wait("a")) == [2]
