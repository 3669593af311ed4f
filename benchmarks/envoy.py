"""Starts the real Envoy with the configuration of deploy/envoy, before servers of a benchmark or a test."""

import asyncio
import json
import shutil
import sysconfig
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks import ROOT

FOLDER = ROOT / "deploy" / "envoy"
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Envoy:
    """A running Envoy."""

    port: int
    admin: int
    folder: Path

    @property
    def target(self) -> str:
        """Address for clients."""
        return f"127.0.0.1:{self.port}"

    def route_to(self, ports: Sequence[int]) -> None:
        """Name the servers behind it, as an operator does: a new file in place of the old one."""
        fresh = self.folder / "fresh.yaml"
        fresh.write_text(endpoints(ports))
        fresh.replace(self.folder / "endpoints.yaml")

    async def healthy(self) -> int:
        """How many servers get calls."""
        stats = await asyncio.to_thread(_get, self.admin, "stats?filter=cluster.speech.membership")
        lines = dict(line.split(": ") for line in stats.splitlines())
        return int(lines.get("cluster.speech.membership_healthy", "0"))

    async def until_healthy(self, count: int) -> None:
        """Wait until that many servers get calls."""
        async with asyncio.timeout(START_S):
            while await self.healthy() != count:  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.1)


def endpoints(ports: Sequence[int]) -> str:
    """The committed file of endpoints, with these ports instead."""
    document = yaml.safe_load((FOLDER / "endpoints.yaml").read_text())
    (endpoints_,) = document["resources"][0]["endpoints"]
    endpoints_["lb_endpoints"] = [
        {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
        for port in ports
    ]
    return yaml.safe_dump(document)


def program() -> str | None:
    """Path of Envoy (extra ``deploy``); None where it is not installed."""
    return shutil.which("envoy", path=sysconfig.get_path("scripts")) or shutil.which("envoy")


@asynccontextmanager
async def started(folder: Path, ports: Sequence[int], port: int = 0) -> AsyncIterator[Envoy]:
    """Envoy for as long as the block runs, in ``folder``, before servers on these ports; killed at its end.

    ``port``: where clients reach it; 0: one that is free.

    Raises:
        FileNotFoundError: it is not installed.
    """
    command = program()
    if command is None:
        raise FileNotFoundError("envoy is not installed: make check-deploy installs it")
    config = yaml.safe_load((FOLDER / "envoy.yaml").read_text())
    listeners = ((config["admin"], 0), (config["static_resources"]["listeners"][0], port))
    for listener, wanted in listeners:
        listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": wanted}
    (folder / "envoy.yaml").write_text(yaml.safe_dump(config))
    (folder / "endpoints.yaml").write_text(endpoints(ports))
    shutil.copy(FOLDER / "speech.pb", folder)
    arguments = ("-c", "envoy.yaml", "--admin-address-path", "admin.txt", "--concurrency", "1")
    with (folder / "envoy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(command, *arguments, "--disable-hot-restart", "--log-level", "warning"),
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            yield await _started(process, folder)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _started(process: asyncio.subprocess.Process, folder: Path) -> Envoy:
    async with asyncio.timeout(START_S):
        while not (told := folder / "admin.txt").exists() or not told.read_text():
            assert process.returncode is None, (folder / "envoy.log").read_text()
            await asyncio.sleep(0.05)
        admin = int(told.read_text().rpartition(":")[2])
        while True:
            listeners = json.loads(await asyncio.to_thread(_get, admin, "listeners?format=json"))
            if listeners.get("listener_statuses"):
                address = listeners["listener_statuses"][0]["local_address"]["socket_address"]
                return Envoy(address["port_value"], admin, folder)
            await asyncio.sleep(0.05)


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as reply:
        return reply.read().decode()
