// SPDX-License-Identifier: Apache-2.0
#include "plugin_check/random_call.hpp"

#include <span>

#include "plugin_check/random_values.hpp"

namespace vac::plugin_check {
namespace {

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
    const bool names = type_of(argument.child_signature) == VAC_CHAR;
    const auto count = static_cast<std::uint32_t>(values_.usual_list_count(names));
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
          const RandomTensor tensor = values_.tensor();
          call_.tensor(tensor.type, tensor.dims, tensor.data, dir, tag);
        }
    }
  }

  BuiltCall& call_;
  Random& random_;
  RandomValues values_;
};

}  // namespace

BuiltCall random_call(const Op& op, Random& random, const CallSizes& sizes) {
  BuiltCall call(op.id);
  CallMaker maker(call, random, sizes);
  for (const OpArgument& argument : op.args) maker.argument(argument);
  random.fill(std::as_writable_bytes(std::span(call.call().trace)));
  return call;
}

}  // namespace vac::plugin_check
