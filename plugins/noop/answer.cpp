// SPDX-License-Identifier: Apache-2.0
#include "answer.hpp"

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>

#include "fill.hpp"
#include "mixer.hpp"

namespace vac::noop {
namespace {

bool is_list_of_children(const vac_arg& record) {
  return record.form == VAC_LIST && record.count != VAC_ANY_COUNT;
}

void mix_record(Mixer& mixer, const Call& call, const vac_arg& record) {
  mixer.word(std::uint64_t{record.type} | std::uint64_t{record.form} << 8U |
             std::uint64_t{record.dir} << 16U | std::uint64_t{record.rank} << 24U |
             std::uint64_t{record.count} << 32U);
  if (record.dir == VAC_OUT || record.form == VAC_ABSENT || record.form == VAC_LIST) return;
  if (record.form == VAC_SCALAR) {
    mixer.word(record.value);
    return;
  }
  for (const std::int64_t dim : record::dims(record, call.raw().meta)) {
    mixer.word(static_cast<std::uint64_t>(dim));
  }
  mixer.bytes(record::pointer(record), record.bytes);
}

std::uint64_t hash_of(const Call& call) {
  Mixer mixer;
  mixer.word(call.op());
  void** states = call.raw().resource_states;
  for (const vac_arg& record : call.records()) {
    if (record.type == VAC_RESOURCE && record.form == VAC_SCALAR) {
      // Its number differs between sessions; what it is does not.
      mixer.word(static_cast<const ResourceState*>(*states++)->hash);
    } else {
      if (record.type == VAC_RESOURCE) ++states;
      mix_record(mixer, call, record);
    }
  }
  return mixer.value();
}

Status fill_scalar(vac_arg& record, Stream stream) {
  record.value = 0;
  fill(record.type, &record.value, width_of(record.type), stream);
  return {};
}

/// Sizes are bytes of whole elements.
std::uint64_t array_bytes(const vac_arg& record, Stream& stream) {
  const std::uint64_t width = width_of(record.type);
  const bool any = record.bytes == VAC_ANY_BYTES;
  if (record.type != VAC_CHAR && record.type != VAC_BYTE) {
    return any ? (1 + stream.below(16)) * width : record.bytes / width * width;
  }
  const std::uint64_t wanted = 1 + stream.below(48);
  return any || wanted < record.bytes ? wanted : record.bytes;
}

Status fill_array(const OutputSlot& slot, Stream stream) {
  const std::uint64_t bytes = array_bytes(slot.record(), stream);
  VAC_TRY(void* room, slot.array(bytes));
  if (bytes != 0) fill(slot.record().type, room, bytes, stream);
  return {};
}

/// `given` is the caller's own tensor, whose type and shape a call does not tell; else a new one.
Status fill_tensor(const OutputSlot& slot, std::uint32_t child, std::uint64_t given,
                   Stream stream) {
  static constexpr std::array<std::uint8_t, 4> kTypes = {VAC_F32, VAC_I64, VAC_U8, VAC_F16};
  std::uint8_t type = VAC_U8;
  std::array<std::int64_t, 3> dims = {static_cast<std::int64_t>(given), 1, 1};
  std::size_t rank = 1;
  std::uint64_t bytes = given;
  if (given == VAC_ANY_BYTES) {
    type = kTypes[stream.below(kTypes.size())];
    rank = 1 + stream.below(dims.size());
    bytes = width_of(type);
    for (std::size_t i = 0; i < rank; ++i) {
      dims[i] = static_cast<std::int64_t>(1 + stream.below(5));
      bytes *= static_cast<std::uint64_t>(dims[i]);
    }
  }
  VAC_TRY(void* room, slot.ask(child, bytes, type, std::span(dims).first(rank)));
  if (bytes != 0) fill(type, room, bytes, stream);
  return {};
}

Status fill_list(const OutputSlot& slot, std::span<const vac_arg> children, Stream stream) {
  const bool any = slot.record().count == VAC_ANY_COUNT;
  const auto count = static_cast<std::uint32_t>(any ? 1 + stream.below(3) : children.size());
  for (std::uint32_t child = 0; child < count; ++child) {
    const std::uint64_t given = any ? VAC_ANY_BYTES : children[child].bytes;
    VAC_CHECK(fill_tensor(slot, child, given, Stream(stream.next())));
  }
  return {};
}

Status fill_output(const OutputSlot& slot, std::span<const vac_arg> children, Stream stream) {
  switch (slot.record().form) {
    case VAC_SCALAR:
      return fill_scalar(slot.record(), stream);
    case VAC_ARRAY:
      return fill_array(slot, stream);
    case VAC_TENSOR:
      return fill_tensor(slot, 0, slot.capacity(), stream);
    case VAC_LIST:
      return fill_list(slot, children, stream);
    default:
      return {};  // absent
  }
}

void change_in_place(const Call& call, vac_arg& record, Stream stream) {
  if (record.form == VAC_SCALAR) {
    change(record.type, &record.value, width_of(record.type), 1, stream);
    return;
  }
  if (record.form != VAC_ARRAY && record.form != VAC_TENSOR) return;
  std::size_t elements = 1;
  for (const std::int64_t dim : record::dims(record, call.raw().meta)) {
    elements *= static_cast<std::size_t>(dim);
  }
  if (record.bytes != 0)
    change(record.type, record::pointer(record), record.bytes, elements, stream);
}

/// A model that takes and gives what its hash says.
Status describe_model(const Call& call, std::uint64_t hash) {
  std::array<char, 256> text{};
  const int length =
      std::snprintf(text.data(), text.size(),
                    R"({"framework":"noop","inputs":[{"name":"x%u","type":"f32","shape":[1,%u]}],)"
                    R"("outputs":[{"name":"y","type":"f32","shape":null}],"hash":"%016llx"})",
                    static_cast<unsigned>(hash % 100), static_cast<unsigned>(1 + hash % 1000),
                    static_cast<unsigned long long>(hash));
  const OutText json(OutputSlot(call, call.records()[1], 1));
  return json.assign({text.data(), static_cast<std::size_t>(length)});
}

}  // namespace

Status answer(Call& call) {
  Stream seeds(hash_of(call));
  if (call.op() == ops::ModelDescribe::id) return describe_model(call, seeds.next());
  const std::span<vac_arg> records = call.records();
  std::uint32_t argument = 0;
  for (std::size_t i = 0; i < records.size(); ++argument) {
    vac_arg& record = records[i++];
    const std::size_t count = is_list_of_children(record) ? record.count : 0;
    const std::span<vac_arg> children = records.subspan(i, count);
    i += count;
    if (record.dir == VAC_OUT) {
      if (record.form == VAC_ABSENT) continue;
      VAC_CHECK(fill_output(OutputSlot(call, record, argument), children, Stream(seeds.next())));
    } else if (record.dir == VAC_INOUT) {
      change_in_place(call, record, Stream(seeds.next()));
      for (vac_arg& child : children) change_in_place(call, child, Stream(seeds.next()));
    }
  }
  return {};
}

}  // namespace vac::noop
