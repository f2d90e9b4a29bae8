"""Coverage-guided fuzzing of the taps and formats: `make fuzz` (atheris, https://github.com/google/atheris)."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["coderai"]):
    from tests.fuzz.taps import CODINGS, FORMATS, check_all

SEEDS = Path(__file__).parents[1] / "recordings"


def one(data: bytes) -> None:
    provider = atheris.FuzzedDataProvider(data)
    format = FORMATS[provider.ConsumeIntInRange(0, len(FORMATS) - 1)]
    coding = CODINGS[provider.ConsumeIntInRange(0, len(CODINGS) - 1)]
    sizes = [provider.ConsumeIntInRange(1, 200) for _ in range(3)]
    check_all(format, coding, provider.ConsumeBytes(provider.remaining_bytes()), sizes)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as found:  # what the fuzzer finds goes to its first folder
        atheris.Setup([*sys.argv, found, *(str(folder) for folder in SEEDS.iterdir())], one)
        atheris.Fuzz()
