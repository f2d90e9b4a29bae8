"""The records of interceptions as they stand in the database, in the order in which they are sealed."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from coderai.store import seals
from coderai.store.chains import SealLink
from coderai.store.children import CHILDREN
from coderai.store.driver import Connection, Row, marks
from coderai.store.seals import Digests, Rows

_INTERCEPTION_COLUMNS = len(seals.INTERCEPTION.split(","))


class Sealed(Struct):
    """An interception with all that hangs below it, and its seal."""

    rows: Rows
    end: Row
    instance_id: str | None
    number: int | None
    counts_digest: bytes | None
    content_digest: bytes | None
    seal: bytes | None
    session_id: str

    @property
    def id(self) -> str:
        return self.rows.id

    @property
    def started_at(self) -> str:
        return self.rows.started_at

    @property
    def ended_at(self) -> str | None:
        return None if self.end[0] is None else str(self.end[0])

    @property
    def link(self) -> SealLink:
        return SealLink(
            self.instance_id,
            self.number,
            self.id,
            self.started_at,
            self.counts_digest,
            self.content_digest,
            self.seal,
        )

    @property
    def in_its_session(self) -> bool:
        """Whether the session's id, which the database has made, is the one that follows from the row."""
        row = dict(zip(seals.INTERCEPTION.split(", "), self.rows.interception, strict=True))
        ids = (row["client_session_id"], row["thread_root_id"], row["id"])
        return bool(self.session_id == next(id for id in ids if id is not None))

    @property
    def has_content(self) -> bool:
        rows = self.rows
        return bool(rows.prompts or rows.thoughts or any(tool[seals.INPUT] for tool in rows.tools))

    @property
    def characters(self) -> int:
        """Of its content: what else there is of an interception is short."""
        rows = self.rows
        texts = [prompt[seals.TEXT] for prompt in rows.prompts]
        texts += [thought[seals.TEXT] for thought in rows.thoughts]
        texts += [tool[seals.INPUT] for tool in rows.tools]
        return sum(len(text) for text in texts if isinstance(text, str))  # SQLite takes any type

    @property
    def half_ended(self) -> bool:
        """Whether a part of its end or seal is there: coderai writes all of it at once."""
        return (self.end[1], self.number, self.counts_digest, self.content_digest) != (None,) * 4

    def digests(self) -> Digests:
        return seals.digests(self.rows, self.end)


def read(db: Connection, ids: Sequence[str]) -> dict[str, Sealed]:
    """These interceptions, by id; at most a thousand at a time."""
    among = marks(len(ids))
    columns = f"{seals.INTERCEPTION}, {seals.END}, instance_id, seal_number, counts_digest, content_digest, seal"
    sql = f"SELECT {columns}, session_id FROM aibridge_interceptions WHERE id IN {among}"  # noqa: S608 - own names
    found = {row[0]: _sealed(row) for row in db.execute(sql, ids).fetchall()}
    for child in CHILDREN:
        sql = f"SELECT {', '.join(child.columns)} FROM {child.table} WHERE interception_id IN {among}"  # noqa: S608 - own names
        for row in db.execute(sql, ids).fetchall():
            if row[1] in found:
                getattr(found[row[1]].rows, child.kept).append(_told_apart(row))
    return found


def _sealed(row: Sequence[Any]) -> Sealed:
    end = _INTERCEPTION_COLUMNS + len(seals.END.split(","))
    instance_id, number, counts, content, seal, session_id = row[end:]
    return Sealed(
        Rows(_told_apart(row[:_INTERCEPTION_COLUMNS])),
        _told_apart(row[_INTERCEPTION_COLUMNS:end]),
        instance_id,
        number,
        counts,
        content,
        seal,
        session_id,
    )


def _told_apart(row: Sequence[Any]) -> Row:
    """SQLite takes bytes for a text, which would be sealed as the text that is their base64."""
    return tuple([value.hex()] if isinstance(value, bytes) else value for value in row)
