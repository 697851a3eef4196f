# SPDX-License-Identifier: Apache-2.0
# What a builder may choose, and where results go. A build tree works in place: bin/, lib/ and lib/vac/ stand to each
# other as they do when installed. CMAKE_INSTALL_LIBDIR names lib/ in both.

option(BUILD_TESTING "Build the tests" ON)
option(VAC_WERROR "Treat warnings as errors" ON)
option(VAC_ASSERTIONS "Check our own invariants at run time (VAC_ASSERT)" ON)
set(VAC_BLAS AUTO CACHE STRING "The blas plugin: AUTO (when OpenBLAS is found), ON or OFF")
set_property(CACHE VAC_BLAS PROPERTY STRINGS AUTO ON OFF)
set(VAC_TORCH AUTO CACHE STRING "The torch plugin: AUTO (when libtorch is found), ON or OFF")
set_property(CACHE VAC_TORCH PROPERTY STRINGS AUTO ON OFF)
set(VAC_TORCH_ROOT "" CACHE PATH "A libtorch other than the system's: the folder that holds include/ and lib/")
set(VAC_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")
option(VAC_COVERAGE "Count the lines that run (g++)" OFF)
option(VAC_BENCH "Build the programs of bench/: google-benchmark, and the rivals whose libraries are found" OFF)
option(VAC_FUZZ "Link the programs of fuzz/ with libFuzzer (clang); else they only replay their corpora" OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Debug CACHE STRING "Debug or Release" FORCE)
endif()

# `lib` in every prefix and on every system, unless a distribution says where its libraries lie.
set(CMAKE_INSTALL_LIBDIR lib CACHE STRING "Where libraries go in the prefix: lib, or such as lib/x86_64-linux-gnu")
include(GNUInstallDirs)
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR CMAKE_INSTALL_LIBDIR MATCHES "(^|/)\\.\\.(/|$)")
  message(FATAL_ERROR "CMAKE_INSTALL_LIBDIR=${CMAKE_INSTALL_LIBDIR} is not inside the prefix, but programs find libraries "
    "from their own place: say a folder below the prefix, such as lib/x86_64-linux-gnu")
endif()

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_LIBDIR}")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/archive")
set(VAC_PLUGIN_OUTPUT_DIRECTORY "${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/vac")
set(VAC_TEST_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/test")

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Programs find libvac by their own place, in the build tree as when installed.
set(CMAKE_BUILD_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
set(CMAKE_SKIP_BUILD_RPATH OFF)
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
