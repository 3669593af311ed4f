"""Speaks faster or slower at the same pitch, in pieces: for models that have no speed of their own.

WSOLA (Verhelst and Roelands, ICASSP 1993): overlapping frames are taken from the input at another pace than they are
laid down, each from the place near its nominal one that best continues what is there already. Own code, because
python-stretch 0.3.1 resets itself with every call (it clicks at each joint, measured), and FFmpeg's ``atempo`` would
need a codec process for raw PCM too.

Length rule: ``round(n / rate)`` samples come out for ``n`` that went in. The same samples come out however the input is
cut into pushes.
"""

import numpy as np

from speech_service.domain.audio import Samples

MIN_RATE, MAX_RATE = 0.5, 2.0
_FRAME_S = 0.030
_SEARCH_S = 0.010


class TempoChanger:
    """Changes the pace of one mono stream. Rate 1.0 passes through."""

    def __init__(self, rate: float, sample_rate_hz: int) -> None:
        """``rate``: 2.0 is twice as fast.

        Raises:
            ValueError: ``rate`` is not within [0.5, 2].
        """
        if not MIN_RATE <= rate <= MAX_RATE:
            raise ValueError(rate)
        self._rate = rate
        self._hop = round(_FRAME_S * sample_rate_hz / 2)
        self._search = round(_SEARCH_S * sample_rate_hz)
        phase = (np.arange(self._hop, dtype=np.float32) + 0.5) * (np.pi / 2 / self._hop)
        self._rise = np.square(np.sin(phase))
        self._fall = np.square(np.cos(phase))
        self._held = np.zeros(0, np.float32)
        self._held_start = 0
        self._received = 0
        self._sent = 0
        self._frames = 0
        self._continuation = 0
        """Place in the input that follows the first half of the newest frame."""

    def push(self, samples: Samples, *, last: bool = False) -> Samples:
        """Take the next samples, float32 [n]; gives float32 [m], often empty for a short piece.

        ``last``: nothing follows; the rest comes out.
        """
        if self._rate == 1.0:
            return samples
        self._received += len(samples)
        self._held = np.concatenate((self._held, samples))
        target = round(self._received / self._rate)
        if last:
            # Zeros to read from, more than the last frame can ask for.
            self._held = np.append(
                self._held, np.zeros(4 * self._hop + 2 * self._search, np.float32)
            )
        out: list[Samples] = []
        while self._ready() and not (last and self._sent >= target):
            out.append(self._next())
            self._sent += self._hop
        joined = np.concatenate(out) if out else np.zeros(0, np.float32)
        surplus = max(0, self._sent - target) if last else 0
        return joined[: len(joined) - surplus]

    def _nominal(self) -> int:
        return round(self._frames * self._hop * self._rate)

    def _ready(self) -> bool:
        """Whether all that the next frame may look at is here."""
        reach = max(self._nominal() + self._search, self._continuation) + 2 * self._hop
        return reach <= self._held_start + len(self._held)

    def _next(self) -> Samples:
        """Give one hop of output: the newest frame's second half fades into the first half of the next."""
        at = self._best_place() if self._frames else 0
        begin = self._read(at)
        if self._frames:
            begin = self._read(self._continuation) * self._fall + begin * self._rise
        self._frames += 1
        self._continuation = at + self._hop
        self._forget(min(self._nominal() - self._search, self._continuation))
        return begin

    def _best_place(self) -> int:
        """Near the nominal place, where the input is most like the continuation (normalised correlation)."""
        first = max(0, self._nominal() - self._search)
        start = first - self._held_start
        count = self._nominal() + self._search - first + 1
        region = self._held[start : start + count + self._hop - 1].astype(np.float64)
        likeness = np.correlate(region, self._read(self._continuation).astype(np.float64))
        squares = np.concatenate(([0.0], np.cumsum(np.square(region))))
        energy = squares[self._hop :] - squares[: -self._hop]
        return first + int(np.argmax(likeness / np.sqrt(energy + 1e-6)))

    def _read(self, at: int) -> Samples:
        return self._held[at - self._held_start : at - self._held_start + self._hop]

    def _forget(self, before: int) -> None:
        drop = max(0, before - self._held_start)
        self._held = self._held[drop:]
        self._held_start += drop
