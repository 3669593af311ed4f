"""What the documents tell a reader to write: blocks of TOML, and settings on the command line."""

import re
import subprocess
import tomllib
from pathlib import Path

from speech_service.edge.auth.tenants import TenantsFile

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^( *)```toml\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_SETTING = re.compile(r"--set[ =]([a-z_]+\.[a-z_]+=[^\s`'\")]+)")


def documents() -> list[str]:
    """Committed documents that readers follow; decisions tell of what was."""
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    return [name for name in listed if "decisions/" not in name and name != "CHANGELOG.md"]


def examples() -> dict[str, str]:
    """Every block of TOML, by its document and number."""
    return {
        f"{name}:{at}": found[2]
        for name in documents()
        for at, found in enumerate(_FENCE.finditer((ROOT / name).read_text("utf-8")))
    }


def is_tenants_file(text: str) -> bool:
    """An example of a tenants file, not of a configuration."""
    return tomllib.loads(text).keys() <= {*TenantsFile.__struct_fields__}


def settings() -> dict[str, str]:
    """Every ``--set`` of ours, by its document; Helm has its own values, and ``…`` stands for a reader's."""
    found: dict[str, str] = {}
    for name in documents():
        lines = (ROOT / name).read_text("utf-8").splitlines()
        ours = "\n".join(line for line in lines if "helm" not in line)
        for given in sorted(set(_SETTING.findall(ours))):
            if "…" not in given and given != "section.key=value":
                found[f"{name}:{given}"] = given.rstrip(".")
    return found
