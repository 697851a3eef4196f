// SPDX-License-Identifier: Apache-2.0
#include "base/sha256.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/errno_error.hpp"
#include "base/fd.hpp"
#include "base/sha256_compress.hpp"
#include "base/text.hpp"

namespace vac {
namespace {

// A model may exceed 2 GiB on a 32-bit machine too.
static_assert(sizeof(off_t) == 8, "build with -D_FILE_OFFSET_BITS=64");

constexpr std::size_t kBlock = 64;
constexpr std::size_t kPiece = std::size_t{1} << 20;

/// Section 5.3.3.
constexpr std::array<std::uint32_t, 8> kStart{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

std::uint32_t load_big_endian(const std::byte* bytes) noexcept {
  return std::to_integer<std::uint32_t>(bytes[0]) << 24 |
         std::to_integer<std::uint32_t>(bytes[1]) << 16 |
         std::to_integer<std::uint32_t>(bytes[2]) << 8 | std::to_integer<std::uint32_t>(bytes[3]);
}

template <class Word>
void store_big_endian(std::byte* bytes, Word word) noexcept {
  for (std::size_t i = 0; i < sizeof(Word); ++i) {
    bytes[i] = static_cast<std::byte>(word >> (8 * (sizeof(Word) - 1 - i)));
  }
}

/// Section 6.2.2, with the schedule kept in a ring of 16 words. Sixteen rounds are unrolled, so
/// that the ring's indices are constants and the eight variables change places without being moved.
void compress_portable(std::uint32_t* state, const std::byte* blocks, std::size_t count) {
  using std::rotr;
  for (; count != 0; --count, blocks += kBlock) {
    std::uint32_t w[16];
    std::uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    std::uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (unsigned first = 0; first < 64; first += 16) {
#pragma GCC unroll 16
      for (unsigned i = 0; i < 16; ++i) {
        if (first == 0) {
          w[i] = load_big_endian(blocks + std::size_t{4} * i);
        } else {
          const std::uint32_t x = w[(i + 1) & 15], y = w[(i + 14) & 15];
          w[i] += (rotr(x, 7) ^ rotr(x, 18) ^ x >> 3) + w[(i + 9) & 15] +
                  (rotr(y, 17) ^ rotr(y, 19) ^ y >> 10);
        }
        const std::uint32_t t1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) +
                                 (g ^ (e & (f ^ g))) + detail::kSha256Constants[first + i] + w[i];
        const std::uint32_t t2 =
            (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) | (c & (a | b)));
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
      }
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
  }
}

detail::Sha256Compress fastest() noexcept {
  static const detail::Sha256Compress chosen = [] {
    if (const auto x86 = detail::sha256_compress_x86()) return x86;
    if (const auto arm = detail::sha256_compress_arm()) return arm;
    return detail::Sha256Compress{compress_portable};
  }();
  return chosen;
}

Error cannot_read(int number, const std::string& name) {
  return errno_error(number, concat("cannot read '", printable(name), "'"));
}

/// The size of the regular file behind `fd`.
Result<std::uint64_t> regular_size(int fd, const std::string& name) {
  struct stat about{};
  if (::fstat(fd, &about) != 0) return cannot_read(errno, name);
  if (S_ISDIR(about.st_mode)) return cannot_read(EISDIR, name);
  if (!S_ISREG(about.st_mode)) {
    return Error{Errc::invalid, concat("cannot read '", printable(name),
                                       "', it is not a regular file: name the file itself")};
  }
  return static_cast<std::uint64_t>(about.st_size);
}

}  // namespace

bool sha256_accelerated() noexcept { return fastest() != compress_portable; }

Sha256::Sha256(Sha256Engine engine) noexcept
    : compress_(engine == Sha256Engine::portable ? compress_portable : fastest()) {
  start();
}

void Sha256::start() noexcept {
  state_ = kStart;
  length_ = 0;
  tail_.fill(std::byte{0});
}

void Sha256::update(std::span<const std::byte> data) noexcept {
  if (data.empty()) return;
  const std::size_t waiting = length_ % kBlock;
  length_ += data.size();
  if (waiting != 0) {
    const std::size_t taken = std::min(kBlock - waiting, data.size());
    std::memcpy(tail_.data() + waiting, data.data(), taken);
    data = data.subspan(taken);
    if (waiting + taken < kBlock) return;
    compress_(state_.data(), tail_.data(), 1);
  }
  const std::size_t blocks = data.size() / kBlock;
  if (blocks != 0) compress_(state_.data(), data.data(), blocks);
  data = data.subspan(blocks * kBlock);
  if (!data.empty()) std::memcpy(tail_.data(), data.data(), data.size());
}

Sha256Digest Sha256::finish() noexcept {
  // Section 5.1.1: a one bit, zeros, and the length in bits in the last eight bytes of a block.
  const std::size_t waiting = length_ % kBlock;
  std::array<std::byte, 2 * kBlock> last{};
  std::copy_n(tail_.begin(), waiting, last.begin());
  last[waiting] = std::byte{0x80};
  const std::size_t blocks = waiting + 1 + sizeof length_ <= kBlock ? 1 : 2;
  store_big_endian(last.data() + blocks * kBlock - sizeof length_, length_ * 8);
  compress_(state_.data(), last.data(), blocks);

  Sha256Digest digest;
  for (std::size_t i = 0; i < state_.size(); ++i) {
    store_big_endian(digest.data() + 4 * i, state_[i]);
  }
  start();
  return digest;
}

std::string sha256_hex(std::span<const std::byte> data) {
  Sha256 hash;
  hash.update(data);
  return to_hex(hash.finish());
}

namespace {

/// A mapping of its own: from the heap of a thread it would not go back to the system, and every
/// thread that has hashed a file would keep one.
std::byte* map_piece() noexcept {
  void* const memory =
      ::mmap(nullptr, kPiece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

struct Unmap {
  void operator()(std::byte* piece) const noexcept { ::munmap(piece, kPiece); }
};

}  // namespace

Result<std::string> sha256_fd(int fd, const std::string& name, const Sha256Progress& progress) {
  VAC_TRY(const std::uint64_t total, regular_size(fd, name));
  const std::unique_ptr<std::byte, Unmap> piece(map_piece());
  if (!piece)
    return Error{Errc::no_memory, concat("cannot read '", printable(name), "': no memory")};
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  Sha256 hash;
  std::uint64_t done = 0;
  for (;;) {
    const ssize_t got = ::pread(fd, piece.get(), kPiece, static_cast<off_t>(done));
    if (got < 0) {
      if (errno == EINTR) continue;
      return cannot_read(errno, name);
    }
    if (got == 0) break;
    hash.update({piece.get(), static_cast<std::size_t>(got)});
    done += static_cast<std::uint64_t>(got);
    if (progress) progress(done, total);
  }
  return to_hex(hash.finish());
}

Result<std::string> sha256_file(const std::string& path, const Sha256Progress& progress) {
  // O_NONBLOCK: opening a FIFO would wait for its writer.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    return errno_error(errno, concat("cannot open '", printable(path), "'"));
  }
  return sha256_fd(fd.get(), path, progress);
}

}  // namespace vac
