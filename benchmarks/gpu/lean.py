"""Stands in for what a machine with torch, safetensors, tokenizers and numpy may lack, as far as engines need it.

The options of backends are ``msgspec`` structures, which frozen dataclasses are much like; soxr changes the rate of
recordings of voices, and no row has one. Where the package is there, it is used.
"""

import dataclasses
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class Meta:
    """Bounds of a number, which are not looked at."""

    def __init__(self, **bounds: Any) -> None:
        self.bounds = bounds


class Struct:
    """A frozen dataclass; settings of msgspec are not needed."""

    def __init_subclass__(cls, **settings: Any) -> None:
        dataclasses.dataclass(frozen=True, kw_only=bool(settings.get("kw_only")))(cls)


class NoResampling:
    """Recordings have the rate of the model here."""

    def __init__(self, *rates: Any, **more: Any) -> None:
        raise ModuleNotFoundError("No module named 'soxr'", name="soxr")


def _replace(value: Any, **changes: Any) -> Any:
    return dataclasses.replace(value, **changes)


def _module(name: str, **members: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    return module


def stand_ins() -> Mapping[str, ModuleType]:
    """By name: modules for what is not installed."""
    structs = _module("msgspec.structs", replace=_replace)
    msgspec = _module("msgspec", Struct=Struct, Meta=Meta, field=dataclasses.field, structs=structs)
    made = {
        "msgspec": msgspec,
        "msgspec.structs": structs,
        "soxr": _module("soxr", ResampleStream=NoResampling),
    }
    return {name: module for name, module in made.items() if _is_missing(name.partition(".")[0])}


def install() -> None:
    """From now on they are imported."""
    sys.modules.update(stand_ins())


def _is_missing(name: str) -> bool:
    return name not in sys.modules and find_spec(name) is None
