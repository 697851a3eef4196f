// SPDX-License-Identifier: Apache-2.0
#include "table_reader.hpp"

#include <algorithm>
#include <limits>
#include <sstream>
#include <utility>

#include "agent/config.hpp"

namespace vac::agent {
namespace {

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::string type_text(const toml::node& node) {
  std::ostringstream text;
  text << node.type();
  return text.str();
}

}  // namespace

Error config_error(const std::string& file, const toml::source_region& at, std::string_view text) {
  return Error{Errc::invalid, file + ":" + std::to_string(at.begin.line) + ":" +
                                  std::to_string(at.begin.column) + ": " + printable_text(text)};
}

void TableReader::fail_at(const toml::source_region& at, const std::string& text) {
  if (state_) state_ = config_error(file_, at, text);
}

void TableReader::wrong_type(const toml::node& node, std::string_view key,
                             std::string_view wanted) {
  fail_at(node.source(),
          named(key) + " is of type " + type_text(node) + ", must be " + std::string(wanted));
}

/// "[limits] memory", or in the file's own table "'listen'".
std::string TableReader::named(std::string_view key) const {
  return title_.empty() ? quoted(key) : title_ + " " + std::string(key);
}

void TableReader::fail(std::string_view key, std::string_view why) {
  if (const toml::node* node = table_ == nullptr ? nullptr : table_->get(key)) {
    fail_at(node->source(), named(key) + " " + std::string(why));
  }
}

void TableReader::require(std::string_view key) { required_.push_back(key); }

const toml::node* TableReader::find(std::string_view key) {
  known_.push_back(key);
  return table_ == nullptr ? nullptr : table_->get(key);
}

void TableReader::text(std::string_view key, std::string& to) {
  const toml::node* const node = find(key);
  if (node == nullptr) return;
  const auto* const value = node->as_string();
  if (value == nullptr) return wrong_type(*node, key, "a string");
  if (value->get().empty()) return fail(key, "is empty: give it a value or leave it out");
  to = value->get();
}

void TableReader::bytes(std::string_view key, std::uint64_t& to) {
  const toml::node* const node = find(key);
  if (node == nullptr) return;
  if (const auto* count = node->as_integer(); count != nullptr && count->get() >= 0) {
    to = static_cast<std::uint64_t>(count->get());
  } else if (const auto* size = node->as_string()) {
    auto parsed = parse_bytes(size->get());
    if (parsed) {
      to = *parsed;
    } else {
      fail_at(node->source(), named(key) + ": " + parsed.error().text());
    }
  } else {
    wrong_type(*node, key, "a size such as \"4GiB\" or a number of bytes, not negative");
  }
}

void TableReader::number(std::string_view key, std::uint32_t& to) {
  const toml::node* const node = find(key);
  if (node == nullptr) return;
  const auto* value = node->as_integer();
  if (value == nullptr) return wrong_type(*node, key, "a whole number");
  if (value->get() < 0 || value->get() > std::numeric_limits<std::uint32_t>::max()) {
    return fail(key, "is " + std::to_string(value->get()) + ", out of range");
  }
  to = static_cast<std::uint32_t>(value->get());
}

void TableReader::numbers(std::string_view key, std::vector<std::uint32_t>& to) {
  const toml::node* const node = find(key);
  if (node == nullptr) return;
  const toml::array* const array = node->as_array();
  if (array == nullptr) return wrong_type(*node, key, "an array of whole numbers");
  if (array->empty()) return fail(key, "is empty: name at least one or leave it out");
  for (const toml::node& item : *array) {
    const auto* value = item.as_integer();
    if (value == nullptr) return wrong_type(item, key, "an array of whole numbers");
    if (value->get() < 0 || value->get() > std::numeric_limits<std::uint32_t>::max()) {
      return fail_at(item.source(),
                     named(key) + " has " + std::to_string(value->get()) + ", out of range");
    }
    to.push_back(static_cast<std::uint32_t>(value->get()));
  }
}

const toml::table* TableReader::table(std::string_view key) {
  const toml::node* const node = find(key);
  if (node == nullptr) return nullptr;
  if (node->as_table() == nullptr) wrong_type(*node, key, "a table, [" + std::string(key) + "]");
  return node->as_table();
}

std::vector<const toml::table*> TableReader::tables(std::string_view key) {
  std::vector<const toml::table*> tables;
  const toml::node* const node = find(key);
  if (node == nullptr) return tables;
  const std::string wanted = "an array of tables, [[" + std::string(key) + "]]";
  const toml::array* const array = node->as_array();
  if (array == nullptr) {
    wrong_type(*node, key, wanted);
    return tables;
  }
  for (const toml::node& item : *array) {
    if (item.as_table() == nullptr) {
      wrong_type(item, key, wanted);
      return {};
    }
    tables.push_back(item.as_table());
  }
  return tables;
}

Status TableReader::finish() {
  if (!state_ || table_ == nullptr) return state_;
  for (const auto& [key, node] : *table_) {
    if (std::ranges::count(known_, key.str()) != 0) continue;
    const std::string near = nearest_name(key.str(), known_);
    std::string known;
    for (const std::string_view name : known_)
      known += (known.empty() ? "" : ", ") + std::string(name);
    fail_at(key.source(),
            "unknown key " + quoted(key.str()) + " in " + (title_.empty() ? "the file" : title_) +
                (near.empty() ? ": known are " + known : ", did you mean " + quoted(near) + "?"));
    return state_;
  }
  for (const std::string_view key : required_) {
    if (table_->get(key) == nullptr) fail_at(table_->source(), title_ + " has no " + quoted(key));
  }
  return state_;
}

}  // namespace vac::agent
