// SPDX-License-Identifier: Apache-2.0
#include "wire/hello.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/text.hpp"

namespace vac::wire {
namespace {

enum class Tag : std::uint32_t {
  version_min = 1,
  version_max = 2,
  features = 3,
  calls_in_flight = 4,
  client_name = 5,
  token = 6,
  region_kinds = 7,
  largest_frame = 8,
};

constexpr std::size_t kTags = 9;  // with 0, which is none
constexpr const char* kTagNames[kTags] = {"",         "version_min",     "version_max",
                                          "features", "calls in flight", "name",
                                          "token",    "region kinds",    "largest frame"};

struct TagHead {
  std::uint32_t tag, bytes;
};

constexpr std::size_t padded(std::size_t bytes) { return (bytes + 7) & ~std::size_t{7}; }

void append(std::vector<std::byte>& out, const void* data, std::size_t bytes) {
  const auto* first = static_cast<const std::byte*>(data);
  out.insert(out.end(), first, first + bytes);
}

void append_tag(std::vector<std::byte>& out, Tag tag, const void* data, std::size_t bytes) {
  const TagHead head{static_cast<std::uint32_t>(tag), static_cast<std::uint32_t>(bytes)};
  append(out, &head, sizeof head);
  append(out, data, bytes);
  out.resize(out.size() + padded(bytes) - bytes);
}

template <class Integer>
void append_tag(std::vector<std::byte>& out, Tag tag, Integer value) {
  append_tag(out, tag, &value, sizeof value);
}

bool is_name(std::string_view name) {
  return name.size() <= kMaxClientNameBytes && valid_utf8(name) && printable(name) == name;
}

std::string fit_name(std::string name) {
  if (is_name(name)) return name;
  name = printable(name);
  while (!is_name(name)) name.pop_back();  // down to a whole character
  return name;
}

Error malformed(std::string_view why) {
  return Error{Errc::protocol, concat("the peer's hello is malformed: ", why)};
}

/// Where a tag's value goes; the number of bytes it must have, or any up to a limit.
class Fields {
 public:
  explicit Fields(Hello& hello) : hello_(hello) {}

  Status read(std::uint32_t tag, std::span<const std::byte> data) {
    if (tag == 0 || tag >= kTags) return {};
    if (seen_[tag]) return malformed(concat("'", kTagNames[tag], "' is given twice"));
    seen_[tag] = true;
    if (!store(static_cast<Tag>(tag), data)) {
      return malformed(
          concat("'", kTagNames[tag], "' has a wrong size of ", data.size(), " bytes"));
    }
    return {};
  }

  bool has_versions() const { return seen(Tag::version_min) && seen(Tag::version_max); }

 private:
  bool seen(Tag tag) const { return seen_[static_cast<std::uint32_t>(tag)]; }

  template <class Integer>
  static bool store_integer(Integer& to, std::span<const std::byte> data) {
    if (data.size() != sizeof to) return false;
    std::memcpy(&to, data.data(), sizeof to);
    return true;
  }
  static bool store_text(std::string& to, std::span<const std::byte> data, std::size_t limit) {
    if (data.size() > limit) return false;
    to.assign(reinterpret_cast<const char*>(data.data()), data.size());
    return true;
  }

  bool store(Tag tag, std::span<const std::byte> data) {
    switch (tag) {
      case Tag::version_min:
        return store_integer(hello_.version_min, data);
      case Tag::version_max:
        return store_integer(hello_.version_max, data);
      case Tag::features:
        return store_integer(hello_.features, data);
      case Tag::calls_in_flight:
        return store_integer(hello_.calls_in_flight, data);
      case Tag::client_name:
        return store_text(hello_.client_name, data, kMaxClientNameBytes);
      case Tag::token:
        return store_text(hello_.token, data, kMaxTokenBytes);
      case Tag::region_kinds:
        return store_integer(hello_.region_kinds, data);
      case Tag::largest_frame:
        return store_integer(hello_.largest_frame, data);
    }
    return false;
  }

