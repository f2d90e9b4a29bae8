"""All sources into one `Settings`: flag, else variable, else YAML, else default, option by option.

Nothing stops at the first mistake: `SettingsError` holds them all. `Resolved` keeps what it was made from: a
reload is `resolved.again()`, where the files are read again, flags and environment are as they were.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from coderai.config.config_file import config_document, read_stdin
from coderai.config.files import Files
from coderai.config.indexed import YAML_PATH, indexed_providers
from coderai.config.option import Option
from coderai.config.problems import Report, SettingsError
from coderai.config.providers import ProviderSettings
from coderai.config.settings import OPTIONS, Settings
from coderai.config.single import read_key_files, single_providers
from coderai.config.sources import Flags, Found, Origin, from_environ, from_flags, from_yaml
from coderai.config.unknown import unknown_flags, unknown_variables
from coderai.config.yaml_file import Document

CONFIG = next(option for option in OPTIONS if option.name == "config")


@dataclass(frozen=True)
class Resolved:
    settings: Settings
    origins: Mapping[str, Origin]  # by attribute name
    warnings: list[str]
    indexed: tuple[ProviderSettings, ...]  # the part of settings.providers that is indexed
    flags: Flags = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    only: Collection[str] | None
    read_once: Mapping[str, bytes] = field(repr=False)  # what the files held that cannot be read again, by their paths

    def again(self) -> "Resolved":
        """What the same command would resolve to now; raises SettingsError."""
        return resolve(self.flags, self.environ, only=self.only, kept=self.read_once)


def resolve(
    flags: Flags,
    environ: Mapping[str, str],
    *,
    only: Collection[str] | None = None,
    stdin: Callable[[], bytes] = read_stdin,
    kept: Mapping[str, bytes] | None = None,
) -> Resolved:
    """`only` names the attributes that a command needs: the rest keeps its defaults and is not checked.

    `kept` is the `read_once` of what was resolved earlier: with it, this is a reload.
    """
    report = Report()
    files = Files(kept, report)
    path = _found(CONFIG, flags, environ, Document(), report)
    found = {CONFIG.name: path}
    document = config_document(path.value, path.origin.source, files, stdin, report)
    for option in OPTIONS:
        if option.name not in found and (only is None or option.name in only):
            found[option.name] = _found(option, flags, environ, document, report)
    origins: dict[str, Origin] = {}
    ours: tuple[ProviderSettings, ...] = ()
    if only is None:
        report.problems += document.problems
        report.meaningless += document.meaningless
        unknown_flags(flags, report)
        unknown_variables(environ, report)
        _check_together(found, report)
        ours, origins["providers"] = indexed_providers(environ, document.leaves.get(YAML_PATH, []), files, report)
    _check_database(found, report)
    found |= read_key_files(found, files, report)
    legacy = single_providers(found, ours, report)
    if report.problems:
        raise SettingsError(report.problems)
    return Resolved(
        settings=Settings(providers=(*legacy, *ours), **{name: one.value for name, one in found.items()}),
        origins=origins | {name: one.origin for name, one in found.items()},
        warnings=report.all_warnings(),
        indexed=ours,
        flags=flags,
        environ=dict(environ),
        only=only,
        read_once=files.once,
    )


def _has_file(option: Option) -> bool:
    return any(other.name == f"{option.name}_file" for other in OPTIONS)


def _found(option: Option, flags: Flags, environ: Mapping[str, str], document: Document, report: Report) -> Found:
    # Every source is read even if an earlier one wins: what is wrong in a file is told in any case.
    flag = from_flags(option, flags, report)
    variable = from_environ(option, environ, report)
    key = from_yaml(option, document, report)
    if flag and option.secret and flag.value:
        report.warnings.append(
            f"{flag.origin.source}: other users of this machine can see a secret given as a flag; "
            f"use {option.variables[0]}{f' or {option.variables[0]}_FILE' if _has_file(option) else ''}"
        )
    return flag or variable or key or _default(option, report)


def _default(option: Option, report: Report) -> Found:
    try:
        return Found(option.default_value, Origin("default"))
    except ValueError as reason:
        report.problems.append(f"--{option.flag}: {reason}")
        return Found(option.default, Origin("default"))


def _check_database(found: Mapping[str, Found], report: Report) -> None:
    path, url = found.get("sqlite_path"), found.get("postgres_url")
    if path is not None and not path.value and not (url and url.value):
        where = path.origin.source or "--sqlite-path"
        report.problems.append(f"{where}: there is no home folder for it; give a path, or set HOME")


def _check_together(found: Mapping[str, Found], report: Report) -> None:
    if not any(found[name].value for name in ("log_human", "log_json", "log_stackdriver")):
        report.problems.append("--log-human: no log is left; give a path to it, --log-json or --log-stackdriver")
    certificates, keys = found["tls_cert_file"].value, found["tls_key_file"].value
    if found["tls_enable"].value:
        for name, files in (("--tls-cert-file", certificates), ("--tls-key-file", keys)):
            if not files:
                report.problems.append(f"{name}: it is required by --tls-enable; give a PEM file")
        if certificates and keys and len(certificates) != len(keys):
            report.problems.append(
                f"--tls-cert-file: {len(certificates)} certificates and {len(keys)} keys (--tls-key-file); "
                "expected one key for each certificate"
            )
        if found["tls_address"].value == found["http_address"].value and found["tls_address"].value.port:
            report.problems.append(
                f"--tls-address: {found['tls_address'].value} is --http-address too; give each a port of its own"
            )
    elif certificates or keys:
        report.warnings.append("--tls-cert-file and --tls-key-file have no effect without --tls-enable")
    body, memory = found["aibridge_max_request_body"].value, found["aibridge_max_body_memory"].value
    if body.bytes > memory.bytes:
        report.problems.append(
            f"--aibridge-max-request-body: {body} is more than --aibridge-max-body-memory ({memory}); "
            "lower the one or raise the other"
        )
