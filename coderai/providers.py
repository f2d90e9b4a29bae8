"""The upstreams: what all providers of one type have in common, and each one as it is configured."""

import fnmatch
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from coderai.bedrock import Bedrock
from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format
from coderai.keys import Keys, mask
from coderai.wire.origin import Origin


class Passed(NamedTuple):
    """One line of a passthrough allow-list."""

    methods: frozenset[str]
    path: re.Pattern[bytes]  # below the provider's route prefix
    owned: bool = False  # the id (group 1) opens its creator's data: only for that user


class ProviderType(NamedTuple):
    """What all providers of one type have in common."""

    name: str
    route_prefix: bytes  # after /<name>; the base URL stands for it
    formats: dict[bytes, Format]  # intercepted: POST, path below the route prefix
    passed: tuple[Passed, ...]
    error_format: Format  # whose error shape refusals take where no format is known
    key_header: bytes
    key_scheme: bytes
    failures: frozenset[int] = frozenset((429, 503, 504))  # statuses that a circuit breaker counts


_READ = frozenset(("GET",))
_WRITE = frozenset(("POST",))
_ANY = frozenset(("GET", "POST", "DELETE"))
_ALL = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE"))

INPUT_TOKENS = b"/responses/input_tokens"

OPENAI = ProviderType(
    name="openai",
    route_prefix=b"/v1",
    formats={
        b"/chat/completions": CHAT_COMPLETIONS,
        b"/responses": RESPONSES,
        b"/responses/compact": RESPONSES,
    },
    passed=(
        Passed(_READ, re.compile(rb"/models(?:/.*)?")),
        Passed(_WRITE, re.compile(rb"/conversations")),
        Passed(_WRITE, re.compile(INPUT_TOKENS)),
        Passed(_ANY, re.compile(rb"/(?:conversations|responses)/([^/]+)(?:/.*)?"), owned=True),
    ),
    error_format=CHAT_COMPLETIONS,
    key_header=b"Authorization",
    key_scheme=b"Bearer ",
)
ANTHROPIC = ProviderType(
    name="anthropic",
    route_prefix=b"",
    formats={b"/v1/messages": MESSAGES},
    passed=(
        Passed(_READ, re.compile(rb"/v1/models(?:/.*)?")),
        Passed(_WRITE, re.compile(rb"/v1/messages/count_tokens")),
        Passed(_WRITE, re.compile(rb"/api/event_logging/.+")),
    ),
    error_format=MESSAGES,
    key_header=b"X-Api-Key",
    key_scheme=b"",
    failures=frozenset((429, 503, 504, 529)),
)
COPILOT = ProviderType(
    name="copilot",
    route_prefix=b"",
    formats={b"/chat/completions": CHAT_COMPLETIONS, b"/responses": RESPONSES, b"/v1/messages": MESSAGES},
    passed=(
        Passed(_READ, re.compile(rb"/models(?:/.*)?")),
        Passed(_ALL, re.compile(rb"/(?:agents|mcp)(?:/.*)?")),
        Passed(_READ, re.compile(rb"/\.well-known/.+")),
    ),
    error_format=CHAT_COMPLETIONS,
    key_header=b"Authorization",
    key_scheme=b"Bearer ",
)
TYPES = {kind.name: kind for kind in (OPENAI, ANTHROPIC, COPILOT)}


class Provider:
    """One configured upstream."""

    def __init__(
        self,
        kind: ProviderType,
        name: str,
        base_url: str,
        keys: Sequence[str],
        byok_only: bool = False,
        include_usage: bool = True,
        models: Sequence[str] = (),
        dump_dir: Path | None = None,
        bedrock: Bedrock | None = None,
        key_option: str = "",
    ) -> None:
        """byok_only: its users bring their own credential.
        models: patterns (`*`, `?`, `[a-z]`), one of which a model's name has to match; none: any model.
        bedrock: it is reached there, and `keys` are not used.
        key_option: what gives it a key, for the message that says that none was given.
        """
        self.kind = kind
        self.name = name
        self.origin = Origin.of(base_url)
        self.base_path = urlsplit(base_url).path.rstrip("/").encode()
        self.include_usage = include_usage  # whether the provider takes stream_options
        self.bedrock = bedrock
        self.keys = Keys.pool(bedrock.key_ids if bedrock else keys, kind.key_header, kind.key_scheme)
        self._secrets = tuple(keys)
        self.byok_only = byok_only
        self.key_option = key_option
        self._models = re.compile("|".join(map(fnmatch.translate, models))) if models else None
        self.authority = self.origin.authority
        self.dump_dir = dump_dir  # where its requests and responses are dumped; None: nowhere

    async def prepare(self) -> None:
        """Has ready what Bedrock needs. Raises NoCredentials."""
        if self.bedrock is not None:
            hint = mask(await self.bedrock.prepare())
            for key in self.keys.usable()[:1]:
                key.hint = hint

    @property
    def secrets(self) -> tuple[str, ...]:
        """Those that are known now: AWS's default chain gets others from time to time."""
        return (*self._secrets, *self.bedrock.secrets) if self.bedrock else self._secrets

    @property
    def restricted(self) -> bool:
        """Whether there are models that may not be used."""
        return self._models is not None

    def allows(self, model: str) -> bool:
        return self._models is None or self._models.match(model) is not None

    def target(self, path: bytes, query: bytes) -> bytes:
        """The request target upstream, for a path below the route prefix."""
        return b"%b%b?%b" % (self.base_path, path, query) if query else self.base_path + path
