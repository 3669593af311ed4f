"""Why an address cannot be listened on, as ``serve`` and ``doctor`` tell it."""

import asyncio
import os
import socket
from pathlib import Path

import pytest
from grpc import aio

from speech_service.cli import ports
from speech_service.cli.finding import Verdict
from speech_service.config.tree import ConfigError, ServerConfig
from speech_service.edge.ports import bind_admin, bind_metrics, bind_public
from speech_service.listening import why_not
from speech_service.observability.prometheus import PrometheusObserver

KEYS = ("listen", "admin_listen", "metrics_listen")


def refusal(key: str, address: str) -> str:
    """What the start says where one of the three ports is this address."""
    config = ServerConfig(**{key: address, "allow_insecure": True})

    async def bind() -> None:
        server = aio.server()
        try:
            if key == "listen":
                bind_public(server, config, None, asks=False)
            elif key == "admin_listen":
                bind_admin(server, config)
            else:
                await bind_metrics(PrometheusObserver(), config)
        finally:
            await server.stop(None)

    with pytest.raises(ConfigError) as caught:
        asyncio.run(bind())
    return str(caught.value)


@pytest.mark.parametrize("key", KEYS)
def test_the_cause_is_told_of_every_port(key: str, tmp_path: Path) -> None:
    folder = tmp_path / "absent"
    for address, says in (
        (f"unix:{folder}/x", f"the folder {folder} does not exist"),
        ("nohost.invalid:50080", "there is no host 'nohost.invalid'"),
        ("192.0.2.1:50080", "192.0.2.1 is no address of this machine"),
    ):
        said = refusal(key, address)
        assert said.startswith(f"server.{key}: cannot listen on {address}: ")
        assert says in said
        assert "in use" not in said
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refusal(key, f"127.0.0.1:{taken.getsockname()[1]}")
    assert f"is in use by {Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})" in said
    assert "serve --port N" in said


def test_unix_sockets(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    assert why_not(f"unix:{path}") == ""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        assert "another server listens there" in why_not(f"unix:{path}")
    assert why_not(f"unix:{path}") == ""  # What a server before left there gives way.
    (tmp_path / "file").write_text("")
    assert "no socket" in why_not(f"unix:{tmp_path / 'file'}")
    assert "too long" in why_not(f"unix:{tmp_path}/{'x' * 200}")


def test_a_free_port_has_no_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    assert why_not(address) == ""
    assert why_not("localhost:0") == ""


def test_the_doctor_tells_the_same_cause(tmp_path: Path) -> None:
    folder = tmp_path / "absent"
    config = ServerConfig(
        listen="192.0.2.1:50080", admin_listen=f"unix:{folder}/x", metrics_listen=""
    )
    found = {check.name: check for check in ports.check(config)}
    assert found["port, admin"].verdict is Verdict.FAIL
    assert f"the folder {folder} does not exist" in found["port, admin"].found
    assert "server.admin_listen" in found["port, admin"].fix
