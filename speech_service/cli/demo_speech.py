"""The second half of the demo: the service speaks, hears itself, aligns, translates and writes subtitles.

A part that the server does not serve (UNIMPLEMENTED) is said to be so; any other failure ends the demo.
"""

import difflib
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from speech_client import Alignment, NotSupportedError, SpeechClient
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.texts import write_file

SENTENCE = (
    "Good morning. The train to the old town leaves at nine, and the weather is very good today."
)
SOURCE, TARGET = "en", "pt"
SPOKEN = "spoken.wav"
NOT_SERVED = "not served by this server yet"
_CUES_SHOWN = 2

Row = tuple[str, str]
Part = Callable[[], Awaitable[str]]


class Tour:
    """The parts in order, and what each showed."""

    def __init__(self, client: SpeechClient, console: Console, folder: Path, long: Path) -> None:
        """``folder`` takes the files that are made; ``long`` is the recording that gets subtitles."""
        self.rows: list[Row] = []
        self._client = client
        self._console = console
        self._folder = folder
        self._long = long
        self._spoken: Path | None = None

    async def run(self) -> None:
        """Show everything.

        Raises:
            SpeechApiError: the server refused something that it serves.
            CommandError: a file cannot be written, or an answer is empty.
        """
        await self._show("Speak", "speak", self._speak)
        if (spoken := self._spoken) is not None:
            await self._show("Hear it back", "hear back", partial(self._hear, spoken))
            align = partial(self._align, spoken)
            await self._show("Align: when each word is spoken", "align", align)
        await self._show(f"Translate: {SOURCE} to {TARGET}", "translate", self._translate)
        await self._show(f"Subtitles of {self._long.name}", "subtitles", self._subtitle)
        await self._show(
            f"The same subtitles in {TARGET}", "translate subtitles", self._translate_subtitles
        )

    async def _show(self, title: str, name: str, part: Part) -> None:
        self._console.rule(title, align="left")
        begin_s = time.monotonic()
        try:
            shown = await part()
        except NotSupportedError as error:
            shown = NOT_SERVED
            self._console.print(Text(f"{shown}: {error.message}", "yellow"), soft_wrap=True)
        else:
            shown = f"{shown}{(time.monotonic() - begin_s) * 1000:.0f} ms"
        self.rows.append((name, shown))
        self._console.print()

    async def _speak(self) -> str:
        reply = await self._client.synthesize(SENTENCE, encoding="wav", language=SOURCE)
        self._spoken = self._write(SPOKEN, reply.audio)
        self._say(SENTENCE)
        self._say(f"{self._spoken}, voice {reply.voice} of {reply.model}", "dim")
        return f"{reply.duration_ms / 1000:.1f} s of audio in "

    async def _hear(self, spoken: Path) -> str:
        heard = (await self._client.recognize(spoken, language=SOURCE)).text
        self._say(heard)
        same, total = matching_words(SENTENCE, heard)
        return f"{same} of {total} words, "

    async def _align(self, spoken: Path) -> str:
        alignment = await self._client.align(SENTENCE, spoken, language=SOURCE)
        self._console.print(_word_table(alignment))
        for span in alignment.unaligned:
            self._say(f"not aligned: {SENTENCE[span.char_start : span.char_end]!r}", "yellow")
        total = len(SENTENCE.split())
        return f"{len(alignment.words)} of {total} words, "

    async def _translate(self) -> str:
        reply = await self._client.translate_text(SENTENCE, TARGET, source_language=SOURCE)
        self._say(_filled(reply.text, "translation"))
        return f"{reply.model}, "

    async def _subtitle(self) -> str:
        reply = await self._client.recognize(self._long, language=SOURCE, subtitles="srt")
        path = self._write(f"{self._long.stem}.srt", _filled(reply.subtitles, "subtitle file"))
        return self._show_cues(path, reply.subtitles)

    async def _translate_subtitles(self) -> str:
        source = self._folder / f"{self._long.stem}.srt"
        if not source.exists():
            return "no subtitles to translate, "
        reply = await self._client.translate_subtitles(
            source.read_text("utf-8"), TARGET, source_language=SOURCE
        )
        text = _filled(reply.subtitles.get(TARGET, ""), "translated subtitle file")
        return self._show_cues(self._write(f"{self._long.stem}.{TARGET}.srt", text), text)

    def _show_cues(self, path: Path, text: str) -> str:
        cues = text.strip().split("\n\n")
        self._say("\n\n".join(cues[:_CUES_SHOWN]))
        self._say(f"... {len(cues)} cues in {path}", "dim")
        return f"{len(cues)} cues in "

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)

    def _write(self, name: str, data: str | bytes) -> Path:
        path = self._folder / name
        write_file(path, data)
        return path


def matching_words(said: str, heard: str) -> tuple[int, int]:
    """Count how many words of a text were heard, in order, and how many it has; case and punctuation do not count."""
    wanted, found = (re.findall(r"[\w']+", text.lower()) for text in (said, heard))
    blocks = difflib.SequenceMatcher(None, wanted, found, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks), len(wanted)


def _word_table(alignment: Alignment) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("Word")
    table.add_column("Start", justify="right")
    table.add_column("End", justify="right")
    for word in alignment.words:
        table.add_row(
            Text(word.text), f"{word.start_ms / 1000:.2f} s", f"{word.end_ms / 1000:.2f} s"
        )
    return table


def _filled(text: str, what: str) -> str:
    if not text.strip():
        raise CommandError(f"the server gave an empty {what}", ExitCode.REFUSED)
    return text
