"""`coderai db`: checking, vacuuming, backing up, moving to PostgreSQL; and `coderai audit verify`."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from coderai.store import open_sqlite
from coderai.store.migrate import TABLES, CannotCopy
from coderai.store.migrations import MIGRATIONS
from coderai.store.selection import Filter
from tests.databases import Place, change, counts, environment, opened, query, tables
from tests.gateway import Gateway, clean, coderai
from tests.postgres import drop, fresh
from tests.provider import Provider, whole
from tests.test_relay import CHAT, post
from tests.trail import AT, exchange, listed, now, started

RECORDS = (
    "aibridge_interceptions",
    "aibridge_token_usages",
    "aibridge_user_prompts",
    "aibridge_tool_usages",
    "aibridge_model_thoughts",
    "aibridge_provider_objects",
)
NAMES = [table.name for table in TABLES]


async def fill(place: Place, interceptions: int = 3) -> None:
    store = await opened(place)
    user = await store.people.create_user("alice", "alice@example.com", "member")
    await store.people.create_token("abcdefghij", user.id, "laptop", "0" * 64, None)
    old = exchange(AT - 10**9, call_id="old")
    await store.write(old)
    for n in range(interceptions):
        await store.write(exchange(AT + n, call_id=f"call_{n}", initiator_id=user.id))
    await store.write([started(now(), correlating_tool_call_id="call_1")])
    await store.purge.contents(AT)
    await store.purge.batch(AT)
    await store.close()


@pytest.fixture
def empty(postgres_url: str) -> Iterator[str]:
    url = fresh(postgres_url)
    yield url
    drop(url)


async def test_a_sound_database_is_said_to_be(place: Place) -> None:
    await fill(place)
    assert coderai("db", "check", env=environment(place)).stdout == "the database is sound\n"
    assert coderai("db", "vacuum", env=environment(place)).stdout == "done\n"
    verified = coderai("audit", "verify", env=environment(place)).stdout
    assert verified.startswith("3 interceptions verified, 3 seals followed, 1 not ended yet")
    assert "\nretention has deleted the contents of what began until 2026-02-02" in verified
    assert verified.endswith("the trail is as it was written\n")


async def test_what_would_verify_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    await fill(path)
    (tmp_path / "log").write_text("# README\n")
    (tmp_path / "sealless").write_text('{"msg":"listening"}\n')
    for words, remedy in (
        (["--from", "2026-11-28", "--to", "2026-11-27"], "give a time after --from"),
        (["--log", str(tmp_path / "log")], "it is no log of --log-json"),
        (["--log", str(tmp_path / "sealless")], "no line of it is an `interception seal`"),
        (["--log", "/proc/self/mem"], "it cannot be read: Input/output error"),
        (["--from", "0001-01-01T00:00:00+14:00"], "write a date or a time"),
        (["--to", "9999-12-31T23:59:59-14:00"], "write a date or a time"),
    ):
        done = coderai("audit", "verify", *words, env=environment(path), check=False)
        assert (done.returncode != 0, remedy in done.stderr, "Traceback" in done.stderr) == (True, True, False)


async def test_a_log_may_come_through_a_pipe(tmp_path: Path) -> None:
    """As `<(zcat log.gz)` is one."""
    path, pipe = tmp_path / "c.db", tmp_path / "pipe"
    await fill(path)
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_text, args=('{"msg":"listening"}\n' * 3,))
    writing.start()
    done = coderai("audit", "verify", "--log", str(pipe), env=environment(path), check=False)
    writing.join()
    assert (done.returncode, "no line of it is an `interception seal`" in done.stderr) == (1, True)


def test_what_a_user_asks_keeps_no_log_from_being_verified(tmp_path: Path, provider: Provider) -> None:
    """A prompt has the words by which seals are known: it is in the log, too."""
    gateway = Gateway(tmp_path, provider.url, CODER_AIBRIDGE_SEAL_LOG_INTERVAL="1h")
    provider.answers(whole(b'{"id":"c1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}'))
    asked = b'{"model":"gpt-4.1","messages":[{"role":"user","content":"what is an interception seal?"}]}'
    assert post(gateway, CHAT, asked, gateway.user("alice")).status == 200
    assert gateway.stop() == 0
    done = coderai("audit", "verify", "--log", str(gateway.log), env=gateway.env)
    assert done.stdout.startswith("1 interceptions verified, 1 seals followed")
    assert "1 seals of logs" in done.stdout


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


@pytest.mark.parametrize("part", ["table aibridge_model_thoughts", "index aibridge_tool_usages_call"])
async def test_what_is_missing_is_named(tmp_path: Path, part: str) -> None:
    path = tmp_path / "coderai.db"
    await fill(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"DROP {part}")
    done = coderai("db", "check", env=environment(path), check=False)
    assert (done.returncode, f"the {part} is missing" in done.stderr) == (1, True)


async def test_a_row_without_its_interception(tmp_path: Path) -> None:
    path = tmp_path / "coderai.db"
    await fill(path)
    change(path, "UPDATE aibridge_model_thoughts SET interception_id = 'x'")
    done = coderai("db", "check", env=environment(path), check=False)
    assert (done.returncode, "of aibridge_model_thoughts belongs to nothing" in done.stderr) == (1, True)


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


class TestMigration:
    async def test_all_of_it_is_copied_and_verified_and_may_be_again(self, tmp_path: Path, empty: str) -> None:
        path = tmp_path / "coderai.db"
        await fill(path, 600)
        env = environment(path) | environment(empty)
        for _ in range(2):
            done = coderai("db", "migrate-to-postgres", env=env).stdout
            assert "aibridge_interceptions: 601 rows" in done
            assert done.rstrip().endswith("verified by counts and digests")
            assert "hush-password" not in done
            assert counts(empty, NAMES) == counts(path, NAMES)
        assert "600 interceptions verified" in coderai("audit", "verify", env=environment(empty)).stdout

    async def test_another_s_data_is_left_alone(self, tmp_path: Path, empty: str) -> None:
        path = tmp_path / "coderai.db"
        await fill(path)
        await fill(empty)
        done = coderai("db", "migrate-to-postgres", env=environment(path) | environment(empty), check=False)
        assert done.returncode == 1
        assert "holds other data" in done.stderr

    async def test_what_differs_is_found(self, tmp_path: Path, empty: str) -> None:
        path = tmp_path / "coderai.db"
        await fill(path)
        env = environment(path) | environment(empty)
        coderai("db", "migrate-to-postgres", env=env)
        change(empty, "UPDATE aibridge_token_usages SET output_tokens = 8")
        done = coderai("db", "migrate-to-postgres", env=env, check=False)
        assert (done.returncode, "aibridge_token_usages" in done.stderr) == (1, True)

    @pytest.mark.parametrize(
        "spoilt",
        [
            "created_at = 'soon'",
            "created_at = ''",
            "created_at = replace(created_at, 'T', ' ')",  # it does, as what it takes it for
            "metadata = '{'",
            "content = x'00ff'",
            "content = CAST(x'66ff' AS TEXT)",
        ],
    )
    async def test_what_postgresql_does_not_take_is_named(self, tmp_path: Path, empty: str, spoilt: str) -> None:
        path = tmp_path / "coderai.db"
        await fill(path)
        change(path, f"UPDATE aibridge_model_thoughts SET {spoilt}")
        done = coderai("db", "migrate-to-postgres", env=environment(path) | environment(empty), check=False)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert "Error: aibridge_model_thoughts: the target" in done.stderr
        assert "`coderai audit verify` tells" in done.stderr

    @pytest.mark.parametrize(
        "meanwhile",
        [
            "UPDATE users SET status = 'suspended'",
            "INSERT INTO aibridge_instances (id, started_at) VALUES ('i', 'now')",
        ],
    )
    async def test_what_is_written_amid_it_is_noticed(self, tmp_path: Path, empty: str, meanwhile: str) -> None:
        path = tmp_path / "coderai.db"
        await fill(path)
        source, target = await opened(path), await opened(empty)

        def report(table: str, rows: int) -> None:
            if table == NAMES[-1]:
                change(path, meanwhile)

        with pytest.raises(CannotCopy, match="stop whatever writes"):
            await source.copy_to(target, report)
        await source.close()
        await target.close()

    def test_mistakes(self, tmp_path: Path, empty: str) -> None:
        without = coderai("db", "migrate-to-postgres", env=environment(tmp_path / "none.db"), check=False)
        assert (without.returncode, "CODER_PG_CONNECTION_URL" in without.stderr) == (2, True)
        env = environment(tmp_path / "none.db") | environment(empty)
        nothing = coderai("db", "migrate-to-postgres", env=env, check=False)
        assert (nothing.returncode, "there is no database" in nothing.stderr) == (1, True)
        env = environment(tmp_path / ("x" * 300)) | environment(empty)  # it cannot even be looked for
        unseen = coderai("db", "migrate-to-postgres", env=env, check=False).stderr
        assert "File name too long; check that" in unseen and len(unseen.splitlines()) == 1
        nowhere = "postgres://u:hush-password@127.0.0.1:1/d"
        down = coderai("users", "list", env=environment(nowhere), check=False)
        assert (down.returncode, "--postgres-url" in down.stderr) == (1, True)
        assert "hush-password" not in down.stderr
        assert len(down.stderr.splitlines()) == 1
        unreadable = coderai("users", "list", env=environment("postgres://u:hush%zzpassword@h/d"), check=False)
        assert (unreadable.returncode, "percent-encode" in unreadable.stderr) == (1, True)
        assert "password@" not in unreadable.stderr

    @pytest.mark.parametrize(
        "url",
        [
            "postgres://u:hush/password@h/d",  # whose host would be `u`, and its port `hush`
            "postgres://u:x@hush-password@h/d",
            "postgres://u:hush[password@127.0.0.1:1/d",
            "postgres://u:hush#password@127.0.0.1:1/d",
            "postgres://u:hush?password@127.0.0.1:1/d",
            "postgres://u:hush-password\u2100@127.0.0.1:1/d",
            "postgres://u@127.0.0.1:1/d?password=hush-password",
        ],
    )
    def test_no_part_of_a_password_is_shown(self, url: str) -> None:
        done = coderai("users", "list", env=environment(url), check=False)
        assert (done.returncode, len(done.stderr.splitlines()), done.stdout) == (1, 1, "")
        assert "--postgres-url" in done.stderr
        assert "hush" not in done.stderr
        assert "password@" not in done.stderr

    async def test_every_table_and_column_is_known(self, place: Place) -> None:
        await fill(place)
        assert tables(place) - {"coderai_schema"} == set(NAMES)
        for table in TABLES:
            if isinstance(place, Path):
                found = {row[1] for row in query(place, f"PRAGMA table_xinfo({table.name})")}
            else:
                sql = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table.name}'"
                found = {row[0] for row in query(place, sql)}
            assert found - {"session_id", "username"} == set(table.columns), table.name


async def test_a_newer_schema_or_another_program_in_postgresql(empty: str) -> None:
    await fill(empty)
    change(empty, "UPDATE coderai_schema SET version = 99")
    assert "newer coderai" in coderai("users", "list", env=environment(empty), check=False).stderr
    change(empty, f"UPDATE coderai_schema SET version = {len(MIGRATIONS)}")
    assert "alice" in coderai("users", "list", env=environment(empty)).stdout


async def test_another_program_in_postgresql(empty: str) -> None:
    with psycopg.connect(empty, autocommit=True) as other:
        other.execute("CREATE TABLE users (id text)")
    done = coderai("users", "list", env=environment(empty), check=False)
    assert (done.returncode, "belongs to another program" in done.stderr) == (1, True)


async def test_a_schema_that_comes_before_that_of_the_trail_in_postgresql(empty: str) -> None:
    """A second, empty trail would begin there, in which nobody's token is known."""
    await fill(empty)
    schemas = "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'aibridge%'"
    with psycopg.connect(empty, autocommit=True) as server:
        server.execute("CREATE SCHEMA postgres")  # of the role's name: first by default
        done = coderai("users", "list", env=environment(empty), check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert "coderai's tables in the schema public" in done.stderr
        assert "search_path puts the schema postgres first" in done.stderr
        assert server.execute(schemas).fetchall() == [("public",)]
        name = server.info.dbname
        server.execute(f"ALTER DATABASE {name} SET search_path = public, postgres")
        assert "alice" in coderai("users", "list", env=environment(empty)).stdout
        server.execute(f"ALTER DATABASE {name} SET search_path = postgres")  # a trail of its own is what is wanted
        assert "alice" not in coderai("users", "list", env=environment(empty)).stdout
        server.execute(f"ALTER DATABASE {name} SET search_path = postgres, public")  # of two, the first
        assert "alice" not in coderai("users", "list", env=environment(empty)).stdout


def test_a_role_that_may_not_create_tables(empty: str) -> None:
    role = "may_nothing"
    with psycopg.connect(empty, autocommit=True) as server:
        server.execute(f"CREATE ROLE {role} LOGIN")
        server.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        try:
            done = coderai("users", "list", env=environment(empty.replace("postgres:", f"{role}:", 1)), check=False)
        finally:
            server.execute(f"DROP ROLE {role}")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "permission denied for schema public; make the role the owner of a database of coderai's own\n"
    )
    assert len(done.stderr.splitlines()) == 1


class TestEncodings:
    """`initdb` takes that of its environment, which in a container may be none."""

    OPTIONS = "ENCODING '{}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"

    async def test_every_text_comes_back_from_a_database_of_none(self, postgres_url: str) -> None:
        url = fresh(postgres_url, self.OPTIONS.format("SQL_ASCII"))
        store = await opened(url)
        await store.write(exchange(model="模型 \U0001f680", call_id="ключ"))
        (page,) = await listed(store, Filter(), limit=1)
        assert (page.model, page.tool_usages[0].provider_tool_call_id) == ("模型 \U0001f680", "ключ")
        assert (await store.verify("", "9999", {})).breaks == []
        await store.close()
        drop(url)

    def test_one_that_cannot_hold_every_text_is_refused(self, postgres_url: str) -> None:
        url = fresh(postgres_url, self.OPTIONS.format("LATIN1"))
        done = coderai("users", "list", env=environment(url), check=False)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert "LATIN1" in done.stderr
        assert "ENCODING 'UTF8'" in done.stderr
        drop(url)
