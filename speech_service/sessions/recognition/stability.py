"""Which part of a partial will not change any more.

Agreement of consecutive hypotheses (Liu et al. 2020, "Low-latency sequence-to-sequence speech recognition";
Macháček et al. 2023, LocalAgreement-n): a word is stable once ``agreement`` consecutive hypotheses agree on it
and on all words before it. The newest word is never stable: the audio behind it is still growing.
"""

import re

_WORD = re.compile(r"(?<!\s)\s*+\S+")


class StablePrefix:
    """Tracks the stable prefix of one segment. The prefix only ever grows."""

    def __init__(self, agreement: int = 3) -> None:
        """Words become stable when ``agreement`` (≥ 2) hypotheses in a row agree on them."""
        self._agreement = agreement
        self._history: list[list[str]] = []
        self._stable = ""

    @property
    def text(self) -> str:
        """The stable prefix so far."""
        return self._stable

    def update(self, hypothesis: str) -> int | None:
        """Take the next hypothesis.

        Returns:
            The number of stable characters of ``hypothesis``; None when it contradicts the stable prefix, in
            which case it must not be shown as a partial.
        """
        words = _WORD.findall(hypothesis)
        self._history.append(words)
        del self._history[: -self._agreement]
        if not hypothesis.startswith(self._stable):
            return None
        if len(self._history) == self._agreement:
            agreed = "".join(_common_prefix(self._history))
            if len(agreed) > len(self._stable):
                self._stable = agreed
        return len(self._stable)


def _common_prefix(hypotheses: list[list[str]]) -> list[str]:
    """Leading words that all hypotheses share, without the last word of the shortest one."""
    limit = min(len(words) for words in hypotheses) - 1
    prefix: list[str] = []
    for candidates in zip(*hypotheses, strict=False):
        if len(prefix) >= limit or len(set(candidates)) > 1:
            break
        prefix.append(candidates[0])
    return prefix
