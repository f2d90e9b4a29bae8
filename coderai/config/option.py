"""One option: what is declared of it, and the names that follow from that.

`option()` is written as the default of an attribute of `Settings`; to the type checker it is a value of the
attribute's type, in truth it is a dataclass field that carries an `Option`. Flag and variable follow from the
attribute's name (`aibridge_retention`: `--aibridge-retention`, `CODER_AIBRIDGE_RETENTION`) unless overridden.
Whatever begins with `aibridge` is also known by the newer name `ai-gateway`, `AI_GATEWAY`, `ai_gateway`.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

from coderai.config.kinds import Kind

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    title: str
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class Option:
    name: str = ""  # the attribute's
    kind: Kind[Any]
    default: str  # in text form
    help: str
    group: Group
    yaml: str | None = None  # dotted path; None: not in YAML
    older_yaml: tuple[str, ...] = ()  # other paths that are read, never written
    env: str | None = None  # overrides the regular name; "": no variable
    short: str = ""  # "-c"
    other_flags: tuple[str, ...] = ()  # further spellings, without the dashes
    default_help: str = ""  # said in place of the default, where that depends on the machine
    secret: bool = False
    live: bool = False  # a reload (SIGHUP) applies it; otherwise it takes a restart

    @property
    def flag(self) -> str:
        """Without the dashes in front."""
        return self.name.replace("_", "-")

    @property
    def flags(self) -> tuple[str, ...]:
        names = (self.flag, *self.other_flags)
        return tuple(flag for name in names for flag in _with_newer_name(name, "aibridge-", "ai-gateway-"))

    @property
    def variables(self) -> tuple[str, ...]:
        variable = f"CODER_{self.name.upper()}" if self.env is None else self.env
        return _with_newer_name(variable, "CODER_AIBRIDGE_", "CODER_AI_GATEWAY_") if variable else ()

    @property
    def yaml_paths(self) -> tuple[str, ...]:
        """As `yaml_file` canonicalises them: below `aibridge`, never `ai_gateway`."""
        return (self.yaml, *self.older_yaml) if self.yaml else ()

    @property
    def default_value(self) -> Any:
        return self.kind.parse(self.default)

    def plain(self, value: Any, *, mask: bool = True) -> Any:
        """The value as JSON and YAML have it; of a secret, only whether there is one."""
        if self.secret and mask:
            return "********" if value else ""
        return self.kind.plain(value)


def _with_newer_name(name: str, old: str, new: str) -> tuple[str, ...]:
    return (name, new + name.removeprefix(old)) if name.startswith(old) else (name,)


def option(kind: Kind[T], default: str, **declared: Any) -> T:
    """See the module's docstring; `declared` are the fields of `Option`."""
    declaration = Option(kind=kind, default=default, **declared)
    return dataclasses.field(
        default_factory=lambda: kind.parse(default),
        metadata={Option: declaration},
        repr=not declaration.secret,
    )


def options_of(settings: type[Any]) -> tuple[Option, ...]:
    """The table that a Settings class is, in its order."""
    declared = ((field.name, field.metadata.get(Option)) for field in dataclasses.fields(settings))
    return tuple(dataclasses.replace(one, name=name) for name, one in declared if one is not None)
