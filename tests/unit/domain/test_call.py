"""One RPC as the service sees it: who is told of its end, and what a session of it notes."""

from speech_service.domain.call import Call


def call(rpc_type: str = "unary") -> Call:
    return Call("a.B", "C", rpc_type, request_id="r")


def test_all_who_ask_are_told_of_the_end_once() -> None:
    told: list[str] = []
    one = call()
    one.when_over(lambda: told.append("first"))
    one.when_over(lambda: told.append("second"))
    assert told == []
    one.over()
    one.over()
    assert told == ["first", "second"]


def test_who_asks_too_late_is_told_at_once() -> None:
    told: list[str] = []
    one = call()
    one.over()
    one.when_over(lambda: told.append("late"))
    assert told == ["late"]


def test_a_session_has_one_id() -> None:
    one = call()
    one.opened("m")
    first = one.session_id
    one.opened("n")
    assert len(first) == 32
    assert (one.session_id, one.model) == (first, "n")
