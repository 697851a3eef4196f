// SPDX-License-Identifier: Apache-2.0
#include "conformance/codec_suite.hpp"

#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

namespace vac::test {
namespace {

using wire::FrameEncoder;
using wire::ListCount;
using wire::ReplyPart;

constexpr std::uint64_t kRequest = 7;
constexpr std::uint64_t kLargestFrame = 1 << 30;

void require(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message());
}

/// Takes what a plugin makes, in memory of exactly its size.
struct OutputStore {
  std::vector<FrameEncoder::Output> outputs;
  std::deque<std::vector<std::byte>> memory;

  void* add(std::uint32_t arg, std::uint32_t child, std::uint64_t bytes, std::uint8_t type,
            std::uint8_t rank, const std::int64_t* dims) {
    FrameEncoder::Output output{arg,  child, memory.emplace_back(bytes).data(), bytes, type,
                                rank, {}};
    for (std::uint8_t i = 0; i < rank; ++i) output.dims[i] = dims[i];
    outputs.push_back(output);
    return output.data;
  }
};

/// Puts a reply's parts together as a client does.
Results seen_by_client(const Op& op, const AlignedBytes& frame, vac_call& call) {
  const std::span<const std::byte> bytes = frame;
  const auto header = wire::read_header(bytes.data());
  require(wire::check_header(header, kLargestFrame));
  const auto head = bytes.first(wire::head_bytes(header));
  const auto payload = bytes.subspan(head.size());
  std::vector<ReplyPart> parts;
  std::vector<ListCount> list_counts;
  require(wire::decode_reply(op, head, call, parts, list_counts));

  Results results;
  for (const ListCount& list : list_counts) results.list_counts.emplace_back(list.arg, list.count);
  for (const ReplyPart& part : parts) {
    ResultLeaf leaf;
    leaf.arg = part.arg;
    leaf.child = part.child;
    leaf.form = part.form;
    leaf.type = part.type;
    if (part.rank != 0) leaf.dims.assign(part.dims, part.dims + part.rank);
    const std::byte* data = part.in_head != nullptr ? part.in_head : payload.data() + part.offset;
    leaf.data.assign(data, data + part.bytes);
    results.leaves.push_back(std::move(leaf));
  }
  return results;
}

/// Scalars are not among the parts of a reply: the decoder has put them into the call's records.
Results data_alone(Results results) {
  std::erase_if(results.leaves, [](const ResultLeaf& leaf) { return leaf.form == VAC_SCALAR; });
  return results;
}

std::string scalar_difference(const Op& op, const Results& made, const vac_call& call) {
  std::size_t position = 0;
  for (std::uint32_t arg = 0; arg < op.args.size(); ++arg) {
    const vac_arg& record = call.args[position];
    const bool list = record.form == VAC_LIST;
    const std::uint32_t children = list && record.count != VAC_ANY_COUNT ? record.count : 0;
    for (const ResultLeaf& leaf : made.leaves) {
      if (leaf.arg != arg || leaf.form != VAC_SCALAR) continue;
      if (call.args[position + (list ? 1 + leaf.child : 0)].value == leaf.value) continue;
      return std::string(op.name) + ": another output '" + op.args[arg].name + "'";
    }
    position += 1 + children;
  }
  return {};
}

}  // namespace

AlignedBytes Codec::call_frame(const vac_call& call) {
  require(encoder_.encode_call(call, kRequest, 0, kLargestFrame));
  return whole_frame(encoder_);
}

AlignedBytes Codec::reply_frame(const Op& op, const vac_call& done,
                                std::span<const FrameEncoder::Output> outputs) {
  require(encoder_.encode_reply(op, done, outputs, kRequest, 0, kLargestFrame));
  return whole_frame(encoder_);
}

std::string call_round_trip(const Op& op, std::uint64_t seed, Codec& codec) {
  Random random(seed);
  BuiltCall sent = random_call(op, random);
  AlignedBytes frame = codec.call_frame(sent.call());
  require(wire::check_header(wire::read_header(frame.data()), kLargestFrame));
  vac_call received{};
  require(wire::decode_call(op, frame.bytes(), received));
  return call_difference(op, sent.call(), received);
}

Exchange random_exchange(const Op& op, std::uint64_t seed, Codec& codec, const CallSizes& sizes) {
  Random random(seed);
  BuiltCall call = random_call(op, random, sizes);
  // The agent's side works on a call of its own. The same seed gives the same call.
  Random again(seed);
  BuiltCall served = random_call(op, again, sizes);
  OutputStore store;
  Results made = random_results(
      op, served.call(), random, [&store](auto... output) { return store.add(output...); }, sizes);
  AlignedBytes reply = codec.reply_frame(op, served.call(), store.outputs);
  return {std::move(call), std::move(made), std::move(reply)};
}

std::string reply_round_trip(const Op& op, std::uint64_t seed, Codec& codec) {
  Exchange exchange = random_exchange(op, seed, codec);
  const Results seen = seen_by_client(op, exchange.reply, exchange.call.call());
  std::string difference = results_difference(op, data_alone(exchange.made), seen);
  if (!difference.empty()) return difference;
  return scalar_difference(op, exchange.made, exchange.call.call());
}

}  // namespace vac::test
