"""A session keeps no second copy of its model."""

import sys
from typing import Any, cast

import numpy as np
import pytest

from speech_service.engines.formats.onnx import FLOAT, GraphBuilder
from speech_service.engines.runtimes.onnx_session import forget_model


def test_the_serialised_model_is_let_go_and_the_session_runs() -> None:
    ort = cast(Any, pytest.importorskip("onnxruntime"))
    build = GraphBuilder({})
    weights = build.constant("weights", np.arange(6, dtype=np.float32).reshape(2, 3))
    build.node("MatMul", [build.input("x", FLOAT, (1, 2)), weights], ["y"])
    build.output("y", FLOAT, (1, 3))
    model = build.model()
    session = forget_model(ort.InferenceSession(model, providers=["CPUExecutionProvider"]))
    assert session.run(["y"], {"x": np.ones((1, 2), np.float32)})[0].tolist() == [[3.0, 5.0, 7.0]]
    assert sys.getrefcount(model) == 2, "ours, and that of the question"
