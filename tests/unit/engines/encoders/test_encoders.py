"""Every runtime of the audio encoder gives the states of the torch module."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from speech_service.config.tree import ConfigError
from speech_service.engines.qwen3.encoder import sources
from speech_service.engines.qwen3.encoder import torch as encoders
from speech_service.engines.qwen3.encoder.check import check_encoder
from speech_service.engines.qwen3.encoder.graph import encoder_graph
from speech_service.engines.qwen3.encoder.network import AudioEncoder, Encoder, MelWindow
from speech_service.engines.qwen3.encoder.onnx import OnnxEncoder, open_session
from speech_service.engines.qwen3.encoder.sources import SOURCES
from speech_service.engines.qwen3.encoder.torch import CapturedEncoder, TorchEncoder
from speech_service.engines.qwen3.nn.shapes import AudioShape
from speech_service.engines.runtimes.choice import RuntimeChoice
from speech_service.engines.runtimes.tensorrt import engine_name
from speech_service.engines.runtimes.torch import HOST, Body, as_it_is

SHAPE = AudioShape(
    mel_bins=32,
    width=32,
    ffn_size=64,
    layers=2,
    heads=4,
    conv_channels=8,
    out_size=24,
    chunk_frames=100,
    window_frames=800,
)
TOLERANCE = 1e-4


def make_module(seed: int = 1) -> AudioEncoder:
    """Make an encoder with random weights."""
    torch.manual_seed(seed)
    module = AudioEncoder(SHAPE)
    for layer in module.modules():
        if isinstance(layer, torch.nn.LayerNorm):
            torch.nn.init.normal_(layer.weight, mean=1.0, std=0.2)
            torch.nn.init.normal_(layer.bias, std=0.2)
    return module.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def module() -> AudioEncoder:
    """Give the reference."""
    torch.set_num_threads(1)
    return make_module()


@pytest.fixture(scope="module")
def exported(module: AudioEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the reference's graph."""
    file = tmp_path_factory.mktemp("encoder") / "encoder.onnx"
    file.write_bytes(encoder_graph(module))
    return file


def windows(*frames: int, is_clip: bool = False) -> list[MelWindow]:
    """Make windows of noise."""
    random = torch.Generator().manual_seed(sum(frames))
    return [
        MelWindow(torch.randn(SHAPE.mel_bins, each, generator=random), is_clip) for each in frames
    ]


BATCHES = {
    "one whole window": windows(800),
    "six of different lengths": windows(800, 799, 401, 150, 100, 3),
    "a clip shorter than a second": windows(37, is_clip=True),
    "short and long together": [*windows(640), *windows(61, is_clip=True), *windows(61)],
    "more than one captured pass holds": windows(*range(90, 120)),
}


def make_onnx(file: Path) -> Encoder:
    """Open the graph on the CPU."""
    return OnnxEncoder(open_session(file, HOST.where, 1), SHAPE, HOST, torch.float32)


@pytest.mark.parametrize("batch", BATCHES.values(), ids=list(BATCHES))
@pytest.mark.parametrize("kind", ["onnx", "captured"])
def test_states_are_those_of_the_module(
    module: AudioEncoder, exported: Path, kind: str, batch: Sequence[MelWindow]
) -> None:
    encoder = make_onnx(exported) if kind == "onnx" else CapturedEncoder(module, HOST, as_it_is)
    expected = TorchEncoder(module).encode(batch)
    found = encoder.encode(batch)
    assert len(found) == len(batch)
    for state, reference, window in zip(found, expected, batch, strict=True):
        assert state.shape == (SHAPE.tokens(window.mel.shape[1]), SHAPE.out_size)
        assert float((state - reference).abs().max()) <= TOLERANCE


@pytest.mark.parametrize("kind", ["onnx", "captured", "torch"])
def test_no_windows_have_no_states(module: AudioEncoder, exported: Path, kind: str) -> None:
    makers = {
        "onnx": lambda: make_onnx(exported),
        "captured": lambda: CapturedEncoder(module, HOST, as_it_is),
        "torch": lambda: TorchEncoder(module),
    }
    assert list(makers[kind]().encode([])) == []


def test_a_captured_encoder_runs_nothing_but_what_was_captured(module: AudioEncoder) -> None:
    shapes: list[tuple[int, ...]] = []

    def capture(body: Body, examples: Sequence[Tensor]) -> Body:
        wanted = [each.shape for each in examples]

        def captured(*given: Tensor) -> Tensor:
            assert [each.shape for each in given] == wanted
            shapes.append(tuple(given[0].shape))
            return body(*given)

        return captured

    encoder = CapturedEncoder(module, HOST, capture)
    encoder.encode(windows(300, 120, 110))
    assert shapes == [(4, SHAPE.mel_bins, 400)]


def test_no_more_passes_are_captured_than_are_of_use(module: AudioEncoder) -> None:
    sizes: list[int] = []

    def capture(body: Body, examples: Sequence[Tensor]) -> Body:
        sizes.append(len(examples[0]))
        return body

    encoder = CapturedEncoder(module, HOST, capture, windows=3)
    assert set(sizes) == {1, 2, 3}
    batch = windows(300, 120, 110, 90)
    for state, reference in zip(
        encoder.encode(batch), TorchEncoder(module).encode(batch), strict=True
    ):
        assert float((state - reference).abs().max()) <= TOLERANCE
    sizes.clear()
    CapturedEncoder(module, HOST, capture, windows=500)
    assert max(sizes) == 16


