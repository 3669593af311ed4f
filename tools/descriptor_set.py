"""Writes deploy/envoy/speech.pb, the contract as a FileDescriptorSet: what Envoy's JSON transcoder reads.

python tools/descriptor_set.py          writes it
python tools/descriptor_set.py --check  exits 1 when it is out of date
"""

import sys
from importlib import import_module
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

FILE = Path(__file__).resolve().parent.parent / "deploy" / "envoy" / "speech.pb"
SERVICES = ("recognition", "synthesis", "alignment", "translation", "voice", "model")
MODULES = (
    *(f"speech.v1.{service}_service_pb2" for service in SERVICES),
    # What errors carry: the transcoder writes them as JSON where it finds their types here.
    "google.rpc.status_pb2",
    "google.rpc.error_details_pb2",
)


def descriptor_set() -> bytes:
    """The services of speech.v1 and all that they need, each file after those that it imports."""
    found: dict[str, FileDescriptor] = {}
    for module in MODULES:
        _collect(import_module(module).DESCRIPTOR, found)
    files = FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(files.file.add())
    return files.SerializeToString(deterministic=True)


def _collect(file: FileDescriptor, found: dict[str, FileDescriptor]) -> None:
    if file.name not in found:
        for imported in file.dependencies:
            _collect(imported, found)
        found[file.name] = file


def main() -> int:
    """Run the command; returns the exit code."""
    fresh = descriptor_set()
    if "--check" in sys.argv[1:]:
        if not FILE.exists() or FILE.read_bytes() != fresh:
            print(f"{FILE.name} is out of date; run: make gen")
            return 1
        return 0
    FILE.write_bytes(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
