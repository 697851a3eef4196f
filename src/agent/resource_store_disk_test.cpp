// SPDX-License-Identifier: Apache-2.0
// What the store does with its disk: one that is full, and how often it is read. The system calls
// of this program go through here.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>

#include "agent/resource_store.hpp"
#include "base/sha256.hpp"
#include "support/temp_directory.hpp"

namespace {

/// How many bytes the disk still takes; -1: it has no end.
std::atomic<std::int64_t> room{-1};
std::atomic<std::int64_t> bytes_read{0};

}  // namespace

extern "C" ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
  if (const std::int64_t left = room.load(); left >= 0) {
    if (left == 0) {
      errno = ENOSPC;
      return -1;
    }
    bytes = std::min(bytes, static_cast<size_t>(left));
    room.store(left - static_cast<std::int64_t>(bytes));
  }
  return ::syscall(SYS_pwrite64, fd, data, bytes, offset);
}

extern "C" ssize_t pread(int fd, void* data, size_t bytes, off_t offset) {
  const ssize_t count = ::syscall(SYS_pread64, fd, data, bytes, offset);
  if (count > 0) bytes_read.fetch_add(count);
  return count;
}

extern "C" int unlink(const char* path) noexcept {
  struct stat status{};
  if (room.load() >= 0 && ::lstat(path, &status) == 0) room.fetch_add(status.st_size);
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

namespace vac::agent {
namespace {

using testing::HasSubstr;

class StoresOnADisk : public testing::Test {
 protected:
  StoresOnADisk() { open(); }
  ~StoresOnADisk() override { room.store(-1); }

  void open() {
    store_.reset();
    digests_ = std::make_unique<FileDigests>();
    store_ = ResourceStore::open(folder_.path().string(), 1 << 20, *digests_).value();
  }
  static std::string digest_of(std::string_view text) {
    return sha256_hex(std::as_bytes(std::span(text)));
  }
  Status fill(std::string_view text) {
    VAC_TRY(const Reception reception, store_->receive("t1", digest_of(text), text.size()));
    VAC_CHECK(reception.file()->write(0, std::as_bytes(std::span(text))));
    VAC_CHECK(reception.file()->stored());
    return {};
  }
  std::optional<StoredFile> find(std::string_view text) {
    return store_->find("t1", digest_of(text), text.size());
  }
  /// The file was written long ago, as far as its times tell.
  void age(std::string_view text) const {
    const timespec times[2] = {{0, UTIME_OMIT}, {1000, 0}};
    const std::string path = folder_.path().string() + "/t1/" + digest_of(text);
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }

  test::TempDirectory folder_;
  std::unique_ptr<FileDigests> digests_;
  std::unique_ptr<ResourceStore> store_;
};

TEST_F(StoresOnADisk, SayThatItIsFullAndKeepWhatIsThere) {
  ASSERT_TRUE(fill("weights"));
  const auto used = find("weights");
  room.store(3);
  const Status refused = fill("numbers");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::no_space);
  EXPECT_THAT(refused.error().text(), HasSubstr("the disk is full: make room"));
  EXPECT_EQ(store_->bytes(), 7U) << "what was written in vain is not counted";
  room.store(-1);
  EXPECT_TRUE(fill("numbers"));
  EXPECT_TRUE(find("weights"));
}

TEST_F(StoresOnADisk, KeepThePartsThatWereAcknowledgedBeforeItWasFull) {
  const std::string text = "weights and numbers";
  const auto bytes = std::as_bytes(std::span(text));
  const Reception reception = store_->receive("t1", digest_of(text), text.size()).value();
  ASSERT_TRUE(reception.file()->write(0, bytes.first(8)));
  room.store(4);
  EXPECT_EQ(reception.file()->write(8, bytes.subspan(8)).error().code(), Errc::no_space);
  room.store(-1);
  ASSERT_TRUE(reception.file()->write(8, bytes.subspan(8)));
  EXPECT_TRUE(reception.file()->stored());
}

TEST_F(StoresOnADisk, RemoveWhatWasNotUsedForLongestWhenItIsFull) {
  ASSERT_TRUE(fill("first"));
  ASSERT_TRUE(fill("second"));
  ASSERT_TRUE(find("first"));
  room.store(2);
  ASSERT_TRUE(fill("letters")) << "the disk is smaller than the cache may become";
  room.store(-1);
  EXPECT_TRUE(find("first"));
  EXPECT_FALSE(find("second"));
}

TEST_F(StoresOnADisk, ReadAFileOnceToVerifyIt) {
  ASSERT_TRUE(fill("weights"));
  age("weights");  // as if it had taken a while: a file that has just been written may be so again
  for (int start = 0; start < 2; ++start) {
    SCOPED_TRACE(start);
    const std::int64_t before = bytes_read.load();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(find("weights"));
    EXPECT_EQ(bytes_read.load() - before, 7);
    open();  // an agent trusts no other
  }
}

}  // namespace
}  // namespace vac::agent