def test_the_encoder_computes_in_its_own_type(exported: Path) -> None:
    low = make_module().bfloat16()
    batch = windows(120)
    (state,) = TorchEncoder(low).encode(batch)
    (reference,) = TorchEncoder(make_module()).encode(batch)
    assert state.dtype is torch.bfloat16
    assert torch.allclose(state.float(), reference, atol=0.1)
    session = open_session(exported, HOST.where, 1)
    assert OnnxEncoder(session, SHAPE, HOST, torch.bfloat16).encode(batch)[0].dtype == state.dtype


def test_the_check_measures_and_refuses_other_weights(module: AudioEncoder, exported: Path) -> None:
    assert check_encoder(make_onnx(exported), module) <= TOLERANCE
    with pytest.raises(ConfigError, match=r"differ from the checkpoint's by .* is allowed"):
        check_encoder(make_onnx(exported), make_module(seed=2))


def test_an_encoder_that_gives_nan_is_refused(module: AudioEncoder) -> None:
    class Broken:
        def encode(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
            return [each * torch.nan for each in TorchEncoder(module).encode(windows)]

    with pytest.raises(ConfigError, match="nan"):
        check_encoder(Broken(), module)


def test_another_networks_sizes_are_refused(exported: Path) -> None:
    import dataclasses

    other = AudioEncoder(dataclasses.replace(SHAPE, mel_bins=40)).requires_grad_(False)
    session = open_session(exported, HOST.where, 1)
    with pytest.raises(ConfigError, match="cannot be run with this checkpoint's sizes"):
        check_encoder(OnnxEncoder(session, other.shape, HOST, torch.float32), other)


def test_what_is_no_exported_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"encoder_file: .* cannot be read"):
        open_session(tmp_path / "none.onnx", HOST.where, 1)
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(ConfigError, match=r"encoder_file: .* no ONNX model"):
        open_session(tmp_path / "text.onnx", HOST.where, 1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without a GPU")
def test_onnx_on_a_gpu_that_the_runtime_cannot_use_is_refused(exported: Path) -> None:
    with pytest.raises(ConfigError, match="needs CUDAExecutionProvider"):
        open_session(exported, torch.device("cuda", 0), 1)


def test_the_table_loads_each_runtime_with_the_checkpoints_weights(
    module: AudioEncoder, exported: Path
) -> None:
    batch = windows(210)
    (expected,) = TorchEncoder(module).encode(batch)
    choice = RuntimeChoice("onnx", str(exported), threads=1)
    for runtime in ("torch", "onnx"):
        open_encoder = SOURCES[runtime](make_module(), choice, HOST, torch.float32)
        for capture in (None, as_it_is):
            (state,) = open_encoder(HOST, capture, None).encode(batch)
            assert torch.allclose(state, expected, atol=TOLERANCE)
    with pytest.raises(ConfigError, match="needs an NVIDIA GPU"):
        SOURCES["tensorrt"](make_module(), choice, HOST, torch.float32)
    assert sources.SOURCES.keys() == {"torch", "onnx", "tensorrt"}


def test_a_kept_engine_belongs_to_one_gpu_version_and_graph() -> None:
    parts = [
        (b"graph", "H200", "10.13"),
        (b"other", "H200", "10.13"),
        (b"graph", "L4", "10.13"),
        (b"graph", "H200", "11.4"),
    ]
    profiles = ({"mel": [(1, 2), (3, 4), (5, 6)]}, {"mel": [(1, 2), (3, 4), (5, 7)]})
    names = [engine_name("encoder", *each, profile) for each in parts for profile in profiles]
    assert len(set(names)) == 2 * len(parts)
    assert names[0] == engine_name("encoder", *parts[0], profiles[0])


def test_a_graph_in_float16_is_run_as_it_is_typed(module: AudioEncoder, tmp_path: Path) -> None:
    file = tmp_path / "half.onnx"
    file.write_bytes(encoder_graph(module, torch.float16))
    assert file.stat().st_size < 0.6 * len(encoder_graph(module))
    assert 1e-5 < check_encoder(make_onnx(file), module) < 2e-3


def test_a_graph_in_bfloat16_is_one_whose_types_fit(module: AudioEncoder, tmp_path: Path) -> None:
    """ONNX Runtime looks at all types before it looks for what computes; on a CPU it computes in no bfloat16."""
    import onnxruntime

    graph = encoder_graph(module, torch.bfloat16)
    assert len(graph) == len(encoder_graph(module, torch.float16))
    with pytest.raises(Exception, match="Could not find an implementation for"):
        onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("most", "sizes"), [(1, (1,)), (2, (1, 2)), (8, (1, 2, 4, 8)), (13, (1, 2, 4, 8, 13))]
)
def test_sizes_are_powers_of_two_up_to_the_most(most: int, sizes: tuple[int, ...]) -> None:
    assert encoders.powers_of_two(most) == sizes
    for wanted in range(1, most + 1):
        assert wanted <= encoders.fitting(sizes, wanted) < 2 * wanted
