"""The checks of ``doctor``: this installation, its models, a server."""

import importlib.metadata
import platform
import re
import sys
import time
from pathlib import Path
from typing import Any

import speech_service
from speech_client import HealthStatus, SpeechApiError, SpeechClient
from speech_client.health import SERVICES
from speech_service.cli import ports
from speech_service.cli.failure import CommandError, explain
from speech_service.cli.finding import Check, Verdict
from speech_service.cli.inputs import sound_devices
from speech_service.cli.server_address import Access
from speech_service.config.tree import Config, ConfigError
from speech_service.domain.installing import install_extra

_DISTRIBUTION = "speech-service"
_USER_EXTRAS = ("server", "mic", "plot")
_SOUND = "extra mic"
_SOUND_DEVICES = {"input": "microphone", "output": "loudspeaker"}
_KINDS = ("recognizer", "synthesizer", "aligner", "translator")
_OLDEST, _NEWEST = (3, 11), (3, 13)
_HEALTH_TIMEOUT_S = 3.0
_CLOCK_TOLERANCE_S = 86_400


def check_installation(config: Config, load: bool = False, verbose: bool = False) -> list[Check]:
    """Check everything that can be seen without a server; ``verbose`` adds the versions of the packages."""
    return [
        check_python(),
        *check_packages(verbose),
        *check_models(config, load),
        *ports.check(config.server),
        check_clock(time.time()),
    ]


def check_python() -> Check:
    """Check that the version is one that the service is made for."""
    found = f"{platform.python_version()} on {platform.machine()}"
    if _OLDEST <= sys.version_info[:2] <= _NEWEST:
        return Check("Python", Verdict.OK, found)
    return Check("Python", Verdict.FAIL, found, "use Python 3.11, 3.12 or 3.13")


def check_packages(verbose: bool = False) -> list[Check]:
    """Check the packages of the base and of each extra; ``verbose`` adds their versions."""
    try:
        required = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        fix = install_extra("server")
        return [Check("packages", Verdict.WARN, "speech-service runs uninstalled", fix)]
    checks = [check_group("base", distributions(required, ""), Verdict.FAIL, verbose)]
    checks += [
        check_group(extra, names, Verdict.WARN, verbose)
        for extra in _USER_EXTRAS
        if (names := distributions(required, extra))  # None: installed before the extra was added.
    ]
    return [check_sound(each) if each.name == _SOUND else each for each in checks]


def check_sound(packages: Check) -> Check:
    """Check that the extra ``mic`` works: beside its packages it needs a library of the system, and devices."""
    if packages.verdict is not Verdict.OK:
        return packages
    try:
        devices = sound_devices()
    except CommandError as error:
        problem, _, fix = str(error).partition(". ")
        return Check(_SOUND, Verdict.WARN, f"{packages.found}, but {problem}", fix)
    lacking = [what for kind, what in _SOUND_DEVICES.items() if not _has_device(devices, kind)]
    here = f", but no {' and no '.join(lacking)} here" if lacking else ""
    return Check(_SOUND, Verdict.OK, f"{packages.found}{here}")


def _has_device(devices: Any, kind: str) -> bool:
    try:
        return bool(devices.query_devices(kind=kind))
    except (ValueError, devices.PortAudioError):  # What it raises where there is none.
        return False


def distributions(required: list[str], extra: str) -> list[str]:
    """Distributions that an extra ("" the base) asks for."""
    names: list[str] = []
    for requirement in required:
        found = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if (found[1] if found else "") == extra:
            names.append(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])
    return names


def check_group(extra: str, names: list[str], missing_is: Verdict, verbose: bool = False) -> Check:
    """Whether the distributions of an extra are installed."""
    found: list[str] = []
    missing: list[str] = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    title = "base packages" if extra == "base" else f"extra {extra}"
    if not missing:
        count = f"{len(found)} package{'s' * (len(found) != 1)}"
        return Check(title, Verdict.OK, ", ".join(found) if verbose else count)
    fix = install_extra("" if extra == "base" else extra)
    return Check(title, missing_is, f"missing: {', '.join(missing)}", fix)


