"""Every runtime of the codec's decoder gives the samples of the torch module, whatever the chunks."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from speech_service.config.tree import ConfigError, ModelConfig
from speech_service.domain.work import WorkDone
from speech_service.engines import registry
from speech_service.engines.qwen3.codec import streaming
from speech_service.engines.qwen3.codec.decoder import CodecDecoder
from speech_service.engines.qwen3.codec.runtimes.check import TF32_TOLERANCE, check_codec
from speech_service.engines.qwen3.codec.runtimes.graph import codec_graph
from speech_service.engines.qwen3.codec.runtimes.onnx import OnnxCodec, open_session
from speech_service.engines.qwen3.codec.runtimes.sources import SOURCES
from speech_service.engines.qwen3.codec.shapes import CodecDecoderShape
from speech_service.engines.qwen3.codec.streams import CodecStreams
from speech_service.engines.qwen3.export import export_codec
from speech_service.engines.runtimes.choice import RuntimeChoice
from tests.qwen_tiny.codec import codec_config, codec_tensors
from tests.qwen_tiny.folder import TinyModels
from tests.unit.engines.qwen3.tts.speaking import cloned, run, sound, work

CPU = torch.device("cpu")
TOLERANCE = 1e-5
SHAPE = CodecDecoderShape.from_config(codec_config()["decoder_config"])


def make_module(scale: float = 1.0) -> CodecDecoder:
    tensors = codec_tensors()
    return CodecDecoder(
        lambda name: tensors[name] * (scale if name.endswith("o_proj.weight") else 1.0), SHAPE
    ).requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def module() -> CodecDecoder:
    """Give the reference."""
    torch.set_num_threads(1)
    return make_module()


@pytest.fixture(scope="module")
def exported(module: CodecDecoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the reference's graph."""
    file = tmp_path_factory.mktemp("codec") / "codec.onnx"
    file.write_bytes(codec_graph(module))
    return file


def onnx(file: Path, module: CodecDecoder) -> OnnxCodec:
    return OnnxCodec(open_session(file, CPU, 1), module, CPU)


@torch.inference_mode()
def test_streams_in_any_chunks_and_company_sound_like_one_decode(
    module: CodecDecoder, exported: Path
) -> None:
    chance = random.Random(3)
    lengths = [120, 75, 31]  # longer than the window of 72 frames, and shorter
    codes = [torch.randint(SHAPE.codebook_size, (n, SHAPE.codebooks)) for n in lengths]
    streams = CodecStreams(onnx(exported, module), 3)
    slots = [streams.open() for _ in lengths]
    heard: list[list[Tensor]] = [[] for _ in lengths]
    at = [0, 0, 0]
    while at != lengths:
        due = {
            i: codes[i][at[i] : at[i] + chance.choice([1, 1, 2, 8, 80])]
            for i in range(3)
            if at[i] < lengths[i] and chance.random() < 0.7
        }
        decoded = streams.decode({slots[i]: chunk for i, chunk in due.items()})
        for i, chunk in due.items():
            heard[i].append(decoded[slots[i]])
            at[i] += len(chunk)
    for i, all_codes in enumerate(codes):
        start = torch.zeros(1, module.state_size), torch.zeros(1, dtype=torch.int64)
        (whole,), _ = module(all_codes[None], *start)
        assert float((torch.cat(heard[i]) - whole).abs().max()) <= TOLERANCE


def test_heads_may_share_keys(tmp_path: Path) -> None:
    config = codec_config()["decoder_config"]
    shape = replace(CodecDecoderShape.from_config(config), kv_heads=1)
    tensors = codec_tensors()

    def shared(name: str) -> Tensor:
        tensor = tensors[name]
        is_shared = name.endswith(("k_proj.weight", "v_proj.weight"))
        return tensor[: shape.head_dim] if is_shared else tensor

    torch.set_num_threads(1)
    module = CodecDecoder(shared, shape).requires_grad_(requires_grad=False)
    (tmp_path / "codec.onnx").write_bytes(codec_graph(module))
    codec = onnx(tmp_path / "codec.onnx", module)
    assert check_codec(codec, module) <= TOLERANCE


