"""Checks that the contract breaks no client of the contract before it.

The contract before is the newest commit on main whose .proto files differ from those of the working tree. On a branch
that is the tip of main; on main itself it is the state before the last change, so the check means something there too.
"""

import io
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO_FILES = ":(glob)proto/**/*.proto"
MAIN_REFS = ("main", "origin/main", "HEAD")


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Runs git in the repository; the caller looks at the exit code."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)


def text(*arguments: str) -> str:
    """Gives what a git command prints, or nothing where it fails."""
    done = git(*arguments)
    return done.stdout.decode().strip() if done.returncode == 0 else ""


def commit_before() -> str:
    """Finds the commit to compare with; empty when there is none."""
    main = next((ref for ref in MAIN_REFS if text("rev-parse", "--verify", "-q", ref)), "")
    if not main:
        return ""
    start = text("merge-base", "HEAD", main) or main
    for commit in text("log", "--format=%H", start, "--", PROTO_FILES).split():
        if git("diff", "--quiet", commit, "--", PROTO_FILES).returncode == 1:
            return commit
    return ""


def compare(commit: str) -> int:
    """Runs `buf breaking` against the .proto files of a commit; gives its exit code."""
    buf = shutil.which("buf", path=sysconfig.get_path("scripts")) or "buf"
    archive = git("archive", commit, "--", PROTO_FILES)
    if archive.returncode:
        sys.exit(f"check_breaking: {archive.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(name, filter="data")
        shutil.copy(ROOT / "buf.yaml", name)
        return subprocess.run(
            [buf, "breaking", "--against", name], cwd=ROOT, check=False
        ).returncode


def main() -> int:
    """Runs the check; gives the exit code."""
    if shutil.which("git") is None:
        sys.exit("check_breaking: git is needed")
    commit = commit_before()
    if not commit:
        print("check_breaking: main has no earlier contract to compare with")
        return 0
    print(f"check_breaking: comparing with {text('log', '-1', '--format=%h %s', commit)}")
    return compare(commit)


if __name__ == "__main__":
    sys.exit(main())
