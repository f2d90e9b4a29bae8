"""Records that could not be stored before the process ended, kept in a file until the next start stores them.

One file for each process, JSON lines, readable by its owner only: `<folder>/coderai.spool-<instance id>`. A record
that was stored after all is stored again without effect.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from coderai import records
from coderai.records import Record

_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        records.Started,
        records.Prompt,
        records.AnsweredPrompt,
        records.Tokens,
        records.ToolCall,
        records.Thought,
        records.Ended,
        records.ProviderObject,
    )
}
_PREFIX = "coderai.spool-"


class BadSpool(Exception):
    """A spool file that cannot be read or written; the message names it and the remedy."""


class _Line(msgspec.Struct):
    kind: str
    id: str
    interception_id: str
    at: int
    finding: Any


class Spool:
    def __init__(self, folder: Path, instance_id: str) -> None:
        self._folder = folder
        self._own = folder / f"{_PREFIX}{instance_id}"

    def save(self, left: Sequence[Record]) -> Path:
        """On the disk when it returns. Raises BadSpool."""
        lines = [
            _Line(type(record.finding).__name__, record.id, record.interception_id, record.at, record.finding)
            for record in left
        ]
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(self._own, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
                file.writelines(msgspec.json.encode(line) + b"\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise BadSpool(f"{self._own}: {error.strerror}; name a writable directory with --spool-dir") from None
        return self._own

    def files(self) -> list[Path]:
        """What earlier processes left."""
        return sorted(self._folder.glob(f"{_PREFIX}*"))

    def load(self, path: Path) -> list[Record]:
        """Raises BadSpool."""
        try:
            lines = [msgspec.json.decode(line, type=_Line) for line in path.read_bytes().splitlines()]
            return [
                Record(line.id, line.interception_id, line.at, msgspec.convert(line.finding, _KINDS[line.kind]))
                for line in lines
            ]
        except (OSError, KeyError, msgspec.MsgspecError) as error:
            raise BadSpool(f"{path}: {error}; mend it or move it away, what it holds is not stored") from None

    def discard(self, path: Path) -> None:
        path.unlink(missing_ok=True)
