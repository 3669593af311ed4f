"""The Helm chart: linted, rendered for what users set, and held against Kubernetes' own schemas."""

import itertools
import json
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from speech_service.config.load import load_config

CHART = Path(__file__).resolve().parents[2] / "deploy/helm/speech-service"
VERSIONS = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
VALUES: dict[str, tuple[str, ...]] = {
    "as it comes": (),
    "gpu": ("deviceClasses.gpu.enabled=true", "deviceClasses.cpu.enabled=false"),
    "hpa": ("autoscaling.kind=hpa",),
    "keda and everything": (
        "deviceClasses.gpu.enabled=true",
        "autoscaling.kind=keda",
        "monitoring.serviceMonitor.enabled=true",
        "monitoring.rules.enabled=true",
        "tls.secretName=speech-tls",
        "tls.clientCaKey=ca.crt",
        "auth.secretName=tenants,auth.operatorKey=operator.key,auth.resumeKey=resume.key",
        "auth.accept[0]=mtls,auth.accept[1]=api_key",
        "probes.kind=exec",
        "networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus",
        "podLabels.team=voice",
        "extraEnv[0].name=SPEECH_WORKER__MODE,extraEnv[0].value=process",
    ),
    "a gateway": (
        "gateway.enabled=true",
        "gateway.parentRefs[0].name=outside,gateway.parentRefs[0].namespace=gateways",
        "gateway.hostnames[0]=speech.example.com",
    ),
    "envoy gateway": ("gateway.enabled=true", "gateway.envoyGateway=true"),
    "istio": (
        "istio.enabled=true",
        "istio.gateways[0]=mesh,istio.gateways[1]=gateways/outside",
        "istio.hosts[0]=speech.example.com",
        "tls.secretName=speech-tls",
    ),
}
CUSTOM = {
    "monitoring.coreos.com": "prometheus-operator",
    "keda.sh": "keda",
    "gateway.networking.k8s.io": "gateway-api",
    "gateway.envoyproxy.io": "envoy-gateway",
    "networking.istio.io": "istio",
}
"""Groups of custom resources, and the npm package (@kubernetes-models) that has their types."""
TYPES = Path(__file__).parent / "crds"
REFUSED = (
    "probes.kind=tcp",
    "auth.accept[0]=password",
    "autoscaling.kind=cpu",
    "autoscaling.targetLoad=1.5",
    "drain.graceSeconds=-1",
    "deviceClasses.gpu.replica=3",
    "replicas=3",
    "image.repository=",
    "gateway.parentRefs=outside",
    "istio.maxStreams=0",
)


def program(name: str) -> str:
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: make check-deploy installs it")
    return found


def render(*values: str) -> str:
    command = [program("helm"), "template", "voice", str(CHART), "--namespace", "speech"]
    command += itertools.chain.from_iterable(("--set", value) for value in values)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(rendered: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(rendered) if document]


