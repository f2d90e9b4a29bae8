"""Deleting what is older than a cutoff, in transactions so small that no writer waits long for one.

Rows of the tables below an interception go with it, in the same transaction, so that at no moment an orphan
is there to be seen. Its seal stays as a past one until all before it in its chain are past: then the chain's anchor
moves. Contents may be deleted earlier: texts go, counts stay, and a mark says up to where. Only one process at a
time deletes. Whoever calls `batch` or `contents` leaves the writer time between two calls.
"""

from collections.abc import Callable, Sequence
from functools import partial

from coderai.store import past_seals, times
from coderai.store.children import CHILDREN
from coderai.store.driver import Connection, Cursor, Driver, Occupied, Row, marks, marks_of

Counts = dict[str, int]  # rows by table

# Interceptions (or provider objects) in one transaction: with their rows some 2 ms of the writer's time.
BATCH = 40
# And no more once their texts are so long: SQLite overwrites every page of them, at 3 ms a megabyte or more.
BATCH_BYTES = 1_000_000

CHILD_TABLES = tuple(child.table for child in CHILDREN)
CONTENT_TABLES = tuple(child.table for child in CHILDREN if child.is_content)
CONTENTS = "contents"  # the name of their mark

_TEXTS = tuple((child.table, child.text) for child in CHILDREN if child.text)
_OLD = """
    SELECT i.id, {length} FROM aibridge_interceptions AS i
    WHERE i.started_at < ? ORDER BY i.started_at, i.id LIMIT ?"""
# Those under way stay so until they are deleted: the seal of one that ended meanwhile would not be kept.
_LOCK_OPEN = "UPDATE aibridge_interceptions SET metadata = metadata WHERE seal IS NULL AND id IN "
# All that it ever wrote is gone: so may its chain be.
_DROP_INSTANCES = "DELETE FROM aibridge_instances WHERE ended_at < ? AND anchor_number = seal_number"

_MARK = "SELECT started_at, interception_id FROM aibridge_retention WHERE name = ? AND started_at IS NOT NULL"
# Somebody has put it there, if it is still to come: nothing would ever be deleted behind it.
_TRUE_MARK = f"{_MARK} AND started_at <= ?"
_SET_MARK = """
    INSERT INTO aibridge_retention (name, started_at, interception_id) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET started_at = excluded.started_at, interception_id = excluded.interception_id"""
# What has no end and is of no process that runs never will be ended: somebody has changed its end, or an id.
_AT_WORK = """
    i.ended_at IS NULL AND EXISTS (
        SELECT 1 FROM aibridge_instances AS p WHERE p.id = i.instance_id AND p.ended_at IS NULL)"""
_OLD_CONTENTS = """
    SELECT i.started_at, i.id, {at_work}, {length} FROM aibridge_interceptions AS i
    WHERE {after} i.started_at < ? ORDER BY i.started_at, i.id LIMIT ?"""
_AFTER = "(i.started_at, i.id) > (?, ?) AND"

_PASSED = "SELECT id FROM aibridge_interceptions WHERE (started_at, id) <= (?, ?) AND id IN "

# In one statement: bytes that somebody has put for a text are not found again by what was read of them.
_DELETE_OBJECTS = """
    DELETE FROM aibridge_provider_objects WHERE (provider_name, object_id) IN (
        SELECT provider_name, object_id FROM aibridge_provider_objects WHERE created_at < ?
        ORDER BY created_at LIMIT ?)"""


class Purge:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        length = _length(driver.octets)
        self._old = _OLD.format(length=length)
        self._old_contents = [
            _OLD_CONTENTS.format(at_work=_AT_WORK, length=length, after=after) for after in ("", _AFTER)
        ]

    async def batch(self, cutoff: int) -> Counts:
        """Delete some of what is older than this time; rows by table, and nothing once all is gone."""
        return await self._work(cutoff, partial(_interceptions, self._old), _objects, _instances)

    async def contents(self, cutoff: int) -> Counts:
        """Delete some of the prompts, tool inputs and thoughts that are older than this time."""
        return await self._work(cutoff, partial(_contents, self._old_contents))

    async def reclaim(self) -> bool:
        """Give some freed space back to the file system; whether there was any, and may be more."""
        return await self._driver.reclaim()

    async def _work(self, cutoff: int, *parts: Callable[[Connection, str], Counts]) -> Counts:
        try:
            return await self._driver.transaction(partial(_all, parts, times.text(cutoff)), exclusive=True)
        except Occupied:
            return {}  # by another process, which deletes as much as this one would; it is not waited for


