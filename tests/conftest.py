"""One provider and one gateway for all tests that need no special settings; a store on each database."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from coderai.store import Store
from tests import databases
from tests.databases import Place
from tests.gateway import Gateway
from tests.postgres import Postgres, binaries, drop, fresh
from tests.provider import Provider
from tests.way import Way


@pytest.fixture(scope="session")
def _provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.close()


@pytest.fixture
def provider(_provider: Provider) -> Provider:
    """The scripted provider, with no script and nothing received."""
    _provider.reset()
    return _provider


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "gateway" in metafunc.fixturenames and metafunc.definition.get_closest_marker("on_both_databases"):
        metafunc.parametrize("gateway", ["sqlite", "postgres"], indirect=True, scope="session")


@pytest.fixture(scope="session")
def gateway(
    request: pytest.FixtureRequest, _provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    env = {}
    if getattr(request, "param", "sqlite") == "postgres":
        env = databases.environment(fresh(request.getfixturevalue("postgres_url")))
    running = Gateway(tmp_path_factory.mktemp("gateway"), _provider.url, **env)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def token(gateway: Gateway) -> str:
    """A member's."""
    return gateway.user("alice")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server: one that runs already, else our own."""
    if given := os.environ.get("CODERAI_TEST_PG_URL"):
        yield given
        return
    if binaries() is None:
        pytest.skip("needs PostgreSQL: pip install pgserver, or apt-get install postgresql, or CODERAI_TEST_PG_URL")
    server = Postgres()
    yield server.url
    server.close()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where a database is, or will be."""
    if request.param == "sqlite":
        yield tmp_path / "data" / "coderai.db"
        return
    url = fresh(request.getfixturevalue("postgres_url"))
    yield url
    drop(url)


@pytest.fixture
def empty(postgres_url: str) -> Iterator[str]:
    """A new database on PostgreSQL."""
    url = fresh(postgres_url)
    yield url
    drop(url)


@pytest.fixture
def way(empty: str) -> Iterator[Way]:
    """To a new database on PostgreSQL, which can be broken."""
    way = Way(empty)
    yield way
    way.close()


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    opened = await databases.opened(place)
    yield opened
    await opened.close()
