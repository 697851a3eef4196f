// SPDX-License-Identifier: Apache-2.0
// Two tenants of one agent: neither sees the other's memory, also when one of them has been killed.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "support/agent_process.hpp"
#include "support/forked_process.hpp"
#include "support/process_state.hpp"
#include "support/raw_region.hpp"
#include "support/temp_directory.hpp"

namespace vac {
namespace {

using test::BuiltCall;
using test::ForkedProcess;
using test::RawClient;
using test::RawRegion;
using test::RawReply;
using testing::HasSubstr;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::array<std::uint64_t, 3> kSizes{8 * kMiB, 5 * kMiB, 3 * kMiB};
constexpr std::uint64_t kLimit = 16 * kMiB;  // what they take together
constexpr int kPattern = 0x5a;

/// Whether somebody has written to a region: all but the proof is zero in a new one.
bool written(std::span<const std::byte> region) {
  const auto rest = region.subspan(RawRegion::kProofBytes);
  return rest.front() != std::byte{0} ||
         std::memcmp(rest.data(), rest.data() + 1, rest.size() - 1) != 0;
}

/// What the one who is to be killed tells of a region.
struct Owned {
  std::uint64_t id;
  int descriptor;
  std::array<std::byte, RawRegion::kProofBytes> proof;
};

/// All that its tenant may have, full of the pattern but for the proofs, and calls that use it.
void own_regions(const std::string& address, int output) {
  RawClient client = test::sharing_client(address);
  std::vector<std::unique_ptr<RawRegion>> regions;
  for (const std::uint64_t bytes : kSizes) {
    RawRegion& region = *regions.emplace_back(std::make_unique<RawRegion>(client, bytes));
    const auto rest = region.bytes().subspan(RawRegion::kProofBytes);
    std::memset(rest.data(), kPattern, rest.size());
    client.share(region);
    BuiltCall call(find_op("noop")->id);
    call.bytes("12345678");
    call.records().at(0).value = reinterpret_cast<std::uintptr_t>(region.bytes().data() + 4096);
    call.records().at(0).bytes = bytes / 2;
    if (client.run(call).code() != VAC_OK) throw std::runtime_error("a call in a region fails");
    Owned owned{region.id(), region.descriptor().get(), {}};
    std::ranges::copy(region.bytes().first(owned.proof.size()), owned.proof.begin());
    test::write_or_exit(output, std::as_bytes(std::span(&owned, 1)));
  }
  for (;;) ::pause();
}

class Neighbours : public testing::TestWithParam<const char*> {
 protected:
  Neighbours()
      : agent_({"--plugin", "noop"}, listener("ADDRESS", "one") +
                                         listener(other_address(), "another") +
                                         "[limits]\nregions = \"16MiB\"\n") {}
  ~Neighbours() override { EXPECT_EQ(agent_.stop(), 0) << agent_.log(); }

  static std::string listener(const std::string& address, const std::string& tenant) {
    return "[[listen]]\naddress = \"" + address + "\"\ntenant = \"" + tenant +
           "\"\nshared_input = \"" + GetParam() + "\"\n";
  }
  std::string other_address() const { return "unix://" + (folder_ / "other.sock").string(); }

  /// Of the agent: of regions alone.
  std::size_t mappings() const {
    std::ifstream lines("/proc/" + std::to_string(agent_.pid()) + "/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) {
      if (line.find("vaccel-region") != std::string::npos) ++count;
    }
    return count;
  }
  std::size_t descriptors() const { return test::state_of(agent_.pid()).descriptors; }

  std::vector<Owned> owned_by(ForkedProcess& owner) {
    std::vector<Owned> owned(kSizes.size());
    EXPECT_TRUE(owner.read(std::as_writable_bytes(std::span(owned)))) << agent_.log();
    return owned;
  }

