// SPDX-License-Identifier: Apache-2.0
// For one source of a test program that asks for more memory than there is: a sanitizer answers it,
// as the usual allocator does, and does not end the program.
#pragma once

// The names are the sanitizers', who want no weak function.
// NOLINTBEGIN(bugprone-reserved-identifier,misc-definitions-in-headers,readability-identifier-naming)
extern "C" {
[[gnu::used, gnu::visibility("default")]] const char* __asan_default_options() {
  return "allocator_may_return_null=1";
}
[[gnu::used, gnu::visibility("default")]] const char* __tsan_default_options() {
  return "allocator_may_return_null=1";
}
}
// NOLINTEND(bugprone-reserved-identifier,misc-definitions-in-headers,readability-identifier-naming)
