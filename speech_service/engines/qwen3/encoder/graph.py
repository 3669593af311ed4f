"""The audio encoder as an ONNX graph, for runtimes that read one.

Written node by node: the exporters of torch need packages and a minute for it, and fix sizes that have to stay open.
The tests hold its states to those of the module.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import cast

import torch
from torch import nn

from speech_service.engines.formats.onnx import FLOAT, INT64, Exported
from speech_service.engines.formats.torch_to_onnx import ModuleGraph, builder, check_size
from speech_service.engines.qwen3.encoder.network import AudioEncoder, EncoderLayer
from speech_service.engines.qwen3.nn.shapes import AudioShape

INPUTS = ("mel", "tokens", "conv_frames")
OUTPUT = "states"
EXPORTED = Exported("encoder", INPUTS, (OUTPUT,))
_UNSEEN = -30_000.0
"""Added to the scores of padding; float16 holds it."""


def encoder_graph(module: AudioEncoder, dtype: torch.dtype = torch.float32) -> bytes:
    """Write the graph of :meth:`AudioEncoder.forward`, same arguments and result, float32.

    Windows and chunks may be any number in each run.

    Args:
        module: in float32.
        dtype: of weights and products in between; norms and shares of attention are float32 whatever it is.

    Raises:
        GraphTooLargeError: the weights are 2 GB or more in float32.
    """
    check_size(module)
    shape = module.shape
    build = builder(dtype)
    build.input("mel", FLOAT, ("windows", shape.mel_bins, "frames"))
    build.input("tokens", INT64, ("windows",))
    build.input("conv_frames", INT64, ("windows",))
    graph = ModuleGraph(build, dtype)
    x = _stem(graph, module, shape)
    bias = _padding(graph, x)
    for layer in module.layers:
        x = _layer(graph, cast(EncoderLayer, layer), x, bias, shape)
    x = graph.affine(graph.norm(x, module.norm), module.proj1)
    x = graph.affine(graph.gelu(x), module.proj2, "" if graph.type != FLOAT else OUTPUT)
    if x != OUTPUT:
        build.node("Cast", [x], [OUTPUT], "", to=FLOAT)
    build.output(OUTPUT, FLOAT, ("windows", "states", shape.out_size))
    return build.model()


def _stem(graph: ModuleGraph, module: AudioEncoder, shape: AudioShape) -> str:
    """Mel to embedded tokens [w, c * chunk_tokens, width]; each chunk is convolved as if it ended at its frames."""
    mel = "mel" if graph.type == FLOAT else graph.op("Cast", "mel", to=graph.type)
    chunks = graph.reshape(mel, (0, shape.mel_bins, -1, shape.chunk_frames))
    chunks = graph.op("Transpose", chunks, perm=(0, 2, 1, 3))
    counts = graph.op("Shape", chunks, start=0, end=2)
    x = graph.reshape(chunks, (-1, 1, shape.mel_bins, shape.chunk_frames))
    frames = graph.op("Unsqueeze", "conv_frames", graph.integers((1,)))
    frames = graph.reshape(graph.op("Expand", frames, counts), (-1, 1))
    width = shape.chunk_frames
    for conv in (module.conv1, module.conv2, module.conv3):
        inside = graph.op("Less", graph.integers(range(width)), frames)
        inside = graph.op("Cast", inside, to=graph.type)
        x = graph.op("Mul", x, graph.op("Unsqueeze", inside, graph.integers((1, 2))))
        x = graph.gelu(_convolution(graph, x, conv))
        half = graph.op("Add", frames, graph.integers((1,)))
        frames = graph.op("Div", half, graph.integers((2,)))
        width = (width + 1) // 2
    x = graph.op("Transpose", x, perm=(0, 3, 1, 2))
    x = graph.affine(graph.reshape(x, (0, 0, -1)), module.conv_out)
    x = graph.op("Add", x, graph.weight(module.places))
    windows = graph.op("Shape", "mel", start=0, end=1)
    rest = graph.integers((-1, shape.width))
    return graph.op("Reshape", x, graph.op("Concat", windows, rest, axis=0))


def _padding(graph: ModuleGraph, x: str) -> str:
    """What is added to attention's scores: [w, 1, 1, tokens]."""
    length = graph.op("Squeeze", graph.op("Shape", x, start=1, end=2))
    zero, one = (graph.integers(value) for value in (0, 1))
    places = graph.op("Range", zero, length, one)
    behind = graph.op("Unsqueeze", "tokens", graph.integers((1,)))
    behind = graph.op("Not", graph.op("Less", places, behind))
    bias = graph.op("Mul", graph.op("Cast", behind, to=graph.type), graph.number(_UNSEEN))
    return graph.op("Unsqueeze", bias, graph.integers((1, 2)))


def _layer(graph: ModuleGraph, layer: EncoderLayer, x: str, bias: str, shape: AudioShape) -> str:
    width = shape.width // shape.heads
    qkv = graph.affine(graph.norm(x, layer.attention_norm), layer.qkv)
    qkv = graph.reshape(qkv, (0, 0, 3, shape.heads, width))
    qkv = graph.op("Transpose", qkv, perm=(2, 0, 3, 1, 4))
    query, key, value = (graph.op("Gather", qkv, graph.integers(part)) for part in range(3))
    query = graph.op("Mul", query, graph.number(width**-0.5))
    scores = graph.op("MatMul", query, graph.op("Transpose", key, perm=(0, 1, 3, 2)))
    shares = graph.softmax(graph.op("Add", scores, bias))
    answer = graph.op("Transpose", graph.op("MatMul", shares, value), perm=(0, 2, 1, 3))
    answer = graph.affine(graph.reshape(answer, (0, 0, shape.width)), layer.out)
    x = graph.op("Add", x, answer)
    wide = graph.gelu(graph.affine(graph.norm(x, layer.ffn_norm), layer.fc1))
    return graph.op("Add", x, graph.affine(wide, layer.fc2))


def _convolution(graph: ModuleGraph, x: str, layer: nn.Conv2d) -> str:
    """3 x 3, stride 2, padding 1."""
    assert layer.bias is not None
    parameters = (graph.weight(layer.weight), graph.weight(layer.bias))
    return graph.op("Conv", x, *parameters, strides=(2, 2), pads=(1, 1, 1, 1))
