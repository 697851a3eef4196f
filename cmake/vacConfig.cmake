# SPDX-License-Identifier: Apache-2.0
# find_package(vac): vac::vac for programs, vac::plugin (headers alone) for plugins.
include("${CMAKE_CURRENT_LIST_DIR}/vacTargets.cmake")
