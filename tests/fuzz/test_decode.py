"""Damaged containers: the outcome is audio or a domain error, and the pool goes on serving."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speech_service.domain.errors import InvalidOptionError
from speech_service.media.decode.limits import DecodeLimits
from speech_service.media.decode.pool import DecoderPool, decode_file
from tests.fuzz.fuzz_decode import damaged, one_input
from tests.unit.media.encode import KINDS, encoded

pytestmark = pytest.mark.fuzz
LIMITS = DecodeLimits(4 * 2**20, 32 * 2**20, max_cpu_s=5, cpu_s_per_audio_s=0.0)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def pool(runner: asyncio.Runner) -> Iterator[DecoderPool]:
    async def make() -> DecoderPool:
        return DecoderPool()

    pool = runner.run(make())
    yield pool
    runner.run(pool.close())


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=damaged())
def test_damaged_containers(runner: asyncio.Runner, pool: DecoderPool, data: bytes) -> None:
    async def one() -> None:
        failure: InvalidOptionError | None = None
        try:
            block = await asyncio.wait_for(decode_file(pool, data, LIMITS), 100)
            assert len(block.samples)
        except InvalidOptionError as error:
            failure = error
        assert failure is None or (failure.option == "audio" and "/" not in failure.message)

    zygote = pool.zygote_pid
    runner.run(one())
    assert zygote in (None, pool.zygote_pid)


def test_the_pool_survived(runner: asyncio.Runner, pool: DecoderPool) -> None:
    for kind in KINDS:
        rate, samples = runner.run(decode_file(pool, encoded(kind, 0.7)))
        assert len(samples) >= 0.65 * rate


@given(st.binary(max_size=300) | damaged())
def test_parsers(data: bytes) -> None:
    one_input(data)
