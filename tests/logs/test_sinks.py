"""Sinks against full disks, slow readers and closed pipes: nothing is torn, what is lost is counted, nobody waits."""

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coderai.logs.sinks import Sink
from tests.logs.opened import open_logs
from tests.waiting import WAIT_S


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


def put_and_wait(sink: Sink, *lines: bytes) -> None:
    """Returns when the lines are written or the write has failed."""
    done = threading.Event()
    assert sink.put(lines, done.set)
    assert done.wait(WAIT_S)


def finish(sink: Sink) -> None:
    sink.close()
    sink.join(WAIT_S)
    assert not sink._thread.is_alive()


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


def test_a_torn_line_is_written_whole_into_the_next_file(json_file: Path) -> None:
    sink = Sink(str(json_file))
    with full_after(7):
        put_and_wait(sink, b"first\n", b"second\n", b"third\n")
        json_file.rename(json_file.with_suffix(".1"))
        sink.reopen()
    put_and_wait(sink, b"fourth\n")
    assert json_file.read_bytes() == b"second\nthird\nfourth\n"
    status = sink.status()
    assert (status.written, status.dropped) == (4, 0)
    finish(sink)


@pytest.mark.parametrize("meanwhile", [b"", b"other\n"])
def test_nor_does_its_rest_stand_alone_where_its_beginning_is_not_the_end(json_file: Path, meanwhile: bytes) -> None:
    """The file was begun anew (copytruncate), or another worker has found room first."""
    sink = Sink(str(json_file))
    with full_after(7):
        put_and_wait(sink, b"first\n", b"second\n")
        json_file.write_bytes(meanwhile)
    put_and_wait(sink, b"third\n")
    assert json_file.read_bytes() == meanwhile + b"second\nthird\n"
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
    assert written.wait(WAIT_S)
    put_and_wait(sink, b"d\n")
    assert os.read(reader, 100) == b"d\n"
    finish(sink)


def test_closing_does_not_wait_for_a_sink_that_stands_still(pipe: tuple[Path, int]) -> None:
    fifo, reader = pipe
    log = open_logs(human=str(fifo))
    log.info("x" * 10_000)
    closing = threading.Thread(target=log.close)
    closing.start()
    closing.join(WAIT_S)
    assert not closing.is_alive()
    os.set_blocking(reader, True)
    while not os.read(reader, 65536).endswith(b"\n"):
        pass
