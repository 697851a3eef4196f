// SPDX-License-Identifier: Apache-2.0
// SHA-256 by the SHA extensions of x86-64.
#include "base/sha256_compress.hpp"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

namespace vac::detail {
namespace {

__attribute__((target("sha,sse4.1,ssse3"))) void compress(std::uint32_t* state,
                                                          const std::byte* blocks,
                                                          std::size_t count) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  auto* const words = reinterpret_cast<__m128i*>(state);
  const __m128i* const constants = reinterpret_cast<const __m128i*>(kSha256Constants.data());

  // The instructions want the state as {a b e f} and {c d g h}, first named highest.
  const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xb1);
  const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);

  for (; count != 0; --count, blocks += 64) {
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    const auto* const input = reinterpret_cast<const __m128i*>(blocks);
    __m128i message[4];  // the last 16 words of the schedule
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      __m128i& oldest = message[i & 3];
      if (i < 4) {
        oldest = _mm_shuffle_epi8(_mm_loadu_si128(input + i), big_endian);
      } else {
        const __m128i newest = message[(i + 3) & 3];
        const __m128i seven_back = _mm_alignr_epi8(newest, message[(i + 2) & 3], 4);
        oldest = _mm_sha256msg2_epu32(
            _mm_add_epi32(_mm_sha256msg1_epu32(oldest, message[(i + 1) & 3]), seven_back), newest);
      }
      const __m128i sum = _mm_add_epi32(oldest, _mm_load_si128(constants + i));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }

  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128(words, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(words + 1, _mm_alignr_epi8(dchg, feba, 8));
}

bool machine_has_sha() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned kSsse3 = 1u << 9;
  constexpr unsigned kSse41 = 1u << 19;
  if ((c & kSsse3) == 0 || (c & kSse41) == 0) return false;
  constexpr unsigned kSha = 1u << 29;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & kSha) != 0;
}

}  // namespace

Sha256Compress sha256_compress_x86() noexcept { return machine_has_sha() ? compress : nullptr; }

}  // namespace vac::detail

#else

namespace vac::detail {
Sha256Compress sha256_compress_x86() noexcept { return nullptr; }
}  // namespace vac::detail

#endif
