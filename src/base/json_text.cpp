// SPDX-License-Identifier: Apache-2.0
#include "base/json_text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iterator>

namespace vac {

// ---- Values ---------------------------------------------------------------------------------

JsonValue JsonValue::boolean(bool value) {
  JsonValue made;
  made.kind_ = Kind::boolean;
  made.boolean_ = value;
  return made;
}

JsonValue JsonValue::number(std::string text) {
  JsonValue made;
  made.kind_ = Kind::number;
  made.text_ = std::move(text);
  return made;
}

JsonValue JsonValue::string(std::string text) {
  JsonValue made;
  made.kind_ = Kind::string;
  made.text_ = std::move(text);
  return made;
}

JsonValue JsonValue::array(std::vector<JsonValue> items) {
  JsonValue made;
  made.kind_ = Kind::array;
  made.items_ = std::move(items);
  return made;
}

JsonValue JsonValue::object(std::vector<JsonMember> members) {
  JsonValue made;
  made.kind_ = Kind::object;
  made.members_ = std::move(members);
  std::sort(made.members_.begin(), made.members_.end(),
            [](const JsonMember& a, const JsonMember& b) { return a.key < b.key; });
  return made;
}

std::optional<bool> JsonValue::as_bool() const noexcept {
  return kind_ == Kind::boolean ? std::optional(boolean_) : std::nullopt;
}

const std::string* JsonValue::as_string() const noexcept {
  return kind_ == Kind::string ? &text_ : nullptr;
}

std::optional<std::int64_t> JsonValue::as_i64() const noexcept {
  if (kind_ != Kind::number) return std::nullopt;
  std::int64_t value = 0;
  const char* const end = text_.data() + text_.size();
  const auto [rest, failure] = std::from_chars(text_.data(), end, value);
  if (failure != std::errc{} || rest != end) return std::nullopt;
  return value;
}

std::optional<double> JsonValue::as_f64() const noexcept {
  if (kind_ != Kind::number) return std::nullopt;
  double value = 0;
  const char* const end = text_.data() + text_.size();
  const auto [rest, failure] = std::from_chars(text_.data(), end, value);
  if (failure != std::errc{} || rest != end) return std::nullopt;
  return value;
}

std::string_view JsonValue::number_text() const noexcept {
  return kind_ == Kind::number ? std::string_view(text_) : std::string_view{};
}

const std::vector<JsonValue>& JsonValue::items() const noexcept { return items_; }
const std::vector<JsonMember>& JsonValue::members() const noexcept { return members_; }

const JsonValue* JsonValue::find(std::string_view key) const noexcept {
  const auto at =
      std::lower_bound(members_.begin(), members_.end(), key,
                       [](const JsonMember& member, std::string_view k) { return member.key < k; });
  return at != members_.end() && at->key == key ? &at->value : nullptr;
}

// ---- Reading --------------------------------------------------------------------------------

namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Recursive descent; the depth limit bounds the stack. Each function starts at its first character
/// and leaves the position behind its last.
class Parser {
 public:
  Parser(std::string_view text, const JsonLimits& limits) : text_(text), limits_(limits) {}

  Result<JsonValue> document() {
    if (text_.size() > limits_.most_bytes) {
      return Error{Errc::too_large, concat("JSON text of ", text_.size(), " bytes is too long: ",
                                           limits_.most_bytes, " bytes are the limit")};
    }
    if (text_.starts_with("\xef\xbb\xbf")) return wrong("a byte order mark is not allowed");
    skip_space();
    VAC_TRY(JsonValue value, this->value());
    skip_space();
    if (!at_end()) return wrong("the text should end here");
    return value;
  }

 private:
  Error wrong(std::string_view what) const { return wrong_at(at_, what); }
  Error wrong_at(std::size_t at, std::string_view what) const {
    return Error{Errc::invalid, concat("not valid JSON at byte ", at, ": ", what)};
  }

  bool at_end() const noexcept { return at_ == text_.size(); }
  bool next_is(char c) const noexcept { return !at_end() && text_[at_] == c; }
  bool skip(char c) noexcept {
    if (!next_is(c)) return false;
    ++at_;
    return true;
  }
  void skip_space() noexcept {
    while (next_is(' ') || next_is('\n') || next_is('\r') || next_is('\t')) ++at_;
  }
  std::size_t skip_digits() noexcept {
    const std::size_t from = at_;
    while (!at_end() && is_digit(text_[at_])) ++at_;
    return at_ - from;
  }

