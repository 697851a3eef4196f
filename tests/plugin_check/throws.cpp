// SPDX-License-Identifier: Apache-2.0
// A plugin in C++, of <vac/plugin.h> alone, that lets an exception out of submit.
#include <vac/plugin.h>

#include <stdexcept>

namespace {

int submit(void* /*plugin*/, vac_call* const* /*calls*/, size_t /*count*/) {
  throw std::runtime_error("framework: no such device");
}

constexpr vac_op_offer kOffer = {32, 1, 0, 0};

constexpr vac_plugin make_table() {
  vac_plugin table{};
  table.struct_size = sizeof table;
  table.abi_major = VAC_ABI_MAJOR;
  table.abi_minor = VAC_ABI_MINOR;
  table.name = "throws";
  table.version = "1.0";
  table.ops = &kOffer;
  table.op_count = 1;
  table.submit = submit;
  return table;
}

constexpr vac_plugin kTable = make_table();

}  // namespace

const vac_plugin* vac_plugin_entry(uint32_t host_major, uint32_t /*host_minor*/) {
  return host_major == VAC_ABI_MAJOR ? &kTable : nullptr;
}
