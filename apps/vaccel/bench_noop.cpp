// SPDX-License-Identifier: Apache-2.0
#include "bench_noop.hpp"

#include <fstream>
#include <optional>

#include "base/text.hpp"
#include "bench_affinity.hpp"
#include "doctor_probe.hpp"

namespace vac::cli {

Result<NoopCall> NoopCall::make(const Session& session, std::size_t bytes, PayloadMemory memory) {
  NoopCall call(session);
  if (memory == PayloadMemory::region) {
    VAC_TRY(call.buffer_, session.buffer(bytes));
    call.data_ = call.buffer_.bytes();
  } else {
    call.heap_.resize(bytes);
    call.data_ = call.heap_;
  }
  return call;
}

Result<vac_call_handle*> NoopCall::submit() const {
  vac_call_options options{};
  options.struct_size = sizeof options;
  vac_call_handle* handle = nullptr;
  const int code =
      vac_noop_submit(session_->handle(), &options, data_.data(), data_.size(), &handle);
  if (code != VAC_OK) return last_error(code);
  return handle;
}

Status first_call(NoopCall& product, const std::string& address) {
  Status status = product.call();
  if (status || status.error().code() != Errc::not_supported) return status;
  return Error{
      Errc::not_supported,
      concat("the agent at ", address, " does not offer noop: start it with --plugin torch,noop")};
}

Result<pid_t> agent_process(const transport::Address& address) {
  VAC_TRY(const AgentProbe probe, AgentProbe::connect(address));
  const std::optional<pid_t> process = probe.process();
  if (!process) return Error{Errc::not_supported, "the system does not tell the agent's process"};
  std::string name;
  std::getline(std::ifstream(concat("/proc/", *process, "/comm")), name);
  // With socket activation it is the service manager that listens; it must not be touched.
  if (name != "vaccel-agent") {
    return Error{Errc::not_supported, concat("process ", *process, " ('", name,
                                             "'), which listens there, is not vaccel-agent")};
  }
  VAC_CHECK(may_pin(*process));
  return *process;
}

Result<transport::Address> address_with_control(const std::string& address) {
  VAC_TRY(const transport::Address parsed, transport::parse_address(address));
  if (parsed.scheme == "unix") return parsed;
  return Error{Errc::not_supported,
               concat("there is no raw control for ", parsed.scheme, "://: use a unix:// address")};
}

}  // namespace vac::cli
