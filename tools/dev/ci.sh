# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# ./dev ci: everything, with the time of each part.

help_ci() {
  cat <<'HELP'
usage: ./dev ci

Runs lint, the commands that the README tells a newcomer to type, an installation of the release, the sanitizers (with
clang, which checks the annotations of locks), a clang build of what they leave out, each fuzzer for a moment, and the
check of `bench --smoke` for slowdowns.
Stops at the first part that fails and ends with a table of times.
HELP
}

ci_table=""

command_ci() {
  refuse_arguments "$@"
  local line commands started=$SECONDS
  mapfile -t commands < <(readme_commands)
  ((${#commands[@]})) || fail "ci: README.md has no block after the line <!-- commands: run by ./dev ci -->"
  trap 'print_ci_table' EXIT
  ci_part "setup" command_setup all
  ci_part "lint" command_lint
  for line in "${commands[@]}"; do
    # As typed by a reader: a shell of its own.
    ci_part "$line" bash -c "$line"
  done
  ci_part "install release" tests/install/install_test.py build/release
  # clang and its analysis of locks see nearly everything here, the rest below.
  ci_part "asan" command_asan
  ci_part "tsan" command_tsan
  ci_part "clang" build_preset clang --target plugin_torch
  # A fiftieth of what ./dev soak gives them.
  ci_part "fuzz" command_fuzz 0.2
  ci_part "bench" command_bench --smoke
  ci_table+=$(printf '%-28s %s' "all" "$(duration $((SECONDS - started)))")$'\n'
}

# The commands of the README's block that follows the marker: one a line, without prompt and comment.
readme_commands() {
  awk '/<!-- commands: run by .\/dev ci -->/ { wanted = 1; next }
       wanted && /^```/ { if (inside) exit; inside = 1; next }
       inside { sub(/^\$ /, ""); sub(/ +#.*/, ""); if (length) print }' README.md
}

ci_part() {
  local label=$1 started=$SECONDS
  shift
  say "== $label"
  "$@"
  ci_table+=$(printf '%-28s %s' "$label" "$(duration $((SECONDS - started)))")$'\n'
}

print_ci_table() { printf '\n%s' "$ci_table"; }
