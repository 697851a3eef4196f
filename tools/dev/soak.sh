# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# ./dev soak: load tests and fuzzers at full length.

soak_presets=(dev asan tsan)
# CPU minutes for each fuzzer.
soak_fuzz_minutes=10

help_soak() {
  cat <<'HELP'
usage: ./dev soak [--scale NUMBER] [NAME...]

Runs the load tests at full length, which ./dev ci runs at a fiftieth, and gives each fuzzer 10 minutes of CPU time; hours in
all. Ends with a table: name, time, result, figures. It goes on after a failure, and fails at its end.

Load tests are the ctest tests with the label soak (preset dev), soak-asan or soak-tsan. NAME is a regular expression for
names such as "tsan ManyClients.AreKilled", or "fuzz". --scale 0.1 is a tenth of the full length.
HELP
}

command_soak() {
  local scale=1 minutes started=$SECONDS preset lost=0
  if [[ ${1:-} == --scale ]]; then
    [[ ${2:-} =~ ^[0-9]+(\.[0-9]+)?$ ]] || fail "soak: --scale needs a number, such as 0.1"
    scale=$2
    shift 2
  fi
  minutes=$(awk -v minutes="$soak_fuzz_minutes" -v scale="$scale" 'BEGIN { print minutes * scale }')
  local wanted
  wanted=$(printf '%s|' "$@")
  wanted=${wanted%|}
  setup_check
  soak_table=""
  for preset in "${soak_presets[@]}"; do
    [[ $wanted == fuzz ]] || soak_with "$preset"
  done
  if [[ fuzz =~ ^(${wanted:-.*})$ ]]; then soak_fuzzers; fi
  [[ -n $soak_table ]] || fail "soak: no load test is called \"$wanted\""
  printf '\n%-64s %-13s %-7s %s\n%s\n' "load test" time result figures "$soak_table"
  say "All in $(duration $((SECONDS - started)))."
  ((lost == 0)) || fail "soak: $lost of them failed"
}

# The load tests of one preset. Reads `scale` and `wanted`, adds to `soak_table` and `lost`.
soak_with() {
  local preset=$1 label=soak name command tests=()
  [[ $preset == dev ]] || label=soak-$preset
  # What has the label is known once it is built. A tree without any is not built.
  grep -rqE "LABEL \"([^\"]*;)?${label}[;\"]" --include=CMakeLists.txt --include='*.cmake' tests src plugins apps || return 0
  build_preset "$preset"
  # First all of them: a test that reads from the terminal would eat the list.
  mapfile -t tests < <(ctest --preset "$preset" --label-regex "^$label\$" --show-only=json-v1 |
    tools/dev/soak_tests.py "$preset")
  for name in "${tests[@]}"; do
    command=${name#*$'\t'}
    name="$preset ${name%%$'\t'*}"
    [[ $name =~ ${wanted:-.} ]] || continue
    soak_one "$name" "$command"
  done
}

soak_one() {
  local name=$1 started=$SECONDS result=ok
  step "soak $name" env VAC_SOAK_SCALE="$scale" bash -c "$2" || {
    result=FAILED
    lost=$((lost + 1))
  }
  soak_row "$name" "$(duration $((SECONDS - started)))" "$result" \
    "$(sed -n 's/^soak: *//p' "$(log_of "soak $name")" | paste -sd ';' | sed 's/;/; /g')"
}

soak_fuzzers() {
  local result=ok started=$SECONDS
  # In a shell of its own: a finding must not end this one.
  (command_fuzz "$minutes") || {
    result=FAILED
    lost=$((lost + 1))
  }
  soak_row "fuzz (all)" "$(duration $((SECONDS - started)))" "$result" "minutes=$minutes each"
}

soak_row() {
  soak_table+=$(printf '%-64s %-13s %-7s %s' "$@")$'\n'
}
