"""A check of ``doctor`` as a value: what was looked at, what was found, what to do about it."""

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One check; ``fix`` is empty where nothing needs to be done."""

    name: str
    verdict: Verdict
    found: str
    fix: str = ""
