"""File descriptors: how many this process may have, and how many connections that leaves.

Connections are what others decide about. There may be as many as leave the worker, the codec processes and the
process itself what they need, so that no number of idle connections keeps a dead worker from being replaced.
"""

import asyncio
import errno
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from speech_service.config.tree import ConfigError, ServerConfig

logger = logging.getLogger(__name__)

OWN = 64
"""Listeners, pollers and pipes of this process, voices and models that it reads, a page of metrics and its readers."""
WORKER = 16
"""Socket, record and pipes of a worker, while one ends and the next one starts."""
FEWEST_CONNECTIONS = 4
GENEROUS = 65_536
"""The limit is raised so far where the system allows it."""
CONNECTIONS_PER_CALL = 4
"""Per admitted call, where the configuration does not say: so many may wait, or be refused with a reason."""
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LOG_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Room:
    """What there is. ``needed``: for every call that may be admitted to come over a connection of its own."""

    limit: int
    needed: int
    connections: int

    @property
    def is_enough(self) -> bool:
        """Whether ``max_streams`` and ``max_unary`` can be kept."""
        return self.limit >= self.needed


def make_room(server: ServerConfig, max_codec_jobs: int, workers: int = 1) -> Room:
    """Raise the limit of this process as far as is of use, and share out what there is.

    Raises:
        ConfigError: the limit is too low to serve anybody.
    """
    calls = server.max_streams + server.max_unary
    wanted = server.max_connections or max(256, CONNECTIONS_PER_CALL * calls)
    kept = OWN + workers * WORKER + max_codec_jobs
    limit = _raise_limit(kept + wanted)
    room = share(limit, wanted, calls, max_codec_jobs, workers)
    if room.connections < FEWEST_CONNECTIONS:
        raise ConfigError(
            f"the limit of open files (ulimit -n) is {limit}, too low to serve anybody; "
            f"{room.needed} are needed for server.max_streams = {server.max_streams}"
        )
    if not room.is_enough:
        logger.warning(
            "the limit of open files (ulimit -n) is %d, so that at most %d connections are accepted; "
            "server.max_streams = %d and server.max_unary = %d need %d where each call comes over its own. "
            "Raise the limit, or lower them",
            *(limit, room.connections, server.max_streams, server.max_unary, room.needed),
        )
    return room


def share(limit: int, wanted: int, calls: int, max_codec_jobs: int, workers: int = 1) -> Room:
    """How many connections a limit leaves. Of a low one they get half: a codec job that finds no descriptor is
    refused, and may come again.
    """
    own = OWN + workers * WORKER
    needed = own + max_codec_jobs + calls
    left = limit - own
    if (
        left < 4 * FEWEST_CONNECTIONS
    ):  # so low that the process itself needs less than is kept for it
        left = limit // 2
    connections = min(wanted, max(left // 2, left - max_codec_jobs))
    return Room(limit, needed, connections)


def _raise_limit(wanted: int) -> int:
    """The limit that holds now. Raised, as any process may, no further than the hard one."""
    try:
        import resource
    except ImportError:  # no such limits on this system
        return GENEROUS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    infinite = resource.RLIM_INFINITY
    if soft == infinite:
        return GENEROUS
    target = max(soft, wanted, GENEROUS)
    target = target if hard == infinite else min(target, hard)
    if target > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        except (OSError, ValueError):
            return soft
    return max(soft, target)


@dataclass(slots=True)
class ShortageLog:
    """An event loop's exception handler: what the system lacks is one line a second, not a stack trace per try."""

    left_out: int = 0
    _logged_s: float = field(default=float("-inf"))

    def __call__(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """Handle what no task handles."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _SHORTAGES:
            loop.default_exception_handler(dict(context))
            return
        now_s = time.monotonic()
        if now_s - self._logged_s < _LOG_EVERY_S:
            self.left_out += 1
            return
        logger.warning("no connection can be accepted: %s (%d more)", error.strerror, self.left_out)
        self._logged_s, self.left_out = now_s, 0
