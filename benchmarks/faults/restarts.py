"""Front ends restarted in turn, as a rollout does it, behind Envoy and under live streams of ``speech_client``.

As ``front_ends``, but that each server is asked to end: it says ``going_away``, clients go on at the other one, and it
comes back at the same address. Envoy is that of ``deploy/envoy``; ``make check-deploy`` installs it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import envoy
from benchmarks.faults import front_ends
from benchmarks.faults.front_ends import Ending, FrontEnd
from benchmarks.faults.options import Options, Result

NAME = "rolling restarts behind Envoy under live streams"
plot = front_ends.plot


@asynccontextmanager
async def _behind_envoy(ends: Sequence[FrontEnd]) -> AsyncIterator[str]:
    with TemporaryDirectory() as folder:
        async with envoy.started(Path(folder), [end.port for end in ends]) as gate:
            await gate.until_healthy(len(ends))
            yield gate.target


RESTARTED = Ending(
    what="restarts",
    told="SIGTERM and a new start",
    count=50,
    quick=2,
    end=FrontEnd.stop,
    before=_behind_envoy,
    overrides=("server.drain_notice_s=4",),  # Envoy asks for health once a second
)


async def run(options: Options) -> Result:
    """Two servers behind one Envoy, and one tally, for each repeat."""
    return await front_ends.measure(options, RESTARTED)
