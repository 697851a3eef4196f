// SPDX-License-Identifier: Apache-2.0
// How the C library's allocator treats memory that is freed.
#pragma once

namespace vac {

/// Makes this process keep freed memory for its next allocation. As it comes, glibc returns large
/// blocks to the system, and touching fresh ones costs more than a whole round trip of the same
/// bytes: 1.4 ms against 0.1 ms for 600 KB. Agents run so, and whatever is compared with one must,
/// too. Leaves an allocator alone that the environment has set up (MALLOC_*, GLIBC_TUNABLES). To be
/// called before threads run.
void keep_freed_memory() noexcept;

}  // namespace vac
