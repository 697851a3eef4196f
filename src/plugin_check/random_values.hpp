// SPDX-License-Identifier: Apache-2.0
// Random numbers, texts, arrays and tensors as arguments and results of calls.
#pragma once

#include <vac/call.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plugin_check/random.hpp"

namespace vac::plugin_check {

struct CallSizes {
  std::uint64_t array_elements = 40;  ///< most elements of an array, bytes of a string
  std::uint64_t list_items = 4;
  /// Half of the calls have small numbers, arrays of one size, and often one tensor of f32 without
  /// names, so that sizes and strides agree more often as an operation wants them.
  bool plausible = false;
};

struct RandomTensor {
  std::uint8_t type = 0;
  std::vector<std::int64_t> dims;
  std::vector<std::byte> data;
};

/// The values of one call. Refers to what it is made from. Confined to one thread.
class RandomValues {
 public:
  RandomValues(Random& random, const CallSizes& sizes);

  /// A type of numbers.
  std::uint8_t number();
  /// The bits of a scalar, extended with zeros.
  std::uint64_t bits(std::uint8_t type);
  std::vector<std::byte> array(std::uint8_t type);
  RandomTensor tensor();
  /// Of an output, in bytes; VAC_ANY_BYTES at times.
  std::uint64_t capacity(std::uint8_t type);
  std::uint64_t list_count() { return random_.below(sizes_.list_items + 1); }
  /// Of names, or of tensors: where plausible, half of them are none and one.
  std::uint64_t usual_list_count(bool names);

 private:
  std::uint64_t count();
  std::uint64_t small_bits(std::uint8_t type);
  std::vector<std::byte> elements(std::uint8_t type, std::uint64_t count);
  std::vector<std::byte> text(std::uint64_t limit);
  std::vector<std::byte> tensor_data(std::uint8_t type, std::uint64_t count);

  Random& random_;
  const CallSizes& sizes_;
  const bool plausible_;
  const std::uint64_t usual_count_;  // of elements, where plausible
};

}  // namespace vac::plugin_check
