"""A logger that writes JSON lines into a file; a pipe that is read when the test likes."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from coderai.logs import Logger
from tests.logs.opened import open_logs


@pytest.fixture
def json_file(tmp_path: Path) -> Path:
    return tmp_path / "log.json"


@pytest.fixture
def log(json_file: Path) -> Iterator[Logger]:
    log = open_logs(human="", json=str(json_file))
    yield log
    log.close()


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A FIFO that holds 4096 bytes, and its reader."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    yield fifo, reader
    os.close(reader)
