// SPDX-License-Identifier: Apache-2.0
#include "plugin_check/subject.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>

namespace vac::plugin_check {

bool check_answer(Reporter& reporter, std::string_view check, std::string_view step,
                  const Answer& answer) {
  const bool known = std::string_view(error_name(answer.code)) != "VAC_E?";
  if (!known || answer.code == VAC_EINPROGRESS) {
    reporter.failed(check, concat(step, " returned ", answer.code,
                                  ", which is no code of it: use those of <vac/error_codes.h>"));
    return false;
  }
  if (!answer && answer.text.empty()) {
    reporter.failed(check, concat(step, " returned ", error_name(answer.code),
                                  " without a text: say why by vac_host.error before returning"));
    return false;
  }
  return true;
}

Subject Subject::load(Reporter& reporter, const std::string& path) {
  Subject subject;
  // A name without '/' would be looked for in the system's folders.
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  void* library = run_plugin(reporter, "load", "the file is loaded",
                             [&] { return ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL); });
  if (library == nullptr) {
    const char* why = ::dlerror();
    reporter.fail_and_leave("load",
                            concat(why == nullptr ? "dlopen failed" : why,
                                   ": link what it needs, or put its folder into LD_LIBRARY_PATH"));
  }
  subject.entry_ = reinterpret_cast<Entry>(::dlsym(library, "vac_plugin_entry"));
  if (subject.entry_ == nullptr) {
    reporter.fail_and_leave("load",
                            "there is no symbol vac_plugin_entry: define it as <vac/plugin.h> "
                            "declares it, in C++ as extern \"C\" or by VAC_PLUGIN");
  }
  const vac_plugin* given = run_plugin(reporter, "load", "vac_plugin_entry is called", [&] {
    return subject.entry_(VAC_ABI_MAJOR, VAC_ABI_MINOR);
  });
  if (given == nullptr) {
    reporter.fail_and_leave("load", concat("vac_plugin_entry(", VAC_ABI_MAJOR, ", ", VAC_ABI_MINOR,
                                           ") returned NULL: it must serve this ABI; with "
                                           "plugin.hpp, it offers more than there is room for"));
  }
  std::memcpy(&subject.table_, given, std::min(given->struct_size, sizeof subject.table_));
  subject.table_.struct_size = given->struct_size;
  return subject;
}

Instance::Instance(Reporter& reporter, const Subject& subject, std::string check,
                   const std::string& config)
    : reporter_(reporter), subject_(subject), check_(std::move(check)) {
  if (table().open != nullptr) {
    answer_ = ask_plugin(reporter_, check_, "open",
                         [&] { return table().open(&kit_host(), config.c_str(), &state_); });
  }
  open_ = answer_.code == VAC_OK;
}

Instance::~Instance() { close(); }

void Instance::close() {
  if (!std::exchange(open_, false) || table().close == nullptr) return;
  run_plugin(reporter_, check_, "close", [&] { return table().close(state_); });
}

SessionOf::SessionOf(const Instance& instance, std::string check, const std::string& address)
    : instance_(instance), check_(std::move(check)) {
  if (instance.table().session_open == nullptr) return;
  const vac_session_view view = {sizeof view, address.c_str(), "uid:1000", "{}"};
  answer_ = ask_plugin(instance.reporter(), check_, "session_open", [&] {
    return instance.table().session_open(instance.state(), &view, &state_);
  });
}

SessionOf::~SessionOf() {
  if (answer_.code != VAC_OK || instance_.table().session_close == nullptr) return;
  run_plugin(instance_.reporter(), check_, "session_close",
             [&] { return instance_.table().session_close(instance_.state(), state_); });
}

AttachedTo::AttachedTo(const Instance& instance, std::string check, void* session,
                       const vac_resource_view& view)
    : instance_(instance), check_(std::move(check)) {
  const vac_plugin& table = instance.table();
  if (table.accepts != nullptr) {
    answer_ = ask_plugin(instance.reporter(), check_, "accepts",
                         [&] { return table.accepts(instance.state(), &view); });
  }
  if (!answer_ || table.resource_attach == nullptr) return;
  answer_ = ask_plugin(instance.reporter(), check_, "resource_attach", [&] {
    return table.resource_attach(instance.state(), session, &view, &state_);
  });
}

AttachedTo::~AttachedTo() {
  if (answer_.code != VAC_OK || instance_.table().resource_detach == nullptr) return;
  run_plugin(instance_.reporter(), check_, "resource_detach",
             [&] { return instance_.table().resource_detach(instance_.state(), state_); });
}

}  // namespace vac::plugin_check
