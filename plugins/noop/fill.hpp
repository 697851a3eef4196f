// SPDX-License-Identifier: Apache-2.0
// Data of each element type from a stream of numbers: valid values, so that every language can read
// and compare them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mixer.hpp"

namespace vac::noop {

/// Writes whole elements: booleans 0 or 1, finite numbers from 1 to 2 for floating point, printable
/// characters.
void fill(std::uint8_t type, void* data, std::size_t bytes, Stream stream) noexcept;

/// Changes data in place by exclusive or. What is special stays so: a finite number stays finite,
/// printable text printable, and the offsets of a tensor of strings stay; `elements` is how many it
/// has.
void change(std::uint8_t type, void* data, std::size_t bytes, std::size_t elements,
            Stream stream) noexcept;

/// Bytes of an element; 1 where the type does not say.
std::size_t width_of(std::uint8_t type) noexcept;

}  // namespace vac::noop
