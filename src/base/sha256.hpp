// SPDX-License-Identifier: Apache-2.0
// SHA-256 of FIPS 180-4, with the instructions of x86-64 (SHA-NI) and of AArch64 where the machine
// has them, else in plain C++.
#pragma once

#include <vac/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace vac {

using Sha256Digest = std::array<std::byte, 32>;

/// Which code computes it. `automatic` is the fastest that this machine can run.
enum class Sha256Engine : std::uint8_t { automatic, portable };

/// Whether this machine has instructions for SHA-256, so that the two engines differ.
bool sha256_accelerated() noexcept;

/// A hash in the making. A value: a copy goes on by itself. Confined to one thread at a time.
class Sha256 {
 public:
  explicit Sha256(Sha256Engine engine = Sha256Engine::automatic) noexcept;

  void update(std::span<const std::byte> data) noexcept;

  /// The digest of all that was given to update(). The object then starts afresh.
  Sha256Digest finish() noexcept;

 private:
  using Compress = void (*)(std::uint32_t* state, const std::byte* blocks, std::size_t count);

  void start() noexcept;

  Compress compress_;
  std::array<std::uint32_t, 8> state_;
  std::uint64_t length_;
  std::array<std::byte, 64> tail_;  // the first length_ % 64 bytes are in use
};

/// The digest of `data` as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::span<const std::byte> data);

/// Called after each piece with the bytes read so far and the size at the start.
using Sha256Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// The digest of a regular file, in hexadecimal. Reads it to its end in pieces of 1 MiB.
Result<std::string> sha256_file(const std::string& path, const Sha256Progress& progress = {});

/// The same of an open descriptor, from its first byte; its file position stays. `name` stands for
/// the file in an error's text.
Result<std::string> sha256_fd(int fd, const std::string& name, const Sha256Progress& progress = {});

}  // namespace vac
