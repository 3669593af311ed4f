"""What a front end has in memory before its first stream, and that all its services answer."""

import json
import subprocess
import sys

import pytest

from tests.integration.processes import ROOT, environment

HEAVY = {"av", "matplotlib", "onnxruntime", "torch"}
"""Libraries of tens of megabytes: each comes with the first work that needs it."""
MAX_RSS_KB = 100_000


@pytest.fixture(scope="module")
def front_end() -> dict[str, object]:
    """Start a front end with the shipped configuration in a process of its own, and tell what was seen."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.idle_front_end"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_waiting_front_end_holds_no_model_runtime(front_end: dict[str, object]) -> None:
    imported = front_end["modules"]
    assert isinstance(imported, list)
    assert HEAVY & set(imported) == set()


def test_a_waiting_front_end_is_small(front_end: dict[str, object]) -> None:
    rss_kb = front_end["rss_kb"]
    assert isinstance(rss_kb, int)
    if not rss_kb:
        pytest.skip("this system has no /proc/self/status")
    assert 20_000 < rss_kb < MAX_RSS_KB


def test_every_service_answers(front_end: dict[str, object]) -> None:
    assert front_end["answers"] == {
        "speech.v1.SynthesisService/Synthesize": "INVALID_ARGUMENT",
        "speech.v1.AlignmentService/Align": "INVALID_ARGUMENT",
        "speech.v1.TranslationService/TranslateText": "INVALID_ARGUMENT",
        "speech.v1.TranslationService/NoSuchMethod": "UNIMPLEMENTED",
        "speech.v1.VoiceService/ListVoices": "OK",
        "speech.v1.ModelService/ListModels": "OK",
        "speech.admin.v1.ModelAdminService/GetServerStatus": "OK",
        "grpc.channelz.v1.Channelz/GetServers": "OK",
    }


def test_reflection_describes_services_that_nobody_has_called(
    front_end: dict[str, object],
) -> None:
    described = front_end["described"]
    assert isinstance(described, list)
    assert described[0] == "speech.v1"
