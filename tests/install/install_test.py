#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `cmake --install` makes, as a stranger uses it: before and after the tree is moved.

install_test.py BUILD [TEST...]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from installed_tree import ROOT, Agent, Build, Tree, run

BUILD = Build(Path(sys.argv[1]).resolve())
HERE = Path(__file__).resolve().parent
C_SOURCES = sorted((HERE / "every_function").glob("*.c"))
# A sanitizer ends a program that asks for too much memory; the library answers VAC_ENOMEM.
for variable in ("ASAN_OPTIONS", "TSAN_OPTIONS"):
    given = os.environ.get(variable, "")
    os.environ[variable] = f"{given}:allocator_may_return_null=1"
VALGRIND = ("valgrind", "--quiet", "--leak-check=full", "--error-exitcode=99")

TEMPORARY: tempfile.TemporaryDirectory[str]
FIRST: Tree


def setUpModule() -> None:
    global TEMPORARY, FIRST
    TEMPORARY = tempfile.TemporaryDirectory()
    FIRST = Tree(BUILD, Path(TEMPORARY.name) / "first")
    BUILD.install(FIRST.prefix)


def tearDownModule() -> None:
    TEMPORARY.cleanup()


def make_models(folder: Path) -> Path:
    """What every_function reads: a file, a folder, and the agent's model of the same name."""
    (folder / "set").mkdir()
    (folder / "models").mkdir()
    for name in ("model.bin", "set/part", "models/model"):
        (folder / name).write_text(f"the bytes of {name}\n", encoding="utf-8")
    return folder


def public_functions(tree: Tree) -> set[str]:
    listing = run("nm", "--dynamic", "--defined-only", tree.libraries / "libvac.so.1")
    return set(re.findall(r" T (vac_\w+)", listing))


class InstalledTest(unittest.TestCase):
    """The tree where it was installed."""

    tree: Tree

    @classmethod
    def setUpClass(cls) -> None:
        cls.tree = FIRST

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_programs_run(self) -> None:
        vaccel, agent = self.tree.program("vaccel"), self.tree.program("vaccel-agent")
        self.assertRegex(run(vaccel, "--version"), r"^vaccel \d+\.\d+\.\d+\n$")
        self.assertEqual(run(agent, "--version").split()[1:], run(vaccel, "--version").split()[1:])
        self.assertIn("model_run", run(vaccel, "list", "ops", VAC_PLUGINS="noop"))
        # Found beside the programs, and nowhere else.
        self.assertIn(f"{self.tree.libraries}/vac\n", run(vaccel, "doctor"))
        self.assertIn("is good", run(agent, "--plugin", "noop", "--check-config"))

    def test_pkg_config_tells_the_version_and_the_places(self) -> None:
        self.assertEqual(
            self.tree.pkg_config("--modversion"),
            run(self.tree.program("vaccel"), "--version").split()[1:],
        )
        for variable, folder in (
            ("includedir", self.tree.prefix / "include"),
            ("libdir", self.tree.libraries),
            ("plugindir", self.tree.libraries / "vac"),
        ):
            told = Path(self.tree.pkg_config(f"--variable={variable}")[0])
            self.assertEqual(told.resolve(), folder.resolve())

    def test_a_c_program_calls_every_public_function(self) -> None:
        program = self.folder / "every_function"
        self.tree.build_c_program(C_SOURCES, program)
        called = set(re.findall(r" U (vac_\w+)", run("nm", "--undefined-only", program)))
        self.assertEqual(sorted(public_functions(self.tree) - called), [], "not called")
        command = [*([] if BUILD.sanitize else VALGRIND), str(program)]
        models = make_models(self.folder)
        run(*command, "local:", models, VAC_PLUGINS="noop")
        options = ("--plugin", "noop", "--models", str(models / "models"))
        with Agent(self.tree, self.folder, *options) as agent:
            run(*command, agent.address, models, VAC_PLUGINS="noop")

    def test_a_cmake_project_finds_the_package(self) -> None:
        self.tree.build_cxx_project(HERE / "cxx_program", self.folder / "build")
        program, plugin = self.folder / "build/program", self.folder / "build/mine.so"
        answer = "6 elements, 3 numbers: 1 2 0\n"
        local = run(program, "local:", VAC_PLUGIN_PATH=str(plugin.parent), VAC_PLUGINS="mine")
        self.assertEqual(local, answer)
        with Agent(self.tree, self.folder, "--plugin", str(plugin)) as agent:
            self.assertEqual(run(program, agent.address), answer)


