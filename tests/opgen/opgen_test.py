#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What opgen refuses and how it says so, what --check finds, and what it writes."""

import contextlib
import importlib
import io
import re
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OPGEN = ROOT / "tools/opgen/opgen"

# In this process, because starting Python a hundred times takes most of a minute.
sys.path.insert(0, str(OPGEN.parent))
opgen_main: Callable[[Sequence[str]], int] = importlib.import_module("generator.main").main

GOOD = """
[weave]
id = 100
since = "next"
doc = "Weaves."
args = ["in f32[] a", "out f32[] b"]
"""


def entry(name: str = "other", **fields: str) -> str:
    """An entry; fields are TOML values and replace the usual ones, an empty one is left out."""
    values = {"id": "101", "since": '"next"', "doc": '"Does."', "args": "[]", **fields}
    lines = [f"{key} = {value}" for key, value in values.items() if value]
    return f"\n[{name}]\n" + "\n".join(lines) + "\n"


def arguments(*texts: str) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


class OpgenTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.ops = self.root / "ops"
        self.out = self.root / "out"
        self.ops.mkdir()

    def table(self, text: str, file: str = "table.toml") -> None:
        (self.ops / file).write_text(text, encoding="utf-8")

    def lock(self, *lines: str) -> None:
        (self.ops / "released.lock").write_text("# comment\n" + "\n".join(lines) + "\n")

    def run_opgen(self, *options: str) -> tuple[int, str]:
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = opgen_main(["--ops", str(self.ops), "--out", str(self.out), *options])
        return code, output.getvalue()

    def assert_works(self, *options: str) -> None:
        code, text = self.run_opgen(*options)
        self.assertEqual((code, text), (0, ""))

    def assert_refused(self, *parts: str, options: tuple[str, ...] = ()) -> None:
        code, text = self.run_opgen(*options)
        self.assertEqual(code, 1, text)
        for part in parts:
            self.assertIn(part, text)

    def generated(self, path: str) -> str:
        return (self.out / path).read_text(encoding="utf-8")


class GrammarTest(OpgenTest):
    def test_takes_every_type_of_the_grammar(self) -> None:
        folder = ROOT / "tests/opgen/every_kind"
        self.table((folder / "every_kind.toml").read_text(encoding="utf-8"))
        self.assert_works()

    def test_names_file_entry_and_argument(self) -> None:
        self.table(entry("weave", args=arguments("in f32 good", "in f33 bad")), "cloth.toml")
        self.assert_refused(f"opgen: {self.ops}/cloth.toml: [weave]: argument 1 'in f33 bad': ")

    def test_refuses_bad_arguments(self) -> None:
        cases = {
            "in f33 x": "type 'f33' is unknown: bool i8",
            "in f32[][] x": "type 'f32[][]' is unknown",
            "in f32?? x": "type 'f32??' is unknown",
            "in F32 x": "type 'F32' is unknown",
            "in f32?[] x": "type 'f32?[]' is unknown",
            "input f32 x": "direction 'input' is unknown: in, out or inout",
            "f32 x": 'is not of the form "dir type name"',
            "in  f32 x": "single spaces",
            " in f32 x": "single spaces",
            "in f32 x y": "single spaces",
            "in f32 X": "does not match [a-z][a-z0-9_]*",
            "in f32 _x": "does not match",
            "in f32 1x": "does not match",
            "in f32 double": "reserved word",
            "in f32 session": "'session' is taken",
            "inout f32 x": "a scalar is never inout: use 'in f32' and 'out f32'",
            "inout f32? x": "a scalar is never inout",
            "inout string x": "string is never inout",
            "inout bytes? x": "bytes is never inout",
            "inout string[] x": "string[] is never inout",
            "out resource x": "a resource is always 'in'",
            "inout resource x": "a resource is always 'in'",
            "in c128 x": "c128 does not fit a scalar: use 'c128[]'",
            "out c128? x": "c128 does not fit a scalar",
            "in string[]? x": "a list is never optional: write 'string[]'",
            "out tensor[]? x": "a list is never optional",
            "in any[]? x": "a list is never optional",
            "out string[] x": "'out string[]' has no form in C",
            "out any[] x": "'out any[]' has no form in C",
            "in resource[] x": "type 'resource[]' is unknown",
            "in bytes[] x": "type 'bytes[]' is unknown",
        }
        for text, reason in cases.items():
            with self.subTest(text):
                self.table(entry(args=arguments(text)))
                self.assert_refused(f"argument 0 '{text}'", reason)

    def test_refuses_what_is_no_text_among_arguments(self) -> None:
        self.table(entry(args="[1]"))
        self.assert_refused("argument 0 1: is no string")

    def test_takes_sixteen_arguments_and_no_more(self) -> None:
        self.table(entry(args=arguments(*(f"in f32 x{i}" for i in range(16)))))
        self.assert_works()
        self.table(entry(args=arguments(*(f"in f32 x{i}" for i in range(17)))))
        self.assert_refused("17 arguments: at most 16")

    def test_refuses_arguments_that_share_a_parameter(self) -> None:
        for first, second, shared in (
            ("in f32 x", "out f32 x", "x"),
            ("in f32[] x", "in u64 x_count", "x_count"),
            ("out bytes x", "in u64 x_capacity", "x_capacity"),
            ("in bytes x", "in f32[] x_bytes", "x_bytes"),
        ):
            with self.subTest(shared):
                self.table(entry(args=arguments(first, second)))
                self.assert_refused(f"both need a parameter '{shared}' in C")


