# SPDX-License-Identifier: Apache-2.0
"""include/vac/error_codes.h, from src/base/error_codes.inc."""

import re
from dataclasses import dataclass
from pathlib import Path

from .model import OpgenError
from .text import cpp_head

_LINE = re.compile(r'VAC_ERROR\((E[A-Z0-9]+), (\d+), ([a-z][a-z0-9_]*), "([^"\\]+)"\)')


@dataclass(frozen=True)
class ErrorCode:
    name: str
    value: int
    enumerator: str
    text: str


def load_error_codes(file: Path) -> list[ErrorCode]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise OpgenError(f"{file}: {error.strerror}") from None
    codes: list[ErrorCode] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("//"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise OpgenError(
                f'{file}:{number}: is not of the form VAC_ERROR(NAME, value, enumerator, "text")'
            )
        code = ErrorCode(match[1], int(match[2]), match[3], match[4])
        for other in codes:
            if (
                code.name == other.name
                or code.value == other.value
                or code.enumerator == other.enumerator
            ):
                raise OpgenError(
                    f"{file}:{number}: {code.name} repeats the name, value or enumerator "
                    f"of {other.name}"
                )
        codes.append(code)
    if not codes:
        raise OpgenError(f"{file}: no VAC_ERROR line in it")
    return codes


def error_codes_h(codes: list[ErrorCode]) -> str:
    out = [cpp_head("src/base/error_codes.inc")]
    out.append("#ifndef VAC_ERROR_CODES_H\n#define VAC_ERROR_CODES_H\n")
    out.append(
        "/* Values are those of Linux asm-generic errno on every machine. */\n"
        "enum vac_error_code {\n  VAC_OK = 0,"
    )
    out.extend(f"  VAC_{code.name} = {code.value}, /* {code.text} */" for code in codes)
    out.append(
        "};\n\n/* X(name, value, enumerator, text) for each code but VAC_OK. */\n"
        "#define VAC_ERROR_CODES(X) \\"
    )
    out.append(
        " \\\n".join(
            f'  X({code.name}, {code.value}, {code.enumerator}, "{code.text}")' for code in codes
        )
    )
    out.append("\n#endif\n")
    return "\n".join(out)
