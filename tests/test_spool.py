"""What could not be stored before the end waits in a file, as far as the disk took it."""

import resource
import signal
from pathlib import Path

import pytest

from coderai.records import NO_INTERCEPTION, Ended, Prompt, Record, new_id
from coderai.spool import LAST, BadSpool, Spool
from coderai.store import Store
from tests.databases import Place, query
from tests.trail import exchange, found, started


async def test_all_that_was_saved_is_loaded_and_may_be_stored_again(tmp_path: Path, store: Store, place: Place) -> None:
    batch = exchange(call_id="a")
    spool = Spool(tmp_path / "new", "one")
    path = spool.save(batch)
    assert (spool.load(path), spool.files()) == ((batch, 0), [path])
    for _ in range(2):
        await store.write(spool.load(path)[0])
    assert query(place, "SELECT count(*) FROM aibridge_tool_usages") == [(1,)]
    spool.discard(path, keep=False)
    assert spool.files() == []


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    for name in ("checked", "saved"):
        folder = tmp_path / name / "spool"  # nobody has made it
        spool = Spool(folder, "one")
        if name == "checked":
            spool.check()
            assert list(folder.iterdir()) == []
        assert spool.save(exchange()).stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_damaged_file_gives_what_can_be_read_and_is_kept(tmp_path: Path) -> None:
    batch = exchange()
    spool = Spool(tmp_path, "one")
    path = spool.save(batch)
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"".join(whole[:-2]) + b'{"kind":"Telepathy","id":"","interception_id":"","at":0,"finding":{}}\n{"kin'
    )
    loaded, unread = spool.load(path)
    assert (loaded[:-1], unread) == (batch[:-2], 2)
    assert loaded[-1].finding.error_type == "records_lost"  # its end is lost
    kept = spool.discard(path, keep=True)
    assert kept is not None
    assert (kept.exists(), spool.files()) == (True, [])


@pytest.mark.parametrize("inferred", [False, True])
async def test_an_interception_whose_end_the_disk_did_not_take_is_ended(
    tmp_path: Path, store: Store, place: Place, inferred: bool
) -> None:
    batch = exchange()
    owned = Record(new_id(), NO_INTERCEPTION, batch[0].at, batch[5].finding)
    await store.write(batch[:2])
    if inferred:  # it was taken for dead before its spool file was found
        ended = Ended(status=None, error_type="interrupted", inferred=True)
        await store.write([found(batch[0], ended)])
    spool = Spool(tmp_path, "one")
    loaded, _ = spool.load(spool.save([*batch[2:-1], owned]))
    assert [record.interception_id for record in loaded if isinstance(record.finding, Ended)] == [batch[0].id]
    await store.write(loaded, late=True)
    assert query(place, "SELECT error_type FROM aibridge_interceptions") == [("records_lost",)]
    verdict = await store.verify("", "9999", {})
    assert (verdict.interceptions, verdict.links, verdict.open, verdict.breaks) == (1, 1 + inferred, 0, [])


def test_a_disk_that_fills_up_meanwhile_keeps_what_it_took(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "one")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(BadSpool, match="name a writable directory"):
            spool.save([started() for _ in range(100)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (path,) = tmp_path.iterdir()
    assert spool.files() == [path]
    found, unread = spool.load(path)
    assert (len(found) > 2, unread) == (True, 1)


def test_what_another_process_has_begun_is_left_alone(tmp_path: Path) -> None:
    begun = tmp_path / ".coderai.spool-two"
    begun.touch()  # it has no lock on it yet
    assert Spool(tmp_path, "one").files() == []
    assert begun.exists()


def test_nor_is_what_another_is_writing(tmp_path: Path) -> None:
    """A limit upon its size sends a signal amid writing: that is when the other one looks."""
    seen = []
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(
        signal.SIGXFSZ, lambda *_: seen.append((Spool(tmp_path, "two").files(), [*tmp_path.iterdir()]))
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(BadSpool):
            Spool(tmp_path, "one").save([started() for _ in range(100)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert seen[0] == ([], [tmp_path / ".coderai.spool-one"])
    assert (tmp_path / ".coderai.spool-one").exists() is False


def test_what_another_has_stored_meanwhile_is_no_mistake(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "one")
    path = spool.save(exchange())
    path.unlink()
    with spool.claimed(path) as ours:
        assert not ours
    assert spool.load(path) == ([], 0)
    for keep in (False, True):
        assert spool.discard(path, keep=keep) is None


def test_a_link_that_others_have_put_there_is_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.touch()
    (tmp_path / ".coderai.spool-one").symlink_to(theirs)
    with pytest.raises(BadSpool):
        Spool(tmp_path, "one").save(exchange())
    assert theirs.read_bytes() == b""


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadSpool, match="--spool-dir"):
        Spool(tmp_path / "file", "one").save(exchange())


async def test_what_no_file_can_hold_is_escaped_and_the_rest_is_saved(
    tmp_path: Path, store: Store, place: Place
) -> None:
    """A lone surrogate is in no encoding: JSON can bring it, in one user's prompt."""
    odd = started()
    spool = Spool(tmp_path, "one")
    path = spool.save([odd, found(odd, Prompt("a\ud800b", {"n": "\udc80"})), *exchange()])
    loaded, unread = spool.load(path)
    assert unread == 0
    await store.write(loaded)
    prompts = query(place, "SELECT prompt FROM aibridge_user_prompts ORDER BY prompt")
    assert prompts == [("a\\ud800b",), ("fix the bug",)]


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind":"Prompt","id":"\xff","interception_id":"","at":0,"finding":{"text":""}}',
        b'{"kind":"Prompt","id":"","interception_id":"","at":0,"finding":' + b"[" * 100_000,
        b'{"kind":"Prompt","id":"","interception_id":"","at":%d,"finding":{"text":""}}' % (LAST + 1),
        b'{"kind":"Prompt","id":"","interception_id":"","at":-1,"finding":{"text":""}}',
        b'{"kind":"Prompt","id":"","interception_id":"\\u0000","at":0,"finding":{"text":""}}',
        b'{"kind":"Prompt","id":"%b","interception_id":"","at":0,"finding":{"text":""}}' % (b"0" * 37),
        b"null",
        b"\x00" * 4096,
    ],
)
def test_no_damage_stands_in_the_way_of_the_rest(tmp_path: Path, line: bytes) -> None:
    batch = exchange()
    spool = Spool(tmp_path, "one")
    path = spool.save(batch)
    path.write_bytes(line + b"\n" + path.read_bytes())
    assert spool.load(path) == (batch, 1)


async def test_the_latest_time_can_be_stored(tmp_path: Path, store: Store, place: Place) -> None:
    spool = Spool(tmp_path, "one")
    await store.write(spool.load(spool.save([started(LAST)]))[0])
    assert query(place, "SELECT started_at FROM aibridge_interceptions") == [("9999-12-31T23:59:59.999999Z",)]


def test_what_was_kept_before_is_not_replaced(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "one")
    for name in ("kept-coderai.spool-one", "kept-coderai.spool-one-1"):
        path = spool.save(exchange())
        assert spool.discard(path, keep=True) == tmp_path / name
        assert (tmp_path / name).exists()


@pytest.mark.parametrize("keep", [False, True])
def test_a_file_that_cannot_be_removed_is_named(tmp_path: Path, keep: bool) -> None:
    spool = Spool(tmp_path, "one")
    path = tmp_path / f"coderai.spool-{'2' * 240}"  # whose name gets too long
    path.mkdir()
    with pytest.raises(BadSpool, match="remove it"):
        spool.discard(path, keep=keep)
