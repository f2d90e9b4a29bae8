"""Numbers of bytes as people write them: `500000`, `256MB` (decimal) or `1GiB` (binary), in any case.

Units: https://www.nist.gov/pml/special-publication-811/nist-guide-si-chapter-4 and IEC 80000-13.
"""

import re
from dataclasses import dataclass, field

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
LARGEST = 2**63 - 1  # what a signed 64-bit counter holds


@dataclass(frozen=True)
class Size:
    """`Size("256MB")`: a number of bytes, above 0. It keeps the text it was written as. Raises ValueError."""

    text: str = field(compare=False)
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bytes", _bytes(self.text))

    def __str__(self) -> str:
        return self.text


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d{1,19}) ?([a-z]*)", text, re.ASCII | re.IGNORECASE)
    unit = UNITS.get((match[2] or "B").upper()) if match else None
    if match is None or unit is None:
        raise ValueError("it is not a size")
    count = int(match[1]) * unit
    if not 0 < count <= LARGEST:
        raise ValueError("it must be above 0 and below 2^63 bytes")
    return count
