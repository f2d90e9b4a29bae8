"""A record log that keeps what it is given, the server's log, and what is stored."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coderai.logs import Logger
from coderai.records import Record, Thread
from tests.databases import Place, query
from tests.logs.opened import open_logs


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
