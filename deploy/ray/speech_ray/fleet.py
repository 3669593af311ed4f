"""The actors: one for each server, one that keeps their number. No audio goes through either.

An actor call costs too much to carry audio (docs/deployment.md), so Ray only says where a server
runs. Clients reach the servers through Envoy, which learns of them from ``endpoints.py``.
"""

import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayError

from speech_ray.process import ServerProcess
from speech_ray.sizing import Load, Scaler, Sizing

NAMESPACE = "speech"
FLEET = "fleet"
_SERVER = "server-"
_ANSWER_S = 5.0
_DRAIN_ANSWER_S = 10.0
_log = logging.getLogger("speech_ray")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fleet is made of.

    Attributes:
        sizing: how many servers.
        config: content of the service's configuration file; may be empty.
        settings: ``section.key=value``, over the file.
        cpus, gpus: what Ray reserves for each server.
        start_s: how long a server may take until it serves; loading weights takes minutes.
        drain_s: how long a server that is to go may finish its streams.
        period_s: how often all are asked.
    """

    sizing: Sizing
    config: str = ""
    settings: tuple[str, ...] = ()
    cpus: float = 1.0
    gpus: float = 0.0
    start_s: float = 600.0
    drain_s: float = 600.0
    period_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a server's actor says.

    Attributes:
        host, port: where clients call.
        node: Ray's id of the node that it runs on.
        load: None: it serves nobody now.
        leaving: it drains, and does not come back.
    """

    host: str
    port: int
    node: str
    load: Load | None
    leaving: bool


class ServerActor:
    """Starts one server on the node that Ray chose, and dies with it, so that Ray starts both anew."""

    def __init__(self, plan: Plan) -> None:
        self._folder = TemporaryDirectory(prefix="speech-ray-")
        config = Path(self._folder.name) / "service.toml"
        config.write_text(plan.config, "utf-8")
        host = ray.util.get_node_ip_address()
        self._process = ServerProcess(host, config, plan.settings)
        self._leaving = False
        threading.Thread(target=self._die_with_it, name="server-end", daemon=True).start()
        self._process.wait_until_serving(plan.start_s)

    def report(self) -> Report:
        """Address and load."""
        host, port = self._process.address
        load = None if self._leaving else self._process.load()
        node = ray.get_runtime_context().get_node_id()
        return Report(host, port, node, load, self._leaving)

    def drain(self) -> None:
        """Take no more calls, finish those that are open, and do not come back."""
        self._leaving = True
        self._process.drain()

    def ended(self) -> bool:
        """The server that drained is gone, with its node at the worst."""
        return self._process.ended or not self._leaving

    def _die_with_it(self) -> None:
        code = self._process.wait()
        if not self._leaving:
            _log.error("the server ended with exit code %d; Ray starts another", code)
            os._exit(1)


