"""What the provider keeps (a response, a conversation) opens to its creator alone.

One organisation key stands behind everybody's requests, so the provider cannot tell its users apart: the gateway
notes who created what, and asks before it forwards an id.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from coderai.auth import User
from coderai.gateway.refusal import Refusal
from coderai.routes import Route


class Owners(Protocol):
    """Who created what the provider keeps."""

    async def owner(self, provider_names: Sequence[str], object_id: str) -> str | None: ...


async def require_owned(owners: Owners, route: Route, user: User, object_id: str) -> None:
    """The object itself is asked for: it has to be known as this user's. Raises Refusal."""
    if await owners.owner(route.provider_names, object_id) != user.id:
        raise _foreign(object_id)


async def refuse_foreign(owners: Owners, route: Route, user: User, object_ids: Iterable[str]) -> None:
    """A request builds on these: one known as another's is refused; one nobody is known to have made passes: it may be
    older than the trail. Raises Refusal.
    """
    for object_id in object_ids:
        if await owners.owner(route.provider_names, object_id) not in (user.id, None):
            raise _foreign(object_id)


def _foreign(object_id: str) -> Refusal:
    return Refusal(404, f"{object_id!r} was not created by this user through this gateway")
