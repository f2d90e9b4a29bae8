"""The log layouts against their goldens, the sinks against full disks, slow readers and logrotate."""

import asyncio
import datetime
import fcntl
import json
import logging
import os
import re
import resource
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderai.logs import LogError, Logger, RecordLog, StandardLibrary, notation
from coderai.logs.layouts import (
    DEBUG,
    ERROR,
    INFO,
    WARN,
    Entry,
    Site,
    human_line,
    json_line,
    stackdriver_line,
)
from coderai.logs.notation import quote
from coderai.logs.redaction import SECRETS_KEPT, Secrets
from coderai.logs.sinks import Sink
from coderai.records import AnsweredPrompt, Ended, Prompt, Record, Started, Thought, Thread, Tokens, ToolCall
from tests.logs import open_logs

GOLDENS = Path(__file__).parent / "goldens" / "logs"
SITE = Site("coderai/server.py", 42, "coderai.server.serve")
YEAR_2000 = 949_723_444 * 10**9
YEAR_1 = -62_135_596_800 * 10**9
NOW = 1_776_882_413_123_999_999
WAIT = 10  # seconds after which a test gives up; nothing here takes as long


def entry(at=NOW, level=INFO, names=(), message="", **fields) -> Entry:
    return Entry(at, level, names, message, SITE, fields)


HUMAN = [
    entry(YEAR_2000, DEBUG, message=" wowowow\tizi \n"),
    entry(YEAR_1, WARN, ("some", "cat"), "meow", breath="stinky"),
    entry(YEAR_1, WARN, **{"space in my key": "value in my value"}),
    entry(YEAR_1, WARN, **{"funky^%&^&^key": "value", "funky^%&^&^key2": "@#\t \t \n"}),
    entry(YEAR_1, WARN, somefile="blah bla\x01h blah"),
    entry(YEAR_1, WARN, nan=None),
    entry(
        YEAR_2000, DEBUG, (), "mixed types", count=100, name="test", enabled=True, ratio=0.95, data=b"bytes",
        nil_val=None,
    ),
    entry(
        YEAR_2000, WARN, (), "edge cases", zero_int=0, neg_int=-999, max_int64=2**63 - 1, min_int64=-(2**63),
        max_uint64=2**64 - 1, zero_float=0.0, neg_float=-123.456,
    ),
    entry(YEAR_1, INFO, (), "msg", field="line1\nline2"),
    entry(YEAR_1, INFO, (), "line1\nline2"),
    entry(
        NOW, ERROR, ("coderai", "aibridge"), "odd\x1b[2Jvalues", empty="", error=OSError("no route\nto host"),
        took=datetime.timedelta(hours=1), metadata={"a": "<b>\x85"}, list=["a", "b"],
        **{"evil\n": "\u202e", "back": '\\ "', "big": 1e6},
    ),
]  # fmt: skip


def test_human_lines_agree_with_the_goldens() -> None:
    assert b"".join(map(human_line, HUMAN)).decode() == (GOLDENS / "human.txt").read_text()


