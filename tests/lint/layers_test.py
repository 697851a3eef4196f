#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Negative controls of tools/check-layers: a planted breach is found, a clean tree passes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECK_LAYERS = Path(__file__).resolve().parents[2] / "tools/check-layers"

# A small tree in which every layer includes all kinds of things that it may.
CLEAN_TREE = {
    "ops/model.toml": "[ping]\nid = 1\n[noop]\nid = 32\n[model_run]\nid = 36\n",
    "include/vac/result.hpp": "#include <vac/error_codes.h>\n#include <optional>\n",
    "include/vac/error_codes.h": "",
    "include/vac/call.h": "#include <stdint.h>\n",
    "include/vac/ops.h": "#include <vac/call.h>\n",
    "include/vac/plugin.hpp": "#include <vac/ops.h>\n#include <vac/result.hpp>\n",
    "src/base/fd.hpp": "#include <vac/result.hpp>\n#include <sys/socket.h>\n#include <string>\n",
    "src/call/check.hpp": '#include "base/fd.hpp"\n#include <vac/call.h>\n',
    "src/core/session.hpp": '#include "call/check.hpp"\n',
    "src/wire/codec.hpp": '#include "call/check.hpp"\n',
    "src/transport/channel.hpp": '#include "base/fd.hpp"\n',
    "src/agent/agent.cpp": '#include "core/session.hpp"\n#include "wire/codec.hpp"\n// noop\n',
    "src/capi/session.cpp": '#include "core/session.hpp"\n#include <vac/ops.h>\nint model_run;\n',
    "src/generated/op_table.cpp": '#include "call/check.hpp"\nint noop;\n',
    "plugins/remote/remote.cpp": '#include "wire/codec.hpp"\n#include <vac/plugin.hpp>\n',
    "plugins/torch/torch.cpp": "#include <torch/script.h>\n#include <vac/plugin.hpp>\n",
    "apps/vaccel/run.cpp": "#include <CLI/CLI.hpp>\n#include <vac/ops.h>\n",
    "apps/vaccel/bench.cpp": '#include "transport/channel.hpp"\n',
    "src/wire/codec_test.cpp": '#include "core/session.hpp"\nint model_run;\n',
    "plugins/remote/remote_fixture.hpp": '#include "core/session.hpp"\nint model_run;\n',
    "examples/first.cpp": "#include <vac/ops.h>\n",
}


