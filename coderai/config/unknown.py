"""What no option answers to: misspelt flags and variables, and those of Coder that have no effect here."""

from collections.abc import Iterable, Mapping

from coderai.config import coder
from coderai.config.indexed import is_indexed
from coderai.config.problems import Report, did_you_mean
from coderai.config.provider_fields import FIELDS
from coderai.config.settings import OPTIONS

# The rest of CODER_ belongs to workspaces and their tools as well: there a mistake is only what is an option's name but
# for a letter or two.
FAMILIES = ("CODER_AIBRIDGE_", "CODER_AI_GATEWAY_")
ALL_BUT_ITS_NAME = 0.9


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
    known |= {f"CODER_AIBRIDGE_PROVIDER_0_{field}" for field in FIELDS}
    for variable in sorted(environ):
        if variable in coder.VARIABLES:
            report.meaningless += [variable] if environ[variable] else []
        elif variable in known or is_indexed(variable) or not variable.startswith("CODER_"):
            continue
        elif variable.startswith(FAMILIES):
            meant = did_you_mean(variable, known) or did_you_mean(variable, coder.VARIABLES)
            report.warnings.append(f"{variable}: unknown variable, ignored{meant}")
        elif meant := did_you_mean(variable, known, ALL_BUT_ITS_NAME):
            report.warnings.append(f"{variable}: unknown variable, ignored{meant}")
