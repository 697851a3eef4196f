// SPDX-License-Identifier: Apache-2.0
#include "bench_report.hpp"

#include "base/text.hpp"
#include "text_table.hpp"

namespace vac::cli {
namespace {

const char* memory_name(PayloadMemory memory) {
  return memory == PayloadMemory::region ? "region" : "inline";
}

/// Adds each stage in units of so many microseconds, as "queue_us"; null where it is not known.
void add_stages(Json& json, const std::optional<Stages>& stages, const std::string& unit,
                double unit_us) {
  const auto add = [&](const char* stage, double Stages::* us) {
    json[stage + ("_" + unit)] = stages ? Json((*stages).*us / unit_us) : Json(nullptr);
  };
  add("queue", &Stages::queue_us);
  add("plugin", &Stages::plugin_us);
  add("agent", &Stages::agent_us);
  add("wire", &Stages::wire_us);
}

/// As "ratio", "ratio_low", "ratio_high".
void add_range(Json& json, const std::string& name, const MedianRange& ratio) {
  json[name] = ratio.median;
  json[name + "_low"] = ratio.range ? Json(ratio.range->low) : Json(nullptr);
  json[name + "_high"] = ratio.range ? Json(ratio.range->high) : Json(nullptr);
}

const char* control_name(const LoadOptions& options) {
  return options.depth == 1 ? "raw" : "blocking";
}

Json comparison_json(const std::optional<Comparison>& comparison) {
  if (!comparison) return nullptr;
  const auto& [product, control, ratio, range, stages] = *comparison;
  Json json = {{"p50_us", product.p50_us},
               {"p90_us", product.p90_us},
               {"p99_us", product.p99_us},
               {"calls_per_s", product.calls_per_s},
               {"raw_p50_us", control.p50_us},
               {"raw_p90_us", control.p90_us},
               {"raw_p99_us", control.p99_us},
               {"mean_us", product.all.us / static_cast<double>(product.all.calls)}};
  add_range(json, "ratio_p50", {ratio, range});
  add_stages(json, stages, "us", 1);
  return json;
}

/// Rows of a table, one for each placement.
template <class Add>
void each_placement(const RoundTripReport& report, const Add& add) {
  if (report.same_core) add("one core", *report.same_core);
  if (report.two_cores) add("two cores", *report.two_cores);
  if (report.unpinned) add("any core", *report.unpinned);
}

std::string ratio_text(const MedianRange& ratio) {
  const auto& [median, range] = ratio;
  if (!range) return format_fixed(median, 2);
  return concat(format_fixed(median, 2), " (95 % sure: ", format_fixed(range->low, 2), " to ",
                format_fixed(range->high, 2), ")");
}

std::string us_text(double us) { return format_fixed(us, 1) + " us"; }

std::string stages_table(const RoundTripReport& report) {
  TextTable table;
  table.add({"mean times", "call", "queue", "plugin", "agent", "wire"});
  bool known = false;
  each_placement(report, [&](const char* name, const Comparison& comparison) {
    if (!comparison.stages) return;
    known = true;
    const Stages& stages = *comparison.stages;
    table.add({name, us_text(stages.round_trip_us), us_text(stages.queue_us),
               us_text(stages.plugin_us), us_text(stages.agent_us), us_text(stages.wire_us)});
  });
  return known ? table.text() : "the agent does not tell the stages of a call\n";
}

std::string percent_text(double percent) {
  return (percent < 0 ? "-" : "+") + format_fixed(percent < 0 ? -percent : percent, 1) + " %";
}

std::string overhead_text(const MedianRange& overhead) {
  const auto& [median, range] = overhead;
  if (!range) {
    return concat(percent_text(median), ", too few pairs to say how sure: --blocks ",
                  kFewestForRange, " or more");
  }
  return concat(percent_text(median), ", 95 % sure between ", percent_text(range->low), " and ",
                percent_text(range->high));
}

std::string remote_stages_text(const std::optional<Stages>& stages) {
  if (!stages) return "the agent does not tell the stages of a call\n";
  const auto ms = [](double us) { return format_fixed(us / 1e3, 3) + " ms"; };
  return concat("mean of a remote run: ", ms(stages->round_trip_us), ": queue ",
                ms(stages->queue_us), ", plugin ", ms(stages->plugin_us), ", agent ",
                ms(stages->agent_us), ", wire ", ms(stages->wire_us), "\n");
}

}  // namespace

Json round_trip_json(const RoundTripReport& report, const BenchSubject& subject) {
  const auto ratio = [](const std::optional<Comparison>& comparison) {
    return comparison ? Json(comparison->ratio_p50) : Json(nullptr);
  };
  Json json = {{"op", subject.name},
               {"at", subject.address},
               {"bytes", subject.bytes},
               {"memory", memory_name(subject.memory.value_or(PayloadMemory::message))},
               {"copies_a_call", report.copies_a_call},
               {"blocks", subject.pairs}};
  // The figures of the placement that ratio_p50 is of.
  json.update(comparison_json(report.worst()));
  json["ratio_p50_same_core"] = ratio(report.same_core);
  json["ratio_p50_two_cores"] = ratio(report.two_cores);
  json["same_core"] = comparison_json(report.same_core);
  json["two_cores"] = comparison_json(report.two_cores);
  if (!report.note.empty()) json["note"] = report.note;
  return json;
}

std::string round_trip_text(const RoundTripReport& report, const BenchSubject& subject) {
  TextTable table;
  table.add({"", "p50", "p90", "p99", "calls/s", "raw p50", "raw p90", "raw p99", "ratio of p50"});
  each_placement(report, [&table](const char* name, const Comparison& comparison) {
    const auto& [product, control, ratio, range, stages] = comparison;
    table.add({name, us_text(product.p50_us), us_text(product.p90_us), us_text(product.p99_us),
               format_fixed(product.calls_per_s, 0), us_text(control.p50_us),
               us_text(control.p90_us), us_text(control.p99_us), ratio_text({ratio, range})});
  });
  const bool shared = subject.memory == PayloadMemory::region;
  return concat(
      subject.name, " of ", subject.bytes, " bytes at ", subject.address, ", ", subject.pairs,
      " pairs of blocks, raw: a ping-pong ",
      shared ? "beside the same bytes in shared memory\n" : "of the same bytes\n",
      shared ? concat("copies a call: ", format_fixed(report.copies_a_call, 2), "\n") : "",
      table.text(), stages_table(report), report.note.empty() ? "" : report.note + "\n");
}

Json load_json(const LoadReport& report, const LoadOptions& options) {
  const auto& [product, control, rate_ratio, p99_ratio, stages, note] = report;
  Json json = {{"op", "noop"},
               {"at", options.address},
               {"bytes", options.bytes},
               {"concurrency", options.connections},
               {"depth", options.depth},
               {"blocks", options.blocks},
               {"calls_per_s", product.calls_per_s},
               {"p50_us", product.p50_us},
               {"p90_us", product.p90_us},
               {"p99_us", product.p99_us},
               {"control", control_name(options)},
               {"control_calls_per_s", control.calls_per_s},
               {"control_p50_us", control.p50_us},
               {"control_p90_us", control.p90_us},
               {"control_p99_us", control.p99_us}};
  add_range(json, "ratio_rate", rate_ratio);
  add_range(json, "ratio_p99", p99_ratio);
  json["mean_us"] = product.all.us / static_cast<double>(product.all.calls);
  add_stages(json, stages, "us", 1);
  if (!note.empty()) json["note"] = note;
  return json;
}

std::string load_text(const LoadReport& report, const LoadOptions& options) {
  TextTable table;
  table.add({"", "calls/s", "p50", "p90", "p99"});
  const auto add = [&table](const char* name, const Block& block) {
    table.add({name, format_fixed(block.calls_per_s, 0), us_text(block.p50_us),
               us_text(block.p90_us), us_text(block.p99_us)});
  };
  add("noop", report.product);
  add(control_name(options), report.control);
  return concat("noop of ", options.bytes, " bytes at ", options.address, ", ", options.depth,
                " under way on each of ", options.connections, " connections, ", options.blocks,
                " pairs of blocks; ", control_name(options), ": ",
                options.depth == 1 ? "a ping-pong of the same bytes, a thread a connection\n"
                                   : "one call after the other on each connection\n",
                table.text(), "calls/s: ", ratio_text(report.rate_ratio),
                " of the control's; p99: ", ratio_text(report.p99_ratio), " of the control's\n",
                report.note.empty() ? "" : report.note + "\n");
}

Json model_json(const ModelReport& report, const BenchSubject& subject) {
  Json json = {{"model", subject.name},
               {"at", subject.address},
               {"pairs", subject.pairs},
               {"local_p50_ms", report.local_ms},
               {"local_p99_ms", report.local_p99_ms}};
  if (!report.remote) return json;
  const ModelReport::Remote& remote = *report.remote;
  const auto& [median, range] = remote.overhead_percent;
  json["memory"] = subject.memory ? memory_name(*subject.memory) : "default";
  json["remote_p50_ms"] = remote.remote_ms;
  json["remote_p99_ms"] = remote.remote_p99_ms;
  json["overhead_percent"] = median;
  json["overhead_percent_low"] = range ? Json(range->low) : Json(nullptr);
  json["overhead_percent_high"] = range ? Json(range->high) : Json(nullptr);
  json["remote_mean_ms"] = remote.remote_mean_ms;
  add_stages(json, remote.stages, "ms", 1e3);
  json["copied_inputs_a_call"] = remote.copies ? Json(remote.copies->inputs) : Json(nullptr);
  json["copied_results_a_call"] = remote.copies ? Json(remote.copies->results) : Json(nullptr);
  return json;
}

std::string model_text(const ModelReport& report, const BenchSubject& subject) {
  std::string text = concat(subject.name, ": ", format_fixed(report.local_ms, 2), " ms local");
  if (!report.remote) return concat(text, " (median of ", subject.pairs, ")\n");
  const ModelReport::Remote& remote = *report.remote;
  text += concat(", ", format_fixed(remote.remote_ms, 2),
                 " ms remote: ", overhead_text(remote.overhead_percent), " (median of ",
                 subject.pairs, ", interleaved)\n", remote_stages_text(remote.stages));
  if (!remote.copies) return text;
  return concat(text, "copies a call: ", format_fixed(remote.copies->inputs, 2), " of inputs, ",
                format_fixed(remote.copies->results, 2), " of results\n");
}

}  // namespace vac::cli
