"""Which part of a partial will not change any more.

Agreement of consecutive hypotheses (Liu et al. 2020, "Low-latency sequence-to-sequence speech recognition";
Macháček et al. 2023, LocalAgreement-n): a word is stable once ``agreement`` consecutive hypotheses agree on it
and on all words before it. The newest word is never stable: the audio behind it is still growing. Where a script puts
no spaces between words, a character counts as one, and the newest two are never stable: most words have no fewer.
"""

from speech_service.text.reading_units import ends_character, is_unspaced, units


class StablePrefix:
    """Tracks the stable prefix of one segment. The prefix only ever grows, by whole grapheme clusters."""

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
            The number of stable characters of ``hypothesis``; None when it contradicts the stable prefix, or adds to
            the prefix's last character, in which case it must not be shown as a partial.
        """
        self._history.append(units(hypothesis))
        del self._history[: -self._agreement]
        stable = self._stable
        if not (hypothesis.startswith(stable) and ends_character(hypothesis, len(stable))):
            return None
        if len(self._history) == self._agreement:
            agreed = "".join(_common_prefix(self._history))
            if len(agreed) > len(stable):
                self._stable = agreed
        return len(self._stable)


def _common_prefix(hypotheses: list[list[str]]) -> list[str]:
    """Leading units that all hypotheses share, without the newest word of any."""
    limit = min(map(_without_newest, hypotheses))
    prefix: list[str] = []
    for candidates in zip(*hypotheses, strict=False):
        if len(prefix) >= limit or len(set(candidates)) > 1:
            break
        prefix.append(candidates[0])
    return prefix


def _without_newest(hypothesis: list[str]) -> int:
    """How many units stand before the newest word."""
    count = len(hypothesis) - 1
    if count <= 0 or hypothesis[-1][0].isspace():
        return max(0, count)
    both_unspaced = is_unspaced(hypothesis[-1]) and is_unspaced(hypothesis[-2])
    return count - both_unspaced
