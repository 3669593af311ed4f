"""One step of the codec's decoder as an ONNX graph, states and all, for runtimes that read one.

Written node by node: torch's exporter needs packages and minutes for it. The tests hold it to the module.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import cast

from torch import Tensor

from speech_service.engines.formats.onnx import FLOAT, INT64, Exported, GraphBuilder
from speech_service.engines.formats.torch_to_onnx import ModuleGraph, check_size
from speech_service.engines.qwen3.codec.attention import WindowedLayer, WindowedTransformer
from speech_service.engines.qwen3.codec.codebooks import SEMANTIC_CODEBOOKS, SummedCodebooks
from speech_service.engines.qwen3.codec.decoder import CodecDecoder
from speech_service.engines.qwen3.codec.shapes import CodecDecoderShape
from speech_service.engines.qwen3.codec.streaming import CausalConv, CausalUpsampling
from speech_service.engines.qwen3.codec.vocoder import (
    LatentUpsampling,
    ResidualUnit,
    Snake,
    Vocoder,
    VocoderBlock,
)

INPUTS = ("codes", "states", "positions")
OUTPUTS = ("samples", "next_states")
EXPORTED = Exported("codec", INPUTS, OUTPUTS)
_UNSEEN = -30_000.0
"""Added to the scores of frames that are not attended to; float16 holds it."""
_NORM_EPS = 1e-6


def codec_graph(module: CodecDecoder) -> bytes:
    """Write the graph of :meth:`CodecDecoder.forward`, same arguments and results, float32.

    Streams and frames may be any number in each run.

    Raises:
        GraphTooLargeError: the weights are 2 GB or more in float32.
    """
    check_size(module)
    shape = module.shape
    build = GraphBuilder({})
    build.input("codes", INT64, ("streams", "frames", shape.codebooks))
    build.input("states", FLOAT, ("streams", module.state_size))
    build.input("positions", INT64, ("streams",))
    graph = ModuleGraph(build)
    tape = _Tape(graph, module)
    x = tape.convolve(_codebooks(graph, module.codebooks), module.first)
    x = graph.op("Transpose", x, perm=(0, 2, 1))
    x = _transformer(graph, tape, x, module.transformer, shape)
    x = graph.op("Transpose", x, perm=(0, 2, 1))
    for block in module.upsampling:
        x = _latent(graph, tape, x, cast(LatentUpsampling, block))
    x = _vocoder(graph, tape, x, module.vocoder)
    limits = (graph.number(-1.0), graph.number(1.0))
    build.node("Clip", [graph.op("Squeeze", x, graph.integers((1,))), *limits], [OUTPUTS[0]])
    build.node("Concat", tape.next_states(), [OUTPUTS[1]], "", axis=1)
    build.output(OUTPUTS[0], FLOAT, ("streams", "samples"))
    build.output(OUTPUTS[1], FLOAT, ("streams", module.state_size))
    return build.model()


class _Tape:
    """As ``StateTape``, of names."""

    def __init__(self, graph: ModuleGraph, module: CodecDecoder) -> None:
        self._graph = graph
        parts = graph.split("states", module.state_sizes, 1)
        self._given = iter(
            [
                graph.reshape(part, (0, *shape))
                for part, shape in zip(parts, module.state_shapes, strict=True)
            ]
        )
        self._next: list[str] = []

    def after(self, x: str, axis: int, past: int) -> str:
        """The past of the layer whose turn it is, then ``x``; the end of both is its next past."""
        if not past:
            return x
        whole = self._graph.op("Concat", next(self._given), x, axis=axis)
        self._next.append(self._graph.op("Flatten", self._graph.cut(whole, axis, -past), axis=1))
        return whole

    def next_states(self) -> list[str]:
        """Of all layers, [streams, numbers] each."""
        return self._next

    def convolve(self, x: str, layer: CausalConv) -> str:
        graph = self._graph
        parameters = (graph.weight(layer.weight), graph.weight(layer.bias))
        x = self.after(x, 2, layer.past)
        return graph.op("Conv", x, *parameters, dilations=(layer.dilation,), group=layer.groups)

    def upsample(self, x: str, layer: CausalUpsampling) -> str:
        graph = self._graph
        parameters = (graph.weight(layer.weight), graph.weight(layer.bias))
        x = self.after(x, 2, layer.past)
        y = graph.op("ConvTranspose", x, *parameters, strides=(layer.rate,))
        behind = layer.weight.shape[2] - layer.rate
        begin = layer.past * layer.rate
        return graph.cut(y, 2, begin, -behind) if behind else graph.cut(y, 2, begin)


def _codebooks(graph: ModuleGraph, module: SummedCodebooks) -> str:
    """Codes to latent frames [s, width, n]."""
    offsets = graph.integers(tuple(int(offset) for offset in module.offsets))
    places = graph.op("Add", "codes", offsets)
    vectors = graph.op("Gather", graph.weight(module.vectors), places)
    sides = (
        (graph.cut(vectors, 2, 0, SEMANTIC_CODEBOOKS), module.semantic),
        (graph.cut(vectors, 2, SEMANTIC_CODEBOOKS), module.acoustic),
    )
    latent: list[str] = []
    for side, weight in sides:
        total = graph.op("ReduceSum", side, graph.integers((2,)), keepdims=0)
        total = graph.op("Transpose", total, perm=(0, 2, 1))
        latent.append(graph.op("Conv", total, graph.weight(weight)))
    return graph.op("Add", *latent)


def _transformer(
    graph: ModuleGraph, tape: _Tape, x: str, module: WindowedTransformer, shape: CodecDecoderShape
) -> str:
    zero, one = graph.integers(0), graph.integers(1)
    length = graph.op("Squeeze", graph.op("Shape", x, start=1, end=2))
    places = graph.op("Unsqueeze", "positions", graph.integers((1,)))
    query_at = graph.op("Add", places, graph.op("Range", zero, length, one))
    past = graph.op("Range", graph.integers(1 - shape.window_frames), length, one)
    key_at = graph.op("Add", places, past)
    bias = _bias(graph, query_at, key_at, shape.window_frames)
    angles = graph.op("Cast", graph.op("Unsqueeze", query_at, graph.integers((2, 3))), to=FLOAT)
    angles = graph.op("Mul", angles, graph.weight(module.frequencies))
    turn = graph.op("Cos", angles), graph.op("Sin", angles)
    x = graph.linear(x, module.input.weight, module.input.bias)
    for layer in module.layers:
        x = _layer(graph, tape, x, cast(WindowedLayer, layer), shape, turn, bias)
    x = _rms_norm(graph, x, module.norm, shape.rms_norm_eps)
    return graph.linear(x, module.output.weight, module.output.bias)


def _bias(graph: ModuleGraph, query_at: str, key_at: str, window: int) -> str:
    """What is added to attention's scores: [s, 1, n, past and n]."""
    key_at = graph.op("Unsqueeze", key_at, graph.integers((1, 2)))
    query_at = graph.op("Unsqueeze", query_at, graph.integers((1, 3)))
    distance = graph.op("Sub", query_at, key_at)
    unseen = graph.op("Less", key_at, graph.integers(0))
    for beyond in (
        graph.op("Less", distance, graph.integers(0)),
        graph.op("Less", graph.integers(window - 1), distance),
    ):
        unseen = graph.op("Or", unseen, beyond)
    return graph.op("Mul", graph.op("Cast", unseen, to=FLOAT), graph.number(_UNSEEN))


