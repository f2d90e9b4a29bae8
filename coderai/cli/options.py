"""The option table as Click options, and what a command gets of them.

    @main.command(cls=SettingsCommand)
    @settings_options()                       # all of them; or the names of the few that the command needs
    def server(resolved: Resolved) -> None: ...

Click parses the command line only; `resolve` finds each value and knows where it came from. Mistakes end the
command with exit code 2, one line each on stderr.
"""

import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from coderai.config import OPTIONS, Resolved, SettingsError, resolve
from coderai.config.coder import METRICS_AND_TRACING, REFUSED_FLAGS
from coderai.config.kinds import BOOL, DATABASE_PATH, PATH
from coderai.config.option import Option
from coderai.config.problems import begun
from coderai.config.settings import GROUPS

__all__ = ["Commands", "SettingsCommand", "SettingsOption", "resolved_or_exit", "settings_options"]

PREFIX = "setting_"  # of Click's parameter names, which then cannot meet a command's own
EXIT_BAD_SETTINGS = 2
NO_USE = {*METRICS_AND_TRACING, *REFUSED_FLAGS}  # Coder's flags that are parsed, to be warned of or refused
HELP_WIDTH = 110  # columns, where the terminal has them

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


class SettingsOption(click.Option):
    """An option of the table; `group` is its heading in --help."""

    def __init__(self, declarations: Sequence[str], *, group: str, **attributes: Any) -> None:
        self.group = group
        super().__init__(declarations, **attributes)


class _Command(click.Command):
    """A command that repeats nothing that may be a key or a password: `--postgres-url= …` has a blank too many, a list
    of keys may have blanks for commas.
    """

    allow_extra_args = True  # Click would show them whole

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        extra = super().parse_args(ctx, args)
        if extra and not ctx.resilient_parsing:
            shown = ", ".join(map(begun, extra))
            ctx.fail(f"not an option, nor one's value: {shown}; write --option=value, and lists with commas")
        return extra


class Commands(click.Group):
    """A group of such commands."""

    command_class = _Command


class SettingsCommand(_Command):
    """A command whose --help lists the table's options by group, after the command's own."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        attributes.setdefault("context_settings", {"max_content_width": HELP_WIDTH})
        super().__init__(*arguments, **attributes)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:  # nobody is sent to an option that would be refused
            names = [name for parameter in self.get_params(ctx) for name in parameter.opts]
            useful = [name for name in names if name.removeprefix("--") not in NO_USE]
            raise click.NoSuchOption(error.option_name, possibilities=useful, ctx=ctx) from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        sections |= {group.title: [] for group in GROUPS}
        for parameter in self.get_params(ctx):
            line = parameter.get_help_record(ctx)
            if line is not None:
                sections[getattr(parameter, "group", "Options")].append(line)
        for title, lines in sections.items():
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)


def settings_options(*names: str) -> Decorator:
    """Adds the options of these attributes of Settings (none: all) and --config, and passes `resolved`."""
    chosen = [option for option in OPTIONS if not names or option.name in (*names, "config")]

    def decorate(command: Command) -> Command:
        def with_settings(*arguments: Any, **parameters: Any) -> Any:
            given = {name: parameters.pop(name) for name in list(parameters) if name.startswith(PREFIX)}
            flags = {_flag(name): value for name, value in given.items() if value not in (None, ())}
            return command(*arguments, resolved=resolved_or_exit(flags, names), **parameters)

        decorated: Command = functools.update_wrapper(with_settings, command)
        declared = [parameter for option in chosen for parameter in _click_options(option)]
        declared += [] if names else _coders_own()
        for parameter in reversed(declared):
            decorated = parameter(decorated)
        return decorated

    return decorate


def resolved_or_exit(flags: dict[str, str | tuple[str, ...]], names: tuple[str, ...] = ()) -> Resolved:
    try:
        return resolve(flags, os.environ, only=names or None)
    except SettingsError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        sys.exit(EXIT_BAD_SETTINGS)


def show_warnings(resolved: Resolved) -> None:
    """On stderr: these commands have no log."""
    for warning in resolved.warnings:
        click.echo(f"Warning: {warning}", err=True)


def _parameter(flag: str) -> str:
    return PREFIX + flag.replace("-", "_")


def _flag(parameter: str) -> str:
    return parameter.removeprefix(PREFIX).replace("_", "-")


def _click_options(option: Option) -> list[Decorator]:
    """One for each spelling, so that two spellings with different values can both be named."""
    made: list[Decorator] = []
    for flag in option.flags:
        newer_name = flag != option.flag
        attributes = _attributes(option)
        short = [option.short] if option.short and not newer_name else []
        made.append(
            click.option(
                *short,
                f"--{flag}",
                _parameter(flag),
                cls=SettingsOption,
                group=option.group.title,
                hidden=newer_name,
                **attributes,
            )
        )
    return made


def _attributes(option: Option) -> dict[str, Any]:
    attributes: dict[str, Any] = {"metavar": option.kind.name.upper(), "help": _help(option)}
    attributes["type"] = (
        click.Path(readable=False) if option.kind in (PATH, DATABASE_PATH) else click.UNPROCESSED
    )  # Path: completed by shells; who reads the file says what to do if it cannot be read
    if option.kind is BOOL:
        attributes |= {"is_flag": False, "flag_value": "true", "metavar": "BOOL"}  # --x, --x=true, --x=false
    if option.kind.is_list:
        attributes |= {"multiple": True, "metavar": "LIST"}
    return attributes


def _help(option: Option) -> str:
    default = option.default_help or option.default
    notes = [f"default: {default}" if default else "", *option.variables[:1]]
    return f"{option.help} [{', '.join(filter(None, notes))}]" if any(notes) else option.help


def _coders_own() -> list[Decorator]:
    """Coder's options without effect here, which `resolve` warns of or refuses, in its own words."""
    return [
        click.option(
            f"--{flag}",
            _parameter(flag),
            is_flag=False,
            flag_value="true",
            hidden=True,
            type=click.UNPROCESSED,
        )
        for flag in NO_USE
    ]
