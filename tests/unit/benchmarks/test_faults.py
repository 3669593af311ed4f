"""What the rows of the faults benchmark send, and whether they would see what they look for."""

import base64
import itertools

import pytest

from benchmarks.damaged_containers import CONTAINERS
from benchmarks.faults.containers import FORGERIES, forged
from benchmarks.faults.floods import FLOODS, frames_of, preface
from benchmarks.faults.messages import worst_messages
from benchmarks.faults.secrets import held

CONTENT = bytes(range(1, 251)) * 40


@pytest.mark.parametrize("way", FORGERIES)
def test_a_forgery_lies_in_the_head_each_time_the_same(way: str) -> None:
    assert forged(CONTENT, way) == forged(CONTENT, way) != CONTENT


def test_there_are_as_many_forged_containers_as_there_were() -> None:
    assert len(FORGERIES) * len(CONTAINERS) >= 201


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_is_made_of_whole_frames(flood: str) -> None:
    data = preface()[24:] + b"".join(itertools.islice(frames_of(flood, "localhost:1"), 3))
    kinds: list[int] = []
    while data:
        length = int.from_bytes(data[:3], "big")
        assert len(data) >= 9 + length
        kinds.append(data[3])
        data = data[9 + length :]
    expected = {
        "reset": [1, 3] * 3,
        "ping": [6] * 3,
        "settings": [4] * 3,
        "headers": [1] * 3,
        "continuation": [1, 9, 9],
    }
    assert kinds == [4, *expected[flood]]


@pytest.mark.parametrize("form", [bytes, lambda b: b.hex().encode(), base64.b64encode])
def test_a_secret_is_found_in_any_form(form: "type[bytes]") -> None:
    secret = b"zanzibar marmalade quicksilver"
    assert held(b"log line " + form(secret) + b" end", {"it": secret, "other": b"other"}) == ["it"]
    assert not held(b"log line", {"it": secret})


def test_worst_messages_have_names_of_their_own() -> None:
    names = [message.name for message in worst_messages()]
    assert len(names) == len(set(names))
