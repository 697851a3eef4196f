// SPDX-License-Identifier: Apache-2.0
// The control of the suite: codecs which lose something must fail it, and in the comparison, since
// their frames are well formed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <ostream>
#include <string>
#include <vector>

#include "conformance/codec_suite.hpp"

namespace vac {

// NOLINTNEXTLINE(readability-identifier-naming): the name that GoogleTest looks for
void PrintTo(const Op* op, std::ostream* out) { *out << op->name; }

}  // namespace vac

namespace vac::test {
namespace {

using wire::FrameHeader;

/// A frame taken apart to be changed and put together again, with lengths and offsets repaired.
class Surgery {
 public:
  explicit Surgery(const AlignedBytes& frame) {
    const std::span<const std::byte> bytes = frame;
    header_ = wire::read_header(bytes.data());
    const auto* records = reinterpret_cast<const vac_arg*>(bytes.data() + sizeof header_);
    records_.assign(records, records + header_.record_count);
    const auto* dims = reinterpret_cast<const std::int64_t*>(records + header_.record_count);
    const std::size_t dim_count = header_.meta_bytes / sizeof(std::int64_t);
    dims_.assign(dims, dims + dim_count);
    const auto payload = bytes.subspan(wire::head_bytes(header_));
    for (const vac_arg& record : records_) {
      const auto data = carries_data(record) ? payload.subspan(record.value, record.bytes)
                                             : std::span<const std::byte>();
      data_.emplace_back(data.begin(), data.end());
    }
  }

  std::vector<vac_arg>& records() { return records_; }

  /// Position of the last record with bytes in the payload, records().size() for none.
  std::size_t last_with_data() const {
    for (std::size_t i = records_.size(); i-- > 0;) {
      if (!data_[i].empty()) return i;
    }
    return records_.size();
  }

  void drop_data(std::size_t position) {
    data_[position].clear();
    vac_arg& record = records_[position];
    record.bytes = 0;
    if (record.form != VAC_TENSOR) return;
    if (record.rank == 0) {  // one element without bytes: only opaque has that
      record.type = VAC_OPAQUE;
    } else {
      dims_[record.meta / sizeof(std::int64_t)] = 0;
    }
  }

  /// Swaps the first two different sizes of a tensor's shape. Whether there is such a tensor.
  bool transpose() {
    for (const vac_arg& record : records_) {
      if (record.form != VAC_TENSOR) continue;
      const std::span<std::int64_t> shape =
          std::span(dims_).subspan(record.meta / sizeof(std::int64_t), record.rank);
      const auto other =
          std::ranges::find_if(shape, [&](std::int64_t dim) { return dim != shape.front(); });
      if (other == shape.end()) continue;
      std::swap(shape.front(), *other);
      return true;
    }
    return false;
  }

  AlignedBytes frame() {
    header_.payload_bytes = 0;
    for (std::size_t i = 0; i < records_.size(); ++i) {
      if (!carries_data(records_[i])) continue;
      records_[i].value = header_.payload_bytes;
      header_.payload_bytes += wire::align_up(data_[i].size());
    }
    AlignedBytes out(wire::head_bytes(header_) + header_.payload_bytes);
    std::ranges::fill(out.bytes(), std::byte{});
    std::memcpy(out.data(), &header_, sizeof header_);
    std::byte* at = out.data() + sizeof header_;
    at = std::ranges::copy(std::as_bytes(std::span(records_)), at).out;
    std::ranges::copy(std::as_bytes(std::span(dims_)), at);
    const auto payload = out.bytes().subspan(wire::head_bytes(header_));
    for (std::size_t i = 0; i < records_.size(); ++i) {
      if (carries_data(records_[i])) {
        std::ranges::copy(data_[i], payload.subspan(records_[i].value).begin());
      }
    }
    return out;
  }

 private:
  static bool carries_data(const vac_arg& record) {
    return (record.form == VAC_ARRAY || record.form == VAC_TENSOR) && record.where == 0;
  }

  FrameHeader header_;
  std::vector<vac_arg> records_;
  std::vector<std::int64_t> dims_;
  std::vector<std::vector<std::byte>> data_;
};

/// A codec that does one thing wrong in every frame in which it can.
class Mutant : public Codec {
 public:
  AlignedBytes call_frame(const vac_call& call) override { return mutate(Codec::call_frame(call)); }
  AlignedBytes reply_frame(const Op& op, const vac_call& done,
                           std::span<const wire::FrameEncoder::Output> outputs) override {
    return mutate(Codec::reply_frame(op, done, outputs));
  }
  /// Whether the last frame is not what the product makes.
  bool mutated() const { return mutated_; }

