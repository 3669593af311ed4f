"""Hypothesis strategies for protobuf messages, made from their descriptors."""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

_INT32 = st.sampled_from([0, 1, -1, 2, 3, 5, 9, 99, 2**31 - 1, -(2**31)])
_UINT32 = st.sampled_from([0, 1, 2, 8, 9, 8000, 16_000, 48_000, 2**32 - 1])
_INT64 = st.sampled_from([0, 1, -1, 7, 2**31, 2**62, -(2**63)])
_FLOAT = st.sampled_from([0.0, 0.5, 1.0, -1.0, 1e30, float("nan"), float("inf")])
_TEXT = st.sampled_from(
    ["", "fake", "en", "endpointing", "context.terms", "audio", "x" * 70, "\0\u202e\U0001f600", "*"]
)
_BYTES = st.one_of(
    st.binary(max_size=64),
    st.sampled_from([b"\x00\x20\x00\xe0" * 800, b"RIFF\0\0\0\0WAVEfmt ", b"OggS", b"\xff" * 999]),
)
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: _INT32,
    FieldDescriptor.CPPTYPE_INT64: _INT64,
    FieldDescriptor.CPPTYPE_UINT32: _UINT32,
    FieldDescriptor.CPPTYPE_UINT64: _UINT32,
    FieldDescriptor.CPPTYPE_DOUBLE: _FLOAT,
    FieldDescriptor.CPPTYPE_FLOAT: _FLOAT,
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.sampled_from([0, 1, 2, 3, 4, 77]),
}


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 4) -> Message:
    """A message of the type with a few of its fields set to values that are likely to matter."""
    message: Message = GetMessageClass(descriptor)()
    known = list(descriptor.fields)
    fields = draw(st.lists(st.sampled_from(known), max_size=4)) if known else []
    for field in fields:
        repeated = field.is_repeated
        if field.message_type is not None:
            if depth == 0:
                continue
            value = draw(messages(field.message_type, depth - 1))
            target = getattr(message, field.name)
            (target.add() if repeated else target).CopyFrom(value)
            continue
        value = draw(_scalar(field))
        if repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    return message


def _scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return _BYTES if field.type == FieldDescriptor.TYPE_BYTES else _TEXT
    return _SCALARS[field.cpp_type]