def test_the_check_measures_and_refuses_other_weights_and_sizes(
    module: CodecDecoder, exported: Path
) -> None:
    assert check_codec(onnx(exported, module), module) <= 1e-4
    other = make_module(scale=2.0)
    with pytest.raises(ConfigError, match=r"differ from the checkpoint's by .* is allowed"):
        check_codec(onnx(exported, module), other)
    smaller = CodecDecoder(codec_tensors().__getitem__, replace(SHAPE, window_frames=60))
    with pytest.raises(ConfigError, match="cannot be run with this checkpoint's sizes"):
        check_codec(onnx(exported, smaller), smaller.requires_grad_(requires_grad=False))


def tf32(x: Tensor) -> Tensor:
    """Round as a GPU's products do: to 10 bits behind the point."""
    bits = x.contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


@pytest.mark.parametrize(("scale", "passes"), [(1.0, True), (1.05, False)])
def test_rounding_of_a_gpu_passes_the_check_and_a_wrong_weight_does_not(
    module: CodecDecoder, monkeypatch: pytest.MonkeyPatch, scale: float, passes: bool
) -> None:
    class Rounding(CodecDecoder):
        """Multiplies as TensorRT and ONNX Runtime do on a GPU."""

        def forward(
            self, codes: Tensor, states: Tensor, positions: Tensor
        ) -> tuple[Tensor, Tensor]:
            with pytest.MonkeyPatch.context() as patch:
                for name, function in multiplying.items():
                    patch.setattr(
                        streaming,
                        name,
                        lambda x, weight, *more, function=function, **named: function(
                            tf32(x), tf32(weight), *more, **named
                        ),
                    )
                return super().forward(codes, states, positions)

    multiplying = {name: getattr(streaming, name) for name in ("conv1d", "conv_transpose1d")}
    tensors = codec_tensors()
    vocoder = "decoder.decoder."
    last = [name for name in tensors if name.startswith(vocoder) and name.endswith("conv.weight")][
        -1
    ]
    rounded = Rounding(lambda name: tensors[name] * (scale if name == last else 1.0), SHAPE)
    rounded.requires_grad_(requires_grad=False)
    if passes:
        assert 1e-5 < check_codec(rounded, module, TF32_TOLERANCE) < TF32_TOLERANCE
    else:
        with pytest.raises(ConfigError, match=r"at most 0\.01 is allowed"):
            check_codec(rounded, module, TF32_TOLERANCE)


def test_what_is_no_exported_codec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"codec_file: .* cannot be read"):
        open_session(tmp_path / "none.onnx", CPU, 1)
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(ConfigError, match=r"codec_file: .* no ONNX model"):
        open_session(tmp_path / "text.onnx", CPU, 1)


def test_tensorrt_without_a_gpu_is_refused(module: CodecDecoder, exported: Path) -> None:
    with pytest.raises(ConfigError, match='codec: "tensorrt" needs an NVIDIA GPU'):
        SOURCES["tensorrt"](module, RuntimeChoice("tensorrt", str(exported)), CPU)


def test_an_exported_codec_speaks_and_clones_as_the_checkpoint_does(
    tmp_path: Path,
) -> None:
    tiny = TinyModels(tmp_path)
    for kind, spoken in (("custom_voice", work()), ("base", cloned())):
        folder = str(tiny.tts(kind))  # pyright: ignore[reportArgumentType] - one of the kinds
        file = tmp_path / f"{kind}.onnx"
        assert export_codec(folder, "", file) == file.stat().st_size
        heard = []
        for more in ({}, {"codec": "onnx", "codec_file": str(file)}):
            fixed = {"model": folder, "dtype": "float32", "max_seconds": 0.4, "threads": 1}
            options = {**fixed, "temperature": 0.0, "predictor_temperature": 0.0, **more}
            engine = registry.build_engine(ModelConfig("synthesizer/qwen3", options=options))
            events = run(engine, spoken)["w"]
            assert isinstance(events[-1], WorkDone)
            heard.append(sound(events))
        assert np.abs(heard[0] - heard[1]).max() <= TOLERANCE
