"""The providers of the single-provider options: openai and anthropic, which are there even without a key."""

from collections.abc import Collection, Mapping

from coderai.config.bedrock import BedrockSettings, bedrock_settings
from coderai.config.files import Files
from coderai.config.problems import Report, quoted
from coderai.config.providers import SINGLE, ProviderSettings
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
    singles = []
    for name in SINGLE:
        on_bedrock = _bedrock(found, report) if name == "anthropic" else None
        if name in taken:
            _tell_conflicts(name, found, report)
        elif on_bedrock is not None:
            singles.append(ProviderSettings(type=name, name=name, base_url=on_bedrock.base_url, bedrock=on_bedrock))
        else:
            singles.append(_single(name, found))
    return singles


def _single(name: str, found: Mapping[str, Found]) -> ProviderSettings:
    key, base_url, key_file = (_of(f"aibridge_{name}_{part}", found) for part in ("key", "base_url", "key_file"))
    keys = tuple(key.value.split(",")) if key.value else ()
    return ProviderSettings(type=name, name=name, base_url=base_url.value, keys=keys, key_file=key_file.value)


def _tell_conflicts(name: str, found: Mapping[str, Found], report: Report) -> None:
    """What the options of a single provider say although an indexed one has its name."""
    options = [f"aibridge_{name}_key", f"aibridge_{name}_base_url"]
    if name == "anthropic":
        options += [f"aibridge_bedrock_{part}" for part in _BEDROCK]
    for option in options:
        if option not in found or found[option].value == _default(option).value:
            continue
        where = found[option].origin.source
        if option.endswith("_model"):
            report.warnings.append(f'{where} has no effect: an indexed provider is named "{name}"')
        else:
            report.problems.append(
                f'legacy {where} conflicts with indexed provider named "{name}"; remove one or the other'
            )


_BEDROCK = ("base_url", "region", "access_key", "access_key_secret", "session_token", "model", "small_fast_model")
_PLACES = [f"aibridge_bedrock_{name}" for name in _BEDROCK if not name.endswith("model")]


def _bedrock(found: Mapping[str, Found], report: Report) -> BedrockSettings | None:
    """The provider `anthropic` is on Bedrock if one of these options says more than which model."""
    given = {name: found[option] for name in _BEDROCK if (option := f"aibridge_bedrock_{name}") in found}
    place = [found[option] for option in _PLACES if option in found and found[option].value]
    if not place:
        return None
    if (key := _of("aibridge_anthropic_key", found)).value:
        report.warnings.append(
            f"{key.origin.source} has no effect beside {place[0].origin.source}, which puts anthropic on Bedrock"
        )
    try:
        return bedrock_settings({f"BEDROCK_{name.upper()}": one.value for name, one in given.items()})
    except ValueError as problem:
        report.problems.append(f"{place[0].origin.source}: {problem}")
        return None


def _of(name: str, found: Mapping[str, Found]) -> Found:
    return found[name] if name in found else _default(name)


def _default(name: str) -> Found:
    option = next(option for option in OPTIONS if option.name == name)
    return Found(option.default_value, Origin("default"))
