"""Indexed providers made of their fields, and what is wrong with any of them.

The fields come from `CODER_AIBRIDGE_PROVIDER_<N>_<FIELD>` and from the YAML list `aibridge.providers`,
where the N-th item is provider N. As with every option the variable wins, field by field, so a file can hold
name and base URL while the environment holds the key.
"""

import fnmatch
import re

from coderai.config import bedrock as on_bedrock
from coderai.config.bedrock import bedrock_settings
from coderai.config.given import Given, Indexed, Invalid, parsed, source_of
from coderai.config.keys import keys_in
from coderai.config.kinds import BOOL, PATH, SECRET, URL
from coderai.config.problems import quoted
from coderai.config.providers import (
    CHATGPT,
    CHATGPT_BASE_URL,
    DEFAULT_BASE_URLS,
    RESERVED_NAMES,
    ProviderSettings,
    is_byok_only,
)

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NO_MODEL = re.compile(r"[\s\"'`;]")
LONGEST_NAME = 64  # a path segment and a column
FIELDS = (
    "TYPE",
    "NAME",
    "KEY",
    "KEYS",
    "KEY_FILE",
    "KEYS_FILE",
    "BASE_URL",
    "STREAM_OPTIONS",
    "MODELS",
    "DUMP_DIR",
    *on_bedrock.FIELDS,
)
SECRET_FIELDS = ("KEY", "KEYS")
LIST_FIELDS = ("KEYS", "MODELS", "BEDROCK_ACCESS_KEYS", "BEDROCK_ACCESS_KEY_SECRETS")


def build(indexed: Indexed, problems: list[str]) -> tuple[ProviderSettings, ...]:
    """The indexed providers in order of their number; what is wrong with any goes to `problems`."""
    providers: list[ProviderSettings] = []
    named: dict[str, int] = {}
    for expected, number in enumerate(sorted(indexed)):
        if number != expected:
            problems.append(
                f"CODER_AIBRIDGE_PROVIDER_{expected}_TYPE: provider {expected} is skipped, but {number} is "
                "configured; number them from 0 without gaps"
            )
            break
    for number, fields in sorted(indexed.items()):
        try:
            provider = _provider(number, fields)
        except Invalid as problem:
            problems.append(str(problem))
            continue
        if provider.name in named:
            problems.append(
                f'{source_of(number, fields, "NAME")}: duplicate NAME "{provider.name}", which is the name of '
                f"provider {named[provider.name]} too; give each its own NAME"
            )
        named[provider.name] = number
        providers.append(provider)
    return tuple(providers)


def _provider(number: int, fields: dict[str, Given]) -> ProviderSettings:
    kind = _type(number, fields)
    bedrock = next((name for name in fields if name.startswith("BEDROCK_")), None)
    if bedrock and kind != "anthropic":
        where = fields[bedrock].source
        raise Invalid(f'{where}: BEDROCK_* fields are only supported with TYPE "anthropic", not "{kind}"')
    if bedrock:
        return _on_bedrock(number, fields, fields[bedrock].source)
    name = _name(number, fields, kind)
    default = CHATGPT_BASE_URL if (kind, name) == CHATGPT else DEFAULT_BASE_URLS[kind]
    base_url = fields.get("BASE_URL", Given(default, ""))
    stream_options = fields.get("STREAM_OPTIONS", Given("true", ""))
    if kind == "anthropic" and stream_options.source:
        raise Invalid(f'{stream_options.source}: it has no meaning for TYPE "anthropic"; remove it')
    keys, key_file = _keys(number, fields)
    if keys and is_byok_only(kind, name):
        where = next(fields[field].source for field in SECRET_FIELDS if field in fields)
        raise Invalid(f'{where}: KEY/KEYS are not supported for TYPE "{kind}" named "{name}": users bring their own')
    return ProviderSettings(
        type=kind,
        name=name,
        base_url=parsed(base_url, URL),
        keys=keys,
        refuses_stream_options=not parsed(stream_options, BOOL),
        models=_models(fields),
        dump_dir=parsed(fields.get("DUMP_DIR", Given("", "")), PATH),
        key_file=key_file,
        number=number,
    )


def _on_bedrock(number: int, fields: dict[str, Given], where: str) -> ProviderSettings:
    for name in ("KEY", "KEYS", "BASE_URL", "STREAM_OPTIONS"):
        if name in fields:
            raise Invalid(f"{fields[name].source}: {name} has no meaning beside BEDROCK_* fields; remove it")
    texts = {name: given.text for name, given in fields.items() if name in on_bedrock.FIELDS}
    try:
        settings = bedrock_settings(texts)
    except ValueError as problem:
        raise Invalid(f"{where}: {problem}") from None
    return ProviderSettings(
        type="anthropic",
        name=_name(number, fields, "anthropic"),
        base_url=settings.base_url,
        bedrock=settings,
        models=_models(fields),
        dump_dir=parsed(fields.get("DUMP_DIR", Given("", "")), PATH),
        number=number,
    )


def _models(fields: dict[str, Given]) -> tuple[str, ...]:
    given = fields.get("MODELS", Given("", ""))
    patterns = tuple(pattern.strip() for pattern in given.text.replace("\n", ",").split(",") if given.text)
    if "" in patterns:
        raise Invalid(f"{given.source}: a pattern is empty; remove the comma")
    for pattern in patterns:
        if _NO_MODEL.search(pattern):
            why = (
                "it holds quotes, a semicolon or white space; write names with commas between: gpt-5*,o3 (? is a blank)"
            )
            raise Invalid(f"{given.source}: {quoted(pattern)}: {why}")
        if "(?!)" in fnmatch.translate(pattern):  # an empty range
            raise Invalid(f"{given.source}: no model matches {quoted(pattern)}; write a range as [a-z]")
    return patterns


def _type(number: int, fields: dict[str, Given]) -> str:
    given = fields.get("TYPE")
    known = ", ".join(DEFAULT_BASE_URLS)
    if given is None:
        where = source_of(number, fields, "TYPE")
        raise Invalid(f"{where}: TYPE is required for provider {number}; expected {known}")
    if given.text not in DEFAULT_BASE_URLS:
        raise Invalid(f"{given.source}: unknown TYPE {quoted(given.text)}; expected {known}")
    return given.text


def _name(number: int, fields: dict[str, Given], kind: str) -> str:
    name = fields["NAME"].text if "NAME" in fields else kind
    where = source_of(number, fields, "NAME")
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise Invalid(
            f"{where}: invalid provider name {quoted(name)}: must contain only lowercase alphanumeric "
            f"characters and hyphens (single, between them), at most {LONGEST_NAME} in all"
        )
    if name in RESERVED_NAMES:
        raise Invalid(f'{where}: the provider name "{name}" is reserved for a route of the API; choose another')
    return name


def _keys(number: int, fields: dict[str, Given]) -> tuple[tuple[str, ...], str]:
    """The keys, and the file they came from. Files were read before: KEY and KEYS hold their content."""
    given = [name for name in SECRET_FIELDS if name in fields]
    if not given:
        return (), ""
    if len(given) > 1:
        where = source_of(number, fields, "KEYS")
        raise Invalid(f"{where}: KEY and KEYS are mutually exclusive; keep one of them")
    found = fields[given[0]]
    try:
        keys = keys_in(found.text)
    except ValueError as reason:
        raise Invalid(f"{found.source}: {reason}") from None
    for index, key in enumerate(keys):
        parsed(Given(key, f"{found.source}: key at index {index}"), SECRET)
    from_file = fields.get(f"{given[0]}_FILE")
    return keys, from_file.text if from_file else ""
