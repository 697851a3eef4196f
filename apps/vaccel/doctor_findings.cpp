// SPDX-License-Identifier: Apache-2.0
#include "doctor_findings.hpp"

#include <algorithm>

#include "json_output.hpp"
#include "text_table.hpp"

namespace vac::cli {

bool Findings::healthy() const {
  return std::none_of(all_.begin(), all_.end(),
                      [](const Finding& finding) { return finding.health == Health::broken; });
}

std::string Findings::table() const {
  TextTable table;
  std::string_view before;
  for (const Finding& finding : all_) {
    table.add({finding.subject == before ? "" : finding.subject, printable(finding.text),
               printable(finding.verdict)});
    before = finding.subject;
  }
  return table.text();
}

std::string Findings::json() const {
  const auto name = [](Health health) {
    return health == Health::good ? "good" : health == Health::note ? "note" : "broken";
  };
  Json list = Json::array();
  for (const Finding& finding : all_) {
    list.push_back({{"subject", finding.subject},
                    {"health", name(finding.health)},
                    {"text", finding.text},
                    {"verdict", finding.verdict}});
  }
  return json_text({{"ok", healthy()}, {"findings", std::move(list)}});
}

}  // namespace vac::cli
