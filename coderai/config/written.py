"""The settings written as YAML: `--write-config`, and the sample file config/coderai.yaml.

What is written is read back to the same settings, secrets apart: they have no key in YAML, and are left out.
Durations and sizes stay as they were given.
"""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from coderai.config.indexed import YAML_PATH
from coderai.config.option import Option
from coderai.config.providers import ProviderSettings
from coderai.config.resolve import Resolved
from coderai.config.settings import OPTIONS, Settings

COMMENT_WIDTH = 80  # columns, as Coder wraps them
UNBROKEN = 2**31  # columns: a value stays on its line


def write_config(resolved: Resolved) -> str:
    """The effective settings."""
    return _written(_plain(resolved.settings), resolved.indexed)


def sample() -> str:
    """The defaults; those that depend on the machine are left empty, which stands for the same."""
    return _written(_plain(Settings()) | {one.name: one.default for one in OPTIONS if one.default_help}, ())


def _plain(settings: Settings) -> dict[str, Any]:
    return {option.name: option.plain(getattr(settings, option.name)) for option in OPTIONS}


def _written(values: Mapping[str, Any], indexed: Iterable[ProviderSettings]) -> str:
    tree: dict[str, Any] = {}
    for option in OPTIONS:
        if option.yaml and not option.secret:
            *groups, key = option.yaml.split(".")
            branch = tree
            for group in groups:
                branch = branch.setdefault(group, {})
            branch[key] = _entry(option, key, values[option.name])
    group, key = YAML_PATH.split(".")
    tree[group][key] = _providers(key, indexed)
    return "".join(_lines(tree, ""))


def _lines(tree: Mapping[str, Any], indent: str) -> Iterable[str]:
    for key, below in tree.items():
        if isinstance(below, dict):
            yield f"{indent}{key}:\n"
            yield from _lines(below, indent + "  ")
        else:
            yield textwrap.indent(below, indent)


def _entry(option: Option, key: str, value: Any) -> str:
    default = option.default_help or option.default or "none"
    comment = f"{option.help} Default: {default}. Type: {option.kind.name}."
    return f"{_comment(comment)}{key}: {_on_one_line(value)}\n"


def _providers(key: str, indexed: Iterable[ProviderSettings]) -> str:
    comment = _comment(
        "Further providers, each with a route of its own, /api/v2/aibridge/NAME/. Item N takes its key from "
        "CODER_AIBRIDGE_PROVIDER_N_KEY, or from key_file."
    )
    items = [provider_fields(provider) for provider in indexed]
    if not items:
        return f"{comment}{key}: []\n"
    return f"{comment}{key}:\n" + "".join(f"- {_on_one_line(item)}\n" for item in items)


def provider_fields(provider: ProviderSettings) -> dict[str, Any]:
    """As in YAML, without its secrets; what is as by default is left out."""
    item: dict[str, Any] = {"type": provider.type, "name": provider.name}
    if (aws := provider.bedrock) is None:
        item["base_url"] = provider.base_url
    else:
        item |= {"bedrock_base_url": aws.base_url, "bedrock_region": aws.region}
        item |= {"bedrock_model": aws.model, "bedrock_small_fast_model": aws.small_fast_model}
    if provider.key_file:
        item["key_file"] = provider.key_file
    if provider.refuses_stream_options:
        item["stream_options"] = False
    if provider.dump_dir:
        item["dump_dir"] = provider.dump_dir
    if provider.models:
        item["models"] = list(provider.models)
    return item


def _comment(text: str) -> str:
    return (
        textwrap.fill(
            text,
            COMMENT_WIDTH,
            initial_indent="# ",
            subsequent_indent="# ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
    )


def _on_one_line(value: Any) -> str:
    texts = value if isinstance(value, list) else [value]
    escaped = any(isinstance(text, str) and not text.isprintable() for text in texts)  # YAML folds line breaks
    text = yaml.safe_dump(
        value,
        default_style='"' if escaped else None,
        default_flow_style=True,
        allow_unicode=True,
        width=UNBROKEN,
        sort_keys=False,
    )
    return text.removesuffix("\n").removesuffix("\n...")
