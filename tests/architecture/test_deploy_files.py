"""Dockerfile and compose.yaml, checked as far as files can be without a container engine."""

import fnmatch
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from speech_service.config.load import load_config
from speech_service.config.tree import Config

ROOT = Path(__file__).resolve().parents[2]
SECRET = re.compile(r"(?i)(password|passwd|secret|token|api_?key|credential)s?\s*[=:]\s*\S")
PINNED_IMAGE = re.compile(r".+:v?\d+\.\d+\.\d+\S*$|.+@sha256:[0-9a-f]{64}$")

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """Give the Dockerfile's instructions as (keyword, arguments), continuation lines joined."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    joined = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    whole = joined.replace("\\\n", " ").splitlines()
    parts = [line.strip().partition(" ") for line in whole if line.strip()]
    return [(keyword.upper(), " ".join(rest.split())) for keyword, _, rest in parts]


def final_stage() -> list[Instruction]:
    """Give the instructions from the last FROM on: what the image is made of."""
    every = instructions()
    last = max(i for i, (keyword, _) in enumerate(every) if keyword == "FROM")
    return every[last:]


def only(keyword: str) -> str:
    """Give the arguments of an instruction that the final stage holds exactly once."""
    (arguments,) = [rest for name, rest in final_stage() if name == keyword]
    return arguments


def image_config() -> Config:
    """Load the configuration that the image's environment gives."""
    pairs = dict(pair.split("=", 1) for pair in only("ENV").split())
    return load_config(environment={k: v for k, v in pairs.items() if k.startswith("SPEECH_")})


@pytest.fixture(name="compose")
def fixture_compose() -> dict[str, Any]:
    """Give compose.yaml as plain values."""
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def port(address: str) -> str:
    """Give the port of `host:port`."""
    return address.rpartition(":")[2]


def test_image_base_is_pinned() -> None:
    given = [rest for keyword, rest in instructions() if keyword == "ARG" and "=" in rest]
    arguments = dict(rest.split("=", 1) for rest in given)
    bases = [rest.split()[0] for keyword, rest in instructions() if keyword == "FROM"]
    named = [re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], base) for base in bases]
    assert len(named) == 2
    assert all(PINNED_IMAGE.match(base) for base in named), named


def test_image_runs_as_a_user_without_rights() -> None:
    user, _, group = only("USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0
    keywords = [keyword for keyword, _ in final_stage()]
    assert keywords.index("USER") < keywords.index("ENTRYPOINT")


def test_image_holds_no_secret() -> None:
    for name in ("Dockerfile", "compose.yaml"):
        assert not SECRET.search((ROOT / name).read_text()), name
    assert not [rest for keyword, rest in instructions() if keyword == "ADD"]


def test_image_sources_exist_and_reach_the_engine() -> None:
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = [line[1:] for line in patterns if line.startswith("!")]
    assert "*" in patterns, "what is not listed stays out"
    for keyword, rest in instructions():
        if keyword != "COPY" or rest.startswith("--from="):
            continue
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(fnmatch.fnmatch(source, pattern) for pattern in allowed), source


def test_image_configuration_is_valid_and_its_ports_are_exposed() -> None:
    server = image_config().server
    assert {port(server.listen), port(server.metrics_listen)} == {*only("EXPOSE").split()}
    assert not server.listen.startswith("127.")
    assert server.admin_listen.startswith("127."), "the admin port stays on loopback"


def test_image_command_is_a_command_of_the_program() -> None:
    assert json.loads(only("ENTRYPOINT")) == ["speech-service"]
    arguments: list[str] = json.loads(only("CMD"))
    command = [sys.executable, "-m", "speech_service", *arguments, "--help"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_image_health_check_is_the_cheap_probe_of_its_admin_port() -> None:
    form = only("HEALTHCHECK")
    words: list[str] = json.loads(form[form.index("[") :])
    # -I: nothing that lies in the working directory is imported.
    assert words == ["python", "-I", "-m", "speech_service.probe"]
    command = [sys.executable, *words[1:]]
    environment = {"SPEECH_SERVER__ADMIN_LISTEN": "127.0.0.1:1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.startswith("127.0.0.1:1 does not answer")


def test_compose_gives_no_service_more_than_it_needs(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & {*service}, name
        mounted = [entry.partition(":")[0] for entry in service.get("volumes", ())]
        assert {*mounted} <= {*compose["volumes"]}, "no folder of the host"
        assert all(entry.startswith("127.0.0.1:") for entry in service["ports"]), name
        assert "build" in service or PINNED_IMAGE.match(service["image"]), name


def test_compose_agrees_with_the_image(compose: dict[str, Any]) -> None:
    service, server = compose["services"]["speech"], image_config().server
    published = {port(entry) for entry in service["ports"]}
    assert published <= {*only("EXPOSE").split()}
    assert int(service["stop_grace_period"].removesuffix("s")) > server.drain_grace_s
    assert any(entry.startswith("/tmp") for entry in service["tmpfs"])


def test_the_service_takes_the_configuration_of_the_gpu_service(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    service = compose["services"]["speech-gpu"]
    (mounted,) = service["configs"]
    assert service["command"] == ["serve", "--config", mounted["target"]]
    path = tmp_path / "service.toml"
    path.write_text(compose["configs"][mounted["source"]]["content"])
    (model,) = load_config(path).models
    assert model.options["device"] == "cuda"
    extras = service["build"]["args"]["EXTRAS"].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {*extras} <= {*project["optional-dependencies"]}


REFUSES = "#!/bin/sh\nexit 1\n"
TAKES = '#!/bin/sh\necho "$@" >> "$0.calls"\n'


@pytest.mark.parametrize(
    ("program", "arguments", "said"),
    [
        (None, [], ["now for processes that ask", "no nvidia-smi"]),
        (TAKES, [], ["persistence mode: on", "left to the GPUs"]),
        (TAKES, ["1410"], ["persistence mode: on", "locked at 1410 MHz"]),
        (REFUSES, ["1"], ["persistence mode: nvidia-smi refused", "refused 1 MHz"]),
    ],
)
def test_a_host_is_prepared_as_far_as_it_lets_itself(
    program: str | None, arguments: list[str], said: list[str], tmp_path: Path
) -> None:
    pages = tmp_path / "sys/kernel/mm/transparent_hugepage/enabled"
    pages.parent.mkdir(parents=True)
    pages.write_text("always madvise [never]\n")
    tool = tmp_path / "bin/nvidia-smi"
    tool.parent.mkdir()
    if program is not None:
        tool.write_text(program)
        tool.chmod(0o755)
    done = subprocess.run(
        [ROOT / "deploy/gpu/prepare-host.sh", *arguments],
        env={"PATH": f"{tool.parent}:/usr/bin:/bin", "PREPARE_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert all(text in done.stdout for text in said), done.stdout
    assert pages.read_text() == "madvise\n"


def test_prometheus_is_optional_and_scrapes_the_service(compose: dict[str, Any]) -> None:
    prometheus = compose["services"]["prometheus"]
    assert prometheus["profiles"] == ["metrics"]
    (mounted,) = prometheus["configs"]
    scrape = yaml.safe_load(compose["configs"][mounted["source"]]["content"])["scrape_configs"]
    targets = [
        target for job in scrape for part in job["static_configs"] for target in part["targets"]
    ]
    assert targets == [f"speech:{port(image_config().server.metrics_listen)}"]
