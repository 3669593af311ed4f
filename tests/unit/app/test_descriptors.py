"""What a limit of open files leaves for connections, and what of its shortage is logged."""

import asyncio
import errno
import logging
import resource

import pytest

from speech_service.app import descriptors
from speech_service.app.descriptors import OWN, WORKER, ShortageLog, make_room, share
from speech_service.config.tree import ConfigError, ServerConfig


@pytest.mark.parametrize("limit", [64, 100, 256, 512, 1024, 4096, 65_536])
def test_connections_leave_what_the_worker_and_the_codecs_need(limit: int) -> None:
    room = share(limit, wanted=2304, calls=576, max_codec_jobs=132)
    assert 4 <= room.connections <= 2304
    if limit >= 256:
        assert room.connections + OWN + WORKER <= limit
    if room.is_enough:
        assert room.connections >= 576
        assert room.connections + OWN + WORKER + 132 <= limit


def test_a_limit_below_what_was_promised_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(descriptors, "_raise_limit", lambda wanted: 256)
    room = make_room(ServerConfig(max_streams=500), 132)
    assert not room.is_enough
    (record,) = caplog.records
    assert "ulimit -n" in record.getMessage()
    assert str(room.needed) in record.getMessage()
    assert "max_streams = 500" in record.getMessage()
    monkeypatch.setattr(descriptors, "_raise_limit", lambda wanted: 65_536)
    caplog.clear()
    assert make_room(ServerConfig(max_connections=7), 132).connections == 7
    assert not caplog.records


def test_each_worker_has_descriptors_of_its_own() -> None:
    one, four = (share(1024, 2304, calls=576, max_codec_jobs=132, workers=n) for n in (1, 4))
    assert four.needed == one.needed + 3 * WORKER
    assert four.connections == one.connections - 3 * WORKER


def test_a_limit_that_serves_nobody_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "_raise_limit", lambda wanted: 6)
    with pytest.raises(ConfigError, match="ulimit -n"):
        make_room(ServerConfig(), 132)


def test_the_soft_limit_is_raised_as_far_as_the_hard_one() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(600, before[1]), before[1]))
        make_room(ServerConfig(), 132)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert hard == before[1]
        assert soft == min(hard, 65_536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_shortage_is_one_line_a_second_and_no_stack_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop, handler = asyncio.get_running_loop(), ShortageLog()
    for _ in range(1000):
        handler(loop, {"message": "x", "exception": OSError(errno.EMFILE, "Too many open files")})
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert not record.exc_info
    assert handler.left_out == 999
    handler(loop, {"message": "a bug", "exception": ValueError("x")})
    assert caplog.records[-1].levelno == logging.ERROR
