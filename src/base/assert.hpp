// SPDX-License-Identifier: Apache-2.0
// VAC_ASSERT states an invariant of ours. What a peer or an application can bring about is checked
// and answered with an Error instead.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace vac::detail {

/// Says on stderr which invariant is broken, and ends the process.
[[noreturn, gnu::cold]] inline void assertion_failed(const char* condition, const char* file,
                                                     int line) noexcept {
  std::fprintf(stderr, "%s:%d: invariant broken: %s\n", file, line, condition);
  std::abort();
}

}  // namespace vac::detail

/// Checked where the build says so (VAC_ASSERTIONS), else only compiled; so it must have no effect.
#if defined(VAC_ASSERTIONS) && VAC_ASSERTIONS
#define VAC_ASSERT(...) \
  ((__VA_ARGS__) ? void(0) : ::vac::detail::assertion_failed(#__VA_ARGS__, __FILE_NAME__, __LINE__))
#else
#define VAC_ASSERT(...) (void(sizeof(!(__VA_ARGS__))))
#endif
