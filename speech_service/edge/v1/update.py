"""The configuration of a stream after an update, which names the fields that it changes."""

from collections.abc import Collection
from typing import TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from speech_service.domain.errors import InvalidFieldError, PreconditionError

Config = TypeVar("Config", bound=Message)


def merged(
    current: Config,
    changes: Config,
    mask: FieldMask,
    immutable: Collection[str],
    *,
    unlisted: Collection[str] = (),
) -> Config:
    """``current`` with the fields of ``mask`` taken from ``changes``; both stay as they are.

    Args:
        current: the configuration before.
        changes: what the fields become; one that is not set here is cleared.
        mask: which fields.
        immutable: fields that cannot change while a stream runs.
        unlisted: fields that an error does not name among those that are allowed, for no stream takes them.

    Raises:
        InvalidFieldError: the mask is empty or names no field.
        PreconditionError: a field is one of the ``immutable``.
    """
    field, descriptor = "update_config.update_mask", cast(Descriptor, current.DESCRIPTOR)
    names = [each.name for each in descriptor.fields]
    allowed = ", ".join(name for name in names if name not in (*immutable, *unlisted))
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
    _take(mask, changes, result)
    return result


def _take(mask: FieldMask, given: Message, config: Message) -> None:
    """Put the fields of ``mask`` from ``given`` in ``config``; one that is not set there is cleared here.

    Protobuf's own merge leaves a field as it is whose parent is not set. The paths must be those of the messages.
    """
    for path in mask.paths:
        *parents, leaf = path.split(".")
        owner = config
        for name in parents:
            owner = getattr(owner, name) if owner.HasField(name) else None
            if owner is None:
                break
        if owner is not None:
            owner.ClearField(leaf)
    mask.MergeMessage(given, config, True, True)
