"""Interceptions with seals, and what `audit verify` says of them."""

from coderai.store import Store
from coderai.store.audit import Verdict
from coderai.store.chains import Anchor
from tests.trail import AT, exchange

HOUR = 3_600_000_000  # microseconds


async def verify(store: Store, since: str = "", until: str = "9999", **anchors: bytes) -> Verdict:
    return await store.verify(
        since, until, {(store.instance_id, int(n[1:])): Anchor(seal, "2027") for n, seal in anchors.items()}
    )


async def five(store: Store) -> list[str]:
    batches = [exchange(AT + n * HOUR, call_id=f"call_{n}") for n in range(5)]
    for batch in batches:
        await store.write(batch[:2])
    for batch in batches:
        await store.write(batch[2:])
    return [batch[0].id for batch in batches]
