"""The packaged weights as signed bytes, where the processor multiplies those faster and still exactly.

The package has them unsigned, with a zero point near 128. Shifted by 128 they are the same numbers, and every sum of
products is the same integer; but onnxruntime then multiplies unsigned by signed bytes, for which x86 has one
instruction (VNNI). Processors that lack it have one that clamps sums of two products to 16 bits, which spoils the
text, and onnxruntime uses it without asking (its ``session.x64quantprecision`` avoids that on every x86 processor,
those with VNNI among them). So a product that would be clamped is tried first.
"""

from typing import Any

import numpy as np

from speech_service.engines.formats.onnx import INT8, INT32, UINT8, GraphBuilder, Tensor
from speech_service.engines.formats.ort import OrtFile
from speech_service.engines.runtimes.onnx_session import cpu_session

_DEPTH, _WIDTH = 64, 32


def signed(file: OrtFile) -> OrtFile:
    """The same constants; those of unsigned bytes, zero points among them, are signed bytes that lie 128 lower."""
    tensors = {
        name: Tensor(INT8, tensor.shape, _lowered(tensor.data))
        if tensor.element_type == UINT8
        else tensor
        for name, tensor in file.tensors.items()
    }
    return OrtFile(tensors, file.wiring)


def signed_products_are_exact() -> bool:
    """True where onnxruntime adds products of the largest unsigned and signed bytes without clamping.

    One row and several are tried: they have kernels of their own.
    """
    largest = np.full((_DEPTH, _WIDTH), 127, np.int8)
    build = GraphBuilder({"weights": Tensor(INT8, largest.shape, largest.tobytes())})
    values = build.input("values", UINT8, ("rows", _DEPTH))
    build.node("MatMulInteger", [values, "weights"], ["sums"])
    build.output("sums", INT32, ("rows", _WIDTH))
    session = cpu_session(build.model())
    return all(bool((_sums(session, rows) == _DEPTH * 255 * 127).all()) for rows in (1, 2, 8, 64))


def _sums(session: Any, rows: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    sums: np.ndarray[Any, np.dtype[np.int32]] = session.run(
        ["sums"], {"values": np.full((rows, _DEPTH), 255, np.uint8)}
    )[0]
    return sums


def _lowered(data: bytes | memoryview) -> bytes:
    return (np.frombuffer(data, np.uint8) ^ 0x80).tobytes()
