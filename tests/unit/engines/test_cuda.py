"""Streams, graphs and errors of a CUDA device, on one that is acted (``tests/fake_cuda.py``)."""

import gc
import threading
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from speech_service.config.tree import ConfigError
from speech_service.domain.errors import DeviceLostError
from speech_service.engines.runtimes import torch as devices
from speech_service.engines.runtimes.torch import (
    Body,
    Cuda,
    Graphs,
    open_device,
    raise_if_lost,
    watching_device,
)
from tests.fake_cuda import RING, CaptureError, FakeCuda

HERE = torch.device("cpu")
"""Where the acted device keeps its tensors."""


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCuda]:
    """Give a device that nobody has used."""
    monkeypatch.setattr(devices, "_STREAMS", devices._Streams())
    yield FakeCuda().install(monkeypatch)
    gc.collect()  # what is left of it goes before torch's own comes back


def double(x: Tensor) -> Tensor:
    """Fit for a graph."""
    return x * 2


def test_a_graph_runs_on_new_arguments_and_no_python(cuda: FakeCuda) -> None:
    calls: list[int] = []

    def body(x: Tensor) -> Tensor:
        calls.append(1)
        return (x * 2).sum(dim=0)

    replay = Graphs(Cuda(HERE))(body, [torch.zeros(3, 2)])
    before = len(calls)
    first = replay(torch.ones(3, 2))
    assert replay(torch.full((3, 2), 2.0)).tolist() == [12, 12]
    assert first.tolist() == [6, 6], "the caller's own"
    assert len(calls) == before


@pytest.mark.parametrize(
    "body",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x[x > 0].sum(dim=0),
        lambda x: x + torch.tensor([1.0, 2.0]),
        lambda x: x * x.max().item(),
    ],
    ids=["branch", "mask", "from the host", "item"],
)
def test_what_a_gpu_cannot_capture_is_refused(cuda: FakeCuda, body: Body) -> None:
    with pytest.raises(CaptureError):
        Graphs(Cuda(HERE))(body, [torch.ones(2)])


def test_what_a_capture_made_is_no_other_graphs(cuda: FakeCuda) -> None:
    graphs, kept = Graphs(Cuda(HERE)), list[Tensor]()

    def maker(x: Tensor) -> Tensor:
        kept[:] = [x * 3]  # made anew in the capture, too: its memory is the pool's
        return kept[0] + 1

    graphs(maker, [torch.ones(2)])
    use = graphs(lambda x: x + kept[0], [torch.ones(2)])
    assert use(torch.ones(2)).isnan().all()


def test_what_a_capture_changed_is_as_it_was(cuda: FakeCuda) -> None:
    count = torch.zeros(1)
    replay = Graphs(Cuda(HERE))(lambda x: x + count.add_(1), [torch.zeros(1)])
    warmed_up = int(count)
    assert replay(torch.zeros(1)).item() == warmed_up + 1


def test_a_device_captures_and_replays_on_the_stream_that_it_works_on(cuda: FakeCuda) -> None:
    device = Cuda(HERE)
    with device.stream():
        own = torch.cuda.current_stream().cuda_stream
    replay = Graphs(device)(double, [torch.ones(2)])
    replay(torch.ones(2))  # whatever stream the caller is on
    assert cuda.streams("capture") == cuda.streams("replay") == {own}
    assert own != 0


def test_no_two_devices_that_live_share_a_stream_and_a_dead_ones_is_used_again(
    cuda: FakeCuda,
) -> None:
    def own(device: Cuda) -> int:
        with device.stream():
            return torch.cuda.current_stream().cuda_stream

    living = [Cuda(HERE) for _ in range(RING)]
    assert len({own(device) for device in living}) == RING
    with pytest.raises(ConfigError, match=f"runs {RING} models"):
        own(Cuda(HERE))
    gone = own(living.pop())
    assert own(Cuda(HERE)) == gone
    for _ in range(3 * RING):
        assert own(Cuda(HERE)) == gone


def test_an_engine_that_goes_takes_nothing_from_those_that_stay(cuda: FakeCuda) -> None:
    """torch frees the workspaces of a dead graph's stream, whoever else has captured there."""
    stays = Graphs(Cuda(HERE))(double, [torch.ones(2)])
    goes = Graphs(Cuda(HERE))(double, [torch.ones(2)])
    goes(torch.ones(2))
    del goes
    gc.collect()
    later = Graphs(Cuda(HERE))(double, [torch.ones(2)])
    assert stays(torch.ones(2)).tolist() == later(torch.ones(2)).tolist() == [2, 2]