class LayersTest(unittest.TestCase):
    def check(self, planted: dict[str, str]) -> tuple[int, str]:
        """Status and output of check-layers on the clean tree with these files put in its place."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (CLEAN_TREE | planted).items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            done = subprocess.run(
                [sys.executable, "-B", str(CHECK_LAYERS), "--root", folder],
                check=False,
                capture_output=True,
                text=True,
            )
        return done.returncode, done.stdout + done.stderr

    def expect_breach(self, path: str, text: str, where: str, *said: str) -> None:
        status, output = self.check({path: text})
        self.assertEqual(status, 1, output)
        self.assertEqual(len(output.splitlines()), 1, output)
        self.assertTrue(output.startswith(f"{where}: "), output)
        for words in said:
            self.assertIn(words, output)

    def test_clean_tree_passes(self) -> None:
        self.assertEqual(self.check({}), (0, ""))

    def test_empty_tree_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-B", str(CHECK_LAYERS), "--root", folder]
            self.assertEqual(
                subprocess.run(command, check=False, capture_output=True).returncode, 2
            )

    def test_core_includes_wire(self) -> None:
        self.expect_breach(
            "src/core/session.hpp",
            '#include "call/check.hpp"\n#include "wire/codec.hpp"\n',
            "src/core/session.hpp:2",
            "core includes src/wire/codec.hpp (wire)",
            "may include: base, c, call",
        )

    def test_wire_includes_core(self) -> None:
        text = '#include "core/session.hpp"\n'
        self.expect_breach("src/wire/frame.cpp", text, "src/wire/frame.cpp:1", "(core)")

    def test_transport_hears_of_calls(self) -> None:
        text = '\n\n#include "call/check.hpp"\n'
        self.expect_breach("src/transport/unix.cpp", text, "src/transport/unix.cpp:3", "(call)")

    def test_transport_includes_the_call_abi(self) -> None:
        text = "#include <vac/call.h>\n"
        self.expect_breach("src/transport/unix.cpp", text, "src/transport/unix.cpp:1", "(c)")

    def test_base_includes_a_library(self) -> None:
        text = "#include <nlohmann/json.hpp>\n"
        self.expect_breach("src/base/text.cpp", text, "src/base/text.cpp:1", "neither standard C++")

    def test_base_includes_call_by_a_relative_path(self) -> None:
        text = '#include "../call/check.hpp"\n'
        self.expect_breach("src/base/text.cpp", text, "src/base/text.cpp:1", "(call)")

    def test_call_includes_the_operations(self) -> None:
        text = "#include <vac/ops.h>\n"
        self.expect_breach("src/call/check.cpp", text, "src/call/check.cpp:1", "(ops)")

    def test_framework_plugin_includes_wire(self) -> None:
        text = '#include "wire/codec.hpp"\n'
        self.expect_breach("plugins/torch/run.cpp", text, "plugins/torch/run.cpp:1", "(wire)")

    def test_remote_includes_core(self) -> None:
        text = '#include "core/session.hpp"\n'
        self.expect_breach("plugins/remote/link.cpp", text, "plugins/remote/link.cpp:1", "(core)")

    def test_program_includes_transport(self) -> None:
        text = '#include "transport/channel.hpp"\n'
        self.expect_breach("apps/vaccel/run.cpp", text, "apps/vaccel/run.cpp:1", "(transport)")

    def test_example_includes_base(self) -> None:
        text = '#include "base/fd.hpp"\n'
        self.expect_breach("examples/first.cpp", text, "examples/first.cpp:1", "(base)")

    def test_core_includes_a_test(self) -> None:
        text = '#include "wire/codec_test.cpp"\n'
        self.expect_breach("src/core/x.cpp", text, "src/core/x.cpp:1", "is a test")

    def test_c_header_includes_c_plus_plus(self) -> None:
        text = "#include <vac/result.hpp>\n"
        self.expect_breach("include/vac/call.h", text, "include/vac/call.h:1", "is C++")

    def test_missing_file_is_said(self) -> None:
        text = '#include "core/gone.hpp"\n'
        self.expect_breach("src/core/x.cpp", text, "src/core/x.cpp:1", "is not found")

    def test_core_names_an_operation(self) -> None:
        text = "int a;\nint b = model_run(1);  // a call\n"
        self.expect_breach("src/core/x.cpp", text, "src/core/x.cpp:2", "operation model_run")

    def test_wire_names_an_operation_as_a_type(self) -> None:
        self.expect_breach("src/wire/x.cpp", "ops::ModelRun x;\n", "src/wire/x.cpp:1", "ModelRun")

    def test_transport_names_an_operation_as_a_constant(self) -> None:
        text = "int x = VAC_OP_MODEL_RUN;\n"
        self.expect_breach("src/transport/x.cpp", text, "src/transport/x.cpp:1", "MODEL_RUN")

    def test_agent_names_an_operation_in_a_string(self) -> None:
        text = 'const char* x = "model_run";\n'
        self.expect_breach("src/agent/x.cpp", text, "src/agent/x.cpp:1", "operation model_run")

    def test_remote_names_an_operation(self) -> None:
        text = "int vac_model_run();\n"
        self.expect_breach("plugins/remote/x.cpp", text, "plugins/remote/x.cpp:1", "model_run")

    def test_names_of_plugins_can_be_marked(self) -> None:
        text = '// (check-layers: names of plugins)\nconst char* const kLeftOut = "noop";\n'
        self.assertEqual(self.check({"src/core/x.cpp": text}), (0, ""))

    def test_mark_of_plugin_names_holds_for_the_next_line_only(self) -> None:
        text = "// (check-layers: names of plugins)\n\nint noop;\n"
        self.expect_breach("src/core/x.cpp", text, "src/core/x.cpp:3", "operation noop")

    def test_comments_and_control_operations_may_be_named(self) -> None:
        text = "/* noop and\n   model_run */ int ping;  // model_run\n"
        self.assertEqual(self.check({"src/core/x.cpp": text}), (0, ""))


if __name__ == "__main__":
    unittest.main()
