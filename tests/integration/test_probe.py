"""The health probe against servers that are right, and wrong in every way."""

import asyncio
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service import probe
from speech_service.probe import DATA, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, Answer, frame
from tests.integration.scripted_server import serve

SETTINGS_FRAME = frame(SETTINGS, 0, 0, b"")
END = 1


@contextmanager
def server(says: bytes) -> Iterator[str]:
    """Says the same to everybody, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with (
                connection,
                suppress(OSError),
            ):  # The probe hangs up first where it has heard enough.
                connection.sendall(says)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join(5)


def reply(message: bytes) -> bytes:
    body = b"\0" + len(message).to_bytes(4, "big") + message
    return frame(HEADERS, 4, 1, b"\x88") + frame(DATA, 0, 1, body) + frame(HEADERS, 5, 1, b"")


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"\x08\x01", Answer.SERVING),
        (b"\x08\x02", Answer.NOT_SERVING),
        (b"\x08\x03", Answer.SERVICE_UNKNOWN),
        (b"\x08\x09", Answer.UNKNOWN),
        (b"", Answer.UNKNOWN),
    ],
)
def test_answers(message: bytes, answer: Answer) -> None:
    ping = frame(PING, 0, 0, b"12345678")
    with server(SETTINGS_FRAME + ping + reply(message)) as address:
        assert probe.check(address) is answer


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        SETTINGS_FRAME,
        SETTINGS_FRAME + frame(GOAWAY, 0, 0, bytes(8)),
        SETTINGS_FRAME + frame(RST_STREAM, 0, 1, bytes(4)),
        SETTINGS_FRAME + frame(HEADERS, 5, 1, b"\x88"),
        SETTINGS_FRAME + reply(b"\x10\x01"),
        SETTINGS_FRAME[:5],
    ],
)
def test_what_is_no_answer_is_an_error(said: bytes) -> None:
    with server(said) as address, pytest.raises(probe.ProbeError, match=address):
        probe.check(address)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_an_answer_or_an_error(said: bytes) -> None:
    with server(said) as address, suppress(probe.ProbeError):
        assert probe.check(address) is not Answer.SERVING or b"\x08\x01" in said


@pytest.mark.parametrize("address", ["", "x", "127.0.0.1:1", "unix:/nowhere", "nohost.invalid:1"])
def test_nobody_answers(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(probe.ProbeError):
        probe.check(address)
    if address:
        assert probe.main([address]) == 1
        assert capsys.readouterr().err.count("\n") == 1


async def test_a_real_server_is_asked_and_it_costs_little() -> None:
    async with serve() as scripted:
        begin_s = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "speech_service.probe", scripted.target),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        end_s = resource.getrusage(resource.RUSAGE_CHILDREN)
        whole = await asyncio.to_thread(probe.check, scripted.target)
        service = await asyncio.to_thread(
            probe.check, scripted.target, "speech.v1.RecognitionService"
        )
        with pytest.raises(probe.ProbeError, match="does not know this service"):
            await asyncio.to_thread(probe.check, scripted.target, "speech.v1.Nothing")
    assert (process.returncode, out.decode()) == (0, f"{scripted.target}: SERVING\n")
    assert (whole, service) == (Answer.SERVING, Answer.NOT_SERVING)
    cpu_s = end_s.ru_utime + end_s.ru_stime - begin_s.ru_utime - begin_s.ru_stime
    assert cpu_s < 0.25  # 0.04 on an idle machine; importing gRPC alone takes three times that.


def test_the_probe_imports_nothing_heavy() -> None:
    code = (
        "import sys, speech_service.probe, speech_service.config.tree;"
        "print({'grpc', 'rich', 'numpy', 'google', 'asyncio', 'ssl'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


async def test_without_an_address_the_configured_admin_port_is_asked() -> None:
    async with serve() as scripted:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "speech_service.probe"),
            stdout=asyncio.subprocess.PIPE,
            env={"SPEECH_SERVER__ADMIN_LISTEN": scripted.target},
        )
        out, _ = await process.communicate()
    assert (process.returncode, out.decode()) == (0, f"{scripted.target}: SERVING\n")
