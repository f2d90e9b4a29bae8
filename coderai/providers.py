"""Which upstream a request goes to, by which route, with which credential.

A provider's routes stand below `/api/v2/aibridge/<name>` (and `/api/v2/ai-gateway/<name>`): the intercepted
ones by exact path, the passed-through ones by an allow-list of method and path. Everything else is nobody's
route: an admin key may stand behind the gateway. Paths are compared and forwarded raw, as the client sent
them, so nothing that decodes differently upstream can slip by.
"""

import fnmatch
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from coderai.bedrock import Bedrock
from coderai.formats import CHAT_COMPLETIONS, MESSAGES, RESPONSES
from coderai.formats.format import Format
from coderai.keys import Keys, mask
from coderai.wire.origin import Origin

PREFIXES = (b"/api/v2/aibridge/", b"/api/v2/ai-gateway/")

# Segments that a server may resolve or decode into another path than the one that was allowed.
_AMBIGUOUS = re.compile(rb"//|\\|/\.{1,2}(?:/|$)|%(?:2e|2f|5c|00)", re.IGNORECASE)


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
    byok_only: bool = False


_READ = frozenset(("GET",))
_WRITE = frozenset(("POST",))
_ANY = frozenset(("GET", "POST", "DELETE"))
_ALL = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE"))

OPENAI = ProviderType(
    name="openai",
    route_prefix=b"/v1",
    formats={
        b"/chat/completions": CHAT_COMPLETIONS,
        b"/responses": RESPONSES,
        b"/responses/compact": RESPONSES,
    },
    passed=(
        Passed(_READ, re.compile(rb"/models(?:/.+)?")),
        Passed(_WRITE, re.compile(rb"/conversations")),
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
        Passed(_READ, re.compile(rb"/v1/models(?:/.+)?")),
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
    byok_only=True,
)
TYPES = {kind.name: kind for kind in (OPENAI, ANTHROPIC, COPILOT)}
# Signed-in ChatGPT users of Codex: an `openai` provider of this name, where users bring their own subscription.
CHATGPT = "chatgpt"


class Provider:
    """One configured upstream."""

    def __init__(
        self,
        kind: ProviderType,
        name: str,
        base_url: str,
        keys: Sequence[str],
        include_usage: bool = True,
        models: Sequence[str] = (),
        dump_dir: Path | None = None,
        bedrock: Bedrock | None = None,
    ) -> None:
        """models: patterns (`*`, `?`, `[a-z]`), one of which a model's name has to match; none: any model.
        bedrock: it is reached there, and `keys` are not used.
        """
        self.kind = kind
        self.name = name
        self.origin = Origin.of(base_url)
        self.base_path = urlsplit(base_url).path.rstrip("/").encode()
        self.include_usage = include_usage  # whether the provider takes stream_options
        self.bedrock = bedrock
        self.keys = Keys.pool(bedrock.key_ids if bedrock else keys, kind.key_header, kind.key_scheme)
        self.secrets = (*keys, *(bedrock.secrets if bedrock else ()))
        self.byok_only = kind.byok_only or name == CHATGPT
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
    def key_option(self) -> str:
        """What gives it a key, for the message that says that none was given."""
        if self.name == self.kind.name:
            return f"--aibridge-{self.name}-key or CODER_AIBRIDGE_{self.name.upper()}_KEY"
        return f"CODER_AIBRIDGE_PROVIDER_<N>_KEY of the provider named {self.name}"

    @property
    def restricted(self) -> bool:
        """Whether there are models that may not be used."""
        return self._models is not None

    def allows(self, model: str) -> bool:
        return self._models is None or self._models.match(model) is not None

    def target(self, path: bytes, query: bytes) -> bytes:
        """The request target upstream, for a path below the route prefix."""
        return b"%b%b?%b" % (self.base_path, path, query) if query else self.base_path + path


class Route(NamedTuple):
    """Where one request goes."""

    provider: Provider
    path: bytes  # below the provider's route prefix, raw
    format: Format | None  # intercepted, in this format; None: passed through
    owned: bytes | None = None  # the id whose owner alone may pass


class NoRoute(Exception):
    """Nothing of this path and method is served; `provider`, where it is known, gives the error's shape."""

    def __init__(self, provider: Provider | None, at_root: bool = False) -> None:
        super().__init__("route not supported")
        self.provider = provider
        self.at_root = at_root  # the provider's name and nothing after it


class Routes:
    """All providers by name, and which requests are theirs."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self.providers = {provider.name: provider for provider in providers}
        self._intercepted: dict[bytes, Route] = {}
        for provider in self.providers.values():
            for prefix in PREFIXES:
                root = prefix + provider.name.encode()
                for path, format in provider.kind.formats.items():
                    self._intercepted[root + provider.kind.route_prefix + path] = Route(provider, path, format)

    def remember(self, before: "Routes") -> None:
        """What was known of these providers' keys."""
        for name, provider in self.providers.items():
            if name in before.providers:
                provider.keys.remember(before.providers[name].keys)

    def serves(self, path: bytes) -> bool:
        """Whether this path is some provider's, routed or not."""
        return path in self._intercepted or self._split(path) is not None

    def intercepts(self, path: bytes) -> bool:
        return path in self._intercepted

    def find(self, method: str, path: bytes) -> Route:
        """Raises NoRoute."""
        route = self._intercepted.get(path)
        if route is not None and method == "POST":
            return route
        found = self._split(path)
        if found is None:
            raise NoRoute(None)
        provider, rest = found
        below = rest.removeprefix(provider.kind.route_prefix)
        if rest.startswith(provider.kind.route_prefix) and not _AMBIGUOUS.search(path):
            for passed in provider.kind.passed:
                if method in passed.methods and (match := passed.path.fullmatch(below)):
                    return Route(provider, below, None, match[1] if passed.owned else None)
        raise NoRoute(provider, at_root=not rest)

    def _split(self, path: bytes) -> tuple[Provider, bytes] | None:
        """The provider that the path names, and what follows its name."""
        for prefix in PREFIXES:
            if path.startswith(prefix):
                name, slash, rest = path[len(prefix) :].partition(b"/")
                provider = self.providers.get(name.decode("latin-1"))
                return (provider, slash + rest) if provider else None
        return None
