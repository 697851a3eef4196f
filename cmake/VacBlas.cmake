# SPDX-License-Identifier: Apache-2.0
# Finds OpenBLAS: the variables VAC_HAVE_BLAS and VAC_BLAS_LIBRARY. The library alone is enough, so that nothing but what
# libtorch needs as well must be installed: the plugin declares the few functions that it calls.

set(VAC_HAVE_BLAS OFF)
if(VAC_BLAS STREQUAL "OFF")
  return()
endif()

find_library(VAC_BLAS_LIBRARY NAMES openblas libopenblas.so.0)
mark_as_advanced(VAC_BLAS_LIBRARY)
if(VAC_BLAS_LIBRARY)
  set(VAC_HAVE_BLAS ON)
elseif(VAC_BLAS STREQUAL "ON")
  message(FATAL_ERROR "VAC_BLAS=ON, but OpenBLAS was not found: install libopenblas0-openmp or set VAC_BLAS_LIBRARY")
endif()
message(STATUS "blas plugin: ${VAC_HAVE_BLAS}")
