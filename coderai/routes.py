"""Which requests are whose: routes to providers, by path and method.

A provider's routes stand below `/api/v2/aibridge/<name>` (and `/api/v2/ai-gateway/<name>`): the intercepted
ones by exact path, the passed-through ones by an allow-list of method and path. Everything else is nobody's
route: an admin key may stand behind the gateway. Paths are compared and forwarded raw, as the client sent
them, so nothing that decodes differently upstream can slip by.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from coderai.formats.format import Format
from coderai.providers import Provider
from coderai.wire.origin import Origin

PREFIXES = (b"/api/v2/aibridge/", b"/api/v2/ai-gateway/")

# Segments that a server may resolve or decode into another path than the one that was allowed. A servlet container
# takes `..;x` for `..` with a parameter; what is behind a `#` or, once decoded, a `?` is no part of the path. A proxy
# on the way may decode before the server does: `%252e`.
_AMBIGUOUS = re.compile(rb"//|\\|/\.{1,2}(?:[/;#]|%(?:25)*(?:3b|23|3f)|$)|%(?:25)*(?:2e|2f|5c|00)", re.IGNORECASE)

# What base URLs differ in: whether /v1 belongs to them, and slashes at their ends. Counted, as anybody may send 60 kB.
_BASE_END = re.compile(rb"(?:/{1,2}v1(?=/)){0,2}/{1,2}")


class Route(NamedTuple):
    """Where one request goes."""

    provider: Provider
    provider_names: Sequence[str]  # of all that are reached at the same place: what was made by one is there by any
    path: bytes  # below the provider's route prefix, raw
    format: Format | None  # intercepted, in this format; None: passed through
    owned: bytes | None = None  # the id whose owner alone may pass


class NoRoute(Exception):
    """Nothing of this path and method is served; `provider`, where it is known, gives the error's shape."""

    def __init__(self, provider: Provider | None, at_root: bool = False, meant: bytes = b"") -> None:
        super().__init__("route not supported")
        self.provider = provider
        self.at_root = at_root  # the provider's name and nothing after it
        self.meant = meant  # the path that another base URL would have given, if there is one


class Routes:
    """All providers by name, and which requests are theirs."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self.providers = {provider.name: provider for provider in providers}
        self._names: dict[tuple[Origin, bytes], list[str]] = {}  # by where they are reached
        for provider in self.providers.values():
            self._names.setdefault((provider.origin, provider.base_path), []).append(provider.name)
        self._intercepted: dict[bytes, Route] = {}
        for provider in self.providers.values():
            for prefix in PREFIXES:
                root = prefix + provider.name.encode() + provider.kind.route_prefix
                for path, format in provider.kind.formats.items():
                    self._intercepted[root + path] = Route(provider, self._names_of(provider), path, format)

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
                    owned = match[1] if passed.owned else None
                    return Route(provider, self._names_of(provider), below, None, owned)
        root = path[: len(path) - len(rest)]
        raise NoRoute(provider, at_root=not rest, meant=_meant(root, rest, provider) if method == "POST" else b"")

    def _split(self, path: bytes) -> tuple[Provider, bytes] | None:
        """The provider that the path names, and what follows its name."""
        for prefix in PREFIXES:
            if path.startswith(prefix):
                name, slash, rest = path[len(prefix) :].partition(b"/")
                provider = self.providers.get(name.decode("latin-1"))
                return (provider, slash + rest) if provider else None
        return None

    def _names_of(self, provider: Provider) -> Sequence[str]:
        return self._names[provider.origin, provider.base_path]


def _meant(root: bytes, rest: bytes, provider: Provider) -> bytes:
    """A base URL with /v1 where it has to be without, or the other way round, is a new user's first mistake."""
    asked = _without_base(rest)
    paths = (provider.kind.route_prefix + path for path in provider.kind.formats)
    return next((root + path for path in paths if _without_base(path) == asked), b"")


def _without_base(path: bytes) -> bytes:
    base = _BASE_END.match(path)
    return path[base.end() if base else 0 :].rstrip(b"/")
