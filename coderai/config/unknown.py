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
    # Named as all others are after their flags: --postgres-url is CODER_PG_CONNECTION_URL.
    after_flags = {f"CODER_{flag.replace('-', '_').upper()}": option for option in OPTIONS for flag in option.flags}
    for variable in sorted(environ):
        ours = variable.replace("CODERAI_", "CODER_", 1)  # named after the program
        if variable in coder.VARIABLES:
            report.meaningless += [variable] if environ[variable] else []
        elif variable in known or is_indexed(variable):
            continue
        elif ours in known or is_indexed(ours):
            report.warnings.append(f"{variable}: unknown variable, ignored; did you mean {ours}?")
        elif ours in after_flags and (right := after_flags[ours].variables):
            report.warnings.append(f"{variable}: unknown variable, ignored; did you mean {right[0]}?")
        elif not variable.startswith("CODER_"):
            continue
        elif variable.startswith(FAMILIES):
            meant = did_you_mean(variable, known) or did_you_mean(variable, coder.VARIABLES)
            report.warnings.append(f"{variable}: unknown variable, ignored{meant}")
        elif meant := did_you_mean(variable, known, ALL_BUT_ITS_NAME):
            report.warnings.append(f"{variable}: unknown variable, ignored{meant}")
