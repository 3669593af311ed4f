"""What a key of the configuration may hold, in words: for error messages, and for the reference."""

import typing
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from msgspec import inspect

from speech_service.config.tree import Amount, Count, Level, Share, Times

_WORDS: dict[type[inspect.Type], str] = {
    inspect.BoolType: "true or false",
    inspect.StrType: "text",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.DictType: "a table",
    inspect.StructType: "a table",
    inspect.VarTupleType: "a list",
    inspect.AnyType: "a value",
    inspect.DateTimeType: "a time such as 2027-01-31T00:00:00Z",
}


def at(kind: Any, keys: Sequence[str | int]) -> Any:
    """Give the type below ``kind`` at ``keys``; ``Any`` where there is none, or nothing is said of it."""
    for key in keys:
        if isinstance(key, int) or key.isdigit():
            kind = (typing.get_args(kind) or (Any,))[0]
        elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            kind = next((f.type for f in msgspec.structs.fields(kind) if f.name == key), Any)
        else:
            return Any
    return kind


def known_keys(kind: Any) -> list[str]:
    """Give the keys of a section, sorted."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return sorted(f.name for f in msgspec.structs.fields(kind))
    return []


def is_switch(kind: Any) -> bool:
    """Whether the value is true or false."""
    return kind is bool


def is_list(kind: Any) -> bool:
    """Whether the value is a list."""
    return typing.get_origin(kind) is tuple


def described(kind: Any) -> str:
    """Say what is allowed, so that it can follow "is not"."""
    if kind == Count:
        return "a whole number from 0 up"
    if kind == Amount:
        return "a finite number from 0 up"
    if kind == Share:
        return "a number above 0, up to 1"
    if kind == Times:
        return "a number above 0, up to 2"
    if kind == Level:
        return "a finite number"
    if typing.get_origin(kind) is typing.Literal:
        return f"one of {', '.join(map(str, typing.get_args(kind)))}"
    info = inspect.type_info(kind)
    if isinstance(info, inspect.UnionType):
        parts = cast("Sequence[Any]", typing.get_args(kind))
        return " or ".join(described(part) for part in parts if part is not type(None))
    return _WORDS[type(info)]
