# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# ./dev fuzz: every reader of untrusted bytes, with libFuzzer.

fuzz_build=build/fuzz
fuzz_table=""

help_fuzz() {
  cat <<'HELP'
usage: ./dev fuzz [MINUTES] [NAME...]
       ./dev fuzz --merge [NAME...]

Builds the fuzzers (clang, with AddressSanitizer and UndefinedBehaviorSanitizer) and gives each of them, or those named,
MINUTES of CPU time (default 1; 0.2 is twelve seconds). They start from fuzz/corpus/NAME, and from what earlier runs found
interesting in build/fuzz/corpus/NAME. Inputs that break something are kept in build/fuzz/findings; then it fails and says
how to reproduce them. Names: those of fuzz/NAME_fuzz.cpp.

--merge replaces fuzz/corpus/NAME by the smallest part of both corpora that reaches the same code; files that somebody has
given a name stay. Every build replays these files as tests (ctest label fuzz).
HELP
}

command_fuzz() {
  local minutes=1 merge=
  if [[ ${1:-} == --merge ]]; then
    merge=yes
    shift
  elif [[ ${1:-} =~ ^[0-9]+(\.[0-9]+)?$ ]]; then
    minutes=$1
    shift
  fi
  local names
  mapfile -t names < <(fuzz_names "$@")
  ((${#names[@]})) || exit 1
  setup_check
  build_preset fuzz
  if [[ $merge ]]; then
    for name in "${names[@]}"; do step "merge $name" merge_corpus "$name"; done
  else
    run_fuzzers "$minutes" "${names[@]}"
  fi
}

# All names, or those given, each of which must be one.
fuzz_names() {
  local all name
  all=$(find fuzz -name '*_fuzz.cpp' -printf '%f\n' | sed 's/_fuzz\.cpp$//' | sort)
  for name in "$@"; do
    grep -qxF -e "$name" <<<"$all" || fail "fuzz: no fuzzer \"$name\": one of $(xargs <<<"$all")"
  done
  if (($#)); then printf '%s\n' "$@"; else printf '%s\n' "$all"; fi
}

# run_fuzzers MINUTES NAME...: as many at a time as there are jobs. Fails, after the table, when there is a finding.
run_fuzzers() {
  local minutes=$1 seconds name running=0 failed=() started=$SECONDS
  shift
  seconds=$(awk -v minutes="$minutes" 'BEGIN { print int(minutes * 60 + 0.999) }')
  mkdir -p "$fuzz_build/findings" "$log_directory"
  # What an earlier run has found is still to be mended; it is not this run's.
  for name in "$@"; do
    if ((running == jobs)); then
      wait -n || true
      running=$((running - 1))
    fi
    run_fuzzer "$name" "$seconds" &
    running=$((running + 1))
  done
  wait
  fuzz_table=$(printf '%-10s %10s %9s %9s %9s %9s  %s' fuzzer runs exec/s coverage features corpus result)$'\n'
  for name in "$@"; do
    fuzz_table+=$(fuzz_row "$name")$'\n'
    [[ $(<"$log_directory/fuzz-$name.status") == 0 ]] || failed+=("$name")
  done
  printf '\n%s\n%d fuzzers, %d CPU seconds each, in %s\n' "$fuzz_table" $# "$seconds" "$(duration $((SECONDS - started)))"
  ((${#failed[@]} == 0)) || report_findings "${failed[@]}"
}

# Runs one fuzzer until it has used so many seconds of CPU time, with a line every half minute; its exit status goes to a
# file beside its log.
run_fuzzer() {
  local name=$1 seconds=$2 log=$log_directory/fuzz-$1.log pid status=0 used=0 shown=$SECONDS
  mkdir -p "$fuzz_build/corpus/$name"
  "$fuzz_build/fuzz/${name}_fuzz" -print_final_stats=1 -timeout=60 -rss_limit_mb=2048 -max_len=8192 -len_control=0 \
    -artifact_prefix="$fuzz_build/findings/$name-" "$fuzz_build/corpus/$name" "fuzz/corpus/$name" >"$log" 2>&1 &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.5
    used=$(cpu_seconds "$pid")
    # Asked so, it ends by itself and prints its figures.
    ((used < seconds)) || kill -USR1 "$pid" 2>/dev/null || true
    if ((SECONDS - shown >= 30)); then
      shown=$SECONDS
      printf '  %-34s %s of %s CPU  %.60s\n' "fuzz $name ..." "$(duration "$used")" "$(duration "$seconds")" \
        "$(grep -oE 'cov: .*' "$log" | tail -n 1 || true)"
    fi
  done
  wait "$pid" || status=$?
  printf '%d\n' "$status" >"$log_directory/fuzz-$name.status"
  printf '  %-34s %s\n' "fuzz $name" "$([[ $status == 0 ]] && echo "no finding" || echo FINDING)"
}

# CPU time that a process of ours has used.
cpu_seconds() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || stat="0 (gone) Z 0 0 0 0 0 0 0 0 0 0 0 0"
  awk -v tick="$(getconf CLK_TCK)" '{ print int(($12 + $13) / tick) }' <<<"${stat##*)}"
}

fuzz_row() {
  local log=$log_directory/fuzz-$1.log cover result="no finding"
  cover=$(grep -oE 'cov: [0-9]+ ft: [0-9]+ corp: [0-9]+' "$log" | tail -n 1 || true)
  [[ $(<"$log_directory/fuzz-$1.status") == 0 ]] || result="FINDING $(fuzz_artifact "$log")"
  printf '%-10s %10s %9s %9s %9s %9s  %s' "$1" "$(fuzz_figure "$log" number_of_executed_units)" \
    "$(fuzz_figure "$log" average_exec_per_sec)" "$(awk '{ print $2 }' <<<"$cover")" "$(awk '{ print $4 }' <<<"$cover")" \
    "$(awk '{ print $6 }' <<<"$cover")" "$result"
}

fuzz_figure() { sed -n "s/^stat::$2: *//p" "$1" | tail -n 1; }

fuzz_artifact() { sed -n 's/.*Test unit written to //p' "$1" | tail -n 1; }

report_findings() {
  local name artifact
  for name in "$@"; do
    artifact=$(fuzz_artifact "$log_directory/fuzz-$name.log")
    grep -E '^finding:|SUMMARY:|runtime error:' "$log_directory/fuzz-$name.log" | head -n 5 || true
    cat <<HELP
  reproduce:     $fuzz_build/fuzz/${name}_fuzz ${artifact:-(no input was kept)}
  whole output:  $log_directory/fuzz-$name.log
  when mended:   cp ${artifact:-INPUT} fuzz/corpus/$name/WHAT-IT-IS && ./dev test Fuzz.$name
HELP
  done
  fail "fuzz: $* found something"
}

# The smallest set of inputs that reaches the same code, kept small enough to be committed.
merge_corpus() {
  local name=$1 fuzzer=$fuzz_build/fuzz/$1_fuzz merged
  merged=$(mktemp -d)
  mkdir -p "$fuzz_build/corpus/$name" "$fuzz_build/merge"
  rm -f "$fuzz_build/merge/$name"
  "$fuzzer" -set_cover_merge=1 -merge_control_file="$fuzz_build/merge/$name" -timeout=60 -max_len=8192 "$merged" \
    "fuzz/corpus/$name" "$fuzz_build/corpus/$name" || return
  tools/dev/pick_corpus.py "$fuzz_build/merge/$name" "fuzz/corpus/$name"
  rm -rf "$merged"
}