def _layer(
    graph: ModuleGraph,
    tape: _Tape,
    x: str,
    layer: WindowedLayer,
    shape: CodecDecoderShape,
    turn: tuple[str, str],
    bias: str,
) -> str:
    y = _rms_norm(graph, x, layer.input_norm, shape.rms_norm_eps)
    y = _attend(graph, tape, y, layer, shape, turn, bias)
    x = graph.op("Add", x, graph.op("Mul", graph.weight(layer.attention_scale), y))
    y = _rms_norm(graph, x, layer.post_norm, shape.rms_norm_eps)
    width = layer.down.shape[1]
    gate, up = graph.split(graph.linear(y, layer.gate_up), (width, width), 2)
    gated = graph.op("Mul", graph.op("Mul", gate, graph.op("Sigmoid", gate)), up)
    y = graph.linear(gated, layer.down)
    return graph.op("Add", x, graph.op("Mul", graph.weight(layer.mlp_scale), y))


def _attend(
    graph: ModuleGraph,
    tape: _Tape,
    x: str,
    layer: WindowedLayer,
    shape: CodecDecoderShape,
    turn: tuple[str, str],
    bias: str,
) -> str:
    heads = (shape.heads, shape.kv_heads, shape.kv_heads)
    qkv = graph.reshape(graph.linear(x, layer.qkv), (0, 0, sum(heads), shape.head_dim))
    query, key, value = graph.split(qkv, heads, 2)
    past = shape.window_frames - 1
    keys = tape.after(_rotate(graph, key, turn, shape.head_dim), 1, past)
    values = tape.after(value, 1, past)
    if shape.heads != shape.kv_heads:
        share = shape.heads // shape.kv_heads
        head = graph.integers(tuple(index // share for index in range(shape.heads)))
        keys, values = (graph.op("Gather", each, head, axis=2) for each in (keys, values))
    query = graph.op("Transpose", _rotate(graph, query, turn, shape.head_dim), perm=(0, 2, 1, 3))
    query = graph.op("Mul", query, graph.number(shape.head_dim**-0.5))
    scores = graph.op("MatMul", query, graph.op("Transpose", keys, perm=(0, 2, 3, 1)))
    shares = graph.op("Softmax", graph.op("Add", scores, bias), axis=-1)
    answer = graph.op("MatMul", shares, graph.op("Transpose", values, perm=(0, 2, 1, 3)))
    answer = graph.op("Transpose", answer, perm=(0, 2, 1, 3))
    return graph.linear(graph.reshape(answer, (0, 0, shape.heads * shape.head_dim)), layer.o)


def _rotate(graph: ModuleGraph, x: str, turn: tuple[str, str], width: int) -> str:
    cos, sin = turn
    low, high = graph.split(x, (width // 2, width // 2), 3)

    def times(one: str, other: str) -> str:
        return graph.op("Mul", one, other)

    first = graph.op("Sub", times(low, cos), times(high, sin))
    second = graph.op("Add", times(high, cos), times(low, sin))
    return graph.op("Concat", first, second, axis=3)


def _rms_norm(graph: ModuleGraph, x: str, weight: Tensor, eps: float) -> str:
    mean = graph.op("ReduceMean", graph.op("Mul", x, x), graph.integers((-1,)), keepdims=1)
    size = graph.op("Sqrt", graph.op("Add", mean, graph.number(eps)))
    return graph.op("Mul", graph.op("Div", x, size), graph.weight(weight))


def _latent(graph: ModuleGraph, tape: _Tape, x: str, block: LatentUpsampling) -> str:
    x = tape.upsample(x, block.upsample)
    y = graph.op("Transpose", tape.convolve(x, block.depthwise), perm=(0, 2, 1))
    norm = (graph.weight(block.norm_weight), graph.weight(block.norm_bias))
    y = graph.op("LayerNormalization", y, *norm, epsilon=_NORM_EPS)
    y = graph.gelu(graph.linear(y, block.wide_weight, block.wide_bias))
    y = graph.linear(y, block.narrow_weight, block.narrow_bias)
    y = graph.op("Mul", graph.weight(block.scale), y)
    return graph.op("Add", x, graph.op("Transpose", y, perm=(0, 2, 1)))


def _vocoder(graph: ModuleGraph, tape: _Tape, x: str, module: Vocoder) -> str:
    x = tape.convolve(x, module.first)
    for each in module.blocks:
        block = cast(VocoderBlock, each)
        x = tape.upsample(_snake(graph, x, block.snake), block.upsample)
        for unit in block.units:
            x = _unit(graph, tape, x, cast(ResidualUnit, unit))
    return tape.convolve(_snake(graph, x, module.snake), module.last)


def _unit(graph: ModuleGraph, tape: _Tape, x: str, unit: ResidualUnit) -> str:
    y = tape.convolve(_snake(graph, x, unit.snake_in), unit.wide)
    return graph.op("Add", x, tape.convolve(_snake(graph, y, unit.snake_out), unit.narrow))


def _snake(graph: ModuleGraph, x: str, module: Snake) -> str:
    wave = graph.op("Sin", graph.op("Mul", x, graph.weight(module.frequency)))
    wave = graph.op("Mul", graph.weight(module.height), graph.op("Mul", wave, wave))
    return graph.op("Add", x, wave)
