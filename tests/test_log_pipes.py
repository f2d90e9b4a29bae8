"""Several who write to one pipe, as workers and layouts do to a container's standard error: no line is torn."""

import os
import subprocess
import sys
from pathlib import Path

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
        lines = pipe.read().splitlines()
    assert all(len(line) == LENGTH and line.count(line[:1]) == LENGTH for line in lines)
    return len(lines)


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
