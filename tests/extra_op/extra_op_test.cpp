// SPDX-License-Identifier: Apache-2.0
// What one TOML entry and one handler give: the table knows the operation, the plugin serves it.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/ops.h>
#include <vac/plugin_ops.hpp>

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "call/op_table.hpp"
#include "support/fake_host.hpp"
#include "support/test_paths.hpp"

namespace {

using testing::ElementsAre;
using vac::test::FakeCall;
using vac::test::FakeHost;
using vac::test::OpenPlugin;

const vac_plugin* load_extra() {
  const auto path = vac::test::build_directory() / "test" / "extra_op" / "extra.so";
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  using Entry = const vac_plugin* (*)(std::uint32_t, std::uint32_t);
  auto entry = reinterpret_cast<Entry>(::dlsym(library, "vac_plugin_entry"));
  return entry == nullptr ? nullptr : entry(VAC_ABI_MAJOR, VAC_ABI_MINOR);
}

TEST(ExtraOperation, IsInTheTableBesideAllOthers) {
  const vac::Op* op = vac::find_op(VAC_OP_EXTRA_WEAVE);
  ASSERT_NE(op, nullptr);
  EXPECT_STREQ(op->name, "extra_weave");
  EXPECT_EQ(op->args.size(), 10U);
  EXPECT_TRUE(op->idempotent);
  EXPECT_EQ(vac::find_op("extra_weave"), op);
  EXPECT_EQ(vac::all_ops().back().id, op->id);
  EXPECT_NE(vac::find_op("sgemm"), nullptr);
  EXPECT_EQ(vac::find_op(9000), nullptr);
  EXPECT_EQ(vac::find_op(9002), nullptr);
}

TEST(ExtraOperation, HasSignaturesOfEachKind) {
  const vac::Op& op = *vac::find_op(9001);
  using vac::signature_word;
  EXPECT_EQ(op.args[0].signature, signature_word(VAC_CHAR, VAC_ARRAY, VAC_IN));
  EXPECT_EQ(op.args[1].signature, signature_word(VAC_NONE, VAC_LIST, VAC_IN));
  EXPECT_EQ(op.args[1].child_signature, signature_word(VAC_CHAR, VAC_ARRAY, VAC_IN));
  EXPECT_EQ(op.args[3].signature, signature_word(VAC_F64, VAC_SCALAR, VAC_IN));
  EXPECT_TRUE(op.args[3].optional);
  EXPECT_EQ(op.args[4].child_signature, signature_word(VAC_NONE, VAC_TENSOR, VAC_IN));
  EXPECT_EQ(op.args[5].signature, signature_word(VAC_NONE, VAC_LIST, VAC_INOUT));
  EXPECT_EQ(op.args[5].child_signature, 0U);
  EXPECT_EQ(op.args[9].child_signature, signature_word(VAC_NONE, VAC_TENSOR, VAC_OUT));
}

TEST(ExtraOperation, IsServedByItsHandler) {
  const vac_plugin* table = load_extra();
  ASSERT_NE(table, nullptr);
  FakeHost host;
  OpenPlugin plugin(host, table);
  const std::vector<double> weights = {1, 2.5};
  const std::vector<float> cloth = {1, 2, 3};
  std::vector<std::uint8_t> value = {0x00, 0xf0};
  FakeCall call(host, 9001);
  call.text("title").list(2).text("ab").text("").array(VAC_F64, weights.data(), 16);
  call.scalar(VAC_F64, std::bit_cast<std::uint64_t>(2.0)).list(1);
  call.tensor(VAC_F32, {3, 1}, cloth.data(), 12).list(1, VAC_INOUT);
  call.array(VAC_BYTE, value.data(), 2, VAC_INOUT).out_array(VAC_CHAR, nullptr, VAC_ANY_BYTES);
  call.out_scalar(VAC_F64).out_array(VAC_U64, nullptr, VAC_ANY_BYTES).list(VAC_ANY_COUNT, VAC_OUT);

  ASSERT_EQ(plugin.submit(call), VAC_OK) << host.error;
  const auto& label = host.outputs[std::pair(6U, 0U)].data;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(label.data()), label.size()), "title-ab-");
  EXPECT_EQ(std::bit_cast<double>(call.record(11).value), 7);
  EXPECT_EQ(host.outputs[std::pair(8U, 0U)].data.size(), 16U);
  EXPECT_THAT(host.outputs[std::pair(9U, 0U)].dims, ElementsAre(3, 1));
  EXPECT_THAT(host.outputs[std::pair(9U, 1U)].dims, ElementsAre(2));
  EXPECT_THAT(value, ElementsAre(0xff, 0x0f));
}

}  // namespace