class FleetActor:
    """Keeps as many servers as the plan wants. They outlive it, and its successor finds them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._scaler = Scaler(plan.sizing)
        self._reports: dict[str, Report | None] = {}
        self._leaving: dict[str, float] = {}
        """Servers that drain, and when they are ended in any case."""
        self._lock = threading.Lock()
        threading.Thread(target=self._keep, name="keep", daemon=True).start()

    def reports(self) -> Mapping[str, Report | None]:
        """What each server said last, by name; None: it starts, or does not answer."""
        with self._lock:
            return dict(self._reports)

    def addresses(self) -> Sequence[tuple[str, int]]:
        """Where calls may go."""
        found = self.reports().values()
        return [(r.host, r.port) for r in found if r is not None and r.load is not None]

    def change(self, plan: Plan) -> None:
        """Keep so many from now on. What else the plan says holds for servers that are started later."""
        with self._lock:
            self._plan, self._scaler = plan, Scaler(plan.sizing)

    def _keep(self) -> None:
        while True:
            try:
                self._turn()
            except RayError:
                _log.exception("a turn failed; the next one follows")
            time.sleep(self._plan.period_s)

    def _turn(self) -> None:
        servers = servers_now()
        answers = ask_all({name: server.report.remote() for name, server in servers.items()})
        for name, report in answers.items():
            if report is not None and report.leaving:  # those of a fleet before this one too
                self._leaving.setdefault(name, time.monotonic() + self._plan.drain_s)
        staying = [name for name in servers if name not in self._leaving]
        heard = [answers[name] for name in staying]
        with self._lock:
            self._reports = {name: answers[name] for name in staying}
            plan, scaler = self._plan, self._scaler
        loads = [r.load for r in heard if r is not None and r.load is not None]
        wanted = scaler.wanted(len(staying), loads, time.monotonic())
        for _ in range(wanted - len(staying)):
            start_server(plan)
        if wanted < len(staying) and None not in heard:
            self._let_go(min(staying, key=lambda name: _streams(answers[name])), servers)
        self._end_those_that_left(servers)

    def _let_go(self, name: str, servers: Mapping[str, ActorHandle[Any]]) -> None:
        _log.warning("%s drains: fewer servers are enough", name)
        self._leaving[name] = time.monotonic() + self._plan.drain_s
        with contextlib.suppress(RayError):
            ray.get(servers[name].drain.remote(), timeout=_DRAIN_ANSWER_S)

    def _end_those_that_left(self, servers: Mapping[str, ActorHandle[Any]]) -> None:
        asked = {n: servers[n].ended.remote() for n in self._leaving if n in servers}
        ended = ask_all(asked)
        for name, until_s in list(self._leaving.items()):
            if name not in servers:
                del self._leaving[name]
            elif ended[name] or time.monotonic() > until_s:
                ray.kill(servers[name], no_restart=True)


def start_server(plan: Plan) -> None:
    """Ask Ray for one more; it starts when there is room."""
    actor: Any = ray.remote(ServerActor)
    actor.options(
        name=f"{_SERVER}{uuid.uuid4().hex[:8]}",
        namespace=NAMESPACE,
        lifetime="detached",
        num_cpus=plan.cpus,
        num_gpus=plan.gpus,
        max_restarts=-1,
        max_task_retries=0,
        scheduling_strategy="SPREAD",
    ).remote(plan)


def start_fleet(plan: Plan) -> ActorHandle[Any]:
    """The actor that keeps the servers; the one that is there already takes the new plan."""
    actor: Any = ray.remote(FleetActor)
    fleet = actor.options(
        name=FLEET,
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        max_concurrency=4,
        max_restarts=-1,
        max_task_retries=-1,
    ).remote(plan)
    ray.get(fleet.change.remote(plan))
    return fleet


def servers_now() -> dict[str, ActorHandle[Any]]:
    """Servers by name, those that still start among them."""
    listed: Any = ray.util.list_named_actors(all_namespaces=True)
    names = [
        each["name"]
        for each in listed
        if each["namespace"] == NAMESPACE and each["name"].startswith(_SERVER)
    ]
    found: dict[str, ActorHandle[Any]] = {}
    for name in names:
        with contextlib.suppress(ValueError):  # it has just ended
            found[name] = ray.get_actor(name, namespace=NAMESPACE)
    return found


def stop_all() -> int:
    """End the fleet and its servers at once; gives how many servers."""
    with contextlib.suppress(ValueError):
        ray.kill(ray.get_actor(FLEET, namespace=NAMESPACE), no_restart=True)
    servers = servers_now()
    for server in servers.values():
        ray.kill(server, no_restart=True)
    return len(servers)


def ask_all(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Answers by name, all asked at once; None: it has failed, or does not answer in time."""
    if asked:
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=_ANSWER_S)
    return {name: _answer(reference) for name, reference in asked.items()}


def _answer(reference: Any) -> Any:
    try:
        return ray.get(reference, timeout=0)
    except (RayError, GetTimeoutError):
        return None


def _streams(report: Report | None) -> int:
    return report.load.open_streams if report is not None and report.load is not None else 0
