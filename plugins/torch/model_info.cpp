// SPDX-License-Identifier: Apache-2.0
#include "model_info.hpp"

#include <vac/call.h>

#include <algorithm>
#include <utility>

namespace vac::torch_plugin {
namespace {

using nlohmann::json;

struct TypeName {
  std::uint8_t code;
  std::string_view text;
};
constexpr TypeName kTypeNames[] = {{VAC_F32, "f32"}, {VAC_F64, "f64"}, {VAC_I32, "i32"},
                                   {VAC_I64, "i64"}, {VAC_U8, "u8"},   {VAC_BOOL, "bool"}};

Error bad_json(const std::string& why) {
  return Error{Errc::invalid, "the model's vac.json is wrong: " + why + ": export the model again"};
}

Result<std::vector<Port>> read_ports(const json& object, const char* key) {
  std::vector<Port> ports;
  if (!object.contains(key)) return ports;
  if (!object[key].is_array()) return bad_json(std::string("'") + key + "' is not a list");
  for (const json& entry : object[key]) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string()) {
      return bad_json(std::string("an entry of '") + key + "' has no name");
    }
    Port port;
    port.name = entry["name"].get<std::string>();
    if (entry.contains("type") && entry["type"].is_string())
      port.type = entry["type"].get<std::string>();
    if (entry.contains("shape") && entry["shape"].is_array()) {
      port.shape.emplace();
      for (const json& size : entry["shape"]) {
        if (!size.is_number_integer())
          return bad_json("the shape of '" + port.name + "' has no numbers");
        port.shape->push_back(size.get<std::int64_t>());
      }
    }
    ports.push_back(std::move(port));
  }
  return ports;
}

json port_json(const Port& port) {
  return {{"name", port.name},
          {"type", port.type.empty() ? json() : json(port.type)},
          {"shape", port.shape ? json(*port.shape) : json()}};
}

bool fits(std::span<const std::int64_t> dims, const std::vector<std::int64_t>& shape) {
  return std::equal(
      dims.begin(), dims.end(), shape.begin(), shape.end(),
      [](std::int64_t dim, std::int64_t wanted) { return wanted == -1 || dim == wanted; });
}

/// The commonest mistake with images has its own remedy.
std::string shape_remedy(std::span<const std::int64_t> dims,
                         const std::vector<std::int64_t>& shape) {
  if (dims.size() == 4 && shape.size() == 4) {
    const std::vector<std::int64_t> to_nchw = {dims[0], dims[3], dims[1], dims[2]};
    const std::vector<std::int64_t> to_nhwc = {dims[0], dims[2], dims[3], dims[1]};
    if (fits(to_nchw, shape)) return "transpose to NCHW";
    if (fits(to_nhwc, shape)) return "transpose to NHWC";
  }
  return "give it that shape";
}

std::string title(std::size_t i, const std::string& name) {
  return "input " + std::to_string(i) + (name.empty() ? "" : " '" + name + "'");
}

std::string names_of(const std::vector<Port>& ports) {
  std::string names;
  for (const Port& port : ports) names += (names.empty() ? "" : ", ") + port.name;
  return names;
}

Status order_by_name(const ModelInfo& info, std::vector<Input>& inputs) {
  std::vector<Input> ordered(inputs.size());
  std::vector<bool> filled(inputs.size());
  for (Input& input : inputs) {
    const auto port =
        std::find_if(info.inputs.begin(), info.inputs.end(),
                     [&](const Port& candidate) { return candidate.name == input.name; });
    if (port == info.inputs.end()) {
      return Error{Errc::invalid, "the model has no input '" + input.name + "': its inputs are " +
                                      names_of(info.inputs)};
    }
    const auto place = static_cast<std::size_t>(port - info.inputs.begin());
    if (place >= filled.size() || filled[place]) {
      return Error{Errc::invalid, "input '" + input.name +
                                      "' is given twice, or one before it is missing: "
                                      "the model's inputs are " +
                                      names_of(info.inputs)};
    }
    filled[place] = true;
    ordered[place] = std::move(input);
  }
  inputs = std::move(ordered);
  return {};
}

