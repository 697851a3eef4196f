# SPDX-License-Identifier: Apache-2.0
"""What a program or plugin that is built already relies on, read from the headers and the library.

A list maps names to what is promised of them: {"vac_arg.value": "at 8: uint64_t"}. The compiler
reads the headers, so what is new in them is in the lists without being named here.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

AbiList = dict[str, str]

# Freestanding: the fixed-width types come from the compiler and are the same with every libc.
COMPILER = ("gcc", "-std=c11", "-ffreestanding")
SYSTEM_INCLUDE = re.compile(r"^\s*#\s*include\s*<((?!vac/)[^>]+)>", re.MULTILINE)
DIE = re.compile(r"^ <(\d+)><([0-9a-f]+)>: Abbrev Number: \d+ \((DW_TAG_\w+)\)")
ATTRIBUTE = re.compile(r"^\s+<[0-9a-f]+>\s+(DW_AT_\w+)\s*:\s*(.*)$")
FORM = re.compile(r"^(?:\([^)]*\)\s*:?\s*)+")  # readelf tells it before most values
REFERENCE = re.compile(r"<0x([0-9a-f]+)>")
PROTOTYPE = re.compile(r"^/\* (?P<file>[^:]+):\d+:\w+ \*/ extern (?P<text>.*);")
DECLARATOR = re.compile(r"\b(\w+) \((?=[^(]*\)$)")


class AbiError(Exception):
    """The headers or the library cannot be read; the text says why."""


@dataclass
class Die:
    """An entry of the debugging information."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Die] = field(default_factory=list)

    def text(self, attribute: str) -> str:
        return FORM.sub("", self.attributes.get(attribute, "")).strip()

    def number(self, attribute: str) -> int:
        words = self.text(attribute).split()
        if not words:
            name = self.text("DW_AT_name") or self.tag
            raise AbiError(f"'{name}' has no {attribute}: public structs have plain members alone")
        return int(words[0], 0)


def run(*command: str | Path) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    except OSError as error:
        raise AbiError(f"{command[0]}: {error.strerror}: install it") from error
    if done.returncode != 0:
        raise AbiError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


class Types:
    """The types that a source declares."""

    def __init__(self, listing: str) -> None:
        self.top: list[Die] = []
        self._by_offset: dict[str, Die] = {}
        parents: list[Die] = []
        for line in listing.splitlines():
            if found := DIE.match(line):
                die = Die(found.group(3))
                del parents[int(found.group(1)) :]
                (parents[-1].children if parents else self.top).append(die)
                self._by_offset[found.group(2)] = die
                parents.append(die)
            elif parents and (found := ATTRIBUTE.match(line)):
                parents[-1].attributes[found.group(1)] = found.group(2)
        self.top = [child for unit in self.top for child in unit.children]

    def _target(self, die: Die) -> Die | None:
        found = REFERENCE.search(die.attributes.get("DW_AT_type", ""))
        return self._by_offset[found.group(1)] if found else None

    def type_of(self, die: Die) -> str:
        """As C writes it: "const struct vac_call *"."""
        target = self._target(die)
        return "void" if target is None else self._spelled(target)

    def _spelled(self, die: Die) -> str:
        inner = self._target(die)
        if die.tag == "DW_TAG_pointer_type":
            if inner is not None and inner.tag == "DW_TAG_subroutine_type":
                return self._signature(inner)
            text = self.type_of(die)
            return text + ("*" if text.endswith("*") else " *")
        if die.tag == "DW_TAG_const_type":
            pointer = inner is not None and inner.tag == "DW_TAG_pointer_type"
            return self.type_of(die) + "const" if pointer else "const " + self.type_of(die)
        if die.tag == "DW_TAG_array_type":
            return f"{self.type_of(die)}[{die.children[0].number('DW_AT_upper_bound') + 1}]"
        kinds = {"DW_TAG_structure_type": "struct ", "DW_TAG_union_type": "union "}
        kinds |= {"DW_TAG_enumeration_type": "enum "}
        return kinds.get(die.tag, "") + die.text("DW_AT_name")

    def _signature(self, die: Die) -> str:
        parameters = [self.type_of(child) for child in die.children]
        return f"{self.type_of(die)} (*)({', '.join(parameters) or 'void'})"

    def nameless(self) -> int:
        kinds = ("DW_TAG_structure_type", "DW_TAG_union_type")
        return sum(die.tag in kinds and not die.text("DW_AT_name") for die in self.top)

    def layout(self) -> AbiList:
        entries: AbiList = {}
        for die in self.top:
            name = die.text("DW_AT_name")
            if die.tag in ("DW_TAG_structure_type", "DW_TAG_union_type"):
                entries |= self._members(die, self._spelled(die))
            elif die.tag == "DW_TAG_enumeration_type":
                entries[self._spelled(die)] = f"{die.number('DW_AT_byte_size')} bytes"
                for value in die.children:
                    entries[value.text("DW_AT_name")] = value.text("DW_AT_const_value")
            elif die.tag == "DW_TAG_typedef":
                entries[f"typedef {name}"] = self.type_of(die)
        return entries

    def _members(self, die: Die, title: str) -> AbiList:
        if "DW_AT_declaration" in die.attributes:
            return {title: "opaque"}
        entries = {title: f"{die.number('DW_AT_byte_size')} bytes"}
        for member in die.children:
            offset = member.number("DW_AT_data_member_location") if title[0] == "s" else 0
            name = f"{die.text('DW_AT_name')}.{member.text('DW_AT_name')}"
            entries[name] = f"at {offset}: {self.type_of(member)}"
        return entries


