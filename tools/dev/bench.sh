# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# ./dev bench: docs/performance.md, and the check for slowdowns.

help_bench() {
  cat <<'HELP'
usage: ./dev bench [--only EXPERIMENT...] [--short]
       ./dev bench --smoke | --accept | --render

Measures what docs/performance.md promises, each figure in turn with its control and beside rivals, and writes that page and its
plots: a quarter of an hour on a machine that does nothing else. What was measured is in build/bench/results.json.

  --only NAME...  these experiments alone (see tools/bench/experiments.py); the rest of the page stays
  --short         sees in a minute or two that everything runs; writes the page to build/bench/docs
  --render        draws the page again of what was measured last
  --smoke         a few ratios beside the committed ones (bench/ratios.json); fails where one is half as large again: runs in ci
  --accept        measures these ratios and writes them, to be committed
HELP
}

command_bench() {
  case ${1:-} in
    --smoke) shift && refuse_arguments "$@" && bench_smoke ;;
    --accept) shift && refuse_arguments "$@" && bench_accept ;;
    --render) shift && refuse_arguments "$@" && run_bench bench render ;;
    *) bench_all "$@" ;;
  esac
}

# run_bench PRESET ARGUMENT...
run_bench() {
  local preset=$1
  shift
  python3 -B tools/bench/bench.py --build "build/$preset" "$@"
}

# Ratios need the release alone, none of the rivals.
bench_smoke() {
  setup_build
  build_preset release
  step "bench smoke" run_bench release check
  cat "$(log_of "bench smoke")"
}

bench_accept() {
  setup_build
  build_preset release
  run_bench release check --accept
}

bench_all() {
  local arguments=() name
  for name in "$@"; do
    arguments+=("$name")
    if [[ $name == --short ]]; then
      mkdir -p build/bench/docs
      arguments+=(--docs build/bench/docs)
    fi
  done
  setup_bench
  build_preset bench
  run_bench bench all "${arguments[@]}"
}
