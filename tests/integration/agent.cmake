# SPDX-License-Identifier: Apache-2.0
# The real vaccel-agent, driven frame by frame.
set(libs vac_test_support vac_wire vac_transport vac_call vac_ops vac_base)
foreach(name neighbours program protocol read resources)
  vac_test(agent_${name}_test LABEL integration SOURCES agent_${name}_test.cpp LIBS ${libs}
    DEPENDS vaccel-agent plugin_mbench plugin_noop)
endforeach()
vac_test(agent_hostile_test LABEL "integration;soak-asan" SOURCES agent_hostile_test.cpp LIBS ${libs}
  DEPENDS vaccel-agent plugin_noop)
vac_test(agent_regions_test LABEL integration SOURCES agent_regions_test.cpp LIBS ${libs} nlohmann_json::nlohmann_json
  DEPENDS vaccel-agent plugin_mbench plugin_reference)
if(VAC_HAVE_TORCH)
  vac_test(agent_batches_test LABEL integration SOURCES agent_batches_test.cpp LIBS ${libs}
    DEPENDS vaccel-agent plugin_torch vac_test_models)
endif()
