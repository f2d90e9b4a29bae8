"""The governed gateway, and two of its users; none of its secrets may be in any file of its folder."""

from collections.abc import Iterator

import pytest

from tests.credentials.governed import SECRETS, providers
from tests.gateway import Gateway
from tests.provider import Provider


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[Gateway]:
    env = {"CODER_AIBRIDGE_SEND_ACTOR_HEADERS": "true", **providers(_provider.url)}
    running = Gateway(tmp_path_factory.mktemp("governed"), _provider.url, "--verbose", **env)
    yield running
    assert running.stop() == 0
    folder = running.log.parent
    written = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    for secret in SECRETS:
        assert secret.encode() not in written, secret


@pytest.fixture(scope="module")
def alice(governed: Gateway) -> str:
    return governed.user("alice")


@pytest.fixture(scope="module")
def bob(governed: Gateway) -> str:
    return governed.user("bob")
