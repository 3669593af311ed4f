"""PocketSphinx is given its audio in slices, and answers as if it had got all at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pocketsphinx")

from speech_service.engines import pocketsphinx as package
from speech_service.engines.pocketsphinx import decoder as module
from speech_service.engines.pocketsphinx.decoder import Decoder, DecoderFiles, Segment
from speech_service.engines.pocketsphinx.text_graph import Candidate, Freedom, TextGraph

_WORDS = (("HH AH L OW",), ("W ER L D",), ("DH IH S",))


@pytest.fixture
def decoder() -> Decoder:
    import pocketsphinx

    model = Path(pocketsphinx.__file__).parent / "model" / "en-us"
    fillers = Path(package.__file__).with_name("fillers.dict")
    return Decoder(DecoderFiles(model / "en-us", model / "cmudict-en-us.dict", fillers))


def answers(decoder: Decoder) -> tuple[list[float], list[Segment]]:
    rng = np.random.default_rng(1)
    loud = 0.1 * np.sin(np.arange(48_000) / 9.0) * (1 + np.sin(np.arange(48_000) / 1700.0))
    decoder.hear((loud + rng.normal(0, 0.02, 48_000)).astype(np.float32))
    free, _ = decoder.free_phones()
    words = [Candidate(at, 4, ((word,),)) for at, word in enumerate(_WORDS)]
    graph = TextGraph(decoder, words, Freedom(None))
    return free.tolist(), decoder.search(graph.arcs, graph.states, module.Costs(20.0))


def test_slices_change_no_answer(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    sliced = answers(decoder)

    def at_once(self: Decoder) -> None:
        library: Any = vars(self)["_decoder"]
        library.reinit_feat()
        library.start_utt()
        library.process_raw(vars(self)["_pcm"], full_utt=True)
        library.end_utt()

    monkeypatch.setattr(Decoder, "_pass", at_once)
    assert answers(decoder) == sliced
    assert any(sliced[0])


def test_one_call_of_the_library_takes_a_tenth_of_a_second_of_audio(decoder: Decoder) -> None:
    """It holds Python's lock for as long as it searches."""
    sizes: list[int] = []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def process_raw(self, data: bytes, **options: bool) -> Any:
            if not options.get("no_search"):
                sizes.append(len(data))
            return real.process_raw(data, **options)

    real: Any = vars(decoder)["_decoder"]
    vars(decoder)["_decoder"] = Watched()
    answers(decoder)
    assert len(sizes) >= 2 * (3_600 // 100)
    assert max(sizes) <= 2 * 16_000 // 10
