"""Any work, outcome or error, for hypothesis: made from the types themselves, so that a new field is tried too."""

import dataclasses
import inspect
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, get_args, get_type_hints

import numpy as np
from hypothesis import strategies as st

from speech_service.dispatch.workers.codec import ERROR_TYPES
from speech_service.domain.audio import Samples
from speech_service.domain.errors import SpeechError
from speech_service.domain.work import Outcome, Work

_TEXT = st.text(max_size=20)
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXT,
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    type(None): st.none(),
}
_BYTES = st.binary(max_size=64).map(lambda data: data[: len(data) // 4 * 4])
SAMPLES = _BYTES.map(lambda data: np.frombuffer(data, "<f4").copy())
"""Any bits, NaN included."""


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type of the domain."""
    if kind == Samples:
        return SAMPLES
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    origin, inner = typing.get_origin(kind), get_args(kind)
    if origin is tuple and inner[1:] == (...,):
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if origin in (dict, Mapping):
        return st.dictionaries(values(inner[0]), values(inner[1]), max_size=3)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        fields = [field.name for field in dataclasses.fields(kind) if field.init]
        return st.builds(kind, **{name: values(hints[name]) for name in fields})
    return st.one_of(*map(values, inner))  # a union


WORK_TYPES: tuple[type, ...] = get_args(Work)
OUTCOME_TYPES: tuple[type, ...] = get_args(Outcome)


@st.composite
def speech_errors(draw: st.DrawFn) -> SpeechError:
    """An error of any class, made as that class is, with any words."""
    kind = draw(st.sampled_from(list(ERROR_TYPES.values())))
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.default is parameter.empty or draw(st.booleans()):
            hint = parameter.annotation
            arguments[name] = draw(st.lists(_TEXT) if hint == Sequence[str] else values(hint))
    return kind(**arguments)


def same(one: Any, other: Any) -> bool:
    """Equal in every field, arrays bit by bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    return one == other