def test_the_graphs_of_an_engine_go_together(cuda: FakeCuda) -> None:
    graphs = Graphs(Cuda(HERE))
    first = graphs(double, [torch.ones(2)])
    second = graphs(double, [torch.ones(3)])
    del graphs, second
    gc.collect()
    assert first(torch.ones(2)).tolist() == [2, 2]
    (stream,) = cuda.streams("capture")
    del first
    gc.collect()
    device = Cuda(HERE)
    with device.stream():
        assert torch.cuda.current_stream().cuda_stream == stream, "let go of with the last graph"


def test_threads_capture_one_after_the_other_and_nobody_waits_for_the_device_meanwhile(
    cuda: FakeCuda,
) -> None:
    inside, failed = threading.Semaphore(0), list[RuntimeError]()

    def slow(x: Tensor) -> Tensor:
        inside.release()
        threading.Event().wait(0.02)  # long enough for the others to come
        return x * 2

    def capture() -> None:
        try:
            Graphs(Cuda(HERE))(slow, [torch.ones(2)])
        except RuntimeError as error:
            failed.append(error)

    def ask() -> None:
        try:
            for _ in range(20):
                raise_if_lost(RuntimeError("a bad shape"))
        except RuntimeError as error:
            failed.append(error)

    threads = [threading.Thread(target=each) for each in (capture, capture, capture, ask)]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=60)
    for thread in threads:
        thread.join(60)
    assert not failed


def test_building_and_waiting_of_a_device_waits_for_no_other(cuda: FakeCuda) -> None:
    device = Cuda(HERE)
    Graphs(device)(double, [torch.ones(2)])
    device.synchronize()
    assert cuda.streams("wait for stream") == {0, *cuda.streams("capture")}
    assert not cuda.streams("wait for device")


# --- errors --------------------------------------------------------------------------------------


def lost(cuda: FakeCuda) -> RuntimeError:
    """Break the device."""
    cuda.error = torch.AcceleratorError("CUDA error: an illegal memory access\nand more about it")
    return cuda.error


def test_an_error_that_stays_is_the_devices(cuda: FakeCuda) -> None:
    for error in (lost(cuda), RuntimeError("CUDNN_STATUS_EXECUTION_FAILED")):
        with pytest.raises(DeviceLostError, match=r"^CUDA error: an illegal memory access$"):
            raise_if_lost(error)
    with pytest.raises(DeviceLostError), watching_device():
        raise RuntimeError("CUBLAS_STATUS_INTERNAL_ERROR")


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("2 GiB"), torch.AcceleratorError("CUDA error: invalid argument")],
)
def test_an_error_that_passes_is_the_items(cuda: FakeCuda, error: RuntimeError) -> None:
    raise_if_lost(error)
    with pytest.raises(RuntimeError, match=str(error)), watching_device():
        raise error


def test_memory_that_runs_out_on_a_device_is_never_its_end(cuda: FakeCuda) -> None:
    lost(cuda)
    raise_if_lost(torch.OutOfMemoryError("2 GiB"))


def test_without_cuda_every_error_is_the_items() -> None:
    raise_if_lost(RuntimeError("a bad shape"))


# --- kernels -------------------------------------------------------------------------------------


@pytest.fixture
def kernels() -> Iterator[Callable[[], tuple[object, ...]]]:
    """Give what torch would choose now, and put it back at the end."""

    def chosen() -> tuple[object, ...]:
        backends = torch.backends
        return (
            backends.cuda.cudnn_sdp_enabled(),
            backends.cuda.matmul.allow_tf32,
            backends.cudnn.allow_tf32,
        )

    before = chosen()
    yield chosen
    torch.backends.cuda.enable_cudnn_sdp(bool(before[0]))
    torch.backends.cuda.matmul.allow_tf32 = bool(before[1])
    torch.backends.cudnn.allow_tf32 = bool(before[2])


def test_a_cuda_device_plans_no_attention_by_cudnn_and_multiplies_float32_as_such(
    cuda: FakeCuda,
    monkeypatch: pytest.MonkeyPatch,
    kernels: Callable[[], tuple[object, ...]],
) -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    monkeypatch.setattr(torch, "empty", lambda count, device: None)
    device = open_device("cuda:1")
    assert device.where == torch.device("cuda", 1)
    assert kernels() == (False, False, False)
