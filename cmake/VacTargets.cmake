# SPDX-License-Identifier: Apache-2.0
# The few kinds of target this project has. Each takes the sources of the calling folder: every *.cpp is part of the
# target, every *_test.cpp and *_fixture.cpp part of the target's own test program.

# vac_headers: include/ and src/, as every part of the tree sees them.
add_library(vac_headers INTERFACE)
target_include_directories(vac_headers INTERFACE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")

# vac_public_headers: include/ alone, for whoever uses libvac as a stranger would. Installed as vac::plugin.
add_library(vac_public_headers INTERFACE)
target_include_directories(vac_public_headers INTERFACE
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")

# Splits the sources of DIRECTORY into those of the product and those of its test.
function(vac_split_sources directory product_variable test_variable)
  file(GLOB sources CONFIGURE_DEPENDS "${directory}/*.cpp" "${directory}/*.c")
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|fixture)\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_(test|fixture)\\.cpp$")
  set(${product_variable} ${sources} PARENT_SCOPE)
  set(${test_variable} ${tests} PARENT_SCOPE)
endfunction()

# In a sanitizer's build only what is under test is worth optimising: tests and command lines are large, and run once.
function(vac_compile_quickly target)
  if(VAC_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

# vac_test(NAME LABEL labels SOURCES file... [LIBS target...] [DEPENDS target...] [TIMEOUT seconds] [ALONE])
# A GoogleTest program; every TEST in it is one ctest test. LABEL: one, or a list in quotes; soak, soak-asan and soak-tsan
# are for `./dev soak` (CONTRIBUTING.md). DEPENDS names what must be built to run it: programs, plugins. ALONE: no other
# test runs beside it.
function(vac_test name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 1 arg "ALONE" "LABEL;TIMEOUT" "SOURCES;LIBS;DEPENDS")
  if(NOT arg_LABEL)
    message(FATAL_ERROR "vac_test(${name}): no LABEL")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  vac_compile_quickly(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${VAC_TEST_OUTPUT_DIRECTORY}")
  target_link_libraries(${name} PRIVATE ${arg_LIBS} vac_headers vac_test_support GTest::gmock_main Threads::Threads)
  if(arg_DEPENDS)
    add_dependencies(${name} ${arg_DEPENDS})
  endif()
  set(properties TIMEOUT ${arg_TIMEOUT})
  if(arg_ALONE)
    list(APPEND properties RUN_SERIAL ON)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES TEST_LIST ${name}_tests PROPERTIES ${properties})
  # Discovery takes no list as a property; ctest reads this file after what was discovered.
  set(labels_file "${CMAKE_CURRENT_BINARY_DIR}/${name}_labels.cmake")
  file(CONFIGURE OUTPUT "${labels_file}" @ONLY CONTENT
    [[if(@name@_tests)
  set_tests_properties(${@name@_tests} PROPERTIES LABELS "@arg_LABEL@")
endif()
]])
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${labels_file}")
endfunction()

# vac_layer(NAME [DEPENDS layer...] [TEST_LIBS target...])
# The static library vac_NAME of a folder of src/, and the unit test NAME_test from the *_test.cpp beside it. DEPENDS
# repeats the row of the layer table (tools/check-layers holds it); vac_ops is never in it: who links a program chooses
# its operation table.
function(vac_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;TEST_LIBS")
  vac_split_sources("${CMAKE_CURRENT_SOURCE_DIR}" sources tests)
  list(TRANSFORM arg_DEPENDS PREPEND vac_)
  add_library(vac_${name} STATIC ${sources})
  target_link_libraries(vac_${name} PUBLIC vac_headers ${arg_DEPENDS} Threads::Threads)
  if(tests)
    vac_test(${name}_test LABEL unit SOURCES ${tests} LIBS vac_${name} ${arg_TEST_LIBS})
  endif()
endfunction()

# vac_plugin(NAME [SOURCES file...] [LIBS target...] [TEST_LIBS target...])
# The loadable module lib/vac/NAME.so, installed, which exports vac_plugin_entry alone, the unit test plugin_NAME_test, and
# the test PluginCheck.NAME: `vaccel plugin check` on it.
function(vac_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS;TEST_LIBS")
  vac_split_sources("${CMAKE_CURRENT_SOURCE_DIR}" sources tests)
  if(arg_SOURCES)
    set(sources ${arg_SOURCES})
  endif()
  # The objects are made once and serve the module and its test.
  add_library(plugin_${name}_objects OBJECT ${sources})
  target_link_libraries(plugin_${name}_objects PUBLIC vac_headers ${arg_LIBS} Threads::Threads)
  add_library(plugin_${name} MODULE)
  # The libraries again: an object library among them (vac_ops) gives its objects to direct users alone.
  target_link_libraries(plugin_${name} PRIVATE plugin_${name}_objects ${arg_LIBS})
  target_link_options(plugin_${name} PRIVATE ${VAC_SHARED_LINK_OPTIONS}
    "-Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/plugin.map")
  set_target_properties(plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name} INSTALL_RPATH "" BUILD_RPATH ""
    LIBRARY_OUTPUT_DIRECTORY "${VAC_PLUGIN_OUTPUT_DIRECTORY}"
    LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/plugin.map")
  install(TARGETS plugin_${name} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/vac")
  if(BUILD_TESTING)
    # Whatever plugin there is keeps what plugin.h asks of it.
    add_test(NAME PluginCheck.${name} COMMAND vaccel plugin check $<TARGET_FILE:plugin_${name}> --timeout-s 60)
    set_tests_properties(PluginCheck.${name} PROPERTIES LABELS conformance TIMEOUT 300)
  endif()
  if(tests)
    vac_test(plugin_${name}_test LABEL unit SOURCES ${tests} LIBS plugin_${name}_objects ${arg_LIBS} ${arg_TEST_LIBS})
  endif()
endfunction()

# vac_program(NAME [LIBS target...] [DEPENDS target...])
# bin/NAME, installed, from main.cpp and the other sources of the folder, and its unit test NAME_test.
function(vac_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LIBS;DEPENDS")
  vac_split_sources("${CMAKE_CURRENT_SOURCE_DIR}" sources tests)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  add_executable(${name} main.cpp)
  if(sources)
    add_library(${name}_parts STATIC ${sources})
    vac_compile_quickly(${name}_parts)
    target_include_directories(${name}_parts PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}")
    target_link_libraries(${name}_parts PUBLIC ${arg_LIBS} Threads::Threads)
    target_link_libraries(${name} PRIVATE ${name}_parts)
  endif()
  target_link_libraries(${name} PRIVATE ${arg_LIBS} Threads::Threads)
  install(TARGETS ${name} RUNTIME DESTINATION bin)
  if(arg_DEPENDS)
    add_dependencies(${name} ${arg_DEPENDS})
  endif()
  if(tests)
    vac_test(${name}_test LABEL unit SOURCES ${tests} LIBS ${name}_parts ${arg_LIBS})
  endif()
endfunction()