def test_json_lines_agree_with_the_goldens() -> None:
    lines = [
        entry(NOW - NOW % 10**9, ERROR, ("named",), "line1\n\nline2", wowow="me\nyou"),
        entry(NOW // 10**6 * 10**6, INFO, message="plain"),
        entry(NOW, WARN, ("a", "b"), "<&>", html="<b>\u2028&\u2029", esc="\x1b\x85\u202e", nul="\0", none=None),
        entry(NOW, DEBUG, message="odd", big=2**70, lone="\ud800", nested={1: [b"\xff", Path("/x")]}),
    ]
    assert b"".join(map(json_line, lines)) == (GOLDENS / "json.txt").read_bytes()


def test_stackdriver_lines_agree_with_the_goldens() -> None:
    lines = [
        entry(NOW, ERROR, ("meow",), "line1\n\nline2", wowow="me\nyou"),
        entry(NOW, WARN, message="a field cannot pass for the entry's own", severity="DEBUG", message_="kept"),
    ]
    assert b"".join(map(stackdriver_line, lines)) == (GOLDENS / "stackdriver.txt").read_bytes()


@given(st.text(), st.text(), st.text(), st.dictionaries(st.text(), st.text()))
def test_no_value_breaks_a_line_or_reaches_the_terminal_as_a_command(message, key, value, metadata) -> None:
    written = entry(names=("a",), message=message, **{key: value, "metadata": metadata})
    for layout in (human_line, json_line, stackdriver_line):
        line = layout(written).decode()
        assert line.endswith("\n") and len(line.splitlines()) == 1
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", line)
    fields = json.loads(json_line(written))["fields"]
    assert fields == {key: value, "metadata": metadata} or key == "metadata"


@given(
    st.text(st.sampled_from('ab \t\n"\\\x00\x7f\x85\xa0\xadé€я\u200d\u202e\u3000\ud800\ue000👩\U000e0001\U0010ffff'))
)
def test_quoting_a_text_is_quoting_its_characters(text: str) -> None:
    assert quote(text) == f'"{"".join(quote(char)[1:-1] for char in text)}"'
    for char in text:
        shown = quote(char)[1:-1]
        assert shown == char if char.isprintable() and char not in '"\\' else shown.startswith("\\") and shown.isascii()


def test_no_character_of_a_run_that_prints_is_looked_at_by_itself() -> None:
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    text = "Съешь ещё этих мягких французских булок\n" * 1000
    sys.setprofile(count)
    try:
        quoted = quote(text)
    finally:
        sys.setprofile(None)
    assert quoted == f'"{text}"'.replace("\n", r"\n")
    assert calls < 1100  # one for each line feed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "-0"), (1.0, "1"), (100.0, "100"), (999999.0, "999999"),
        (1234567.0, "1.234567e+06"),
        (1e20, "1e+20"), (0.0001, "0.0001"), (0.00001, "1e-05"), (1.5e-7, "1.5e-07"), (-2.25, "-2.25"),
        (float("inf"), "+Inf"), (float("-inf"), "-Inf"), (float("nan"), "NaN"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_go_does(value: float, text: str) -> None:
    assert notation.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (5, "5s"), (1.5, "1.5s"), (90, "1m30s"), (60.000001, "1m0.000001s"),
        (5_184_000, "1440h0m0s"),
        (0.25, "250ms"), (0.0015, "1.5ms"), (0.000007, "7µs"), (-3600, "-1h0m0s"),
    ],
)  # fmt: skip
def test_durations_are_written_as_go_does(seconds: float, text: str) -> None:
    assert notation.duration(datetime.timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (120_000_000, "1970-01-01T00:00:00.12Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
    ],
)
def test_times_lose_their_trailing_zeros(nanoseconds: int, text: str) -> None:
    assert notation.rfc3339(nanoseconds) == text


# The logger


@pytest.fixture
def json_file(tmp_path: Path) -> Path:
    return tmp_path / "log.json"


@pytest.fixture
def log(json_file: Path) -> Iterator[Logger]:
    log = open_logs(human="", json=str(json_file))
    yield log
    log.close()


def lines_of(log: Logger, path: Path) -> list[dict]:
    log.close()
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_a_line_names_its_logger_and_the_place_that_wrote_it(log: Logger, json_file: Path) -> None:
    log.named("coderai").named("aibridge").warn("hello", second=2, first=1)
    log.info("bare")
    named, bare = lines_of(log, json_file)
    assert list(named) == ["ts", "level", "msg", "caller", "func", "logger_names", "fields"]
    assert list(bare) == ["ts", "level", "msg", "caller", "func"]
    assert named["logger_names"] == ["coderai", "aibridge"]
    assert list(named["fields"].items()) == [("second", 2), ("first", 1)]
    assert re.fullmatch(r"(tests/)?test_logs\.py:\d+", named["caller"])
    assert named["func"].endswith("test_a_line_names_its_logger_and_the_place_that_wrote_it")
    assert datetime.datetime.fromisoformat(named["ts"]).tzinfo is datetime.UTC


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({}, []),
        ({"verbose": True}, ["started", "other"]),
        ({"filters": [re.compile(".*")]}, ["started", "other"]),
        ({"filters": [re.compile("^coderai.relay$")]}, ["started"]),
        ({"filters": [re.compile("nothing"), re.compile("(?i)OTH")], "verbose": True}, ["other"]),
    ],
)
def test_debug_lines_need_verbose_or_a_filter(options, seen, json_file: Path) -> None:
    log = open_logs(human="", json=str(json_file), **options)
    log.named("coderai").named("relay").debug("started")
    log.debug("other")
    log.info("always")
    assert [line["msg"] for line in lines_of(log, json_file)] == [*seen, "always"]


