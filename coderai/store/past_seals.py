"""Links of a chain whose interception is gone, or was sealed again: they hold it together. See seals.py.

Once all before it in its chain are past, too, a past seal becomes part of the chain's anchor.
"""

from collections.abc import Sequence

from coderai.store.driver import Connection, marks_of

# Whoever can write the database may have taken a seal apart, or given it the number of another. The chain breaks there,
# which `audit verify` tells; but it must not keep retention from deleting, or the interception from ending.
_KEEP = """
    INSERT INTO aibridge_past_seals (instance_id, seal_number, interception_id, started_at, counts_digest,
        content_digest, seal, reason)
    SELECT instance_id, seal_number, id, started_at, counts_digest, content_digest, seal, '{reason}'
    FROM aibridge_interceptions WHERE id IN {ids} AND seal IS NOT NULL AND instance_id IS NOT NULL
        AND seal_number IS NOT NULL AND counts_digest IS NOT NULL AND content_digest IS NOT NULL
    ON CONFLICT (instance_id, seal_number) DO NOTHING"""
# The highest number of all, which others have put there, has none behind it: PostgreSQL refuses to reckon it.
_ANCHORS = """
    SELECT id, anchor_number FROM aibridge_instances AS i WHERE EXISTS (
        SELECT 1 FROM aibridge_past_seals AS p
        WHERE p.instance_id = i.id AND p.seal_number = nullif(i.anchor_number, 9223372036854775807) + 1)"""
_NEXT = """
    SELECT seal_number, seal FROM aibridge_past_seals WHERE instance_id = ? AND seal_number > ?
    ORDER BY seal_number LIMIT ?"""
_MOVE_ANCHOR = "UPDATE aibridge_instances SET anchor_number = ?, anchor = ? WHERE id = ?"
_DROP = "DELETE FROM aibridge_past_seals WHERE instance_id = ? AND seal_number <= ?"

DELETED = "deleted"
SUPERSEDED = "superseded"


def keep(db: Connection, ids: Sequence[str], reason: str) -> None:
    """The seals of these interceptions, before they are deleted or sealed again."""
    db.execute(_KEEP.format(reason=reason, ids=marks_of(ids)), ids)


def move_anchors(db: Connection, most: int) -> None:
    """Past seals that follow upon their chain's anchor without a gap become part of it, this many in each chain."""
    for instance_id, anchor in db.execute(_ANCHORS).fetchall():
        number, seal = anchor, b""
        for next_number, next_seal in db.execute(_NEXT, (instance_id, anchor, most)).fetchall():
            if next_number != number + 1:
                break
            number, seal = next_number, next_seal
        db.execute(_MOVE_ANCHOR, (number, seal, instance_id))
        db.execute(_DROP, (instance_id, number))
