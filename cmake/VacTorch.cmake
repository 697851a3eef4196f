# SPDX-License-Identifier: Apache-2.0
# Finds libtorch: the target vac_torch_framework, and VAC_HAVE_TORCH. Its own CMake package is not used: the one of
# version 1.13 sets flags for the whole directory and wants CUDA's modules; headers and three libraries are all we need.

set(VAC_HAVE_TORCH OFF)
if(VAC_TORCH STREQUAL "OFF")
  return()
endif()

set(torch_only_root "")
if(VAC_TORCH_ROOT)
  set(torch_only_root NO_DEFAULT_PATH)
endif()
find_path(VAC_TORCH_INCLUDE_DIR torch/script.h HINTS "${VAC_TORCH_ROOT}/include" ${torch_only_root})
find_library(VAC_TORCH_CPU_LIBRARY NAMES torch_cpu libtorch_cpu.so.1.13 HINTS "${VAC_TORCH_ROOT}/lib" ${torch_only_root})
find_library(VAC_TORCH_C10_LIBRARY NAMES c10 libc10.so.1.13 HINTS "${VAC_TORCH_ROOT}/lib" ${torch_only_root})
mark_as_advanced(VAC_TORCH_INCLUDE_DIR VAC_TORCH_CPU_LIBRARY VAC_TORCH_C10_LIBRARY)

if(VAC_TORCH_INCLUDE_DIR AND VAC_TORCH_CPU_LIBRARY AND VAC_TORCH_C10_LIBRARY)
  set(VAC_HAVE_TORCH ON)
  add_library(vac_torch_framework INTERFACE)
  target_include_directories(vac_torch_framework SYSTEM INTERFACE
    "${VAC_TORCH_INCLUDE_DIR}" "${VAC_TORCH_INCLUDE_DIR}/torch/csrc/api/include")
  target_link_libraries(vac_torch_framework INTERFACE "${VAC_TORCH_CPU_LIBRARY}" "${VAC_TORCH_C10_LIBRARY}")
elseif(VAC_TORCH STREQUAL "ON")
  message(FATAL_ERROR "VAC_TORCH=ON, but libtorch was not found: install libtorch-dev or set VAC_TORCH_ROOT")
endif()
message(STATUS "torch plugin: ${VAC_HAVE_TORCH}")
