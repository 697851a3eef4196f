// SPDX-License-Identifier: Apache-2.0
// Calls to frames and back, beside a copy of the same head.
#include <benchmark/benchmark.h>
#include <vac/call.h>
#include <vac/plugin.h>

#include <cstring>
#include <memory>
#include <vector>

#include "call/op_table.hpp"
#include "wire/codec.hpp"
#include "wire/frame.hpp"

namespace {

constexpr std::uint64_t kLargestFrame = 1ULL << 30;

vac_arg scalar(std::uint8_t type, std::uint64_t value) {
  vac_arg arg{};
  arg.type = type;
  arg.form = VAC_SCALAR;
  arg.dir = VAC_IN;
  arg.value = value;
  return arg;
}

vac_arg array(std::uint8_t type, std::vector<char>& data, std::uint8_t dir = VAC_IN) {
  vac_arg arg{};
  arg.type = type;
  arg.form = VAC_ARRAY;
  arg.dir = dir;
  arg.value = reinterpret_cast<std::uintptr_t>(data.data());
  arg.bytes = data.size();
  return arg;
}

/// A call of one argument (noop) or of eleven (sgemm), with arrays of so many bytes.
class Example {
 public:
  Example(const char* op, std::size_t bytes) : op_(*vac::find_op(op)), data_(bytes) {
    if (op_.args.size() == 1) {
      args_ = {array(VAC_BYTE, data_)};
    } else {
      const vac_arg one = scalar(VAC_I64, 1);
      const vac_arg factor = scalar(VAC_F32, 0x3f800000);
      const vac_arg matrix = array(VAC_F32, data_);
      args_ = {one, one,    one, factor, matrix,
               one, matrix, one, factor, array(VAC_F32, data_, VAC_INOUT),
               one};
    }
    call_.struct_size = sizeof call_;
    call_.op = op_.id;
    call_.args = args_.data();
    call_.arg_count = static_cast<std::uint32_t>(args_.size());
  }

  const vac::Op& op() const { return op_; }
  const vac_call& call() const { return call_; }

  /// The frame as it arrives, in memory that is aligned as frames are.
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  struct Arrived {
    std::unique_ptr<std::byte[], Free> memory;
    std::size_t bytes = 0;
  };
  Arrived arrive() const {
    vac::wire::FrameEncoder encoder;
    if (!encoder.encode_call(call_, 1, 0, kLargestFrame)) return {};
    Arrived frame;
    frame.bytes = encoder.frame_size();
    frame.memory.reset(static_cast<std::byte*>(std::aligned_alloc(64, frame.bytes)));
    std::byte* to = frame.memory.get();
    for (const iovec& part : encoder.frame()) {
      std::memcpy(to, part.iov_base, part.iov_len);
      to += part.iov_len;
    }
    return frame;
  }

 private:
  const vac::Op& op_;
  std::vector<char> data_;
  std::vector<vac_arg> args_;
  vac_call call_{};
};

void encode(benchmark::State& state, const char* op) {
  const Example example(op, static_cast<std::size_t>(state.range(0)));
  vac::wire::FrameEncoder encoder;
  std::uint64_t request = 0;
  for ([[maybe_unused]] const auto round : state) {
    const vac::Status encoded = encoder.encode_call(example.call(), ++request, 0, kLargestFrame);
    if (!encoded) {
      state.SkipWithError(encoded.error().message().c_str());
      return;
    }
    benchmark::DoNotOptimize(encoder.frame().data());
  }
}

/// Decoding changes the records in place, so each round begins with a copy of the head: the control
/// copy_head is that alone.
template <bool kDecode>
void read(benchmark::State& state, const char* op) {
  const Example example(op, static_cast<std::size_t>(state.range(0)));
  const Example::Arrived frame = example.arrive();
  if (frame.memory == nullptr) {
    state.SkipWithError("the example is not encoded");
    return;
  }
  const std::size_t head_bytes =
      sizeof(vac::wire::FrameHeader) + example.call().arg_count * sizeof(vac_arg);
  const std::vector<std::byte> head(frame.memory.get(), frame.memory.get() + head_bytes);
  for ([[maybe_unused]] const auto round : state) {
    std::memcpy(frame.memory.get(), head.data(), head_bytes);
    benchmark::DoNotOptimize(frame.memory.get());
    benchmark::ClobberMemory();
    if constexpr (kDecode) {
      vac_call call{};
      const vac::Status decoded =
          vac::wire::decode_call(example.op(), {frame.memory.get(), frame.bytes}, call);
      if (!decoded) {
        state.SkipWithError(decoded.error().message().c_str());
        return;
      }
      benchmark::DoNotOptimize(call.args);
    }
  }
}

void decode(benchmark::State& state, const char* op) { read<true>(state, op); }
void copy_head(benchmark::State& state, const char* op) { read<false>(state, op); }

BENCHMARK_CAPTURE(encode, noop, "noop")->Arg(64)->Arg(602112);
BENCHMARK_CAPTURE(encode, sgemm, "sgemm")->Arg(65536);
BENCHMARK_CAPTURE(decode, noop, "noop")->Arg(64)->Arg(602112);
BENCHMARK_CAPTURE(copy_head, noop, "noop")->Arg(64);
BENCHMARK_CAPTURE(decode, sgemm, "sgemm")->Arg(65536);
BENCHMARK_CAPTURE(copy_head, sgemm, "sgemm")->Arg(65536);

}  // namespace

BENCHMARK_MAIN();
