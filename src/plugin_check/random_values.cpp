// SPDX-License-Identifier: Apache-2.0
#include "plugin_check/random_values.hpp"

#include <bit>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "call/types.hpp"

namespace vac::plugin_check {
namespace {

constexpr std::uint64_t kSmallNumbers = 6;  // 0 to 5

}  // namespace

RandomValues::RandomValues(Random& random, const CallSizes& sizes)
    : random_(random),
      sizes_(sizes),
      plausible_(sizes.plausible && random.one_in(2)),
      usual_count_(plausible_ ? random.below(sizes.array_elements + 1) : 0) {}

std::uint8_t RandomValues::number() {
  return static_cast<std::uint8_t>(VAC_BOOL + random_.below(VAC_C128 - VAC_BOOL + 1));
}

std::uint64_t RandomValues::bits(std::uint8_t type) {
  if (type == VAC_BOOL) return random_.below(2);
  if (plausible_) return small_bits(type);
  const std::uint32_t width = element_bytes(type);
  const std::uint64_t value = random_.next();
  return width >= 8 ? value : value & ((std::uint64_t{1} << (8 * width)) - 1);
}

std::uint64_t RandomValues::small_bits(std::uint8_t type) {
  const std::uint64_t value = random_.below(kSmallNumbers);
  switch (type) {
    case VAC_F16:
      return value == 0 ? 0 : 0x3c00;  // 1
    case VAC_BF16:
      return value == 0 ? 0 : 0x3f80;  // 1
    case VAC_F32:
    case VAC_C64:  // its real part
      return std::bit_cast<std::uint32_t>(static_cast<float>(value));
    case VAC_F64:
    case VAC_C128:
      return std::bit_cast<std::uint64_t>(static_cast<double>(value));
    default:
      return value;
  }
}

std::vector<std::byte> RandomValues::array(std::uint8_t type) {
  if (type == VAC_CHAR) return text(count());
  return elements(type, count());
}

RandomTensor RandomValues::tensor() {
  const std::uint64_t kind = random_.below(VAC_C128 + 2);
  RandomTensor tensor;
  tensor.type = kind == 0          ? std::uint8_t{VAC_STRING}
                : kind <= VAC_C128 ? static_cast<std::uint8_t>(kind)
                                   : std::uint8_t{VAC_OPAQUE};
  if (plausible_ && random_.one_in(2)) tensor.type = VAC_F32;
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

std::uint64_t RandomValues::capacity(std::uint8_t type) {
  return random_.one_in(3) ? VAC_ANY_BYTES : element_bytes(type) * count();
}

std::uint64_t RandomValues::usual_list_count(bool names) {
  if (plausible_ && random_.one_in(2)) return names ? 0 : 1;
  return list_count();
}

std::uint64_t RandomValues::count() {
  if (plausible_ && !random_.one_in(4)) return usual_count_;
  return random_.one_in(6) ? 0 : random_.below(sizes_.array_elements + 1);
}

std::vector<std::byte> RandomValues::elements(std::uint8_t type, std::uint64_t count) {
  const std::size_t width = element_bytes(type);
  std::vector<std::byte> data(count * width);
  if (plausible_ && is_number(type)) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t value = bits(type);
      std::memcpy(data.data() + i * width, &value, width < sizeof value ? width : sizeof value);
    }
    return data;
  }
  random_.fill(data);
  if (type == VAC_BOOL) {
    for (std::byte& byte : data) byte &= std::byte{1};
  }
  return data;
}

/// UTF-8 of one to four bytes a character, at most `limit` bytes.
std::vector<std::byte> RandomValues::text(std::uint64_t limit) {
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

std::vector<std::byte> RandomValues::tensor_data(std::uint8_t type, std::uint64_t count) {
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

}  // namespace vac::plugin_check
