"""A synthesis whose connection breaks: the caller has each piece of audio once, and an answer to each control."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from speech.v1 import audio_pb2, common_pb2
from speech.v1 import synthesis_service_pb2 as pb
from speech_client import ContextEnded, ContextOutcome, SpeechChunk, SpeechTiming, SpeechTimings
from speech_client.events import ControlAck, ControlKind, Usage
from speech_client.synthesize_resume import SynthesisRecovery

CHAR_MS = 10
"""A character takes so long, and as many bytes."""


def text(context_id: str, words: str) -> Any:
    return pb.StreamingSynthesizeRequest(text=pb.SynthesisText(context_id=context_id, text=words))


def flush(context_id: str, name: str, *, keep_open: bool = False) -> Any:
    message = pb.Flush(context_id=context_id, control_id=name, keep_open=keep_open)
    return pb.StreamingSynthesizeRequest(flush=message)


def cancel(context_id: str, name: str) -> Any:
    message = pb.Cancel(context_id=context_id, control_id=name)
    return pb.StreamingSynthesizeRequest(cancel=message)


def config(encoding: Any = audio_pb2.OUTPUT_ENCODING_PCM_S16LE) -> pb.SynthesisConfig:
    return pb.SynthesisConfig(output=audio_pb2.SynthesisOutput(encoding=encoding))


@dataclass
class Mouth:
    """Says each text at once, as a byte for each character, in pieces of seven."""

    said: dict[str, int] = field(default_factory=dict[str, int])
    pieces: dict[str, int] = field(default_factory=dict[str, int])

    def hears(self, message: Any) -> list[Any]:
        match message.WhichOneof("payload"):
            case "text":
                return self.speak(message.text.context_id, message.text.text)
            case "flush":
                name, ack = message.flush.context_id, message.flush.control_id
                told: list[Any] = [ControlAck(ack, ControlKind.FLUSH, None, name)]
                if not message.flush.keep_open:
                    self.said.pop(name, None)
                    self.pieces.pop(name, None)
                    told.append(ContextEnded(name, ContextOutcome.DONE, Usage()))
                return told
            case _:
                return []

    def speak(self, name: str, words: str) -> list[Any]:
        told: list[Any] = []
        for at in range(0, len(words), 7):
            piece, begin = words[at : at + 7], self.said.get(name, 0)
            start_ms, length_ms = begin * CHAR_MS, len(piece) * CHAR_MS
            number = self.pieces.get(name, 0)
            told.append(SpeechChunk(name, number, piece.encode(), start_ms, length_ms))
            end = begin + len(piece)
            timing = SpeechTiming(piece, begin, end, start_ms, start_ms + length_ms)
            told.append(SpeechTimings(name, (timing,)))
            self.said[name], self.pieces[name] = end, number + 1
        return told


@dataclass
class Line:
    """A caller's side of a stream whose calls break."""

    kept: SynthesisRecovery
    mouth: Mouth = field(default_factory=Mouth)
    under_way: list[Any] = field(default_factory=list[Any])
    told: list[Any] = field(default_factory=list[Any])

    def send(self, message: Any) -> None:
        self.kept.sent(message, live=True)
        self.under_way += self.mouth.hears(message)

    def receive(self, count: int) -> None:
        for event in self.under_way[:count]:
            self.told += self.kept.taken(event)
        del self.under_way[:count]

    def breaks(self) -> None:
        self.under_way.clear()
        self.mouth = Mouth()
        self.kept.first("")
        self.told += self.kept.resumed()
        for message in iter(self.kept.next, None):
            self.under_way += self.mouth.hears(message)

    def of(self, kind: type[Any], context_id: str) -> list[Any]:
        return [e for e in self.told if isinstance(e, kind) and e.context_id == context_id]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("ab"), st.integers(1, 30)),
        st.tuples(st.just("pause"), st.sampled_from([0, 1])),
        st.tuples(st.just("receive"), st.integers(1, 9)),
        st.tuples(st.just("break"), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS)
