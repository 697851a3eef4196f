// SPDX-License-Identifier: Apache-2.0
// Shared regions of a real agent, frame by frame.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "support/agent_process.hpp"
#include "support/process_state.hpp"
#include "support/raw_region.hpp"

namespace vac {
namespace {

using test::BuiltCall;
using test::RawClient;
using test::RawRegion;
using test::RawReply;
using testing::HasSubstr;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::size_t kFloats = 1000;
constexpr std::size_t kBytes = kFloats * sizeof(float);

class Regions : public testing::Test {
 protected:
  /// With what the listener says of shared inputs, and the tenant's limit.
  explicit Regions(const std::string& shared_input)
      : agent_({"--plugin", "reference,mbench"},
               "[[listen]]\naddress = \"ADDRESS\"\nshared_input = \"" + shared_input +
                   "\"\n[limits]\nregions = \"16MiB\"\n") {}
  ~Regions() override { EXPECT_EQ(agent_.stop(), 0) << agent_.log(); }

  RawClient client() { return test::sharing_client(agent_.address()); }
  nlohmann::json shared_memory(RawClient& client) {
    BuiltCall call(find_op("info")->id);
    call.out_array(VAC_CHAR, UINT64_MAX);
    const RawReply reply = client.run(call);
    const auto text = reply.data(0);
    return nlohmann::json::parse(reinterpret_cast<const char*>(text.data()),
                                 reinterpret_cast<const char*>(text.data()) + text.size())
        .at("shared_memory");
  }
  std::size_t descriptors() const { return test::state_of(agent_.pid()).descriptors; }
  std::size_t mappings() const {
    std::ifstream lines("/proc/" + std::to_string(agent_.pid()) + "/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.find("vaccel-region") != std::string::npos) ++count;
    }
    return count;
  }

  test::AgentProcess agent_;
};

/// fpga_vadd over three parts of a region: a at `a`, b behind it, the result behind that.
class Sum {
 public:
  Sum(const RawRegion& region, std::size_t a, std::size_t stride = 8192) : call_(op()) {
    std::byte* const base = region.bytes().data() + a;
    a_ = reinterpret_cast<float*>(base);
    b_ = reinterpret_cast<float*>(base + stride);
    c_ = reinterpret_cast<float*>(base + 2 * stride);
    for (std::size_t i = 0; i < kFloats; ++i) {
      const float value[] = {static_cast<float>(i), 1000.F, -1.F};
      std::memcpy(base + 4 * i, &value[0], 4);
      std::memcpy(base + stride + 4 * i, &value[1], 4);
      std::memcpy(base + 2 * stride + 4 * i, &value[2], 4);
    }
    const std::vector<float> none;
    call_.array(VAC_F32, none).array(VAC_F32, none).out_array_in_place(VAC_F32, 4);
    point(0, a_);
    point(1, b_);
    point(2, c_);
  }
  BuiltCall& call() { return call_; }
  void point(std::size_t record, const void* data) {
    call_.records().at(record).value = reinterpret_cast<std::uintptr_t>(data);
    call_.records().at(record).bytes = kBytes;
  }
  bool result_is_right() const {
    for (std::size_t i = 0; i < kFloats; ++i) {
      float value;
      std::memcpy(&value, reinterpret_cast<const std::byte*>(c_) + 4 * i, 4);
      if (value != static_cast<float>(i) + 1000.F) return false;
    }
    return true;
  }

 private:
  static std::uint32_t op() { return find_op("fpga_vadd")->id; }

