"""Every field of a request that can be long has a bound, that its comment states, and that is held before all else."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import field_mask_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from speech.admin.v1 import model_admin_service_pb2
from speech.v1 import (
    alignment_service_pb2,
    common_pb2,
    model_service_pb2,
    recognition_service_pb2,
    synthesis_service_pb2,
    translation_service_pb2,
    voice_service_pb2,
)
from speech_service.config.tree import Config
from speech_service.domain.errors import InvalidFieldError
from speech_service.edge.v1.field_bounds import (
    CHARACTERS,
    COUNTS,
    OWN,
    OWN_COUNTS,
    check_fields,
)

PROTO = Path(__file__).resolve().parents[3] / "proto"
FILES = (
    alignment_service_pb2,
    model_service_pb2,
    recognition_service_pb2,
    synthesis_service_pb2,
    translation_service_pb2,
    voice_service_pb2,
    model_admin_service_pb2,
)
BYTES_SHOWN = {1024 * 1024: "1 MiB", 16 * 1024 * 1024: "16 MiB"}


def requests() -> Iterator[Descriptor]:
    for file in FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield method.input_type


def long_fields() -> dict[str, FieldDescriptor]:
    """Strings, bytes, maps and repeated fields of all that a client may send."""
    found: dict[str, FieldDescriptor] = {}
    waiting, seen = list(requests()), set[str]()
    while waiting:
        message = waiting.pop()
        if message.full_name in seen:
            continue
        seen.add(message.full_name)
        for field in message.fields:
            if field.message_type is not None:
                waiting.append(field.message_type)
            if field.is_repeated or field.type in (field.TYPE_STRING, field.TYPE_BYTES):
                found[field.full_name] = field
    return found


FIELDS = long_fields()


@cache
def comments() -> dict[str, str]:
    """The comment of each field of the contract."""
    found: dict[str, str] = {}
    for path in PROTO.glob("speech/**/v1/*.proto"):
        text = path.read_text("utf-8")
        package = re.findall(r"^package ([\w.]+);", text, re.M)[0]
        message, comment = "", ""
        for line in text.splitlines():
            if begins := re.match(r"message (\w+)", line):
                message = begins[1]
            if line.strip().startswith("//"):
                comment += " " + line.strip().removeprefix("//").strip()
                continue
            if named := re.match(r"\s+(?:repeated |optional )?[\w.]+ (\w+) = \d+;", line):
                found[f"{package}.{message}.{named[1]}"] = comment
            comment = ""
    return found


def shown(bound: str | int) -> str:
    """A bound as a comment writes it."""
    if isinstance(bound, int):
        return str(bound)
    section, _, key = bound.partition(".")
    value = getattr(getattr(Config(), section), key)
    return BYTES_SHOWN[value] if key.endswith("_bytes") else str(value)


@pytest.mark.parametrize("name", FIELDS)
def test_every_long_field_has_a_bound(name: str) -> None:
    field = FIELDS[name]
    if field.is_repeated:
        assert name in COUNTS or name in OWN_COUNTS, "how many?"
    if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
        assert name in CHARACTERS or name in OWN, "how long?"


@pytest.mark.parametrize("name", [name for name in FIELDS if name.startswith("speech.")])
def test_the_contract_says_it(name: str) -> None:
    bounds: list[str] = []
    if name in COUNTS or name in OWN_COUNTS:
        bounds.append(shown(COUNTS[name].most if name in COUNTS else OWN_COUNTS[name]))
    if name in CHARACTERS or name in OWN:
        bounds.append(shown(CHARACTERS[name].most if name in CHARACTERS else OWN[name]))
    for bound in bounds:
        assert re.search(rf"(?i)(?:at most|1 to)\b[^.]*\b{bound}\b", comments()[name])


def test_no_bound_is_of_nothing() -> None:
    assert {*COUNTS, *CHARACTERS, *OWN, *OWN_COUNTS} == set(FIELDS)


@pytest.mark.parametrize("name", COUNTS)
def test_one_too_many_is_refused(name: str) -> None:
    bound = COUNTS[name]
    message = made(name.rpartition(".")[0])
    values = getattr(message, name.rpartition(".")[2])
    for _ in range(bound.most):
        add(values, FIELDS[name])
    check_fields(message)
    add(values, FIELDS[name])
    with pytest.raises(InvalidFieldError) as caught:
        check_fields(message)
    assert caught.value.metadata == {bound.limit_name: str(bound.most)}
    assert caught.value.field == name.rpartition(".")[2]


@pytest.mark.parametrize("name", CHARACTERS)
def test_one_character_too_many_is_refused(name: str) -> None:
    bound, field = CHARACTERS[name], name.rpartition(".")[2]
    for more in (0, 1):
        text = "\u4e16" * (bound.most + more)
        message = made(name.rpartition(".")[0])
        if FIELDS[name].is_repeated:
            getattr(message, field).append(text)
        else:
            setattr(message, field, text)
        if not more:
            check_fields(message)
            continue
        with pytest.raises(InvalidFieldError) as caught:
            check_fields(message)
        assert caught.value.metadata == {bound.limit_name: str(bound.most)}


def test_the_path_leads_to_the_field() -> None:
    entry = synthesis_service_pb2.LexiconEntry(term="a", pronunciation="b" * 201)
    config = synthesis_service_pb2.SynthesisConfig(lexicon=[{"term": "a"}, entry])  # pyright: ignore[reportArgumentType] - a dictionary is taken
    update = synthesis_service_pb2.UpdateSynthesisConfig(config=config)
    request = synthesis_service_pb2.StreamingSynthesizeRequest(update_config=update)
    with pytest.raises(InvalidFieldError) as caught:
        check_fields(request)
    assert caught.value.field == "update_config.config.lexicon[1].pronunciation"


def test_what_is_not_set_stays_so() -> None:
    request = recognition_service_pb2.RecognizeRequest(config={})  # pyright: ignore[reportArgumentType] - a dictionary is taken
    check_fields(request)
    assert request == recognition_service_pb2.RecognizeRequest(config={})  # pyright: ignore[reportArgumentType]


def made(name: str) -> Any:
    """An empty message of that full name."""
    if name == "google.protobuf.FieldMask":
        return field_mask_pb2.FieldMask()
    for module in (*FILES, common_pb2):
        kind = getattr(module, name.rpartition(".")[2], None)
        if kind is not None and kind.DESCRIPTOR.full_name == name:
            return kind()
    raise LookupError(name)


def add(values: Any, field: FieldDescriptor) -> None:
    if field.message_type is not None:
        values.add()
    else:
        values.append("a" if field.type == field.TYPE_STRING else 1)
