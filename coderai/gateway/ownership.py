"""What the provider keeps (a response, a conversation) opens to its creator alone.

One organisation key stands behind everybody's requests, so the provider cannot tell its users apart: the gateway
notes who created what, and asks before it forwards an id.
"""

from collections.abc import Sequence
from typing import Protocol

from coderai.auth import User
from coderai.gateway.refusal import Refusal
from coderai.providers import Provider


class Owners(Protocol):
    """Who created what the provider keeps."""

    async def owner(self, provider_names: Sequence[str], object_id: str) -> str | None: ...


async def require_owned(owners: Owners, provider: Provider, user: User, object_id: str) -> None:
    """The object itself is asked for: it has to be known as this user's. Raises Refusal."""
    if await owners.owner(provider.names, object_id) != user.id:
        raise Refusal(404, f"{object_id!r} was not created by this user through this gateway")


async def refuse_foreign(owners: Owners, provider: Provider, user: User, object_id: str) -> None:
    """A request builds on the object: one known as another's is refused; an older one may be anybody's, and passes."""
    if await owners.owner(provider.names, object_id) not in (user.id, None):
        raise Refusal(404, f"{object_id!r} was not created by this user through this gateway")
