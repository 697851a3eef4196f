// SPDX-License-Identifier: Apache-2.0
#include "plugin_check/built_call.hpp"

#include <algorithm>

namespace vac::plugin_check {

vac_arg& BuiltCall::add(std::uint8_t type, std::uint8_t form, std::uint8_t dir) {
  vac_arg record{};
  record.type = type;
  record.form = form;
  record.dir = dir;
  return records_.emplace_back(record);
}

std::uint64_t BuiltCall::keep(std::span<const std::byte> data) {
  auto& memory = memory_.emplace_back(new std::byte[data.size()]);
  std::ranges::copy(data, memory.get());
  return reinterpret_cast<std::uintptr_t>(memory.get());
}

BuiltCall& BuiltCall::absent(std::uint8_t type, std::uint8_t dir) {
  add(type, VAC_ABSENT, dir);
  return *this;
}

BuiltCall& BuiltCall::scalar(std::uint8_t type, std::uint64_t bits, std::uint8_t dir,
                             std::uint32_t tag) {
  vac_arg& record = add(type, VAC_SCALAR, dir);
  record.value = bits;
  record.count = tag;
  return *this;
}

BuiltCall& BuiltCall::out_scalar(std::uint8_t type) { return scalar(type, 0, VAC_OUT); }

BuiltCall& BuiltCall::resource(std::uint64_t id) { return scalar(VAC_RESOURCE, id); }

BuiltCall& BuiltCall::array(std::uint8_t type, std::span<const std::byte> data, std::uint8_t dir,
                            std::uint32_t tag) {
  vac_arg& record = add(type, VAC_ARRAY, dir);
  record.value = keep(data);
  record.bytes = data.size();
  record.count = tag;
  return *this;
}

BuiltCall& BuiltCall::string(std::string_view text, std::uint8_t dir, std::uint32_t tag) {
  return array(VAC_CHAR, std::as_bytes(std::span(text)), dir, tag);
}

BuiltCall& BuiltCall::bytes(std::string_view data) {
  return array(VAC_BYTE, std::as_bytes(std::span(data)));
}

BuiltCall& BuiltCall::out_array(std::uint8_t type, std::uint64_t capacity) {
  vac_arg& record = add(type, VAC_ARRAY, VAC_OUT);
  record.where = VAC_WHERE_NOWHERE;
  record.bytes = capacity;
  return *this;
}

BuiltCall& BuiltCall::out_array_in_place(std::uint8_t type, std::uint64_t capacity) {
  return array(type, std::vector<std::byte>(capacity), VAC_OUT);
}

BuiltCall& BuiltCall::tensor(std::uint8_t type, const std::vector<std::int64_t>& dims,
                             std::span<const std::byte> data, std::uint8_t dir, std::uint32_t tag) {
  vac_arg& record = add(type, VAC_TENSOR, dir);
  record.rank = static_cast<std::uint8_t>(dims.size());
  record.value = keep(data);
  record.bytes = data.size();
  record.count = tag;
  if (!dims.empty()) record.meta = static_cast<std::uint32_t>(dims_.size() * sizeof dims_[0]);
  dims_.insert(dims_.end(), dims.begin(), dims.end());
  return *this;
}

BuiltCall& BuiltCall::out_tensor(std::uint64_t capacity) {
  vac_arg& record = add(VAC_NONE, VAC_TENSOR, VAC_OUT);
  record.where = VAC_WHERE_NOWHERE;
  record.bytes = capacity;
  return *this;
}

BuiltCall& BuiltCall::list(std::uint8_t dir, std::uint32_t count) {
  add(VAC_NONE, VAC_LIST, dir).count = count;
  return *this;
}

std::span<const char> BuiltCall::meta() const {
  return {reinterpret_cast<const char*>(dims_.data()), dims_.size() * sizeof(std::int64_t)};
}

vac_call& BuiltCall::call() {
  call_.struct_size = sizeof call_;
  call_.op = op_;
  call_.args = records_.data();
  call_.arg_count = static_cast<std::uint32_t>(records_.size());
  call_.meta = reinterpret_cast<char*>(dims_.data());
  call_.meta_bytes = static_cast<std::uint32_t>(meta().size());
  return call_;
}

}  // namespace vac::plugin_check