def _all(parts: Sequence[Callable[[Connection, str], Counts]], before: str, db: Connection) -> Counts:
    return {table: count for part in parts for table, count in part(db, before).items() if count}


def _interceptions(old: str, db: Connection, before: str) -> Counts:
    ids = [row[0] for row in _some(db.execute(old, (before, BATCH)))]
    if not ids:
        return {}
    db.execute(_LOCK_OPEN + marks_of(ids), ids)
    past_seals.keep(db, ids, past_seals.DELETED)
    counts = {table: _delete(db, table, "interception_id", ids) for table in CHILD_TABLES}
    counts["aibridge_interceptions"] = _delete(db, "aibridge_interceptions", "id", ids)
    past_seals.move_anchors(db, 2 * BATCH)
    return counts


def _length(octets: str) -> str:
    """Of all texts of the interception `i`."""
    return " + ".join(
        f"(SELECT coalesce(sum({octets.format(f't.{column}')}), 0) FROM {table} AS t WHERE t.interception_id = i.id)"  # noqa: S608 - own names
        for table, column in _TEXTS
    )


def _some(found: Cursor) -> list[Row]:
    """Of these rows, which end with the length of their texts. SQLite measures those of a row when it is fetched."""
    rows: list[Row] = []
    length = 0
    while length < BATCH_BYTES and (row := found.fetchone()):
        rows.append(row)
        length += row[-1]
    return rows


def _instances(db: Connection, before: str) -> Counts:
    return {"aibridge_instances": db.execute(_DROP_INSTANCES, (before,)).rowcount}


def reached(db: Connection, name: str) -> tuple[str, str]:
    """The last interception, by time and id, that this holds for; ("", "") where there is none."""
    return _place(db.execute(_MARK, (name,)))


def _place(mark: Cursor) -> tuple[str, str]:
    started_at, interception_id = mark.fetchone() or ("", "")
    return str(started_at), str(interception_id)  # SQLite takes other types, whoever writes them


def _contents_reached(db: Connection) -> tuple[str, str]:
    return _place(db.execute(_TRUE_MARK, (CONTENTS, times.text(times.now()))))


def _contents(old: Sequence[str], db: Connection, before: str) -> Counts:
    mark = _contents_reached(db)
    first, later = old
    found = _some(db.execute(later, (*mark, before, BATCH)) if any(mark) else db.execute(first, (before, BATCH)))
    # One that is still under way will be sealed with its content: it, and what follows, is for the next time.
    done = next((index for index, row in enumerate(found) if row[2]), len(found))
    if not done:
        return {}
    counts = _delete_contents(db, [row[1] for row in found[:done]])
    places = [row[:2] for row in found[:done] if all(isinstance(part, str) for part in row[:2])]
    if not places:  # SQLite takes bytes for a time: no later one would come behind them
        return counts
    db.execute(_SET_MARK, (CONTENTS, *places[-1]))
    return counts | {"contents": done}


def _delete_contents(db: Connection, ids: Sequence[str]) -> Counts:
    counts = {table: _delete(db, table, "interception_id", ids) for table in CONTENT_TABLES}
    blank = f"UPDATE aibridge_tool_usages SET input = '' WHERE interception_id IN {marks_of(ids)}"  # noqa: S608 - question marks only
    return counts | {"aibridge_tool_usages.input": db.execute(blank, ids).rowcount}


def late_contents(db: Connection, ids: Sequence[str]) -> None:
    """Deletes those of these interceptions that are stored when retention has already passed by."""
    mark = _contents_reached(db)
    for start in range(0, len(ids) if any(mark) else 0, BATCH):
        some = ids[start : start + BATCH]
        late = db.execute(_PASSED + marks(len(some)), (*mark, *some)).fetchall()
        if late:
            _delete_contents(db, [row[0] for row in late])


def _objects(db: Connection, before: str) -> Counts:
    return {"aibridge_provider_objects": db.execute(_DELETE_OBJECTS, (before, BATCH)).rowcount}


def _delete(db: Connection, table: str, column: str, ids: Sequence[str]) -> int:
    return db.execute(f"DELETE FROM {table} WHERE {column} IN {marks_of(ids)}", ids).rowcount  # noqa: S608 - own names
