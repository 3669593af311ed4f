"""onnxruntime's values, as this engine uses them. Its own annotations are partial, so they pass through untyped."""

from typing import Any

import numpy as np

from speech_service.engines.runtimes.onnx_session import ort

Value = Any


def value_of(array: "np.ndarray[Any, Any]") -> Value:
    """An OrtValue over the array's own memory."""
    return ort.OrtValue.ortvalue_from_numpy(array)
