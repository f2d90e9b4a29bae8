"""Reading never harms relaying: mutated recordings, arbitrary bytes, and sizes that nobody sends."""

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coderai.formats.chat_completions import ChatCompletions
from coderai.stream_tap import StreamTap
from coderai.tap import WholeTap
from tests.codings import CODINGS as ENCODERS
from tests.fuzz.taps import CODINGS, FORMATS, Fed, check_all, feed, relayed, repeated
from tests.recording import Recording, recordings

STREAMS = [recording for recording in recordings() if recording.streamed]
formats = st.sampled_from(FORMATS)
codings = st.sampled_from(CODINGS)
sizes = st.lists(st.integers(1, 300), min_size=1, max_size=4)
fuzzed = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A recorded answer with bytes changed, cut out, doubled, or spliced from another one."""
    recording: Recording = draw(st.sampled_from(STREAMS))
    data = bytearray(recording.answer)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 40))
        match draw(st.integers(0, 4)):
            case 4:  # more line ends than one
                end = data.find(b"\n\n", at)
                data[end:end] = b"\n" * (end >= 0)
            case 0:
                data[at : at + length] = draw(st.binary(max_size=8))
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + length]
            case _:
                other: Recording = draw(st.sampled_from(STREAMS))
                data[at:at] = other.answer[at : at + 200]
    return bytes(data)


@fuzzed
@given(formats, mutated(), sizes)
def test_mutated_streams(format, data: bytes, sizes: list[int]) -> None:
    check_all(format, None, data, sizes)


@fuzzed
@given(formats, mutated(), st.integers(0, 60), sizes)
def test_mutated_coded_streams(format, data: bytes, at: int, sizes: list[int]) -> None:
    coded = bytearray(gzip.compress(data))
    coded[at : at + 1] = b"\x00" * (at % 2)
    check_all(format, b"gzip", bytes(coded), sizes)


@fuzzed
@given(formats, codings, st.binary(max_size=500), sizes)
def test_arbitrary_bytes(format, coding: bytes | None, data: bytes, sizes: list[int]) -> None:
    check_all(format, coding, data, sizes)


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.path)
@pytest.mark.parametrize("withhold", [False, True])
def test_a_single_event_of_50_mb(format, withhold: bool) -> None:
    """Linear: a quadratic search would take hours for these 800,000 lines without a blank one."""
    data = b"data: " + b'{"x":"' + b"y" * 50_000_000 + b'"}\n\n'
    lines = b"data: {}\n" * 800_000 + b"\n"
    for stream in (data, lines):
        out = [
            tap.feed(stream[at : at + 16_384])
            for tap in [StreamTap(format, None, withhold)]
            for at in range(0, len(stream), 16_384)
        ]
        assert b"".join(out) == stream


class Broken(ChatCompletions):
    """A reader with a fault that no test has found."""

    def withheld(self, event: bytes) -> bool:
        raise RecursionError


def test_a_fault_of_ours_costs_no_byte() -> None:
    tap = StreamTap(Broken(), None, withhold=True)
    events = [b'data: {"id":"x"}\n\n', b'data: {"usage":{}}\n\n', b"data: [DONE]\n\n"]
    assert [tap.feed(event) for event in events] == [*events[:2], b""]
    assert (tap.fault, tap.held()) == ("RecursionError at an event", events[2])


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.path)
def test_what_need_not_be_fed(format) -> None:
    """What tells nothing, behind an event that told nothing, until one has been fed that does."""
    skippable, told = b'data: {"type":"x"}\n\n', b'data: {"type":"error","error":{"message":"m"}}\n\n'
    chunks = {
        skippable: [False, False, True],  # the first is kept, the second shows that they tell nothing
        skippable + skippable: [True],
        skippable[:-1]: [False],
        b"\n" + skippable: [False],
        b": a comment\n\n": [False, True],
        told[:-2] + b"  \n\n" + skippable: [False],
    }
    fed = Fed(StreamTap(format, None))
    for chunk, expected in chunks.items():
        passed = []
        for _ in expected:
            before = fed.passed
            feed(fed, iter([chunk]))
            passed.append(fed.passed > before)
        assert passed == expected, chunk
    assert fed.bypass is None


@pytest.mark.parametrize("withhold", [False, True])
def test_a_terminal_event_behind_a_third_line_feed_is_kept_once(withhold: bool) -> None:
    tap = StreamTap(FORMATS[0], None, withhold)
    begin = b'data: {"id":"i","choices":[]}\n\n'
    told = b'data: {"choices":[{"index":0,"delta":{"reasoning":"a"}}]}\n\n'
    last = b'data: {"error":{"message":"m"},"choices":[{"index":0,"delta":{"reasoning":"b"}}]}\n\n'
    assert relayed(tap, begin + told + b"\n" + last, iter([len(begin), 1000])).endswith(last)
    assert [finding.content for finding in tap.read().findings] == ["ab"]


def test_nor_what_was_held_back_until_then() -> None:
    tap = StreamTap(Broken(), None, withhold=True)
    pieces = [b'data: {"id":"x"', b'}\n\ndata: {"usa', b'ge":{}}\n\n', b"data: [DONE]\n\n"]
    assert b"".join(map(tap.feed, pieces)) == b"".join(pieces[:-1])
    assert (tap.fault, tap.held()) == ("RecursionError at an event", pieces[-1])


class Unsound(ChatCompletions):
    """Another, which a certain text brings out."""

    class wanted:
        @staticmethod
        def search(events: bytes, *within: int) -> None:
            if events.find(b"fault") >= 0:
                raise RecursionError


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("text", [b'data: {"x":"[DONE] fault"}', b'{"x":"a fault"}', b"event: x\ndata: fault"])
@pytest.mark.parametrize("first", [b"", b'data: {"id":"x"}\n\n'])
@pytest.mark.parametrize("coding", ENCODERS)
def test_nor_what_waited_for_its_event(coding: bytes | None, first: bytes, text: bytes, end: bytes) -> None:
    data = (first + text + b"\n\ndata: {}\n\ndata: [DONE]\n\n").replace(b"\n", end)
    for size in (*range(1, 20), len(data)):
        tap = StreamTap(Unsound(), coding)
        encode = ENCODERS[coding]()
        chunks = [encode(data[at : at + size]) for at in range(0, len(data), size)]
        assert b"".join(map(tap.feed, chunks)) == b"".join(chunks)
        assert (tap.fault, tap.held()) == ("RecursionError at an event", b"")
        assert not tap.behind  # or reading it would never end
        assert tap.read().error_type == "answer_not_read"


def test_nor_an_event_that_came_alone_and_nothing_is_read_behind_it() -> None:
    tap = StreamTap(Unsound(), None)
    for event in (b'data: {"id":"x"}\n\n', b'data: {"x":"a fault"}\n\n', b"data: [DONE]\n\n"):
        assert tap.feed(event) == event
    assert (tap.terminal, tap.unread, tap.held()) == (False, True, b"")


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.path)
def test_a_million_tiny_events(format) -> None:
    data = b'data: {"type":"x"}\n\n' * 1_000_000
    tap = StreamTap(format, None)
    assert relayed(tap, data, repeated([4096])) == data
    assert tap.fault is None


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.path)
def test_what_is_kept_is_bounded(format) -> None:
    """An answer of which all would be wanted, without end: it is relayed, and noted as too large."""
    wanted = (
        b'data: {"type":"error","usage":{"a":1},"type":"response.output_item.added","pad":"'
        + b"x" * 1_000_000
        + b'"}\n\n'
    )
    tap = StreamTap(format, None)
    for _ in range(80):
        tap.feed(wanted)
    assert sum(map(len, tap._kept.events)) <= 64 * 1024 * 1024
    whole = WholeTap(format, None)
    for _ in range(80):
        whole.feed(wanted)
    assert not whole._kept
    assert whole.read().findings == ()
    assert "larger" in (whole.fault or "")


def test_an_error_behind_some_members_is_an_end_and_behind_thousands_is_not() -> None:
    """Or each of thousands of lines would take a millisecond."""
    for members, terminal in ((0, True), (1, True), (64, True), (65, False), (20_000, False)):
        tap = StreamTap(ChatCompletions(), None)
        tap.feed(b"data: {" + b'"a":1,' * members + b'"error":{"message":"m"}}\n\n')
        assert tap.terminal is terminal
