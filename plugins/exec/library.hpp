// SPDX-License-Identifier: Apache-2.0
// A resource as a shared library.
#pragma once

#include <vac/call.h>
#include <vac/plugin.h>
#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace vac::exec {

/// Whether the resource is one file, a whole shared library for this machine. Runs nothing of it.
Status check_library(const vac_resource_view& view);

/// The width of an array's elements.
std::uint64_t element_width(std::uint8_t type);
/// For messages: a caller's text may be of any length.
std::string shortened(std::string_view text);

/// Thread-safe. Opened by the first find(), closed by the destructor; the view outlives it.
class Library {
 public:
  using Function = int (*)(const vac_value* read, std::size_t read_count, vac_value* write,
                           std::size_t write_count);

  explicit Library(const vac_resource_view& view) : view_(view) {}
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  /// A function that the library defines and exports; those of the libraries it needs, and data,
  /// are VAC_ENOENT. The first call runs the library's constructors.
  Result<Function> find(std::string_view symbol);

  /// SHA-256 of the file in lower-case hex, as the host has computed it.
  std::string_view digest() const noexcept { return view_.digest == nullptr ? "" : view_.digest; }
  /// "resource 'NAME'"
  std::string title() const;

 private:
  Result<void*> open() const;
  Result<Function> look_up(const std::string& symbol) const;

  const vac_resource_view& view_;
  std::mutex mutex_;
  // Guarded by mutex_:
  void* handle_ = nullptr;
  std::map<std::string, Function, std::less<>> found_;
};

}  // namespace vac::exec