def test_all_audio_comes_once_whatever_is_cut(steps: list[tuple[str, int]]) -> None:
    line, written = Line(SynthesisRecovery(config())), {"a": "", "b": ""}
    controls = 0
    for kind, count in steps:
        match kind:
            case "receive":
                line.receive(count)
            case "break":
                line.breaks()
            case "pause":
                name = "ab"[count]
                if written[name]:
                    controls += 1
                    line.send(flush(name, f"c{controls}", keep_open=True))
            case _:
                begin = len(written[kind])
                words = "".join(chr(33 + (begin + n) % 90) for n in range(count))
                written[kind] += words
                line.send(text(kind, words))
    for name in "ab":
        if written[name]:
            line.send(flush(name, f"end-{name}"))
    line.receive(len(line.under_way))
    for name, words in written.items():
        chunks = line.of(SpeechChunk, name)
        assert b"".join(chunk.data for chunk in chunks) == words.encode()
        assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
        ends = [chunk.start_ms + chunk.duration_ms for chunk in chunks]
        assert [chunk.start_ms for chunk in chunks] == [0, *ends[:-1]][: len(chunks)]
        timings = [t for event in line.of(SpeechTimings, name) for t in event.timings]
        assert "".join(timing.text for timing in timings) == words
        assert all(words[t.char_start : t.char_end] == t.text for t in timings)
        assert all(t.start_ms == t.char_start * CHAR_MS for t in timings)
        outcomes = [event.outcome for event in line.of(ContextEnded, name)]
        assert outcomes == ([ContextOutcome.DONE] if words else [])
    acks = [event.control_id for event in line.told if isinstance(event, ControlAck)]
    assert len(acks) == len(set(acks)) == controls + sum(map(bool, written.values()))


def test_a_context_that_has_ended_is_not_asked_for_again() -> None:
    line = Line(SynthesisRecovery(config()))
    line.send(text("a", "said"))
    line.send(flush("a", "c1"))
    line.receive(9)
    line.breaks()
    assert not line.under_way


def test_a_file_that_has_begun_fails_and_the_stream_lives_on() -> None:
    line = Line(SynthesisRecovery(config(audio_pb2.OUTPUT_ENCODING_WAV)))
    line.send(text("a", "has begun"))
    line.receive(1)
    line.send(text("b", "has not"))
    line.send(flush("a", "c1"))
    assert not line.kept.may_move()
    line.breaks()
    ended = line.of(ContextEnded, "a")
    assert [(e.outcome, e.error.reason) for e in ended] == [
        (ContextOutcome.FAILED, "SPEECH_FAILED")
    ]
    ack = next(e for e in line.told if isinstance(e, ControlAck))
    assert ack.control_id == "c1"
    assert ack.error is not None
    line.receive(9)
    assert b"".join(c.data for c in line.of(SpeechChunk, "b")) == b"has not"


def test_what_was_to_be_stopped_is_stopped_by_the_loss() -> None:
    line = Line(SynthesisRecovery(config()))
    line.send(text("a", "unwanted"))
    line.send(cancel("", "c1"))
    line.send(text("a", "wanted"))
    line.breaks()
    outcomes = [e.outcome for e in line.of(ContextEnded, "a")]
    assert outcomes == [ContextOutcome.CANCELLED]
    assert [e.control_id for e in line.told if isinstance(e, ControlAck)] == ["c1"]
    line.receive(9)
    assert b"".join(c.data for c in line.of(SpeechChunk, "a")) == b"wanted"


def test_an_update_holds_for_the_contexts_that_came_after_it() -> None:
    kept = SynthesisRecovery(config())
    kept.sent(text("a", "before"), live=True)
    update = pb.UpdateSynthesisConfig(config=pb.SynthesisConfig(speaking_rate=1.5), control_id="u")
    update.update_mask.paths.append("speaking_rate")
    kept.sent(pb.StreamingSynthesizeRequest(update_config=update), live=True)
    kept.sent(text("b", "after"), live=True)
    assert kept.taken(ControlAck("u", ControlKind.UPDATE_CONFIG, None))
    assert not kept.first("").config.HasField("speaking_rate")
    kept.resumed()
    kinds = [m.WhichOneof("payload") for m in iter(kept.next, None)]
    assert kinds == ["text", "update_config", "text"]
    assert not kept.taken(ControlAck("u", ControlKind.UPDATE_CONFIG, None))
    kept.taken(ContextEnded("a", ContextOutcome.DONE, Usage()))
    assert kept.first("").config.speaking_rate == 1.5


def test_the_end_of_the_text_is_said_again() -> None:
    kept = SynthesisRecovery(config())
    kept.sent(text("a", "all"), live=True)
    kept.sent(pb.StreamingSynthesizeRequest(end_of_text=common_pb2.EndOfInput()), live=True)
    kept.resumed()
    kinds = [m.WhichOneof("payload") for m in iter(kept.next, None)]
    assert kinds == ["text", "end_of_text"]
