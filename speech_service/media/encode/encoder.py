"""Speech out: float32 in pieces to the bytes of an ``OutputFormat``, as they become ready.

``EncoderPool.open`` gives an ``OutputEncoder``: ``push`` samples, ``finish``, ``close``. Joined in order, what comes
out is one file. PCM, G.711 and WAV are made here; FLAC, MP3 and Ogg Opus by a child of the codec process
(``child.py``), one for each encoder, in lock-step: memory is bounded by the piece that is pushed.

What a sound goes through: pace, silence off both ends, gain, resampling, encoding.

Sample rates: MP3 has nine and other ones are refused. An Opus decoder gives 48 kHz whatever went in (RFC 7845, 5.1);
a rate that Opus does not code is raised to the next that it does, see ``coded_rate_hz``.
"""

import asyncio
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from speech_service.domain.audio import MAX_RATE_HZ, MIN_RATE_HZ, Samples
from speech_service.domain.errors import InvalidOptionError, OverloadedError, UnavailableError
from speech_service.domain.synthesis import OutputEncoding, OutputFormat
from speech_service.media.codec.host import LOSS_SHOWS_S, CodecHost
from speech_service.media.codec.wire import Order, Task
from speech_service.media.decode.limits import STREAM_LIMITS
from speech_service.media.encode import pcm as encode_pcm
from speech_service.media.encode.link import FileEncoder
from speech_service.media.encode.shape import SilenceTrimmer, amplify
from speech_service.media.encode.wire import EncodedKind
from speech_service.media.resample import StreamResampler
from speech_service.media.tempo import MAX_RATE, MIN_RATE, TempoChanger

MIN_GAIN_DB, MAX_GAIN_DB = -40.0, 20.0
_MP3_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_MP3_V1_RATES_HZ = (32_000, 44_100, 48_000)
_MP3_KBPS_V1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_KBPS_V2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# libmp3lame has MPEG 2.5 at 8 to 12 kHz, of which players know 8 to 64 kbit/s.
_MP3_KBPS_V25 = (8, 16, 24, 32, 40, 48, 56, 64)
_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
_OPUS_BPS = (6_000, 256_000)
_DEFAULT_BPS = {OutputEncoding.MP3: 64_000, OutputEncoding.OGG_OPUS: 32_000}
_FILE_KINDS = {
    OutputEncoding.FLAC: EncodedKind.FLAC,
    OutputEncoding.MP3: EncodedKind.MP3,
    OutputEncoding.OGG_OPUS: EncodedKind.OGG_OPUS,
}
_RAW = {
    OutputEncoding.PCM_S16LE: encode_pcm.pcm_s16le,
    OutputEncoding.PCM_F32LE: encode_pcm.pcm_f32le,
    OutputEncoding.MULAW: encode_pcm.mulaw,
    OutputEncoding.ALAW: encode_pcm.alaw,
    OutputEncoding.WAV: encode_pcm.pcm_s16le,
}