class EntryTest(OpgenTest):
    def test_refuses_bad_fields(self) -> None:
        cases = (
            ({"id": ""}, "'id' is missing"),
            ({"args": ""}, "'args' is missing"),
            ({"id": '"101"'}, "'id' is no integer: '101'"),
            ({"id": "true"}, "'id' is no integer"),
            ({"args": '"in f32 x"'}, "'args' is no array"),
            ({"idempotent": "1"}, "'idempotent' is no boolean"),
            ({"doc": '" "'}, "'doc' is empty"),
            ({"doc": '"a */ b"'}, "'doc' goes into comments"),
            ({"since": '"soon"'}, "since 'soon' is neither a version"),
            ({"since": '"1"'}, "since '1' is neither a version"),
            ({"colour": "1"}, "unknown key 'colour': one of id since doc args idempotent control"),
        )
        for fields, reason in cases:
            with self.subTest(reason):
                self.table(entry(**fields))
                self.assert_refused("[other]: ", reason)

    def test_refuses_ids_out_of_range(self) -> None:
        for number, control, reason in (
            ("31", "", "id 31 is out of range: an operation has 32 to 9999"),
            ("0", "", "id 0 is out of range"),
            ("-1", "", "id -1 is out of range"),
            ("10000", "", "id 10000 is out of range"),
            ("0", "true", "id 0 is out of range: a control operation has 1 to 31"),
            ("32", "true", "id 32 is out of range: a control operation has 1 to 31"),
        ):
            with self.subTest(number=number, control=control):
                self.table(entry(id=number, control=control))
                self.assert_refused(reason)

    def test_takes_the_ends_of_the_ranges(self) -> None:
        ids = (("a", "1", "true"), ("b", "31", "true"), ("c", "32", ""), ("d", "9999", ""))
        self.table(
            "".join(entry(name, id=number, control=control) for name, number, control in ids)
        )
        self.assert_works()

    def test_refuses_bad_names(self) -> None:
        for name, reason in (
            ("Other", "does not match"),
            ("_other", "does not match"),
            ("delete", "reserved word"),
            ("methods", "taken by the generated C++"),
        ):
            with self.subTest(name):
                self.table(entry(name))
                self.assert_refused(f"[{name}]: ", reason)

    def test_refuses_an_id_twice_over_all_files(self) -> None:
        self.table(GOOD, "a.toml")
        self.table(entry("other", id="100"), "b.toml")
        self.assert_refused(
            f"{self.ops}/b.toml: [other]: id 100 is already that of [weave] in {self.ops}/a.toml"
        )

    def test_refuses_a_name_twice_over_all_files(self) -> None:
        self.table(GOOD, "a.toml")
        self.table(entry("weave"), "b.toml")
        self.assert_refused("[weave]: the name is already taken by [weave]")

    def test_refuses_names_that_are_one_in_cpp(self) -> None:
        self.table(entry("a_1b") + entry("a1b", id="102"))
        self.assert_refused("[a1b]: the name is already taken by [a_1b]")

    def test_refuses_what_is_no_toml(self) -> None:
        self.table("[other\n")
        self.assert_refused(f"{self.ops}/table.toml: ", "line 1")

    def test_refuses_keys_outside_of_entries(self) -> None:
        self.table("id = 100\n" + GOOD)
        self.assert_refused("'id' stands outside of an entry")

    def test_refuses_a_folder_without_a_table(self) -> None:
        self.assert_refused(f"{self.ops}: no *.toml file in it")

    def test_shows_every_mistake_at_once(self) -> None:
        self.table(entry("a", id="1") + entry("b", args=arguments("in f33 x", "out f34 y")))
        self.assert_refused("[a]: id 1", "'in f33 x'", "'out f34 y'")

    def test_writes_nothing_after_a_mistake(self) -> None:
        self.table(entry(id="1"))
        self.assert_refused()
        self.assertFalse(self.out.exists())