  test::TempDirectory folder_;
  test::AgentProcess agent_;
};

INSTANTIATE_TEST_SUITE_P(SharedInput, Neighbours, testing::Values("copy", "in_place"),
                         [](const auto& info) { return std::string(info.param); });

/// As own_regions() leaves it, seen from outside.
void expect_to_find_pattern(pid_t owner, const Owned& owned, std::uint64_t bytes) {
  const std::string path =
      "/proc/" + std::to_string(owner) + "/fd/" + std::to_string(owned.descriptor);
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file) << path;
  void* const mapped = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
  ASSERT_NE(mapped, MAP_FAILED);
  EXPECT_TRUE(written({static_cast<const std::byte*>(mapped), bytes}));
  ::munmap(mapped, bytes);
}

/// Regions of all sizes up to the limit, each given back: in how many somebody has left something.
std::size_t search_regions(RawClient& client) {
  std::size_t found = 0;
  for (const std::vector<std::uint64_t>& sizes :
       {std::vector<std::uint64_t>(15, kMiB), {8 * kMiB, 5 * kMiB, 3 * kMiB}, {kLimit}}) {
    std::vector<std::unique_ptr<RawRegion>> regions;
    for (const std::uint64_t bytes : sizes) {
      regions.push_back(std::make_unique<RawRegion>(client, bytes, regions.size() % 2 == 0));
      found += written(regions.back()->bytes()) ? 1 : 0;
    }
    for (const auto& region : regions) {
      // Which is nobody's to find either.
      std::memset(region->bytes().data(), ~kPattern, region->bytes().size());
      EXPECT_EQ(test::drop_region(client, region->id()).code(), VAC_OK);
    }
  }
  return found;
}

TEST_P(Neighbours, NeverSeeARegionOfAKilledClient) {
  RawClient neighbour = test::sharing_client(other_address());
  ASSERT_EQ(search_regions(neighbour), 0U);
  const std::size_t descriptors_before = descriptors();
  for (int round = 0; round < 2; ++round) {
    ForkedProcess owner([&](int output) { own_regions(agent_.address(), output); });
    const std::vector<Owned> owned = owned_by(owner);
    EXPECT_EQ(mappings(), kSizes.size()) << "it does not hold them when it is killed";
    expect_to_find_pattern(owner.pid(), owned.front(), kSizes.front());
    EXPECT_EQ(search_regions(neighbour), 0U) << "while it lives";
    ASSERT_TRUE(owner.kill());
    EXPECT_EQ(search_regions(neighbour), 0U) << "while the agent clears up";
    EXPECT_TRUE(test::eventually([&] { return mappings() == 0; }));
    EXPECT_TRUE(test::eventually([&] { return descriptors() == descriptors_before; }));
    EXPECT_EQ(search_regions(neighbour), 0U) << "afterwards";
  }
}

/// The killed client's memory counts for its tenant no longer, and the tenant's next client finds
/// nothing there.
TEST_P(Neighbours, FindTheirOwnTenantsLimitFreeAfterAKill) {
  {
    ForkedProcess owner([&](int output) { own_regions(agent_.address(), output); });
    (void)owned_by(owner);
    RawClient next = test::sharing_client(agent_.address());
    EXPECT_EQ(test::open_region(next, 4096).code(), VAC_ENOSPC) << "all of it is in use";
  }
  EXPECT_TRUE(test::eventually([&] { return mappings() == 0; }));
  RawClient next = test::sharing_client(agent_.address());
  EXPECT_EQ(search_regions(next), 0U);
}

class StrangersRegion : public Neighbours {
 protected:
  StrangersRegion()
      : owner_([&](int output) { own_regions(agent_.address(), output); }),
        owned_(owned_by(owner_)),
        neighbour_(test::sharing_client(other_address())) {}
  ~StrangersRegion() override {
    EXPECT_EQ(mappings(), kSizes.size()) << "the owner has lost a region";
  }

  ForkedProcess owner_;
  const std::vector<Owned> owned_;
  RawClient neighbour_;
};

INSTANTIATE_TEST_SUITE_P(SharedInput, StrangersRegion, testing::Values("copy", "in_place"),
                         [](const auto& info) { return std::string(info.param); });

/// Says of any memory that it lies in that region.
class Claim final : public wire::RegionMap {
 public:
  explicit Claim(std::uint64_t id) : id_(static_cast<std::uint32_t>(id)) {}
  std::optional<wire::RegionPart> find(const void* /*data*/, std::uint64_t /*bytes*/) override {
    return wire::RegionPart{id_, 4096};
  }

 private:
  const std::uint32_t id_;
};

TEST_P(StrangersRegion, CannotBeNamedByACall) {
  for (const Owned& owned : owned_) {
    Claim claim(owned.id);
    neighbour_.share(claim);
    BuiltCall call(find_op("noop")->id);
    call.bytes("12345678");
    const RawReply refused = neighbour_.run(call);
    EXPECT_EQ(refused.code(), VAC_EINVAL);
    EXPECT_THAT(refused.text(),
                HasSubstr("argument 'data': region " + std::to_string(owned.id) + " is not open"));
  }
}

TEST_P(StrangersRegion, CannotBeProvenAlsoByWhoKnowsTheProof) {
  for (const Owned& owned : owned_) {
    const RawReply refused = test::prove_region(neighbour_, owned.id, owned.proof);
    EXPECT_EQ(refused.code(), VAC_EINVAL);
    EXPECT_EQ(refused.text(), "there is no region " + std::to_string(owned.id));
  }
  const RawRegion own(neighbour_, 4096, false);
  const RawReply refused = test::prove_region(neighbour_, own.id(), owned_.front().proof);
  EXPECT_EQ(own.id(), owned_.front().id);
  EXPECT_EQ(refused.code(), VAC_EACCES);
  EXPECT_THAT(refused.text(), HasSubstr("is not the memory that the client has mapped"));
  EXPECT_EQ(test::drop_region(neighbour_, own.id()).code(), VAC_OK);
}

TEST_P(StrangersRegion, CannotBeDropped) {
  for (const Owned& owned : owned_) {
    const RawReply refused = test::drop_region(neighbour_, owned.id);
    EXPECT_EQ(refused.code(), VAC_EINVAL);
    EXPECT_EQ(refused.text(), "there is no region " + std::to_string(owned.id));
  }
}

}  // namespace
}  // namespace vac
