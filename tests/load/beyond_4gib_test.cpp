// SPDX-License-Identifier: Apache-2.0
// Payloads of more than 4 GiB: no size, offset or count on the way is cut to 32 bits. The client's
// side of them costs next to nothing: pages of zeros that are only read, or the same few pages
// again and again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vac/vac.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "support/agent_process.hpp"
#include "support/load.hpp"
#include "support/process_state.hpp"
#include "support/raw_client.hpp"
#include "support/temp_directory.hpp"

namespace vac {
namespace {

using test::BuiltCall;
using test::RawClient;
using test::RawFrame;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr std::size_t kPage = 4096;

/// 4 GiB and a page in full, whole pages of it in the short form.
std::uint64_t payload_bytes() {
  return std::max<std::uint64_t>(test::load_count(4 * kGiB / kPage + 1), 2) * kPage;
}

/// Reserved addresses without memory: reading finds zeros, a page that is written costs a page.
class Zeros {
 public:
  explicit Zeros(std::uint64_t bytes) : size_(bytes) {
    data_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data_ == MAP_FAILED) throw std::runtime_error("cannot map zeros");
    ::madvise(data_, bytes, MADV_NOHUGEPAGE);
  }
  ~Zeros() { ::munmap(data_, size_); }
  Zeros(const Zeros&) = delete;
  Zeros& operator=(const Zeros&) = delete;

  template <class T>
  std::span<T> as() const {
    return {static_cast<T*>(data_), size_ / sizeof(T)};
  }

 private:
  std::uint64_t size_;
  void* data_;
};

/// Many addresses, few pages: the file of `kWindow` bytes is mapped again and again, so what is
/// written last at a place of it stays.
class Folded {
 public:
  static constexpr std::uint64_t kWindow = std::uint64_t{64} << 20;

  explicit Folded(std::uint64_t bytes) : size_(bytes), file_(::memfd_create("folded", 0)) {
    if (::ftruncate(file_.get(), kWindow) != 0) throw std::runtime_error("no memory file");
    void* const all = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) throw std::runtime_error("no addresses");
    data_ = static_cast<char*>(all);
    for (std::uint64_t at = 0; at < bytes; at += kWindow) {
      if (::mmap(data_ + at, std::min(kWindow, bytes - at), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, file_.get(), 0) == MAP_FAILED) {
        throw std::runtime_error("cannot map a memory file");
      }
    }
  }
  ~Folded() { ::munmap(data_, size_); }
  Folded(const Folded&) = delete;
  Folded& operator=(const Folded&) = delete;

  template <class T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(data_), size_ / sizeof(T)};
  }
  bool same_pages(const Folded& other) const {
    return std::memcmp(data_, other.data_, std::min(size_, kWindow)) == 0;
  }

 private:
  std::uint64_t size_;
  Fd file_;
  char* data_ = nullptr;
};

class Beyond4GiB : public testing::Test {
 protected:
  Beyond4GiB() {
    ::setenv("VAC_PLUGINS", "noop", 1);
    std::ofstream(folder_ / "agent.toml") << "[limits]\nmemory = \"6GiB\"\nframe = \"5GiB\"\n";
    agent_ = std::make_unique<test::AgentProcess>(std::vector<std::string>{
        "--plugin", "noop", "--config", (folder_ / "agent.toml").string()});
  }
  /// Takes any frame that the agent takes.
  RawClient large_client() {
    RawClient client(agent_->address());
    wire::Hello hello;
    hello.largest_frame = UINT64_MAX / 2;
    (void)client.greet(hello);
    return client;
  }
  static BuiltCall noop() {
    BuiltCall call(find_op("noop")->id);
    call.bytes("hello");
    return call;
  }
  /// The frame of a call of noop with that much data, which is yet to come.
  static std::vector<std::byte> announce(std::uint64_t request, std::uint64_t bytes) {
    BuiltCall call(find_op("noop")->id);
    static const std::string data(std::size_t{5} << 20, 'x');
    call.bytes(data);
    wire::FrameEncoder encoder;
    EXPECT_TRUE(encoder.encode_call(call.call(), request, 0, UINT64_MAX / 2));
    std::vector<std::byte> frame;
    test::append(frame, encoder.frame());
    wire::FrameHeader header = wire::read_header(frame.data());
    header.payload_bytes = wire::align_up(bytes);
    std::memcpy(frame.data(), &header, sizeof header);
    vac_arg record;
    std::memcpy(&record, frame.data() + sizeof header, sizeof record);
    record.bytes = bytes;
    std::memcpy(frame.data() + sizeof header, &record, sizeof record);
    return frame;
  }
  static void send_data(RawClient& client, std::uint64_t request, std::uint64_t bytes) {
    wire::FrameHeader header;
    header.kind = wire::Kind::data;
    header.request = request;
    header.payload_bytes = bytes;
    client.send(header);
    client.send(std::string(bytes, '\0'));
  }
  static void end_data(RawClient& client, std::uint64_t request) {
    wire::FrameHeader header;
    header.kind = wire::Kind::data;
    header.request = request;
    header.code = VAC_ECANCELED;
    client.send(header);
  }
  /// Fails where the agent could not have that much.
  static void need_memory(std::uint64_t bytes) {
    ASSERT_GE(test::available_memory(), bytes + kGiB)
        << "the full form of this test needs that much free memory";
  }

  test::TempDirectory folder_;
  std::unique_ptr<test::AgentProcess> agent_;
};