def check_models(config: Config, load: bool = False) -> list[Check]:
    """Check each configured model: its backend can be imported and knows its options; with ``load``, its files load."""
    try:
        from speech_service.engines import registry
    except ModuleNotFoundError as error:
        fix = install_extra("server")
        return [Check("models", Verdict.WARN, f"not checked: {error.name} is missing", fix)]
    checks: list[Check] = []
    for index, model in enumerate(config.models):
        title = f"model {model.name or model.kind}"
        try:
            described = registry.describe(model, f"models.{index}")
            begin_s = time.monotonic()
            if load:
                registry.build_engine(model, path=f"models.{index}")
        except registry.BackendError as error:
            fix = error.install or "put its files where its options say, or name others there"
            checks.append(Check(title, Verdict.FAIL, error.problem, fix))
        except ConfigError as error:
            checks.append(Check(title, Verdict.FAIL, str(error), "correct the configuration"))
        else:
            languages = ", ".join(described.languages) or "any language"
            found = f"{described.name}: {languages}; {described.licence}"
            loaded = f"; loaded in {time.monotonic() - begin_s:.1f} s" if load else ""
            checks.append(Check(title, Verdict.OK, found + loaded))
    return checks


def check_clock(now_s: float) -> Check:
    """Check the clock: one that is behind this very program is wrong, and TLS and traces need a right one."""
    installed_s = Path(speech_service.__file__).stat().st_mtime
    found = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_s))
    if now_s < installed_s - _CLOCK_TOLERANCE_S:
        return Check(
            "clock", Verdict.FAIL, f"{found} is in the past", "set the clock, or start NTP"
        )
    return Check("clock", Verdict.OK, found)


async def check_server(client: SpeechClient, access: Access) -> list[Check]:
    """The server as a whole, then each service."""
    try:
        whole = await client.check_health(timeout_s=_HEALTH_TIMEOUT_S)
    except SpeechApiError as error:
        failure = explain(error, access)
        return [Check("server", Verdict.FAIL, f"{access.server} does not answer", str(failure))]
    address = access.server
    checks = [_health_check("server", address, whole)]
    for service in SERVICES:
        status = await client.check_health(service, timeout_s=_HEALTH_TIMEOUT_S)
        if status is not HealthStatus.SERVICE_UNKNOWN:  # A server offers what it has models for.
            checks.append(_health_check(f"service {service.rpartition('.')[2]}", "", status))
    return checks + await _check_served_models(client, access)


async def _check_served_models(client: SpeechClient, access: Access) -> list[Check]:
    """Check each model that the server has, and name the kinds that it lacks."""
    try:
        models = await client.list_models()
    except SpeechApiError as error:
        found = f"{access.server} does not list its models"
        return [Check("server's models", Verdict.FAIL, found, str(explain(error, access)))]
    checks: list[Check] = []
    for model in models:
        verdict, fix = Verdict.OK, ""
        if model.state == "failed":
            verdict, fix = Verdict.FAIL, "look at the log of `serve`"
        checks.append(
            Check(model.kind.replace("_", " "), verdict, f"{model.name} {model.state}", fix)
        )
    have = {model.kind for model in models}
    if missing := [kind for kind in _KINDS if kind not in have]:
        fix = "add one to `models` in the server's configuration, if it is wanted"
        checks.append(Check("server's models", Verdict.WARN, f"no {', no '.join(missing)}", fix))
    return checks


def _health_check(name: str, address: str, status: HealthStatus) -> Check:
    found = f"{address} {status.name}".strip()
    if status is HealthStatus.SERVING:
        return Check(name, Verdict.OK, found)
    fix = "it drains, or its models do not answer: look at the log of `serve`"
    return Check(name, Verdict.FAIL, found, fix)