  Hello& hello_;
  bool seen_[kTags] = {};
};

Status read_tags(std::span<const std::byte> meta, Fields& fields) {
  while (!meta.empty()) {  // a multiple of 8 bytes, and stays one
    TagHead head;
    std::memcpy(&head, meta.data(), sizeof head);
    meta = meta.subspan(sizeof head);
    if (head.bytes > meta.size() || padded(head.bytes) > meta.size())
      return malformed("an entry is longer than the frame");
    const auto padding = meta.subspan(head.bytes, padded(head.bytes) - head.bytes);
    if (std::ranges::any_of(padding, [](std::byte b) { return b != std::byte{}; })) {
      return malformed("padding is not zero");
    }
    VAC_CHECK(fields.read(head.tag, meta.first(head.bytes)));
    meta = meta.subspan(padded(head.bytes));
  }
  return {};
}

}  // namespace

std::vector<std::byte> encode_hello(const Hello& hello) {
  std::vector<std::byte> frame(sizeof(FrameHeader));
  append_tag(frame, Tag::version_min, hello.version_min);
  append_tag(frame, Tag::version_max, hello.version_max);
  append_tag(frame, Tag::features, hello.features);
  append_tag(frame, Tag::calls_in_flight, hello.calls_in_flight);
  if (const std::string name = fit_name(hello.client_name); !name.empty()) {
    append_tag(frame, Tag::client_name, name.data(), name.size());
  }
  if (!hello.token.empty()) {
    append_tag(frame, Tag::token, hello.token.data(), std::min(hello.token.size(), kMaxTokenBytes));
  }
  append_tag(frame, Tag::region_kinds, hello.region_kinds);
  append_tag(frame, Tag::largest_frame, hello.largest_frame);

  FrameHeader header;
  header.kind = Kind::hello;
  header.meta_bytes = static_cast<std::uint32_t>(frame.size() - sizeof header);
  std::memcpy(frame.data(), &header, sizeof header);
  frame.resize(head_bytes(header));
  return frame;
}

Result<Hello> decode_hello(std::span<const std::byte> frame) {
  if (frame.size() < sizeof(FrameHeader)) return malformed("it is shorter than a header");
  const FrameHeader header = read_header(frame.data());
  VAC_CHECK(check_header(header, kMaxHelloBytes));
  if (header.kind != Kind::hello) return malformed("it is a frame of another kind");
  if (frame.size() < sizeof header + header.meta_bytes) return malformed("it ends too early");

  Hello hello;
  Fields fields(hello);
  VAC_CHECK(read_tags(frame.subspan(sizeof header, header.meta_bytes), fields));
  if (!fields.has_versions()) return malformed("it does not say which versions the peer speaks");
  if (hello.version_min > hello.version_max) return malformed("its range of versions is empty");
  if (hello.calls_in_flight == 0) return malformed("it allows no call in flight");
  if (hello.largest_frame < kMinLargestFrame) {
    return malformed(concat("its largest frame is less than ", kMinLargestFrame, " bytes"));
  }
  if (!is_name(hello.client_name)) return malformed("its name is not printable text");
  return hello;
}

Result<Hello> negotiate(const Hello& ours, const Hello& theirs) {
  const std::uint32_t version = std::min(ours.version_max, theirs.version_max);
  if (version < ours.version_min || version < theirs.version_min) {
    const bool older = theirs.version_max < ours.version_min;
    return Error{Errc::protocol,
                 concat("no common version of the protocol: here ", ours.version_min, " to ",
                        ours.version_max, ", the peer speaks ", theirs.version_min, " to ",
                        theirs.version_max, ": update the ", older ? "peer" : "software here")};
  }
  Hello agreed = theirs;
  agreed.version_min = agreed.version_max = version;
  agreed.features = ours.features & theirs.features;
  agreed.calls_in_flight = std::min(ours.calls_in_flight, theirs.calls_in_flight);
  agreed.region_kinds = ours.region_kinds & theirs.region_kinds;
  agreed.largest_frame = std::min(ours.largest_frame, theirs.largest_frame);
  return agreed;
}

}  // namespace vac::wire
