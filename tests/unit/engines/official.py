"""Stands in for the official Qwen packages: objects with their methods, so that our side of them can be tested."""

import importlib.metadata
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

LoadModel = Callable[..., Any]


def pretend(
    patch: pytest.MonkeyPatch,
    package: str,
    class_name: str,
    load: LoadModel,
    transformers: str = "4.57.6",
) -> None:
    """Make ``package`` importable; ``load`` is its class's ``from_pretrained``."""
    module = ModuleType(package)
    module.__spec__ = ModuleSpec(package, None)
    setattr(module, class_name, SimpleNamespace(from_pretrained=load))
    patch.setitem(sys.modules, package, module)
    patch.setattr(importlib.metadata, "version", lambda name: {"transformers": transformers}[name])
