"""The providers of the single-provider options: openai and anthropic, which are there even without a key."""

from collections.abc import Collection, Mapping

from coderai.config.bedrock import BedrockSettings, bedrock_settings
from coderai.config.files import Files
from coderai.config.problems import Report, quoted
from coderai.config.providers import DEFAULT_BASE_URLS, SINGLE, ProviderSettings
from coderai.config.secret_files import read_secret
from coderai.config.settings import OPTIONS
from coderai.config.sources import Found, Origin


def read_key_files(found: Mapping[str, Found], files: Files, report: Report) -> dict[str, Found]:
    """The single providers' keys that their files hold."""
    keys = {}
    for option in (option for option in OPTIONS if option.secret):
        file, key = found.get(f"{option.name}_file"), found.get(option.name)
        if file is None or key is None or not file.value:
            continue
        if key.value:
            report.problems.append(
                f"{key.origin.source} and {file.origin.source} both give the key; remove one of them"
            )
            continue
        text = read_secret(files, file.value, file.origin.source, report)
        try:
            keys[option.name] = Found(option.kind.parse(text), file.origin)
        except ValueError as reason:
            report.problems.append(
                f"{file.origin.source}: {quoted(file.value)}: {reason}; expected {option.kind.expected}"
            )
    return keys


def single_providers(
    found: Mapping[str, Found], ours: Collection[ProviderSettings], report: Report
) -> list[ProviderSettings]:
    """The openai and anthropic options, each a provider unless an indexed one has its name."""
    taken = {provider.name for provider in ours}
    legacy = []
    for name in SINGLE:
        options = [f"aibridge_{name}_{part}" for part in ("key", "base_url", "key_file")]
        key, base_url, key_file = (found.get(option, _default(option)) for option in options)
        on_bedrock = _bedrock(found, report) if name == "anthropic" else None
        if name not in taken and on_bedrock is not None:
            legacy.append(ProviderSettings(type=name, name=name, base_url=on_bedrock.base_url, bedrock=on_bedrock))
        elif name not in taken:
            legacy.append(
                ProviderSettings(
                    type=name,
                    name=name,
                    base_url=base_url.value,
                    keys=tuple(key.value.split(",")) if key.value else (),
                    key_file=key_file.value,
                )
            )
        if name not in taken:
            continue
        aws = [found[option] for option in _PLACES if option in found and name == "anthropic"]
        for one, default in ((key, ""), (base_url, DEFAULT_BASE_URLS[name]), *((option, "") for option in aws)):
            if one.value != default:
                report.problems.append(
                    f'legacy {one.origin.source} conflicts with indexed provider named "{name}"; '
                    "remove one or the other"
                )
    return legacy


_BEDROCK = ("base_url", "region", "access_key", "access_key_secret", "session_token", "model", "small_fast_model")
_PLACES = [f"aibridge_bedrock_{name}" for name in _BEDROCK if not name.endswith("model")]


def _bedrock(found: Mapping[str, Found], report: Report) -> BedrockSettings | None:
    """The provider `anthropic` is on Bedrock if one of these options says more than which model."""
    given = {name: found[option] for name in _BEDROCK if (option := f"aibridge_bedrock_{name}") in found}
    place = [found[option] for option in _PLACES if option in found and found[option].value]
    if not place:
        return None
    try:
        return bedrock_settings({f"BEDROCK_{name.upper()}": one.value for name, one in given.items()})
    except ValueError as problem:
        report.problems.append(f"{place[0].origin.source}: {problem}")
        return None


def _default(name: str) -> Found:
    option = next(option for option in OPTIONS if option.name == name)
    return Found(option.default_value, Origin("default"))
