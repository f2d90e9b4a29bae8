"""A record log that keeps what it is given, the server's log, what is stored, and that a store fails."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from coderai.logs import Logger
from coderai.recorder import Recorder
from coderai.records import Record, Thread
from coderai.store import Store, StoreUnavailable
from tests.databases import Place, query
from tests.logs.opened import open_logs
from tests.trail import started


class Lines:
    """A record log that keeps what it is given."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.batches: list[list[Record]] = []
        self.threads: dict[str, Thread] = {}
        self.stored: list[bool] = []  # at the time of logging

    async def write(self, batch: Sequence[Record], threads: Mapping[str, Thread]) -> None:
        self.batches.append(list(batch))
        self.threads |= threads
        stored = ids(self.place)
        self.stored += [record.interception_id in stored for record in batch]


def ids(place: Place) -> set[str]:
    return {row[0] for row in query(place, "SELECT id FROM aibridge_interceptions")}


class Log:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.logger: Logger = open_logs(human="", json=str(path))

    def messages(self) -> list[str]:
        return [line["msg"] for line in self.lines()]

    def lines(self) -> list[dict[str, Any]]:
        self.logger.close()
        return [json.loads(line) for line in self.path.read_text().splitlines()]


async def failing(recorder: Recorder, store: Store) -> None:
    """Returns once the recorder's own try has failed: this one follows it in the only writing thread."""
    await asyncio.sleep(0)  # one turn of the loop, in which the recorder begins
    with pytest.raises(StoreUnavailable):
        await store.write([started()])
    assert recorder.grace.failing_since is not None
