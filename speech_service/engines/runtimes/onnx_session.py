"""For sessions of onnxruntime that are made from a serialised model."""

from typing import Any


def forget_model(session: Any) -> Any:
    """Let go of the serialised model, and return the session.

    onnxruntime's Python class keeps it, as much memory as the weights, to start again on another provider should one
    fail; here no provider takes another's place.
    """
    session.disable_fallback()
    vars(session)["_model_bytes"] = None
    return session