class CheckTest(OpgenTest):
    def setUp(self) -> None:
        super().setUp()
        self.table(GOOD)
        self.assert_works()

    def test_is_silent_when_all_is_fresh(self) -> None:
        self.assert_works("--check")

    def test_names_what_is_stale_and_the_remedy(self) -> None:
        self.table(GOOD.replace("Weaves.", "Weaves well."))
        self.assert_refused(
            f"opgen: {self.out}/include/vac/ops.h is not what ops/ says: run tools/opgen/opgen",
            "op_table.cpp is not",
            options=("--check",),
        )

    def test_finds_an_edit_of_each_generated_file(self) -> None:
        files = [path for path in self.out.rglob("*") if path.is_file()]
        self.assertEqual(len(files), 7)
        for file in files:
            with self.subTest(file.name):
                text = file.read_text(encoding="utf-8")
                file.write_text(text + "\n", encoding="utf-8")
                self.assert_refused(f"{file} is not what", options=("--check",))
                file.write_text(text, encoding="utf-8")
                self.assert_works("--check")

    def test_finds_a_missing_file(self) -> None:
        (self.out / "include/vac/ops.hpp").unlink()
        self.assert_refused("ops.hpp is missing", options=("--check",))

    def test_changes_nothing(self) -> None:
        self.table(entry("other"))
        before = self.generated("include/vac/ops.h")
        self.assert_refused(options=("--check",))
        self.assertEqual(self.generated("include/vac/ops.h"), before)

    def test_a_second_run_touches_nothing(self) -> None:
        times = {path: path.stat().st_mtime_ns for path in self.out.rglob("*") if path.is_file()}
        self.assert_works()
        for path, time in times.items():
            self.assertEqual(path.stat().st_mtime_ns, time, path)

    def test_order_of_files_and_entries_changes_nothing(self) -> None:
        self.table(GOOD + entry("other"))
        self.assert_works()
        (self.ops / "table.toml").unlink()
        self.table(entry("other"), "1.toml")
        self.table(GOOD, "2.toml")
        self.assert_works("--check")


