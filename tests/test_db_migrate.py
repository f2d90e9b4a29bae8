"""`coderai db migrate-to-postgres`: all of it, verified, and what hinders it."""

from pathlib import Path

import pytest

from coderai.store.migrate import TABLES, CannotCopy
from tests.databases import Place, change, counts, environment, opened, query, tables
from tests.gateway import coderai
from tests.trail import fill

NAMES = [table.name for table in TABLES]


async def test_all_of_it_is_copied_and_verified_and_may_be_again(tmp_path: Path, empty: str) -> None:
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


async def test_a_server_that_still_writes_is_to_be_stopped_first(tmp_path: Path, empty: str) -> None:
    """One that was killed has not said that it ended, and needs no stopping."""
    path = tmp_path / "coderai.db"
    await fill(path)
    env = environment(path) | environment(empty)
    server = await opened(path)
    await server.instances.join()
    done = coderai("db", "migrate-to-postgres", env=env, check=False)
    told = f"a server still writes to {path} (instance {server.instance_id}); stop it first"
    assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert tables(empty) == set()
    await server.close()
    assert "verified by counts and digests" in coderai("db", "migrate-to-postgres", env=env).stdout


async def test_another_s_data_is_left_alone(tmp_path: Path, empty: str) -> None:
    path = tmp_path / "coderai.db"
    await fill(path)
    await fill(empty)
    done = coderai("db", "migrate-to-postgres", env=environment(path) | environment(empty), check=False)
    assert done.returncode == 1
    assert "holds other data" in done.stderr


async def test_what_differs_is_found(tmp_path: Path, empty: str) -> None:
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
async def test_what_postgresql_does_not_take_is_named(tmp_path: Path, empty: str, spoilt: str) -> None:
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
async def test_what_is_written_amid_it_is_noticed(tmp_path: Path, empty: str, meanwhile: str) -> None:
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


def test_mistakes(tmp_path: Path, empty: str) -> None:
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
    for url in ("postgres://h:port/d", "postgres://h/d?hush=password"):  # where no password is to blame
        misspelt = coderai("users", "list", env=environment(url), check=False)
        assert (misspelt.returncode, "write postgres://USER:" in misspelt.stderr) == (1, True)
        assert "hush" not in misspelt.stderr


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:hush/password@h/d",  # whose host would be `u`, and its port `hush`
        "postgres://u:hush-password/d",  # without a host: the user would be one, and the password its port
        "postgres://u:x@hush-password@h/d",
        "postgres://u:hush[password@127.0.0.1:1/d",
        "postgres://u:hush#password@127.0.0.1:1/d",
        "postgres://u:hush?password@127.0.0.1:1/d",
        "postgres://u:hush-password\u2100@127.0.0.1:1/d",
        "postgres://u@127.0.0.1:1/d?password=hush-password",
    ],
)
def test_no_part_of_a_password_is_shown(url: str) -> None:
    done = coderai("users", "list", env=environment(url), check=False)
    assert (done.returncode, len(done.stderr.splitlines()), done.stdout) == (1, 1, "")
    assert "--postgres-url" in done.stderr
    assert "hush" not in done.stderr
    assert "password@" not in done.stderr


async def test_every_table_and_column_is_known(place: Place) -> None:
    await fill(place)
    assert tables(place) - {"coderai_schema"} == set(NAMES)
    for table in TABLES:
        if isinstance(place, Path):
            found = {row[1] for row in query(place, f"PRAGMA table_xinfo({table.name})")}
        else:
            sql = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table.name}'"
            found = {row[0] for row in query(place, sql)}
        assert found - {"session_id", "username"} == set(table.columns), table.name
