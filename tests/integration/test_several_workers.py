"""Two workers on one machine: streams spread and stay, one is killed and the other goes on, health and status tell."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from speech.admin.v1 import model_admin_service_pb2 as admin_pb
from speech.admin.v1 import model_admin_service_pb2_grpc as admin_grpc
from speech_client.admin import AdminClient
from speech_service.config.tree import ConfigError, ModelConfig, OneWorkerConfig
from speech_service.domain.models import UnloadOutcome, WorkerState, WorkerStatus
from speech_service.domain.work import Work, WorkDone, WorkEvent
from tests.integration.harness import Server, Talk, fake_model, running, until
from tests.integration.processes import run_serve, serving
from tests.integration.sound import speech
from tests.integration.test_cli_admin import command

SLOW = fake_model(step_ms=40)
ALIGNER = ModelConfig(kind="aligner/fake")
TRANSLATOR = ModelConfig(kind="translator/fake")
SETTINGS = (
    "worker.mode=process",
    "scheduler.lanes=0",
    "worker.heartbeat_interval_s=0.2",
    "recognition.quiet_margin_ms=100000",  # a test that waits is no client that has stopped talking
)
TWO = (OneWorkerConfig("left"), OneWorkerConfig("right"))
SAID = speech(1400, 900, 2200, 900, 900, 900)
HALF = len(SAID) // 2 // 2 * 2
TEXTS = ["zero one two", "zero one two three four five", "zero one two"]
WAIT_S = 60.0


class Done:
    """How much each worker has done."""

    def __init__(self, server: Server) -> None:
        self.works: Counter[str] = Counter()
        self.streams: dict[str, set[str]] = {}
        submitter: Any = server.app.parts.models.submitter
        submitter.watch(self._count)

    def _count(self, worker: str, work: Work, event: WorkEvent) -> None:
        assert isinstance(event, WorkDone) or type(event).__name__ == "WorkDropped", event
        self.works[worker] += 1
        self.streams.setdefault(work.stream_id, set()).add(worker)


async def workers_of(server: Server) -> dict[str, WorkerStatus]:
    _, workers = await server.app.parts.models.control.report()
    return {worker.worker_id: worker for worker in workers}


async def kill(server: Server, *names: str, number: int = signal.SIGKILL) -> None:
    workers = await workers_of(server)
    for name in names:
        os.kill(workers[name].pid, number)


@asynccontextmanager
async def talking(server: Server, count: int) -> AsyncIterator[list[Talk]]:
    """Streams that have each had a partial, of a segment that is still open."""
    async with asyncio.TaskGroup() as tasks:
        talks = [server.talk() for _ in range(count)]
        for talk in talks:
            await talk.__aenter__()
            await talk.audio(SAID[:HALF])
        for talk in talks:
            tasks.create_task(talk.until("result"))
    try:
        yield talks
    finally:
        for talk in talks:
            talk.call.cancel()


async def finish(talks: Sequence[Talk]) -> list[list[str]]:
    """The texts of each stream, once all that was said has been heard."""
    for talk in talks:
        await talk.audio(SAID[HALF:])
    await asyncio.gather(*(talk.end() for talk in talks))
    return [[final.text for final in talk.finals] for talk in talks]


async def test_streams_spread_stay_and_survive_the_death_of_one_worker() -> None:
    async with running(*SETTINGS, models=[SLOW], workers=TWO) as server:
        done = Done(server)
        async with talking(server, 6) as talks:
            assert all(len(workers) == 1 for workers in done.streams.values()), "sticky"
            assert set(done.works) == {"left", "right"}
            await kill(server, "left")
            assert await finish(talks) == [TEXTS] * 6
        workers = await workers_of(server)
        assert (workers["left"].restarts, workers["right"].restarts) == (1, 0)
        moved = [workers for workers in done.streams.values() if len(workers) == 2]
        assert moved, "what the dead one had went to the other"
        async with talking(server, 4) as talks:
            assert await finish(talks) == [TEXTS] * 4
        metrics = await server.metrics()
        for name in TWO:
            labels = f'class="stream_final",outcome="done",worker="{name.name}"'
            assert metrics[f"speech_work_total{{{labels}}}"] > 0
        assert metrics['speech_worker_restarts_total{worker="left"}'] == 1


async def test_a_model_is_unloaded_in_every_worker() -> None:
    async with (
        running(*SETTINGS, models=[SLOW], workers=TWO) as server,
        AdminClient.connect(server.admin_target) as admin,
    ):
        await admin.load_model("fake")
        stub: Any = admin_grpc.ModelAdminServiceStub(server.admin)
        reply = await stub.UnloadModel(admin_pb.UnloadModelRequest(model="fake"))
        assert reply.unloaded
        told = {w.worker_id: admin_pb.UnloadOutcome.Name(w.outcome) for w in reply.workers}
        assert told == dict.fromkeys(("left", "right"), "UNLOAD_OUTCOME_UNLOADED")
        assert not await admin.unload_model("fake")


async def test_a_model_is_unloaded_where_one_worker_dies_meanwhile() -> None:
    async with running(*SETTINGS, models=[SLOW], workers=TWO) as server:
        control = server.app.parts.models.control
        await control.load("fake")
        pid = (await workers_of(server))["left"].pid
        os.kill(pid, signal.SIGSTOP)
        unloading = asyncio.create_task(control.unload("fake"))
        await asyncio.sleep(0.1)  # it has asked both
        os.kill(pid, signal.SIGKILL)
        assert await unloading == {
            "left": UnloadOutcome.WORKER_ENDED,
            "right": UnloadOutcome.UNLOADED,
        }
        await server.works()


async def test_when_both_are_killed_the_work_waits_for_a_successor() -> None:
    async with running(*SETTINGS, models=[SLOW], workers=TWO) as server:
        async with talking(server, 4) as talks:
            await kill(server, "left", "right")
            assert await finish(talks) == [TEXTS] * 4
        workers = await workers_of(server)
        assert (workers["left"].restarts, workers["right"].restarts) == (1, 1)


async def test_a_model_of_one_worker_and_the_health_of_its_service() -> None:
    models, workers = (
        [SLOW, ALIGNER, TRANSLATOR],
        (
            OneWorkerConfig("ears", models=("fake",)),
            OneWorkerConfig("rest", models=("fake-aligner", "fake-translator")),
        ),
    )
    patience = "worker.heartbeat_timeout_s=0.3"
    async with running(*SETTINGS, patience, models=models, workers=workers) as server:
        done = Done(server)
        await server.works()
        assert set(done.works) == {"ears"}
        assert (await workers_of(server))["rest"].state is WorkerState.STOPPED
        async with AdminClient.connect(server.admin_target) as admin:
            assert (await admin.load_model("fake-aligner")).worker_id == "rest"
        services = {f"speech.v1.{name}Service": name for name in ("Recognition", "Alignment")}
        seen: dict[str, list[int]] = {name: [] for name in ("", *services)}
        watching = [asyncio.create_task(watch(server, name, seen[name])) for name in seen]
        await until(lambda: all(seen.values()))
        await kill(server, "rest", number=signal.SIGSTOP)
        await server.works()
        for name in ("speech.v1.AlignmentService", ""):  # the whole server needs all that there is
            await until(lambda name=name: seen[name][:3] == [1, 2, 1])
        assert seen["speech.v1.RecognitionService"] == [1], "the other worker can do its work"
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def watch(server: Server, service: str, seen: list[int]) -> None:
    """Keep what health says of a service."""
    stub: Any = health_pb2_grpc.HealthStub(server.channel)
    async for answer in stub.Watch(health_pb2.HealthCheckRequest(service=service)):
        seen.append(answer.status)


async def test_each_worker_rests_by_itself_and_only_who_is_needed_comes_back() -> None:
    idle = "worker.idle_timeout_s=0.4"
    async with running(*SETTINGS, idle, models=[SLOW], workers=TWO) as server:
        async with talking(server, 4) as talks:
            assert await finish(talks) == [TEXTS] * 4

        async def all_rest() -> bool:
            workers = await workers_of(server)
            return all(worker.state is WorkerState.STOPPED for worker in workers.values())

        await until(all_rest)
        await server.works()
        states = [worker.state for worker in (await workers_of(server)).values()]
        assert sorted(state is WorkerState.STOPPED for state in states) == [False, True]


async def test_status_shows_each_worker_and_a_signal_reaches_both(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text(
        "\n".join(
            [
                '[worker]\npreload = true\n[vad]\nkind = "fake"',
                '[[models]]\nkind = "recognizer/fake"\nname = "one"',
                '[[models]]\nkind = "recognizer/fake"\nname = "two"',
                '[[workers]]\nname = "left"\ncores = 1',
                '[[workers]]\nname = "right"\nmodels = ["two"]',
            ]
        )
    )
    async with serving(f"--config={path}") as server:
        address = f"127.0.0.1:{server.admin}"

        async def status() -> dict[str, Any]:
            code, out, err = await command("status", "--json", "--server", address)
            assert (code, err) == (0, "")
            return json.loads(out)

        async def loaded() -> bool:
            return all(each["state"] == "ready" for each in (await status())["instances"])

        await until(loaded)
        shown = await status()
        workers = {worker["worker_id"]: worker for worker in shown["workers"]}
        assert [(w["state"], w["devices"], w["models"]) for w in workers.values()] == [
            ("ready", ["cpu"], ["one", "two"]),
            ("ready", ["cpu"], ["two"]),
        ]
        placed = [(each["model"], each["worker_id"], each["device"]) for each in shown["instances"]]
        assert placed == [("one", "left", "cpu"), ("two", "left", "cpu"), ("two", "right", "cpu")]
        processes = {name: psutil.Process(worker["pid"]) for name, worker in workers.items()}
        for process in processes.values():
            assert process.environ()["CUDA_VISIBLE_DEVICES"] == "", "it has no GPU of its own"
        assert processes["left"].environ()["OMP_NUM_THREADS"] == "1"
        _, out, _ = await command("status", "--server", address)
        rows = [line.split("\t") for line in out.splitlines()]
        assert [row[:3] for row in rows[1:3]] == [
            ["left", "worker on cpu", "ready"],
            ["right", "worker on cpu", "ready"],
        ]
        assert rows[1][4].endswith("serves one, two")
        path.write_text(f'{path.read_text()}\n[observability]\nlog_level = "DEBUG"\n')
        server.signal(signal.SIGHUP)
        told = "the worker logs from level DEBUG"
        await until(lambda: sum(told in line for line in server.errors) == 2)
        server.signal()
        assert await server.exit_code(WAIT_S) == 0
        assert not any(process.is_running() for process in processes.values())


async def test_workers_in_this_process_are_refused() -> None:
    with pytest.raises(ConfigError, match=r'workers: 2 given, and worker.mode = "inline"'):
        async with running(workers=TWO):
            pass


async def test_a_model_that_no_worker_serves_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text(
        '[[models]]\nkind = "recognizer/fake"\n[[models]]\nkind = "aligner/fake"\n'
        '[[workers]]\nmodels = ["fake"]'
    )
    code, said = await run_serve(f"--config={path}")
    assert code == 2
    assert "models[1]: no worker serves fake-aligner, which runs on cpu" in said
