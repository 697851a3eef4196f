# SPDX-License-Identifier: Apache-2.0
"""The generator behind tools/opgen/opgen: table in, source files out.

`grammar` reads one argument, `table` the TOML files, `lock` compares with the released operations;
each other module prints one kind of file: declarations, tables and one-line forwards. Logic is
ordinary C++.
"""
