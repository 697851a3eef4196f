// SPDX-License-Identifier: Apache-2.0
// vectors/*.hex are frames written down byte for byte from docs/protocol.md, for clients in any
// language. The product makes and reads exactly these.
#include <gtest/gtest.h>

#include <bit>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "support/built_call.hpp"
#include "support/frame_bytes.hpp"
#include "support/test_paths.hpp"
#include "wire/codec.hpp"
#include "wire/hello.hpp"

namespace vac::wire {
namespace {

using test::AlignedBytes;
using test::BuiltCall;

constexpr std::uint64_t kLargest = 4ULL << 30;

std::filesystem::path vector_directory() {
  return test::source_directory() / "tests" / "conformance" / "vectors";
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Hexadecimal bytes; what follows # is a comment.
std::vector<std::byte> parse_hex(const std::string& text) {
  std::vector<std::byte> bytes;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) {
      bytes.push_back(static_cast<std::byte>(std::stoul(word, nullptr, 16)));
    }
  }
  return bytes;
}

std::vector<std::byte> copy_of(const AlignedBytes& bytes) {
  const std::span<const std::byte> all = bytes;
  return {all.begin(), all.end()};
}

std::vector<std::byte> call_frame(BuiltCall& call, std::uint64_t request,
                                  std::uint32_t deadline_us = 0) {
  FrameEncoder encoder;
  EXPECT_TRUE(encoder.encode_call(call.call(), request, deadline_us, kLargest));
  return copy_of(test::whole_frame(encoder));
}

std::vector<std::byte> reply_frame(BuiltCall& call, std::uint64_t request, std::uint32_t agent_us,
                                   std::span<const FrameEncoder::Output> outputs = {}) {
  FrameEncoder encoder;
  EXPECT_TRUE(encoder.encode_reply(*find_op(call.call().op), call.call(), outputs, request,
                                   agent_us, kLargest));
  return copy_of(test::whole_frame(encoder));
}

std::vector<std::byte> frame_of(const std::function<void(FrameEncoder&)>& encode) {
  FrameEncoder encoder;
  encode(encoder);
  return copy_of(test::whole_frame(encoder));
}

std::vector<std::byte> hello(const char* name) {
  Hello hello;
  hello.client_name = name;
  return encode_hello(hello);
}

BuiltCall ping() { return BuiltCall(find_op("ping")->id); }

BuiltCall noop() {
  BuiltCall call(find_op("noop")->id);
  call.bytes("hello");
  return call;
}

void set_trace(BuiltCall& call) {
  std::uint8_t next = 1;
  for (std::uint8_t& byte : call.call().trace) byte = next++;
}

BuiltCall minmax() {
  BuiltCall call(find_op("minmax")->id);
  call.array(VAC_F64, std::vector<double>{1.5, -2}).scalar(VAC_I32, 0xffff'ffff).scalar(VAC_I32, 4);
  call.out_array(VAC_F64, 64).out_scalar(VAC_F64).out_scalar(VAC_F64);
  set_trace(call);
  return call;
}

BuiltCall model_run() {
  BuiltCall call(find_op("model_run")->id);
  const std::vector<float> data{1, 2, 3};
  call.resource(1).list(VAC_IN, 1).string("x").list(VAC_IN, 1);
  call.tensor(VAC_F32, {1, 3}, std::as_bytes(std::span(data)));
  call.list(VAC_IN, 0).absent(VAC_BYTE, VAC_IN).list(VAC_OUT, VAC_ANY_COUNT);
  return call;
}

std::vector<std::byte> minmax_reply() {
  BuiltCall call = minmax();
  std::vector<double> result{1.5, -1};
  call.records()[4].value = std::bit_cast<std::uint64_t>(-2.0);
  call.records()[5].value = std::bit_cast<std::uint64_t>(1.5);
  call.call().queue_us = 5;
  call.call().plugin_us = 40;
  const FrameEncoder::Output output{3, 0, result.data(), 16, VAC_F64, 0, {}};
  return reply_frame(call, 3, 60, {&output, 1});
}

std::vector<std::byte> model_run_reply() {
  BuiltCall call = model_run();
  std::vector<float> scores{0.25F, 0.75F};
  call.call().plugin_us = 900;
  const FrameEncoder::Output output{5, 0, scores.data(), 8, VAC_F32, 2, {2, 1}};
  return reply_frame(call, 4, 950, {&output, 1});
}

std::vector<std::byte> noop_reply() {
  BuiltCall call = noop();
  call.call().plugin_us = 1;
  return reply_frame(call, 2, 2);
}

std::vector<std::byte> data_end() {
  FrameHeader header;
  header.kind = Kind::data;
  header.request = 6;
  header.code = VAC_ECANCELED;
  const auto bytes = std::as_bytes(std::span(&header, 1));
  return {bytes.begin(), bytes.end()};
}

template <class Make>
std::vector<std::byte> frame_of_call(Make make, std::uint64_t request,
                                     std::uint32_t deadline_us = 0) {
  BuiltCall call = make();
  return call_frame(call, request, deadline_us);
}

/// What the product makes, by the name of the file.
std::map<std::string, std::vector<std::byte>> made_by_the_product() {
  BuiltCall idle = ping();
  return {
      {"hello_client.hex", hello("example")},
      {"hello_agent.hex", hello("vaccel-agent")},
      {"ping_call.hex", frame_of_call(ping, 1)},
      {"ping_reply.hex", reply_frame(idle, 1, 1)},
      {"noop_call.hex", frame_of_call(noop, 2)},
      {"noop_reply.hex", noop_reply()},
      {"minmax_call.hex", frame_of_call(minmax, 3, 250'000)},
      {"minmax_reply.hex", minmax_reply()},
      {"model_run_call.hex", frame_of_call(model_run, 4)},
      {"model_run_reply.hex", model_run_reply()},
      {"failure.hex", frame_of([](FrameEncoder& encoder) {
         encoder.encode_failure(4, VAC_EINVAL, 7,
                                "model_run: input 0 'x' has shape [1,3], the model takes [1,4]");
       })},
      {"cancel.hex", frame_of([](FrameEncoder& encoder) { encoder.encode_cancel(5); })},
      {"data_end.hex", data_end()},
      {"goodbye.hex", frame_of([](FrameEncoder& encoder) {
         encoder.encode_goodbye(VAC_EPROTO, "no common version of the protocol");
       })},
  };
}

TEST(Vectors, AreWhatTheProductMakes) {
  const auto made = made_by_the_product();
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(vector_directory())) {
    const std::string name = file.path().filename().string();
    const auto found = made.find(name);
    ASSERT_NE(found, made.end()) << name << " is not made by this test";
    EXPECT_EQ(parse_hex(text_of(file.path())), found->second) << name;
    ++count;
  }
  EXPECT_EQ(count, made.size());
}

TEST(Vectors, AreWellFormed) {
  for (const auto& file : std::filesystem::directory_iterator(vector_directory())) {
    const std::vector<std::byte> bytes = parse_hex(text_of(file.path()));
    ASSERT_GE(bytes.size(), sizeof(FrameHeader)) << file.path();
    const FrameHeader header = read_header(bytes.data());
    const Status status = check_header(header, kLargest);
    EXPECT_TRUE(status) << file.path() << ": " << status.error().text();
    EXPECT_EQ(frame_bytes(header), bytes.size()) << file.path();
  }
}

AlignedBytes vector(const char* name) {
  return AlignedBytes(parse_hex(text_of(vector_directory() / name)));
}

TEST(Vectors, OfCallsAreRead) {
  for (const char* name : {"ping", "noop", "minmax", "model_run"}) {
    AlignedBytes frame = vector((std::string(name) + "_call.hex").c_str());
    vac_call call{};
    const Status status = decode_call(*find_op(name), frame.bytes(), call);
    ASSERT_TRUE(status) << status.error().text();
  }
  AlignedBytes frame = vector("model_run_call.hex");
  vac_call call{};
  ASSERT_TRUE(decode_call(*find_op("model_run"), frame.bytes(), call));
  const auto* tensor = reinterpret_cast<const float*>(call.args[4].value);
  EXPECT_EQ(std::vector<float>(tensor, tensor + 3), (std::vector<float>{1, 2, 3}));
}

TEST(Vectors, OfRepliesAreRead) {
  std::vector<ReplyPart> parts;
  std::vector<ListCount> list_counts;
  BuiltCall call = minmax();
  const AlignedBytes reply = vector("minmax_reply.hex");
  ASSERT_TRUE(decode_reply(*find_op("minmax"), reply, call.call(), parts, list_counts));
  EXPECT_EQ(std::bit_cast<double>(call.records()[4].value), -2.0);
  EXPECT_EQ(std::bit_cast<double>(call.records()[5].value), 1.5);
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].bytes, 16U);

  BuiltCall run = model_run();
  const AlignedBytes run_reply = vector("model_run_reply.hex");
  ASSERT_TRUE(decode_reply(*find_op("model_run"), run_reply, run.call(), parts, list_counts));
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].rank, 2);
  EXPECT_EQ(parts[0].dims[0], 2);
  ASSERT_EQ(list_counts.size(), 1U);
  EXPECT_EQ(list_counts[0].count, 1U);
  EXPECT_EQ(failure_text(vector("failure.hex")),
            "model_run: input 0 'x' has shape [1,3], the model takes [1,4]");
}

