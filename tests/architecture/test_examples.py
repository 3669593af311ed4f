"""What the documents tell a reader to write is taken: configuration files, and settings on the command line."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_service.config.load import load_config
from speech_service.edge.auth.setup import check_auth
from speech_service.edge.auth.tenants import TenantsFile, parse_tenants
from speech_service.engines import registry

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


def settings() -> Iterator[object]:
    """Every ``--set`` of ours; Helm has its own values, and ``…`` stands for a reader's."""
    for name in documents():
        lines = (ROOT / name).read_text("utf-8").splitlines()
        ours = "\n".join(line for line in lines if "helm" not in line)
        for given in sorted(set(_SETTING.findall(ours))):
            if "…" not in given and given != "section.key=value":
                yield pytest.param(given.rstrip("."), id=f"{name}:{given}")


@pytest.mark.parametrize("text", examples().values(), ids=examples().keys())
def test_a_configuration_is_taken(text: str, tmp_path: Path) -> None:
    if is_tenants_file(text):
        parse_tenants(text.encode())
        return
    path = tmp_path / "service.toml"
    path.write_text(text, "utf-8")
    config = load_config(path, environment={})
    check_auth(config)
    for model in config.models:
        registry.device_of(model)


@pytest.mark.parametrize("given", list(settings()))
def test_a_setting_is_taken(given: str) -> None:
    load_config(None, overrides=[given], environment={})
