"""Sessions of onnxruntime on the CPU. Nothing here needs torch."""

from collections.abc import Sequence
from typing import Any, cast

import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

ort = cast(Any, onnxruntime)
"""Its own annotations are partial, so that its values pass through untyped."""
_ERRORS_ONLY = 3


def cpu_session(
    model: bytes, threads: int = 1, *, keeps_memory: bool = True, without: Sequence[str] = ()
) -> Any:
    """Load a graph.

    Args:
        model: serialised.
        threads: of one run.
        keeps_memory: as much as the longest run took, for the next one.
        without: optimizers to leave out.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Lanes share the cores with each other and with the front end: a waiting thread must not spin.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Shapes change with every run, so a planned memory pattern never fits twice.
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = keeps_memory
    session = ort.InferenceSession(
        model, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(without)
    )
    return forget_model(session)


def forget_model(session: Any) -> Any:
    """Let go of the serialised model, and return the session.

    onnxruntime's Python class keeps it, as much memory as the weights, to start again on another provider should one
    fail; here no provider takes another's place.
    """
    session.disable_fallback()
    vars(session)["_model_bytes"] = None
    return session
