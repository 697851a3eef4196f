// SPDX-License-Identifier: Apache-2.0
#include "doctor_command.hpp"

#include <vac/vac.hpp>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "doctor_plugins.hpp"
#include "doctor_probe.hpp"
#include "doctor_socket.hpp"
#include "text_table.hpp"
#include "transport/address.hpp"

namespace vac::cli {
namespace {

using Json = nlohmann::json;

constexpr const char* kCommand = "doctor";
constexpr int kPings = 101;
constexpr const char* kReadTheLog = "look at the agent's log";

struct Options {
  std::string address;
  bool json = false;
};

/// Which way data goes, and why not a faster one.
template <class Member>
void add_memory(const Member& member, Findings& findings) {
  const Json offered = member("shared_memory", "offered");
  if (!offered.is_boolean()) return;  // an agent that does not know of it
  if (!offered.get<bool>()) {
    return findings.note("memory", "data is sent over the socket",
                         "shared memory needs unix:// and regions above 0 in the agent's [limits]");
  }
  const Json in_place = member("shared_memory", "in_place");
  if (in_place.is_boolean() && in_place.get<bool>()) {
    return findings.good("memory", "memfd regions, worked on in place");
  }
  findings.good("memory", "memfd regions, each input copied once",
                "ok; without a copy: shared_input = \"in_place\" for the listener, and the agent's "
                "own user");
}

/// What the agent says of itself and of us; a member that it does not tell is left out of the text.
void add_agent_and_tenant(const std::string& description, double ping_us, Findings& findings) {
  const Json whole = Json::parse(description, nullptr, false);
  const auto member = [&whole](const char* object, const char* key) {
    const Json part = whole.is_object() ? whole.value(object, Json()) : Json();
    return part.is_object() ? part.value(key, Json()) : Json();
  };
  const auto plain = [](const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
  };
  findings.good("agent",
                concat("vaccel-agent ", plain(member("agent", "version")), ", protocol ",
                       plain(member("agent", "protocol"))),
                concat("ok, ", format_fixed(ping_us, 0), " us away"));
  std::string limits;
  if (const Json memory = member("limits", "memory"); memory.is_number_unsigned()) {
    limits += format_bytes(memory.get<std::uint64_t>()) + " of memory";
  }
  if (const Json calls = member("limits", "calls_in_flight"); calls.is_number_unsigned()) {
    limits += (limits.empty() ? "" : ", ") + calls.dump() + " calls in flight";
  }
  add_memory(member, findings);
  if (whole.is_object() && whole.contains("tenant")) {
    findings.note("tenant", plain(whole["tenant"]), limits);
  }
}

/// The agent's answers, by our own frames first and then through libvac.
void examine_agent(const transport::Address& address, Findings& findings) {
  Result<AgentProbe> probe = AgentProbe::connect(address);
  if (!probe) return findings.broken("agent", probe.error(), "see that vaccel-agent listens there");
  const Result<wire::Hello> hello = probe->hello();
  if (!hello) return findings.broken("handshake", hello.error(), kReadTheLog);
  const Result<double> ping = probe->ping_us(kPings);
  if (!ping) return findings.broken("ping", ping.error(), kReadTheLog);
  const Result<Session> session = Session::open(address.text(), {.name = "vaccel doctor"});
  if (!session) {
    return findings.broken(
        "session", session.error(),
        "see that plugin 'remote' is installed here, else look at the agent's log");
  }
  const Result<std::string> description = session->describe();
  if (!description) return findings.broken("session", description.error(), kReadTheLog);
  add_agent_and_tenant(*description, *ping, findings);
  list_plugins(*description, findings);
}

ExitStatus run(const Options& options) {
  const Findings findings = examine(options.address);
  print(options.json ? findings.json() : findings.table());
  return findings.healthy() ? ExitStatus::success : ExitStatus::failed;
}

}  // namespace

Findings examine(const std::string& given) {
  Findings findings;
  const std::string address = effective_address(given);
  if (address == "local:") {
    findings.good("address", "local:");
    check_plugins(findings);
    return findings;
  }
  const Result<transport::Address> parsed = transport::parse_address(address);
  if (!parsed) {
    findings.broken("address", parsed.error(),
                    "write local: or an agent's, such as unix:///run/vaccel.sock");
    return findings;
  }
  findings.good("address", parsed->text());
  if (parsed->scheme == "unix" && !check_socket(parsed->target, findings)) return findings;
  examine_agent(*parsed, findings);
  return findings;
}

void add_doctor_command(CLI::App& app, ExitStatus& status) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, kCommand, "Say whether an address works, and what to do where it does not",
      [options] { return run(*options); }, status);
  command
      ->add_option(
          "address,--at", options->address,
          "local: or an agent, unix:///run/vaccel.sock (default: VAC_ADDRESS, else local:)")
      ->type_name("ADDRESS");
  add_json_option(*command, options->json);
}

}  // namespace vac::cli
