"""Why an address cannot be listened on, and who listens there already.

gRPC only says that it could not bind. So when it could not, the address is tried once more, with a plain socket.
"""

import errno
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"
"""State of a socket in ``/proc/net/tcp``."""
_UNIX = "unix:"
_FIRST_FREE_PORT = 1024

OWN_PORTS = (
    "a second server needs three ports of its own: `serve --port N`, or server.listen, server.admin_listen and "
    "server.metrics_listen"
)


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens on a port; ``pid`` is 0 where it belongs to somebody else and cannot be told."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})" if self.pid else "a process of another user"


def why_not(address: str) -> str:
    """Say why ``host:port`` or ``unix:path`` cannot be listened on, and what to do; "" where it can be now."""
    try:
        if address.startswith(_UNIX):
            return _why_not_unix(unix_path(address))
        return _why_not_tcp(address)
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)


def unix_path(address: str) -> str:
    """The file of ``unix:path`` or ``unix:///path``."""
    path = address.removeprefix(_UNIX)
    return path.removeprefix("//") if path.startswith("///") else path


def holder(port: int) -> Holder:
    """Who listens on a TCP port of this machine, as far as this user may see it."""
    inodes = {
        f"socket:[{fields[9]}]"
        for table in ("tcp", "tcp6")
        for line in _lines(_PROC / "net" / table)
        if len(fields := line.split()) > 9
        and fields[3] == _LISTENING
        and int(fields[1].rpartition(":")[2], 16) == port
    }
    for process in _PROC.glob("[0-9]*"):
        try:
            if any(str(each.readlink()) in inodes for each in (process / "fd").iterdir()):
                return Holder(int(process.name), (process / "comm").read_text().strip())
        except OSError:  # It ended, or belongs to another user.
            continue
    return Holder(0, "")


def _why_not_tcp(address: str) -> str:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(
            host or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror:
        return f"there is no host {host!r}; name an address of this machine"
    for family, kind, protocol, _, place in found:
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                tried.bind(place)
                tried.listen(1)
            except OSError as error:
                return _told(error, str(place[0]), int(port))
    return ""


def _told(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use by {holder(port)}; stop it, or choose another: {OWN_PORTS}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine; 127.0.0.1 is, 0.0.0.0 stands for all that it has"
    if error.errno in (errno.EACCES, errno.EPERM) and port < _FIRST_FREE_PORT:
        return f"this user may not listen on ports below {_FIRST_FREE_PORT}; choose a higher one"
    return error.strerror or str(error)


def _why_not_unix(path: str) -> str:
    file = Path(path)
    if not file.parent.is_dir():
        return f"the folder {file.parent} does not exist; make it, or choose another path"
    if file.exists() and not stat.S_ISSOCK(file.stat().st_mode):
        return "there is something else of that name, which is no socket; choose another path"
    if not os.access(file.parent, os.W_OK | os.X_OK):
        return f"this user may make no files in {file.parent}; choose another path"
    with socket.socket(socket.AF_UNIX) as tried:
        try:
            tried.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return ""
        return f"another server listens there; stop it, or choose another: {OWN_PORTS}"


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()[1:]
    except OSError:  # A system without /proc.
        return []
