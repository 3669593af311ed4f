"""The Qwen3 engine, with the committed models of digits, over one digit that is said again and again."""

from pathlib import Path

import pytest

from speech_service.config.tree import ModelConfig
from speech_service.engines.registry import build_engine
from speech_service.protocols import Engine
from tests.contract.repeated_digits import count_of, heard, repeated

pytest.importorskip("torch")
TARGET = Path(__file__).parents[1] / "assets" / "digits" / "target"
REPEATED = [
    ("george", 0, 6, 200),
    ("george", 5, 6, 300),
    ("george", 9, 8, 200),
    ("jackson", 0, 6, 200),
    ("jackson", 1, 7, 200),
    ("jackson", 4, 6, 300),
    ("lucas", 0, 6, 200),
    ("lucas", 2, 8, 200),
    ("nicolas", 0, 6, 200),
    ("nicolas", 8, 9, 100),
    ("theo", 0, 6, 200),
    ("theo", 3, 10, 100),
    ("theo", 7, 12, 400),
]
"""Speaker, digit, how often, milliseconds between."""


@pytest.fixture(scope="module")
def qwen() -> Engine:
    options = {"model": str(TARGET), "dtype": "float32", "threads": 1}
    return build_engine(ModelConfig(kind="recognizer/qwen3", options=options))


@pytest.mark.parametrize(("speaker", "digit", "times", "gap_ms"), REPEATED)
def test_a_digit_said_often_is_written_often(
    qwen: Engine, speech_data: Path, speaker: str, digit: int, times: int, gap_ms: int
) -> None:
    folder = speech_data.parent / "digits"
    found = heard(qwen, repeated(folder, speaker, digit, times, gap_ms))
    assert times - 1 <= count_of(found.text, digit) <= times + 1, found.text
    assert found.repairs == ()
