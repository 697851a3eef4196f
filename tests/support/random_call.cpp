// SPDX-License-Identifier: Apache-2.0
#include "support/random_call.hpp"

#include <algorithm>
#include <cstring>

#include "call/check.hpp"
#include "call/types.hpp"

namespace vac::test {
namespace {

std::uint8_t type_of(std::uint32_t signature) { return static_cast<std::uint8_t>(signature); }
std::uint8_t form_of(std::uint32_t signature) { return static_cast<std::uint8_t>(signature >> 8); }

/// Makes one random output after the other.
class ResultMaker {
 public:
  ResultMaker(const Op& op, vac_call& call, Random& random, const OutputFunction& output,
              const CallSizes& sizes)
      : op_(op), call_(call), random_(random), output_(output), values_(random, sizes) {}

  Results all() {
    std::size_t position = 0;
    for (std::uint32_t arg = 0; arg < op_.args.size(); ++arg) {
      vac_arg& record = call_.args[position];
      const std::uint32_t children = child_count(record);
      if (record.dir != VAC_IN && record.form == VAC_LIST) {
        list(arg, record, children);
      } else if (record.dir != VAC_IN && record.form != VAC_ABSENT) {
        leaf(arg, 0, record);
      }
      position += 1 + children;
    }
    return std::move(results_);
  }

 private:
  void list(std::uint32_t arg, vac_arg& record, std::uint32_t children) {
    if (record.dir == VAC_INOUT) {
      for (std::uint32_t child = 0; child < children; ++child) {
        leaf(arg, child, (&record)[1 + child]);
      }
      return;
    }
    const auto count = static_cast<std::uint32_t>(values_.list_count());
    results_.list_counts.emplace_back(arg, count);
    const std::uint32_t signature = op_.args[arg].child_signature;
    vac_arg unknown{};
    unknown.type = type_of(signature);
    unknown.form = form_of(signature);
    unknown.dir = VAC_OUT;
    unknown.where = VAC_WHERE_NOWHERE;
    for (std::uint32_t child = 0; child < count; ++child) made(arg, child, unknown);
  }

  void leaf(std::uint32_t arg, std::uint32_t child, vac_arg& record) {
    if (record.form == VAC_SCALAR) {
      record.value = values_.bits(record.type);
      ResultLeaf& leaf = add(arg, child, record);
      leaf.value = record.value;
      return;
    }
    const bool new_tensor = record.form == VAC_TENSOR && record.dir == VAC_OUT;
    const bool no_memory = record.where == VAC_WHERE_NOWHERE;
    if (new_tensor || no_memory || (record.form == VAC_ARRAY && random_.one_in(4))) {
      made(arg, child, record);
    } else {
      in_place(arg, child, record);
    }
  }

  ResultLeaf& add(std::uint32_t arg, std::uint32_t child, const vac_arg& record) {
    ResultLeaf leaf;
    leaf.arg = arg;
    leaf.child = child;
    leaf.form = record.form;
    leaf.type = record.type;
    return results_.leaves.emplace_back(std::move(leaf));
  }

  /// Through vac_host.output.
  void made(std::uint32_t arg, std::uint32_t child, const vac_arg& record) {
    ResultLeaf& leaf = add(arg, child, record);
    if (record.form == VAC_TENSOR) {
      plugin_check::RandomTensor tensor = values_.tensor();
      leaf.type = tensor.type;
      leaf.dims = std::move(tensor.dims);
      leaf.data = std::move(tensor.data);
    } else {
      leaf.data = values_.array(record.type);
    }
    void* to = output_(arg, child, leaf.data.size(), leaf.type,
                       static_cast<std::uint8_t>(leaf.dims.size()), leaf.dims.data());
    if (!leaf.data.empty()) std::memcpy(to, leaf.data.data(), leaf.data.size());
  }

  /// In the caller's memory; an array may become shorter.
  void in_place(std::uint32_t arg, std::uint32_t child, vac_arg& record) {
    ResultLeaf& leaf = add(arg, child, record);
    const auto dims = dims_of(record, call_.meta);
    leaf.dims.assign(dims.begin(), dims.end());
    if (record.form == VAC_ARRAY && random_.one_in(2)) {
      const std::uint64_t width = element_bytes(record.type);
      record.bytes = width * random_.below(record.bytes / width + 1);
    }
    const std::span<std::byte> memory{reinterpret_cast<std::byte*>(record.value), record.bytes};
    if (record.type == VAC_BOOL) {
      for (std::byte& byte : memory) byte = static_cast<std::byte>(random_.below(2));
    } else if (record.type != VAC_STRING) {
      random_.fill(memory);
    }
    leaf.data.assign(memory.begin(), memory.end());
  }

  const Op& op_;
  vac_call& call_;
  Random& random_;
  const OutputFunction& output_;
  plugin_check::RandomValues values_;
  Results results_;
};

bool has_data(const vac_arg& record) {
  return record.form == VAC_ARRAY || record.form == VAC_TENSOR;
}

const char* record_difference(const vac_call& sent, const vac_arg& a, const vac_call& received,
                              const vac_arg& b) {
  if (a.type != b.type || a.form != b.form || a.dir != b.dir) return "kind";
  if (a.count != b.count) return "count";
  if (!std::ranges::equal(dims_of(a, sent.meta), dims_of(b, received.meta))) return "shape";
  if (a.bytes != b.bytes) return "size";
  if (a.form == VAC_SCALAR && a.value != b.value) return "value";
  if (!has_data(a)) return nullptr;
  if (a.dir == VAC_OUT) return b.where == VAC_WHERE_NOWHERE ? nullptr : "place";
  if (b.where != VAC_WHERE_INLINE) return "place";
  const auto* from = reinterpret_cast<const void*>(a.value);
  const auto* to = reinterpret_cast<const void*>(b.value);
  return a.bytes == 0 || std::memcmp(from, to, a.bytes) == 0 ? nullptr : "data";
}

}  // namespace

Results random_results(const Op& op, vac_call& call, Random& random, const OutputFunction& output,
                       const CallSizes& sizes) {
  return ResultMaker(op, call, random, output, sizes).all();
}

std::string call_difference(const Op& op, const vac_call& sent, const vac_call& received) {
  if (sent.op != received.op) return "another operation";
  if (sent.arg_count != received.arg_count) return "another number of records";
  if (std::memcmp(sent.trace, received.trace, sizeof sent.trace) != 0) return "another trace id";
  for (std::size_t i = 0; i < sent.arg_count; ++i) {
    const char* what = record_difference(sent, sent.args[i], received, received.args[i]);
    if (what == nullptr) continue;
    return argument_text(op, {sent.args, sent.arg_count}, i) + ": another " + what;
  }
  return {};
}

std::string results_difference(const Op& op, const Results& made, const Results& seen) {
  if (made.list_counts != seen.list_counts)
    return std::string(op.name) + ": another length of a list";
  if (made.leaves.size() != seen.leaves.size())
    return std::string(op.name) + ": another number of outputs";
  for (std::size_t i = 0; i < made.leaves.size(); ++i) {
    if (made.leaves[i] == seen.leaves[i]) continue;
    return std::string(op.name) + ": another output '" + op.args[made.leaves[i].arg].name + "'";
  }
  return {};
}

}  // namespace vac::test
