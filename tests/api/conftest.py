"""The audit API on each database."""

from collections.abc import AsyncIterator

import pytest

from coderai.store import Store
from tests.api.running import Api


@pytest.fixture
async def api(store: Store) -> AsyncIterator[Api]:
    running = await Api(store).start()
    yield running
    await running.close()
