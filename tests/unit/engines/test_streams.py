"""What an acted device finds where streams are not ordered, and that a lane's device orders them."""

import gc
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from speech_service.engines.runtimes import torch as devices
from speech_service.engines.runtimes.torch import Cuda
from tests.fake_cuda import FakeCuda
from tests.fake_streams import RaceError, StreamOrder

HERE = torch.device("cpu")


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> Iterator[StreamOrder]:
    """Watch this thread."""
    monkeypatch.setattr(devices, "_STREAMS", devices._Streams())
    with StreamOrder(FakeCuda().install(monkeypatch)) as watching:
        yield watching
    gc.collect()


def test_reading_what_another_stream_writes_is_found(order: StreamOrder) -> None:
    one, other = Cuda(HERE), Cuda(HERE)
    with one.stream():
        made = torch.ones(3) * 2
    with other.stream(), pytest.raises(RaceError, match="may still write"):
        made.sum()


def test_writing_what_another_stream_reads_is_found(order: StreamOrder) -> None:
    one, other = Cuda(HERE), Cuda(HERE)
    with one.stream():
        made = torch.ones(3) * 2
    with one.stream():
        other.adopt(made)
    with other.stream():
        made.sum()
    with one.stream(), pytest.raises(RaceError, match="may still read"):
        made.zero_()


def test_memory_that_is_let_go_of_too_early_is_found(order: StreamOrder) -> None:
    one, other = Cuda(HERE), Cuda(HERE)

    def lend(hand: Callable[[Tensor], object]) -> None:
        with one.stream():
            made = torch.ones(3) * 2
            hand(made)
        with other.stream():
            made.sum()

    lend(other.adopt)
    order.look_for_lost()

    def waits_only(tensor: Tensor) -> None:
        other._stream.wait_stream(torch.cuda.current_stream())

    lend(waits_only)
    with pytest.raises(RaceError, match="let go of"):
        order.look_for_lost()


def test_what_the_host_has_waited_for_is_done(order: StreamOrder) -> None:
    one, other = Cuda(HERE), Cuda(HERE)
    with one.stream():
        made = torch.ones(3) * 2
        coming = one.fetch(made)
    assert not coming.is_here
    assert coming.here().tolist() == [2, 2, 2]
    assert coming.is_here
    with other.stream():
        made.sum()
    other.synchronize()
    with one.stream():
        made.zero_()
    with other.stream(), pytest.raises(RaceError, match="may still write"):
        made.sum()  # the event stood before that
    one.synchronize()
    with other.stream():
        made.sum()


def test_work_beside_a_lanes_has_a_stream_that_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(devices, "_STREAMS", devices._Streams())
    cuda = FakeCuda().install(monkeypatch)
    priorities: list[int] = []
    new = torch.cuda.Stream

    def noted(where: torch.device, priority: int = 0) -> object:
        priorities.append(priority)
        return new(where, priority=priority)

    monkeypatch.setattr(torch.cuda, "Stream", noted)
    lane = Cuda(HERE)
    beside = lane.beside()
    with lane.stream():
        own = cuda.current
        with beside.stream():
            assert cuda.current not in (own, 0)
    assert priorities == [-1, 0]
