// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace vac::agent {

/// Tells the allocator to keep what frameworks free for the next call instead of giving it back to
/// the system: touching fresh pages costs more than a call does. What is free goes back when the
/// agent has been idle for a while. Leaves an allocator alone that the environment has set up
/// (GLIBC_TUNABLES or MALLOC_*). Before any plugin is loaded.
void keep_freed_memory();

}  // namespace vac::agent
