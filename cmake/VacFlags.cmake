# SPDX-License-Identifier: Apache-2.0
# Language and compiler flags of every target.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# The platform's interfaces (memfd_create, accept4, SO_PEERCRED) are behind this macro in C; g++ sets it by itself.
add_compile_definitions(_GNU_SOURCE)
# Models over 2 GiB on 32-bit machines as well.
add_compile_definitions(_FILE_OFFSET_BITS=64)
add_compile_options(-Wall -Wextra)
if(VAC_WERROR)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wthread-safety>)
endif()
if(VAC_ASSERTIONS)
  add_compile_definitions(VAC_ASSERTIONS=1)
endif()

if(VAC_SANITIZE)
  # Not vptr: it opens a pipe to look at an object, so that a process without descriptors fails it, and a program in C
  # cannot link a library that has it. A use after the object's end is AddressSanitizer's to find.
  add_compile_options(-fsanitize=${VAC_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_compile_options(-fno-sanitize=vptr)
  add_link_options(-fsanitize=${VAC_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_definitions($<$<COMPILE_LANGUAGE:CXX>:_GLIBCXX_ASSERTIONS>)
else()
  add_compile_options(-fstack-protector-strong)
  add_compile_definitions(_FORTIFY_SOURCE=2)
endif()

if(VAC_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  # The counters' functions belong to each file, and are no symbols of a plugin.
  add_link_options(--coverage -Wl,--exclude-libs,libgcov.a)
endif()

add_link_options(-Wl,--as-needed -Wl,-z,relro,-z,now)
# A plugin or library that forgets to link something must fail here and not when it is loaded. The sanitizers' run-time
# library is the program's, so their builds cannot ask for it.
if(VAC_SANITIZE)
  set(VAC_SHARED_LINK_OPTIONS "")
else()
  set(VAC_SHARED_LINK_OPTIONS -Wl,--no-undefined)
endif()
