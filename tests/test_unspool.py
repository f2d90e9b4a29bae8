"""What earlier processes left in spool files is stored; what cannot be is kept."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from coderai.logs import Logger
from coderai.recorder import Recorder
from coderai.records import Ended, Record
from coderai.spool import Spool
from coderai.store import Store
from coderai.unspool import PART, Unspool
from tests.databases import Place, query
from tests.logs import open_logs
from tests.trail import AT, exchange, now

DAY_S = 86_400


@pytest.fixture
def log(tmp_path: Path) -> Logger:
    return open_logs(human=str(tmp_path / "log"))


async def load(folder: Path, store: Store, log: Logger, records: Sequence[Record], retention_s: float = 0) -> list[str]:
    """The files that are there afterwards."""
    spool = Spool(folder / "spool", "dead")
    held = spool.save(records).read_bytes()
    recorder = Recorder(store, log)
    await Unspool(spool, store, recorder, log).run(retention_s)
    assert await recorder.close() == []
    kept = list((folder / "spool").iterdir())
    assert all(file.read_bytes() == held for file in kept)
    return [file.name for file in kept]


def stored(place: Place) -> list[str]:
    return [row[0] for row in query(place, "SELECT id FROM aibridge_interceptions WHERE status = 200 ORDER BY id")]


async def test_a_file_of_many_is_stored_in_parts(tmp_path: Path, store: Store, place: Place, log: Logger) -> None:
    batches = [exchange(AT + n, call_id=f"call_{n}", correlating_tool_call_id=f"call_{n - 1}") for n in range(PART)]
    for batch in batches[::2]:
        await store.write(batch[:1])
    begun = [batch[1:] if n % 2 == 0 else batch for n, batch in enumerate(batches)]
    mixed = [*(record for batch in begun for record in batch[:-1]), *(batch[-1] for batch in begun)]
    assert await load(tmp_path, store, log, mixed) == []
    assert stored(place) == [batch[0].id for batch in batches]
    verdict = await store.verify("", "9999", {})
    assert (verdict.interceptions, verdict.links, verdict.breaks) == (PART, PART, [])


@pytest.mark.parametrize("kinds", [slice(2, None), slice(-1, None)], ids=["children", "its end alone"])
async def test_what_began_in_another_database_is_kept(
    tmp_path: Path, store: Store, place: Place, log: Logger, kinds: slice
) -> None:
    gone, here = exchange(), exchange()
    await store.write(here[:2])
    left = [*gone[kinds], *here[2:]]
    assert await load(tmp_path, store, log, left) == ["kept-coderai.spool-dead"]
    assert (stored(place), store.unstorable) == ([here[0].id], 0)
    log.close()
    assert f"records={len(gone[kinds])}" in (tmp_path / "log").read_text()
    assert "their interceptions began in another database" in (tmp_path / "log").read_text()


async def test_what_retention_has_deleted_is_not(tmp_path: Path, store: Store, place: Place, log: Logger) -> None:
    old, new = exchange(now() - 2 * DAY_S * 1_000_000), exchange(now())
    await store.write([*old[:2], *new[:2]])
    await store.purge.batch(now() - DAY_S * 1_000_000)
    assert await load(tmp_path, store, log, [*old[2:], *new[2:]], retention_s=DAY_S) == []
    assert stored(place) == [new[0].id]


async def test_an_end_cut_off_by_a_full_disk_is_made_up(
    tmp_path: Path, store: Store, place: Place, log: Logger
) -> None:
    batch = exchange()
    assert isinstance(batch[-1].finding, Ended)
    assert await load(tmp_path, store, log, batch[:-1]) == []
    assert query(place, "SELECT error_type FROM aibridge_interceptions") == [("records_lost",)]