def test_helm_finds_nothing_wrong() -> None:
    command = [program("helm"), "lint", "--strict", str(CHART)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", VALUES)
def test_kubernetes_would_take_it(name: str, tmp_path: Path) -> None:
    validate = program("kubernetes-validate")
    core = [d for d in documents(render(*VALUES[name])) if _is_core(d)]
    file = tmp_path / "rendered.yaml"
    file.write_text(yaml.safe_dump_all(core))
    for version in VERSIONS:
        command = [validate, "--strict", "-k", version, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Couldn't find schema" not in done.stdout + done.stderr


def _is_core(document: dict[str, Any]) -> bool:
    return document["apiVersion"].partition("/")[0] not in CUSTOM


@pytest.mark.parametrize("name", VALUES)
def test_custom_resources_are_what_their_operators_take(name: str) -> None:
    custom = [d for d in documents(render(*VALUES[name])) if not _is_core(d)]
    if custom:
        done = checked_by_types(name, custom)
        assert done.returncode == 0, done.stdout


def test_a_field_that_an_operator_does_not_know_is_found() -> None:
    wrong = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "spec": {"host": "speech", "trafficPolicy": {"loadBalancer": {"simpel": "LEAST_REQUEST"}}},
    }
    done = checked_by_types("wrong", [wrong])
    assert done.returncode != 0
    assert "simpel" in done.stdout


def checked_by_types(name: str, custom: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    """What TypeScript says of the documents: a literal may have no field that its type lacks, and no other values."""
    compiler = TYPES / "node_modules/.bin/tsc"
    if not compiler.exists():
        pytest.skip(
            "the types of custom resources are not installed: make check-deploy installs them"
        )
    lines: list[str] = []
    for at, document in enumerate(custom):
        group, _, version = document["apiVersion"].partition("/")
        module = f"@kubernetes-models/{CUSTOM[group]}/{group}/{version}/{document['kind']}"
        lines.append(f'import type {{ I{document["kind"]} as Type{at} }} from "{module}";')
        lines.append(f"({json.dumps(document)}) satisfies Type{at};")
    source = TYPES / "node_modules" / ".rendered" / f"{name.replace(' ', '-')}.ts"
    source.parent.mkdir(exist_ok=True)
    source.write_text("\n".join(lines), "utf-8")
    command = [str(compiler), "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"]
    return subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)


def test_no_route_ends_a_stream_by_the_clock() -> None:
    rendered = documents(render(*VALUES["envoy gateway"]) + "\n---\n" + render(*VALUES["istio"]))
    (policy,) = [d for d in rendered if d["kind"] == "BackendTrafficPolicy"]
    assert set(policy["spec"]["timeout"]["http"].values()) == {"0s"}
    (mesh,) = [d for d in rendered if d["kind"] == "VirtualService"]
    assert [route["timeout"] for route in mesh["spec"]["http"]] == ["0s"]
    assert mesh["spec"]["hosts"] == ["speech.example.com", "voice-speech.speech.svc.cluster.local"]


@pytest.mark.parametrize("value", REFUSED)
def test_a_wrong_value_is_refused_by_name(value: str) -> None:
    command = [program("helm"), "template", "voice", str(CHART), "--set", value]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "don't meet the specifications" in done.stderr


def pods(rendered: str) -> Iterator[dict[str, Any]]:
    for document in documents(rendered):
        if document["kind"] == "Deployment":
            yield document["spec"]["template"]["spec"]


@pytest.mark.parametrize("name", VALUES)
def test_the_service_takes_the_configuration_that_a_pod_is_given(name: str, tmp_path: Path) -> None:
    rendered = render(*VALUES[name])
    files = [d["data"]["service.toml"] for d in documents(rendered) if d["kind"] == "ConfigMap"]
    for text, pod in zip(files, pods(rendered), strict=True):
        path = tmp_path / "service.toml"
        path.write_text(text)
        given = {each["name"]: str(each["value"]) for each in pod["containers"][0]["env"]}
        config = load_config(path, environment=given)
        asked = config.server.drain_notice_s + config.server.drain_grace_s
        assert pod["terminationGracePeriodSeconds"] > asked
        assert config.server.listen.endswith(":50051")


@pytest.mark.parametrize("name", VALUES)
def test_pods_have_no_rights(name: str) -> None:
    for pod in pods(render(*VALUES[name])):
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"]
        assert not rights["allowPrivilegeEscalation"]
        assert rights["capabilities"] == {"drop": ["ALL"]}


def test_the_admin_port_is_closed_where_the_network_does_not_close_it() -> None:
    (pod,) = pods(render("probes.kind=exec", "networkPolicy.enabled=false"))
    given = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    assert given["SPEECH_SERVER__ADMIN_LISTEN"].startswith("127.0.0.1:")
    (policy,) = [d for d in documents(render()) if d["kind"] == "NetworkPolicy"]
    assert "admin" not in json.dumps(policy["spec"])


def test_gpus_are_asked_for_whole() -> None:
    (pod,) = pods(render(*VALUES["gpu"]))
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
