"""The configuration of a stream after an update, which names the fields that it changes."""

from collections.abc import Collection
from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from speech_service.domain.errors import InvalidFieldError, PreconditionError

Config = TypeVar("Config", bound=Message)


def merged(current: Config, changes: Config, mask: FieldMask, immutable: Collection[str]) -> Config:
    """``current`` with the fields of ``mask`` taken from ``changes``; both stay as they are.

    Raises:
        InvalidFieldError: the mask is empty or names no field.
        PreconditionError: a field is one of the ``immutable``, which cannot change while a stream runs.
    """
    field, descriptor = "update_config.update_mask", cast(Descriptor, current.DESCRIPTOR)
    allowed = ", ".join(each.name for each in descriptor.fields if each.name not in immutable)
    if not mask.paths:
        raise InvalidFieldError(field, "is empty", allowed)
    for path in mask.paths:
        if not FieldMask(paths=[path]).IsValidForDescriptor(descriptor):
            raise InvalidFieldError(field, f"{path[:64]!r} is no field", allowed)
        root = path.partition(".")[0]
        if root in immutable:
            raise PreconditionError(
                f"update_config.config.{root}",
                f"{root} cannot change while a stream runs; open a new stream",
                reason="IMMUTABLE_FIELD",
            )
    result = type(current)()
    result.CopyFrom(current)
    mask.MergeMessage(changes, result, True, True)
    return result
