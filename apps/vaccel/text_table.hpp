// SPDX-License-Identifier: Apache-2.0
// Output for people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vac::cli {

/// Rows of cells, printed as columns two spaces apart. The last cell of a row may be as long as it
/// likes.
class TextTable {
 public:
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// Each row ends with a line end and has no spaces before it.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// Columns that UTF-8 text takes on a terminal, at one a character.
std::size_t text_width(std::string_view text);

/// The text with control characters as '?': names of files and labels must not drive the terminal.
std::string printable(std::string_view text);

/// "0.86".
std::string format_fixed(double value, int decimals);

}  // namespace vac::cli
