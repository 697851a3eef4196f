// SPDX-License-Identifier: Apache-2.0
#include "support/fake_host.hpp"

namespace vac::test {
namespace {

// The hosts of tests find themselves by host_priv, as the real one does.
FakeHost& host_of(const vac_call* call) {
  return *static_cast<FakeHost*>(const_cast<void*>(call->host_priv));
}

std::uint64_t pointer_bits(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

void fake_complete(vac_call* call, int code, const char* message) {
  FakeHost& host = host_of(call);
  host.completed.emplace_back(call, code);
  if (message != nullptr) host.error = message;
}

void fake_error(void* host, vac_call* call, std::uint32_t detail, const char* message) {
  FakeHost& to = call == nullptr ? *static_cast<FakeHost*>(host) : host_of(call);
  to.detail = detail;
  to.error = message;
}

void* fake_output(vac_call* call, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
                  std::uint8_t type, std::uint8_t rank, const std::int64_t* dims) {
  FakeHost& host = host_of(call);
  if (host.out_of_memory) return nullptr;
  GivenOutput& output = host.outputs[{arg, child}];
  output.type = type;
  output.dims.assign(dims, dims + rank);
  output.data.assign(bytes, std::byte{0});
  return output.data.data();
}

}  // namespace

FakeHost::FakeHost() {
  table_.struct_size = sizeof table_;
  table_.abi_major = VAC_ABI_MAJOR;
  table_.abi_minor = VAC_ABI_MINOR;
  table_.host = this;
  table_.complete = fake_complete;
  table_.error = fake_error;
  table_.output = fake_output;
  table_.cancelled = [](const vac_call* call) { return host_of(call).cancelled ? 1 : 0; };
  table_.progress = [](vac_call* call, std::uint64_t done, std::uint64_t /*total*/) {
    host_of(call).progress_done = done;
  };
  table_.log = [](void* host, int /*level*/, const char* text) {
    static_cast<FakeHost*>(host)->log.emplace_back(text);
  };
}

vac_arg& FakeCall::add(std::uint8_t type, std::uint8_t form, std::uint8_t dir) {
  vac_arg& record = records_.emplace_back();
  record.type = type;
  record.form = form;
  record.dir = dir;
  return record;
}

FakeCall& FakeCall::absent(std::uint8_t type, std::uint8_t dir) {
  if (type == VAC_RESOURCE) states_.push_back(nullptr);
  add(type, VAC_ABSENT, dir);
  return *this;
}

FakeCall& FakeCall::scalar(std::uint8_t type, std::uint64_t bits) {
  add(type, VAC_SCALAR, VAC_IN).value = bits;
  return *this;
}

FakeCall& FakeCall::array(std::uint8_t type, const void* data, std::size_t bytes,
                          std::uint8_t dir) {
  vac_arg& record = add(type, VAC_ARRAY, dir);
  record.value = pointer_bits(data);
  record.bytes = bytes;
  return *this;
}

FakeCall& FakeCall::tensor(std::uint8_t type, const std::vector<std::int64_t>& dims,
                           const void* data, std::size_t bytes, std::uint8_t dir) {
  vac_arg& record = add(type, VAC_TENSOR, dir);
  record.value = pointer_bits(data);
  record.bytes = bytes;
  record.rank = static_cast<std::uint8_t>(dims.size());
  record.meta = dims.empty() ? 0 : static_cast<std::uint32_t>(meta_.size() * sizeof(std::int64_t));
  meta_.insert(meta_.end(), dims.begin(), dims.end());
  return *this;
}

FakeCall& FakeCall::resource(void* state) {
  states_.push_back(state);
  add(VAC_RESOURCE, VAC_SCALAR, VAC_IN).value = states_.size();
  return *this;
}

FakeCall& FakeCall::list(std::uint32_t count, std::uint8_t dir) {
  add(VAC_NONE, VAC_LIST, dir).count = count;
  return *this;
}

FakeCall& FakeCall::tag(std::uint32_t tag) {
  records_.back().count = tag;
  return *this;
}

FakeCall& FakeCall::out_scalar(std::uint8_t type) {
  add(type, VAC_SCALAR, VAC_OUT);
  return *this;
}

FakeCall& FakeCall::out_array(std::uint8_t type, void* data, std::uint64_t capacity) {
  vac_arg& record = add(type, VAC_ARRAY, VAC_OUT);
  record.where = data == nullptr ? VAC_WHERE_NOWHERE : VAC_WHERE_INLINE;
  record.value = pointer_bits(data);
  record.bytes = capacity;
  return *this;
}

FakeCall& FakeCall::out_tensor(void* data, std::uint64_t capacity) {
  out_array(VAC_NONE, data, capacity);
  records_.back().form = VAC_TENSOR;
  return *this;
}

vac_call& FakeCall::call() {
  call_.struct_size = sizeof call_;
  call_.op = op_;
  call_.arg_count = static_cast<std::uint32_t>(records_.size());
  call_.args = records_.data();
  call_.meta = reinterpret_cast<char*>(meta_.data());
  call_.meta_bytes = static_cast<std::uint32_t>(meta_.size() * sizeof(std::int64_t));
  call_.slot = VAC_NO_SLOT;
  call_.resource_states = states_.data();
  call_.host_priv = &host_;
  return call_;
}

OpenPlugin::OpenPlugin(FakeHost& host, const vac_plugin* table, const char* config)
    : table_(table), code_(table->open(host.table(), config, &state_)) {}

OpenPlugin::~OpenPlugin() {
  if (code_ == VAC_OK) table_->close(state_);
}

int OpenPlugin::submit(FakeCall& call) {
  vac_call* one = &call.call();
  return table_->submit(state_, &one, 1);
}

std::optional<vac_op_offer> OpenPlugin::offer(std::uint32_t op) const {
  for (std::size_t i = 0; i < table_->op_count; ++i) {
    if (table_->ops[i].op == op) return table_->ops[i];
  }
  return std::nullopt;
}

}  // namespace vac::test
