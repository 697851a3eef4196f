// SPDX-License-Identifier: Apache-2.0
#include "support/resource_calls.hpp"

#include <cstring>
#include <span>
#include <stdexcept>

#include "base/sha256.hpp"

namespace vac::test {
namespace {

constexpr std::size_t kPart = 1 << 20;

std::uint32_t op(const char* name) { return find_op(name)->id; }

}  // namespace

std::string digest_of(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }

std::string manifest_line(std::string_view text, const std::string& name) {
  return digest_of(text) + " " + std::to_string(text.size()) + " " + name + "\n";
}

RawReply add_resource(RawClient& client, std::string_view manifest, std::string_view options) {
  BuiltCall call(op("resource_add"));
  call.bytes(manifest).string(options).out_scalar(VAC_U64).out_array(VAC_U32, VAC_ANY_BYTES);
  return client.run(call);
}

std::vector<std::uint32_t> needed(const RawReply& added) {
  std::vector<std::uint32_t> indices(added.data(3).size() / sizeof(std::uint32_t));
  if (!indices.empty()) std::memcpy(indices.data(), added.data(3).data(), added.data(3).size());
  return indices;
}

RawReply send_part(RawClient& client, std::uint64_t id, std::uint32_t file, std::uint64_t offset,
                   std::string_view data) {
  BuiltCall call(op("resource_data"));
  call.scalar(VAC_U64, id).scalar(VAC_U32, file).scalar(VAC_U64, offset).bytes(data);
  return client.run(call);
}

RawReply open_resource(RawClient& client, std::string_view uri) {
  BuiltCall call(op("resource_open"));
  call.string(uri).string("{}").out_scalar(VAC_U64).out_array(VAC_CHAR, VAC_ANY_BYTES);
  return client.run(call);
}

RawReply drop_resource(RawClient& client, std::uint64_t id) {
  BuiltCall call(op("resource_drop"));
  call.scalar(VAC_U64, id);
  return client.run(call);
}

RawReply load_model(RawClient& client, std::uint64_t id) {
  BuiltCall call(op("model_load"));
  call.resource(id);
  return client.run(call);
}

RawReply read_part(RawClient& client, std::uint64_t id, std::uint32_t file, std::uint64_t offset,
                   std::uint64_t capacity) {
  BuiltCall call(op("resource_read"));
  call.scalar(VAC_U64, id).scalar(VAC_U32, file).scalar(VAC_U64, offset);
  call.out_array(VAC_BYTE, capacity);
  return client.run(call);
}

std::string text_of(const RawReply& read) {
  const auto data = read.data(3);
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

std::uint64_t upload(RawClient& client, std::string_view manifest,
                     const std::vector<std::string>& files) {
  const RawReply added = add_resource(client, manifest);
  if (added.code() != VAC_OK) throw std::runtime_error("resource_add: " + added.text());
  const std::uint64_t id = added.scalar(2);
  for (const std::uint32_t file : needed(added)) {
    const std::string_view text = files.at(file);
    for (std::size_t at = 0; at < text.size(); at += kPart) {
      const RawReply sent = send_part(client, id, file, at, text.substr(at, kPart));
      if (sent.code() != VAC_OK) throw std::runtime_error("resource_data: " + sent.text());
    }
  }
  return id;
}

std::string read_file(RawClient& client, std::uint64_t id, std::uint32_t file) {
  std::string text;
  for (;;) {
    const RawReply read = read_part(client, id, file, text.size());
    if (read.code() != VAC_OK) throw std::runtime_error("resource_read: " + read.text());
    const std::string part = text_of(read);
    if (part.empty()) return text;
    text += part;
  }
}

}  // namespace vac::test
