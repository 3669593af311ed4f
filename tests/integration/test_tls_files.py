"""Certificates: what cannot work is said at the start, and what is renewed is used without one."""

import asyncio
import os
import shutil
import ssl
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from grpc import aio

from speech_service.config.tree import ConfigError
from tests.integration.harness import Server, running
from tests.integration.processes import FAKE_TOML, run_serve, serving

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def make(folder: Path, name: str, *options: str) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    kind = options or ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    subprocess.run(
        [
            *("openssl", "req", "-x509", *kind, "-days", "2", "-keyout", str(key)),
            *("-out", str(cert), "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give two pairs, a protected key and files of other things."""
    folder = tmp_path_factory.mktemp("pairs")
    files: dict[str, Path] = {}
    for name in ("one", "two"):
        files[name], files[f"{name}_key"] = make(folder, name)
    _, files["locked"] = make(folder, "locked", "-newkey", "rsa:2048", "-passout", "pass:secret")
    files["garbage"] = folder / "garbage"
    files["garbage"].write_bytes(os.urandom(500))
    files["empty"] = folder / "empty"
    files["empty"].touch()
    files["broken"] = folder / "broken"
    files["broken"].write_text(files["one"].read_text().replace("M", "Q", 9))
    files["folder"] = folder
    files["absent"] = folder / "absent"
    return files


BAD = {
    "client CA alone": ("", "", "one", "tls_cert_file", "is empty"),
    "client CA and certificate": ("one", "", "one", "tls_key_file", "is empty"),
    "certificate without key": ("one", "", "", "tls_key_file", "is empty"),
    "key without certificate": ("", "one_key", "", "tls_cert_file", "is empty"),
    "another key": ("one", "two_key", "", "tls_key_file", "is not the key"),
    "absent": ("absent", "one_key", "", "tls_cert_file", "No such file"),
    "a folder": ("one", "folder", "", "tls_key_file", "Is a directory"),
    "garbage": ("garbage", "one_key", "", "tls_cert_file", "no certificate in PEM"),
    "empty": ("one", "empty", "", "tls_key_file", "no private key in PEM"),
    "broken": ("broken", "one_key", "", "tls_cert_file", "cannot be read"),
    "swapped": ("one_key", "one", "", "tls_cert_file", "no certificate in PEM"),
    "protected": ("one", "locked", "", "tls_key_file", "passphrase"),
    "CA is garbage": ("one", "one_key", "garbage", "tls_client_ca_file", "no certificate in PEM"),
    "CA is empty": ("one", "one_key", "empty", "tls_client_ca_file", "no certificate in PEM"),
    "CA is broken": ("one", "one_key", "broken", "tls_client_ca_file", "cannot be read"),
    "CA is absent": ("one", "one_key", "absent", "tls_client_ca_file", "No such file"),
}


@pytest.mark.parametrize("case", BAD)
async def test_what_cannot_work_names_its_key_and_the_reason(
    pairs: dict[str, Path], case: str
) -> None:
    *names, key, reason = BAD[case]
    settings = [
        f"server.{setting}={pairs[name]}"
        for setting, name in zip(
            ("tls_cert_file", "tls_key_file", "tls_client_ca_file"), names, strict=True
        )
        if name
    ]
    with pytest.raises(ConfigError, match=reason) as caught:
        async with running(*settings):
            pass
    assert str(caught.value).startswith(f"server.{key}: ")
    assert "running there" not in str(caught.value)


@pytest.mark.parametrize("key", ["metrics_listen", "admin_listen"])
async def test_a_port_that_asks_nobody_is_loopback_unless_somebody_says_so(key: str) -> None:
    with pytest.raises(ConfigError, match=f"server.{key}: 0.0.0.0:0 is open"):
        async with running(f"server.{key}=0.0.0.0:0"):
            pass
    async with running(f"server.{key}=0.0.0.0:0", "server.allow_insecure=true"):
        pass


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
async def test_unix_sockets_are_the_owners_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    sockets = {key: tmp_path / key for key in ("listen", "admin_listen", "metrics_listen")}
    before = os.umask(umask)
    try:
        settings = [f"server.{key}=unix:{path}" for key, path in sockets.items()]
        async with running(*settings):
            modes = {key: stat.S_IMODE(path.stat().st_mode) for key, path in sockets.items()}
            reader, writer = await asyncio.open_unix_connection(sockets["metrics_listen"])
            writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.0 200")
            writer.close()
            assert os.umask(umask) == umask, "the umask is as it was"
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(sockets, 0o600)


def trusting(file: Path) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(file.read_bytes())


async def served(target: str, trusted: Path) -> bool:
    """Whether a new connection is made where only that certificate is trusted."""
    credentials = trusting(trusted)
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with aio.secure_channel(target, credentials, options=options) as channel:
        try:
            await channel.unary_unary("/no.Service/Method")(b"", timeout=60)
        except aio.AioRpcError as error:
            return error.code() is grpc.StatusCode.UNIMPLEMENTED
    raise AssertionError("there is no such method")


async def reloads(server: Server) -> tuple[float, float, float]:
    """How often it was read again well and badly, and whether the last time was badly."""
    metrics, name = await server.metrics(), "speech_certificate_reloads_total"
    well, badly = (metrics.get(f'{name}{{outcome="{o}"}}', 0.0) for o in ("ok", "failed"))
    return well, badly, metrics['speech_reload_failed{file="certificate"}']


async def test_a_renewed_certificate_is_used_without_a_restart(
    pairs: dict[str, Path], tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    logged: list[str] = []
    from loguru import logger

    handler = logger.add(logged.append, level="ERROR", format="{message}")
    copy: Callable[[Path, Path], object] = shutil.copyfile
    copy(pairs["one"], cert)
    copy(pairs["one_key"], key)
    settings = (f"server.tls_cert_file={cert}", f"server.tls_key_file={key}")
    try:
        async with running(*settings) as server:
            assert await served(server.target, pairs["one"])
            copy(pairs["two"], cert)  # half of the renewal
            for _ in range(3):
                assert await served(server.target, pairs["one"])
            assert len(logged) == 1
            assert await reloads(server) == (0, 1, 1)
            assert "tls_key_file" in logged[0]
            copy(pairs["two_key"], key)
            assert await served(server.target, pairs["two"])
            assert await reloads(server) == (1, 1, 0)
            assert not await served(server.target, pairs["one"])
            cert.unlink()
            assert await served(server.target, pairs["two"])
            assert await reloads(server) == (1, 2, 1)
            cert.symlink_to(pairs["one"])
            key.unlink()
            key.symlink_to(pairs["one_key"])
            server.app.reload_certificates()
            assert await served(server.target, pairs["one"])
            assert await reloads(server) == (2, 2, 0)
    finally:
        logger.remove(handler)


async def test_only_tls_1_3_is_spoken(pairs: dict[str, Path], tmp_path: Path) -> None:
    toml = tmp_path / "service.toml"
    toml.write_text(FAKE_TOML.format(step_ms=0))
    files = (
        f"--set=server.tls_cert_file={pairs['one']}",
        f"--set=server.tls_key_file={pairs['one_key']}",
    )
    async with serving(f"--config={toml}", "--workers=inline", *files) as server:
        assert await asyncio.to_thread(shakes_hands, server.public, ssl.TLSVersion.TLSv1_3)
        assert not await asyncio.to_thread(shakes_hands, server.public, ssl.TLSVersion.TLSv1_2)
        assert await served(f"localhost:{server.public}", pairs["one"])
        server.signal()
        assert await server.exit_code(100) == 0


def shakes_hands(port: int, version: ssl.TLSVersion) -> bool:
    import socket

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 20) as plain,
            context.wrap_socket(plain, server_hostname="localhost"),
        ):
            return True
    except (ssl.SSLError, ConnectionError):
        return False


async def test_a_bad_pair_ends_serve_with_one_line(pairs: dict[str, Path]) -> None:
    code, out = await run_serve(
        f"--set=server.tls_client_ca_file={pairs['one']}", "--set=server.listen=127.0.0.1:0"
    )
    assert code == 2
    assert len(out.strip().splitlines()) == 1, out
    assert "server.tls_cert_file" in out