def test_several_outputs_at_once_and_two_of_them_in_one_file(tmp_path: Path, json_file: Path) -> None:
    both = tmp_path / "both.log"
    log = open_logs(human=str(both), json=str(json_file), stackdriver=str(both))
    log.info("hello")
    assert [line["msg"] for line in lines_of(log, json_file)] == ["hello"]
    human, stackdriver = both.read_text().splitlines()
    assert human.endswith("[info]  hello")
    assert json.loads(stackdriver)["severity"] == "INFO"


def test_all_outputs_may_be_off() -> None:
    log = open_logs(human="")
    log.error("nobody hears this")
    assert log.sinks_status() == []
    log.close()


def test_standard_streams(capfd: pytest.CaptureFixture[str]) -> None:
    log = open_logs(json="/dev/stdout")
    log.info("hello")
    log.close()
    out, err = capfd.readouterr()
    assert json.loads(out)["msg"] == "hello"
    assert err.endswith("[info]  hello\n")


def test_a_file_is_appended_to_and_not_for_everyone_to_read(json_file: Path) -> None:
    json_file.write_text('{"msg":"old"}\n')
    log = open_logs(human="", json=str(json_file))
    log.info("new")
    assert [line["msg"] for line in lines_of(log, json_file)] == ["old", "new"]
    json_file.unlink()
    open_logs(human="", json=str(json_file)).close()
    assert stat.S_IMODE(json_file.stat().st_mode) & 0o137 == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"human": "/no/such/dir/x"},
            ["--log-human", "CODER_LOGGING_HUMAN", "'/no/such/dir/x'", "No such file"],
        ),
        ({"json": "/"}, ["--log-json", "is a directory; name a file in it", "--log-json="]),
        ({"stackdriver": "/no/such/dir/x"}, ["--log-stackdriver", "create the directory"]),
    ],
)
def test_an_option_that_cannot_be_followed_is_named_with_its_remedy(options, words) -> None:
    with pytest.raises(LogError) as error:
        open_logs(**{"human": "", **options})
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)


def test_a_fifo_without_a_reader_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(LogError, match=r"--log-json .*fifo' is a pipe that nobody reads; start its reader first"):
        open_logs(human="", json=str(fifo))


def test_secrets_are_masked_wherever_they_turn_up(tmp_path: Path, json_file: Path) -> None:
    human = tmp_path / "human.log"
    log = open_logs(human=str(human), json=str(json_file))
    secrets = ["sk-proj-secret", "sk-proj-secret-longer", 'with<"quotes\\', "short"]
    log.redact(secrets)
    log.error(
        "key sk-proj-secret", error=ValueError("Bearer sk-proj-secret-longer"), nested={"a": [secrets[2]]},
        plain=secrets[2], sk_proj="short",
    )  # fmt: skip
    (line,) = lines_of(log, json_file)
    assert (line["msg"], line["fields"]) == (
        "key ***",
        {"error": "Bearer ***", "nested": {"a": ["***"]}, "plain": "***", "sk_proj": "short"},
    )
    assert "sk-proj-secret" not in human.read_text() and "quotes" not in human.read_text()
    assert human.read_text().count("***") == 4


def test_the_oldest_secrets_are_forgotten_first() -> None:
    secrets = Secrets()
    secrets.add(f"secret-number-{n:04}" for n in range(SECRETS_KEPT + 1))
    assert secrets.mask(b"secret-number-0000 secret-number-0001") == b"secret-number-0000 ***"


