"""Writes and reads ONNX models in their wire format: enough for small graphs and their weights, without onnx.

Moonshine's graphs are written when the model is loaded, and Silero's weights are read in every front end: the package
would cost both tens of megabytes. Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FLOAT, UINT8, INT8, INT32, INT64, FLOAT16, BFLOAT16 = 1, 2, 3, 6, 7, 10, 16
MICROSOFT = "com.microsoft"
OPSET = 18
OPSET_OF_BFLOAT16 = 22
"""The first in which convolutions take it."""
_IR_VERSION = 10
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_INTS = 1, 2, 7
_TYPES = {"float32": FLOAT, "int32": INT32, "int64": INT64}

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_OUTPUT = 1, 12
_VALUE_NAME = 1
_NODE_OUTPUT, _NODE_ATTRIBUTE = 2, 5
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH = 5, 6
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_RAW = 1, 2, 9
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Shape = Sequence[int | str]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A constant: ONNX element type, shape, and little-endian data in row-major order."""

    element_type: int
    shape: tuple[int, ...]
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Exported:
    """A kind of graph that this service writes."""

    what: str
    """Also the option that chooses its runtime; ``..._file`` is the one that names the file."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def option(self) -> str:
        """Names the file."""
        return f"{self.what}_file"


class GraphBuilder:
    """Collects nodes in order of execution, then writes the model.

    ``weights`` are constants that nodes may name; those that none names are left out.
    """

    def __init__(self, weights: Mapping[str, Tensor], opset: int = OPSET) -> None:
        self._opsets = {"": opset, MICROSOFT: 1}
        self._weights = dict(weights)
        self._names = 0
        self._used: set[str] = set()
        self._nodes: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []

    def unique(self, what: str) -> str:
        """A name that was not given out before."""
        self._names += 1
        return f"{what}.{self._names}"

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The constants."""
        return self._weights

    def constant(
        self, name: str, value: NDArray[np.float32] | NDArray[np.int32] | NDArray[np.int64]
    ) -> str:
        """Add a constant of float32, int32 or int64 and return its name."""
        self._weights[name] = Tensor(_TYPES[value.dtype.name], value.shape, value.tobytes())
        return name

    def tensor(self, name: str, value: Tensor) -> str:
        """Add a constant of any type and return its name."""
        self._weights[name] = value
        return name

    def input(self, name: str, element_type: int, shape: Shape) -> str:
        """Declare an input; sizes that vary are given by name."""
        self._inputs.append(_field(11, _value_info(name, element_type, shape)))
        return name

    def output(self, name: str, element_type: int, shape: Shape) -> None:
        """Declare an output."""
        self._outputs.append(_field(12, _value_info(name, element_type, shape)))

    def node(
        self,
        op_type: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        domain: str = "",
        **attributes: float | Sequence[int],
    ) -> str:
        """Add a node and return its first output. An empty name leaves an optional input out."""
        self._used.update(inputs)
        parts = [_field(1, name.encode()) for name in inputs]
        parts += [_field(2, name.encode()) for name in outputs]
        parts.append(_field(4, op_type.encode()))
        parts += [_field(5, _attribute(name, value)) for name, value in attributes.items()]
        parts.append(_field(7, domain.encode()))
        self._nodes.append(_field(1, b"".join(parts)))
        return outputs[0]

    def model(self) -> bytes:
        """The serialised ModelProto."""
        weights = (
            _field(5, _tensor(name, tensor))
            for name, tensor in self._weights.items()
            if name in self._used
        )
        name = _field(2, b"graph")
        graph = b"".join([*self._nodes, name, *weights, *self._inputs, *self._outputs])
        opsets = (
            _field(8, _field(1, domain.encode()) + _number(2, version))
            for domain, version in self._opsets.items()
        )
        return b"".join([_number(1, _IR_VERSION), _field(7, graph), *opsets])


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _field(number: int, content: bytes | memoryview) -> bytes:
    return b"".join([_varint(number << 3 | 2), _varint(len(content)), content])


def _attribute(name: str, value: float | Sequence[int]) -> bytes:
    head = _field(1, name.encode())
    if isinstance(value, int):
        return head + _number(3, value) + _number(20, _ATTRIBUTE_INT)
    if isinstance(value, float):
        data = _varint(2 << 3 | 5) + struct.pack("<f", value)
        return head + data + _number(20, _ATTRIBUTE_FLOAT)
    return head + _numbers(8, value) + _number(20, _ATTRIBUTE_INTS)


def _numbers(number: int, values: Iterable[int]) -> bytes:
    return b"".join(_number(number, value) for value in values)


def _tensor(name: str, tensor: Tensor) -> bytes:
    head = _numbers(1, tensor.shape) + _number(2, tensor.element_type)
    return b"".join([head, _field(8, name.encode()), _field(9, tensor.data)])


def _value_info(name: str, element_type: int, shape: Shape) -> bytes:
    sizes = (
        _field(1, _number(1, size) if isinstance(size, int) else _field(2, size.encode()))
        for size in shape
    )
    tensor_type = _number(1, element_type) + _field(2, b"".join(sizes))
    return _field(1, name.encode()) + _field(2, _field(1, tensor_type))


def with_output(model: bytes, name: str) -> bytes:
    """Make a value inside the graph an output.

    Protobuf joins the parts of a message that is given twice, so a second graph with nothing but that output, behind
    the model, is all it takes.
    """
    return model + _field(_MODEL_GRAPH, _field(_GRAPH_OUTPUT, _field(_VALUE_NAME, name.encode())))


def read_float_constants(path: Path) -> dict[str, NDArray[np.float32]]:
    """Every float32 ``Constant`` of the model and of its sub-graphs, keyed by the name of its output.

    Raises:
        ValueError: the file is not an ONNX file that this reader understands.
    """
    weights: dict[str, NDArray[np.float32]] = {}
    try:
        for number, value in _fields(memoryview(path.read_bytes())):
            if number == _MODEL_GRAPH and isinstance(value, memoryview):
                weights.update(_graph_constants(value))
    except IndexError as error:
        raise ValueError("truncated ONNX file") from error
    return weights


def _graph_constants(graph: memoryview) -> Iterator[tuple[str, NDArray[np.float32]]]:
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
                yield from _constants_of(output, value)


def _constants_of(output: str, attribute: memoryview) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for number, value in _fields(attribute):
        if not isinstance(value, memoryview):
            continue
        if number == _ATTRIBUTE_GRAPH:
            yield from _graph_constants(value)
        elif number == _ATTRIBUTE_TENSOR:
            tensor = _float_tensor(value)
            if tensor is not None:
                yield output, tensor


def _float_tensor(tensor: memoryview) -> NDArray[np.float32] | None:
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
    if data_type != FLOAT or raw is None:
        return None
    return np.frombuffer(raw, np.dtype("<f4")).reshape(shape).astype(np.float32)


def _packed(value: memoryview) -> Iterator[int]:
    at = 0
    while at < len(value):
        number, at = _read_varint(value, at)
        yield number


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
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
        key, at = _read_varint(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _read_varint(data, at)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            length, at = _read_varint(data, at)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"not an ONNX file: wire type {wire}")
        if at + length > len(data):
            raise ValueError("truncated ONNX file")
        yield key >> 3, data[at : at + length]
        at += length
