# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` adds to programs and plugins (VacTargets.cmake): libvac, headers, and what finds them. Every path
# is relative to the file that says it, so that the installed tree may be moved.
include(CMakePackageConfigHelpers)

install(TARGETS vac vac_public_headers EXPORT vacTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/vac" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

# find_package(vac): the targets vac::vac and vac::plugin, the headers alone.
set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/vac")
set_target_properties(vac_public_headers PROPERTIES EXPORT_NAME plugin)
install(EXPORT vacTargets NAMESPACE vac:: DESTINATION "${package_folder}")
# Until 1.0 a minor version may change what programs are compiled against.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/install/vacConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_SOURCE_DIR}/cmake/vacConfig.cmake" "${PROJECT_BINARY_DIR}/install/vacConfigVersion.cmake"
  DESTINATION "${package_folder}")

# pkg-config: vac.pc.
set(pkgconfig_folder "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH VAC_PREFIX_FROM_PKGCONFIG "/${pkgconfig_folder}" "/")
string(REGEX REPLACE "/$" "" VAC_PREFIX_FROM_PKGCONFIG "${VAC_PREFIX_FROM_PKGCONFIG}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/vac.pc.in" "${PROJECT_BINARY_DIR}/install/vac.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/install/vac.pc" DESTINATION "${pkgconfig_folder}")

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/THIRD_PARTY.md" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
foreach(section 1 5)
  file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/man/*.${section}")
  install(FILES ${pages} DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
endforeach()
