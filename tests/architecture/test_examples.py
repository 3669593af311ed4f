"""What the documents tell a reader to write is taken: configuration files, and settings on the command line."""

from pathlib import Path

import pytest

from speech_service.config.load import load_config
from speech_service.edge.auth.setup import check_auth
from speech_service.edge.auth.tenants import parse_tenants
from speech_service.engines import registry
from tests.architecture.examples import examples, is_tenants_file, settings


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


@pytest.mark.parametrize("given", settings().values(), ids=settings().keys())
def test_a_setting_is_taken(given: str) -> None:
    load_config(None, overrides=[given], environment={})
