"""How a decode child reads its input: from one socket, forward, noticing an early end.

FFmpeg says nothing when a file stops in the middle, so the rules that find it out live here: Ogg pages are
followed, MP4 boxes looked at. Standard library only.
"""

import io
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from speech_service.media.decode.wire import Reason

READ_BYTES = 32 * 1024


class GiveUpError(Exception):
    """The job ends with this reason."""

    def __init__(self, reason: Reason, value: int = 0) -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.value = value


class Readable(Protocol):
    """What FFmpeg reads from. Without ``seek`` it reads forward only."""

    def read(self, size: int, /) -> bytes:
        """Give at most ``size`` bytes; none at the end."""
        ...


class ContainerParts(Protocol):
    """Follows the outermost parts of a container: where one begins and how long it is."""

    @property
    def inside(self) -> bool:
        """Whether the bytes so far end in the middle of a part; false once track is lost."""
        ...

    def take(self, data: bytes) -> None:
        """Look at the next bytes of the file."""
        ...


class PipeReader:
    """The job socket as a file, from its second byte on: the first said what the others are.

    ``before_wait`` gets the number of bytes read off the socket, each time that a read has to wait for the client.
    """

    def __init__(self, job: socket.socket, before_wait: Callable[[int], None]) -> None:
        self._job = job
        self._before_wait = before_wait
        self._read_bytes = 1
        self._returned = b""
        self.ended = False
        self.parts: ContainerParts | None = None

    def read(self, size: int, /) -> bytes:
        """Give what has arrived, at most ``size`` bytes; empty at the end."""
        if self._returned:
            data, self._returned = self._returned[:size], self._returned[size:]
            return data
        data = self._receive(min(size, READ_BYTES))
        self._read_bytes += len(data)
        self.ended = not data
        if self.parts is not None:
            self.parts.take(data)
        return data

    def _receive(self, size: int) -> bytes:
        try:
            return self._job.recv(size, socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._before_wait(self._read_bytes)
            return self._job.recv(size)

    def read_exactly(self, size: int, on_end: Reason) -> bytes:
        """Give ``size`` bytes, or the job ends with ``on_end``."""
        parts: list[bytes] = []
        while size:
            data = self.read(size)
            if not data:
                raise GiveUpError(on_end)
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def read_up_to(self, size: int) -> bytes:
        """Give ``size`` bytes, or what there is until the end."""
        data = b""
        while len(data) < size and (more := self.read(size - len(data))):
            data += more
        return data

    def unread(self, data: bytes) -> None:
        """Give bytes back; they come first at the next read."""
        self._returned = data + self._returned


class OggPages:
    """``ContainerParts`` of Ogg: pages (RFC 3533 §6). Behind junk it goes on with the next page, as FFmpeg does."""

    _FIXED = 27
    _MARK = b"OggS"

    def __init__(self) -> None:
        self._head = bytearray()
        self._body_left = 0
        self._pages = 0
        self._pages_lack = False
        self._first_granule = 0
        """End of the first page of audio, in samples."""
        self._last_granule = 0
        self._had_end = self._had_start = self._is_mixed = self._in_junk = False
        """Whether the last page ends a stream, begins one; whether several run side by side; whether bytes that are
        no page follow."""

    def starts_late(self, at_s: float, sample_rate_hz: int) -> bool:
        """Whether pages are missing before the first audio that can be decoded; ``at_s``: by its time stamp."""
        return self._pages_lack or at_s * sample_rate_hz >= self._first_granule > 0

    @property
    def inside(self) -> bool:
        begun = self._head and self._MARK.startswith(self._head[:4])
        return bool(begun or self._body_left or (self._in_junk and not self._had_end))

    @property
    def end_granule(self) -> int:
        """End of the last page of the stream, in samples; 0: it is not known."""
        return 0 if self._is_mixed else self._last_granule

    def take(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if self._body_left:
                step = min(self._body_left, len(data) - at)
                self._body_left -= step
                at += step
                continue
            have = len(self._head)
            want = self._FIXED if have < self._FIXED else self._FIXED + self._head[26]
            piece = data[at : at + want - have]
            self._head += piece
            at += len(piece)
            self._finish_header()

    def _finish_header(self) -> None:
        have = len(self._head)
        if have >= 4 and not self._head.startswith(self._MARK):
            self._in_junk = True
            mark = self._head.find(self._MARK)
            del self._head[: mark if mark >= 0 else have - 3]
        elif have >= self._FIXED and have == self._FIXED + self._head[26]:
            self._body_left = sum(self._head[self._FIXED :])
            granule, _, sequence = struct.unpack_from("<qII", self._head, 6)
            self._in_junk = False
            self._follow(self._head[5], granule)
            if granule > 0 and not self._first_granule:
                self._first_granule = granule
                self._pages_lack = sequence > self._pages
            self._pages += 1
            self._head.clear()

    def _follow(self, flags: int, granule: int) -> None:
        starts = bool(flags & 2)
        self._is_mixed |= starts and self._had_start
        if starts or granule > 0:
            self._last_granule = max(0, granule)
        self._had_start, self._had_end = starts, bool(flags & 4)


class Chunks:
    """``ContainerParts`` of a file of chunks, each with its size in its head."""

    def __init__(self, file_head_bytes: int, head_bytes: int, body: Callable[[bytes], int]) -> None:
        """``body``: bytes that follow a head, with their padding; negative: to the end of the file."""
        self._skip = file_head_bytes
        self._head_bytes = head_bytes
        self._body = body
        self._head = bytearray()
        self._open_end = False

    @property
    def inside(self) -> bool:
        return not self._open_end and self._skip > 0

    def take(self, data: bytes) -> None:
        at = 0
        while at < len(data) and not self._open_end:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            piece = data[at : at + self._head_bytes - len(self._head)]
            self._head += piece
            at += len(piece)
            if len(self._head) == self._head_bytes:
                body = self._body(bytes(self._head))
                self._open_end, self._skip = body < 0, max(0, body)
                self._head.clear()


def caf_chunks() -> Chunks:
    """Give the chunks of Apple's Core Audio Format, whose heads have 12 bytes."""
    return Chunks(8, 12, lambda head: struct.unpack(">4xq", head)[0])


def w64_chunks() -> Chunks:
    """Give the chunks of Wave64: names are GUIDs, sizes count the head, chunks begin at multiples of 8."""

    def body(head: bytes) -> int:
        (size,) = struct.unpack("<16xQ", head)
        return (size + 7) // 8 * 8 - 24 if 24 <= size < 1 << 62 else -1

    return Chunks(40, 24, body)


class Mp4Boxes:
    """``Readable`` of the top-level boxes of an MP4 (ISO 14496-12 §4.2).

    Between the fragments of a live file, what is no box is left out, up to the next fragment: one damaged length does
    not end the file.
    """

    _NAMES = frozenset(
        b"ftyp moov mdat moof mfra free skip wide udta meta uuid sidx ssix styp emsg prft pdin pnot".split()
    )
    _MAX_INDEX_BYTES = 1024 * 1024
    """Most bytes of the index of one fragment."""

    def __init__(self, reader: PipeReader) -> None:
        self._reader = reader
        self._head = b""
        self._body_left: int | None = 0
        """Bytes left of the body; None means that it goes to the end of the file."""
        self.has_fragments = False
        self._head_cut = False

    @property
    def inside(self) -> bool:
        """Whether the bytes so far end in the middle of a box."""
        return bool(self._head_cut or self._head or self._body_left)

    def read(self, size: int, /) -> bytes:
        if not self._head and self._body_left == 0:
            self._next_box()
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        if self._body_left is None:
            return self._reader.read(size)
        data = self._reader.read(min(size, self._body_left)) if self._body_left else b""
        self._body_left -= len(data)
        return data

    def _next_box(self) -> None:
        head = self._reader.read_up_to(8)
        while len(head) == 8:
            size, name = struct.unpack(">I4s", head)
            if name in self._NAMES and (size in (0, 1) or size >= 8):
                self.has_fragments |= name == b"moof"
                self._enter(head, size)
                return
            if not self.has_fragments:
                self._head, self._body_left = head, None
                return
            head = self._next_fragment(head)
        self._head, self._head_cut = head, bool(head) and self._is_begun(head)

    def _enter(self, head: bytes, size: int) -> None:
        if size == 1:
            head += self._reader.read_up_to(8)
            size = int.from_bytes(head[8:16], "big")
        self._body_left = None if size == 0 else max(0, size - len(head))
        self._head = head

    def _is_begun(self, head: bytes) -> bool:
        return len(head) > 4 and any(name.startswith(head[4:]) for name in self._NAMES)

    def _next_fragment(self, head: bytes) -> bytes:
        """Skip to the next index of a fragment; gives its first 8 bytes, or none at the end of the file."""
        held = head + self._reader.read_up_to(16)
        while len(held) >= 16:
            at = held.find(b"moof", 4)
            if at >= 4 and len(held) < at + 12:
                held += self._reader.read_up_to(at + 12 - len(held))
            index_bytes = int.from_bytes(held[at - 4 : at], "big") if at >= 4 else 0
            if 16 <= index_bytes <= self._MAX_INDEX_BYTES and held[at + 8 : at + 12] == b"mfhd":
                self._reader.unread(held[at - 4 :])
                return self._reader.read_up_to(8)
            kept = held[at + 1 - 4 :] if at >= 4 else held[-7:]
            more = self._reader.read(READ_BYTES)
            if not more:
                return b""
            held = kept + more
        return b""


def open_mp4(reader: PipeReader, max_buffered_bytes: int) -> Readable:
    """Look at the top-level boxes: a file with its index first streams, one with its media first is
    buffered to its end and can be sought.

    Raises:
        GiveUpError: a box is malformed, the file ends before its index, or it is too long to
            buffer.
    """
    seen = io.BytesIO()
    while True:
        head = reader.read_exactly(8, Reason.TRUNCATED)
        size, name = struct.unpack(">I4s", head)
        if name in (b"moov", b"moof"):
            reader.unread(seen.getvalue() + head)
            return reader
        seen.write(head)
        if name == b"mdat":
            _copy(reader, seen, None, max_buffered_bytes)
            _complete(seen)
            seen.seek(0)
            return seen
        if size < 8:
            raise GiveUpError(Reason.HEADER)
        _copy(reader, seen, size - 8, max_buffered_bytes)


_MAX_COMPLETED_BYTES = 4096


def _complete(file: io.BytesIO) -> None:
    """An index that lacks its last bytes is of no use to FFmpeg; with zeros in their place all of it but the last."""
    view = file.getbuffer()
    length, at = len(view), 0
    while length - at >= 8:
        size, name = struct.unpack_from(">I4s", view, at)
        if size == 1 and length - at >= 16:
            (size,) = struct.unpack_from(">Q", view, at + 8)
        if size < 8:
            break
        at += size
        if name == b"moov" and 0 < at - length <= _MAX_COMPLETED_BYTES:
            tail = bytes(view[-_MAX_COMPLETED_BYTES:])
            view.release()
            if _ends_in_offsets(tail):
                return
            file.seek(0, io.SEEK_END)
            file.write(bytes(at - length))
            return
    view.release()


def _ends_in_offsets(tail: bytes) -> bool:
    """A list of chunk offsets that is not whole would point to the wrong bytes."""
    places = ((tail.rfind(b"stco"), 4), (tail.rfind(b"co64"), 8))
    return any(
        at >= 0 and at + 12 + width * int.from_bytes(tail[at + 8 : at + 12], "big") > len(tail)
        for at, width in places
    )


def open_caf(reader: PipeReader, max_buffered_bytes: int) -> Readable:
    """Look at the chunks (Apple's Core Audio Format): audio whose packets are all alike, or listed before it, streams;
    where the list comes last the file is buffered to its end.

    Raises:
        GiveUpError: the file ends before its audio, or it is too long to buffer.
    """
    seen = io.BytesIO()
    seen.write(reader.read_exactly(8, Reason.HEADER))
    alike = listed = False
    while True:
        head = reader.read_exactly(12, Reason.TRUNCATED)
        name, size = struct.unpack(">4sq", head)
        if name == b"data" and (alike or listed):
            reader.unread(seen.getvalue() + head)
            return reader
        seen.write(head)
        if name == b"data":
            _copy(reader, seen, None, max_buffered_bytes)
            seen.seek(0)
            return seen
        if size < 0:
            raise GiveUpError(Reason.HEADER)
        _copy(reader, seen, size, max_buffered_bytes)
        if name == b"desc" and size == 32:
            alike = int.from_bytes(seen.getvalue()[-16:-12], "big") > 0
        listed = listed or name == b"pakt"


_HEAD_BYTES = 12
"""Bytes by which every container is told."""
_MAX_TAG_BYTES = 4 * 1024 * 1024


def skip_id3(reader: PipeReader) -> bytes:
    """Skip ID3v2 tags and the zeros behind them; gives the first bytes that follow, which are read again.

    A tag that claims to reach the end of the file lies: what is behind its header is kept.
    """
    while True:
        head = reader.read_up_to(10)
        if not head.startswith(b"ID3") or len(head) < 10:
            break
        size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | head[9] & 127
        body = reader.read_up_to(min(size, _MAX_TAG_BYTES))
        if len(body) < min(size, _MAX_TAG_BYTES):
            head = body
            break
        left = size - len(body)
        while left and (more := reader.read(min(left, READ_BYTES))):
            left -= len(more)
    while head and not head.strip(b"\0"):
        head = reader.read_up_to(10)
    if not head[4:8].isalpha():  # the length of an MP4 box has zeros of its own
        head = head.lstrip(b"\0")
    reader.unread(head)
    head = reader.read_up_to(_HEAD_BYTES)
    reader.unread(head)
    return head


def _copy(reader: PipeReader, to: io.BytesIO, size: int | None, max_bytes: int) -> None:
    while size is None or size > 0:
        data = reader.read(READ_BYTES if size is None else min(size, READ_BYTES))
        if not data:
            if size is None:
                return
            raise GiveUpError(Reason.TRUNCATED)
        if size is not None:
            size -= len(data)
        to.write(data)
        if to.tell() > max_bytes:
            raise GiveUpError(Reason.BUFFERED)
