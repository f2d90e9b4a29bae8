"""Which provider stands behind each format: a real one where there is a key for it, else the simulated one.

Contract: pure; a key in the environment is used with the base URL that stands beside it. A base URL that is
itself a gateway of this kind is left alone: whoever pasted the demo's settings into a shell and starts the
demo there again would send it to itself.
"""

from collections.abc import Mapping

from msgspec import Struct

from coderai.routes import PREFIXES

GATEWAY_PATHS = tuple(prefix.decode() for prefix in PREFIXES)
SIMULATED_KEY = "simulated-provider-needs-no-key"


class Upstream(Struct, frozen=True):
    provider: str
    simulated: bool
    settings: dict[str, str]  # variables of the server


def upstreams(environment: Mapping[str, str], simulated_url: str) -> tuple[Upstream, Upstream]:
    return (
        _upstream(environment, "openai", f"{simulated_url}/v1/"),
        _upstream(environment, "anthropic", f"{simulated_url}/"),
    )


def _upstream(environment: Mapping[str, str], provider: str, simulated_url: str) -> Upstream:
    name = provider.upper()
    key_variable, url_variable = f"CODER_AIBRIDGE_{name}_KEY", f"CODER_AIBRIDGE_{name}_BASE_URL"
    for prefix, key_name in ((f"CODER_AIBRIDGE_{name}_", "KEY"), (f"{name}_", "API_KEY")):
        key, url = environment.get(prefix + key_name), environment.get(f"{prefix}BASE_URL")
        if key and not any(path in (url or "") for path in GATEWAY_PATHS):
            return Upstream(provider, False, {key_variable: key} | ({url_variable: url} if url else {}))
    return Upstream(provider, True, {key_variable: SIMULATED_KEY, url_variable: simulated_url})


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without anybody's settings and keys: the demo shows its own."""
    mine = ("CODER_", "OPENAI_", "ANTHROPIC_")
    return {name: value for name, value in environment.items() if not name.startswith(mine)}
