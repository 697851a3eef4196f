# SPDX-License-Identifier: Apache-2.0
# The real vaccel-agent, driven frame by frame.
foreach(name hostile program protocol read resources)
  vac_test(agent_${name}_test LABEL integration SOURCES agent_${name}_test.cpp
    LIBS vac_test_support vac_wire vac_transport vac_call vac_ops vac_base DEPENDS vaccel-agent plugin_noop)
endforeach()
