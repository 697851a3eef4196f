// SPDX-License-Identifier: Apache-2.0
#include "random_work.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace vac::test {
namespace {

// Far above what anything takes: whoever waits so long hangs.
constexpr std::chrono::seconds kPatience{120};
constexpr int kMostAttempts = 60;
constexpr std::size_t kMiB = std::size_t{1} << 20;
// Few enough that clients upload the same files at the same time.
constexpr std::uint64_t kFiles = 16;
constexpr std::size_t kMostKept = 4;

Error wrong(const char* op) {
  return Error{Errc::bad_message, std::string(op) + " answered something else than it must"};
}

}  // namespace

RandomWork::RandomWork(std::string address, std::uint64_t seed)
    : address_(std::move(address)), random_(seed), local_(Session::open("local:").value()) {}

Status RandomWork::open() {
  if (session_) return {};
  // A machine under load may not get to it within the two seconds that hello may take.
  for (int attempt = 1;; ++attempt) {
    auto opened = Session::open(address_, {kPatience, "random work"});
    if (!opened && opened.error().code() == Errc::timed_out && attempt < kMostAttempts) continue;
    VAC_TRY(session_, std::move(opened));
    return {};
  }
}

Status RandomWork::step() {
  switch (random_.below(10)) {
    case 0:
      return large_input();
    case 1:
      return large_output();
    case 2:
      return upload();
    case 3:
      close();
      return open();
    case 4:
    case 5:
      return in_buffers();
    default:
      return small_call();
  }
}

std::vector<std::int32_t> RandomWork::expected(std::span<const std::int32_t> input,
                                               std::size_t count) {
  std::vector<std::int32_t> output(count);
  output.resize(local_.fpga_arraycopy(input, output).value());
  return output;
}

Status RandomWork::small_call() {
  std::vector<std::int32_t> input(1 + random_.below(3000));
  random_.fill(std::as_writable_bytes(std::span(input)));
  std::vector<std::int32_t> output(8);
  VAC_TRY(const std::size_t count, session_->fpga_arraycopy(input, output));
  output.resize(count);
  return output == expected(input, 8) ? Status{} : wrong("a small call");
}

Status RandomWork::large_input() {
  std::vector<std::int32_t> input((1 + random_.below(12)) * kMiB / sizeof(std::int32_t));
  input.front() = input.back() = static_cast<std::int32_t>(random_.next());
  std::vector<std::int32_t> output(8);
  VAC_TRY(const std::size_t count, session_->fpga_arraycopy(input, output));
  output.resize(count);
  return output == expected(input, 8) ? Status{} : wrong("a large input");
}

Status RandomWork::large_output() {
  const std::array input{static_cast<std::int32_t>(random_.below(4))};
  std::vector<std::int32_t> output((1 + random_.below(12)) * kMiB / sizeof(std::int32_t));
  VAC_TRY(const std::size_t count, session_->fpga_arraycopy(input, output));
  if (count != output.size()) return wrong("a large output");
  return output == expected(input, count) ? Status{} : wrong("a large output");
}

/// Of this session or another, which the call must not notice.
Status RandomWork::in_buffers() {
  VAC_TRY(Buffer made, session_->buffer(4096 * (1 + random_.below(500))));
  kept_.push_back(std::move(made));
  if (kept_.size() > kMostKept) kept_.erase(kept_.begin());
  const auto ints = [&](const Buffer& buffer) {
    return std::span(reinterpret_cast<std::int32_t*>(buffer.bytes().data()),
                     buffer.bytes().size() / sizeof(std::int32_t));
  };
  const std::span<std::int32_t> input = ints(kept_[random_.below(kept_.size())]);
  random_.fill(std::as_writable_bytes(input.first(100)));
  if (random_.one_in(2)) {
    std::vector<std::int32_t> output(8);
    VAC_TRY(const std::size_t count, session_->fpga_arraycopy(input, output));
    output.resize(count);
    return output == expected(input, 8) ? Status{} : wrong("a call in buffers");
  }
  VAC_TRY(const Buffer result, session_->buffer(input.size_bytes()));
  const std::span<std::int32_t> output = ints(result);
  VAC_TRY(const std::size_t count, session_->fpga_arraycopy(input, output));
  const std::vector<std::int32_t> wanted = expected(input, output.size());
  return std::ranges::equal(wanted, output.first(count)) ? Status{} : wrong("a call in buffers");
}

Status RandomWork::upload() {
  Random content(random_.below(kFiles));
  std::vector<std::byte> file(kMiB + content.below(2 * kMiB));
  content.fill(file);
  const auto describe = [&](const Session& session) -> Result<std::string> {
    VAC_TRY(const Resource resource, session.resource_bytes(file));
    return session.model_describe(resource);
  };
  VAC_TRY(const std::string answer, describe(*session_));
  return answer == describe(local_).value() ? Status{} : wrong("an upload");
}

}  // namespace vac::test
