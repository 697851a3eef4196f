// SPDX-License-Identifier: Apache-2.0
// One table of a TOML file, read key by key.
#pragma once

#include <toml++/toml.h>
#include <vac/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vac::agent {

/// An error at a place of the file: "agent.toml:3:5: ...".
Error config_error(const std::string& file, const toml::source_region& at, std::string_view text);

/// Reads what is there into what it is given, and leaves that alone where a key is missing. The
/// first mistake wins; finish() tells it, or the first key that nobody has asked for, or the first
/// that is required and missing. A table that is not there reads as an empty one.
class TableReader {
 public:
  /// `title` names the table in errors: "[limits]", empty for the file's own. The table outlives
  /// the reader.
  TableReader(const toml::table* table, std::string title, std::string file)
      : table_(table), title_(std::move(title)), file_(std::move(file)) {}

  /// A text that is not empty.
  void text(std::string_view key, std::string& to);
  /// A number of bytes, or a text such as "4GiB".
  void bytes(std::string_view key, std::uint64_t& to);
  void number(std::string_view key, std::uint32_t& to);
  /// One number or more.
  void numbers(std::string_view key, std::vector<std::uint32_t>& to);
  const toml::table* table(std::string_view key);
  /// The tables of an array of tables.
  std::vector<const toml::table*> tables(std::string_view key);

  /// Says that the value of a key is wrong.
  void fail(std::string_view key, std::string_view why);
  void require(std::string_view key);
  Status finish();
  /// The first mistake so far, for a table whose other keys are for somebody else.
  const Status& state() const noexcept { return state_; }

 private:
  const toml::node* find(std::string_view key);
  std::string named(std::string_view key) const;
  void wrong_type(const toml::node& node, std::string_view key, std::string_view wanted);
  void fail_at(const toml::source_region& at, const std::string& text);

  const toml::table* table_;
  const std::string title_, file_;
  std::vector<std::string_view> known_, required_;
  Status state_;
};

}  // namespace vac::agent
