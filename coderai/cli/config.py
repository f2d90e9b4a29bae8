"""`coderai config show`: each effective setting, and where it came from."""

from typing import Any

import click
import orjson

from coderai.cli.options import Commands, SettingsCommand, settings_options, show_warnings
from coderai.config import OPTIONS, ProviderSettings, Resolved
from coderai.config.indexed import YAML_PATH
from coderai.config.sources import Origin
from coderai.config.written import provider_fields
from coderai.meaning import spool_folder

MASK = "********"
PROVIDERS = YAML_PATH.replace(".", "-")  # the one setting that is not an option


@click.group(cls=Commands)
def config() -> None:
    """Look at the settings."""


@config.command(cls=SettingsCommand, short_help="Print each setting that holds, and where it came from.")
@click.option("--origin", is_flag=True, help="Say where each value came from.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, keyed by flag.")
@settings_options()
def show(resolved: Resolved, origin: bool, as_json: bool) -> None:
    """Print the effective settings of the options and environment given, secrets masked."""
    show_warnings(resolved)
    settings = shown(resolved)
    if as_json:
        click.echo(orjson.dumps(settings, option=orjson.OPT_INDENT_2))
        return
    width = max(map(len, settings))
    for name, entry in settings.items():
        line = f"{name:{width}}  {_text(entry['value'])}"
        click.echo(f"{line}  ({_where(entry)})" if origin else line.rstrip())


def shown(resolved: Resolved) -> dict[str, dict[str, Any]]:
    """Value, origin and source by flag; then the indexed providers, if there are any."""
    entries = {
        option.flag: _entry(option.plain(getattr(resolved.settings, option.name)), resolved.origins[option.name])
        for option in OPTIONS
    }
    entries["spool-dir"]["value"] = str(spool_folder(resolved.settings))  # unset, it follows from the database's path
    if resolved.indexed:
        value = [{**provider_fields(provider), "keys": _masked(provider)} for provider in resolved.indexed]
        entries[PROVIDERS] = _entry(value, resolved.origins["providers"])
    return entries


def _masked(provider: ProviderSettings) -> list[str]:
    on_aws = provider.bedrock
    return [MASK for _ in (on_aws.access_keys if on_aws else provider.keys)]


def _entry(value: Any, origin: Origin) -> dict[str, Any]:
    return {"value": value, "origin": origin.kind, "source": origin.source}


def _text(value: Any) -> str:
    if isinstance(value, str) and value.isprintable():
        return value or '""'
    return orjson.dumps(value).decode()


def _where(entry: dict[str, Any]) -> str:
    return f"{entry['origin']}: {entry['source']}" if entry["source"] else str(entry["origin"])
