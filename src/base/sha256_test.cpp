// SPDX-License-Identifier: Apache-2.0
#include "base/sha256.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/text.hpp"

namespace vac {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string hex_with(Sha256Engine engine, std::string_view text) {
  Sha256 hash(engine);
  hash.update(bytes_of(text));
  return to_hex(hash.finish());
}

std::string openssl_hex(std::span<const std::byte> data) {
  std::array<std::byte, 32> digest;
  ::SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
  return to_hex(digest);
}

std::vector<std::byte> random_bytes(std::size_t count, std::mt19937_64& random) {
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

/// A directory that is removed with the files named to it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = testing::TempDir() + "vac-sha256-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    for (const std::string& file : files_) ::unlink(file.c_str());
    ::rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }
  std::string name(std::string_view file) { return files_.emplace_back(concat(path_, "/", file)); }
  std::string write(std::string_view file, std::span<const std::byte> data) {
    std::string path = name(file);
    const Fd out(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    EXPECT_EQ(::write(out.get(), data.data(), data.size()), static_cast<ssize_t>(data.size()));
    return path;
  }

 private:
  std::string path_;
  std::vector<std::string> files_;
};

/// Both engines; on a machine without the instructions they are the same code.
class Sha256Engines : public testing::TestWithParam<Sha256Engine> {};

INSTANTIATE_TEST_SUITE_P(, Sha256Engines,
                         testing::Values(Sha256Engine::portable, Sha256Engine::automatic),
                         [](const auto& info) {
                           return info.param == Sha256Engine::portable ? "Portable" : "Automatic";
                         });

TEST_P(Sha256Engines, ComputesTheExamplesOfTheStandard) {
  EXPECT_EQ(hex_with(GetParam(), ""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex_with(GetParam(), "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_with(GetParam(), "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(
      hex_with(GetParam(),
               "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
               "klmnopqrlmnopqrsmnopqrstnopqrstu"),
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(hex_with(GetParam(), std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_P(Sha256Engines, AgreesWithOpenSslAtEveryShortLength) {
  std::mt19937_64 random(1);
  const std::vector<std::byte> data = random_bytes(300, random);
  for (std::size_t length = 0; length <= data.size(); ++length) {
    const auto part = std::span(data).first(length);
    Sha256 hash(GetParam());
    hash.update(part);
    EXPECT_EQ(to_hex(hash.finish()), openssl_hex(part)) << length;
  }
}

TEST_P(Sha256Engines, AgreesWithOpenSslHoweverTheDataIsCut) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 200; ++round) {
    const std::vector<std::byte> data = random_bytes(random() % 5000, random);
    Sha256 hash(GetParam());
    std::span<const std::byte> rest(data);
    while (!rest.empty()) {
      const std::size_t piece = std::min<std::size_t>(random() % 200, rest.size());
      hash.update(rest.first(piece));
      rest = rest.subspan(piece);
    }
    EXPECT_EQ(to_hex(hash.finish()), openssl_hex(data)) << data.size();
  }
}

TEST_P(Sha256Engines, StartsAfreshAfterFinish) {
  Sha256 hash(GetParam());
  hash.update(bytes_of("something else"));
  (void)hash.finish();
  hash.update(bytes_of("abc"));
  EXPECT_EQ(to_hex(hash.finish()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_P(Sha256Engines, ACopyGoesOnByItself) {
  Sha256 hash(GetParam());
  hash.update(bytes_of("ab"));
  Sha256 copy = hash;
  copy.update(bytes_of("c"));
  hash.update(bytes_of("d"));
  EXPECT_EQ(to_hex(copy.finish()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(hash.finish()), openssl_hex(bytes_of("abd")));
}

TEST(Sha256, HexIsThatOfTheWholeText) {
  EXPECT_EQ(sha256_hex(bytes_of("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256File, HashesAFileInPiecesAndTellsHowFarItIs) {
  std::mt19937_64 random(3);
  const std::vector<std::byte> data = random_bytes((std::size_t{2} << 20) + 4321, random);
  TemporaryDirectory directory;
  const std::string path = directory.write("data", data);
  std::vector<std::uint64_t> steps;
  const auto digest = sha256_file(path, [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_EQ(total, data.size());
    steps.push_back(done);
  });
  EXPECT_EQ(digest.value(), openssl_hex(data));
  EXPECT_EQ(steps, (std::vector<std::uint64_t>{1u << 20, 2u << 20, data.size()}));
}

TEST(Sha256File, HashesAnEmptyFile) {
  TemporaryDirectory directory;
  EXPECT_EQ(sha256_file(directory.write("empty", {})).value(), sha256_hex({}));
}

TEST(Sha256File, LeavesTheDescriptorsPosition) {
  TemporaryDirectory directory;
  const std::string path = directory.write("data", bytes_of("abc"));
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::lseek(fd.get(), 2, SEEK_SET), 2);
  EXPECT_EQ(sha256_fd(fd.get(), path).value(), sha256_hex(bytes_of("abc")));
  EXPECT_EQ(::lseek(fd.get(), 0, SEEK_CUR), 2);
}

TEST(Sha256File, SaysWhyAFileCannotBeRead) {
  TemporaryDirectory directory;
  const auto missing = sha256_file(directory.path() + "/none\n");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Errc::not_found);
  EXPECT_EQ(missing.error().text(),
            concat("cannot open '", directory.path(), "/none\\n': No such file or directory"));
  EXPECT_EQ(sha256_file(directory.path()).error().code(), Errc::is_directory);
  EXPECT_EQ(sha256_fd(-1, "closed").error().code(), Errc::bad_handle);
}

TEST(Sha256File, RefusesAPipeWithoutWaitingForItsWriter) {
  TemporaryDirectory directory;
  const std::string path = directory.name("pipe");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto digest = sha256_file(path);
  ASSERT_FALSE(digest);
  EXPECT_EQ(digest.error().code(), Errc::invalid);
  EXPECT_NE(digest.error().text().find("not a regular file"), std::string::npos);
}

}  // namespace
}  // namespace vac