  BuiltCall call_;
  float *a_, *b_, *c_;
};

class CopiedRegions : public Regions {
 protected:
  CopiedRegions() : Regions("copy") {}
};
class RegionsInPlace : public Regions {
 protected:
  RegionsInPlace() : Regions("in_place") {}
};

TEST_F(CopiedRegions, HaveEachInputReadOnceAndEachResultWrittenOnce) {
  RawClient client = this->client();
  RawRegion region(client, kMiB);
  client.share(region);
  Sum sum(region, 4096);
  const RawReply reply = client.run(sum.call());
  ASSERT_EQ(reply.code(), VAC_OK) << reply.text();
  EXPECT_EQ(reply.header().payload_bytes, 0U);
  EXPECT_TRUE(sum.result_is_right());
  EXPECT_EQ(reply.data(2).size(), kBytes);
  const nlohmann::json info = shared_memory(client);
  EXPECT_EQ(info.at("copied_inputs"), 2);
  EXPECT_EQ(info.at("copied_results"), 1);
  EXPECT_FALSE(info.at("in_place"));
}

TEST_F(RegionsInPlace, HaveNothingCopied) {
  RawClient client = this->client();
  RawRegion region(client, kMiB);
  client.share(region);
  Sum sum(region, 4096);
  const RawReply reply = client.run(sum.call());
  ASSERT_EQ(reply.code(), VAC_OK) << reply.text();
  EXPECT_TRUE(sum.result_is_right());
  const nlohmann::json info = shared_memory(client);
  EXPECT_EQ(info.at("copied_inputs"), 0);
  EXPECT_EQ(info.at("copied_results"), 0);
  EXPECT_TRUE(info.at("in_place"));
}

/// A plugin is never given memory that starts in the middle of a cache line.
TEST_F(RegionsInPlace, AreCopiedWhereTheyAreNotAligned) {
  RawClient client = this->client();
  RawRegion region(client, kMiB);
  client.share(region);
  Sum sum(region, 4096 + 1);
  const RawReply reply = client.run(sum.call());
  ASSERT_EQ(reply.code(), VAC_OK) << reply.text();
  EXPECT_TRUE(sum.result_is_right());
  EXPECT_EQ(shared_memory(client).at("copied_inputs"), 2);
  EXPECT_EQ(shared_memory(client).at("copied_results"), 1);
}

/// Memory that the caller's result does not fit into is not written at all.
TEST_F(RegionsInPlace, ThatAreTooSmallLetTheResultComeInline) {
  RawClient client = this->client();
  RawRegion region(client, kMiB);
  client.share(region);
  Sum sum(region, 4096);
  sum.call().records().at(2).bytes = kBytes - 4;
  const RawReply reply = client.run(sum.call());
  ASSERT_EQ(reply.code(), VAC_OK) << reply.text();
  EXPECT_FALSE(sum.result_is_right());
  ASSERT_EQ(reply.data(2).size(), kBytes);
  float last;
  std::memcpy(&last, reply.data(2).data() + kBytes - 4, 4);
  EXPECT_EQ(last, 999.F + 1000.F);
}

TEST_F(CopiedRegions, AreNotForCallsBeforeTheirProof) {
  RawClient client = this->client();
  RawRegion region(client, kMiB, false);
  client.share(region);
  Sum sum(region, 4096);
  const RawReply refused = client.run(sum.call());
  EXPECT_EQ(refused.code(), VAC_EINVAL);
  EXPECT_THAT(refused.text(), HasSubstr("argument 'a': region 1 is not open"));
}

TEST_F(CopiedRegions, WithAWrongProofAreClosed) {
  RawClient client = this->client();
  RawRegion region(client, kMiB, false);
  std::vector<std::byte> proof(region.bytes().begin(), region.bytes().begin() + 16);
  proof[15] ^= std::byte{1};
  const RawReply refused = test::prove_region(client, region.id(), proof);
  EXPECT_EQ(refused.code(), VAC_EACCES);
  EXPECT_THAT(refused.text(), HasSubstr("send data inline"));
  proof[15] ^= std::byte{1};
  EXPECT_EQ(test::prove_region(client, region.id(), proof).code(), VAC_EINVAL) << "it is closed";
  EXPECT_EQ(test::drop_region(client, region.id()).code(), VAC_OK);
  EXPECT_EQ(mappings(), 0U);
}

TEST_F(CopiedRegions, WithAProofOfAnotherLengthAreClosed) {
  RawClient client = this->client();
  for (const std::size_t bytes : {0U, 15U, 17U}) {
    RawRegion region(client, kMiB, false);
    EXPECT_EQ(test::prove_region(client, region.id(), region.bytes().first(bytes)).code(),
              VAC_EACCES);
  }
}

TEST_F(CopiedRegions, CanNeitherShrinkNorGrow) {
  RawClient client = this->client();
  RawRegion region(client, kMiB);
  EXPECT_EQ(::ftruncate(region.descriptor().get(), 4096), -1);
  EXPECT_EQ(::ftruncate(region.descriptor().get(), 2 * kMiB), -1);
  EXPECT_EQ(::fcntl(region.descriptor().get(), F_ADD_SEALS, F_SEAL_WRITE), -1);
}

/// Whatever the client does to the memory: the agent reads zeros at worst.
TEST_F(RegionsInPlace, WithHolesAreServed) {
  RawClient client = this->client();
  RawRegion region(client, kMiB);
  client.share(region);
  Sum sum(region, 4096);
  ASSERT_EQ(::fallocate(region.descriptor().get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                        static_cast<off_t>(kMiB)),
            0);
  const RawReply reply = client.run(sum.call());
  ASSERT_EQ(reply.code(), VAC_OK) << reply.text();
  EXPECT_FALSE(sum.result_is_right()) << "0 + 0";
}

TEST_F(CopiedRegions, AreAllThatACallMayName) {
  RawClient client = this->client();
  RawRegion region(client, kMiB);
  client.share(region);
  Sum sum(region, kMiB - 3 * 8192);
  for (const std::size_t record : {0U, 1U, 2U}) {
    auto bytes = RawClient::call_bytes(sum.call(), client.next_request(), 0, &region);
    vac_arg* const records = reinterpret_cast<vac_arg*>(bytes.data() + sizeof(wire::FrameHeader));
    records[record].value = kMiB - kBytes + 4;
    client.send(bytes);
    const test::RawFrame refused = client.receive();
    EXPECT_EQ(refused.code(), VAC_EINVAL);
    EXPECT_THAT(refused.text(), HasSubstr("ends outside its region"));
    client.skip_request();
  }
  EXPECT_EQ(client.run(sum.call()).code(), VAC_OK);
}

TEST_F(CopiedRegions, AreFifteenAtMost) {
  RawClient client = this->client();
  std::vector<std::unique_ptr<RawRegion>> regions;
  for (int i = 0; i < 15; ++i) regions.push_back(std::make_unique<RawRegion>(client, 4096));
  const RawReply refused = test::open_region(client, 4096);
  EXPECT_EQ(refused.code(), VAC_EMFILE);
  EXPECT_THAT(refused.text(), HasSubstr("has 15 regions, the most there can be"));
  EXPECT_EQ(test::drop_region(client, 7).code(), VAC_OK);
  EXPECT_EQ(RawRegion(client, 4096).id(), 7U);
}

TEST_F(CopiedRegions, CountForTheirTenantAtFullSize) {
  RawClient client = this->client();
  RawClient other = this->client();
  RawRegion most(client, 12 * kMiB);
  const RawReply refused = test::open_region(other, 5 * kMiB);
  EXPECT_EQ(refused.code(), VAC_ENOSPC);
  EXPECT_THAT(refused.text(), HasSubstr("whose limit is 16.8 MB: raise regions in [limits]"));
  RawRegion rest(other, 4 * kMiB);
  EXPECT_EQ(test::drop_region(client, most.id()).code(), VAC_OK);
  EXPECT_EQ(RawRegion(other, 5 * kMiB).id(), 2U) << "what was dropped counts no longer";
}

/// Else a tenant could have all mappings that a process may have.
TEST_F(CopiedRegions, CountAsAMiBAtLeast) {
  RawClient client = this->client(), other = this->client();
  std::vector<std::unique_ptr<RawRegion>> regions;
  for (std::uint32_t i = 0; i < wire::kMostRegions; ++i) {
    regions.push_back(std::make_unique<RawRegion>(client, 4096));
  }
  regions.push_back(std::make_unique<RawRegion>(other, 4096));
  EXPECT_EQ(test::open_region(other, 4096).code(), VAC_ENOSPC);
}

/// Whoever goes on having it mapped has nothing of the agent's.
TEST_F(CopiedRegions, ThatAreDroppedTakeNoMemory) {
  RawClient client = this->client();
  RawRegion region(client, 8 * kMiB);
  std::ranges::fill(region.bytes(), std::byte{7});
  EXPECT_EQ(test::drop_region(client, region.id()).code(), VAC_OK);
  EXPECT_EQ(std::ranges::count(region.bytes(), std::byte{7}), 0);
  struct stat status{};
  ASSERT_EQ(::fstat(region.descriptor().get(), &status), 0);
  // The pages of the check above are its own.
  EXPECT_EQ(status.st_size, static_cast<off_t>(8 * kMiB));
}

/// Who drops a region does not wait for an answer.
TEST_F(CopiedRegions, AreDroppedHoweverLateTheAgentIs) {
  RawClient client = this->client();
  RawRegion region(client, kMiB);
  BuiltCall drop(find_op("region_drop")->id);
  drop.scalar(VAC_U32, region.id());
  client.call(drop, 1);
  EXPECT_EQ(client.receive().header.kind, wire::Kind::reply);
  EXPECT_EQ(RawRegion(client, kMiB).id(), region.id());
}

/// More than what a thread that reads connections copies itself.
TEST_F(CopiedRegions, MayHoldMuchForACall) {
  RawClient client = this->client();
  RawRegion region(client, 12 * kMiB);
  client.share(region);
  const std::span<float> all(reinterpret_cast<float*>(region.bytes().data()), 3 * kMiB);
  std::iota(all.begin(), all.end(), 0.0F);
  const std::size_t third = kMiB;
  BuiltCall sum(find_op("fpga_vadd")->id);
  const std::vector<float> none;
  sum.array(VAC_F32, none).array(VAC_F32, none).out_array_in_place(VAC_F32, 4);
  for (std::size_t i = 0; i < 3; ++i) {
    sum.records().at(i).value = reinterpret_cast<std::uintptr_t>(&all[i * third]);
    sum.records().at(i).bytes = third * sizeof(float);
  }
  const RawReply reply = client.run(sum);
  ASSERT_EQ(reply.code(), VAC_OK) << reply.text();
  for (std::size_t i = 0; i < third; i += 997) {
    ASSERT_EQ(all[2 * third + i], static_cast<float>(i) + static_cast<float>(third + i)) << i;
  }
  EXPECT_EQ(shared_memory(client).at("copied_inputs"), 2);
}

/// By hand: our own clients send text.
TEST_F(RegionsInPlace, HoldLittleText) {
  RawClient client = this->client();
  RawRegion region(client, 4 * kMiB);
  std::ranges::fill(region.bytes(), std::byte{'a'});
  BuiltCall open(find_op("resource_open")->id);
  open.string("").string("{}").out_scalar(VAC_U64).out_array(VAC_CHAR, 64);
  std::uint64_t number = 1000;
  const auto open_model = [&](std::uint64_t bytes) {
    std::vector<std::byte> frame = RawClient::call_bytes(open, ++number);
    const vac_arg uri = {VAC_CHAR, VAC_ARRAY, VAC_IN, 0, static_cast<std::uint32_t>(region.id()),
                         0,        bytes,     0,      0};
    std::memcpy(frame.data() + sizeof(wire::FrameHeader), &uri, sizeof uri);
    client.send(frame);
    return client.receive().text();
  };
  EXPECT_THAT(open_model(kMiB), HasSubstr("a resource's address has 1048576 bytes"));
  EXPECT_EQ(open_model(kMiB + 1),
            "resource_open: more than 1.0 MB of text in shared memory: send text with the call");
}

TEST_F(CopiedRegions, OfSenselessSizesAreRefused) {
  RawClient client = this->client();
  for (const std::uint64_t bytes : {std::uint64_t{0}, UINT64_MAX, UINT64_MAX - 4095}) {
    EXPECT_EQ(test::open_region(client, bytes).code(), VAC_EINVAL) << bytes;
  }
  EXPECT_EQ(test::open_region(client, std::uint64_t{1} << 40U).code(), VAC_ENOSPC);
  EXPECT_EQ(test::open_region(client, kMiB, 2).code(), VAC_ENOTSUP);
  EXPECT_EQ(test::drop_region(client, 1).code(), VAC_EINVAL);
  EXPECT_EQ(test::drop_region(client, 0).code(), VAC_EINVAL);
  EXPECT_EQ(test::drop_region(client, 16).code(), VAC_EINVAL);
  EXPECT_EQ(mappings(), 0U);
}

TEST_F(CopiedRegions, AreForClientsThatAskedForThemInHello) {
  RawClient client = RawClient::greeted(agent_.address());
  const RawReply refused = test::open_region(client, kMiB);
  EXPECT_EQ(refused.code(), VAC_ENOTSUP);
  EXPECT_THAT(refused.text(), HasSubstr("agreed upon in hello"));
}

TEST_F(CopiedRegions, AreUnmappedWithTheirConnection) {
  RawClient other = this->client();
  const std::size_t before = descriptors();
  {
    RawClient client = this->client();
    RawRegion one(client, kMiB), two(client, kMiB);
    EXPECT_EQ(mappings(), 2U);
    EXPECT_EQ(descriptors(), before + 1) << "the agent keeps no descriptor of a region";
  }
  EXPECT_TRUE(test::eventually([&] { return mappings() == 0; }));
  RawRegion all(other, 16 * kMiB);
}

/// What is dropped under a running call lives until that is over.
TEST_F(RegionsInPlace, OutliveTheirCalls) {
  RawClient client = this->client();
  std::optional<RawRegion> region(std::in_place, client, kMiB);
  client.share(*region);
  const std::uint64_t burn_us = 300'000;
  std::memcpy(region->bytes().data() + 4096, &burn_us, sizeof burn_us);
  BuiltCall slow(find_op("noop")->id);
  slow.bytes("12345678");
  slow.records().at(0).value = reinterpret_cast<std::uintptr_t>(region->bytes().data() + 4096);
  const std::uint64_t request = client.call(slow);
  BuiltCall drop(find_op("region_drop")->id);
  drop.scalar(VAC_U32, region->id());
  const std::uint64_t dropped = client.call(drop);
  for (int i = 0; i < 2; ++i) {
    const test::RawFrame reply = client.receive();
    EXPECT_EQ(reply.code(), VAC_OK) << reply.text();
    EXPECT_THAT(reply.header.request, testing::AnyOf(request, dropped));
  }
  EXPECT_TRUE(test::eventually([&] { return mappings() == 0; }));
}

/// The next client never sees what the one before has left.
TEST_F(CopiedRegions, AreZeroButForTheirProof) {
  for (int i = 0; i < 4; ++i) {
    RawClient client = this->client();
    RawRegion region(client, 4 * kMiB);
    const auto rest = region.bytes().subspan(RawRegion::kProofBytes);
    EXPECT_TRUE(std::ranges::all_of(rest, [](std::byte byte) { return byte == std::byte{0}; }));
    std::ranges::fill(region.bytes(), std::byte{0x5a});
  }
}

}  // namespace
}  // namespace vac