Status check_input(std::size_t i, const Input& input, const Port& port) {
  if (!port.type.empty() && type_text(input.type) != port.type) {
    return Error{Errc::invalid, title(i, port.name) + " is of type " +
                                    std::string(type_text(input.type)) + ", the model takes " +
                                    port.type + ": convert it"};
  }
  if (port.shape && !fits(input.dims, *port.shape)) {
    return Error{Errc::invalid, title(i, port.name) + " has shape " + shape_text(input.dims) +
                                    ", the model takes " + shape_text(*port.shape) + ": " +
                                    shape_remedy(input.dims, *port.shape)};
  }
  return {};
}

/// Names and kinds from the signature, where vac.json says nothing.
void complete_from_signature(const Module& module, ModelInfo& info) {
  const std::vector<Parameter>& parameters = module.parameters();
  if (parameters.size() == 1 && parameters[0].kind != Parameter::Kind::tensor) {
    info.any_inputs = parameters[0].kind != Parameter::Kind::other;
    info.named_inputs = parameters[0].kind == Parameter::Kind::named_tensors;
  }
  if (info.inputs.empty() && !info.any_inputs) {
    for (const Parameter& parameter : parameters) info.inputs.push_back({parameter.name, {}, {}});
  }
  if (info.outputs.empty()) {
    for (std::size_t i = 0; i < module.result_count(); ++i) {
      info.outputs.push_back({"output_" + std::to_string(i), {}, {}});
    }
  }
}

}  // namespace

std::string_view type_text(std::uint8_t type) {
  for (const TypeName& name : kTypeNames) {
    if (name.code == type) return name.text;
  }
  return "?";
}

std::uint8_t type_code_of(std::string_view text) {
  for (const TypeName& name : kTypeNames) {
    if (name.text == text) return name.code;
  }
  return VAC_NONE;
}

std::string shape_text(std::span<const std::int64_t> dims) {
  std::string text = "[";
  for (const std::int64_t dim : dims) {
    if (text.size() > 1) text += ",";
    text += dim == -1 ? "any" : std::to_string(dim);
  }
  return text + "]";
}

Result<ModelInfo> ModelInfo::of(const Module& module, std::string_view device, int threads) {
  ModelInfo info;
  info.description = json::object();
  if (!module.vac_json().empty()) {
    info.description = json::parse(module.vac_json(), nullptr, false);
    if (!info.description.is_object()) return bad_json("it is not a JSON object");
    VAC_TRY(info.inputs, read_ports(info.description, "inputs"));
    VAC_TRY(info.outputs, read_ports(info.description, "outputs"));
  }
  complete_from_signature(module, info);
  if (!info.description.contains("inputs")) {
    info.description["inputs"] = json::array();
    for (const Port& port : info.inputs) info.description["inputs"].push_back(port_json(port));
  }
  if (!info.description.contains("outputs")) {
    info.description["outputs"] = info.outputs.empty() ? json() : json::array();
    for (const Port& port : info.outputs) info.description["outputs"].push_back(port_json(port));
  }
  info.description["framework"] = "torch";
  info.description["framework_version"] = framework_version();
  info.description["device"] = device;
  info.description["threads"] = threads;
  return info;
}

Status arrange_inputs(const ModelInfo& info, std::vector<Input>& inputs) {
  const bool named = !inputs.empty() && !inputs.front().name.empty();
  if (info.named_inputs && !named && !inputs.empty()) {
    return Error{Errc::invalid, "the model takes a dictionary: give each input its name"};
  }
  if (named && !info.named_inputs) {
    if (info.any_inputs)
      return Error{Errc::invalid, "the model takes a list: give the inputs without names"};
    VAC_CHECK(order_by_name(info, inputs));
  }
  if (!info.any_inputs && inputs.size() > info.inputs.size()) {
    return Error{Errc::invalid,
                 std::to_string(inputs.size()) + " inputs are given, the model takes " +
                     std::to_string(info.inputs.size()) + ": " + names_of(info.inputs)};
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (type_text(inputs[i].type) == "?") {
      return Error{Errc::not_supported,
                   title(i, inputs[i].name) +
                       " is of an element type that torch does not take: convert it "
                       "to f32, f64, i32, i64, u8 or bool"};
    }
    if (!info.any_inputs) {
      VAC_CHECK(check_input(i, inputs[i], info.inputs[i]));
      continue;
    }
    for (const Port& port : info.inputs) {
      if (port.name == inputs[i].name) VAC_CHECK(check_input(i, inputs[i], port));
    }
  }
  return {};
}

}  // namespace vac::torch_plugin
