# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Quiet steps with a visible pulse: their whole output goes to build/log/, and to the screen when they fail.

log_directory=build/log

# What every command may rely on: jobs, the compiler cache, colours.
prepare_environment() {
  jobs=${VAC_JOBS:-$(nproc)}
  export CMAKE_BUILD_PARALLEL_LEVEL=$jobs CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-$jobs}
  if [[ -z ${CCACHE_DIR:-} && ! -w ${HOME:-/nonexistent} ]]; then
    export CCACHE_DIR=$root/build/ccache
  fi
  # The same file compiles to the same object in every checkout.
  export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
  export PYTHONDONTWRITEBYTECODE=1
}

say() { printf '%s\n' "$*"; }

# Ends the program with the sentence.
fail() {
  printf './dev: %s\n' "$*" >&2
  exit 1
}

refuse_arguments() {
  (($# == 0)) || fail "unexpected argument \"$1\""
}

# 83 -> "1 min 23 s"
duration() {
  if (($1 < 60)); then printf '%d s' "$1"; else printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); fi
}

# step LABEL COMMAND...: runs the command quietly. On a terminal its latest line is shown while it runs, elsewhere one line
# a minute. Fails as the command does, after showing the end of its output.
step() {
  local label=$1 log status started=$SECONDS
  shift
  mkdir -p "$log_directory"
  log=$(log_of "$label")
  set +e
  "$@" </dev/null 2>&1 | tee "$log" | pulse "$label"
  status=${PIPESTATUS[0]}
  set -e
  if ((status == 0)); then
    printf '  %-34s %s\n' "$label" "$(duration $((SECONDS - started)))"
    return 0
  fi
  printf '  %-34s FAILED\n' "$label" >&2
  show_failure "$log" >&2
  return "$status"
}

# Where the output of a step goes.
log_of() { printf '%s/%s.log' "$log_directory" "$(tr -c 'a-z0-9\n' '-' <<<"${1,,}")"; }

# The lines of a log that explain a failure, without the tests that passed and the steps that built.
show_failure() {
  grep -vE '^ *Start +[0-9]+:|Test +#[0-9]+: .* Passed|^\[[0-9]+/[0-9]+\] (Building|Linking|Re-running|Generating)' "$1" |
    tail -n 120 | sed 's/^/    /'
  printf '  whole output: %s\n' "$1"
}

# Follows a log on standard input: see step().
pulse() {
  local label=$1 line="" latest="" status shown=$SECONDS started=$SECONDS terminal=
  [[ -t 1 ]] && terminal=yes
  while true; do
    status=0
    IFS= read -r -t 1 line || status=$?
    if ((status == 0)); then
      [[ -n $line ]] && latest=$line
    elif ((status <= 128)); then
      break
    fi
    if [[ $terminal ]]; then
      printf '\r\033[K  %-34s %s  %.60s' "$label" "$(duration $((SECONDS - started)))" "${latest//$'\r'/}"
    elif ((SECONDS - shown >= 60)); then
      shown=$SECONDS
      printf '  %-34s %s  %.60s\n' "$label ..." "$(duration $((SECONDS - started)))" "$latest"
    fi
  done
  [[ $terminal ]] && printf '\r\033[K'
  return 0
}
