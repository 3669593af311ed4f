"""What the server can do: its models."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from speech.v1 import model_service_pb2


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the server is configured with.

    Attributes:
        name: name to use in requests.
        kind: "recognizer", "synthesizer", "aligner", "translator".
        state: "unloaded" (loads on first use), "loading", "ready", "unloading", "failed".
        languages: BCP-47 codes.
        sample_rate_hz: rate of its audio; 0 for a translator.
        capabilities: options that it honours, such as "word_times".
        limits: limits that hold for it; names carry the unit.
        is_default: an empty model name means this one, for its kind.
        licence: SPDX identifier or name of the weights' licence.
        description: a sentence for people.
    """

    name: str
    kind: str
    state: str
    languages: tuple[str, ...]
    sample_rate_hz: int
    capabilities: tuple[str, ...]
    limits: dict[str, int]
    is_default: bool
    licence: str
    description: str
    raw: model_service_pb2.Model | None = field(default=None, repr=False, compare=False)


def model_from_proto(raw: model_service_pb2.Model) -> Model:
    """One model. A value of an enum that this version does not know becomes its number."""
    return Model(
        name=raw.name,
        kind=enum_name("MODEL_KIND_", model_service_pb2.ModelKind.items(), raw.kind),
        state=enum_name("MODEL_STATE_", model_service_pb2.ModelState.items(), raw.state),
        languages=tuple(raw.languages),
        sample_rate_hz=raw.sample_rate_hz,
        capabilities=tuple(
            enum_name("CAPABILITY_", model_service_pb2.Capability.items(), value)
            for value in raw.capabilities
        ),
        limits={descriptor.name: value for descriptor, value in raw.limits.ListFields()},
        is_default=raw.is_default,
        licence=raw.licence,
        description=raw.description,
        raw=raw,
    )


def kind_to_proto(kind: str) -> "model_service_pb2.ModelKind.ValueType":
    """The filter value of a kind; "" means any. Raises ValueError for an unknown kind."""
    return model_service_pb2.ModelKind.Value(f"MODEL_KIND_{kind.upper() or 'UNSPECIFIED'}")


def enum_name(prefix: str, items: Iterable[tuple[str, int]], value: int) -> str:
    """A value of an enum in lower case, without the prefix; its number where this version does not know it."""
    return next(
        (n.removeprefix(prefix).lower() for n, number in items if number == value), str(value)
    )
