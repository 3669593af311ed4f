"""Who listens on the ports that a server started here would take."""

from dataclasses import dataclass

from speech_service.cli.finding import Check, Verdict
from speech_service.cli.server_address import Protocol, protocol_at
from speech_service.config.environment import local_address
from speech_service.config.tree import ServerConfig
from speech_service.listening import Holder, holder, why_not

_CHOOSE = "choose an address of this machine, as server.{}"
_SECOND = "stop it, or give this one ports of its own: serve --port N"


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the configuration. ``holder`` is None while it is free."""

    name: str
    address: str
    expected: tuple[Protocol, ...]
    holder: Holder | None = None
    spoken: Protocol = Protocol.NOBODY


def check(server: ServerConfig) -> list[Check]:
    """Check each port.

    All free is as good as all held by one server of ours: it may not be started yet. A port that something else
    holds, or another server of ours, would keep a server from starting.
    """
    ports = [
        Port("port, service", server.listen, (Protocol.HTTP2, Protocol.TLS)),
        Port("port, admin", server.admin_listen, (Protocol.HTTP2,)),
        Port("port, metrics", server.metrics_listen, (Protocol.HTTP1,)),
    ]
    looked_at: list[Port] = []
    checks: list[Check] = []
    for port in ports:
        if not port.address:
            continue
        try:
            looked_at.append(look_at(port))
        except (OSError, ValueError) as error:
            found = f"{port.address}: {error}"
            fix = _CHOOSE.format(_key(port))
            checks.append(Check(port.name, Verdict.FAIL, found, fix))
    free = sum(port.holder is None for port in looked_at)
    pids = {port.holder.pid for port in looked_at if port.holder is not None}
    alone = free == 0 and len(pids) == 1
    return [_judged(port, alone) for port in looked_at] + checks


def look_at(port: Port) -> Port:
    """Give the port with who holds it. Raises OSError or ValueError where it is no address of this machine."""
    try:
        spoken = protocol_at(local_address(port.address))
    except (ConnectionRefusedError, FileNotFoundError):
        return port
    number = port.address.rpartition(":")[2]
    found = Holder(0, "") if port.address.startswith("unix:") else holder(int(number))
    return Port(port.name, port.address, port.expected, found, spoken)


def _judged(port: Port, one_server: bool) -> Check:
    if port.holder is None:
        if why := why_not(port.address):  # Nobody listens, and no server could.
            return Check(
                port.name, Verdict.FAIL, f"{port.address}: {why}", _CHOOSE.format(_key(port))
            )
        return Check(port.name, Verdict.OK, f"{port.address} is free")
    found = f"{port.address} is in use by {port.holder}"
    if port.spoken not in port.expected:
        return Check(port.name, Verdict.FAIL, f"{found}, and not what belongs there", _SECOND)
    if not one_server:
        found += ", which does not hold all ports of this configuration"
        return Check(port.name, Verdict.WARN, found, _SECOND)
    return Check(port.name, Verdict.OK, found)


def _key(port: Port) -> str:
    kind = port.name.rpartition(" ")[2]
    return "listen" if kind == "service" else f"{kind}_listen"
