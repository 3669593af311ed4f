"""Admission: limits, gauges, draining, and who is told."""

from typing import Any

import pytest

from speech_service.calls.admission import Admission
from speech_service.config.tree import ServerConfig
from speech_service.domain.errors import OverloadedError, UnavailableError
from tests.unit.calls.counts import Counts


class Pump:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def going_away(self, drain_ms: int) -> None:
        self.told.append(drain_ms)

    def drain(self) -> None:
        self.told.append("drain")


def make(**config: int) -> tuple[Any, Counts]:
    counts = Counts()
    return Admission(ServerConfig(**config), counts), counts  # pyright: ignore[reportArgumentType]


def test_streams_up_to_the_limit() -> None:
    admission, counts = make(max_streams=2)
    with admission.stream(Pump()):
        with (
            admission.stream(Pump()),
            pytest.raises(OverloadedError) as caught,
            admission.stream(Pump()),
        ):
            pass
        assert caught.value.metadata == {"max_streams": "2"}
        assert admission.open_streams == 1
        with admission.stream(Pump()):
            assert counts.values["speech_active_streams",] == 2
    assert admission.open_streams == counts.values["speech_active_streams",] == 0
    assert counts.values["speech_shed_total", "max_streams"] == 1


async def test_unary_calls_have_a_limit_of_their_own() -> None:
    admission, counts = make(max_streams=0, max_unary=1)
    with admission.unary(), pytest.raises(OverloadedError), admission.unary():
        pass
    assert admission.open_unary == counts.values["speech_active_unary",] == 0


async def test_a_place_is_given_back_after_an_error() -> None:
    admission, _ = make(max_streams=1, max_unary=1)
    for block in (lambda: admission.stream(Pump()), admission.unary):
        with pytest.raises(ZeroDivisionError), block():
            raise ZeroDivisionError
    assert admission.open_streams == admission.open_unary == 0


def test_open_streams_are_told_and_so_are_those_that_come_during_the_notice() -> None:
    admission, _ = make()
    early, late, gone = Pump(), Pump(), Pump()
    with admission.stream(gone):
        pass
    with admission.stream(early):
        admission.going_away(5000)
        with admission.stream(late):
            admission.drain_streams()
    assert early.told == [5000, "drain"]
    assert 4000 < late.told[0] <= 5000
    assert late.told[1:] == ["drain"]
    assert gone.told == []


async def test_closed_means_closed() -> None:
    admission, counts = make()
    admission.close()
    assert admission.draining
    for block in (lambda: admission.stream(Pump()), admission.unary):
        with pytest.raises(UnavailableError) as caught, block():
            pass
        assert caught.value.reason == "DRAINING"
    assert counts.values["speech_shed_total", "draining"] == 2
