"""Services whose code is imported with the first call to them.

What a front end holds in memory before it serves is what every installation pays for, one that only recognizes too. So
a service that it may never be asked for costs a name until then; its first call takes the time of the import, some tens
of milliseconds, on the event loop.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import grpc

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
AddService = Callable[[Any], None]
"""Puts a servicer on what it takes for a server, as the generated ``add_…Servicer_to_server`` do."""


class ServedFromFirstCall(grpc.GenericRpcHandler):
    """Stands for one service until its first call, then serves it."""

    def __init__(self, name: str, add: AddService) -> None:
        """``name`` of the service in full; ``add`` imports and makes its servicer."""
        self._prefix = f"/{name}/"
        self._add = add
        self._handlers: Mapping[str, Handler] | None = None

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """The handler of a method; None where it is another service's, or there is none."""
        method = str(handler_call_details.method)
        if not method.startswith(self._prefix):
            return None
        if self._handlers is None:
            made = _Handlers()
            self._add(made)
            self._handlers = made.by_name
        return self._handlers.get(method.removeprefix(self._prefix))


class _Handlers:
    """What a generated ``add_…Servicer_to_server`` takes for a server: it keeps the handlers."""

    def __init__(self) -> None:
        self.by_name: Mapping[str, Handler] = {}

    def add_generic_rpc_handlers(self, handlers: Sequence[object]) -> None:
        """The same handlers, behind gRPC's own look-up; ours is enough."""

    def add_registered_method_handlers(self, name: str, handlers: Mapping[str, Handler]) -> None:
        """Keep the handlers of the service."""
        del name
        self.by_name = handlers
