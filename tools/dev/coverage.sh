# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# ./dev coverage: which lines the tests reach.

coverage_build=build/coverage

help_coverage() {
  cat <<'HELP'
usage: ./dev coverage [--no-tests]

Builds with g++'s counters, runs all tests but lint, and prints how many lines of each layer they reach, and the files with
the most lines that none reaches. Fails when call, core, wire, transport or agent is below 90 %. --no-tests prints the
figures of the last run again. build/coverage/coverage.json has every line.
HELP
}

command_coverage() {
  local tests=yes
  case ${1:-} in
    "") ;;
    --no-tests) tests= ;;
    *) fail "coverage: unknown argument \"$1\"" ;;
  esac
  setup_check
  if [[ $tests ]]; then
    # Counters add up: those of an older run are of other code.
    [[ ! -d $coverage_build ]] || find "$coverage_build" -name '*.gcda' -delete
    run_tests coverage
  fi
  step "count lines" count_lines
  tools/dev/coverage_report.py "$coverage_build/coverage.json"
}

# Tests of units are no part of what they test; generated files are opgen's.
count_lines() {
  build/venv/bin/gcovr --root . --object-directory "$coverage_build" --gcov-executable gcov -j "$jobs" \
    --filter 'src/' --filter 'plugins/remote/' --exclude '.*_test\.cpp$' --exclude '.*_fixture\.hpp$' \
    --exclude 'src/generated/' --merge-mode-functions merge-use-line-min \
    --gcov-ignore-parse-errors suspicious_hits.warn --json "$coverage_build/coverage.json"
}
