"""What earlier processes left in spool files is stored; what cannot be is kept."""

import asyncio
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from coderai.logs import Logger, RecordLog
from coderai.recorder import Recorder
from coderai.records import NO_INTERCEPTION, Ended, Prompt, ProviderObject, Record, new_id
from coderai.spool import Spool
from coderai.store import Store, times
from coderai.unspool import PART, Unspool
from tests.databases import Place, change, opened, query, read_only
from tests.logs.opened import open_logs
from tests.trail import AT, exchange, found, now

DAY_S = 86_400


@pytest.fixture
def log(tmp_path: Path) -> Logger:
    return open_logs(human=str(tmp_path / "log"))


async def left_by_dead(folder: Path, place: Place, records: Sequence[Record], *, joined: bool = True) -> Path:
    """The file that an earlier process of this database left."""
    dead = await opened(place)
    if joined:
        await dead.instances.join()
    await dead.close()
    return Spool(folder / "spool", dead.instance_id).save(records)


async def load(
    folder: Path,
    store: Store,
    place: Place,
    log: Logger,
    records: Sequence[Record],
    retention_s: float = 0,
    joined: bool = True,
) -> list[str]:
    """What earlier processes of this database left; the files that are there afterwards, named as if it was `dead`."""
    left = await left_by_dead(folder, place, records, joined=joined)
    held = left.read_bytes()
    recorder = Recorder(store, log, RecordLog(log))
    await Unspool(Spool(folder / "spool", store.instance_id), store, recorder, log).run(retention_s)
    assert await recorder.close() == []
    kept = list((folder / "spool").iterdir())
    assert all(file.read_bytes() == held for file in kept)
    return [file.name.replace(left.name.removeprefix("coderai.spool-"), "dead") for file in kept]


def stored(place: Place) -> list[str]:
    return [row[0] for row in query(place, "SELECT id FROM aibridge_interceptions WHERE status = 200 ORDER BY id")]


async def test_a_file_of_many_is_stored_in_parts(tmp_path: Path, store: Store, place: Place, log: Logger) -> None:
    batches = [exchange(AT + n, call_id=f"call_{n}", correlating_tool_call_id=f"call_{n - 1}") for n in range(PART)]
    for batch in batches[::2]:
        await store.write(batch[:1])
    begun = [batch[1:] if n % 2 == 0 else batch for n, batch in enumerate(batches)]
    mixed = [*(record for batch in begun for record in batch[:-1]), *(batch[-1] for batch in begun)]
    assert await load(tmp_path, store, place, log, mixed) == []
    assert stored(place) == [batch[0].id for batch in batches]
    verdict = await store.verify("", "9999", {})
    assert (verdict.interceptions, verdict.links, verdict.breaks) == (PART, PART, [])
    log.close()
    assert (tmp_path / "log").read_text().count("record_type=interception_end") == PART


async def test_what_one_process_left_is_stored_before_what_a_later_one_did(
    tmp_path: Path, store: Store, place: Place, log: Logger
) -> None:
    """Else what answers a tool call would be stored before it, and begin a thread of its own."""
    spools = []
    for _ in range(6):
        process = await opened(place)
        await process.instances.join()
        await process.close()
        spools.append(Spool(tmp_path / "spool", process.instance_id))
    batches = [exchange(AT + n, call_id=f"call_{n}", correlating_tool_call_id=f"call_{n - 1}") for n in range(6)]
    for n in (3, 0, 5, 1, 4, 2):
        spools[n].save(batches[n])
    recorder = Recorder(store, log)
    await Unspool(Spool(tmp_path / "spool", store.instance_id), store, recorder, log).run(0)
    assert await recorder.close() == []
    roots = query(place, "SELECT DISTINCT thread_root_id FROM aibridge_interceptions WHERE thread_root_id IS NOT NULL")
    parents = query(place, "SELECT id FROM aibridge_interceptions WHERE thread_parent_id IS NULL")
    assert (roots, parents) == ([(batches[0][0].id,)], [(batches[0][0].id,)])


@pytest.mark.parametrize("kinds", [slice(2, None), slice(-1, None)], ids=["children", "its end alone"])
async def test_what_began_before_the_database_was_restored_is_kept(
    tmp_path: Path, store: Store, place: Place, log: Logger, kinds: slice
) -> None:
    gone, here = exchange(), exchange()
    await store.write(here[:2])
    left = [*gone[kinds], *here[2:]]
    assert await load(tmp_path, store, place, log, left) == ["kept-coderai.spool-dead"]
    assert (stored(place), store.unstorable) == ([here[0].id], 0)
    log.close()
    assert f"cannot be stored  records={len(gone[kinds])}" in (tmp_path / "log").read_text()


