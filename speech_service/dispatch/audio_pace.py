"""How long the next audio of each stream that speaks takes to make, as its engine has gone about it so far.

An engine speaks in frames and tells of them in chunks, which it makes longer as its listener's buffer fills. What
counts is seen from outside: steps from one audio of a work to its next, and what a step takes.
"""

_KEEP = 0.9
"""Of the mean of a step, with each one after it."""
_LONGER = 2
"""Where nothing was seen yet, a chunk is taken to be so many times as long as the one before."""
_RAMP = 8
"""Chunks of a work that are told apart; further ones are like the last of them."""


class AudioPace:
    """Of one engine. Pure; its lane's thread owns it."""

    def __init__(self) -> None:
        self._steps = 0
        self.step_s = 0.0
        """What a step usually takes."""
        self._sounded: dict[str, tuple[int, int]] = {}
        """By work: how many audios it has made, and the step that made the last of them."""
        self._most_steps: list[int] = []
        """Most steps from a work's n-th audio to its next, by n, as far as was seen."""

    def stepped(self, elapsed_s: float) -> None:
        """The engine made a step. What that gave is told of afterwards."""
        self.step_s = _KEEP * self.step_s + (1 - _KEEP) * elapsed_s if self._steps else elapsed_s
        self._steps += 1

    def sounded(self, work_id: str) -> None:
        """The last step made audio of the work."""
        made, at = self._sounded.get(work_id, (0, self._steps - 1))
        took = self._steps - at
        if made == len(self._most_steps):
            self._most_steps.append(took)
        self._most_steps[made] = max(self._most_steps[made], took)
        self._sounded[work_id] = min(made + 1, _RAMP - 1), self._steps

    def ended(self, work_id: str) -> None:
        """Nothing more is made of the work. Unknown ids are ignored."""
        self._sounded.pop(work_id, None)

    def clear(self) -> None:
        """Nothing more is made of any work."""
        self._sounded.clear()

    def next_audio_s(self, work_id: str, company_s: float = 0.0) -> float:
        """How long the work's next audio takes, if each step waits for one of ``company_s``; 0: there was none yet."""
        if work_id not in self._sounded:
            return 0.0
        made, at = self._sounded[work_id]
        is_known = made < len(self._most_steps)
        most = self._most_steps[made] if is_known else _LONGER * self._most_steps[-1]
        steps = most - (self._steps - at)
        return max(1, steps) * (self.step_s + company_s)