def check_output(output: OutputFormat) -> None:
    """Refuse what cannot be made.

    Raises:
        InvalidOptionError: rate or bit rate.
    """
    rate_hz, encoding = output.sample_rate_hz, output.encoding
    rate_option, bits_option = "output.sample_rate_hz", "output.bit_rate_bps"
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        problem = f"{rate_hz} Hz is out of range"
        raise InvalidOptionError(rate_option, problem, f"{MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    if encoding is OutputEncoding.MP3 and rate_hz not in _MP3_RATES_HZ:
        allowed = ", ".join(map(str, _MP3_RATES_HZ))
        raise InvalidOptionError(rate_option, f"MP3 has no {rate_hz} Hz", allowed)
    if not output.bit_rate_bps:
        return
    bps = output.bit_rate_bps
    if encoding is OutputEncoding.MP3:
        allowed_kbps = _mp3_kbps(rate_hz)
        if bps % 1000 or bps // 1000 not in allowed_kbps:
            allowed = ", ".join(f"{kbps}000" for kbps in allowed_kbps)
            raise InvalidOptionError(
                bits_option, f"MP3 at {rate_hz} Hz has no {bps} bit/s", allowed
            )
    elif encoding is OutputEncoding.OGG_OPUS:
        if not _OPUS_BPS[0] <= bps <= _OPUS_BPS[1]:
            allowed = f"{_OPUS_BPS[0]} to {_OPUS_BPS[1]}"
            raise InvalidOptionError(bits_option, f"{bps} bit/s is out of range", allowed)
    else:
        raise InvalidOptionError(
            bits_option, f"{encoding.value} has no choice of bit rate", "absent"
        )


def coded_rate_hz(output: OutputFormat) -> int:
    """Give the rate that is encoded: that of ``output``, for Opus the next one that Opus has."""
    if output.encoding is not OutputEncoding.OGG_OPUS:
        return output.sample_rate_hz
    return next(rate for rate in _OPUS_RATES_HZ if rate >= output.sample_rate_hz)


def bit_rate_bps(output: OutputFormat) -> int:
    """Give the bit rate of a lossy encoding, with the default filled in; 0 for the others."""
    return output.bit_rate_bps or _DEFAULT_BPS.get(output.encoding, 0)


class OutputEncoder(Protocol):
    """One stream of audio on its way out. One call at a time, but for ``close``."""

    async def push(self, samples: Samples) -> bytes:
        """Turn float32 [n] at the input rate into float32 [m] at the coded one.

        Raises:
            UnavailableError: the codec process was lost.
        """
        ...

    async def finish(self) -> bytes:
        """End the audio, and give the last bytes.

        Raises:
            UnavailableError: as ``push``.
        """
        ...

    async def close(self) -> None:
        """Free everything; safe to call twice, and while ``push`` waits."""
        ...

    @property
    def dropped_at_start(self) -> int:
        """Samples at the input rate, after the change of pace, that were trimmed before the first sound."""
        ...

    @property
    def kept_samples(self) -> int:
        """Samples at the input rate, after the change of pace, that are in the audio even if only silence follows."""
        ...

    @property
    def coded_samples(self) -> int:
        """Samples at ``coded_rate_hz`` encoded so far. Of raw audio and WAV, all of them are out."""
        ...


class EncoderPool:
    """Opens encoders. Belongs to one event loop."""

    def __init__(self, host: CodecHost | None = None, max_open: int = 64) -> None:
        """Args:
        host: the codec process, where others use it too; its owner closes it, after the pool.
        max_open: encoders of FLAC, MP3 and Ogg Opus, hence processes, at once.
        """
        self._host = host or CodecHost()
        self._owns_host = host is None
        self._max_open = max_open
        self._open: set[FileEncoder] = set()

    async def open(
        self,
        output: OutputFormat,
        input_rate_hz: int,
        *,
        gain_db: float = 0.0,
        rate: float = 1.0,
    ) -> OutputEncoder:
        """Start an encoder.

        Args:
            output: what comes out, one channel.
            input_rate_hz: of the samples that are pushed.
            gain_db: within [-40, 20]; what would clip is bent.
            rate: pace at the same pitch, within [0.5, 2]; for models that have none of their own.

        Raises:
            InvalidOptionError: as ``check_output``; gain or rate out of range.
            OverloadedError: ``max_open`` encoders are open.
            UnavailableError: the codec process cannot be started.
        """
        check_output(output)
        _check_range("gain_db", gain_db, MIN_GAIN_DB, MAX_GAIN_DB)
        _check_range("speaking_rate", rate, MIN_RATE, MAX_RATE)
        shape = _Shape(output, input_rate_hz, gain_db, rate)
        kind = _FILE_KINDS.get(output.encoding)
        if kind is None:
            return _RawEncoder(output, shape)
        return _ShapedFile(await self._start(kind, output), shape)

    async def close(self) -> None:
        """Close every encoder, and the codec process where it is this pool's own."""
        await asyncio.gather(*(encoder.close() for encoder in list(self._open)))
        if self._owns_host:
            await self._host.close()

    async def _start(self, kind: EncodedKind, output: OutputFormat) -> FileEncoder:
        if len(self._open) >= self._max_open:
            raise OverloadedError(
                f"{self._max_open} streams are being encoded; retry later, or ask for PCM",
                reason="TOO_MANY_ENCODERS",
            )
        for _ in range(2):  # The zygote may be found dead only now: a second one is fresh.
            encoder = FileEncoder(self._release)
            self._open.add(encoder)
            order = _order(self._host.acquire())
            try:
                await encoder.attach(await self._host.link(), order)
                await encoder.start(kind, coded_rate_hz(output), bit_rate_bps(output))
            except (ConnectionError, TimeoutError, UnavailableError):
                # Only this job failed, or the zygote did: then its end shows a moment later.
                await encoder.close()
                await asyncio.sleep(LOSS_SHOWS_S)
            except BaseException:
                await encoder.close()
                raise
            else:
                return encoder
        raise UnavailableError("the audio encoder could not be started")

    def _release(self, encoder: FileEncoder) -> None:
        if encoder in self._open:
            self._open.discard(encoder)
            self._host.release()


class _Shape:
    """Pace, trimming, gain and resampling of one stream."""

    def __init__(
        self, output: OutputFormat, input_rate_hz: int, gain_db: float, rate: float
    ) -> None:
        self._tempo = TempoChanger(rate, input_rate_hz)
        self._trimmer = SilenceTrimmer(input_rate_hz) if output.trim_silence else None
        self._gain_db = gain_db
        self._resampler = StreamResampler(input_rate_hz, coded_rate_hz(output))
        self._slice = input_rate_hz
        self._rate = rate
        self._received = 0
        self.coded_samples = 0

    @property
    def dropped_at_start(self) -> int:
        return self._trimmer.dropped_at_start if self._trimmer is not None else 0

    @property
    def kept_samples(self) -> int:
        return int(self._received / self._rate) if self._trimmer is None else self._trimmer.kept

    def slices(self, samples: Samples) -> Iterator[Samples]:
        """Give a second at a time, so that the event loop is not held up by a long piece."""
        for at in range(0, len(samples), self._slice):
            yield self.push(samples[at : at + self._slice])

    def push(self, samples: Samples, *, last: bool = False) -> Samples:
        """Turn float32 [n] at the input rate into float32 [m] at the coded one."""
        self._received += len(samples)
        samples = self._tempo.push(samples, last=last)
        if self._trimmer is not None:
            samples = self._trimmer.push(samples)
        samples = amplify(samples, self._gain_db)
        samples = self._resampler.push(samples[:, np.newaxis], last=last)[:, 0]
        self.coded_samples += len(samples)
        return samples

    def end(self) -> Samples:
        """Give what was held back."""
        return self.push(np.zeros(0, np.float32), last=True)


class _Shaped:
    """The part of ``OutputEncoder`` that does not depend on the encoding."""

    def __init__(self, shape: _Shape) -> None:
        self._shape = shape

    @property
    def dropped_at_start(self) -> int:
        return self._shape.dropped_at_start

    @property
    def kept_samples(self) -> int:
        return self._shape.kept_samples

    @property
    def coded_samples(self) -> int:
        return self._shape.coded_samples


class _RawEncoder(_Shaped):
    """PCM, G.711 and WAV. Implements ``OutputEncoder``."""

    def __init__(self, output: OutputFormat, shape: _Shape) -> None:
        super().__init__(shape)
        self._encode = _RAW[output.encoding]
        is_wav = output.encoding is OutputEncoding.WAV
        self._head = encode_pcm.wav_header(output.sample_rate_hz) if is_wav else b""

    async def push(self, samples: Samples) -> bytes:
        out = [self._take_head()]
        for piece in self._shape.slices(samples):
            out.append(self._encode(piece))
            await asyncio.sleep(0)
        return b"".join(out)

    async def finish(self) -> bytes:
        return self._take_head() + self._encode(self._shape.end())

    async def close(self) -> None:
        """Do nothing: this encoder holds nothing outside itself."""

    def _take_head(self) -> bytes:
        head, self._head = self._head, b""
        return head


class _ShapedFile(_Shaped):
    """FLAC, MP3 and Ogg Opus. Implements ``OutputEncoder``."""

    def __init__(self, file: FileEncoder, shape: _Shape) -> None:
        super().__init__(shape)
        self._file = file

    async def push(self, samples: Samples) -> bytes:
        return b"".join([await self._file.push(piece) for piece in self._shape.slices(samples)])

    async def finish(self) -> bytes:
        return await self._file.push(self._shape.end()) + await self._file.finish()

    async def close(self) -> None:
        await self._file.close()


def _order(job_id: int) -> Order:
    limits = STREAM_LIMITS
    return Order(
        job_id=job_id,
        task=Task.ENCODE,
        cpu_s=limits.max_cpu_s,
        cpu_s_per_audio_s=limits.cpu_s_per_audio_s,
        memory_bytes=limits.max_memory_bytes,
    )


def _mp3_kbps(rate_hz: int) -> tuple[int, ...]:
    if rate_hz in _MP3_V1_RATES_HZ:
        return _MP3_KBPS_V1
    return _MP3_KBPS_V2 if rate_hz >= 16_000 else _MP3_KBPS_V25


def _check_range(option: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN is in no range.
        raise InvalidOptionError(option, f"{value:g} is out of range", f"{low:g} to {high:g}")
