// SPDX-License-Identifier: Apache-2.0
// One suite over every transport of the scheme table: what a Channel and a Listener promise.
#include <gtest/gtest.h>
#include <limits.h>
#include <poll.h>

#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/random.hpp"
#include "support/temp_directory.hpp"
#include "transport/channel.hpp"
#include "transport/scheme_table.hpp"

namespace vac::transport {

// NOLINTNEXTLINE(readability-identifier-naming): the name that GoogleTest looks for
void PrintTo(const Scheme* scheme, std::ostream* out) { *out << scheme->name; }

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{10'000};

/// A place of that scheme where nobody listens.
Address fresh_address(const Scheme& scheme, const test::TempDirectory& directory) {
  if (scheme.name == "unix") return {"unix", (directory / "s").string()};
  if (scheme.name == "inproc") return {"inproc", "conformance"};
  throw std::runtime_error("this suite needs to be told where " + std::string(scheme.name) +
                           " can listen");
}

bool polls(int descriptor, short events, int timeout_ms) {
  pollfd entry{descriptor, events, 0};
  return ::poll(&entry, 1, timeout_ms) == 1 && (entry.revents & events) != 0;
}

std::vector<std::byte> random_bytes(std::size_t size) {
  std::vector<std::byte> bytes(size);
  test::Random(size).fill(bytes);
  return bytes;
}

iovec piece_of(std::span<const std::byte> bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

std::ptrdiff_t send_bytes(Channel& channel, std::span<const std::byte> bytes, Wait wait) {
  const iovec piece = piece_of(bytes);
  return channel.send({&piece, 1}, wait);
}

std::ptrdiff_t send_text(Channel& channel, std::string_view text) {
  return send_bytes(channel, std::as_bytes(std::span(text)), Wait::all);
}

std::string receive_text(Channel& channel, std::size_t size) {
  std::string text(size, '\0');
  const auto bytes = channel.receive(std::as_writable_bytes(std::span(text)), Wait::all);
  text.resize(bytes < 0 ? 0 : static_cast<std::size_t>(bytes));
  return text;
}

class EveryTransport : public testing::TestWithParam<const Scheme*> {
 protected:
  void SetUp() override {
    address_ = fresh_address(*GetParam(), directory_);
    auto listener = listen(address_, {});
    ASSERT_TRUE(listener) << listener.error().message();
    listener_ = *std::move(listener);
    client_ = new_client();
    server_ = next_server();
    ASSERT_TRUE(client_ && server_);
  }

  std::unique_ptr<Channel> new_client() {
    auto channel = connect(address_, kPatience);
    EXPECT_TRUE(channel) << channel.error().message();
    return channel ? *std::move(channel) : nullptr;
  }

  std::unique_ptr<Channel> next_server() {
    EXPECT_TRUE(polls(listener_->descriptor(), POLLIN, static_cast<int>(kPatience.count())));
    auto channel = listener_->accept();
    EXPECT_TRUE(channel) << channel.error().message();
    return channel ? *std::move(channel) : nullptr;
  }

  test::TempDirectory directory_;
  Address address_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Channel> client_;
  std::unique_ptr<Channel> server_;
};

std::vector<const Scheme*> every_scheme() {
  std::vector<const Scheme*> all;
  for (const Scheme& scheme : schemes()) all.push_back(&scheme);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Transport, EveryTransport, testing::ValuesIn(every_scheme()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST_P(EveryTransport, ItsExampleIsAnAddress) {
  const auto address = parse_address(GetParam()->example);
  ASSERT_TRUE(address) << address.error().message();
  EXPECT_EQ(address->scheme, GetParam()->name);
  EXPECT_EQ(address->text(), GetParam()->example);
}

TEST_P(EveryTransport, CarriesBytesBothWays) {
  EXPECT_EQ(send_text(*client_, "question"), 8);
  EXPECT_EQ(receive_text(*server_, 8), "question");
  EXPECT_EQ(send_text(*server_, "answer"), 6);
  EXPECT_EQ(receive_text(*client_, 6), "answer");
}

TEST_P(EveryTransport, GathersAndScatters) {
  const std::array<std::string_view, 4> words{"one", "", "two", "three"};
  std::vector<iovec> from;
  for (const auto word : words) from.push_back(piece_of(std::as_bytes(std::span(word))));
  EXPECT_EQ(client_->send(from, Wait::block), 11);

  std::string first(2, '-');
  std::string second(9, '-');
  std::vector<iovec> to{{first.data(), first.size()}, {second.data(), second.size()}};
  EXPECT_EQ(server_->receive(to, Wait::all), 11);
  EXPECT_EQ(first + second, "onetwothree");
}

TEST_P(EveryTransport, BlockingReceiveReturnsWhatThereIs) {
  send_text(*client_, "abc");
  std::string text(100, '-');
  EXPECT_EQ(server_->receive(std::as_writable_bytes(std::span(text)), Wait::block), 3);
  std::vector<iovec> to{{text.data(), 50}, {text.data() + 50, 50}};
  send_text(*client_, "defg");
  EXPECT_EQ(server_->receive(to, Wait::block), 4);
}

TEST_P(EveryTransport, WaitingForAllGathersWhatComesInPieces) {
  std::jthread sender([this] {
    for (const char* part : {"ab", "cde", "f"}) send_text(*client_, part);
  });
  EXPECT_EQ(receive_text(*server_, 6), "abcdef");
}

TEST_P(EveryTransport, WaitingForAllEndsWithTheStream) {
  send_text(*client_, "abc");
  client_.reset();
  EXPECT_EQ(receive_text(*server_, 10), "abc");
  std::array<std::byte, 4> rest;
  EXPECT_EQ(server_->receive(rest, Wait::all), 0);
  EXPECT_EQ(server_->receive(rest, Wait::block), 0);
  EXPECT_EQ(server_->receive(rest, Wait::now), 0);
}

TEST_P(EveryTransport, ReceivingNowSaysThatThereIsNothing) {
  std::array<std::byte, 4> to;
  EXPECT_EQ(server_->receive(to, Wait::now), -EAGAIN);
  iovec piece{to.data(), to.size()};
  EXPECT_EQ(server_->receive(std::span(&piece, 1), Wait::now), -EAGAIN);
}

TEST_P(EveryTransport, ReceiveTimeoutsCanBeSetAndTakenAway) {
  std::array<std::byte, 4> to;
  server_->set_receive_timeout(milliseconds(5));
  EXPECT_EQ(server_->receive(to, Wait::block), -EAGAIN);
  EXPECT_EQ(server_->receive(to, Wait::all), -EAGAIN);
  send_text(*client_, "ab");
  EXPECT_EQ(server_->receive(to, Wait::all), 2) << "what came before the time was over";
  server_->set_receive_timeout(milliseconds(0));
  std::jthread sender([this] { send_text(*client_, "abcd"); });
  EXPECT_EQ(server_->receive(to, Wait::all), 4);
}

TEST_P(EveryTransport, AFullPipeTakesNoMoreAndLosesNothing) {
  const std::vector<std::byte> block = random_bytes(100'000);
  std::size_t sent = 0;
  std::ptrdiff_t taken = 0;
  while ((taken = send_bytes(*client_, block, Wait::now)) > 0) {
    sent += static_cast<std::size_t>(taken);
    // What was taken of a block that did not fit is all that counts: the next starts anew.
    if (static_cast<std::size_t>(taken) < block.size()) break;
  }
  ASSERT_EQ(send_bytes(*client_, block, Wait::now), -EAGAIN);
  EXPECT_FALSE(polls(client_->descriptor(), POLLOUT, 0));
  std::vector<std::byte> received(sent);
  ASSERT_EQ(server_->receive(received, Wait::all), static_cast<std::ptrdiff_t>(sent));
  for (std::size_t i = 0; i < sent; ++i) ASSERT_EQ(received[i], block[i % block.size()]);
  EXPECT_TRUE(polls(client_->descriptor(), POLLOUT, 0));
}

TEST_P(EveryTransport, CarriesMuchInBothDirectionsAtOnce) {
  const std::vector<std::byte> data = random_bytes(8 << 20);
  const auto pump = [&data](Channel& from, Channel& to, std::vector<std::byte>& received) {
    std::jthread sender([&] {
      std::vector<iovec> pieces;
      for (std::size_t at = 0; at < data.size(); at += 1000) {
        pieces.push_back(
            piece_of(std::span(data).subspan(at, std::min<std::size_t>(1000, data.size() - at))));
      }
      ASSERT_GT(pieces.size(), std::size_t{IOV_MAX});
      EXPECT_EQ(from.send(pieces, Wait::all), static_cast<std::ptrdiff_t>(data.size()));
    });
    std::vector<iovec> pieces{{received.data(), 4321},
                              {received.data() + 4321, received.size() - 4321}};
    EXPECT_EQ(to.receive(pieces, Wait::all), static_cast<std::ptrdiff_t>(data.size()));
  };
  std::vector<std::byte> there(data.size());
  std::vector<std::byte> back(data.size());
  {
    std::jthread other([&] { pump(*server_, *client_, back); });
    pump(*client_, *server_, there);
  }
  EXPECT_EQ(there, data);
  EXPECT_EQ(back, data);
}

TEST_P(EveryTransport, ShutdownWakesABlockedReader) {
  std::ptrdiff_t result = -1;
  {
    std::jthread reader([&] {
      std::array<std::byte, 4> to;
      result = server_->receive(to, Wait::block);
    });
    server_->shutdown();
  }
  EXPECT_EQ(result, 0);
}

TEST_P(EveryTransport, ShutdownIsTheEndForThePeer) {
  server_->shutdown();
  std::array<std::byte, 4> to;
  EXPECT_EQ(client_->receive(to, Wait::block), 0);
  EXPECT_EQ(send_text(*server_, "x"), -EPIPE);
}

TEST_P(EveryTransport, SendingToAGonePeerIsAnErrorAndNoSignal) {
  server_.reset();
  std::ptrdiff_t result = 0;
  // A transport may take a few bytes before it knows.
  for (int i = 0; i < 1000 && result >= 0; ++i) result = send_text(*client_, "x");
  EXPECT_TRUE(result == -EPIPE || result == -ECONNRESET) << result;
}

TEST_P(EveryTransport, ItsDescriptorTellsWhenThereIsSomethingToReceive) {
  EXPECT_FALSE(polls(server_->descriptor(), POLLIN, 0));
  EXPECT_TRUE(polls(client_->descriptor(), POLLOUT, 0));
  send_text(*client_, "x");
  EXPECT_TRUE(polls(server_->descriptor(), POLLIN, static_cast<int>(kPatience.count())));
}

TEST_P(EveryTransport, AcceptWithoutAConnectionGivesNone) {
  auto none = listener_->accept();
  ASSERT_TRUE(none) << none.error().message();
  EXPECT_EQ(*none, nullptr);
}

TEST_P(EveryTransport, KeepsConnectionsApart) {
  constexpr std::size_t kCount = 40;
  std::vector<std::unique_ptr<Channel>> clients;
  std::vector<std::unique_ptr<Channel>> servers;
  for (std::size_t i = 0; i < kCount; ++i) {
    clients.push_back(new_client());
    servers.push_back(next_server());
    send_text(*clients.back(), std::to_string(100 + i));
  }
  for (std::size_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(receive_text(*servers[i], 3), std::to_string(100 + i));
  }
}

TEST_P(EveryTransport, ASecondListenerIsRefused) {
  const auto second = listen(address_, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::address_in_use) << second.error().text();
  EXPECT_NE(second.error().text().find(address_.text()), std::string::npos);
  // The first one does not suffer from it. The attempt may have left a connection of its own.
  client_ = new_client();
  std::unique_ptr<Channel> server = next_server();
  send_text(*client_, "still here");
  std::array<std::byte, 1> probe;
  while (server && server->receive(probe, Wait::block) == 0) server = next_server();
  ASSERT_TRUE(server);
  EXPECT_EQ(receive_text(*server, 9), "till here");
}

TEST_P(EveryTransport, ConnectingWhereNobodyListensSaysSo) {
  listener_.reset();
  const auto channel = connect(address_, kPatience);
  ASSERT_FALSE(channel);
  EXPECT_EQ(channel.error().code(), Errc::connection_refused);
  const std::string what = "open " + address_.text() + ": no agent listens there";
  EXPECT_EQ(channel.error().text().substr(0, what.size()), what);
  EXPECT_NE(channel.error().text().find("start one"), std::string::npos);
}

TEST_P(EveryTransport, CanListenAgainAfterTheEnd) {
  listener_.reset();
  auto again = listen(address_, {});
  ASSERT_TRUE(again) << again.error().message();
  listener_ = *std::move(again);
  client_ = new_client();
  EXPECT_NE(next_server(), nullptr);
}

}  // namespace
}  // namespace vac::transport