  Result<JsonValue> value() {
    if (at_end()) return wrong("a value is missing");
    switch (text_[at_]) {
      case '{':
        return object();
      case '[':
        return array();
      case '"': {
        VAC_TRY(std::string text, string());
        return JsonValue::string(std::move(text));
      }
      case 't':
        return word("true", JsonValue::boolean(true));
      case 'f':
        return word("false", JsonValue::boolean(false));
      case 'n':
        return word("null", JsonValue());
      default:
        return number();
    }
  }

  Result<JsonValue> word(std::string_view name, JsonValue value) {
    if (!text_.substr(at_).starts_with(name)) return wrong("a value should be here");
    at_ += name.size();
    return value;
  }

  Result<JsonValue> number() {
    const std::size_t from = at_;
    skip('-');
    const std::size_t first = at_;
    const std::size_t digits = skip_digits();
    if (digits == 0) {
      return first == from ? wrong("a value should be here") : wrong("a digit should follow '-'");
    }
    if (digits > 1 && text_[first] == '0') {
      return wrong_at(first, "a number must not start with a needless 0");
    }
    if (skip('.') && skip_digits() == 0) return wrong("a digit should follow '.'");
    if (skip('e') || skip('E')) {
      if (!skip('+')) skip('-');
      if (skip_digits() == 0) return wrong("the exponent has no digits");
    }
    return JsonValue::number(std::string(text_.substr(from, at_ - from)));
  }

  Result<JsonValue> array() {
    VAC_CHECK(enter());
    std::vector<JsonValue> items;
    skip_space();
    if (!skip(']')) {
      do {
        skip_space();
        VAC_TRY(JsonValue item, value());
        items.push_back(std::move(item));
        skip_space();
      } while (skip(','));
      if (!skip(']')) return wrong("',' or ']' should be here");
    }
    --depth_;
    return JsonValue::array(std::move(items));
  }

  Result<JsonValue> object() {
    VAC_CHECK(enter());
    std::vector<JsonMember> members;
    std::vector<std::size_t> places;  // where each key starts
    skip_space();
    if (!skip('}')) {
      do {
        skip_space();
        if (!next_is('"')) return wrong("a key in quotes should be here");
        places.push_back(at_);
        VAC_TRY(std::string key, string());
        skip_space();
        if (!skip(':')) return wrong("':' should be here");
        skip_space();
        VAC_TRY(JsonValue member, value());
        members.push_back({std::move(key), std::move(member)});
        skip_space();
      } while (skip(','));
      if (!skip('}')) return wrong("',' or '}' should be here");
    }
    VAC_CHECK(no_key_twice(members, places));
    --depth_;
    return JsonValue::object(std::move(members));
  }

  Status no_key_twice(const std::vector<JsonMember>& members,
                      const std::vector<std::size_t>& places) const {
    std::vector<std::size_t> order(members.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto key = [&members](std::size_t i) -> const std::string& { return members[i].key; };
    std::sort(order.begin(), order.end(), [&key](std::size_t a, std::size_t b) {
      const int compared = key(a).compare(key(b));
      return compared != 0 ? compared < 0 : a < b;
    });
    const auto twice =
        std::adjacent_find(order.begin(), order.end(),
                           [&key](std::size_t a, std::size_t b) { return key(a) == key(b); });
    if (twice == order.end()) return {};
    const std::size_t second = *std::next(twice);
    return wrong_at(places[second], concat("the key '", printable(key(second)), "' is here twice"));
  }

  /// Counts an array or object in and skips its bracket.
  Status enter() {
    if (++depth_ > limits_.most_depth) {
      return wrong(
          concat("more than ", limits_.most_depth, " arrays and objects inside each other"));
    }
    ++at_;
    return {};
  }

  Result<std::string> string() {
    const std::size_t from = at_++;
    std::string out;
    for (;;) {
      if (at_end()) return wrong_at(from, "the string does not end");
      const char c = text_[at_];
      if (c == '"') break;
      if (c == '\\') {
        VAC_CHECK(escape(out));
        continue;
      }
      if (static_cast<unsigned char>(c) < 0x20) {
        return wrong("a control character in a string must be escaped");
      }
      const Utf8Char next = first_utf8(text_.substr(at_));
      if (next.bytes == 0) return wrong("the bytes are not UTF-8");
      out += text_.substr(at_, next.bytes);
      at_ += next.bytes;
    }
    ++at_;
    return out;
  }

  Status escape(std::string& out) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    const std::size_t from = at_++;
    if (at_end()) return wrong_at(from, "the escape does not end");
    const char c = text_[at_++];
    if (c == 'u') return escaped_code(out, from);
    const std::size_t known = kNames.find(c);
    if (known == std::string_view::npos) return wrong_at(from, "there is no such escape");
    out += kMeant[known];
    return {};
  }

