"""What could not be stored before the end waits in a file, as far as the disk took it."""

from pathlib import Path

import pytest

from coderai.spool import BadSpool, Spool
from coderai.store import Store
from tests.databases import Place, query
from tests.trail import exchange


async def test_all_that_was_saved_is_loaded_and_may_be_stored_again(tmp_path: Path, store: Store, place: Place) -> None:
    batch = exchange(call_id="a")
    spool = Spool(tmp_path / "new", "one")
    path = spool.save(batch)
    assert (spool.load(path), spool.files()) == ((batch, 0), [path])
    for _ in range(2):
        await store.write(spool.load(path)[0])
    assert query(place, "SELECT count(*) FROM aibridge_tool_usages") == [(1,)]
    spool.discard(path, damaged=False)
    assert spool.files() == []


def test_a_damaged_file_gives_what_can_be_read_and_is_kept(tmp_path: Path) -> None:
    batch = exchange()
    spool = Spool(tmp_path, "one")
    path = spool.save(batch)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"".join(whole[:-2]) + b'{"kind":"Telepathy","id":"","interception_id":"","at":0,"finding":{}}\n{"kin'
    )
    assert spool.load(path) == (batch[:-2], 2)
    kept = spool.discard(path, damaged=True)
    assert kept is not None
    assert (kept.exists(), spool.files()) == (True, [])


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadSpool, match="--spool-dir"):
        Spool(tmp_path / "file", "one").save(exchange())
