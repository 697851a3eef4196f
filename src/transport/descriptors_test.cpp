// SPDX-License-Identifier: Apache-2.0
// Descriptors that travel with bytes over unix sockets.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <optional>
#include <span>
#include <string>

#include "base/fd.hpp"
#include "transport/socket_channel.hpp"

namespace vac::transport {
namespace {

std::size_t open_descriptors() {
  namespace fs = std::filesystem;
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

ino_t inode_of(const Fd& fd) {
  struct stat status{};
  EXPECT_EQ(::fstat(fd.get(), &status), 0);
  return status.st_ino;
}

class Descriptors : public testing::Test {
 protected:
  Descriptors() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    sender_.emplace(Fd(ends[0]));
    receiver_.emplace(Fd(ends[1]));
  }
  void send(std::string text) { EXPECT_EQ(sender_->send(piece(text), Wait::all), ssize(text)); }
  void send(std::string text, const Fd& descriptor) {
    EXPECT_EQ(sender_->send_with(piece(text), descriptor.get(), Wait::now), ssize(text));
  }
  std::string receive(std::size_t bytes, Wait wait) {
    std::string text(bytes, '\0');
    const auto got = receiver_->receive(std::as_writable_bytes(std::span(text)), wait);
    text.resize(static_cast<std::size_t>(std::max<std::ptrdiff_t>(got, 0)));
    return text;
  }
  static std::ptrdiff_t ssize(const std::string& text) {
    return static_cast<std::ptrdiff_t>(text.size());
  }

  std::optional<SocketChannel> sender_, receiver_;
  const Fd memory_{::memfd_create("test", MFD_CLOEXEC)};

 private:
  std::span<const iovec> piece(std::string& text) {
    piece_ = {text.data(), text.size()};
    return {&piece_, 1};
  }
  iovec piece_{};
};

TEST_F(Descriptors, ArriveWithTheirBytes) {
  receiver_->accept_descriptors(true);
  EXPECT_TRUE(receiver_->carries_descriptors());
  send("before");
  send("with", memory_);
  send("behind");
  EXPECT_EQ(receive(16, Wait::all), "beforewithbehind");
  const Fd taken = receiver_->take_descriptor();
  ASSERT_TRUE(taken);
  EXPECT_EQ(inode_of(taken), inode_of(memory_));
  EXPECT_NE(::fcntl(taken.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_FALSE(receiver_->take_descriptor());
}

TEST_F(Descriptors, ArriveInPiecesAndInOrder) {
  receiver_->accept_descriptors(true);
  const Fd other(::memfd_create("other", MFD_CLOEXEC));
  send("first", memory_);
  send("second", other);
  std::string text;
  while (text.size() < 11) {
    std::array<std::byte, 1> one{}, two{};
    std::array<iovec, 2> pieces{{{one.data(), 1}, {two.data(), 1}}};
    const auto got = receiver_->receive(std::span(pieces), Wait::block);
    ASSERT_GT(got, 0);
    text += static_cast<char>(one[0]);
    if (got == 2) text += static_cast<char>(two[0]);
  }
  EXPECT_EQ(text, "firstsecond");
  EXPECT_EQ(inode_of(receiver_->take_descriptor()), inode_of(memory_));
  EXPECT_EQ(inode_of(receiver_->take_descriptor()), inode_of(other));
}

TEST_F(Descriptors, OfAPeerThatWasNotAskedAreClosed) {
  const std::size_t before = open_descriptors();
  send("unasked", memory_);
  EXPECT_EQ(receive(7, Wait::all), "unasked");
  EXPECT_FALSE(receiver_->take_descriptor());
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Descriptors, BeyondAFewAreClosed) {
  receiver_->accept_descriptors(true);
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 100; ++i) {
    send("x", memory_);
    EXPECT_EQ(receive(1, Wait::all), "x");
  }
  EXPECT_LT(open_descriptors(), before + 10);
  while (receiver_->take_descriptor()) continue;
  EXPECT_EQ(open_descriptors(), before);
}

/// Two in one message: nobody of ours sends that.
TEST_F(Descriptors, BesideTheFirstAreClosed) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const Fd sender(ends[0]);
  receiver_.emplace(Fd(ends[1]));
  receiver_->accept_descriptors(true);
  const std::size_t before = open_descriptors();
  const int both[] = {memory_.get(), memory_.get()};
  alignas(cmsghdr) std::byte control[CMSG_SPACE(sizeof both)]{};
  char byte = 'x';
  iovec piece{&byte, 1};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof both);
  std::memcpy(CMSG_DATA(header), both, sizeof both);
  ASSERT_EQ(::sendmsg(sender.get(), &message, 0), 1);
  EXPECT_EQ(receive(1, Wait::all), "x");
  EXPECT_TRUE(receiver_->take_descriptor());
  EXPECT_FALSE(receiver_->take_descriptor());
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Descriptors, ThatNobodyTookCloseWithTheChannel) {
  const std::size_t before = open_descriptors();
  receiver_->accept_descriptors(true);
  send("with", memory_);
  EXPECT_EQ(receive(4, Wait::all), "with");
  receiver_.reset();
  EXPECT_EQ(open_descriptors(), before - 1);
}

}  // namespace
}  // namespace vac::transport
