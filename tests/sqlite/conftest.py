"""A SQLite file, and a store on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coderai.store import Store, open_sqlite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "coderai.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await open_sqlite(path)
    yield opened
    await opened.close()
