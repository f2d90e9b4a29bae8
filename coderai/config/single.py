"""The providers of the single-provider options: openai and anthropic, which are there even without a key."""

from collections.abc import Collection, Mapping

from coderai.config.problems import Report, quoted
from coderai.config.providers import DEFAULT_BASE_URLS, SINGLE, ProviderSettings
from coderai.config.secret_files import read_secret
from coderai.config.settings import OPTIONS
from coderai.config.sources import Found, Origin


def read_key_files(found: Mapping[str, Found], report: Report) -> dict[str, Found]:
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
        text = read_secret(file.value, file.origin.source, report)
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
        if name not in taken:
            legacy.append(
                ProviderSettings(
                    type=name,
                    name=name,
                    base_url=base_url.value,
                    keys=(key.value,) if key.value else (),
                    key_file=key_file.value,
                )
            )
            continue
        for one, default in ((key, ""), (base_url, DEFAULT_BASE_URLS[name])):
            if one.value != default:
                report.problems.append(
                    f'legacy {one.origin.source} conflicts with indexed provider named "{name}"; '
                    "remove one or the other"
                )
    return legacy


def _default(name: str) -> Found:
    option = next(option for option in OPTIONS if option.name == name)
    return Found(option.default_value, Origin("default"))
