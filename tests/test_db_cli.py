"""`coderai db`: checking, vacuuming, backing up; and output that nobody can take."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from coderai.store import open_sqlite
from coderai.store.migrate import TABLES
from tests.databases import Place, change, environment, query
from tests.gateway import clean, coderai
from tests.trail import AT, exchange, fill

NAMES = [table.name for table in TABLES]


async def test_a_sound_database_is_said_to_be(place: Place) -> None:
    await fill(place)
    assert coderai("db", "check", env=environment(place)).stdout == "the database is sound\n"
    assert coderai("db", "vacuum", env=environment(place)).stdout == "done\n"
    verified = coderai("audit", "verify", env=environment(place)).stdout
    assert verified.startswith("3 interceptions verified, 3 seals followed, 1 not ended yet")
    assert "\nretention has deleted the contents of what began until 2026-02-02" in verified
    assert verified.endswith("the trail is as it was written\n")


@pytest.mark.parametrize("command", ["users list", "users list --json", "audit verify", "db check", "server --help"])
def test_output_that_the_disk_does_not_take_is_told_in_a_line(tmp_path: Path, command: str) -> None:
    path = tmp_path / "c.db"
    asyncio.run(fill(path))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "coderai", *command.split()],
            env=clean(environment(path)),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.stderr == "Error: the output could not be written: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize("command", ["db check", "audit verify", "users list", "db backup {}"])
async def test_reading_waits_for_no_writer(tmp_path: Path, command: str) -> None:
    """Not even for one that stands still amid a transaction."""
    path = tmp_path / "coderai.db"
    await fill(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        coderai(*command.format(tmp_path / "copy.db").split(), env=environment(path))


async def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    await fill(path, 200)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    done = coderai("db", "check", env=environment(path), check=False)
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert "Traceback" not in done.stderr
    served = coderai("server", env=environment(path) | {"CODER_HTTP_ADDRESS": "127.0.0.1:0"}, check=False)
    assert (served.returncode, len(served.stderr.splitlines())) == (1, 1), served.stderr
    assert "damaged" in served.stderr
    assert "restore a backup" in served.stderr


async def test_a_backup_beside_the_wal_of_the_database_before_it_stays_as_it_is(tmp_path: Path) -> None:
    """Whoever restores after a crash finds that -wal, and may have moved the only backup there is."""
    path, wal, copy = (tmp_path / name for name in ("coderai.db", "coderai.db-wal", "copy.db"))
    await fill(path)
    coderai("db", "backup", str(copy), env=environment(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as grown:
        grown.execute("CREATE TABLE more (text)")
        grown.execute(f"INSERT INTO more VALUES ('{'x' * 1_000_000}')")
        grown.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        grown.execute("CREATE TABLE further (text)")
        left = wal.read_bytes()
    copy.rename(path)
    restored = path.read_bytes()
    wal.write_bytes(left)
    served = coderai("server", env=environment(path) | {"CODER_HTTP_ADDRESS": "127.0.0.1:0"}, check=False)
    assert (served.returncode, len(served.stderr.splitlines())) == (1, 1), served.stderr
    assert "restore a backup (and move coderai.db-wal away: it belongs to what was here before)" in served.stderr
    to_postgres = "db migrate-to-postgres --postgres-url=postgres://127.0.0.1:1/d"
    for command in ("db check", "audit verify", "db vacuum", f"db backup {copy}", to_postgres):
        done = coderai(*command.split(), env=environment(path), check=False)
        assert (done.returncode, "move coderai.db-wal away" in done.stderr) == (1, True), command
    assert (path.read_bytes(), wal.read_bytes(), copy.exists()) == (restored, left, False)
    wal.unlink()
    assert coderai("db", "check", env=environment(path)).stdout == "the database is sound\n"


@pytest.mark.parametrize("part", ["table aibridge_model_thoughts", "index aibridge_tool_usages_call"])
async def test_what_is_missing_is_named(tmp_path: Path, part: str) -> None:
    path = tmp_path / "coderai.db"
    await fill(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"DROP {part}")
    done = coderai("db", "check", env=environment(path), check=False)
    assert (done.returncode, f"the {part} is missing" in done.stderr) == (1, True)


async def test_what_others_have_added_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    await fill(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE reports (text)")
        database.execute("CREATE INDEX by_status ON aibridge_interceptions (status)")
    assert coderai("db", "check", env=environment(path)).stdout == "the database is sound\n"


@pytest.mark.parametrize(("table", "row"), [("aibridge_model_thoughts", "row 4"), ("aibridge_token_usages", "a row")])
async def test_a_row_without_its_interception(tmp_path: Path, table: str, row: str) -> None:
    path = tmp_path / "coderai.db"
    await fill(path)
    last = f"(SELECT max(id) FROM {table})"
    change(path, f"UPDATE {table} SET interception_id = 'x' WHERE id = {last}")
    done = coderai("db", "check", env=environment(path), check=False)
    told = f": {row} of {table} belongs to nothing in aibridge_interceptions"
    assert (done.returncode, told in done.stderr) == (1, True), done.stderr


async def test_a_backup_while_others_write(tmp_path: Path) -> None:
    path, copy = tmp_path / "coderai.db", tmp_path / "copy.db"
    store = await open_sqlite(path)
    await store.write(exchange())
    assert coderai("db", "backup", str(copy), env=environment(path)).stdout == f"wrote {copy}\n"
    await store.write(exchange(call_id="later"))
    await store.close()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert query(copy, "SELECT count(*) FROM aibridge_interceptions") == [(1,)]
    assert "1 interceptions verified" in coderai("audit", "verify", env=environment(copy)).stdout
    again = coderai("db", "backup", str(copy), env=environment(path), check=False)
    assert (again.returncode, "File exists; name a new file" in again.stderr) == (1, True)


def test_a_copy_that_the_disk_does_not_take_is_named_and_not_left(tmp_path: Path) -> None:
    path, copy = tmp_path / "coderai.db", tmp_path / "copy.db"
    asyncio.run(fill(path, 200))
    limited = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{limited}; runpy.run_module('coderai', run_name='__main__')",
            "db",
            "backup",
            str(copy),
        ],
        env=clean(environment(path)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr.startswith(f"Error: database {copy}: ")) == (1, True), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.glob("copy*")) == []
    assert coderai("db", "backup", str(copy), env=environment(path)).stdout == f"wrote {copy}\n"


async def test_vacuum_leaves_no_log_of_all_that_it_wrote(tmp_path: Path) -> None:
    """Not even where a server has the database open, so that the log stays."""
    path = tmp_path / "coderai.db"
    store = await open_sqlite(path)
    for n in range(100):
        await store.write(exchange(AT + n, call_id=f"call_{n}"))
    while await store.purge.batch(AT + 90):
        pass
    coderai("db", "vacuum", env=environment(path))
    pages = query(path, "PRAGMA page_count")[0][0]
    assert (path.stat().st_size, path.with_name("coderai.db-wal").stat().st_size) == (4096 * pages, 0)
    await store.write(exchange(call_id="later"))
    assert (await store.verify("", "9999", {})).breaks == []
    await store.close()


def test_a_backup_of_postgresql_is_pg_dump_s(empty: str, tmp_path: Path) -> None:
    done = coderai("db", "backup", str(tmp_path / "x"), env=environment(empty), check=False)
    assert (done.returncode, "pg_dump" in done.stderr) == (1, True)
    assert "hush-password" not in done.stderr
