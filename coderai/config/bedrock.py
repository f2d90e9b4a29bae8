"""What an anthropic provider on Amazon Bedrock is told, from its BEDROCK_* fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import urlsplit

from coderai.config.keys import MOST_KEYS, in_quotes
from coderai.config.kinds import URL
from coderai.config.problems import quoted

MODEL = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
SMALL_FAST_MODEL = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_AWS_HOST = re.compile(r"(?:.+\.)?bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\..+")
SECRET_FIELDS = (
    "BEDROCK_ACCESS_KEY",
    "BEDROCK_ACCESS_KEYS",
    "BEDROCK_ACCESS_KEY_SECRET",
    "BEDROCK_ACCESS_KEY_SECRETS",
    "BEDROCK_SESSION_TOKEN",
)
FIELDS = ("BEDROCK_BASE_URL", "BEDROCK_REGION", *SECRET_FIELDS, "BEDROCK_MODEL", "BEDROCK_SMALL_FAST_MODEL")


@dataclass(frozen=True, kw_only=True)
class BedrockSettings:
    base_url: str
    region: str  # what is signed for
    access_keys: tuple[str, ...] = field(default=(), repr=False)  # none: AWS's default chain
    secrets: tuple[str, ...] = field(default=(), repr=False)  # one for each access key
    session_token: str = field(default="", repr=False)
    model: str = MODEL
    small_fast_model: str = SMALL_FAST_MODEL


def bedrock_settings(fields: Mapping[str, str]) -> BedrockSettings:
    """Raises ValueError: the field, what is wrong with it, and the remedy."""
    if find_spec("botocore") is None:
        raise ValueError("BEDROCK_*: Bedrock needs botocore, which is not installed: pip install 'coderai[bedrock]'")
    base_url, region = _place(fields.get("BEDROCK_BASE_URL", ""), fields.get("BEDROCK_REGION", ""))
    keys = _list(fields, "BEDROCK_ACCESS_KEY")
    secrets = _list(fields, "BEDROCK_ACCESS_KEY_SECRET")
    if bool(keys) != bool(secrets):
        raise ValueError("BEDROCK_ACCESS_KEY: both access key and access key secret must be provided together")
    if len(keys) != len(secrets):
        raise ValueError(
            f"BEDROCK_ACCESS_KEYS count ({len(keys)}) must match BEDROCK_ACCESS_KEY_SECRETS count ({len(secrets)})"
        )
    token = fields.get("BEDROCK_SESSION_TOKEN", "")
    if token and len(keys) != 1:
        raise ValueError("BEDROCK_SESSION_TOKEN: it belongs to one BEDROCK_ACCESS_KEY; give that one, and its secret")
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise ValueError("BEDROCK_SESSION_TOKEN: it holds white space or other characters that no token has")
    if in_quotes(token):
        raise ValueError("BEDROCK_SESSION_TOKEN: it is in quotes or brackets; leave them out")
    return BedrockSettings(
        base_url=base_url,
        region=region,
        access_keys=keys,
        secrets=secrets,
        session_token=token,
        model=_model(fields, "BEDROCK_MODEL") or MODEL,
        small_fast_model=_model(fields, "BEDROCK_SMALL_FAST_MODEL") or SMALL_FAST_MODEL,
    )


def _model(fields: Mapping[str, str], name: str) -> str:
    model = fields.get(name, "")
    if not model.isprintable() or " " in model:
        raise ValueError(f"{name}: {quoted(model)} holds white space, which no model id, profile or ARN has; remove it")
    if in_quotes(model):
        raise ValueError(f"{name}: {quoted(model)} is in quotes or brackets; leave them out")
    return model


def _place(base_url: str, region: str) -> tuple[str, str]:
    if region and not REGION.fullmatch(region):
        raise ValueError(f"BEDROCK_REGION: {quoted(region)} is no region; give one such as us-east-1")
    if not base_url:
        if not region:
            raise ValueError("BEDROCK_REGION: region or base url required; give one such as us-east-1")
        return f"https://bedrock-runtime.{region}.amazonaws.com", region
    try:
        url = URL.parse(base_url)
    except ValueError as reason:
        raise ValueError(f"BEDROCK_BASE_URL: {quoted(base_url)}: {reason}; expected {URL.expected}") from None
    if not region and (match := _AWS_HOST.fullmatch(urlsplit(url).hostname or "")):
        region = match[1]
    if not region:
        raise ValueError("BEDROCK_BASE_URL: it names no region, for which requests are signed; set BEDROCK_REGION")
    return url, region


def _list(fields: Mapping[str, str], name: str) -> tuple[str, ...]:
    one, many = fields.get(name), fields.get(f"{name}S")
    if one and many:
        raise ValueError(f"{name} and {name}S are mutually exclusive; keep one of them")
    text = one or many
    if not text:
        return ()
    values = [value.strip() for value in text.replace("\n", ",").split(",")]
    for index, value in enumerate(values):
        if not value:
            raise ValueError(f"{name}S: key at index {index} is empty; remove the comma")
        if not (value.isascii() and value.isprintable() and " " not in value):
            raise ValueError(f"{name}: key at index {index} holds white space or other characters that no key has")
        if in_quotes(value):
            raise ValueError(f"{name}: key at index {index} is in quotes or brackets; leave them out")
        if name == "BEDROCK_ACCESS_KEY" and value in values[:index]:
            raise ValueError(f"{name}S: duplicate key at index {index}; remove it")
    if len(values) > MOST_KEYS:
        raise ValueError(f"{name}S: too many keys ({len(values)}), maximum is {MOST_KEYS}")
    return tuple(values)
