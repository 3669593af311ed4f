"""Reads constants and wiring out of an ONNX Runtime model file (.ort, a FlatBuffer).

Field slots: https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/flatbuffers/schema/ort.fbs.
Only files whose digest was verified come here, so a malformed file is not expected.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_service.engines.formats.onnx import INT8, Tensor

_SESSION_MODEL, _MODEL_GRAPH = 1, 7
_GRAPH_INITIALIZERS, _GRAPH_NODES = 0, 2
_NODE_INPUTS, _NODE_OUTPUTS, _NODE_ATTRIBUTES = 8, 9, 10
_ATTRIBUTE_GRAPH = 7
_TENSOR_NAME, _TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_DATA = 0, 2, 3, 4


@dataclass(frozen=True, slots=True)
class OrtFile:
    """Constants by name, and inputs of each node by its first output; inner graphs override outer ones."""

    tensors: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    wiring: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


@dataclass(frozen=True, slots=True)
class _Table:
    """A FlatBuffer table: a field's place comes from a table of offsets."""

    data: memoryview
    at: int

    def place(self, slot: int) -> int:
        """Where the field lies; 0: it is absent."""
        vtable = self.at - struct.unpack_from("<i", self.data, self.at)[0]
        size = struct.unpack_from("<H", self.data, vtable)[0]
        where = 4 + 2 * slot
        offset = struct.unpack_from("<H", self.data, vtable + where)[0] if where < size else 0
        return self.at + offset if offset else 0

    def integer(self, slot: int) -> int:
        place = self.place(slot)
        return struct.unpack_from("<i", self.data, place)[0] if place else 0

    def table(self, slot: int) -> "_Table | None":
        place = self.place(slot)
        return _Table(self.data, _follow(self.data, place)) if place else None

    def content(self, slot: int, item_bytes: int = 1) -> memoryview:
        """A string or a vector of scalars."""
        place = self.place(slot)
        return (
            _content(self.data, _follow(self.data, place), item_bytes) if place else self.data[:0]
        )

    def items(self, slot: int) -> Iterator[int]:
        """Places of the items of a vector of tables or strings."""
        vector = self.content(slot, 4)
        base = self.place(slot) and _follow(self.data, self.place(slot)) + 4
        for index, (offset,) in enumerate(struct.iter_unpack("<I", vector)):
            yield base + 4 * index + offset

    def tables(self, slot: int) -> Iterator["_Table"]:
        return (_Table(self.data, place) for place in self.items(slot))

    def strings(self, slot: int) -> list[str]:
        return [str(_content(self.data, place, 1), "utf-8") for place in self.items(slot)]


def read_ort_file(data: bytes) -> OrtFile:
    """Read the main graph and the graphs inside its nodes."""
    view = memoryview(data)
    file = OrtFile()
    model = _Table(view, _follow(view, 0)).table(_SESSION_MODEL)
    graph = model.table(_MODEL_GRAPH) if model else None
    if graph is None:
        raise ValueError("not an ONNX Runtime model file")
    _read_graph(graph, file)
    return file


def integers(tensor: Tensor) -> NDArray[Any]:
    """A constant of signed or unsigned bytes."""
    data_type = np.int8 if tensor.element_type == INT8 else np.uint8
    return np.frombuffer(tensor.data, data_type).reshape(tensor.shape)


def _follow(data: memoryview, place: int) -> int:
    return place + struct.unpack_from("<I", data, place)[0]


def _content(data: memoryview, place: int, item_bytes: int) -> memoryview:
    count = struct.unpack_from("<I", data, place)[0]
    return data[place + 4 : place + 4 + count * item_bytes]


def _read_graph(graph: _Table, file: OrtFile) -> None:
    for tensor in graph.tables(_GRAPH_INITIALIZERS):
        shape = tuple(size for (size,) in struct.iter_unpack("<q", tensor.content(_TENSOR_DIMS, 8)))
        name = str(tensor.content(_TENSOR_NAME), "utf-8")
        data = tensor.content(_TENSOR_DATA)
        file.tensors[name] = Tensor(tensor.integer(_TENSOR_TYPE), shape, data)
    for node in graph.tables(_GRAPH_NODES):
        outputs = node.strings(_NODE_OUTPUTS)
        file.wiring[outputs[0]] = node.strings(_NODE_INPUTS)
        for attribute in node.tables(_NODE_ATTRIBUTES):
            inner = attribute.table(_ATTRIBUTE_GRAPH)
            if inner is not None:
                _read_graph(inner, file)