/// What noop answers depends on each byte and its place.
TEST_F(Beyond4GiB, InputsArriveWhole) {
  const std::uint64_t bytes = payload_bytes();
  need_memory(bytes);
  const Zeros input(bytes);
  const auto numbers = input.as<std::int32_t>();
  const std::size_t count = numbers.size();
  std::int32_t mark = 1;
  for (const std::size_t at : {std::size_t{0}, count / 2, count - 1025, count - 1024, count - 1}) {
    numbers[at] = mark++;
  }
  const auto answer = [&](const std::string& address) {
    std::vector<std::int32_t> out(1024);
    const auto done = Session::open(address).value().fpga_arraycopy(numbers, out);
    EXPECT_TRUE(done) << done.error().message();
    return out;
  };
  EXPECT_EQ(answer(agent_->address()), answer("local:"));
  std::printf("soak: input_beyond_4gib bytes=%llu client_rss_kib=%llu\n",
              static_cast<unsigned long long>(bytes),
              static_cast<unsigned long long>(test::state_of(::getpid()).resident_bytes >> 10U));
}

TEST_F(Beyond4GiB, OutputsArriveWhole) {
  const std::uint64_t bytes = payload_bytes();
  need_memory(bytes);
  const Folded remote(bytes);
  const Folded local(bytes);
  const std::vector<std::int32_t> input{1, 2, 3};
  const auto ask = [&](const std::string& address, const Folded& out) {
    const auto done = Session::open(address).value().fpga_arraycopy(input, out.as<std::int32_t>());
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(*done, bytes / sizeof(std::int32_t));
  };
  ask(agent_->address(), remote);
  ask("local:", local);
  EXPECT_TRUE(remote.same_pages(local));
  std::printf("soak: output_beyond_4gib bytes=%llu\n", static_cast<unsigned long long>(bytes));
}

/// The memory that such a call was promised is free again each time: two do not fit at once.
TEST_F(Beyond4GiB, APayloadThatIsCutShortCostsNothingAfterwards) {
  RawClient client = large_client();
  std::uint64_t request = 0;
  for (int round = 0; round < 5; ++round) {
    const std::uint64_t large = ++request;
    client.send(announce(large, 4 * kGiB + kPage));
    for (int i = 0; i < 4; ++i) send_data(client, large, wire::kMaxDataPayload);
    BuiltCall small = noop();
    client.send(RawClient::call_bytes(small, ++request));
    EXPECT_EQ(client.receive().code(), VAC_OK) << "while the large one is under way";
    end_data(client, large);
    const RawFrame cut = client.receive();
    EXPECT_EQ(cut.header.request, large);
    EXPECT_EQ(cut.code(), VAC_ECANCELED) << cut.text();
  }
  EXPECT_LT(test::state_of(agent_->pid()).resident_bytes, kGiB);
}

TEST_F(Beyond4GiB, APayloadThatHasNoRoomIsRefusedAndItsDataThrownAway) {
  RawClient first = large_client();
  first.send(announce(1, 4 * kGiB + kPage));
  RawClient second = large_client();
  // The first one's announcement is known to have been read when this is answered.
  BuiltCall small = noop();
  first.send(RawClient::call_bytes(small, 2));
  ASSERT_EQ(first.receive().code(), VAC_OK);
  second.send(announce(1, 4 * kGiB + kPage));
  for (int i = 0; i < 4; ++i) send_data(second, 1, wire::kMaxDataPayload);
  end_data(second, 1);
  const RawFrame refused = second.receive();
  EXPECT_EQ(refused.code(), VAC_ENOSPC);
  EXPECT_THAT(refused.text(),
              AllOf(HasSubstr("no room"), HasSubstr("is 6.4 GB"), HasSubstr("memory in [limits]")));
  second.send(RawClient::call_bytes(small, 2));
  EXPECT_EQ(second.receive().code(), VAC_OK) << "the connection goes on";
}

TEST_F(Beyond4GiB, APayloadAboveTheLimitIsRefusedAndItsDataThrownAway) {
  RawClient client = large_client();
  client.send(announce(1, 5 * kGiB));
  const RawFrame refused = client.receive();
  EXPECT_EQ(refused.code(), VAC_EMSGSIZE);
  EXPECT_THAT(refused.text(), AllOf(HasSubstr("5368709120 bytes"), HasSubstr("frame in [limits]")));
  for (int i = 0; i < 4; ++i) send_data(client, 1, wire::kMaxDataPayload);
  end_data(client, 1);
  BuiltCall small = noop();
  client.send(RawClient::call_bytes(small, 2));
  EXPECT_EQ(client.receive().code(), VAC_OK);
}

TEST(DefaultLimits, RefuseAnInputOfMoreThan4GiBByTheLimitsName) {
  const test::AgentProcess agent({"--plugin", "noop"});
  const Zeros input(4 * kGiB + kPage);
  const auto bytes = std::as_bytes(input.as<std::byte>()).first(4 * kGiB + 1);
  const Session session = Session::open(agent.address()).value();
  const Status refused = session.noop(bytes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::message_size);
  EXPECT_THAT(refused.error().message(), AllOf(HasSubstr("noop"), HasSubstr("4294967296 bytes"),
                                               HasSubstr("frame in [limits]")));
  EXPECT_TRUE(session.noop()) << "the session goes on";
}

TEST(DefaultLimits, RefuseAnOutputThatTheTenantHasNoRoomFor) {
  const test::AgentProcess agent({"--plugin", "noop"});
  const Zeros output(4 * kGiB + kPage);
  const Session session = Session::open(agent.address()).value();
  const std::vector<std::int32_t> input{1, 2, 3};
  const auto refused = session.fpga_arraycopy(input, output.as<std::int32_t>());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::no_memory);
  EXPECT_THAT(refused.error().message(), AllOf(HasSubstr("fpga_arraycopy"), HasSubstr("4.3 GB"),
                                               HasSubstr("memory in [limits]")));
  EXPECT_TRUE(session.noop()) << "the session goes on";
}

}  // namespace
}  // namespace vac
