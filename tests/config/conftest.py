"""Goldens of the settings: compared, or with CODERAI_GOLDENS=write written anew (`make goldens`)."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDENS = Path(__file__).parents[1] / "goldens" / "config"


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    def compare(name: str, text: str) -> None:
        file = GOLDENS / name
        if os.environ.get("CODERAI_GOLDENS") == "write":
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{file} is stale: run `make goldens`"

    return compare
