// SPDX-License-Identifier: Apache-2.0
// The names that libFuzzer looks for.
#include "fuzz.hpp"

// NOLINTBEGIN(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vac::fuzz::fuzz_one(std::as_bytes(std::span(data, size)));
  return 0;
}

#ifdef VAC_FUZZ_MUTATES
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t room);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t room, unsigned seed) {
  vac::test::Random random(seed);
  return vac::fuzz::mutate(std::as_writable_bytes(std::span(data, room)), size, random);
}

std::size_t vac::fuzz::mutate_bytes(std::span<std::byte> room, std::size_t size) {
  return LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(room.data()), size, room.size());
}
#endif
// NOLINTEND(readability-identifier-naming)
