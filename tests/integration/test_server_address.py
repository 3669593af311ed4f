"""Addresses of servers: how they are written, and why nobody answers there."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from speech_service import probe
from speech_service.cli import run
from speech_service.cli.server_address import Access, diagnose, parse
from speech_service.config.environment import client_server
from tests.integration.harness import running


@pytest.mark.parametrize(
    "address",
    [
        "localhost:50051",
        "speech.example:443",
        "[::1]:50051",
        "127.0.0.1:1",
        "unix:/run/speech.sock",
        "unix:///run/speech.sock",
        "dns:///speech.example:443",
    ],
)
def test_addresses(address: str) -> None:
    assert parse(address) == address
    assert parse(f" {address} ") == address


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("localhost", "has no port: write localhost:50051"),
        ("127.0.0.1", "has no port"),
        ("[::1]", "has no port: write [::1]:50051"),
        ("", "has no port"),
        ("unix:", "is not a port"),
        ("localhost:", "is not a port, 1 to 65535"),
        ("localhost:abc", "'abc' is not a port"),
        ("localhost:0", "'0' is not a port"),
        ("localhost:65536", "'65536' is not a port"),
        ("localhost:-1", "'-1' is not a port"),
        ("localhost:٣", "is not a port"),
        ("http://localhost:50051", "leave http:// out, it is HOST:PORT: --server localhost:50051"),
        ("https://speech.example:443/", "--server speech.example:443 --tls"),
        ("grpc://a:1", "leave grpc:// out"),
        ("::1:50051", "in brackets: [::1]:50051"),
        (":50051", "'' is not a host"),
        ("a b:1", "'a b' is not a host"),
        ("a/b:1", "'a/b' is not a host"),
        ("user@host:1", "is not a host"),
    ],
)
def test_what_is_no_address(address: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        parse(address)
    assert says in str(caught.value)


@contextmanager
def listener(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Something on a port that answers each connection in its own way."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def plaintext_grpc(connection: socket.socket) -> None:
    if connection.recv(3) == b"PRI":
        connection.sendall(probe.frame(probe.SETTINGS, 0, 0, b"\0\3\0\0\0d"))
        connection.recv(1000)


def tls(connection: socket.socket) -> None:
    """Hangs up on what is no handshake; answers one with an alert (it has no certificate)."""
    if connection.recv(1, socket.MSG_PEEK) == b"\x16":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.wrap_socket(connection, server_side=True)


def http(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def ssh(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    connection.recv(1000)


@pytest.mark.parametrize(
    ("answer", "with_tls", "says"),
    [
        (plaintext_grpc, True, "speaks without TLS. Leave --tls"),
        (plaintext_grpc, False, "closed the connection"),
        (tls, False, "speaks TLS. Add --tls"),
        (tls, True, "TLS could not be agreed on"),
        (http, False, "speaks HTTP/1, not gRPC"),
        (http, True, "speaks HTTP/1, not gRPC"),
        (ssh, False, "is no gRPC server"),
    ],
)
def test_why_nobody_answers(
    answer: Callable[[socket.socket], None], with_tls: bool, says: str
) -> None:
    with listener(answer) as address:
        said = diagnose(Access(address, with_tls))
    assert address in said
    assert says in said
    assert "\n" not in said


async def test_the_other_port_of_a_server_is_told_as_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with running() as server:
        for words in (
            ["models", "--server", server.admin_target],
            ["status", "--server", server.target],
        ):
            assert await asyncio.to_thread(run, words) == 1
            said = capsys.readouterr().err
            assert f"{words[-1]} answers, but has no such service" in said
            assert "server.admin_listen" in said
            assert said.count("\n") == 1


def test_nobody_at_all() -> None:
    assert "there is no host 'nohost.invalid'" in diagnose(Access("nohost.invalid:1"))
    assert "no server answers at 127.0.0.1:1 (connection refused)" in diagnose(
        Access("127.0.0.1:1")
    )
    assert "no server answers at unix:/nowhere" in diagnose(Access("unix:/nowhere"))


def test_the_environment_names_the_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client_server({"SPEECH_SERVER": " a:1 "}) == "a:1"
    assert client_server({}) == ""
    monkeypatch.setenv("SPEECH_SERVER", "127.0.0.1:1")
    assert run(["models"]) == 3
    assert "no server answers at 127.0.0.1:1" in capsys.readouterr().err
    monkeypatch.setenv("SPEECH_SERVER", "http://x")
    assert run(["models"]) == 2
    assert "SPEECH_SERVER: 'http://x': leave http:// out" in capsys.readouterr().err
    assert run(["models", "--server", "127.0.0.1:2"]) == 3  # What was said wins.


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["recgnize", "x"], "Did you mean recognize?"),
        (["transalte"], "Did you mean translate?"),
        (["models", "--jsno"], "Did you mean --json?"),
        (["recognize", "x", "--output-dri=y"], "Did you mean --output-dir?"),
        (["models", "--server", "localhost"], "has no port"),
        (["models", "--request-id", "é"], "printable ASCII"),
        (["models", "--tls-cert", "x"], "--tls-cert and --tls-key go together"),
        (["models", "--tls-ca", __file__], "is no PEM file"),
        (["models", "extra"], "unknown argument 'extra'"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
