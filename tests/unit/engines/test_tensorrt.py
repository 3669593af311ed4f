"""What TensorRT is asked, and every answer that says no, on a module that answers as 10.13 to 11.4 do."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from speech_service.config.tree import ConfigError
from speech_service.engines.formats.onnx import Exported
from speech_service.engines.runtimes import tensorrt
from speech_service.engines.runtimes.tensorrt import new_context, open_engine, run_engine
from tests.fake_cuda import FakeCuda

GPU = torch.device("cuda", 0)
GRAPH = Exported("encoder", ("mel",), ("states",))
PROFILE = {"mel": [(1, 2), (3, 4), (5, 6)]}
STRONGLY_TYPED = 1


class FakeTrt:
    """The package. ``refuses`` is what it says no to; what 11 has no more, it does not have."""

    def __init__(self, version: str = "11.4.0.106", refuses: str = "") -> None:
        self.__version__ = version
        self.refuses = refuses
        self.network_flags = self.built = 0
        self.NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=STRONGLY_TYPED)

        class Logger:
            WARNING = 2

            def __init__(self, level: int) -> None:
                assert level == self.WARNING

        self.Logger = Logger

    def Builder(self, log: Any) -> Any:
        """Makes networks and plans."""
        return SimpleNamespace(
            create_network=self._network,
            create_builder_config=lambda: SimpleNamespace(
                add_optimization_profile=lambda shapes: -1 if self._no("profile") else 0
            ),
            create_optimization_profile=lambda: SimpleNamespace(
                set_shape=lambda name, *sizes: None
            ),
            build_serialized_network=self._plan,
        )

    def OnnxParser(self, network: Any, log: Any) -> Any:
        """Reads graphs."""
        return SimpleNamespace(
            parse=lambda graph: not self._no("parse"),
            num_errors=1,
            get_error=lambda at: SimpleNamespace(desc=lambda: "In node 3: odd"),
        )

    def Runtime(self, log: Any) -> Any:
        """Reads plans."""
        return SimpleNamespace(deserialize_cuda_engine=self._engine)

    def _no(self, what: str) -> bool:
        return what == self.refuses

    def _network(self, flags: int) -> object:
        self.network_flags = flags
        return object()

    def _plan(self, network: object, settings: object) -> bytearray | None:
        self.built += 1
        return None if self._no("build") else bytearray(b"plan")

    def _engine(self, plan: bytes) -> Any:
        if self._no("read") or (self._no("read kept") and not self.built):
            return None
        return SimpleNamespace(
            create_execution_context=lambda: None if self._no("context") else FakeContext(self)
        )


class FakeContext:
    """Runs an engine."""

    def __init__(self, trt: FakeTrt) -> None:
        self._trt = trt
        self.ran_on = -1

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        """Say whether it is within the profile."""
        return self._trt.refuses != "shape"

    def set_tensor_address(self, name: str, address: int) -> bool:
        """Say whether there is such a tensor."""
        return self._trt.refuses != f"address of {name}"

    def execute_async_v3(self, stream: int) -> bool:
        """Say whether it was queued."""
        self.ran_on = stream
        return self._trt.refuses != "run"


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a GPU that is acted."""
    FakeCuda().install(monkeypatch)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda where: "NVIDIA H200")
    monkeypatch.setattr(torch.cuda, "device", lambda where: nullcontext())
    return


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a graph."""
    path = tmp_path / "encoder.onnx"
    path.write_bytes(b"graph")
    return path


def opened(monkeypatch: pytest.MonkeyPatch, trt: FakeTrt, file: Path) -> Any:
    """Open the graph with this package."""
    monkeypatch.setattr(tensorrt.importlib, "import_module", lambda name: trt)
    return open_engine(file, GRAPH, GPU, PROFILE)


@pytest.mark.parametrize("version", ["10.13.0.35", "10.16.1.11", "11.0.0.114", "11.4.0.106"])
def test_networks_are_strongly_typed_and_their_engines_kept(
    monkeypatch: pytest.MonkeyPatch, file: Path, version: str
) -> None:
    trt = FakeTrt(version)
    opened(monkeypatch, trt, file)
    assert trt.network_flags == 1 << STRONGLY_TYPED
    opened(monkeypatch, trt, file)
    assert trt.built == 1
    (kept,) = file.parent.glob("*.engine")
    assert kept.read_bytes() == b"plan"


@pytest.mark.parametrize("version", ["8.6.1", "10.9.0.34", "10.12.0.36", "12.0.1"])
def test_another_version_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, file: Path, version: str
) -> None:
    with pytest.raises(ConfigError, match=rf"is {version} here.*tensorrt>=10\.13,<12"):
        opened(monkeypatch, FakeTrt(version), file)


@pytest.mark.parametrize(
    ("refuses", "problem"),
    [
        ("parse", r"encoder_file: TensorRT 11\.4.* cannot read it: In node 3: odd"),
        ("profile", "could not build an engine"),
        ("build", "could not build an engine"),
        ("read", "cannot read the engine that it has built"),
    ],
)
def test_what_cannot_be_built_is_a_problem_of_the_configuration_and_not_kept(
    monkeypatch: pytest.MonkeyPatch, file: Path, refuses: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        opened(monkeypatch, FakeTrt(refuses=refuses), file)
    assert not list(file.parent.glob("*.engine"))


def test_a_kept_engine_that_cannot_be_read_is_built_again(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    opened(monkeypatch, FakeTrt(), file)
    again = FakeTrt(refuses="read kept")
    assert opened(monkeypatch, again, file) is not None
    assert again.built == 1


def test_an_engine_that_has_no_room_to_run_is_refused(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    with pytest.raises(ConfigError, match="cannot make room on the GPU"):
        new_context(opened(monkeypatch, FakeTrt(refuses="context"), file))


@pytest.mark.parametrize(
    ("refuses", "problem"),
    [
        ("shape", r"does not take mel of shape \(9, 9\)"),
        ("address of mel", "does not take the memory of mel"),
        ("address of states", "does not take the memory of states"),
        ("run", "did not run the graph"),
        ("", ""),
    ],
)
def test_an_engine_that_says_no_is_not_taken_to_have_run(refuses: str, problem: str) -> None:
    context: Any = FakeContext(FakeTrt(refuses=refuses))
    given, made = {"mel": torch.zeros(9, 9)}, {"states": torch.zeros(2)}
    if refuses:
        with pytest.raises(RuntimeError, match=problem):
            run_engine(context, given, made)
    else:
        run_engine(context, given, made)
        assert context.ran_on == torch.cuda.current_stream(GPU).cuda_stream
