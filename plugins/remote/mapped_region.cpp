// SPDX-License-Identifier: Apache-2.0
#include "mapped_region.hpp"

#include <sys/mman.h>

namespace vac::remote {

MappedRegion::~MappedRegion() { ::munmap(base_, static_cast<std::size_t>(bytes_)); }

}  // namespace vac::remote
