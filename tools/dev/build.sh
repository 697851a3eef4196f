# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# ./dev build, demo, test, asan, tsan.

help_build() {
  cat <<'HELP'
usage: ./dev build [PRESET]

Configures and builds build/PRESET: release (default), dev, clang, asan, tsan or minimal. The result works in place:
build/release/bin/vaccel, build/release/bin/vaccel-agent.
HELP
}

command_build() {
  local preset=${1:-release}
  (($# <= 1)) || fail "build: one preset at a time"
  case $preset in
    release | dev | minimal) setup_build ;;
    clang | asan | tsan) setup_check ;;
    *) fail "build: no preset \"$preset\": one of release dev clang asan tsan minimal" ;;
  esac
  build_preset "$preset"
}

# build_preset PRESET [--target TARGET...]. Configures each time: it takes a second, and Ninja does not see a change of
# CMakePresets.json.
build_preset() {
  step "configure $1" cmake --preset "$1"
  step "build $1" cmake --build --preset "$@"
}

help_demo() {
  cat <<'HELP'
usage: ./dev demo [OPTION...]

Builds the release preset, makes the demo's model (once; the download is cached in ~/.cache/vaccel) and classifies the bundled
photos twice with the same program: in its own process, and through an agent. Options go to tools/demo; see tools/demo --help.
HELP
}

command_demo() {
  setup_build
  build_preset release
  tools/demo --build build/release "$@"
}

help_test() {
  cat <<'HELP'
usage: ./dev test [REGEX]

Builds the dev preset and runs its tests, or those whose name matches REGEX.
HELP
}

command_test() {
  setup_build
  run_tests dev "$@"
}

help_asan() {
  cat <<'HELP'
usage: ./dev asan [REGEX]

Builds with AddressSanitizer and UndefinedBehaviorSanitizer (clang) and runs the tests. Any finding fails its test.
HELP
}

command_asan() {
  setup_check
  run_tests asan "$@"
}

help_tsan() {
  cat <<'HELP'
usage: ./dev tsan [REGEX]

Builds with ThreadSanitizer (clang) and runs the tests. Any finding fails its test.
HELP
}

command_tsan() {
  setup_check
  run_tests tsan "$@"
}

# run_tests PRESET [REGEX]
run_tests() {
  local preset=$1 select=()
  shift
  (($# <= 1)) || fail "test: one regular expression at a time"
  (($# == 0)) || select=(--tests-regex "$1")
  build_preset "$preset"
  step "test $preset" ctest --preset "$preset" --no-tests=error "${select[@]}"
  sed -n '/tests passed/,$p' "$log_directory/test-$preset.log"
}