def test_reconfiguring_applies_as_a_whole_or_not_at_all(log: Logger, json_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.log"
    with pytest.raises(LogError):
        log.reconfigure(human=str(other), json="/no/such/dir/x", verbose=True)
    log.debug("not yet")
    log.info("one")
    log.reconfigure(human=str(other), json=str(json_file), verbose=True)
    log.debug("two")
    log.reconfigure(human=str(other))
    log.info("three")
    assert [line["msg"] for line in lines_of(log, json_file)] == ["one", "two"]
    assert [line.split("  ")[-1] for line in other.read_text().splitlines()] == ["two", "three"]


def test_closing_waits_for_what_a_sink_that_is_no_longer_configured_had_queued(log: Logger, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(fd, True)
    log.reconfigure(human=str(fifo))
    log.info("x" * 8_000_000)
    log.reconfigure(human="")
    with os.fdopen(fd, "rb") as pipe:
        reader = threading.Thread(target=pipe.read)
        reader.start()
        log.close()
        assert f"log {fifo}" not in [thread.name for thread in threading.enumerate()]
        reader.join(WAIT)


def test_reopening_writes_to_the_file_that_now_has_the_name(json_file: Path) -> None:
    sink = Sink(str(json_file))
    put_and_wait(sink, b"old\n")
    moved = json_file.rename(json_file.with_suffix(".1"))
    sink.reopen()
    put_and_wait(sink, b"new\n")
    assert (moved.read_bytes(), json_file.read_bytes()) == (b"old\n", b"new\n")
    finish(sink)


def test_a_path_that_cannot_be_reopened_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "dir" / "log"
    path.parent.mkdir()
    sink = Sink(str(path))
    moved = path.parent.rename(tmp_path / "moved") / "log"
    sink.reopen()
    put_and_wait(sink, b"kept\n")
    assert moved.read_bytes() == b"kept\n"
    assert sink.status().failed == 1
    finish(sink)


# Sinks that fail or stand still


def put_and_wait(sink: Sink, *lines: bytes) -> None:
    """Returns when the lines are written or the write has failed."""
    done = threading.Event()
    assert sink.put(lines, done.set)
    assert done.wait(WAIT)


def finish(sink: Sink) -> None:
    sink.close()
    sink.join(WAIT)
    assert not sink._thread.is_alive()


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A FIFO that holds 4096 bytes, and its reader."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    yield fifo, reader
    os.close(reader)


def test_a_full_disk_is_counted_and_what_waits_is_dropped_at_the_end() -> None:
    sink = Sink("/dev/full")
    put_and_wait(sink, b"one\n", b"two\n")
    status = sink.status()
    assert (status.failed, status.written, status.stalled) == (1, 0, True)
    assert status.error == "No space left on device"
    finish(sink)
    assert sink.status().dropped == 2


def test_a_closed_pipe_harms_nobody(pipe: tuple[Path, int]) -> None:
    fifo, reader = pipe
    sink = Sink(str(fifo))
    os.dup2(os.open(os.devnull, os.O_RDONLY), reader)
    put_and_wait(sink, b"one\n")
    assert sink.status().error == "Broken pipe"
    finish(sink)


@contextmanager
def full_after(size: int) -> Iterator[None]:
    """A disk that is full after so many bytes: the system writes a part, then refuses.

    No longer than for a step of a test: it holds for the file, too, that pytest's own output may go to.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_torn_line_is_completed_once_there_is_room(json_file: Path) -> None:
    sink = Sink(str(json_file))
    with full_after(7):
        put_and_wait(sink, b"first\n", b"second\n")
        assert json_file.read_bytes() == b"first\ns"
    put_and_wait(sink, b"third\n")
    assert json_file.read_bytes() == b"first\nsecond\nthird\n"
    status = sink.status()
    assert (status.written, status.dropped, status.error) == (3, 0, None)
    finish(sink)


def test_the_rest_of_a_torn_line_does_not_enter_the_next_file(json_file: Path) -> None:
    sink = Sink(str(json_file))
    with full_after(7):
        put_and_wait(sink, b"first\n", b"second\n", b"third\n")
        json_file.rename(json_file.with_suffix(".1"))
        sink.reopen()
    put_and_wait(sink, b"fourth\n")
    assert json_file.read_bytes() == b"third\nfourth\n"
    status = sink.status()
    assert (status.written, status.dropped) == (3, 1)
    finish(sink)


def test_a_full_queue_drops_and_counts(pipe: tuple[Path, int]) -> None:
    fifo, reader = pipe
    sink = Sink(str(fifo), queue_bytes=10_000)
    written = threading.Event()
    assert sink.put([b"a" * 19_999 + b"\n"], written.set)  # larger than the queue, but alone
    assert not sink.put([b"b\n", b"c\n"])
    assert sink.status().dropped == 2
    os.set_blocking(reader, True)
    received = b""
    while len(received) < 20_000:
        received += os.read(reader, 65536)
    assert written.wait(WAIT)
    put_and_wait(sink, b"d\n")
    assert os.read(reader, 100) == b"d\n"
    finish(sink)


async def test_a_sink_that_stands_still_holds_up_a_record_for_a_second_and_no_more(
    pipe: tuple[Path, int], json_file: Path
) -> None:
    fifo, reader = pipe
    log = open_logs(human=str(fifo), json=str(json_file))
    log.info("x" * 10_000)  # more than the pipe holds
    records = RecordLog(log)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await records.write(BATCH, {})
    waited = loop.time() - began
    await records.write(BATCH, {})
    assert 0.9 < waited < 5 and loop.time() - began - waited < 0.5
    assert [status.stalled for status in log.sinks_status()] == [True, False]
    os.set_blocking(reader, True)
    received = b""
    while received.count(b"interception log") < 12:
        received += await asyncio.to_thread(os.read, reader, 65536)
    assert len(lines_of(log, json_file)) == 13


def test_closing_does_not_wait_for_a_sink_that_stands_still(pipe: tuple[Path, int]) -> None:
    fifo, reader = pipe
    log = open_logs(human=str(fifo))
    log.info("x" * 10_000)
    closing = threading.Thread(target=log.close)
    closing.start()
    closing.join(WAIT)
    assert not closing.is_alive()
    os.set_blocking(reader, True)
    while not os.read(reader, 65536).endswith(b"\n"):
        pass


# Records


def record(finding, at=1_776_882_413_120_000, id="r1") -> Record:
    return Record(id, "i1", at, finding)


BATCH = [
    record(
        Started(
            initiator_id="u1", api_key_id="k1", provider="openai", provider_name="my-openai", model="gpt-5",
            client="Codex", metadata={"request_user_agent": "codex <1>"},
        ),
        id="i1",
    ),
    record(Prompt("hi\nthere")),
    record(AnsweredPrompt(Prompt("hi\nthere"), "m1")),
    record(Tokens(message_id="m1", input=1, output=2, cache_read=3, cache_write=4, metadata={"total": 9})),
    record(ToolCall(message_id="m1", call_id="c1", tool="shell", input='{"a": 1}')),
    record(Thought("hm", {"source": "thinking"})),
    record(Ended(status=200), at=1_776_882_414_000_000),
]  # fmt: skip


def test_records_agree_with_the_golden(log: Logger, json_file: Path) -> None:
    asyncio.run(RecordLog(log).write(BATCH, {"i1": Thread("i0", "root")}))
    written = json_file.read_bytes().splitlines()  # awaited, so it is in the file already
    heads = {(line["msg"], line["level"], *line["logger_names"]) for line in map(orjson.loads, written)}
    assert heads == {("interception log", "INFO", "aibridge")}
    fields = b"".join(line[line.index(b'"fields"') : -1] + b"\n" for line in written)
    assert fields == (GOLDENS / "records.txt").read_bytes()


async def test_a_record_without_thread_and_answer(log: Logger, json_file: Path) -> None:
    records = RecordLog(log)
    ended = Ended(status=None, error_type="upstream_unreachable", error_message="refused")
    await records.write([BATCH[0], record(AnsweredPrompt(Prompt(""), "")), record(ended)], {})
    start, prompt, end = (line["fields"] for line in lines_of(log, json_file))
    assert (start["thread_parent_id"], start["thread_root_id"], start["client_session_id"]) == ("", "", "")
    assert (prompt["msg_id"], prompt["prompt"]) == ("", "")
    assert (end["status"], end["error_type"], end["error_message"]) == (
        None,
        "upstream_unreachable",
        "refused",
    )


async def test_a_passthrough_request(log: Logger, json_file: Path) -> None:
    await RecordLog(log).passthrough(
        route="/v1/models", method="GET", status=200, initiator_id="u1", api_key_id="k1",
        provider="anthropic", provider_name="anthropic", created_at=0,
    )  # fmt: skip
    (line,) = lines_of(log, json_file)
    assert line["msg"] == "interception log"
    assert list(line["fields"].items()) == [
        ("record_type", "passthrough"), ("route", "/v1/models"), ("method", "GET"), ("status", 200),
        ("initiator_id", "u1"), ("api_key_id", "k1"), ("provider", "anthropic"),
        ("provider_name", "anthropic"),
        ("created_at", "1970-01-01T00:00:00Z"),
    ]  # fmt: skip


async def test_records_without_any_output() -> None:
    log = open_logs(human="")
    await RecordLog(log).write(BATCH, {})
    assert log.sinks_status() == []


class Unwritable:
    def __str__(self) -> str:
        raise KeyError("sk-quoted")


def test_lines_of_the_standard_library(log: Logger, json_file: Path) -> None:
    handler = StandardLibrary(log)
    library = logging.Logger("aiohttp.server")
    library.addHandler(handler)
    library.info("not wanted")
    library.warning("odd %s", "thing")
    library.warning("odd %d", "arguments")
    library.warning("odd %s", Unwritable())
    try:
        raise ValueError("sk-quoted")
    except ValueError:
        library.exception("Unhandled")
    odd, arguments, unwritable, unhandled = lines_of(log, json_file)
    assert (odd["level"], odd["msg"], odd["logger_names"]) == ("WARN", "odd thing", ["aiohttp.server"])
    assert (arguments["msg"], unwritable["msg"]) == ("odd %d", "odd %s")
    assert unhandled["fields"]["error"] == "ValueError"
    assert "in test_lines_of_the_standard_library" in unhandled["fields"]["traceback"]
    assert "sk-quoted" not in unhandled["fields"]["traceback"].replace('ValueError("sk-quoted")', "")  # the source


def test_a_fault_is_told_with_what_it_was_raised_for(log: Logger, json_file: Path) -> None:
    try:
        try:
            raise OSError(28, "No space left on device", "sk-quoted")
        except OSError as full:
            raise ValueError("sk-quoted") from full
    except ValueError as fault:
        log.fault("broken", fault)
    (line,) = lines_of(log, json_file)
    assert line["fields"]["error"] == "ValueError"
    assert "because of OSError: No space left on device" in line["fields"]["traceback"]


def test_a_fault_whose_causes_run_in_a_circle(log: Logger, json_file: Path) -> None:
    fault = ValueError()
    fault.__cause__ = other = KeyError()
    other.__cause__ = fault
    log.fault("broken", fault)
    (line,) = lines_of(log, json_file)
    assert line["fields"]["traceback"].count("because of KeyError") == 5


async def test_a_fault_in_a_callback(log: Logger, json_file: Path) -> None:
    def callback(data: bytes) -> None:
        raise ValueError(data)

    library = logging.getLogger("asyncio")
    handler = StandardLibrary(log)
    library.addHandler(handler)
    try:
        asyncio.get_running_loop().call_soon(callback, b"sk-argument")
        await asyncio.sleep(0)
    finally:
        library.removeHandler(handler)
    (line,) = lines_of(log, json_file)
    assert line["msg"].startswith("Exception in callback test_a_fault")
    assert line["fields"]["error"] == "ValueError"
    assert "sk-argument" not in str(line)
