"""``python -I -m speech_service.probe [ADDRESS [SERVICE]]``: does the server serve? For container health checks.

One ``grpc.health.v1.Health/Check`` over a plain socket. gRPC's own library takes more CPU time to import than the whole
check may cost when it runs every few seconds for ever, so the few HTTP/2 frames of one call are written here. Headers
that come back are not read: only an answer carries DATA.

ADDRESS is ``HOST:PORT`` or ``unix:PATH``, without TLS; default: the admin port of the configuration, which is plaintext
on loopback whatever TLS the public port asks for. Prints one line. Exit code 0: SERVING; 1: anything else.
"""

import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from enum import Enum

TIMEOUT_S = 3.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What an HTTP/2 client says first (RFC 9113, 3.4)."""

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
"""Frame types."""
_END_STREAM = _ACK = 1
_END_HEADERS = 4
_FRAME_HEAD_BYTES = 9
_MAX_FRAME_BYTES = 16 * 1024
_STREAM = 1


class Answer(Enum):
    """What the server says of itself; the numbers are those of ``grpc.health.v1.HealthCheckResponse``."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


class ProbeError(Exception):
    """Nobody answers, or not as a gRPC server does; the message says which."""


def check(address: str, service: str = "", timeout_s: float = TIMEOUT_S) -> Answer:
    """Ask for the health of ``service``; "" is the server as a whole.

    Args:
        address: ``host:port`` or ``unix:path``; no TLS.
        service: name such as ``speech.v1.RecognitionService``.
        timeout_s: of each wait for the network.

    Raises:
        ProbeError: nobody answers, or not as a gRPC server does.
    """
    try:
        with connect(address, timeout_s) as connection:
            connection.sendall(_request(address, service))
            return _answer(connection)
    except (OSError, ValueError) as error:
        raise ProbeError(f"{address} does not answer: {error}") from error


def connect(address: str, timeout_s: float) -> socket.socket:
    """Connect to ``host:port`` or ``unix:path``. Raises OSError, or ValueError where it is neither."""
    if address.startswith("unix:"):
        path = address.removeprefix("unix:").removeprefix("//")
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(timeout_s)
            connection.connect(path)
        except BaseException:
            connection.close()
            raise
        return connection
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise ValueError(f"{address!r} is not HOST:PORT")
    return socket.create_connection((host.strip("[]"), int(port)), timeout_s)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """An HTTP/2 frame."""
    head = struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream)
    return head + payload


def _request(address: str, service: str) -> bytes:
    headers = (
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", "localhost" if address.startswith("unix:") else address),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    )
    # HPACK literals without indexing: a zero byte, then name and value with their lengths (RFC 7541, 6.2.2).
    block = b"".join(b"\0" + _literal(name) + _literal(value) for name, value in headers)
    message = b"\x0a" + _literal(service) if service else b""  # field 1, a string
    body = b"\0" + struct.pack(">I", len(message)) + message
    return (
        PREFACE
        + frame(SETTINGS, 0, 0, b"")
        + frame(HEADERS, _END_HEADERS, _STREAM, block)
        + frame(DATA, _END_STREAM, _STREAM, body)
    )


def _literal(text: str) -> bytes:
    data = text.encode()
    if len(data) > 126:  # One byte of length, in HPACK and in protobuf.
        raise ValueError(f"{text[:20]}... is longer than 126 bytes")
    return bytes((len(data),)) + data


def _answer(connection: socket.socket) -> Answer:
    body = b""
    for kind, flags, stream, payload in _frames(connection):
        if kind in (SETTINGS, PING) and not flags & _ACK:
            connection.sendall(frame(kind, _ACK, 0, payload if kind == PING else b""))
        if kind == GOAWAY or (kind == RST_STREAM and stream == _STREAM):
            break
        if kind == DATA and stream == _STREAM:
            body += payload
        if kind in (DATA, HEADERS) and stream == _STREAM and flags & _END_STREAM:
            break
    if not body:
        raise ValueError("it does not know this service, or refuses the call")
    message = body[5:]  # after gRPC's flag and length
    if not message:
        return Answer.UNKNOWN
    if len(message) < 2 or message[0] != 0x08:  # field 1, a number
        raise ValueError("it answers, but not as a health service does")
    return Answer(message[1]) if message[1] <= len(Answer) - 1 else Answer.UNKNOWN


def _frames(connection: socket.socket) -> Iterator[tuple[int, int, int, bytes]]:
    """Frames as they come: type, flags, stream, payload."""
    while True:
        head = _exactly(connection, _FRAME_HEAD_BYTES)
        size = int.from_bytes(head[:3], "big")
        if size > _MAX_FRAME_BYTES:
            raise ValueError("it does not speak plaintext HTTP/2")
        payload = _exactly(connection, size)
        yield head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFF_FFFF, payload


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ValueError("it closed the connection")
        data += piece
    return data


def main(words: Sequence[str]) -> int:
    """Check, print one line; returns the exit code."""
    address = words[0] if words else ""
    try:
        if not address:
            # The defaults and their changes are one place's business; the module costs half of this program's time.
            from speech_service.config.environment import local_address
            from speech_service.config.load import load_config

            address = local_address(load_config().server.admin_listen)
        answer = check(address, words[1] if len(words) > 1 else "")
    except (ProbeError, ValueError) as error:  # ConfigError is a ValueError.
        print(error, file=sys.stderr)
        return 1
    print(f"{address}: {answer.name}")
    return 0 if answer is Answer.SERVING else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
