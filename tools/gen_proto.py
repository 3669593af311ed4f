"""Regenerates the committed Python stubs under proto/gen/python from the .proto files of proto/.

python tools/gen_proto.py          writes the stubs
python tools/gen_proto.py --check  compares with a temporary folder; exits 1 on any difference

The pins below are part of the contract: stubs made by an older grpcio-tools work with every newer
grpcio and protobuf, never the other way round. Needs the plugins of mypy-protobuf beside the
running interpreter or on the path.
"""

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
GENERATED = PROTO / "gen" / "python"
PACKAGE = "speech"
PINS = {"grpcio-tools": "1.75.0", "mypy-protobuf": "5.1.0"}


def check_pins() -> None:
    """Stops when a generator is not of the pinned version."""
    for name, wanted in PINS.items():
        found = version(name)
        if found != wanted:
            sys.exit(f"gen_proto: {name} is {found}; the stubs are made by {wanted}")


def plugin(name: str) -> str:
    """Gives protoc's flag for a plugin, from the running interpreter's scripts first."""
    path = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if path is None:
        sys.exit(f"gen_proto: {name} not found; install mypy-protobuf=={PINS['mypy-protobuf']}")
    return f"--plugin={name}={path}"


def generate(out: Path) -> None:
    """Writes stubs, type stubs, package markers and py.typed below `out`."""
    sources = sorted(str(path.relative_to(PROTO)) for path in (PROTO / PACKAGE).rglob("*.proto"))
    includes = [f"--proto_path={folder}" for folder in (PROTO, files("grpc_tools") / "_proto")]
    plugins = [plugin("protoc-gen-mypy"), plugin("protoc-gen-mypy_grpc")]
    outputs = [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, *plugins, *outputs, *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"gen_proto: protoc failed\n{done.stdout}{done.stderr}")
    for folder in {out / PACKAGE, *(path for path in (out / PACKAGE).rglob("*") if path.is_dir())}:
        (folder / "__init__.py").touch()
    (out / PACKAGE / "py.typed").touch()


def read_tree(folder: Path) -> dict[str, bytes]:
    """Maps each generated file's relative path to its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted((folder / PACKAGE).rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }


def differences(committed: dict[str, bytes], fresh: dict[str, bytes]) -> list[str]:
    """Describes each file that differs, one line each."""
    lines: list[str] = []
    for path in sorted(committed.keys() | fresh.keys()):
        if path not in fresh:
            lines.append(f"superfluous: {path}")
        elif path not in committed:
            lines.append(f"missing:     {path}")
        elif committed[path] != fresh[path]:
            old, new = (set(tree[path].decode().splitlines()) for tree in (committed, fresh))
            lines.append(f"differs:     {path} (+{len(new - old)} -{len(old - new)} lines)")
    return lines


def main() -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Regenerate the committed protobuf stubs.")
    parser.add_argument(
        "--check", action="store_true", help="only compare; exit 1 when the stubs are out of date"
    )
    check = bool(parser.parse_args().check)
    check_pins()
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name))
        committed, fresh = read_tree(GENERATED), read_tree(Path(name))
        if check:
            lines = differences(committed, fresh)
            if lines:
                print("stubs are out of date; run: python tools/gen_proto.py", *lines, sep="\n")
            return 1 if lines else 0
        shutil.copytree(Path(name) / PACKAGE, GENERATED / PACKAGE, dirs_exist_ok=True)
        for superfluous in committed.keys() - fresh.keys():
            (GENERATED / superfluous).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
