"""The pages of the contract, one for each file of ``proto/``: services, messages, fields, bounds, from the comments."""

import contextlib
import io
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from sabledocs import (  # pyright: ignore[reportMissingTypeStubs]
    comments_parser,
    proto_descriptor_parser,
    sable_config,
)

from speech_service.edge.v1.field_bounds import CHARACTERS, COUNTS, OWN, OWN_COUNTS

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
TEMPLATES = Path(__file__).parent
WELL_KNOWN = "https://protobuf.dev/reference/protobuf/google.protobuf/#"
_SYNTAX_PATH = [12]
"""Where the comment at the top of a file is, in what protoc tells of the source."""


@dataclass(frozen=True, slots=True)
class ProtoFile:
    """A file of the contract: what its top comment says, and what it declares."""

    name: str
    about: str
    services: list[Any]
    messages: list[Any]
    enums: list[Any]

    @property
    def title(self) -> str:
        """What the page is called: the service, or what the file is named."""
        if self.services:
            return self.services[0].name
        return f"{Path(self.name).stem.capitalize()} messages"

    @property
    def page(self) -> str:
        """Name of the file's page."""
        stem = Path(self.name).stem.removesuffix("_service")
        return f"{stem.replace('_', '-')}.md"


def pages() -> dict[str, str]:
    """Write the pages: name of the file below ``docs/reference/rpc`` to its content."""
    described = _descriptors()
    files = _files(described)
    homes = {each.full_name: file for file in files for each in (*file.messages, *file.enums)}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown out of our own comments
    )
    given = {"files": files, "shapes": _shapes(described), "cell": _cell, "bounds": _bounds}
    template = environment.get_template("rpc.md.jinja")
    written = {
        file.page: template.render(given, file=file, link=_Linker(file, homes).link).rstrip() + "\n"
        for file in files
    }
    written["README.md"] = environment.get_template("rpcs.md.jinja").render(given)
    return written


def _descriptors() -> bytes:
    """What protoc reads in the contract, comments included."""
    sources = sorted(str(path.relative_to(PROTO)) for path in (PROTO / "speech").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "contract.binpb"
        command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTO}"]
        subprocess.run([*command, "--include_source_info", f"-o{out}", *sources], check=True)
        return out.read_bytes()


def _files(described: bytes) -> list[ProtoFile]:
    context = _parsed(described)
    services = [each for package in context.packages for each in package.services]
    return [
        ProtoFile(
            file.name,
            _top_comment(file),
            [each for each in services if each.source_file_path == file.name],
            [
                m
                for m in _once(context.all_messages)
                if m.source_file_path == file.name and not m.is_map_entry
            ],
            [each for each in _once(context.all_enums) if each.source_file_path == file.name],
        )
        for file in sorted(FileDescriptorSet.FromString(described).file, key=_public_first)
    ]


def _public_first(file: FileDescriptorProto) -> tuple[bool, str]:
    return file.package != "speech.v1", file.name


def _parsed(described: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        config: Any = sable_config.SableConfig(str(Path(folder) / "none.toml"))
        config.input_descriptor_file = str(Path(folder) / "contract.binpb")
        config.comments_parser = comments_parser.CommentsParser()
        config.member_ordering = sable_config.MemberOrdering.PRESERVE_ORIGINAL
        Path(config.input_descriptor_file).write_bytes(described)
        return proto_descriptor_parser.parse_proto_descriptor(config)


def _once(items: list[Any]) -> list[Any]:
    """The parser gives the items of a package again with each file of it."""
    return list({item.full_name: item for item in items}.values())


def _top_comment(file: FileDescriptorProto) -> str:
    places = file.source_code_info.location
    return next((p.leading_comments.strip() for p in places if list(p.path) == _SYNTAX_PATH), "")


def _shapes(described: bytes) -> Mapping[str, str]:
    """Which side of each RPC streams."""
    words = {
        (False, False): "one request, one reply",
        (False, True): "one request, a stream of replies",
        (True, False): "a stream of requests, one reply",
        (True, True): "a stream both ways",
    }
    return {
        f"{file.package}.{service.name}.{method.name}": words[
            method.client_streaming, method.server_streaming
        ]
        for file in FileDescriptorSet.FromString(described).file
        for service in file.service
        for method in service.method
    }


@dataclass(frozen=True, slots=True)
class _Linker:
    """Links from one page to where a type is described."""

    here: ProtoFile
    homes: Mapping[str, ProtoFile]

    def link(self, full_type: str) -> str:
        """A type as a link, where it has a place to link to."""
        name = full_type.rpartition(".")[2]
        home = self.homes.get(full_type)
        if home is not None:
            page = "" if home is self.here else home.page
            return f"[{name}]({page}#{name.lower()})"
        if full_type.startswith("google.protobuf."):
            return f"[{name}]({WELL_KNOWN}{name.replace('FieldMask', 'field-mask').lower()})"
        return f"`{full_type}`"


def _bounds(message: Any, field: Any) -> str:
    """The most that a field may hold, in words."""
    name = f"{message.full_name}.{field.name}"
    said: list[str] = []
    if count := COUNTS.get(name):
        said.append(f"{count.most} items")
    if key := OWN_COUNTS.get(name):
        said.append(f"items: {_setting(key)}")
    if characters := CHARACTERS.get(name):
        said.append(f"{characters.most} characters")
    own = OWN.get(name)
    if isinstance(own, int):
        said.append(f"{own} characters")
    elif own is not None:
        said.append(_setting(own))
    return "; ".join(said)


def _setting(key: str) -> str:
    return f"[`{key}`](../configuration.md)"


def _cell(text: str) -> str:
    """Text that fits into a cell of a table."""
    return " ".join(text.replace("|", "\\|").split())