def macros(source: Path, include: str) -> AbiList:
    entries = {}
    for line in sorted(run(*COMPILER, include, "-dM", "-E", source).splitlines()):
        name, _, value = line.removeprefix("#define ").partition(" ")
        if "(" in name:
            name, value = name.partition("(")[0] + "()", "a list"
        if value:  # an include guard has none
            entries[name] = " ".join(value.split())
    return entries


def compiled(source: Path, include: str) -> tuple[Types, AbiList, str]:
    """What a source declares: types, their layout with the macros, and gcc's list of functions."""
    object_file, functions = source.with_suffix(".o"), source.with_suffix(".functions")
    debug = ("-gdwarf-5", "-fno-eliminate-unused-debug-types", "-aux-info", str(functions))
    run(*COMPILER, include, *debug, "-c", source, "-o", object_file)
    types = Types(run("readelf", "--wide", "--debug-dump=info", object_file))
    return types, types.layout() | macros(source, include), functions.read_text()


def interface_of_headers(include: Path) -> tuple[AbiList, AbiList]:
    """Layout and functions of include/vac/*.h: what they add to the system's headers."""
    headers = sorted((include / "vac").glob("*.h"))
    if not headers:
        raise AbiError(f"{include}/vac: no header is there")
    system = sorted({name for path in headers for name in SYSTEM_INCLUDE.findall(path.read_text())})
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.c", Path(folder) / "theirs.c"
        ours.write_text("".join(f"#include <vac/{path.name}>\n" for path in headers))
        theirs.write_text("".join(f"#include <{name}>\n" for name in system))
        their_types, known, _ = compiled(theirs, f"-I{include}")
        types, layout, listing = compiled(ours, f"-I{include}")
    if types.nameless() != their_types.nameless():
        raise AbiError(f"{include}/vac: a struct or union has no name: give it one")
    functions = {}
    for line in listing.splitlines():
        found = PROTOTYPE.match(line)
        if found and Path(found.group("file")).is_relative_to(include):
            text = found.group("text")
            if name := DECLARATOR.search(text):
                functions[name.group(1)] = DECLARATOR.sub("(", text)
    return {name: value for name, value in layout.items() if name not in known}, functions


def symbols_of_library(library: Path) -> AbiList:
    """The dynamic symbols that it defines, with their versions."""
    symbols = {}
    for line in run("readelf", "--wide", "--dyn-syms", library).splitlines():
        words = line.split()
        if len(words) < 8 or not words[0].rstrip(":").isdigit() or words[6] in ("UND", "ABS"):
            continue
        name, _, version = words[7].partition("@")
        symbols[name] = f"{words[3]} {version.lstrip('@')}".strip()
    return dict(sorted(symbols.items()))


def needed_by_library(library: Path) -> list[str]:
    listing = run("readelf", "--wide", "--dynamic", library)
    return re.findall(r"\(NEEDED\)\s+Shared library: \[([^]]+)\]", listing)
