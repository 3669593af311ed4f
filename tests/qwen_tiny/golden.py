"""Reads and writes recorded results: JSON for what is discrete, npz for what has a tolerance."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.qwen_tiny.tensors import Draw

ASSETS = Path(__file__).resolve().parent.parent / "assets" / "qwen3"
ROWS_KEPT = 4


@dataclass(frozen=True)
class Golden:
    """One recorded subject: the JSON document, and the arrays by name."""

    document: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    @property
    def cases(self) -> list[dict[str, Any]]:
        """The recorded cases."""
        return self.document["cases"]


def read_golden(subject: str, folder: Path = ASSETS) -> Golden:
    """Read ``subject.json``, and ``subject.npz`` where there is one.

    Raises:
        FileNotFoundError: If the subject was not recorded.
    """
    document = json.loads((folder / f"{subject}.json").read_text("utf-8"))
    path = folder / f"{subject}.npz"
    if not path.exists():
        return Golden(document, {})
    with np.load(path) as arrays:
        return Golden(document, {name: arrays[name] for name in arrays.files})


def write_golden(golden: Golden, subject: str, folder: Path = ASSETS) -> None:
    """Write the subject's files; the same values give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = []
    for name, value in golden.document.items():
        if name == "cases":
            lines = ",\n".join(f"  {_json(case)}" for case in value)
            fields.append(f'"cases": [\n{lines}\n ]')
        else:
            fields.append(f"{_json(name)}: {_json(value)}")
    text = "{\n " + ",\n ".join(fields) + "\n}\n"
    (folder / f"{subject}.json").write_text(text, "utf-8")
    if golden.arrays:
        arrays: dict[str, Any] = dict(golden.arrays)
        np.savez_compressed(folder / f"{subject}.npz", **arrays)


def audio_digest(audio: NDArray[np.float32]) -> str:
    """Give the SHA-256 of samples."""
    return hashlib.sha256(np.ascontiguousarray(audio, np.float32).tobytes()).hexdigest()


def projection(states: NDArray[Any]) -> NDArray[np.float32]:
    """Give one number for each row of ``[rows, width]``: the sum of its elements with random signs, over sqrt(width).

    It is as noisy as one element: independent errors of the elements neither add up nor average out.
    """
    signs = Draw(0).signs("projection", states.shape[1]).numpy().astype(np.float64)
    return (states.astype(np.float64) @ signs / np.sqrt(states.shape[1])).astype(np.float32)


def kept_rows(rows: int) -> NDArray[np.int32]:
    """Give the rows of which all elements are recorded: first, last, and some between."""
    return np.unique(np.linspace(0, rows - 1, ROWS_KEPT).round().astype(np.int32))


def reduced(name: str, states: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Give what is recorded of ``[rows, width]`` states: a number for each row, and some whole rows."""
    return {
        f"{name}/projection": projection(states),
        f"{name}/rows": states[kept_rows(len(states))].astype(np.float32),
    }


def difference(golden: Golden, name: str, states: NDArray[Any]) -> float:
    """Give the largest absolute difference of states from what was recorded of them.

    Raises:
        KeyError: If nothing was recorded under the name.
        ValueError: If the number of rows or the width is another.
    """
    if name in golden.arrays:
        return _largest(golden.arrays[name], states)
    number = golden.arrays[f"{name}/projection"]
    if len(number) != len(states):
        raise ValueError(f"{name}: {len(states)} rows, recorded were {len(number)}")
    rows = _largest(golden.arrays[f"{name}/rows"], states[kept_rows(len(states))])
    return max(rows, _largest(number, projection(states)))


def _largest(recorded: NDArray[Any], computed: NDArray[Any]) -> float:
    if recorded.shape != computed.shape:
        raise ValueError(f"shape {computed.shape}, recorded was {recorded.shape}")
    if recorded.size == 0:
        return 0.0
    return float(np.max(np.abs(recorded.astype(np.float64) - computed)))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def unique_names(cases: Iterable[Mapping[str, Any]]) -> None:
    """Raise ValueError if two cases share a name."""
    names = [case["name"] for case in cases]
    if len(set(names)) != len(names):
        raise ValueError(f"case names repeat: {sorted(names)}")