async def test_a_backup_that_was_restored_knows_the_users(
    tmp_path: Path, store: Store, place: Place, log: Logger
) -> None:
    alice = await store.people.create_user("alice", "", "member")
    batch = exchange(initiator_id=alice.id)
    assert await load(tmp_path, store, place, log, batch, joined=False) == []
    assert stored(place) == [batch[0].id]


async def test_a_record_of_no_interception_keeps_the_file(
    tmp_path: Path, store: Store, place: Place, log: Logger
) -> None:
    batch = exchange()
    stray = Record(batch[0].id, NO_INTERCEPTION, AT, batch[1].finding)
    assert await load(tmp_path, store, place, log, [*batch, stray]) == ["kept-coderai.spool-dead"]
    assert stored(place) == [batch[0].id]


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
async def test_what_the_database_refuses_keeps_its_own_file_alone(
    tmp_path: Path, store: Store, place: Place, log: Logger
) -> None:
    """By a constraint, say, that its owner has added."""
    change(place, "ALTER TABLE aibridge_user_prompts ADD CHECK (prompt <> 'odd')")
    batch, fine = exchange(), exchange()
    odd = found(batch[0], Prompt("odd"))
    first = await left_by_dead(tmp_path, place, [*batch[:-1], odd, batch[-1]])
    await left_by_dead(tmp_path, place, fine)
    recorder = Recorder(store, log)
    await Unspool(Spool(tmp_path / "spool", store.instance_id), store, recorder, log).run(0)
    assert await recorder.close() == []
    ends = query(place, "SELECT id, error_type FROM aibridge_interceptions ORDER BY id")
    assert ends == [(batch[0].id, "unstorable_record"), (fine[0].id, None)]
    assert [file.name for file in (tmp_path / "spool").iterdir()] == [f"kept-{first.name}"]
    log.close()
    lines = (tmp_path / "log").read_text()
    assert lines.count(f"stored the records of an earlier process  records={len(fine)} ") == 2
    assert lines.count("records of a spool file cannot be stored  records=1 ") == 1


async def test_whose_a_provider_s_object_is_needs_no_interception(
    tmp_path: Path, store: Store, place: Place, log: Logger
) -> None:
    """As one that a client makes of its own; by its user a restored backup knows it, too."""
    alice = await store.people.create_user("alice", "", "member")
    object = ProviderObject("conv_1", "openai", alice.id)
    assert await load(tmp_path, store, place, log, [Record(new_id(), NO_INTERCEPTION, AT, object)], joined=False) == []
    assert query(place, "SELECT object_id, initiator_id FROM aibridge_provider_objects") == [("conv_1", alice.id)]


async def test_a_database_that_fails_meanwhile_leaves_them_to_the_next_start(
    tmp_path: Path, store: Store, place: Place, log: Logger
) -> None:
    batches = [exchange(), exchange()]
    files = [await left_by_dead(tmp_path, place, batch) for batch in batches]
    spool = Spool(tmp_path / "spool", store.instance_id)
    recorder = Recorder(store, log, grace=0.0)
    read_only(place, store, True)
    await Unspool(spool, store, recorder, log).run(0)
    read_only(place, store, False)
    assert await recorder.close() == []
    next_one = Recorder(store, log)
    change(place, "ALTER TABLE aibridge_interceptions RENAME TO away")
    await Unspool(spool, store, next_one, log).run(0)
    change(place, "ALTER TABLE away RENAME TO aibridge_interceptions")
    assert spool.files() == files
    await Unspool(spool, store, next_one, log).run(0)
    assert await next_one.close() == []
    assert (stored(place), spool.files()) == ([batch[0].id for batch in batches], [])


async def test_a_user_s_id_that_no_database_can_be_asked_for_stands_in_no_other_s_way(
    tmp_path: Path, store: Store, place: Place, log: Logger
) -> None:
    odd = await left_by_dead(tmp_path, place, exchange(initiator_id="user-odd"))
    odd.write_bytes(odd.read_bytes().replace(b"user-odd", rb"user\u0000"))  # a damaged disk
    fine = exchange()
    await left_by_dead(tmp_path, place, fine)
    recorder = Recorder(store, log)
    await Unspool(Spool(tmp_path / "spool", store.instance_id), store, recorder, log).run(0)
    assert await recorder.close() == []
    assert fine[0].id in stored(place)
    assert [file.name for file in (tmp_path / "spool").iterdir()] in ([], [odd.name])


async def test_contents_that_retention_has_passed_by_are_not(
    tmp_path: Path, store: Store, place: Place, log: Logger
) -> None:
    await store.write(exchange())
    await store.purge.contents(AT + 1)
    assert await load(tmp_path, store, place, log, exchange(AT - 1)) == []
    assert query(place, "SELECT count(*) FROM aibridge_user_prompts") == [(0,)]


