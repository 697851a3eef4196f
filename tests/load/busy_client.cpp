// SPDX-License-Identifier: Apache-2.0
// A client to be killed: busy_client ADDRESS WHAT SEED. It works until it is killed, and writes a
// byte to its output before each thing that it does.
//   work    random calls, each answer compared with what it must be
//   hello   half a hello, and stays
//   frame   half a call of 8 MiB, and stays
// Exit status 1: a call failed or a wrong answer came, which it says.
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "random_work.hpp"
#include "support/raw_client.hpp"
#include "wire/hello.hpp"

namespace {

using vac::test::BuiltCall;
using vac::test::RawClient;

void tick() {
  const char byte = '.';
  if (::write(STDOUT_FILENO, &byte, 1) != 1) std::exit(0);  // nobody watches any more
}

int fail(const vac::Error& error) {
  std::fprintf(stderr, "busy_client: %s\n", error.message().c_str());
  return 1;
}

int work(const std::string& address, std::uint64_t seed) {
  vac::test::RandomWork work(address, seed);
  tick();
  if (vac::Status opened = work.open(); !opened) return fail(opened.error());
  for (;;) {
    tick();
    if (vac::Status done = work.step(); !done) return fail(done.error());
  }
}

/// Sends the first part of `bytes`, and stays.
int stay(RawClient client, std::span<const std::byte> bytes, std::uint64_t part) {
  tick();
  client.send(bytes.first(static_cast<std::size_t>(part)));
  for (;;) {
    tick();
    ::pause();
  }
}

int run(const std::string& address, const std::string& what, std::uint64_t seed) {
  vac::test::Random random(seed);
  if (what == "work") return work(address, seed);
  if (what == "hello") {
    const std::vector<std::byte> hello = vac::wire::encode_hello({});
    return stay(RawClient(address), hello, random.below(hello.size()));
  }
  if (what == "frame") {
    BuiltCall call(vac::find_op("noop")->id);
    call.bytes(std::string(std::size_t{8} << 20U, 'x'));
    const std::vector<std::byte> bytes = RawClient::call_bytes(call, 1);
    return stay(RawClient::greeted(address), bytes, random.below(bytes.size()));
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setenv("VAC_PLUGINS", "noop", 1);
  if (argc != 4) return 2;
  try {
    return run(argv[1], argv[2], std::stoull(argv[3]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "busy_client: %s\n", error.what());
    return 1;
  }
}
