"""One provider and one gateway for all tests that need no special settings."""

from collections.abc import Iterator

import pytest

from tests.gateway import Gateway
from tests.provider import Provider


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


@pytest.fixture(scope="session")
def gateway(_provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = Gateway(tmp_path_factory.mktemp("gateway"), _provider.url)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="session")
def token(gateway: Gateway) -> str:
    """A member's."""
    return gateway.user("alice")
