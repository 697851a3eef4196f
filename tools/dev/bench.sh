# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# ./dev bench: the figures that docs/performance.md promises.

help_bench() {
  cat <<'HELP'
usage: ./dev bench [--smoke]

Builds the release preset and prints, as JSON, a line each: the no-op in process, and over unix:// with 64 B, 1 KB and 600 KB,
beside a raw ping-pong over the same kind of socket. --smoke only sees that each of them runs.
HELP
}

command_bench() {
  local smoke=
  case ${1:-} in
    "") ;;
    --smoke) smoke=yes ;;
    *) fail "bench: unknown argument \"$1\"" ;;
  esac
  setup_build
  build_preset release
  if [[ $smoke ]]; then
    step "bench smoke" run_benchmarks
  else
    run_benchmarks
  fi
}

run_benchmarks() {
  local vaccel=build/release/bin/vaccel agent=build/release/bin/vaccel-agent folder address pid bytes status=0
  VAC_PLUGINS=noop "$vaccel" bench --op noop --bytes 64 --json || status=$?
  folder=$(mktemp -d)
  address=unix://$folder/agent.sock
  "$agent" --listen "$address" --plugin noop 2>"$folder/agent.log" &
  pid=$!
  for ((i = 0; i < 100; i++)); do
    [[ -S $folder/agent.sock ]] && break
    sleep 0.05
  done
  for bytes in 64 1024 600000; do
    "$vaccel" bench --at "$address" --op noop --bytes "$bytes" --json || status=$?
  done
  kill "$pid"
  wait "$pid" || status=$?
  ((status == 0)) || cat "$folder/agent.log"
  rm -rf "$folder"
  return "$status"
}