  Status escaped_code(std::string& out, std::size_t from) {
    VAC_TRY(char32_t code, four_digits(from));
    if (code >= 0xdc00 && code <= 0xdfff) return wrong_at(from, "half of a surrogate pair");
    if (code >= 0xd800 && code <= 0xdbff) {
      if (!skip('\\') || !skip('u')) return wrong_at(from, "half of a surrogate pair");
      VAC_TRY(const char32_t low, four_digits(from));
      if (low < 0xdc00 || low > 0xdfff) return wrong_at(from, "half of a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(out, code);
    return {};
  }

  Result<char32_t> four_digits(std::size_t from) {
    const std::string_view digits = text_.substr(at_, 4);
    std::uint32_t code = 0;
    const char* const end = digits.data() + digits.size();
    const auto [rest, failure] = std::from_chars(digits.data(), end, code, 16);
    if (digits.size() != 4 || failure != std::errc{} || rest != end) {
      return wrong_at(from, "four hexadecimal digits should follow '\\u'");
    }
    at_ += 4;
    return static_cast<char32_t>(code);
  }

  std::string_view text_;
  const JsonLimits& limits_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
};

// ---- Writing --------------------------------------------------------------------------------

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const Utf8Char next = first_utf8(text);
    if (next.bytes == 0) {
      append_utf8(out, 0xfffd);
      text.remove_prefix(1);
      continue;
    }
    constexpr std::string_view kEscaped = "\"\\\b\f\n\r\t";
    constexpr std::string_view kNames = "\"\\bfnrt";
    const std::size_t known = next.bytes == 1 ? kEscaped.find(text[0]) : std::string_view::npos;
    if (known != std::string_view::npos) {
      out += '\\';
      out += kNames[known];
    } else if (next.code < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(next.code));
      out += escaped;
    } else {
      out += text.substr(0, next.bytes);
    }
    text.remove_prefix(next.bytes);
  }
  out += '"';
}

void append_value(std::string& out, const JsonValue& value) {
  const char* separator = "";
  switch (value.kind()) {
    case JsonValue::Kind::null:
      out += "null";
      break;
    case JsonValue::Kind::boolean:
      out += *value.as_bool() ? "true" : "false";
      break;
    case JsonValue::Kind::number:
      out += value.number_text();
      break;
    case JsonValue::Kind::string:
      append_quoted(out, *value.as_string());
      break;
    case JsonValue::Kind::array:
      out += '[';
      for (const JsonValue& item : value.items()) {
        out += std::exchange(separator, ",");
        append_value(out, item);
      }
      out += ']';
      break;
    case JsonValue::Kind::object:
      out += '{';
      for (const JsonMember& member : value.members()) {
        out += std::exchange(separator, ",");
        append_quoted(out, member.key);
        out += ':';
        append_value(out, member.value);
      }
      out += '}';
      break;
  }
}

}  // namespace

Result<JsonValue> parse_json(std::string_view text, const JsonLimits& limits) {
  return Parser(text, limits).document();
}

std::string to_json(const JsonValue& value) {
  std::string out;
  append_value(out, value);
  return out;
}

Result<std::string> canonical_json_object(std::string_view text, const JsonLimits& limits) {
  if (text.empty()) return "{}";
  VAC_TRY(const JsonValue value, parse_json(text, limits));
  if (!value.is_object()) {
    return Error{Errc::invalid, "the JSON text is no object: write {\"key\": value, ...}"};
  }
  return to_json(value);
}

std::string json_quote(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  if (comma_) text_ += ',';
  append_quoted(text_, name);
  text_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::open(char bracket) {
  if (comma_) text_ += ',';
  text_ += bracket;
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  text_ += bracket;
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::put(std::string_view value) {
  if (comma_) text_ += ',';
  text_ += value;
  comma_ = true;
  return *this;
}

}  // namespace vac
