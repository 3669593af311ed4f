"""A decode child sends what it has decoded: AUDIO messages of one format, and LOST ones for what is missing."""

import socket

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from speech_service.media.codec.confine import CpuAllowance
from speech_service.media.codec.wire import Order
from speech_service.media.decode.sources import GiveUpError
from speech_service.media.decode.wire import (
    HEADER,
    MAX_CONTAINER_CHANNELS,
    MAX_CONTAINER_RATE_HZ,
    MAX_VALUE,
    MIN_CONTAINER_RATE_HZ,
    OPEN_END,
    SPAN,
    Lost,
    Message,
    Reason,
)

_BYTES_PER_SAMPLE = 4
_FLUSH_BYTES = 64 * 1024


class PcmSink:
    """Turns frames into AUDIO messages of one format, that of the first frame."""

    def __init__(self, job: socket.socket, order: Order) -> None:
        self._job = job
        self._cpu = CpuAllowance(order)
        self._pending = bytearray()
        self._converter: av.AudioResampler | None = None
        self._layout = ""
        self._channels = 0
        self._silent_frames = 0
        self._skip = 0
        self.frames = 0
        """Frames so far, silence included, at ``sample_rate_hz``."""
        self.sample_rate_hz = 0

    @property
    def length_s(self) -> float:
        """Seconds of audio so far, silence included."""
        return self.frames / self.sample_rate_hz if self.frames else 0.0

    def send(self, message: Message, value: int = 0, detail: int = 0, payload: bytes = b"") -> None:
        """Write one message; waits while the front end does not read."""
        self._job.sendall(HEADER.pack(message, value, detail, len(payload)) + payload)

    def flush(self) -> None:
        """Send what is pending."""
        if self._pending:
            payload = bytes(self._pending)
            self._pending.clear()
            self.send(Message.AUDIO, self.sample_rate_hz, self._channels, payload)

    def wait(self, read_bytes: int) -> None:
        """Send what is pending, and that there will be nothing more before more is sent to us."""
        self.flush()
        self.send(Message.WAITING, read_bytes & MAX_VALUE)

    def begin(self, frame: AudioFrame) -> None:
        """Take the format of ``frame``, where it is the first.

        Raises:
            GiveUpError: as ``take``.
        """
        if self._converter is not None:
            return
        if not MIN_CONTAINER_RATE_HZ <= frame.sample_rate <= MAX_CONTAINER_RATE_HZ:
            raise GiveUpError(Reason.SAMPLE_RATE, max(frame.sample_rate, 0))
        if not 1 <= frame.layout.nb_channels <= MAX_CONTAINER_CHANNELS:
            raise GiveUpError(Reason.CHANNEL_COUNT, frame.layout.nb_channels)
        self.sample_rate_hz = frame.sample_rate
        self._channels = frame.layout.nb_channels
        self._layout = frame.layout.name
        self._converter = av.AudioResampler(format="flt")

    def take(self, frame: AudioFrame) -> None:
        """Queue one decoded frame.

        Raises:
            GiveUpError: its sample rate or channel count is not accepted.
        """
        frame.pts = None  # The resampler would make a cut or a silence of its own of a gap.
        self.begin(frame)
        for converted in self._convert(frame):
            self._append(converted)
        self._cpu.earn((self.frames - self._silent_frames) / self.sample_rate_hz)

    def skip(self, frames: int) -> None:
        """Leave so many of the frames that come next out: they are no audio."""
        self._skip += frames

    def silence(self, seconds: float) -> None:
        """Queue silence where audio is missing, and say so. After ``begin``."""
        frames = round(seconds * self.sample_rate_hz)
        if frames <= 0:
            return
        self.lost(Lost.DAMAGED, self.frames, self.frames + frames)
        self.frames += frames
        self._silent_frames += frames
        frame_bytes = self._channels * _BYTES_PER_SAMPLE
        while frames:
            step = min(frames, max(1, _FLUSH_BYTES // frame_bytes))
            self._pending += bytes(step * frame_bytes)
            frames -= step
            if len(self._pending) >= _FLUSH_BYTES:
                self.flush()

    def lost(self, kind: Lost, start: int, end: int = OPEN_END) -> None:
        """Say that the frames from ``start`` to ``end`` are missing."""
        self.flush()
        self.send(Message.LOST, self.sample_rate_hz, kind, SPAN.pack(start, min(end, OPEN_END)))

    def finish(self) -> None:
        """Queue what a rate conversion holds back."""
        if self._converter is not None:
            for converted in self._converter.resample(None):
                self._append(converted)

    def _convert(self, frame: AudioFrame) -> list[AudioFrame]:
        assert self._converter is not None
        try:
            return self._converter.resample(frame)
        except ValueError:
            # The format changed inside the file. The output keeps the first one.
            self.finish()
            rate = self.sample_rate_hz
            self._converter = av.AudioResampler(format="flt", layout=self._layout, rate=rate)
            return self._converter.resample(frame)

    def _append(self, frame: AudioFrame) -> None:
        size = frame.samples * self._channels * _BYTES_PER_SAMPLE
        samples = np.frombuffer(memoryview(frame.planes[0])[:size], "<f4")
        skipped = min(self._skip, frame.samples)
        self._skip -= skipped
        samples = samples[skipped * self._channels :]
        if not np.isfinite(samples).all():
            samples = self._finite(samples)
        self._pending += samples.tobytes()
        self.frames += frame.samples - skipped
        if len(self._pending) >= _FLUSH_BYTES:
            self.flush()

    def _finite(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Silence for numbers that are none: a float file may hold them, one bad byte makes one."""
        bad = np.flatnonzero(~np.isfinite(samples)) // self._channels
        self.lost(Lost.DAMAGED, self.frames + int(bad[0]), self.frames + int(bad[-1]) + 1)
        return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
