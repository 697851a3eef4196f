// SPDX-License-Identifier: Apache-2.0
// For tests: the plugin as a host has it, an agent that the test drives, and resources.
#pragma once

#include <gtest/gtest.h>
#include <vac/ops.h>
#include <vac/plugin.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/sha256.hpp"
#include "support/fake_host.hpp"
#include "support/scripted_agent.hpp"
#include "support/temp_directory.hpp"

namespace vac::remote {

inline const vac_plugin* remote_table() { return vac_plugin_entry(VAC_ABI_MAJOR, VAC_ABI_MINOR); }

/// Files or bytes as the host describes them. Stays at its address.
class TestResource {
 public:
  explicit TestResource(std::uint32_t kind) { view_.kind = kind; }
  TestResource(const TestResource&) = delete;
  TestResource& operator=(const TestResource&) = delete;

  void add_bytes(const std::string& name, std::string content) {
    contents_.push_back(std::move(content));
    add(name, "");
  }
  void add_file(const std::string& name, const std::string& content) {
    const std::filesystem::path path = folder_ / name.c_str();
    std::ofstream(path, std::ios::binary) << content;
    contents_.push_back(content);
    add(name, path.string());
  }
  void set_uri(const std::string& uri) { uri_ = uri; }
  std::string path(std::size_t file) const { return paths_[file]; }

  const vac_resource_view& view() {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      name_pointers_.push_back(names_[i].c_str());
      path_pointers_.push_back(paths_[i].empty() ? nullptr : paths_[i].c_str());
      digest_pointers_.push_back(digests_[i].c_str());
      data_.push_back(paths_[i].empty() ? contents_[i].data() : nullptr);
      sizes_.push_back(contents_[i].size());
    }
    view_.struct_size = sizeof view_;
    view_.id = 1;
    view_.digest = "0123";
    view_.uri = uri_.c_str();
    view_.file_count = static_cast<std::uint32_t>(names_.size());
    view_.names = name_pointers_.data();
    view_.paths = path_pointers_.data();
    view_.digests = digest_pointers_.data();
    view_.data = data_.data();
    view_.sizes = sizes_.data();
    view_.options_json = R"({"threads":2})";
    return view_;
  }
  const std::string& content(std::size_t file) const { return contents_[file]; }
  const std::string& digest(std::size_t file) const { return digests_[file]; }

 private:
  void add(const std::string& name, const std::string& path) {
    names_.push_back(name);
    paths_.push_back(path);
    digests_.push_back(sha256_hex(std::as_bytes(std::span<const char>(contents_.back()))));
  }

  test::TempDirectory folder_;
  std::string uri_;
  std::vector<std::string> names_, paths_, digests_, contents_;
  std::vector<const char*> name_pointers_, path_pointers_, digest_pointers_;
  std::vector<const void*> data_;
  std::vector<std::uint64_t> sizes_;
  vac_resource_view view_{};
};

/// The plugin, opened, and a session of it with an agent that follows a script.
class TestSession {
 public:
  /// The script begins when both have said hello; its end is the agent's.
  explicit TestSession(std::function<void(test::ScriptedPeer&)> script, const char* options = "{}",
                       wire::Hello hello = {})
      : hello_(std::move(hello)),
        agent_thread_([this, script = std::move(script)] { follow(script); }) {
    const vac_session_view view = {sizeof view, agent_.address().c_str(), "", options};
    code_ = table().session_open(plugin_.state(), &view, &session_);
  }
  ~TestSession() {
    close();
    agent_thread_.join();
  }
  TestSession(const TestSession&) = delete;
  TestSession& operator=(const TestSession&) = delete;

  const vac_plugin& table() const { return plugin_.table(); }
  test::FakeHost& host() { return host_; }
  int code() const { return code_; }
  const std::string& address() const { return agent_.address(); }

  void close() {
    if (session_ != nullptr) table().session_close(plugin_.state(), session_);
    session_ = nullptr;
  }
  void* attach(TestResource& resource) {
    void* state = nullptr;
    if (table().resource_attach(plugin_.state(), session_, &resource.view(), &state) != VAC_OK) {
      throw std::runtime_error("attach: " + host_.error);
    }
    return state;
  }
  void detach(void* state) { table().resource_detach(plugin_.state(), state); }
  int alloc_buffer(std::uint64_t bytes, vac_buffer_view& view) {
    return table().buffer_alloc(plugin_.state(), session_, bytes, &view);
  }
  int submit(test::FakeCall& call) {
    call.call().session_state = session_;
    return plugin_.submit(call);
  }
  /// The call of that host_priv, from any thread.
  void cancel(const void* host_priv) {
    vac_call named{};  // all that the plugin looks at
    named.session_state = session_;
    named.host_priv = host_priv;
    table().cancel(plugin_.state(), &named);
  }

 private:
  void follow(const std::function<void(test::ScriptedPeer&)>& script) {
    try {
      test::ScriptedPeer peer = agent_.accept();
      peer.greet(hello_);
      script(peer);
    } catch (const std::exception& failure) {
      ADD_FAILURE() << failure.what();
    }
  }

  const wire::Hello hello_;
  test::FakeHost host_;
  test::OpenPlugin plugin_{host_, remote_table()};
  test::ScriptedAgent agent_;
  void* session_ = nullptr;
  int code_ = VAC_OK;
  std::thread agent_thread_;
};

/// model_load with one resource: as small a call with one as there is.
struct LoadCall {
  explicit LoadCall(void* state) { fake.resource(state); }

  test::FakeHost host;
  test::FakeCall fake{host, VAC_OP_MODEL_LOAD};
};

}  // namespace vac::remote
