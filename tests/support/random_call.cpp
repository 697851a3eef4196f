// SPDX-License-Identifier: Apache-2.0
#include "support/random_call.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "call/check.hpp"
#include "call/types.hpp"

namespace vac::test {
namespace {

struct Tensor {
  std::uint8_t type = 0;
  std::vector<std::int64_t> dims;
  std::vector<std::byte> data;
};

/// Random values of each kind.
class Values {
 public:
  Values(Random& random, const CallSizes& sizes) : random_(random), sizes_(sizes) {}

  std::uint8_t number() {
    return static_cast<std::uint8_t>(VAC_BOOL + random_.below(VAC_C128 - VAC_BOOL + 1));
  }

  std::uint64_t bits(std::uint8_t type) {
    if (type == VAC_BOOL) return random_.below(2);
    const std::uint32_t width = element_bytes(type);
    const std::uint64_t value = random_.next();
    return width >= 8 ? value : value & ((std::uint64_t{1} << (8 * width)) - 1);
  }

  std::vector<std::byte> array(std::uint8_t type) {
    if (type == VAC_CHAR) return text(count());
    return elements(type, count());
  }

  Tensor tensor() {
    const std::uint64_t kind = random_.below(VAC_C128 + 2);
    Tensor tensor;
    tensor.type = kind == 0          ? std::uint8_t{VAC_STRING}
                  : kind <= VAC_C128 ? static_cast<std::uint8_t>(kind)
                                     : std::uint8_t{VAC_OPAQUE};
    std::int64_t product = 1;
    for (std::uint64_t rank = random_.below(VAC_MAX_RANK + 1); rank > 0; --rank) {
      std::int64_t dim = random_.pick<std::int64_t>({1, 2, 3, 5, 7});
      if (product * dim > 48) dim = 1;
      if (random_.one_in(25)) dim = 0;
      product *= dim;
      tensor.dims.push_back(dim);
    }
    tensor.data = tensor_data(tensor.type, static_cast<std::uint64_t>(product));
    return tensor;
  }

  std::uint64_t capacity(std::uint8_t type) {
    return random_.one_in(3) ? VAC_ANY_BYTES : element_bytes(type) * count();
  }

  std::uint64_t list_count() { return random_.below(sizes_.list_items + 1); }

 private:
  std::uint64_t count() { return random_.one_in(6) ? 0 : random_.below(sizes_.array_elements + 1); }

  std::vector<std::byte> elements(std::uint8_t type, std::uint64_t count) {
    std::vector<std::byte> data(count * element_bytes(type));
    random_.fill(data);
    if (type == VAC_BOOL) {
      for (std::byte& byte : data) byte &= std::byte{1};
    }
    return data;
  }

  /// UTF-8 of one to four bytes a character, at most `limit` bytes.
  std::vector<std::byte> text(std::uint64_t limit) {
    std::string out;
    while (true) {
      const std::string_view next =
          random_.pick<std::string_view>({"a", "Z", " ", "\n", "ß", "€", "😀"});
      if (out.size() + next.size() > limit) break;
      out += next;
    }
    const auto bytes = std::as_bytes(std::span(out));
    return {bytes.begin(), bytes.end()};
  }

  std::vector<std::byte> tensor_data(std::uint8_t type, std::uint64_t count) {
    if (type == VAC_OPAQUE) {
      std::vector<std::byte> data(count * random_.below(9));
      random_.fill(data);
      return data;
    }
    if (type != VAC_STRING) return elements(type, count);
    std::vector<std::uint64_t> ends(count);
    std::uint64_t end = 0;
    for (std::uint64_t& to : ends) to = end += random_.below(6);
    std::vector<std::byte> data(8 * count + end);
    random_.fill(data);
    if (count != 0) std::memcpy(data.data(), ends.data(), 8 * count);
    return data;
  }

  Random& random_;
  const CallSizes& sizes_;
};

std::uint8_t type_of(std::uint32_t signature) { return static_cast<std::uint8_t>(signature); }
std::uint8_t form_of(std::uint32_t signature) { return static_cast<std::uint8_t>(signature >> 8); }
std::uint8_t dir_of(std::uint32_t signature) { return static_cast<std::uint8_t>(signature >> 16); }

/// Adds one random argument after the other to a call.
class CallMaker {
 public:
  CallMaker(BuiltCall& call, Random& random, const CallSizes& sizes)
      : call_(call), random_(random), values_(random, sizes) {}

  void argument(const OpArgument& argument) {
    const std::uint32_t signature = argument.signature;
    if (argument.optional && random_.one_in(3)) {
      call_.absent(type_of(signature), dir_of(signature));
    } else if (form_of(signature) == VAC_LIST) {
      list(argument);
    } else {
      leaf(signature, 0);
    }
  }

 private:
  void list(const OpArgument& argument) {
    const std::uint8_t dir = dir_of(argument.signature);
    if (dir == VAC_OUT && random_.one_in(2)) {
      call_.list(dir, VAC_ANY_COUNT);
      return;
    }
    const auto count = static_cast<std::uint32_t>(values_.list_count());
    call_.list(dir, count);
    for (std::uint32_t i = 0; i < count; ++i) {
      if (argument.child_signature != 0) {
        leaf(argument.child_signature, 0);
      } else {
        leaf(any_signature(dir), static_cast<std::uint32_t>(random_.next()));
      }
    }
  }

  std::uint32_t any_signature(std::uint8_t dir) {
    switch (random_.below(5)) {
      case 0:
        return signature_word(static_cast<std::uint8_t>(VAC_BOOL + random_.below(VAC_C64)),
                              VAC_SCALAR, dir);
      case 1:
        return signature_word(values_.number(), VAC_ARRAY, dir);
      case 2:
        return signature_word(VAC_CHAR, VAC_ARRAY, dir);
      case 3:
        return signature_word(VAC_BYTE, VAC_ARRAY, dir);
      default:
        return signature_word(VAC_NONE, VAC_TENSOR, dir);
    }
  }

  void leaf(std::uint32_t signature, std::uint32_t tag) {
    const std::uint8_t type = type_of(signature);
    const std::uint8_t dir = dir_of(signature);
    switch (form_of(signature)) {
      case VAC_SCALAR:
        if (type == VAC_RESOURCE) {
          call_.resource(1 + random_.below(1000));
        } else {
          call_.scalar(type, dir == VAC_OUT ? 0 : values_.bits(type), dir, tag);
        }
        break;
      case VAC_ARRAY:
        if (dir != VAC_OUT) {
          call_.array(type, values_.array(type), dir, tag);
        } else if (const std::uint64_t capacity = values_.capacity(type);
                   capacity == VAC_ANY_BYTES || random_.one_in(2)) {
          call_.out_array(type, capacity);
        } else {
          call_.out_array_in_place(type, capacity);
        }
        break;
      default:
        if (dir == VAC_OUT) {
          call_.out_tensor(values_.capacity(VAC_U8));
        } else {
          const Tensor tensor = values_.tensor();
          call_.tensor(tensor.type, tensor.dims, tensor.data, dir, tag);
        }
    }
  }

  BuiltCall& call_;
  Random& random_;
  Values values_;
};

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
      Tensor tensor = values_.tensor();
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
  Values values_;
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

BuiltCall random_call(const Op& op, Random& random, const CallSizes& sizes) {
  BuiltCall call(op.id);
  CallMaker maker(call, random, sizes);
  for (const OpArgument& argument : op.args) maker.argument(argument);
  random.fill(std::as_writable_bytes(std::span(call.call().trace)));
  return call;
}

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
