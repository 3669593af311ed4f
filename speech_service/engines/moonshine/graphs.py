"""Moonshine tiny as two lean ONNX graphs over the weights of the packaged model.

The packaged graphs were exported with every size symbolic: a decoder step runs 900 nodes, most of them arithmetic on
shapes, masks that mask nothing and copies that pad heads from 36 to 40. These graphs do the same arithmetic with
the same quantised products in 140 nodes, for one clip at a time; a step takes half the time. The tests hold their
logits to those of the packaged graphs.

Architecture: Jeffries et al. 2024, "Moonshine: Speech Recognition for Live Transcription and Voice Commands"
(https://arxiv.org/abs/2410.15608).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from speech_service.engines.formats.onnx import FLOAT, INT64, MICROSOFT, GraphBuilder
from speech_service.engines.formats.ort import OrtFile
from speech_service.engines.moonshine.graph_parts import (
    EPSILON,
    HEAD_SIZE,
    HEADS,
    WIDTH,
    GraphParts,
)
from speech_service.engines.moonshine.vocabulary import LOGITS, output_layer

LAYERS = 6
_DECODER_LAYER = "/model/decoder/layers.{}/"
_SELF_SHAPE = (1, HEADS, "past", HEAD_SIZE)
_AUDIO_SHAPE = (1, HEADS, "states", HEAD_SIZE)

AUDIO_KEYS_VALUES = [
    f"audio.{layer}.{part}" for layer in range(LAYERS) for part in ("key", "value")
]
SETTLED = [f"settled.{layer}.{part}" for layer in range(LAYERS) for part in ("key", "value")]
SETTLED.append("settled.states")
GROWN = [name.replace("settled", "grown") for name in SETTLED]
PAST = [f"past.{layer}.{part}" for layer in range(LAYERS) for part in ("key", "value")]
PRESENT = [f"present.{layer}.{part}" for layer in range(LAYERS) for part in ("key", "value")]


def clip_graph(encoder: OrtFile, decoder: OrtFile) -> bytes:
    """From a whole clip to what the decoder attends to, in the order of operations that the weights were made for.

    Input ``samples`` float32 [1, 1, n]; outputs ``AUDIO_KEYS_VALUES`` float32 [1, 8, t, 36], t = 41.7 per second.
    """
    build = GraphBuilder(decoder.tensors | encoder.tensors)
    front = _all_convolutions(build)
    start = build.constant("start", np.zeros(1, np.int64))
    states = _encoder(build, encoder, front, start, lambda _, fresh: fresh)
    return _audio_keys_values(build, states, decoder)


def growing_graph(encoder: OrtFile, decoder: OrtFile) -> bytes:
    """The same on from ``position`` settled states, from the frames of ``front.front_graph`` behind them.

    Inputs: ``frames`` float32 [1, 576, f], and ``scale`` [1] and ``shift`` [1, 576, 1], which even out the loudness;
    ``position`` int64 [1], the number of settled states; ``SETTLED`` float32 [1, position, 288], what each layer
    attends to of them, and themselves. Outputs: ``AUDIO_KEYS_VALUES`` as of :func:`clip_graph`; ``GROWN``, ``SETTLED``
    with the new states behind. Settled states do not see what comes after them, new ones see everything.
    """
    build = GraphBuilder(decoder.tensors | encoder.tensors)
    position = build.input("position", INT64, (1,))
    for name in SETTLED:
        build.input(name, FLOAT, (1, "settled", WIDTH))
    names = dict(zip(SETTLED, GROWN, strict=True))

    def join(settled: str, fresh: str) -> str:
        return build.node("Concat", [settled, fresh], [names[settled]], axis=1)

    fresh = _encoder(build, encoder, _third_convolution(build), position, join)
    for name in GROWN:
        build.output(name, FLOAT, (1, "grown", WIDTH))
    return _audio_keys_values(build, join(SETTLED[-1], fresh), decoder)


def _encoder(
    build: GraphBuilder,
    encoder: OrtFile,
    hidden: str,
    position: str,
    join: Callable[[str, str], str],
) -> str:
    """The layers, over what the convolutions put out; ``join`` sets the settled rows of that name before fresh ones."""
    graph = GraphParts(build, encoder, "/layers.{}/", "layers.{}.{}.weight")
    rotary = graph.rotary("onnx::Expand_202", position)
    for layer in range(LAYERS):
        normed = graph.norm(hidden, layer, "input_layernorm")
        query, key, value = graph.attention_inputs(normed, layer)
        query, key = (graph.rotate(name, rotary) for name in (query, key))
        key, value = map(join, SETTLED[2 * layer : 2 * layer + 2], (key, value))
        attended = graph.attend([query, key, value], [f"{layer}.attended"])
        hidden = graph.add(hidden, graph.product(attended, layer, "self_attn/o_proj/MatMul"))
        normed = graph.norm(hidden, layer, "post_attention_layernorm")
        wide = graph.product(normed, layer, "mlp/fc1/Add")
        active = build.node("Gelu", [wide], [f"{wide}.gelu"], MICROSOFT)
        hidden = graph.add(hidden, graph.product(active, layer, "mlp/fc2/Add"))
    scale = ["layer_norm.weight"]
    return build.node("LayerNormalization", [hidden, *scale], ["states"], epsilon=EPSILON)


def decoder_graph(
    decoder: OrtFile, vocabulary: NDArray[np.int64], parts: type[GraphParts] = GraphParts
) -> bytes:
    """One pass of the decoder, first or later, that scores the tokens of ``vocabulary``, int64 [v].

    Inputs: ``tokens`` int64 [1, s]; ``position`` int64 [1], the number of tokens before them; ``PAST`` float32
    [1, 8, position, 36]; ``AUDIO_KEYS_VALUES``. Outputs: ``logits`` float32 [1, s, v]; ``PRESENT`` float32
    [1, 8, position + s, 36]. ``parts`` decides how a pass rounds, and how many tokens it takes.
    """
    build = GraphBuilder(decoder.tensors | {"output_layer": output_layer(decoder, vocabulary)})
    graph = parts(build, decoder, _DECODER_LAYER, "model.decoder.layers.{}.{}.weight_merged_0")
    build.input("tokens", INT64, (1, "tokens"))
    rotary = graph.rotary("onnx::Expand_248", build.input("position", INT64, (1,)))
    for name, audio_name in zip(PAST, AUDIO_KEYS_VALUES, strict=True):
        build.input(name, FLOAT, _SELF_SHAPE)
        build.input(audio_name, FLOAT, _AUDIO_SHAPE)
    embedding = "model.decoder.embed_tokens.weight_merged_0"
    build.node("Gather", [f"{embedding}_quantized", "tokens"], ["rows"])
    constants = ["rows", f"{embedding}_scale", f"{embedding}_zero_point"]
    hidden = build.node("DequantizeLinear", constants, ["embedded"])
    halves = build.constant("halves", np.array([4 * WIDTH, 4 * WIDTH], np.int64))
    for layer in range(LAYERS):
        hidden = _decoder_layer(graph, layer, hidden, rotary, halves)
    scale = ["model.decoder.norm.weight_merged_0"]
    normed = build.node("LayerNormalization", [hidden, *scale], ["normed"], epsilon=EPSILON)
    graph.multiply(normed, ["output_layer", *decoder.wiring[LOGITS][2:]], LOGITS)
    build.output(LOGITS, FLOAT, (1, "tokens", len(vocabulary)))
    for name in PRESENT:
        build.output(name, FLOAT, (1, HEADS, "present", HEAD_SIZE))
    return build.model()


def _decoder_layer(
    graph: GraphParts, layer: int, hidden: str, rotary: list[str], halves: str
) -> str:
    build, pair = graph.build, slice(2 * layer, 2 * layer + 2)
    normed = graph.norm(hidden, layer, "input_layernorm")
    query, key, value = graph.attention_inputs(normed, layer)
    query, key = (graph.rotate(name, rotary) for name in (query, key))
    inputs = [query, key, value, "", "", "", *PAST[pair]]
    attended = graph.attend(inputs, [f"{layer}.attended", *PRESENT[pair]], unidirectional=1)
    hidden = graph.add(hidden, graph.product(attended, layer, "self_attn/o_proj/MatMul"))
    normed = graph.norm(hidden, layer, "post_attention_layernorm")
    query = graph.product(normed, layer, "encoder_attn/q_proj/MatMul")
    heard = graph.attend([query, *AUDIO_KEYS_VALUES[pair]], [f"{layer}.heard"])
    hidden = graph.add(hidden, graph.product(heard, layer, "encoder_attn/o_proj/MatMul"))
    normed = graph.norm(hidden, layer, "final_layernorm")
    wide = graph.product(normed, layer, "mlp/fc1/Add")
    build.node("Split", [wide, halves], [f"{wide}.up", f"{wide}.gate"], axis=-1)
    build.node("QuickGelu", [f"{wide}.gate"], [f"{wide}.silu"], MICROSOFT, alpha=1.0)
    active = build.node("Mul", [f"{wide}.silu", f"{wide}.up"], [f"{wide}.gated"])
    return graph.add(hidden, graph.product(active, layer, "mlp/fc2/Add"))


def _all_convolutions(build: GraphBuilder) -> str:
    """Three convolutions; the audio's loudness is normalised after the first."""
    samples = build.input("samples", FLOAT, (1, 1, "samples"))
    build.node("Conv", [samples, "conv1.weight_add_tensor"], ["conv1"], strides=[64])
    build.node("Tanh", ["conv1"], ["tanh"])
    flat = build.constant("flat", np.array([1, 1, -1], np.int64))
    build.node("Reshape", ["tanh", flat], ["tanh.flat"])
    unit = [f"/groupnorm/Constant_{index}_output_0" for index in (1, 2)]
    build.node("InstanceNormalization", ["tanh.flat", *unit], ["even.flat"], epsilon=EPSILON)
    channels = build.constant("channels", np.array([1, WIDTH, -1], np.int64))
    build.node("Reshape", ["even.flat", channels], ["even"])
    build.node("Mul", ["even", "onnx::Mul_2080"], ["even.scaled"])
    hidden = build.node("Add", ["even.scaled", "onnx::Add_2081"], ["even.shifted"])
    for name, stride in (("conv2", 3), ("conv3", 2)):
        weights = [f"{name}.weight_add_tensor", f"{name}.bias"]
        build.node("Conv", [hidden, *weights], [name], strides=[stride])
        hidden = build.node("Gelu", [name], [f"{name}.gelu"], MICROSOFT)
    return build.node("Transpose", [hidden], ["front"], perm=[0, 2, 1])


