"""One option looked up in one source: flags, environment, or YAML.

Each returns what was found there, None if nothing, and tells `Report` what is wrong with it. Given under
two names that disagree, an option is wrong, and both are named.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from coderai.config.kinds import DATABASE_PATH, PATH, check_path_of_a_variable
from coderai.config.option import Option
from coderai.config.problems import Report, quoted, sounds_secret
from coderai.config.yaml_file import Document, shown, text_of

# By the flag's name without dashes in front, only those given; a repeatable flag has all its texts.
Flags = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Origin:
    kind: Literal["flag", "environment", "yaml", "default"]
    source: str = ""  # the flag, the variable, or file:line


@dataclass(frozen=True)
class Found:
    value: Any
    origin: Origin


def from_flags(option: Option, flags: Flags, report: Report) -> Found | None:
    found = []
    for flag in option.flags:
        if flag in flags:
            given = flags[flag]
            text = given if isinstance(given, str) else ",".join(given)
            found.append(_parsed(option, Origin("flag", f"--{flag}"), f"--{flag}", text, report))
    return _agreed(found, report)


def from_environ(option: Option, environ: Mapping[str, str], report: Report) -> Found | None:
    found = []
    for variable in option.variables:
        text = environ.get(variable)
        if text or (text is not None and option.kind.empty_is_value):
            found.append(_parsed(option, Origin("environment", variable), variable, text, report))
    return _agreed(found, report)


def from_yaml(option: Option, document: Document, report: Report) -> Found | None:
    found = []
    for leaf in (leaf for path in option.yaml_paths for leaf in document.leaves.get(path, ())):
        where = f"{leaf.where}: {leaf.path}"
        try:
            text = text_of(leaf, option.kind)
        except ValueError as reason:
            report.problems.append(_complaint(option, where, shown(leaf), reason))
            continue
        if text is not None:
            found.append(_parsed(option, Origin("yaml", leaf.where), where, text, report))
    return _agreed(found, report)


Named = tuple[str, Found]  # under which name it was found there


def _parsed(option: Option, origin: Origin, where: str, text: str, report: Report) -> Named | None:
    try:
        # A key's file is read at once, and may be the key itself, which no message shows.
        if origin.kind == "environment" and option.kind in (PATH, DATABASE_PATH) and not sounds_secret(option.name):
            check_path_of_a_variable(text)
        return where, Found(option.kind.parse(text), origin)
    except ValueError as reason:
        report.problems.append(_complaint(option, where, quoted(text, secret=option.secret), reason))
        return None


def _complaint(option: Option, where: str, value: str, reason: ValueError) -> str:
    return ": ".join(filter(None, (where, value, f"{reason}; expected {option.kind.expected}")))


def _agreed(candidates: Iterable[Named | None], report: Report) -> Found | None:
    found = [candidate for candidate in candidates if candidate is not None]
    if not found:
        return None
    name, first = found[0]
    for other_name, other in found[1:]:
        if other.value != first.value:
            report.problems.append(f"{name} and {other_name} are the same setting and differ; remove one of them")
    return first