 protected:
  virtual bool change(Surgery& frame) = 0;

 private:
  AlignedBytes mutate(AlignedBytes frame) {
    Surgery surgery(frame);
    mutated_ = change(surgery);
    return mutated_ ? surgery.frame() : std::move(frame);
  }
  bool mutated_ = false;
};

class DropsLastArgument : public Mutant {
 public:
  /// A client refuses an inout tensor that comes back with another shape; comparing is not needed.
  explicit DropsLastArgument(bool inout_tensors = true) : inout_tensors_(inout_tensors) {}

 private:
  bool change(Surgery& frame) override {
    const std::size_t position = frame.last_with_data();
    if (position == frame.records().size()) return false;
    const vac_arg& record = frame.records()[position];
    if (!inout_tensors_ && record.form == VAC_TENSOR && record.dir == VAC_INOUT) return false;
    frame.drop_data(position);
    return true;
  }

  const bool inout_tensors_;
};

class DropsScalars : public Mutant {
  bool change(Surgery& frame) override {
    bool changed = false;
    for (vac_arg& record : frame.records()) {
      if (record.form != VAC_SCALAR || record.type == VAC_RESOURCE) continue;
      changed = changed || record.value != 0;
      record.value = 0;
    }
    return changed;
  }
};

class TransposesTensors : public Mutant {
  bool change(Surgery& frame) override { return frame.transpose(); }
};

class DropsTags : public Mutant {
  bool change(Surgery& frame) override {
    bool changed = false;
    for (vac_arg& record : frame.records()) {
      if (record.form == VAC_LIST || record.count == 0) continue;
      record.count = 0;
      changed = true;
    }
    return changed;
  }
};

class EveryOp : public testing::TestWithParam<const Op*> {};

std::vector<const Op*> every_op() {
  std::vector<const Op*> all;
  for (const Op& op : all_ops()) all.push_back(&op);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Mutant, EveryOp, testing::ValuesIn(every_op()),
                         [](const auto& info) { return std::string(info.param->name); });

constexpr std::uint64_t kSeeds = 100;

bool has_data_input(const Op& op) {
  return std::ranges::any_of(op.args, [](const OpArgument& argument) {
    const bool in = (argument.signature >> 16 & VAC_IN) != 0;
    return in && (argument.signature >> 8 & 0xff) != VAC_SCALAR;
  });
}

/// How many of the frames that the mutant changed there were; each must fail the suite.
int caught(const Op& op, Mutant& mutant,
           std::string (*round_trip)(const Op&, std::uint64_t, Codec&)) {
  int count = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const std::string difference = round_trip(op, seed, mutant);
    EXPECT_EQ(difference.empty(), !mutant.mutated()) << "seed " << seed << ": " << difference;
    count += mutant.mutated() ? 1 : 0;
  }
  return count;
}

TEST_P(EveryOp, DroppingTheLastArgumentOfACallIsNoticed) {
  DropsLastArgument mutant;
  const int count = caught(*GetParam(), mutant, call_round_trip);
  EXPECT_EQ(count > 0, has_data_input(*GetParam()));
}

TEST_P(EveryOp, DroppingTheLastOutputIsNoticed) {
  DropsLastArgument mutant(/*inout_tensors=*/false);
  caught(*GetParam(), mutant, reply_round_trip);
}

TEST_P(EveryOp, DroppingScalarsIsNoticed) {
  DropsScalars mutant;
  caught(*GetParam(), mutant, call_round_trip);
}

TEST(Mutant, TransposingATensorIsNoticed) {
  TransposesTensors mutant;
  EXPECT_GT(caught(*find_op("model_run"), mutant, call_round_trip), 0);
  EXPECT_GT(caught(*find_op("model_run"), mutant, reply_round_trip), 0);
}

TEST(Mutant, DroppingTheTagsOfValuesIsNoticed) {
  DropsTags mutant;
  EXPECT_GT(caught(*find_op("exec"), mutant, call_round_trip), 0);
}

TEST(Mutant, DroppingOutputScalarsIsNoticed) {
  DropsScalars mutant;
  EXPECT_GT(caught(*find_op("minmax"), mutant, reply_round_trip), 0);
}

}  // namespace
}  // namespace vac::test
