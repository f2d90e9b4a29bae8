"""PostgreSQL databases as they are found: of other schemas, programs and encodings, and of roles that may not."""

from urllib.parse import urlsplit

import psycopg

from coderai.store.migrations import MIGRATIONS
from coderai.store.selection import Filter
from tests.databases import change, environment, opened
from tests.gateway import coderai
from tests.postgres import drop, fresh
from tests.trail import exchange, fill, listed


async def test_a_newer_schema_or_another_program_in_postgresql(empty: str) -> None:
    await fill(empty)
    change(empty, f"UPDATE coderai_schema SET version = {len(MIGRATIONS) + 1}")
    assert "newer coderai" in coderai("users", "list", env=environment(empty), check=False).stderr
    change(empty, f"UPDATE coderai_schema SET version = {len(MIGRATIONS)}")
    assert "alice" in coderai("users", "list", env=environment(empty)).stdout


async def test_a_table_that_is_missing_is_named_by_a_check(empty: str) -> None:
    await fill(empty)
    change(empty, "DROP TABLE aibridge_model_thoughts")
    done = coderai("db", "check", env=environment(empty), check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "aibridge_model_thoughts" in done.stderr


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


async def test_of_several_servers_the_one_that_can_be_reached(empty: str) -> None:
    await fill(empty)
    place = urlsplit(empty).netloc.rpartition("@")[2]
    several = empty.replace(place, f"127.0.0.1:1,{place}")
    assert "alice" in coderai("users", "list", env=environment(several)).stdout


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


# `initdb` takes the encoding of its environment, which in a container may be none.
OPTIONS = "ENCODING '{}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"


async def test_every_text_comes_back_from_a_database_of_none(postgres_url: str) -> None:
    url = fresh(postgres_url, OPTIONS.format("SQL_ASCII"))
    store = await opened(url)
    await store.write(exchange(model="模型 \U0001f680", call_id="ключ"))
    (page,) = await listed(store, Filter(), limit=1)
    assert (page.model, page.tool_usages[0].provider_tool_call_id) == ("模型 \U0001f680", "ключ")
    assert (await store.verify("", "9999", {})).breaks == []
    await store.close()
    drop(url)


def test_one_that_cannot_hold_every_text_is_refused(postgres_url: str) -> None:
    url = fresh(postgres_url, OPTIONS.format("LATIN1"))
    done = coderai("users", "list", env=environment(url), check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "LATIN1" in done.stderr
    assert "ENCODING 'UTF8'" in done.stderr
    drop(url)
