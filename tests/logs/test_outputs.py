"""Where lines go, which of them, and what they never hold; changed and opened anew while the server runs."""

import datetime
import json
import os
import re
import stat
import threading
from pathlib import Path

import pytest

from coderai.logs import LogError, Logger
from coderai.logs.redaction import SECRETS_KEPT, Secrets
from tests.logs.opened import lines_of, open_logs
from tests.waiting import WAIT_S


def test_a_line_names_its_logger_and_the_place_that_wrote_it(log: Logger, json_file: Path) -> None:
    log.named("coderai").named("aibridge").warn("hello", second=2, first=1)
    log.info("bare")
    named, bare = lines_of(log, json_file)
    assert list(named) == ["ts", "level", "msg", "caller", "func", "logger_names", "fields"]
    assert list(bare) == ["ts", "level", "msg", "caller", "func"]
    assert named["logger_names"] == ["coderai", "aibridge"]
    assert list(named["fields"].items()) == [("second", 2), ("first", 1)]
    assert re.fullmatch(r"(tests/)?logs/test_outputs\.py:\d+", named["caller"])
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
        reader.join(WAIT_S)
