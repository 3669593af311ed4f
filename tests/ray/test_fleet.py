"""A fleet on a local cluster of three nodes: a node is killed under live streams, and load comes and goes."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from grpc import aio

from benchmarks.envoy import Envoy
from speech_client import (
    RawAudio,
    RecognitionResult,
    Reconnected,
    ReconnectPolicy,
    SpeechClient,
)
from tests.deploy.envoys import envoy
from tests.integration.harness import Talk, raw_config, recognition_stub
from tests.integration.processes import FAKE_TOML, environment
from tests.integration.sound import speech

ray = pytest.importorskip("ray", reason="ray is not installed: make test-ray installs it")

from ray.cluster_utils import Cluster  # noqa: E402
from speech_ray.endpoints import publish  # noqa: E402
from speech_ray.fleet import FLEET, NAMESPACE, Plan, Report, start_fleet, stop_all  # noqa: E402
from speech_ray.sizing import Sizing  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 180.0
STREAM_LIMIT = 8
STREAMS = 20
PATIENT = ReconnectPolicy(attempts=100, total_s=WAIT_S)
SETTINGS = (
    "server.allow_insecure=true",
    "server.admission=fixed",  # what a test asks for is not for a busy machine to refuse
    "server.drain_notice_s=0",
    "worker.mode=inline",
)


def plan(least: int, most: int, quiet_s: float = 600, stream_limit: int = STREAM_LIMIT) -> Plan:
    """A fleet of small servers, asked twice a second."""
    return Plan(
        sizing=Sizing(least, most, target_load=0.5, quiet_s=quiet_s),
        config=FAKE_TOML.format(step_ms=1),
        settings=(*SETTINGS, f"server.max_streams={stream_limit}"),
        drain_s=60,
        period_s=0.5,
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Give a cluster whose three nodes have room for one server each; the head has room for none."""
    kept = dict(os.environ)
    paths = environment()["PYTHONPATH"]
    os.environ["PYTHONPATH"] = os.pathsep.join([paths, str(ROOT / "deploy/ray")])
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(3):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, namespace=NAMESPACE, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture
def fleet(cluster: Cluster) -> Iterator[Callable[..., Any]]:
    """Give what starts a fleet; it is ended after the test."""
    del cluster
    yield lambda *sizes: start_fleet(plan(*sizes))
    stop_all()


async def reports() -> Mapping[str, Report | None]:
    """What the fleet knows of its servers."""
    with contextlib.suppress(ray.exceptions.RayError, ValueError):
        actor: Any = ray.get_actor(FLEET, namespace=NAMESPACE)
        return await asyncio.to_thread(lambda: ray.get(actor.reports.remote(), timeout=30))
    return {}


async def until_serving(count: int) -> list[tuple[str, int]]:
    """Wait until exactly so many servers serve and no other is there; gives their addresses."""
    async with asyncio.timeout(WAIT_S):
        while True:
            found = await reports()
            up = [(r.host, r.port) for r in found.values() if r is not None and r.load is not None]
            if len(up) == len(found) == count:
                return up
            await asyncio.sleep(0.2)


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Envoy]:
    """Give Envoy, kept informed as ``speech_ray endpoints --follow`` does it."""

    async def follow() -> None:
        while True:
            found = (await reports()).values()
            known = [(r.host, r.port) for r in found if r is not None and r.load is not None]
            publish(tmp_path / "endpoints.yaml", known)
            await asyncio.sleep(0.3)

    async with envoy(tmp_path, []) as running:
        following = asyncio.create_task(follow())
        yield running
        following.cancel()
        await asyncio.wait([following])


async def open_talk(stack: AsyncExitStack, target: str) -> Talk:
    """A stream over a connection of its own."""
    channel = await stack.enter_async_context(aio.insecure_channel(target))
    call = recognition_stub(channel).StreamingRecognize()
    talk = await stack.enter_async_context(Talk(call, raw_config()))
    await talk.until("session_started")
    return talk


async def test_load_makes_the_fleet_grow_and_quiet_makes_it_shrink(
    fleet: Callable[..., Any], gate: Envoy
) -> None:
    fleet(1, 3, 3.0)
    await until_serving(1)
    await gate.until_healthy(1)
    async with AsyncExitStack() as stack:
        talks = [await open_talk(stack, gate.target) for _ in range(STREAM_LIMIT // 2 + 1)]
        await until_serving(2)
        await gate.until_healthy(2)
        talks += [await open_talk(stack, gate.target) for _ in range(STREAM_LIMIT // 2)]
        await until_serving(3)
        for talk in talks:
            await talk.audio(speech(1000))
            await talk.end()
        assert len({talk.finals[0].text for talk in talks}) == 1
    await until_serving(1)
    await gate.until_healthy(1)


async def test_a_killed_node_is_replaced_and_its_streams_go_on(
    cluster: Cluster, fleet: Callable[..., Any], gate: Envoy
) -> None:
    fleet(2, 2, 600, 2 * STREAMS)
    before = await until_serving(2)
    await gate.until_healthy(2)
    async with SpeechClient.connect(gate.target, reconnect=PATIENT) as client:
        right = await heard(client, asyncio.Event(), [])
        begun, reconnected = asyncio.Event(), list[Reconnected]()
        streams = [asyncio.create_task(heard(client, begun, reconnected)) for _ in range(STREAMS)]
        await begun.wait()
        busy = {report.node for report in (await reports()).values() if report is not None}
        victim = next(node for node in cluster.worker_nodes if node.node_id in busy)
        cluster.remove_node(victim, allow_graceful=False)
        assert await asyncio.gather(*streams) == [right] * STREAMS
        assert reconnected, "nobody was on the node"
    cluster.add_node(num_cpus=1)
    async with asyncio.timeout(WAIT_S):
        while set(await until_serving(2)) == set(before):  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.2)
    await gate.until_healthy(2)


async def heard(
    client: SpeechClient, begun: asyncio.Event, reconnected: list[Reconnected]
) -> list[tuple[int, str, int]]:
    """FINALs of a live stream of ten seconds: number, text and end. Tells when the first has come."""
    finals: list[tuple[int, str, int]] = []
    async with client.stream_recognize(format=RawAudio(16_000)) as stream:

        async def send() -> None:
            sound = speech(*[1000, 1000] * 5)
            for at in range(0, len(sound), 3_200):
                await stream.send_audio(sound[at : at + 3_200])
                await asyncio.sleep(0.1)
            await stream.end_audio()

        sending = asyncio.create_task(send())
        async for event in stream:
            if isinstance(event, Reconnected):
                reconnected.append(event)
            elif isinstance(event, RecognitionResult) and event.is_final:
                finals.append((event.segment_id, event.text, event.end_ms))
                begun.set()
        await sending
    return finals