class MovedTest(InstalledTest):
    """All of it again after the tree was moved, and programs that were built before."""

    @classmethod
    def setUpClass(cls) -> None:
        folder = Path(TEMPORARY.name)
        cls.built_before = folder / "every_function"
        FIRST.build_c_program(C_SOURCES, cls.built_before)
        cls.tree = Tree(BUILD, folder / "a second place")
        FIRST.prefix.rename(cls.tree.prefix)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.tree.prefix.rename(FIRST.prefix)

    built_before: Path

    def test_a_program_that_was_built_before_runs(self) -> None:
        libraries = str(self.tree.libraries)
        models = make_models(self.folder)
        program = self.built_before
        run(program, "local:", models, VAC_PLUGINS="noop", LD_LIBRARY_PATH=libraries)


class FilesTest(unittest.TestCase):
    """What lies in the tree."""

    def test_headers_are_all_and_unchanged(self) -> None:
        source, installed = ROOT / "include", FIRST.prefix / "include"
        names = sorted(path.relative_to(source) for path in source.rglob("*.h*"))
        there = sorted(path.relative_to(installed) for path in installed.rglob("*.*"))
        self.assertEqual(there, names)
        for name in names:
            self.assertEqual((installed / name).read_bytes(), (source / name).read_bytes(), name)

    def test_each_header_compiles_alone(self) -> None:
        include = FIRST.prefix / "include"
        strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", f"-I{include}"]

        def compile_alone(header: Path, language: list[str], compiler: str) -> str:
            text = f"#include <{header.relative_to(include)}>\ntypedef int nothing_else;\n"
            command = [BUILD.cache[compiler], *strict, *language, "-"]
            done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
            return done.stderr if done.returncode else ""

        work = [
            (path, ["-std=c++20", "-xc++"], "CMAKE_CXX_COMPILER") for path in include.rglob("*.h*")
        ]
        work += [(path, ["-std=c11", "-xc"], "CMAKE_C_COMPILER") for path in include.rglob("*.h")]
        with ThreadPoolExecutor(int(os.environ.get("VAC_JOBS") or os.cpu_count() or 1)) as pool:
            self.assertEqual("".join(pool.map(lambda job: compile_alone(*job), work)), "")

    def test_nothing_else_is_there(self) -> None:
        """A new kind of file is a decision, and no test's file is one."""
        lib = BUILD.libdir
        expected = (
            r"bin/(vaccel|vaccel-agent)",
            r"include/vac/(detail/)?\w+\.hp?p?",
            lib + r"/libvac\.so(\.1)?",
            lib + r"/vac/\w+\.so",
            lib + r"/pkgconfig/vac\.pc",
            lib + r"/cmake/vac/vac(Config|ConfigVersion|Targets|Targets-\w+)\.cmake",
            r"share/man/man1/vaccel(-agent)?\.1",
            r"share/man/man5/vaccel-agent\.toml\.5",
            r"share/doc/vac/(LICENSE|THIRD_PARTY\.md)",
        )
        files = FIRST.files()
        for pattern in expected:
            self.assertTrue(any(re.fullmatch(pattern, name) for name in files), pattern)
        strangers = [name for name in files if not re.fullmatch("|".join(expected), name)]
        self.assertEqual(strangers, [])
        plugins = {path.stem for path in (FIRST.libraries / "vac").iterdir()}
        folders = {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir()}
        self.assertLessEqual({"noop", "remote"}, plugins)
        self.assertLessEqual(plugins, folders)

    def test_library_has_its_soname(self) -> None:
        listing = run("readelf", "--dynamic", "--wide", FIRST.libraries / "libvac.so.1")
        self.assertIn("Library soname: [libvac.so.1]", listing)
        link = FIRST.libraries / "libvac.so"
        self.assertEqual(str(link.readlink()), "libvac.so.1")

    @unittest.skipIf(BUILD.sanitize, "a sanitizer writes the names of sources into what it checks")
    def test_no_file_names_a_folder_of_the_build(self) -> None:
        folders = [str(path).encode() for path in (ROOT, BUILD.folder)]
        for name in FIRST.files():
            content = (FIRST.prefix / name).read_bytes()
            for folder in folders:
                self.assertNotIn(folder, content, name)

    def test_libraries_are_looked_for_beside_the_programs_alone(self) -> None:
        for name in FIRST.files():
            if not name.startswith(("bin/", BUILD.libdir + "/")) or ".so" not in name:
                continue
            listing = run("readelf", "--dynamic", "--wide", FIRST.prefix / name)
            self.assertNotRegex(listing, r"\((RPATH|RUNPATH)\)", name)
        for program in ("vaccel", "vaccel-agent"):
            listing = run("readelf", "--dynamic", "--wide", FIRST.program(program))
            paths = re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", listing)
            self.assertEqual(paths, [f"$ORIGIN/../{BUILD.libdir}"], program)

    def test_the_package_is_of_this_minor_version(self) -> None:
        version = FIRST.libraries / "cmake/vac/vacConfigVersion.cmake"
        major, minor, _ = run(FIRST.program("vaccel"), "--version").split()[1].split(".")
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "asks.cmake"
            script.write_text(f'include("{version}")\nmessage("${{PACKAGE_VERSION_COMPATIBLE}}")\n')
            for wanted, answer in (
                (f"{major}.{minor}", "TRUE"),
                (f"{major}.{int(minor) + 1}", "FALSE"),
                (f"{int(major) + 1}.0", "FALSE"),
            ):
                asked = [f"-DPACKAGE_FIND_VERSION={wanted}"]
                numbers = zip(("MAJOR", "MINOR"), wanted.split("."), strict=True)
                asked += [f"-DPACKAGE_FIND_VERSION_{part}={number}" for part, number in numbers]
                told = run("cmake", *asked, "-DCMAKE_SIZEOF_VOID_P=8", "-P", script)
                self.assertEqual(told.strip(), answer, wanted)

    def test_a_library_folder_outside_the_prefix_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for outside in ("/usr/lib", "../lib"):
                where = f"-DCMAKE_INSTALL_LIBDIR={outside}"
                files = ("-G", "Ninja", "-S", ROOT, "-B", folder)
                told = run("cmake", *files, "-DBUILD_TESTING=OFF", where, status=1)
                self.assertIn(f"CMAKE_INSTALL_LIBDIR={outside} is not inside the prefix", told)


