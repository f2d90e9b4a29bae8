"""What no option answers to: misspelt flags and variables, and those of Coder that have no effect here."""

from collections.abc import Iterable, Mapping

from coderai.config import coder
from coderai.config.indexed import is_indexed
from coderai.config.problems import Report, did_you_mean
from coderai.config.settings import OPTIONS

# The rest of CODER_ belongs to workspaces and their tools.
FAMILIES = ("CODER_AIBRIDGE_", "CODER_AI_GATEWAY_")


def unknown_flags(flags: Iterable[str], report: Report) -> None:
    """A command line was parsed before: this is for Coder's flags, and for who calls `resolve` directly."""
    known = {flag for option in OPTIONS for flag in option.flags}
    for flag in flags:
        if flag in coder.METRICS_AND_TRACING:
            report.meaningless.append(f"--{flag}")
        elif flag in coder.REFUSED_FLAGS:
            report.problems.append(f"--{flag}: this option of Coder is not supported by coderai; remove it")
        elif flag not in known:
            report.problems.append(f"--{flag}: unknown flag{did_you_mean(flag, known)}")


def unknown_variables(environ: Mapping[str, str], report: Report) -> None:
    known = {variable for option in OPTIONS for variable in option.variables}
    for variable in sorted(environ):
        if variable in coder.VARIABLES:
            report.meaningless += [variable] if environ[variable] else []
        elif variable.startswith(FAMILIES) and variable not in known and not is_indexed(variable):
            meant = did_you_mean(variable, known) or did_you_mean(variable, coder.VARIABLES)
            report.warnings.append(f"{variable}: unknown variable, ignored{meant}")
