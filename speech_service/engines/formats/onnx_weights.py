"""Reads float32 weights out of an ONNX file without onnx or onnxruntime.

Only the wire format of protobuf is needed: ModelProto.graph = 7; GraphProto.node = 1; NodeProto.output = 2,
op_type = 4, attribute = 5; AttributeProto.t = 5, g = 6; TensorProto.dims = 1, data_type = 2, name = 8,
raw_data = 9 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from speech_service.domain.audio import Samples

_MODEL_GRAPH = 7
_GRAPH_NODE = 1
_NODE_OUTPUT, _NODE_ATTRIBUTE = 2, 5
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH = 5, 6
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_RAW = 1, 2, 9
_FLOAT = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_float_constants(path: Path) -> dict[str, Samples]:
    """Every float32 ``Constant`` of the model and of its sub-graphs, keyed by the name of its output.

    Raises:
        ValueError: the file is not an ONNX file that this reader understands.
    """
    weights: dict[str, Samples] = {}
    try:
        for number, value in _fields(memoryview(path.read_bytes())):
            if number == _MODEL_GRAPH and isinstance(value, memoryview):
                weights.update(_graph_constants(value))
    except IndexError as error:
        raise ValueError("truncated ONNX file") from error
    return weights


def _graph_constants(graph: memoryview) -> Iterator[tuple[str, Samples]]:
    for number, node in _fields(graph):
        if number != _GRAPH_NODE or not isinstance(node, memoryview):
            continue
        output = ""
        for field_number, value in _fields(node):
            if not isinstance(value, memoryview):
                continue
            if field_number == _NODE_OUTPUT:
                output = bytes(value).decode()
            elif field_number == _NODE_ATTRIBUTE:
                yield from _attribute_constants(output, value)


def _attribute_constants(output: str, attribute: memoryview) -> Iterator[tuple[str, Samples]]:
    for number, value in _fields(attribute):
        if not isinstance(value, memoryview):
            continue
        if number == _ATTRIBUTE_GRAPH:
            yield from _graph_constants(value)
        elif number == _ATTRIBUTE_TENSOR:
            tensor = _float_tensor(value)
            if tensor is not None:
                yield output, tensor


def _float_tensor(tensor: memoryview) -> Samples | None:
    shape: list[int] = []
    data_type = 0
    raw: memoryview | None = None
    for number, value in _fields(tensor):
        if number == _TENSOR_DIMS:
            shape.extend([value] if isinstance(value, int) else _packed(value))
        elif number == _TENSOR_TYPE and isinstance(value, int):
            data_type = value
        elif number == _TENSOR_RAW and isinstance(value, memoryview):
            raw = value
    if data_type != _FLOAT or raw is None:
        return None
    return np.frombuffer(raw, np.dtype("<f4")).reshape(shape).astype(np.float32)


def _packed(value: memoryview) -> Iterator[int]:
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        yield number


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field number and value of each field of one message; fixed-width fields are given as bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"not an ONNX file: wire type {wire}")
        if at + length > len(data):
            raise ValueError("truncated ONNX file")
        yield key >> 3, data[at : at + length]
        at += length
