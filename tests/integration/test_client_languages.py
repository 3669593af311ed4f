"""The promise of proto/README.md: the folder alone gives clients of any language their messages."""

import base64
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
PUBLIC = sorted(PROTO.glob("speech/**/*.proto"))
ERRORS = sorted(PROTO.glob("google/rpc/*.proto"))

# Of each language whose messages protoc makes by itself: files that there must be, one of each package.
LANGUAGES = {
    "cpp": ("speech/v1/recognition_service.pb.h", "google/rpc/error_details.pb.h"),
    "csharp": ("RecognitionService.cs", "ModelAdminService.cs", "ErrorDetails.cs"),
    "java": (
        "speech/v1/StreamingRecognizeRequest.java",
        "speech/v1/RecognitionServiceProto.java",
        "speech/admin/v1/LoadModelRequest.java",
        "com/google/rpc/ErrorInfo.java",
    ),
    "kotlin": ("speech/v1/StreamingRecognizeRequestKt.kt", "com/google/rpc/ErrorInfoKt.kt"),
    "objc": ("speech/v1/RecognitionService.pbobjc.h", "google/rpc/ErrorDetails.pbobjc.h"),
    "php": (
        "Speech/V1/StreamingRecognizeRequest.php",
        "Speech/Admin/V1/LoadModelRequest.php",
        "Google/Rpc/ErrorInfo.php",
    ),
    "pyi": ("speech/v1/recognition_service_pb2.pyi", "google/rpc/error_details_pb2.pyi"),
    "ruby": ("speech/v1/recognition_service_pb.rb", "google/rpc/error_details_pb.rb"),
}
# What the code of a language must say of its package.
SAYS = {
    "csharp": ("RecognitionService.cs", "namespace Speech.V1 {"),
    "java": ("speech/v1/RecognitionServiceProto.java", "package speech.v1;"),
    "objc": ("speech/v1/RecognitionService.pbobjc.h", "@interface SPVStreamingRecognizeRequest"),
    "php": ("Speech/V1/StreamingRecognizeRequest.php", "namespace Speech\\V1;"),
    "ruby": ("speech/v1/recognition_service_pb.rb", "module Speech\n  module V1"),
}


def protoc(out: Path, *flags: str) -> None:
    """Compile all that a client may want, with `proto/` as the only folder of ours."""
    names = [str(path.relative_to(PROTO)) for path in (*PUBLIC, *ERRORS)]
    compiler = str(Path(sys.executable).with_name("protoc"))
    command = [compiler, f"-I{PROTO}", *flags, *names]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_folder_gives_messages_in(language: str, tmp_path: Path) -> None:
    protoc(tmp_path, f"--{language}_out={tmp_path}")
    missing = [name for name in LANGUAGES[language] if not (tmp_path / name).is_file()]
    assert not missing, sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*"))[:40]
    assert not [path for path in tmp_path.rglob("*") if "nternal" in path.name]
    if language in SAYS:
        name, text = SAYS[language]
        assert text in (tmp_path / name).read_text(encoding="utf-8")


def test_nothing_internal_is_in_the_public_folder(tmp_path: Path) -> None:
    assert PUBLIC
    assert ERRORS
    assert not [path for path in PROTO.rglob("*.proto") if "internal" in path.parts]
    # What buf takes for the module, and so what `buf generate` of a client makes.
    done = subprocess.run(
        [str(Path(sys.executable).with_name("buf")), "ls-files"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert {ROOT / line for line in done.stdout.split()} == set(PUBLIC)


def test_every_file_says_where_its_code_goes(tmp_path: Path) -> None:
    """The names that `buf breaking` leaves out (buf.yaml): changing one breaks who compiled with it."""
    protoc(tmp_path, f"--descriptor_set_out={tmp_path / 'all'}")
    described = descriptor_pb2.FileDescriptorSet.FromString((tmp_path / "all").read_bytes())
    checked = 0
    for file in described.file:
        if file.package == "speech.v1":
            names = ("speech/v1;speechv1", "speech.v1", "Speech.V1", "SPV")
        elif file.package == "speech.admin.v1":
            names = ("speech/admin/v1;adminv1", "speech.admin.v1", "Speech.Admin.V1", "SPA")
        else:
            continue
        go, java, dotted, prefix = names
        words = Path(file.name).stem.split("_")
        options = file.options
        assert options.go_package == f"example.com/speech-service/go/{go}"
        assert (options.java_package, options.java_multiple_files) == (java, True)
        assert options.java_outer_classname == "".join(map(str.capitalize, words)) + "Proto"
        assert options.csharp_namespace == dotted
        assert options.php_namespace == dotted.replace(".", "\\")
        assert options.ruby_package == dotted.replace(".", "::")
        assert options.swift_prefix == dotted.replace(".", "")
        assert options.objc_class_prefix == prefix
        checked += 1
    assert checked == len(PUBLIC)


def test_the_error_protos_are_googles() -> None:
    """Byte for byte those of googleapis-common-protos, which the Python client imports."""
    package = distribution("googleapis-common-protos")
    for path in ERRORS:
        original = package.locate_file(path.relative_to(PROTO))
        assert path.read_bytes() == Path(str(original)).read_bytes(), path


def test_the_node_stubs_are_of_this_contract(tmp_path: Path) -> None:
    """protoc-gen-es keeps each file's descriptor; it must be the one that `proto/` gives now."""
    protoc(tmp_path, f"--descriptor_set_out={tmp_path / 'all'}")
    described = descriptor_pb2.FileDescriptorSet.FromString((tmp_path / "all").read_bytes())
    gen = ROOT / "clients" / "node" / "gen"
    expected = {file.name: _bare(file) for file in described.file}
    found: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    for path in gen.rglob("*_pb.js"):
        (data,) = re.findall(r'fileDesc\("([^"]+)"', path.read_text(encoding="utf-8"))
        file = descriptor_pb2.FileDescriptorProto.FromString(
            base64.b64decode(data + "=" * (-len(data) % 4))
        )
        found[file.name] = _bare(file)
    assert found.keys() == expected.keys(), "run: npm run gen"
    for name, file in found.items():
        assert file == expected[name], f"{name}: run: npm run gen"


def _bare(
    file: descriptor_pb2.FileDescriptorProto,
) -> descriptor_pb2.FileDescriptorProto:
    """Without what generators add or leave out: names of JSON, dependencies, options of other languages."""
    bare = descriptor_pb2.FileDescriptorProto()
    bare.CopyFrom(file)
    for field in ("dependency", "options", "source_code_info"):
        bare.ClearField(field)
    waiting = list(bare.message_type)
    while waiting:
        message = waiting.pop()
        waiting += message.nested_type
        for field in message.field:
            field.ClearField("json_name")
    return bare
