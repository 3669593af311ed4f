"""The worker process, for real: started on need, fed, asked, idle, drained, gone in the end."""

import asyncio
import random
import time
from dataclasses import replace

import psutil
import pytest
from msgspec import structs

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch.scheduler import Scheduler
from speech_service.dispatch.workers import WorkerState
from speech_service.dispatch.workers.process import HEAP_ENVIRONMENT
from speech_service.domain.errors import (
    DeadlineError,
    InternalError,
    OverloadedError,
    ResourceNotFoundError,
    UnavailableError,
)
from speech_service.domain.models import UnloadOutcome
from speech_service.domain.work import (
    DropReason,
    WorkDone,
    WorkDropped,
    WorkFailed,
)
from speech_service.engines.fake import recognizer as fake
from speech_service.engines.shared import SharedModels
from speech_service.protocols import NullObserver
from tests.integration.workers import (
    FINAL,
    PARTIAL,
    UNARY,
    Metrics,
    config,
    failure,
    remote,
    texts,
    word_count,
    work,
)
from tests.unit.dispatch.builders import Outcomes, until


async def test_starts_on_need_and_gives_what_an_inline_scheduler_gives() -> None:
    random.seed(3)
    settings = config({"max_batch": 4})
    works = []
    for stream in range(6):
        ms = 0
        for number in range(5):
            ms += random.randrange(100, 900)
            last = number == 4
            work_class = FINAL if last else PARTIAL
            tokens = tuple(range(1, random.randrange(1, 6)))
            works.append(
                work(f"{stream}-{number}", work_class, ms=ms, stream=f"s{stream}", tokens=tokens)
            )
    engine = fake.build(fake.FakeRecognizerOptions(max_batch=4), SharedModels())
    inline = Scheduler(
        {"fake": [engine]}, settings.scheduler, NullObserver(), asyncio.get_running_loop()
    )
    async with remote(settings) as (submitter, outcomes):
        assert submitter.stats().pid == 0
        states: list[WorkerState] = []
        submitter.subscribe(states.append)
        here = Outcomes(inline)
        for item in works:  # one after the other, so that nothing is superseded
            here.submit(item)
            outcomes.submit(item)
            (a,), (b,) = await here.wait(item.work_id), await outcomes.wait(item.work_id)
            assert isinstance(a, WorkDone)
            assert isinstance(b, WorkDone)
            assert b.hypothesis == a.hypothesis
            assert b.timing.draft_accepted == a.timing.draft_accepted
        assert states == [WorkerState.STARTING, WorkerState.READY]
        with pytest.raises(ResourceNotFoundError):
            outcomes.submit(replace(works[0], model="other"))
    await inline.close()


async def test_idle_worker_stops_and_comes_back() -> None:
    metrics = Metrics()
    settings = config(idle_timeout_s=1.0, heartbeat_interval_s=0.1)
    async with remote(settings, metrics=metrics) as (submitter, outcomes):
        for number in range(2):
            outcomes.submit(work(f"w{number}"))
            await outcomes.wait(f"w{number}")
            pid = submitter.stats().pid
            await until(lambda: submitter.state is WorkerState.STOPPED)
            assert not psutil.pid_exists(pid)
            assert submitter.healthy
        assert "speech_batch_occupancy" in metrics.observed, "heartbeats carry the worker's metrics"
        assert "speech_worker_heartbeat_seconds" in metrics.observed
        assert metrics.counts["speech_work_total"] == 2


