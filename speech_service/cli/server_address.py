"""The address of the server: what ``--server`` takes, and why nobody answered there.

gRPC says UNAVAILABLE for every way in which a connection can fail. So when it does, the address is looked at once more,
with plain sockets: does the name exist, does somebody listen, does it speak TLS, HTTP/2, HTTP/1?
"""

import contextlib
import re
import socket
import ssl
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from speech_service.probe import PREFACE, SETTINGS, connect, frame

DEFAULT = "localhost:50051"
SERVICE_PORT = "server.listen, by default port 50051"
ADMIN_PORT = "server.admin_listen, by default port 50052"
_TIMEOUT_S = 2.0
_HIGHEST_PORT = 65_535
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_GRPC_NAMES = ("dns:", "ipv4:", "ipv6:", "unix-abstract:", "xds:", "vsock:")
_FRAME_HEAD_BYTES = 9
_TLS_ALERT, _TLS_HANDSHAKE = 0x15, 0x16


def parse(text: str) -> str:
    """Give the address as gRPC takes it.

    Args:
        text: ``HOST:PORT``, ``[IPV6]:PORT``, ``unix:PATH``, or a gRPC name such as ``dns:///host:port``.

    Raises:
        ValueError: it is none of them; the message says what is wrong and how it is written.
    """
    given = text.strip()
    if given.startswith("unix:") and given not in ("unix:", "unix://"):
        return given
    if given.startswith(_GRPC_NAMES):
        return given
    if scheme := _SCHEME.match(given):
        rest = given[scheme.end() :].rstrip("/")
        tls = " --tls" if scheme[1].lower() in ("https", "grpcs") else ""
        raise ValueError(
            f"{text!r}: leave {scheme[0]} out, it is HOST:PORT: --server {rest or DEFAULT}{tls}"
        )
    host, colon, port = given.rpartition(":")
    if not colon or (given.startswith("[") and given.endswith("]")):
        raise ValueError(f"{text!r} has no port: write {given or 'localhost'}:50051")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"{text!r}: an IPv6 address is written in brackets: [{host}]:{port}")
    if not (port.isascii() and port.isdecimal()) or not 0 < int(port) <= _HIGHEST_PORT:
        raise ValueError(f"{text!r}: {port!r} is not a port, 1 to {_HIGHEST_PORT}")
    if not host or any(sign in host for sign in "/ @?#"):
        raise ValueError(f"{text!r}: {host!r} is not a host; write HOST:PORT, such as {DEFAULT}")
    return given


@dataclass(frozen=True, slots=True)
class Access:
    """How a client reached for the server.

    Attributes:
        server: the address.
        tls: whether it spoke TLS.
        ca_file: the authorities that it trusted; None: the system's.
        has_certificate: whether it had a certificate of its own.
        admin: whether it called what the admin port has, rather than the service.
    """

    server: str
    tls: bool = False
    ca_file: Path | None = None
    has_certificate: bool = False
    admin: bool = False


class Protocol(Enum):
    """What something that listens speaks."""

    NOBODY = auto()
    HTTP2 = auto()
    HTTP1 = auto()
    TLS = auto()
    OTHER = auto()


def diagnose(access: Access) -> str:
    """Why nobody answered, and what to do, in one or two sentences."""
    server = access.server
    if server.startswith(_GRPC_NAMES):
        return f"no server answers at {server}"
    try:
        spoken = protocol_at(server)
    except socket.gaierror:
        host = server.rpartition(":")[0]
        return f"there is no host {host!r}. Name the server with --server HOST:PORT"
    except TimeoutError:
        return f"{server} does not answer in time. Is the address right, and no firewall between?"
    except OSError as error:
        return (
            f"no server answers at {server} ({(error.strerror or str(error)).lower()}). "
            "Start one with `speech-service serve`, or name another with --server HOST:PORT"
        )
    match spoken, access.tls:
        case Protocol.HTTP1, _:
            return (
                f"{server} speaks HTTP/1, not gRPC. Is it the port of metrics or of a web site? "
                f"The service listens on {SERVICE_PORT}"
            )
        case Protocol.HTTP2, True:
            return f"{server} speaks without TLS. Leave --tls, --tls-ca and --tls-cert out"
        case Protocol.HTTP2, False:
            return f"{server} closed the connection. Try again; the log of `serve` may say why"
        case Protocol.TLS, False:
            return f"{server} speaks TLS. Add --tls, or --tls-ca PEM for an authority of your own"
        case Protocol.TLS, True:
            return f"{server}: {_certificate_problem(access)}"
        case _:
            return f"{server} is no gRPC server: what listens there speaks something else"


def other_port(access: Access) -> str:
    """Say what is likely where a gRPC server answers that it has no such method: ports were taken for each other."""
    if access.admin:
        return (
            f"{access.server} has no admin service. Is it the port of the service? This command calls the admin port: "
            f"{ADMIN_PORT}"
        )
    return (
        f"{access.server} does not have what this command calls. Is it the admin port, or a server of another kind? "
        f"The service listens on {SERVICE_PORT}"
    )


def protocol_at(server: str) -> Protocol:
    """Give what is spoken at an address. Raises OSError where nobody listens."""
    said = _reply_to(server, PREFACE + frame(SETTINGS, 0, 0, b""))
    if len(said) >= _FRAME_HEAD_BYTES and said[3] == SETTINGS and said[5:9] == bytes(4):
        return Protocol.HTTP2
    if said.startswith(b"HTTP/1."):
        return Protocol.HTTP1
    # A server of TLS may answer with an alert, or only hang up.
    if said[:1] == bytes((_TLS_ALERT,)) or _speaks_tls(server):
        return Protocol.TLS
    if _reply_to(server, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1."):
        return Protocol.HTTP1
    return Protocol.OTHER


def _reply_to(server: str, greeting: bytes) -> bytes:
    """Give the first bytes that come back; none where it hangs up or stays silent."""
    with connect(server, _TIMEOUT_S) as connection:
        said = b""
        with contextlib.suppress(OSError):
            connection.sendall(greeting)
            while len(said) < _FRAME_HEAD_BYTES and (piece := connection.recv(4096)):
                said += piece
        return said


def _speaks_tls(server: str) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # Nothing is sent: the question is whether TLS is spoken.
    context.set_alpn_protocols(["h2"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = context.wrap_bio(incoming, outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    return _reply_to(server, outgoing.read())[:1] in (
        bytes((_TLS_HANDSHAKE,)),
        bytes((_TLS_ALERT,)),
    )


def _certificate_problem(access: Access) -> str:
    host = access.server.rpartition(":")[0].strip("[]") or "localhost"
    try:
        context = ssl.create_default_context(cafile=access.ca_file)
        context.set_alpn_protocols(["h2"])
        with (
            connect(access.server, _TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            connection.recv(1)  # A server that wants a certificate of ours refuses here.
    except ssl.SSLCertVerificationError as error:
        return (
            f"its certificate is not trusted: {error.verify_message.rstrip('.')}. "
            "Name its authority with --tls-ca PEM, and call it by a name in the certificate"
        )
    except ssl.SSLError as error:
        if not access.has_certificate and "CERTIFICATE_REQUIRED" in (error.reason or ""):
            return "it asks for a certificate of the client: --tls-cert PEM --tls-key PEM"
        return f"TLS could not be agreed on ({error.reason or error})"
    except OSError:
        pass
    if not access.has_certificate:
        return "it closed the connection. It may ask for a certificate of the client: --tls-cert PEM --tls-key PEM"
    return "it closed the connection. Does it accept the certificate of --tls-cert?"
