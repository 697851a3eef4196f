// SPDX-License-Identifier: Apache-2.0
#include "open_model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "command.hpp"
#include "text_table.hpp"

namespace vac::cli {

namespace {

constexpr std::uint64_t kWorthAWord = 8 << 20;

/// Not more often than what it says changes; by one thread at a time.
class ProgressShower {
 public:
  ProgressShower(std::string name, bool remote) : name_(std::move(name)), remote_(remote) {}

  void operator()(const Progress& progress) {
    std::string text = progress_text(name_, progress, remote_);
    if (text == shown_) return;
    show_progress(text);
    shown_ = std::move(text);
  }

 private:
  std::string name_, shown_;
  bool remote_;
};

}  // namespace

std::string progress_text(const std::string& name, const Progress& progress, bool remote) {
  const auto& [stage, done, total] = progress;
  if (done == total || std::max(done, total) < kWorthAWord) return {};
  const bool reads = stage == Progress::Stage::read;
  const std::string what = (reads ? "reading " : remote ? "sending " : "loading ") + name + ": ";
  const auto megabytes = [](std::uint64_t bytes) {
    return format_fixed(static_cast<double>(bytes) / 1e6, 1) + " MB";
  };
  if (total == 0) return what + megabytes(done);
  const auto percent = static_cast<double>(done) * 100 / static_cast<double>(total);
  return what + format_fixed(std::floor(percent), 0) + " % of " + megabytes(total);
}

Status check_model_name(const std::string& name) {
  if (name.find("://") == std::string::npos || name.starts_with("model://")) return {};
  return Error{Errc::invalid, "'" + name +
                                  "' is not an address of a model: name a file by its path, or "
                                  "model://NAME of the agent"};
}

Result<Model> open_model(Session& session, const std::string& name) {
  session.on_progress(ProgressShower(name, session.address() != "local:"));
  Result<Model> model = session.model(name);
  if (!model && model.error().code() == Errc::is_directory) {
    return Error{Errc::is_directory, "model '" + name + "' is a directory: name a file in it"};
  }
  return model;
}

}  // namespace vac::cli
