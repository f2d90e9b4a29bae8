"""The server's log in a file."""

from pathlib import Path

import pytest

from tests.recorder.watched import Log


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log.json")