def _third_convolution(build: GraphBuilder) -> str:
    frames = build.input("frames", FLOAT, (1, 2 * WIDTH, "frames"))
    scale = build.input("scale", FLOAT, (1,))
    shift = build.input("shift", FLOAT, (1, 2 * WIDTH, 1))
    scaled = build.node("Mul", [frames, scale], ["frames.scaled"])
    even = build.node("Add", [scaled, shift], ["frames.even"])
    second = build.node("Gelu", [even], ["second"], MICROSOFT)
    third = build.node(
        "Conv", [second, "conv3.weight_add_tensor", "conv3.bias"], ["conv3"], strides=[2]
    )
    active = build.node("Gelu", [third], ["third"], MICROSOFT)
    return build.node("Transpose", [active], ["front"], perm=[0, 2, 1])


def _audio_keys_values(build: GraphBuilder, states: str, decoder: OrtFile) -> bytes:
    """The decoder's keys and values of the audio, computed once per clip."""
    heads = build.constant("heads", np.array([1, -1, HEADS, HEAD_SIZE], np.int64))
    projections = GraphParts(build, decoder, _DECODER_LAYER, "")
    quantized = projections.quantize(states)
    for index, name in enumerate(AUDIO_KEYS_VALUES):
        product = f"encoder_attn/{'kv'[index % 2]}_proj/MatMul"
        flat = projections.quantized_product(quantized, index // 2, product)
        split = build.node("Reshape", [flat, heads], [f"{name}.split"])
        build.node("Transpose", [split], [name], perm=[0, 2, 1, 3])
        build.output(name, FLOAT, _AUDIO_SHAPE)
    return build.model()