async def test_what_retention_has_deleted_is_not(tmp_path: Path, store: Store, place: Place, log: Logger) -> None:
    old, new = exchange(now() - 2 * DAY_S * 1_000_000), exchange(now())
    await store.write([*old[:2], *new[:2]])
    await store.purge.batch(now() - DAY_S * 1_000_000)
    assert await load(tmp_path, store, place, log, [*old[2:], *new[2:]], retention_s=DAY_S) == []
    assert stored(place) == [new[0].id]


async def test_what_is_missing_and_too_young_for_retention_is_kept(
    tmp_path: Path, store: Store, place: Place, log: Logger
) -> None:
    gone, here = exchange(now() - DAY_S * 500_000), exchange(now())
    await store.write(here[:2])
    left = [*gone[2:], *here[2:]]
    assert await load(tmp_path, store, place, log, left, retention_s=DAY_S) == ["kept-coderai.spool-dead"]


async def test_an_end_cut_off_by_a_full_disk_is_made_up(
    tmp_path: Path, store: Store, place: Place, log: Logger
) -> None:
    batch = exchange()
    assert isinstance(batch[-1].finding, Ended)
    last = found(batch[0], Prompt("and then"), AT + 1)
    assert await load(tmp_path, store, place, log, [*batch[:-1], last]) == []
    ends = query(place, "SELECT error_type, ended_at FROM aibridge_interceptions")
    assert ends == [("records_lost", times.text(AT + 1))]  # when its last record was found


async def test_another_database_s_is_left_alone(tmp_path: Path, store: Store, place: Place, log: Logger) -> None:
    """As it is where two servers share a folder."""
    files = [
        Spool(tmp_path, name).save(exchange()) for name in ("01a21c16-3661-7000-8000-000000000000", "x y", "\udcff")
    ]
    recorder = Recorder(store, log)
    await Unspool(Spool(tmp_path, "one"), store, recorder, log).run(0)
    await recorder.close()
    assert (stored(place), all(file.exists() for file in files)) == ([], True)
    log.close()
    assert (tmp_path / "log").read_text().count("it belongs to another database") == 3


async def test_workers_that_begin_together_store_and_log_a_file_once(
    tmp_path: Path, store: Store, place: Place, log: Logger
) -> None:
    other = await opened(place)
    await other.instances.join()
    begun, left = exchange(), exchange()
    await store.write(begun[:1])
    Spool(tmp_path / "spool", other.instance_id).save([*left, *begun[1:]])
    recorders = []
    for one in (store, other):
        recorders.append(recorder := Recorder(one, log))
        recorder.record_log = RecordLog(log)
    spools = [Spool(tmp_path / "spool", one.instance_id) for one in (store, other)]
    workers = [
        Unspool(spool, one, recorder, log)
        for spool, one, recorder in zip(spools, (store, other), recorders, strict=True)
    ]
    await asyncio.gather(*(worker.run(0) for worker in workers))
    assert [await recorder.close() for recorder in recorders] == [[], []]
    await other.close()
    assert (stored(place), list((tmp_path / "spool").iterdir())) == ([begun[0].id, left[0].id], [])
    log.close()
    lines = (tmp_path / "log").read_text()
    assert lines.count("stored the records of an earlier process") == 1
    assert lines.count("record_type=interception_end") == 2


@pytest.mark.parametrize("cut", [0, 9])
async def test_what_was_being_saved_when_its_process_was_killed_is_stored(
    tmp_path: Path, store: Store, place: Place, log: Logger, cut: int
) -> None:
    first, last = exchange(), exchange()
    saved = await left_by_dead(tmp_path, place, [*first, *last])
    begun = saved.rename(saved.with_name(f".{saved.name}"))  # its name until it is whole
    os.truncate(begun, begun.stat().st_size - cut)
    recorder = Recorder(store, log)
    unspool = Unspool(Spool(tmp_path / "spool", store.instance_id), store, recorder, log)
    with begun.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # whoever is still saving has it
        await unspool.run(0)
        assert stored(place) == []
        assert begun.exists()  # its process names it when it is whole
    await unspool.run(0)
    assert await recorder.close() == []
    assert stored(place) == ([first[0].id] if cut else [first[0].id, last[0].id])
    assert [file.name for file in (tmp_path / "spool").iterdir()] == ([f"kept-{saved.name}"] if cut else [])
    log.close()
    assert ("lines of a spool file cannot be read  lines=1 " in (tmp_path / "log").read_text()) == (cut > 0)
