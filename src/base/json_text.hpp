// SPDX-License-Identifier: Apache-2.0
// JSON text (RFC 8259) for what libvac itself reads and writes: options, configuration handed to
// plugins, descriptions. Strict: what another reader could take differently is refused.
#pragma once

#include <vac/result.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/text.hpp"

namespace vac {

struct JsonMember;

/// A JSON value with all below it. A value type: copied deeply.
class JsonValue {
 public:
  enum class Kind : std::uint8_t { null, boolean, number, string, array, object };

  JsonValue() noexcept = default;  // null
  static JsonValue boolean(bool value);
  /// `text` is a number as JSON writes it.
  static JsonValue number(std::string text);
  /// `text` is UTF-8, as it is meant: not quoted, nothing escaped.
  static JsonValue string(std::string text);
  static JsonValue array(std::vector<JsonValue> items);
  /// The members are sorted by key; no key twice.
  static JsonValue object(std::vector<JsonMember> members);

  Kind kind() const noexcept { return kind_; }
  bool is_null() const noexcept { return kind_ == Kind::null; }
  bool is_object() const noexcept { return kind_ == Kind::object; }
  bool is_array() const noexcept { return kind_ == Kind::array; }

  /// The value as that type; nothing (null for a pointer) if it is of another kind or, for a
  /// number, does not fit.
  std::optional<bool> as_bool() const noexcept;
  const std::string* as_string() const noexcept;
  std::optional<std::int64_t> as_i64() const noexcept;
  std::optional<double> as_f64() const noexcept;

  /// A number as it was written: "1.0" and "1" differ. Empty for other kinds.
  std::string_view number_text() const noexcept;
  /// Of an array; empty for other kinds.
  const std::vector<JsonValue>& items() const noexcept;
  /// Of an object, sorted by key; empty for other kinds.
  const std::vector<JsonMember>& members() const noexcept;
  /// A member's value, null if there is none or this is no object.
  const JsonValue* find(std::string_view key) const noexcept;

 private:
  Kind kind_ = Kind::null;
  bool boolean_ = false;
  std::string text_;
  std::vector<JsonValue> items_;
  std::vector<JsonMember> members_;
};

struct JsonMember {
  std::string key;
  JsonValue value;
};

struct JsonLimits {
  std::size_t most_bytes = 65536;
  std::size_t most_depth = 32;  // arrays and objects inside each other
};

/// Reads one JSON value. Refused besides what the grammar refuses: text that is not UTF-8, a byte
/// order mark, an escaped lone surrogate, a key twice in one object, and what exceeds the limits.
/// The error's text gives the byte at which reading stopped, counted from 0.
Result<JsonValue> parse_json(std::string_view text, const JsonLimits& limits = {});

/// The value on one line: keys sorted by their bytes, no white space, only what must be escaped is.
std::string to_json(const JsonValue& value);

/// Reads an object and writes it in the form of to_json(), so that equal options are equal texts.
/// Empty text is the empty object. Numbers are equal only if they are written alike.
Result<std::string> canonical_json_object(std::string_view text, const JsonLimits& limits = {});

/// `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
std::string json_quote(std::string_view text);

/// Writes JSON from front to back and puts the commas. The caller closes what it opens and gives
/// every member of an object a key. Confined to one thread.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& string(std::string_view text) { return put(json_quote(text)); }
  JsonWriter& boolean(bool value) { return put(value ? "true" : "false"); }
  JsonWriter& null() { return put("null"); }
  /// A number that JSON cannot express (infinite, not a number) is written as null.
  template <class Number>
    requires(std::is_arithmetic_v<Number> && !std::is_same_v<Number, bool> &&
             !std::is_same_v<Number, char>)
  JsonWriter& number(Number value) {
    if constexpr (std::is_floating_point_v<Number>) {
      if (!std::isfinite(value)) return null();
    }
    return put(concat(value));
  }
  /// A value that is JSON already, such as a plugin's description; it is not checked.
  JsonWriter& json(std::string_view text) { return put(text); }

  /// What was written; the writer is empty afterwards.
  std::string take() {
    comma_ = false;
    return std::exchange(text_, {});
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& put(std::string_view value);

  std::string text_;
  bool comma_ = false;  // the next key or value needs a comma before it
};

}  // namespace vac
