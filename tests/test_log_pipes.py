"""Several who write to one pipe, as workers and layouts do to a container's standard error: no line is torn."""

import fcntl
import os
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from coderai.logs.sinks import Sink

LINES = 40
LENGTH = 200_000  # more than a pipe holds
WORKER = f"""
import sys
from coderai.logs.sinks import Sink
sink = Sink("/dev/stdout")
print("ready", file=sys.stderr, flush=True)
sys.stdin.read()
for _ in range({LINES}):
    sink.put([sys.argv[1].encode() * {LENGTH} + b"\\n"])
sink.close()
sink.join(30)
"""


def whole_lines(read: int) -> int:
    with open(read, "rb") as pipe:
        return len(checked(pipe.read()))


def checked(data: bytes) -> list[bytes]:
    lines = data.splitlines()
    assert all(len(line) == LENGTH and line.count(line[:1]) == LENGTH for line in lines)
    return lines


def worker(name: str, write: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WORKER, name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=write, stderr=subprocess.PIPE)


def test_of_workers() -> None:
    read, write = os.pipe()
    with worker("a", write) as one, worker("b", write) as other:
        os.close(write)
        for each in (one, other):
            assert each.stderr is not None and each.stderr.readline() == b"ready\n"
        for each in (one, other):
            assert each.stdin is not None
            each.stdin.close()
        assert whole_lines(read) == 2 * LINES


def test_of_sinks_in_one_process(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    (tmp_path / "other").symlink_to(path)
    read = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    sinks = [Sink(str(tmp_path / name)) for name in ("fifo", "other")]
    os.set_blocking(read, True)
    for _ in range(LINES):
        for sink, letter in zip(sinks, (b"a", b"b"), strict=True):
            sink.put([letter * LENGTH + b"\n"])
    for sink in sinks:
        sink.close()
    assert whole_lines(read) == 2 * LINES


def fill(sink: Sink, write: int) -> None:
    """Returns when the pipe is full, amid a line."""
    sink.put([b"a" * LENGTH + b"\n"])
    room = fcntl.fcntl(write, fcntl.F_GETPIPE_SZ)
    while int.from_bytes(fcntl.ioctl(write, termios.FIONREAD, bytes(4)), sys.byteorder) < room:
        time.sleep(0.001)  # there is nothing to wait on


@pytest.mark.parametrize("reload", [False, True])
def test_amid_a_line_whose_reader_dies_and_returns(tmp_path: Path, reload: bool) -> None:
    """The pipe has kept the line's beginning: neither another worker nor a reload comes before its rest."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    read = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    write = os.open(path, os.O_WRONLY)  # as the locks are a process's, it closes none of these while its sink writes
    sink = Sink(str(path))
    first = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], stdin=read)
    os.close(read)
    with worker("b", write) as other:
        assert other.stdin is not None and other.stderr is not None and other.stderr.readline() == b"ready\n"
        fill(sink, write)
        first.kill()
        first.wait()
        while sink.status().error != "Broken pipe":
            time.sleep(0.001)  # nobody is told of it
        read = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        if reload:
            sink.reopen()
        other.stdin.close()
        sink.put([b"a" * LENGTH + b"\n"])
        poll = select.poll()
        poll.register(read, select.POLLIN)
        received = b""
        while received.count(b"\n") < LINES + 2 and poll.poll(30_000):
            received += os.read(read, LENGTH)
        sink.close()
        sink.join(30)
    os.close(write)
    os.close(read)
    assert [line[:1] for line in checked(received)].count(b"a") == 2
