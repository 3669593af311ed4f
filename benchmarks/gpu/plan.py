"""The rows in the order of their worth: what is known after so many minutes is the most that could be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

ROWS: Mapping[str, str] = {
    "probe": "probe:probe",
    "rates": "probe:rates",
    "tests": "probe:tests",
    "asr_decode_step": "asr_rows:decode_step",
    "tts_frame": "tts_rows:frame",
    "asr_encoder": "asr_rows:encoder",
    "asr_prefill": "asr_rows:prefill",
    "served_first_token": "served_rows:first_token",
    "served_first_pcm": "served_rows:first_pcm",
    "asr_first_token": "asr_rows:first_token",
    "tts_first_audio": "tts_rows:first_audio",
    "asr_update_step": "asr_rows:update_step",
    "align": "asr_rows:align",
    "asr_host_share": "asr_rows:host_share",
    "tts_host_share": "tts_rows:host_share",
    "asr_memory": "asr_rows:memory",
    "tts_memory": "tts_rows:memory",
    "asr_speculation": "asr_rows:speculation",
    "served_arrivals": "served_rows:arrivals",
    "served_final": "served_rows:final",
    "served_offline": "served_rows:offline",
    "served_live_streams": "served_rows:live_streams",
    "served_conversations": "served_rows:conversations",
}
"""Module of ``benchmarks.gpu`` and function; it yields figures as it measures them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process: a row, for models of these sizes, and the seconds after which it is given up."""

    row: str
    sizes: tuple[str, ...]
    limit_s: float

    @property
    def key(self) -> str:
        """Names it in the results."""
        return f"{self.row} {'+'.join(self.sizes)}".strip()


LARGE, SMALL = "1.7b", "0.6b"
PLAN: Sequence[Part] = (
    Part("probe", (), 90),
    Part("rates", (), 60),
    Part("tests", (), 180),
    Part("asr_decode_step", (LARGE,), 75),
    Part("tts_frame", (LARGE,), 100),
    Part("asr_encoder", (LARGE,), 45),
    Part("asr_prefill", (LARGE,), 45),
    Part("served_first_token", (LARGE,), 120),
    Part("served_first_pcm", (LARGE,), 90),
    Part("asr_first_token", (LARGE,), 45),
    Part("tts_first_audio", (LARGE,), 45),
    Part("asr_update_step", (LARGE,), 120),
    Part("align", (SMALL,), 60),
    Part("asr_host_share", (LARGE,), 60),
    Part("tts_host_share", (LARGE,), 60),
    Part("asr_memory", (SMALL,), 60),
    Part("tts_memory", (SMALL,), 60),
    Part("asr_speculation", (SMALL, LARGE), 120),
    Part("asr_decode_step", (SMALL,), 75),
    Part("tts_frame", (SMALL,), 100),
    Part("served_arrivals", (LARGE,), 900),
    Part("served_final", (LARGE,), 600),
    Part("served_offline", (LARGE,), 900),
    Part("served_live_streams", (LARGE,), 3600),
    Part("served_conversations", (LARGE,), 3600),
)


def parts(rows: Sequence[str], sizes: Sequence[str]) -> Iterator[Part]:
    """Those of the plan that are wanted; with no wish, all. Rows of another size than the plan's come last."""
    wanted = [part for part in PLAN if not rows or part.row in rows]
    if not sizes:
        yield from wanted
        return
    seen: set[str] = set()
    for part in wanted:
        if part.row not in seen:
            seen.add(part.row)
            yield Part(part.row, tuple(sizes) if part.sizes else (), part.limit_s)