class LockTest(OpgenTest):
    """Released operations: [weave] is in the lock."""

    RELEASED = GOOD.replace('"next"', '"1.0"')

    def setUp(self) -> None:
        super().setUp()
        self.table(self.RELEASED)
        self.lock("weave 100: in f32[] a, out f32[] b")

    def test_takes_what_is_as_released(self) -> None:
        self.assert_works()
        self.assert_works("--check")

    def test_takes_new_operations_beside_it(self) -> None:
        self.table(self.RELEASED + entry())
        self.assert_works()

    def test_takes_another_text(self) -> None:
        self.table(self.RELEASED.replace("Weaves.", "Weaves well."))
        self.assert_works()

    def test_refuses_other_arguments(self) -> None:
        for now in (
            "in f32[] a, out f64[] b",
            "in f32[] a",
            "in f32[]? a, out f32[] b",
            "in f32[] b, out f32[] a",
        ):
            with self.subTest(now):
                args = arguments(*now.split(", "))
                self.table(re.sub("args = .*", f"args = {args}", self.RELEASED))
                for options in ((), ("--check",)):
                    self.assert_refused(
                        "[weave]: its arguments differ from the released ones",
                        "released  in f32[] a, out f32[] b",
                        f"now       {now}",
                        options=options,
                    )

    def test_refuses_another_id(self) -> None:
        self.table(self.RELEASED.replace("100", "102"))
        self.assert_refused("[weave]: released with id 100, now 102")

    def test_refuses_removal(self) -> None:
        self.table(entry())
        self.assert_refused("[weave]: released with id 100, and its entry is gone")

    def test_refuses_another_name(self) -> None:
        self.table(self.RELEASED.replace("weave", "knit"))
        self.assert_refused(
            "[weave]: released with id 100, and its entry is gone",
            "[knit]: id 100 was released as [weave] and is never used again",
        )

    def test_refuses_an_id_of_the_lock_in_another_folder(self) -> None:
        other = self.root / "other"
        other.mkdir()
        (other / "more.toml").write_text(entry("knit", id="100"), encoding="utf-8")
        self.table(entry("linen"))
        self.assert_refused("[knit]: id 100 was released as [weave]", options=("--ops", str(other)))

    def test_refuses_to_take_a_release_back(self) -> None:
        self.table(GOOD)
        self.assert_refused('[weave]: released, but its entry says since = "next"')

    def test_refuses_a_release_that_is_not_locked(self) -> None:
        self.table(self.RELEASED + entry(since='"1.1"'))
        self.assert_refused("[other]: since 1.1, but not in", "run opgen --lock")

    def test_lock_appends_what_is_released(self) -> None:
        self.table(self.RELEASED + entry(since='"1.1"') + entry("later", id="103"))
        code, text = self.run_opgen("--lock")
        self.assertEqual((code, text), (0, "opgen: other is released\n"))
        self.assert_works("--check")
        lines = (self.ops / "released.lock").read_text().splitlines()
        self.assertEqual(lines[1:], ["weave 100: in f32[] a, out f32[] b", "other 101:"])

    def test_lock_never_changes_a_line(self) -> None:
        self.table(self.RELEASED.replace("out f32[] b", "out f64[] b"))
        self.assert_refused("its arguments differ", options=("--lock",))
        self.assertIn("out f32[] b", (self.ops / "released.lock").read_text())

    def test_refuses_a_broken_line(self) -> None:
        self.lock("weave: 100")
        self.assert_refused('released.lock:2: is not of the form "name id: arguments"')


