// SPDX-License-Identifier: Apache-2.0
// SHA-256 by the cryptographic extension of AArch64. 32-bit ARM takes the portable engine.
#include "base/sha256_compress.hpp"

#if defined(__aarch64__) && defined(__AARCH64EL__)

#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#if defined(__clang__)
#define VAC_TARGET_SHA2 __attribute__((target("sha2")))
#else  // gcc 12 offers these intrinsics to +crypto (sha2 and aes) alone; no aes is used
#define VAC_TARGET_SHA2 __attribute__((target("+crypto")))
#endif

namespace vac::detail {
namespace {

VAC_TARGET_SHA2 void compress(std::uint32_t* state, const std::byte* blocks, std::size_t count) {
  uint32x4_t abcd = vld1q_u32(state);
  uint32x4_t efgh = vld1q_u32(state + 4);
  for (; count != 0; --count, blocks += 64) {
    const uint32x4_t abcd_before = abcd;
    const uint32x4_t efgh_before = efgh;
    const auto* const input = reinterpret_cast<const std::uint8_t*>(blocks);
    uint32x4_t message[4];  // the last 16 words of the schedule
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      uint32x4_t& oldest = message[i & 3];
      if (i < 4) {
        oldest = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(input + 16 * i)));
      } else {
        oldest = vsha256su1q_u32(vsha256su0q_u32(oldest, message[(i + 1) & 3]),
                                 message[(i + 2) & 3], message[(i + 3) & 3]);
      }
      const uint32x4_t sum = vaddq_u32(oldest, vld1q_u32(&kSha256Constants[4 * i]));
      const uint32x4_t abcd_old = abcd;
      abcd = vsha256hq_u32(abcd, efgh, sum);
      efgh = vsha256h2q_u32(efgh, abcd_old, sum);
    }
    abcd = vaddq_u32(abcd, abcd_before);
    efgh = vaddq_u32(efgh, efgh_before);
  }
  vst1q_u32(state, abcd);
  vst1q_u32(state + 4, efgh);
}

}  // namespace

Sha256Compress sha256_compress_arm() noexcept {
  return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0 ? compress : nullptr;
}

}  // namespace vac::detail

#else

namespace vac::detail {
Sha256Compress sha256_compress_arm() noexcept { return nullptr; }
}  // namespace vac::detail

#endif
