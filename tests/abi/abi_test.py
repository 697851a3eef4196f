#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check-abi finds what it is there for: each test changes a copy of the headers or of the lists.

abi_test.py LIBRARY [TEST...]
"""

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/dev/lib/libvac.so.1")
LISTS = ("symbols.txt", "functions.txt", "layout-lp64.txt")


class AbiTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.include = self.root / "include"
        shutil.copytree(ROOT / "include", self.include)
        for name in LISTS:
            shutil.copy(ROOT / "tests/abi" / name, self.root)

    def run_check_abi(self, *options: str | Path) -> tuple[int, str]:
        command = [str(ROOT / "tools/check-abi"), *map(str, options)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def check(self, *options: str, library: Path = LIBRARY) -> tuple[int, str]:
        places = ("--library", library, "--include", self.include, "--lists", self.root)
        return self.run_check_abi("--sanitized", *places, *options)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        self.assertEqual(text.count(old), 1, f"{name}: {old}")
        path.write_text(text.replace(old, new), encoding="utf-8")

    def header(self, name: str, old: str, new: str) -> None:
        self.edit(f"include/vac/{name}", old, new)

    def expect_break(self, *parts: str) -> None:
        status, output = self.check()
        self.assertEqual(status, 1, output)
        self.assertIn("breaks what is built already: ", output)
        for part in parts:
            self.assertIn(part, output)
        status, output = self.check("--accept")
        self.assertEqual(status, 1, "--accept takes additions alone: " + output)

    def expect_addition(self, *parts: str) -> None:
        status, output = self.check()
        self.assertEqual(status, 1, output)
        self.assertNotIn("breaks", output)
        for part in (*parts, "addition: ", "tools/check-abi --library FILE --accept\n"):
            self.assertIn(part, output)
        self.assertEqual(self.check("--accept"), (0, ""))
        self.assertEqual(self.check(), (0, ""))

    def test_copies_are_as_listed(self) -> None:
        self.assertEqual(self.check(), (0, ""))

    def test_symbol_that_is_gone(self) -> None:
        self.edit("symbols.txt", "vac_noop:", "vac_gone: FUNC VAC_1\nvac_noop:")
        self.expect_break("symbols.txt: 'vac_gone' is gone, it was: FUNC VAC_1")

    def test_symbol_of_another_version(self) -> None:
        self.edit("symbols.txt", "vac_noop: FUNC VAC_1", "vac_noop: FUNC VAC_2")
        self.expect_break("'vac_noop' was: FUNC VAC_2; it is: FUNC VAC_1")

    def test_function_that_is_new(self) -> None:
        self.edit("symbols.txt", "vac_noop: FUNC VAC_1\n", "")
        line = "vac_noop: int (vac_session *, const void *, size_t)\n"
        self.edit("functions.txt", line, "")
        self.expect_addition("symbols.txt: 'vac_noop' is new", "functions.txt: 'vac_noop' is new")

    def test_function_that_is_not_exported(self) -> None:
        line = "VAC_API const char* vac_version(void);"
        self.header("session.h", line, line + "\nVAC_API int vac_forgotten(void);")
        status, output = self.check("--accept-break")
        self.assertEqual(status, 1)
        self.assertIn("'vac_forgotten' is declared in include/vac and not exported", output)

    def test_function_that_is_not_declared(self) -> None:
        self.header("session.h", "VAC_API const char* vac_version(void);", "")
        status, output = self.check()
        self.assertEqual(status, 1)
        self.assertIn("'vac_version' is exported by the library and in no header", output)

    def test_parameter_of_another_type(self) -> None:
        self.header("error.h", "vac_error_name(int code)", "vac_error_name(long code)")
        self.expect_break("'vac_error_name' was: const char *(int); it is: const char *(long int)")

    def test_field_that_moves(self) -> None:
        self.edit("layout-lp64.txt", "vac_call.flags: at 40:", "vac_call.flags: at 44:")
        self.expect_break("'vac_call.flags' was: at 44: uint32_t; it is: at 40: uint32_t")

    def test_field_that_is_put_between(self) -> None:
        self.header("plugin.h", "  void* plugin_scratch;", "  void* more;\n  void* plugin_scratch;")
        self.expect_break("'vac_call.plugin_scratch' was: at 96: void *; it is: at 104: void *")

    def test_field_that_is_appended(self) -> None:
        line = "  const void* host_priv;"
        self.header("plugin.h", line, line + "\n  uint64_t more;")
        self.expect_addition(
            "'vac_call.more' is new: at 112: uint64_t",
            "'struct vac_call' was: 112 bytes; it is: 120 bytes",
        )

    def test_field_that_is_appended_to_a_struct_that_never_changes(self) -> None:
        line = "  uint64_t bytes, cookie;"
        self.header("plugin.h", line, "  uint64_t bytes, cookie, more;")
        self.expect_break("'vac_buffer_view.more' is new: at 24")

    def test_slot_of_another_signature(self) -> None:
        self.header("plugin.h", "void (*close)(void* plugin);", "void (*close)(int plugin);")
        self.expect_break("'vac_plugin.close' was: at 72: void (*)(void *); it is: at 72: void (*)")

    def test_struct_that_is_new(self) -> None:
        self.header("call.h", "/* A leaf of", "struct vac_more {\n  int32_t x;\n};\n/* A leaf of")
        self.expect_addition("'struct vac_more' is new: 4 bytes", "'vac_more.x' is new: at 0: int")

    def test_struct_without_a_name(self) -> None:
        self.header("call.h", "/* A leaf of", "typedef struct {\n  int x;\n} more;\n/* A leaf of")
        status, output = self.check()
        self.assertEqual(status, 2)
        self.assertIn("a struct or union has no name", output)

    def test_header_that_is_new(self) -> None:
        text = "#include <stdint.h>\n#define VAC_MORE 5\nstruct other {\n  int8_t x;\n};\n"
        (self.include / "vac/more.h").write_text(text, encoding="utf-8")
        self.expect_addition("'struct other' is new: 1 bytes", "'VAC_MORE' is new: 5")

    def test_enumerator_of_another_value(self) -> None:
        self.header("call.h", "VAC_CHAR = 17", "VAC_CHAR = 21")
        self.expect_break("'VAC_CHAR' was: 17; it is: 21")

    def test_enumerator_that_is_gone(self) -> None:
        self.header("call.h", "VAC_OPAQUE = 20", "VAC_OBSCURE = 20")
        self.expect_break("'VAC_OPAQUE' is gone, it was: 20", "'VAC_OBSCURE' is new: 20")

    def test_macro_of_another_value(self) -> None:
        self.header("call.h", "#define VAC_MAX_RANK 8", "#define VAC_MAX_RANK 9")
        self.expect_break("'VAC_MAX_RANK' was: 8; it is: 9")

    def test_minor_version_that_grows(self) -> None:
        self.header("plugin.h", "#define VAC_ABI_MINOR 0u", "#define VAC_ABI_MINOR 1u")
        self.expect_addition("'VAC_ABI_MINOR' was: 0u; it is: 1u")

    def test_break_before_the_first_release(self) -> None:
        self.header("call.h", "#define VAC_MAX_RANK 8", "#define VAC_MAX_RANK 9")
        self.assertEqual(self.check("--accept-break"), (0, ""))
        self.assertEqual(self.check(), (0, ""))

    def test_library_that_needs_another(self) -> None:
        library, other = self.root / "libneedy.so", self.root / "libother.so"
        self.compile_shared(other, "int other(void) { return 0; }")
        text = "int other(void); int vac_version(void) { return other(); }"
        self.compile_shared(library, text, "-Wl,--no-as-needed", f"-L{self.root}", "-lother")
        status, output = self.run_check_abi("--library", library)
        self.assertEqual(status, 1)
        self.assertIn("the library needs libother.so; it links libc and libstdc++ alone", output)

    def compile_shared(self, library: Path, text: str, *options: str) -> None:
        command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library), *options]
        subprocess.run(command, input=text, text=True, check=True)

    def test_library_that_is_missing(self) -> None:
        status, output = self.check(library=self.root / "missing.so")
        self.assertEqual(status, 2)
        self.assertIn("missing.so", output)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
