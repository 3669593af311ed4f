"""The acted memory refuses and counts what a GPU would (``tests/fake_memory.py``)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from speech_service.engines.runtimes.torch import Cuda, staged
from tests.fake_cuda import CaptureError, FakeCuda
from tests.fake_memory import WHERE, FakeMemory, OnDevice


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMemory]:
    """Give a device with memory of its own."""
    with FakeMemory(FakeCuda().install(monkeypatch)).install(monkeypatch) as acted:
        yield acted


def test_what_is_computed_from_tensors_of_the_device_is_there(memory: FakeMemory) -> None:
    there = torch.zeros(2, 3, device="cuda")
    for made in (
        there + 1,
        there[0],
        there.T.float(),
        torch.cat([there, there]),
        there.split(1)[1],
    ):
        assert isinstance(made, OnDevice)
        assert made.device == WHERE
        assert made.is_cuda
    layer = nn.Linear(3, 2).to(WHERE, torch.bfloat16)
    assert layer(there.bfloat16()).device == WHERE
    with torch.device("cuda"):
        assert torch.arange(3).device == WHERE
    assert torch.zeros(2).device == torch.device("cpu")
    assert not memory.waits - {"not pinned": 9}.keys()


WAITS: dict[str, Callable[[Tensor], Any]] = {
    "item": lambda there: there.sum().item(),
    "tolist": lambda there: there.tolist(),
    "branch": lambda there: 1 if there.sum() > 0 else 0,
    "to the host": lambda there: there.cpu(),
    "to": lambda there: there.to("cpu"),
    "mask": lambda there: there[there > 0],
    "nonzero": lambda there: there.nonzero(),
    "from a list": lambda there: torch.tensor([1.0], device=there.device),
    "not pinned": lambda there: torch.ones(2).to(there.device, non_blocking=True),
    "pinned, but blocking": lambda there: torch.ones(2).pin_memory().to(there.device),
    "index of the host's": lambda there: there[torch.tensor([1])],
    "value of the host's": lambda there: there.copy_(torch.ones(2)),
    "counts on the device": lambda there: there.repeat_interleave(there.long()),
}


@pytest.mark.parametrize("what", WAITS)
def test_what_waits_is_counted(memory: FakeMemory, what: str) -> None:
    there = torch.ones(2, device="cuda")
    memory.reset()
    WAITS[what](there)
    assert sum(memory.waits.values()) == 1


@pytest.mark.parametrize("what", WAITS)
def test_what_waits_is_refused_in_a_capture(memory: FakeMemory, what: str) -> None:
    graphs = Cuda(WHERE).graphs()

    def body(x: Tensor) -> Tensor:
        WAITS[what](x)
        return x

    with pytest.raises(CaptureError):
        graphs(body, [torch.ones(2, device="cuda")])


def test_what_is_the_hosts_alone_is_not_counted(memory: FakeMemory) -> None:
    here = torch.arange(4)
    assert here.tolist() == [0, 1, 2, 3]
    assert bool(here[here > 1].sum() > 0)
    assert not memory.waits
    assert not memory.copies


def test_tensors_of_two_devices_are_refused(memory: FakeMemory) -> None:
    there = torch.ones(2, device="cuda")
    for call in (lambda: there + torch.ones(2), lambda: torch.cat([there, torch.ones(2)])):
        with pytest.raises(CaptureError, match="tensors of the device and of the host"):
            call()
    assert (there * torch.tensor(2.0)).device == WHERE, "one number is a kernel's argument"


def test_staging_waits_for_nothing_and_is_one_copy(memory: FakeMemory) -> None:
    first, second = staged(Cuda(WHERE), [1, 2], [3])
    assert not memory.waits
    assert memory.copies == {"to device": 1}
    assert first.device == second.device == WHERE
    assert (first.tolist(), second.tolist()) == ([1, 2], [3])


def test_what_is_fetched_is_there_when_somebody_has_waited(memory: FakeMemory) -> None:
    device = Cuda(WHERE)
    there = torch.ones(2, device="cuda")
    coming, later = device.fetch(there), device.fetch(there * 2)
    there.zero_()  # behind the copy
    assert not memory.waits
    unread = there.to("cpu", non_blocking=True)
    assert unread.isnan().all(), "nobody has waited"
    assert later.here().tolist() == [2, 2]
    assert coming.here().tolist() == [1, 1]
    assert memory.waits == {"event": 1}, "behind the later copy both are there"
