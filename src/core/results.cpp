// SPDX-License-Identifier: Apache-2.0
#include "core/results.hpp"

#include <cstring>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "call/check.hpp"
#include "call/types.hpp"
#include "core/plugin.hpp"

namespace vac::core {
namespace {

constexpr std::uint8_t direction(std::uint32_t signature) noexcept {
  return static_cast<std::uint8_t>(signature >> 16U);
}
constexpr std::uint8_t form(std::uint32_t signature) noexcept {
  return static_cast<std::uint8_t>(signature >> 8U);
}

std::string shape_text(const OutputRequest& wanted) {
  std::string text = concat(type_name(wanted.type), " [");
  for (std::uint8_t i = 0; i < wanted.rank; ++i) {
    text += concat(i == 0 ? "" : ",", wanted.dims[i]);
  }
  return text + "]";
}

/// What is wrong with the request for a tensor; empty: nothing.
std::string tensor_fault(const OutputRequest& wanted) {
  if (wanted.rank > VAC_MAX_RANK) return concat(" has rank ", wanted.rank);
  if (wanted.rank != 0 && wanted.dims == nullptr) return " has no dims";
  if (!is_tensor_element(wanted.type)) return concat(" has elements of type ", wanted.type);
  const auto count = element_count({wanted.dims, wanted.rank});
  if (!count) return concat(" is ", shape_text(wanted), ", which is no shape");
  if (element_bytes_fit(wanted.type, *count, wanted.bytes)) return {};
  return concat(" is ", shape_text(wanted), " and has ", wanted.bytes, " bytes");
}

/// How messages call what is asked for.
std::string request_name(const Op& op, const OutputRequest& wanted) {
  const OpArgument& argument = op.args[wanted.arg];
  const bool item = form(argument.signature) == VAC_LIST;
  return concat("output '", argument.name, "'", item ? concat(" item ", wanted.child) : "");
}

/// What is wrong with a request; empty: nothing. Allocates only for a fault.
std::string request_fault(const Op& op, const OutputRequest& wanted) {
  if (wanted.arg >= op.args.size()) {
    return concat("argument ", wanted.arg, " of ", op.args.size());
  }
  const OpArgument& argument = op.args[wanted.arg];
  const std::uint8_t kind = form(argument.signature);
  if ((direction(argument.signature) & VAC_OUT) == 0 || kind == VAC_SCALAR) {
    return concat("argument '", argument.name, "', which is ", argument.type,
                  kind == VAC_SCALAR ? " and no array" : " and no output");
  }
  if (kind == VAC_LIST) {
    if (wanted.child >= VAC_MAX_RECORDS) {
      return request_name(op, wanted) + ", more than a call has room for";
    }
    if (form(argument.child_signature) != VAC_TENSOR) return {};
  } else if (wanted.child != 0) {
    return concat(request_name(op, wanted), " item ", wanted.child, ", which is no list");
  }
  if (kind == VAC_ARRAY) {
    const auto type = static_cast<std::uint8_t>(argument.signature);
    return whole_elements(type, wanted.bytes)
               ? std::string{}
               : concat(request_name(op, wanted), " of ", wanted.bytes,
                        " bytes, which is not a multiple of ", element_bytes(type));
  }
  const std::string fault = tensor_fault(wanted);
  return fault.empty() ? fault : concat(request_name(op, wanted), ", which", fault);
}

[[gnu::cold]] int blame(CallContext& context, int code, std::string what) noexcept {
  if (context.fault != 0) return context.fault;  // the first mistake explains the others
  context.fault = code;
  context.detail = 0;
  context.message = std::move(what);
  return code;
}

std::string plugin_name(const CallContext& context) {
  return concat("plugin '", context.plugin == nullptr ? "?" : context.plugin->name(), "' ");
}

/// Whether a record is as it was, but for what a plugin writes.
bool same_record(const vac_arg& now, const vac_arg& before) noexcept {
  vac_arg expected = before;
  // A plugin that forwards calls names resources by numbers of its own.
  if (before.type == VAC_RESOURCE) expected.value = now.value;
  if ((before.dir & VAC_OUT) != 0) {
    if (before.form == VAC_SCALAR) expected.value = now.value;
    if (before.form == VAC_ARRAY || before.form == VAC_TENSOR) expected.bytes = now.bytes;
  }
  return std::memcmp(&now, &expected, sizeof now) == 0;
}

/// Whether the size of an array can be true: of one in the caller's memory, or without any.
bool size_is_possible(const vac_arg& now, const vac_arg& before) noexcept {
  if (before.form != VAC_ARRAY) return true;
  if (before.where == VAC_WHERE_NOWHERE) return now.bytes == before.bytes || now.bytes == 0;
  if (before.where != VAC_WHERE_INLINE) return true;
  return now.bytes <= before.bytes && whole_elements(before.type, now.bytes);
}

std::string record_fault(const Op& op, std::span<const vac_arg> before, std::size_t position,
                         const vac_arg& now) {
  const vac_arg& was = before[position];
  const std::string name = argument_text(op, before, position);
  if (!same_record(now, was)) return concat("changed the record of ", name);
  const std::string claim = concat("says that it wrote ", now.bytes, " bytes of ", name);
  return was.where == VAC_WHERE_NOWHERE ? claim + ", for which it asked for no memory"
                                        : concat(claim, ", there was room for ", was.bytes);
}

[[gnu::cold]] void blame_record(CallContext& context, std::span<const vac_arg> before,
                                std::size_t position, const vac_arg& now) noexcept {
  try {
    blame(context, VAC_EIO,
          plugin_name(context) + record_fault(*context.op, before, position, now));
  } catch (...) {  // no memory for the text: the code alone must do
    blame(context, VAC_EIO, {});
  }
}

}  // namespace

int blame_plugin(CallContext& context, int code, const char* what) noexcept {
  try {
    return blame(context, code, plugin_name(context) + what);
  } catch (...) {  // no memory for the text: the code alone must do
    return blame(context, code, {});
  }
}

void* give_output(vac_call& call, CallContext& context, const OutputRequest& wanted) noexcept {
  try {
    const std::string fault = request_fault(*context.op, wanted);
    if (!fault.empty()) {
      blame(context, VAC_EIO, concat(plugin_name(context), "asked for memory for ", fault));
      return nullptr;
    }
    // Of the items of a list the sink knows which it gave.
    const bool again = (context.given >> wanted.arg & 1U) != 0 &&
                       form(context.op->args[wanted.arg].signature) != VAC_LIST;
    void* const memory = again ? nullptr
                               : context.sink->output(call, wanted.arg, wanted.child, wanted.bytes,
                                                      wanted.type, wanted.rank, wanted.dims);
    if (memory != nullptr || wanted.bytes == 0) {
      context.given |= 1U << wanted.arg;
      return memory;
    }
    blame(context, VAC_ENOMEM,
          concat("no memory for ", wanted.bytes, " bytes of output '",
                 context.op->args[wanted.arg].name, "', or it was asked for twice"));
  } catch (...) {  // no memory for the text
    blame(context, VAC_ENOMEM, {});
  }
  return nullptr;
}

int check_results(vac_call& call, CallContext& context, std::span<const vac_arg> before) noexcept {
  std::uint32_t argument = 0;
  std::uint32_t children = 0;  // of the list that the record is in, still to come
  for (std::size_t i = 0; i < before.size(); ++i) {
    const vac_arg& was = before[i];
    const vac_arg& now = call.args[i];
    // A result for which `output` gave memory tells its size as well, which that memory has.
    const bool given = (context.given >> argument & 1U) != 0;
    if (!same_record(now, was) || (!given && !size_is_possible(now, was))) {
      blame_record(context, before, i, now);
      call.args[i] = was;
    }
    if (children == 0) children = 1 + child_count(was);
    if (--children == 0) ++argument;
  }
  return context.fault;
}

}  // namespace vac::core