@pytest.mark.parametrize("chosen", ["", "glibc.malloc.perturb=85"])
async def test_the_worker_is_told_to_use_large_pages_unless_the_operator_chose(
    monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    for name in HEAP_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    if chosen:
        monkeypatch.setenv("GLIBC_TUNABLES", chosen)
    async with remote(config()) as (submitter, outcomes):
        outcomes.submit(work("w"))
        await outcomes.wait("w")
        environment = psutil.Process(submitter.stats().pid).environ()
    # glibc ends each setting with a zero where it read them, so the second looks like a variable of its own.
    shown = ":".join(f"{name}={value}" for name, value in environment.items())
    tunables = chosen or HEAP_ENVIRONMENT["GLIBC_TUNABLES"]
    assert f":GLIBC_TUNABLES={tunables}:" in f":{shown}:"
    assert environment["PYTHONMALLOC"] == "malloc"
    assert environment["PATH"], "the rest is inherited"


async def test_audio_that_the_worker_has_no_room_for_is_sent_again() -> None:
    async with remote(config(max_audio_bytes=100_000)) as (_, outcomes):
        for number, ms in enumerate((1000, 1200, 1500)):
            for stream in "ab":
                outcomes.submit(work(f"{stream}{number}", PARTIAL, ms=ms, stream=stream))
                (event,) = await outcomes.wait(f"{stream}{number}")
                assert texts([event]) == [word_count(ms)]


async def test_deadlines_and_cancels_on_both_sides_of_the_socket() -> None:
    async with remote(config({"step_ms": 20.0, "steps": 200})) as (submitter, outcomes):
        outcomes.submit(work("d0", deadline_s=time.monotonic() + 0.01), work("c0"))
        submitter.cancel("c0")  # while the worker starts
        assert isinstance(await failure(outcomes, "d0"), DeadlineError)
        outcomes.submit(work("long"))
        await until(lambda: submitter.state is WorkerState.READY)
        outcomes.submit(work("d1", deadline_s=time.monotonic() + 0.05), work("c1"), work("next"))
        assert isinstance(await failure(outcomes, "d1"), DeadlineError)
        submitter.cancel("c1")  # while it waits in the worker
        await outcomes.wait("c1")
        assert "long" not in outcomes.events
        submitter.cancel("long")  # while it runs
        await outcomes.wait("long")
        cancelled = [outcomes.events[w] for w in ("c0", "c1", "long")]
        assert {type(event) for event in cancelled} == {WorkDropped}
        assert texts(await outcomes.wait("next")) == [2]


async def test_superseding_and_overload() -> None:
    settings = structs.replace(
        config({"step_ms": 150.0}), scheduler=SchedulerConfig(max_queued=3, lanes=1)
    )
    async with remote(settings) as (submitter, outcomes):
        outcomes.submit(work("u1", UNARY), work("p1", PARTIAL, stream="a"))
        outcomes.submit(work("p2", PARTIAL, stream="a", ms=1500), work("u2", UNARY))
        with pytest.raises(OverloadedError):
            outcomes.submit(work("u3", UNARY))
        outcomes.submit(work("f1", FINAL))
        assert await outcomes.wait("p1") == [WorkDropped("p1", DropReason.SUPERSEDED)]
        await outcomes.wait("f1")
        outcomes.submit(work("p3", PARTIAL, stream="b"), work("u4", UNARY))
        await until(lambda: submitter.stats().waiting == 0)
        outcomes.submit(work("p4", PARTIAL, stream="b"))
        await outcomes.wait("p4", "u4", "u2")
        assert outcomes.order.index("f1") == 1


async def test_load_unload_and_status() -> None:
    async with remote(config()) as (submitter, outcomes):
        assert await submitter.status() is None
        assert await submitter.unload("fake") is UnloadOutcome.NOT_LOADED
        assert await submitter.load("fake") > 0
        assert await submitter.load("fake") == 0
        status = await submitter.status()
        assert status is not None
        assert [model.model for model in status.models] == ["fake"]
        assert status.rss_bytes > 1_000_000
        assert await submitter.unload("fake") is UnloadOutcome.UNLOADED
        status = await submitter.status()
        assert status is not None
        assert not status.models
        outcomes.submit(work("a"))  # loads it again
        assert texts(await outcomes.wait("a")) == [2]
    with pytest.raises(UnavailableError):
        outcomes.submit(work("b"))


async def test_preload_starts_and_loads() -> None:
    async with remote(config(preload=True)) as (submitter, _):
        submitter.start()
        await until(lambda: submitter.state is WorkerState.READY)
        async with asyncio.timeout(60):
            while (  # noqa: ASYNC110 - nothing announces it
                status := await submitter.status()
            ) is None or not status.models:
                await asyncio.sleep(0.01)


async def test_close_while_busy_fails_what_is_left() -> None:
    async with remote(config({"step_ms": 20.0})) as (submitter, outcomes):
        outcomes.submit(*(work(f"w{i}") for i in range(50)))
        await outcomes.wait("w0")
        await submitter.close()
        last = outcomes.events["w49"]
        assert isinstance(last, WorkFailed)
        assert last.error.reason == "SHUTTING_DOWN"
        assert len(outcomes.events) == 50


async def test_work_that_cannot_be_sent_fails_alone() -> None:
    async with remote(config()) as (submitter, outcomes):
        outcomes.submit(work("odd", context="\ud800"), work("good"))
        assert isinstance(await failure(outcomes, "odd"), InternalError)
        assert texts(await outcomes.wait("good")) == [2]
        assert submitter.stats().restarts == 0
