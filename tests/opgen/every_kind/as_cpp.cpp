// SPDX-License-Identifier: Apache-2.0
#include <vac/ops.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

struct Resource {
  vac_resource* handle() const { return nullptr; }
};
struct Tensor {
  static Tensor adopt(vac_tensor* /*tensor*/) { return {}; }
  vac_tensor* handle() const { return nullptr; }
};
struct Session : vac::ops::Methods<Session, Resource, Tensor> {
  vac_session* handle() const { return nullptr; }
};

[[maybe_unused]] bool use_every_kind(const Session& session) {
  std::vector<float> floats(3);
  std::vector<std::uint8_t> bools(3);
  std::vector<vac_value> values;
  std::vector<vac_c128> complex;
  std::vector<Tensor> tensors(1);
  Tensor tensor;
  const Resource resource;

  vac::Status nothing = session.nothing();
  vac::Status in = session.scalars_in(true, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11.0F, 12.0, {1, 2});
  vac::Status optional = session.scalars_optional(true, 1, std::nullopt, 3);
  auto out = session.scalars_out(false, true);
  static_assert(std::is_same_v<decltype(out->a), bool>);
  static_assert(std::is_same_v<decltype(out->n), vac_c64>);
  static_assert(std::is_same_v<decltype(out->o), std::optional<bool>>);
  auto arrays = session.arrays_out(bools, {}, complex, floats, bools, floats);
  static_assert(std::is_same_v<decltype(arrays->d_count), std::optional<std::size_t>>);
  vac::Status whole = session.whole_in("a", std::nullopt, floats, std::nullopt, tensor, nullptr,
                                       resource, &resource, {}, tensors, values);
  auto made = session.whole_out(tensor, &tensor, tensors, values, true, false, true);
  static_assert(std::is_same_v<decltype(made->e), Tensor>);
  static_assert(std::is_same_v<decltype(made->f), std::optional<Tensor>>);
  static_assert(std::is_same_v<decltype(made->d), std::optional<std::vector<std::byte>>>);
  static_assert(std::is_same_v<decltype(made->i), std::vector<Tensor>>);
  return nothing && in && optional && out && arrays && whole && made;
}

}  // namespace
