"""The voices that clients made: in memory and, where a folder is configured, on disk, shared by all front ends."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from speech_service.calls.voices.files import (
    SUFFIX,
    MadeVoice,
    Stamp,
    UnusableVoiceError,
    read_voice,
    stamp,
    write_voice,
)
from speech_service.domain.errors import OverloadedError, ResourceExistsError, UnavailableError


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was last. ``made`` is None where it is no voice; ``problem`` is what was logged of it."""

    stamp: Stamp | None
    made: MadeVoice | None = None
    problem: str = ""
    may_pass: bool = False
    """The problem may pass though the file stays the same: look again each time."""


class MadeVoices:
    """All of them, by id. Belongs to one event loop.

    ``refresh`` takes in, on a thread, what others have written to the folder or deleted from it; the other methods
    answer from memory. A file that is no voice is skipped and logged once, and again when it changes; a folder that is
    gone for a while leaves what was known of it.
    """

    def __init__(
        self, max_voices: int, folder: str = "", check: Callable[[int], None] | None = None
    ) -> None:
        """``folder``: where they are kept between runs; empty: nowhere. ``check``: of so many kept voices, raises where
        there may not be one more."""
        self._check = check
        self._max_voices = max_voices
        self._folder = Path(folder).expanduser() if folder else None
        self._voices: dict[str, MadeVoice] = {}
        self._seen: dict[str, _Seen] = {}
        self._problem = ""
        self._turn = asyncio.Lock()

    @property
    def voices(self) -> Sequence[MadeVoice]:
        """All, sorted by id."""
        return [self._voices[voice_id] for voice_id in sorted(self._voices)]

    @property
    def can_be_read_again(self) -> bool:
        """Nothing would be lost with it."""
        return self._folder is not None or not self._voices

    def get(self, voice_id: str) -> MadeVoice | None:
        """The voice of that id."""
        return self._voices.get(voice_id)

    async def refresh(self) -> None:
        """Take in what other front ends, or an earlier run, have written or deleted. Never fails."""
        if self._folder is None:
            return
        async with self._turn:
            seen = await asyncio.to_thread(self._look, self._folder)
            if seen is not None:
                self._seen = seen
                found = ((name, each.made) for name, each in seen.items())
                self._voices = {name: made for name, made in found if made is not None}

    async def add(self, made: MadeVoice) -> None:
        """Keep a voice.

        Raises:
            ResourceExistsError: its id is taken.
            OverloadedError: there are too many, or more than the quota allows.
            UnavailableError: the folder cannot be written.
        """
        await self.refresh()
        voice_id = made.voice.voice_id
        async with self._turn:
            if voice_id in self._voices or voice_id in self._seen:
                raise ResourceExistsError("voice", voice_id)
            if self._check is not None:
                self._check(len(self._voices))
            if len(self._voices) >= self._max_voices:
                raise OverloadedError(
                    f"{self._max_voices} voices are kept; delete one first",
                    reason="TOO_MANY_VOICES",
                )
            if self._folder is not None:
                try:
                    await asyncio.to_thread(_keep, self._folder, made)
                except OSError as error:
                    raise _not_kept("kept", error) from error
            self._voices[voice_id] = made

    async def remove(self, voice_id: str) -> None:
        """Forget a voice.

        Raises:
            KeyError: there is none.
            UnavailableError: its file cannot be deleted; the voice stays.
        """
        async with self._turn:
            if voice_id not in self._voices:
                raise KeyError(voice_id)
            if self._folder is not None:
                file = self._folder / f"{voice_id}{SUFFIX}"
                try:
                    await asyncio.to_thread(file.unlink, missing_ok=True)
                except OSError as error:
                    raise _not_kept("deleted", error) from error
            self._seen.pop(voice_id, None)
            del self._voices[voice_id]

    # --- on a thread, one at a time ---

    def _look(self, folder: Path) -> dict[str, _Seen] | None:
        """The voices of the folder by name; None: it cannot be read now."""
        try:
            files = sorted(file for file in folder.iterdir() if file.suffix == SUFFIX)
        except FileNotFoundError:
            if self._seen:
                self._folder_problem("is gone")
            return None
        except OSError as error:
            self._folder_problem(error.strerror or "cannot be read")
            return None
        seen: dict[str, _Seen] = {}
        kept = 0
        for file in files:
            seen[file.stem] = self._examine(file, is_full=kept >= self._max_voices)
            kept += seen[file.stem].made is not None
        self._problem = ""
        return seen

    def _examine(self, file: Path, *, is_full: bool) -> _Seen:
        before = self._seen.get(file.stem)
        now: Stamp | None = None
        may_pass = True
        try:
            now = stamp(file)
            if is_full:
                problem = "is one more than synthesis.max_voices"
            elif before is not None and before.stamp == now and not before.may_pass:
                return before
            else:
                return _Seen(now, read_voice(file))
        except OSError as error:
            problem = error.strerror or type(error).__name__
        except UnusableVoiceError as error:
            problem, may_pass = str(error), False
        if before is None or (before.stamp, before.problem) != (now, problem):
            logger.warning("a file of synthesis.voices_folder is skipped: {}", problem)
            logger.debug("skipped: {}", file)
        return _Seen(now, None, problem, may_pass)

    def _folder_problem(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            logger.warning(
                "synthesis.voices_folder cannot be read, what is known stays: {}", problem
            )


def _keep(folder: Path, made: MadeVoice) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_voice(folder / f"{made.voice.voice_id}{SUFFIX}", made)


def _not_kept(what: str, error: OSError) -> UnavailableError:
    why = error.strerror or "the system refused"
    logger.error("a voice cannot be {} in synthesis.voices_folder: {}", what, why)
    return UnavailableError(
        f"the voice cannot be {what}: the server's folder of voices gives an error ({why})",
        reason="VOICE_STORE_UNAVAILABLE",
        retry_after_ms=5_000,
    )
