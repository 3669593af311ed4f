"""A file of which the last usable content is in force: read again when it changes, and on demand."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from loguru import logger

from speech_service.config.tree import ConfigError
from speech_service.protocols import Observer

Content = TypeVar("Content")

MAX_BYTES = 16 * 1024 * 1024
_LOOK_S = 1.0
_Stamp = tuple[int, int, int, int]


class WatchedFile(Generic[Content]):
    """Keeps ``content``. A new one that cannot be read or used leaves it, is logged once, and is counted."""

    def __init__(
        self,
        path: str,
        key: str,
        parse: Callable[[bytes], Content],
        observer: Observer,
        on_change: Callable[[Content], None],
    ) -> None:
        """Read the file. ``key``: of the configuration, which names it; ``parse`` raises ConfigError.

        Raises:
            ConfigError: it cannot be read or used.
        """
        self._path = Path(path).expanduser()
        self._key = key
        self._parse = parse
        self._observer = observer
        self._on_change = on_change
        self._turn = asyncio.Lock()
        self._stamp = self._look()
        self.content = self._read()
        self._show(failed=False)

    async def watch(self) -> None:
        """Read the file whenever it has changed; never returns."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if await asyncio.to_thread(self._look) != self._stamp:
                await self.reload()

    async def reload(self) -> None:
        """Read the file, whether or not it looks changed. Never fails."""
        async with self._turn:
            # The stamp is of before: a change while the file is read is noticed at the next look.
            self._stamp = await asyncio.to_thread(self._look)
            try:
                content = await asyncio.to_thread(self._read)
            except ConfigError as error:
                self._told("failed")
                logger.error("what was read before stays in force: {}", error)
                return
            self.content = content
            self._on_change(content)
            self._told("ok")
            logger.info("{} was read again", self._key)

    def _told(self, outcome: str) -> None:
        self._observer.count("speech_auth_file_reloads_total", file=self._name, outcome=outcome)
        self._show(failed=outcome == "failed")

    def _show(self, *, failed: bool) -> None:
        self._observer.gauge("speech_reload_failed", float(failed), file=self._name)

    @property
    def _name(self) -> str:
        """As metrics call it."""
        return self._key.rpartition(".")[2]

    def _look(self) -> _Stamp | None:
        """What changes when the file does; None: it is not there."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def _read(self) -> Content:
        try:
            if self._path.stat().st_size > MAX_BYTES:
                raise ConfigError(f"{self._key}: the file is larger than {MAX_BYTES} bytes")
            data = self._path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{self._key}: cannot read {str(self._path)!r}: {error.strerror}"
            ) from error
        return self._parse(data)
