// SPDX-License-Identifier: Apache-2.0
#include "support/load.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace vac::test {
namespace {

constexpr double kDefaultScale = 0.02;

double scale() {
  const char* const text = std::getenv("VAC_SOAK_SCALE");
  if (text == nullptr) return kDefaultScale;
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !std::isfinite(value) || value <= 0) {
    throw std::runtime_error(std::string("VAC_SOAK_SCALE is '") + text +
                             "', it must be a number above 0: 1 is the full length");
  }
  return value;
}

}  // namespace

std::uint64_t load_count(std::uint64_t full) {
  const double scaled = std::round(static_cast<double>(full) * scale());
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(scaled));
}

}  // namespace vac::test