TEST(Vectors, OfHellosAreRead) {
  const auto hello = decode_hello(vector("hello_client.hex"));
  ASSERT_TRUE(hello) << hello.error().text();
  EXPECT_EQ(hello->client_name, "example");
  EXPECT_EQ(hello->largest_frame, 4ULL << 30);
}

/// The blocks ```hex of the specification, each beginning with "# name.hex".
std::map<std::string, std::string> blocks_of_specification() {
  std::map<std::string, std::string> blocks;
  std::istringstream lines(text_of(test::source_directory() / "docs" / "protocol.md"));
  std::string block;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (inside && line == "```") {
      blocks[block.substr(2, block.find(':') - 2)] = block;
      inside = false;
    } else if (inside) {
      block += line + "\n";
    } else if (line == "```hex") {
      inside = true;
      block.clear();
    }
  }
  return blocks;
}

/// "in bytes manifest, out u64 id", as the specification's table has it; "none" for none.
std::string arguments_of(const Op& op) {
  constexpr const char* kDirections[] = {"", "in", "out", "inout"};
  std::string text;
  for (const OpArgument& argument : op.args) {
    if (!text.empty()) text += ", ";
    text += std::string(kDirections[argument.signature >> 16]) + " " + argument.type + " " +
            argument.name;
  }
  return text.empty() ? "none" : text;
}

TEST(Specification, ListsTheControlOperationsOfTheTable) {
  const std::string text = text_of(test::source_directory() / "docs" / "protocol.md");
  for (const Op& op : all_ops()) {
    if (!op.control()) continue;
    const std::string line =
        "| " + std::to_string(op.id) + " | `" + op.name + "` | " + arguments_of(op) + " |\n";
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

TEST(Vectors, InTheSpecificationAreTheSame) {
  const auto blocks = blocks_of_specification();
  EXPECT_GE(blocks.size(), 5U);
  for (const auto& [name, block] : blocks) EXPECT_EQ(block, text_of(vector_directory() / name));
}

}  // namespace
}  // namespace vac::wire
