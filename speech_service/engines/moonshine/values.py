"""onnxruntime's values, as this engine uses them. Its own annotations are partial, so they pass through untyped."""

from typing import Any, cast

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

ort = cast(Any, onnxruntime)
Value = Any


def value_of(array: "np.ndarray[Any, Any]") -> Value:
    """An OrtValue over the array's own memory."""
    return ort.OrtValue.ortvalue_from_numpy(array)
