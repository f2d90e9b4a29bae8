"""A gateway with providers for own keys, with several keys and with few models; what it has recorded last."""

from tests.gateway import PROVIDER_KEY, Gateway

TOKEN = "X-Coder-AI-Governance-Token"
OWN = "sk-own-0123456789abcdefghij"
OTHER_KEYS = ("sk-first-0123456789abcd", "sk-second-0123456789abc")
SECRETS = (OWN, PROVIDER_KEY, *OTHER_KEYS)


def providers(url: str) -> dict[str, str]:
    listed = [
        {"TYPE": "copilot", "BASE_URL": url},
        {"TYPE": "openai", "NAME": "chatgpt", "BASE_URL": f"{url}/backend-api/codex"},
        {"TYPE": "anthropic", "NAME": "few", "BASE_URL": url, "KEY": OTHER_KEYS[0], "MODELS": "claude-*-4,opus"},
        {"TYPE": "openai", "NAME": "pool", "BASE_URL": f"{url}/v1", "KEYS": ",".join(OTHER_KEYS)},
        {"TYPE": "openai", "NAME": "bare", "BASE_URL": f"{url}/v1"},
    ]
    return {
        f"CODER_AIBRIDGE_PROVIDER_{n}_{name}": value
        for n, fields in enumerate(listed)
        for name, value in fields.items()
    }


def ended(gateway: Gateway) -> tuple[dict, dict]:
    """Start and end of the last interception."""
    records = gateway.records()
    end = [record for record in records if record["record_type"] == "interception_end"][-1]
    ids = (record for record in records if record["record_type"] == "interception_start")
    return next(start for start in ids if start["interception_id"] == end["interception_id"]), end
