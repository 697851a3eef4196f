// SPDX-License-Identifier: Apache-2.0
// The control operations of resources, by a raw client. Who uses it links what a raw client needs,
// and vac_base.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/raw_client.hpp"

namespace vac::test {

/// SHA-256 in hex, and a file's line in a manifest.
std::string digest_of(std::string_view text);
std::string manifest_line(std::string_view text, const std::string& name);

RawReply add_resource(RawClient& client, std::string_view manifest,
                      std::string_view options = "{}");
/// The files that resource_add asks for.
std::vector<std::uint32_t> needed(const RawReply& added);
RawReply send_part(RawClient& client, std::uint64_t id, std::uint32_t file, std::uint64_t offset,
                   std::string_view data);
RawReply open_resource(RawClient& client, std::string_view uri);
RawReply drop_resource(RawClient& client, std::uint64_t id);
RawReply load_model(RawClient& client, std::uint64_t id);
/// The answer's data is that of argument 3.
RawReply read_part(RawClient& client, std::uint64_t id, std::uint32_t file, std::uint64_t offset,
                   std::uint64_t capacity = VAC_ANY_BYTES);
std::string text_of(const RawReply& read);

/// Adds a resource of those files and sends what is needed; its id. Throws where it is refused.
std::uint64_t upload(RawClient& client, std::string_view manifest,
                     const std::vector<std::string>& files);
/// A whole file, read back until its end. Throws where a part is refused.
std::string read_file(RawClient& client, std::uint64_t id, std::uint32_t file);

}  // namespace vac::test