class OutputTest(OpgenTest):
    def test_reads_several_folders(self) -> None:
        other = self.root / "other"
        other.mkdir()
        (other / "more.toml").write_text(entry("knit", id="9001"), encoding="utf-8")
        self.table(GOOD)
        self.assert_works("--ops", str(other))
        header = self.generated("include/vac/ops.h")
        self.assertIn("VAC_OP_WEAVE = 100,", header)
        self.assertIn("VAC_OP_KNIT = 9001,", header)

    def test_control_operations_have_no_function(self) -> None:
        self.table(GOOD + entry("ping", id="1", control="true"))
        self.assert_works()
        self.assertIn("VAC_OP_PING = 1,", self.generated("include/vac/ops.h"))
        self.assertIn('"ping"', self.generated("src/generated/op_table.cpp"))
        for path in ("include/vac/ops.h", "include/vac/ops.hpp", "src/generated/ops_capi.cpp"):
            self.assertNotIn("vac_ping", self.generated(path))
        self.assertNotIn("Ping", self.generated("include/vac/plugin_ops.hpp"))

    def test_bodies_are_one_call(self) -> None:
        self.table(GOOD)
        self.assert_works()
        body = self.generated("src/generated/ops_capi.cpp").split("{", 1)[1]
        self.assertEqual(
            " ".join(body.split()),
            "return vac::capi::invoke( session, VAC_OP_WEAVE, "
            "vac::capi::in_array<VAC_F32>(a, a_count), "
            "vac::capi::out_array<VAC_F32>(b, b_capacity, b_count)); } "
            "int vac_weave_submit( vac_session *session, const vac_call_options *call_options, "
            "const float *a, size_t a_count, float *b, size_t b_capacity, size_t *b_count, "
            "vac_call_handle **call_handle) { "
            "return vac::capi::submit( session, call_options, VAC_OP_WEAVE, call_handle, "
            "vac::capi::in_array<VAC_F32>(a, a_count), "
            "vac::capi::out_array<VAC_F32>(b, b_capacity, b_count)); }",
        )

    def test_only_what_is_idempotent_is_repeated(self) -> None:
        text = entry(args=arguments("out string x"))
        self.table(text)
        self.assert_works()
        self.assertIn("methods::invoke_once(", self.generated("include/vac/ops.hpp"))
        self.assertIn("Not repeated for want of room", self.generated("include/vac/ops.hpp"))
        self.table(text + "idempotent = true\n")
        self.assert_works()
        self.assertNotIn("invoke_once", self.generated("include/vac/ops.hpp"))

    def test_every_file_says_that_it_is_generated(self) -> None:
        self.table(GOOD)
        self.assert_works()
        for path in self.out.rglob("*.*"):
            head = path.read_text(encoding="utf-8").splitlines()[:3]
            self.assertIn("SPDX-License-Identifier: Apache-2.0", head[0])
            self.assertIn("Generated by tools/opgen from", head[1])
            self.assertTrue(path.suffix == ".md" or "clang-format off" in head[2], path)

    def test_error_codes_are_checked(self) -> None:
        self.table(GOOD)
        codes = self.root / "codes.inc"
        for line, reason in (
            (
                "VAC_ERROR(EPERM, 1, not_permitted, text)",
                "codes.inc:2: is not of the form VAC_ERROR(",
            ),
            ('VAC_ERROR(EA, 7, b, "c")', "codes.inc:2: EA repeats the name"),
            ('VAC_ERROR(EB, 1, b, "c")', "codes.inc:2: EB repeats"),
        ):
            with self.subTest(line):
                codes.write_text(f'VAC_ERROR(EA, 1, a, "text")\n{line}\n')
                self.assert_refused(reason, options=("--errors", str(codes)))
        codes.write_text("// nothing\n")
        self.assert_refused("no VAC_ERROR line", options=("--errors", str(codes)))


class ProgramTest(unittest.TestCase):
    """The program itself, as a process."""

    def run_program(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-B", str(OPGEN), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def test_help_says_what_it_makes(self) -> None:
        result = self.run_program("--help")
        self.assertEqual(result.returncode, 0)
        for word in ("--check", "--lock", "--ops DIR", "examples:"):
            self.assertIn(word, result.stdout)

    def test_a_mistake_ends_it_with_1_and_one_line(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            result = self.run_program("--ops", folder, "--out", folder)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, f"opgen: {folder}: no *.toml file in it\n")


if __name__ == "__main__":
    unittest.main()