class ManPagesTest(unittest.TestCase):
    """They have what the programs and docs/agent.md have."""

    def page(self, name: str) -> str:
        text = (FIRST.prefix / "share/man" / name).read_text(encoding="utf-8")
        return re.sub(r"\\f[BIR]", "", text.replace("\\-", "-"))

    def expect_same_options(self, page: str, helps: list[str]) -> None:
        known = {
            option for text in helps for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", text)
        }
        told = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", page))
        self.assertEqual(sorted(known - told), [], "options without a word in the page")
        self.assertEqual(sorted(told - known), [], "options that the program does not have")

    def helps(self, *command: str) -> dict[str, str]:
        """What --help says, by command; of one that has commands of its own, theirs as well."""
        text = run(FIRST.program("vaccel"), *command, "--help")
        found = {" ".join(command): text}
        listed = text.partition("Subcommands:")[2]
        for name in re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE):
            found |= self.helps(*command, name)
        return found

    def test_vaccel_has_every_command_and_option(self) -> None:
        page, helps = self.page("man1/vaccel.1"), self.helps()
        self.assertLessEqual({"run", "list", "doctor", "bench", "plugin check"}, set(helps))
        for command, text in helps.items():
            if "Subcommands:" not in text:
                self.assertIn(f"\n.SS {command}\n", page)
        self.expect_same_options(page, list(helps.values()))

    def test_vaccel_agent_has_every_option(self) -> None:
        page = self.page("man1/vaccel-agent.1")
        self.expect_same_options(page, [run(FIRST.program("vaccel-agent"), "--help")])

    def test_configuration_has_every_key(self) -> None:
        table = (ROOT / "docs/agent.md").read_text(encoding="utf-8")
        keys = re.findall(r"^\| `([a-z]+\.[\w.*]+)`", table, re.MULTILINE)
        self.assertGreater(len(keys), 10)
        page = self.page("man5/vaccel-agent.toml.5")
        titles = [
            line.removeprefix(".B ").removeprefix(".BI ").replace(" ", "")
            for line in re.findall(r"^\.TP\n(.*)$", page, re.MULTILINE)
        ]
        self.assertEqual(sorted(titles), sorted(keys))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
