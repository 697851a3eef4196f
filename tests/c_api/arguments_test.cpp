// SPDX-License-Identifier: Apache-2.0
// Arguments that no call can have, for every generated function: one clear error each, nothing
// written, and no crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/vac.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::size_t kNothing = SIZE_MAX;

/// What the arguments of one call are made from. Everything that is pointed to is as it should be.
struct Makings {
  vac_session* session = nullptr;
  vac_resource* resource = nullptr;
  std::size_t null_at = kNothing;  ///< the argument that is NULL
  std::size_t size = 1;            ///< of arrays and lists
  std::size_t pointers = 0;        ///< how many were made
  std::array<std::array<std::byte, 64>, 24> memory{};
  std::array<vac_tensor*, 2> tensors{};
  std::array<const char*, 2> texts{"one", "two"};
  std::array<vac_value, 2> values{};
  float number = 1;
  vac_call_handle* handle = nullptr;

  explicit Makings(vac_session* with) : session(with) {
    EXPECT_EQ(vac_tensor_wrap(with, VAC_F32, 0, nullptr, &number, tensors.data()), VAC_OK);
    tensors[1] = tensors[0];
    values.fill({VAC_F32, VAC_SCALAR, 0, 0, 0, &number, sizeof number, nullptr});
  }
  ~Makings() { vac_tensor_free(tensors[0]); }
  Makings(const Makings&) = delete;
  Makings& operator=(const Makings&) = delete;

  template <class T>
  T make() {
    if constexpr (std::is_same_v<T, const vac_call_options*>) {
      return nullptr;
    } else if constexpr (std::is_same_v<T, vac_call_handle**>) {
      return &handle;
    } else if constexpr (!std::is_pointer_v<T>) {
      return std::is_same_v<T, std::size_t> ? static_cast<T>(size) : T{1};
    } else {
      const std::size_t index = pointers++;
      if (index == null_at) return nullptr;
      if constexpr (std::is_same_v<T, vac_resource*>) return resource;
      if constexpr (std::is_same_v<T, const char*>) return "text";
      if constexpr (std::is_same_v<T, const char* const*>) return texts.data();
      if constexpr (std::is_same_v<T, vac_tensor* const*>) return tensors.data();
      if constexpr (std::is_same_v<T, const vac_tensor*>) return tensors[0];
      if constexpr (std::is_same_v<T, const vac_value*> || std::is_same_v<T, vac_value*>) {
        return values.data();
      }
      return reinterpret_cast<T>(memory[index].data());
    }
  }
};

struct Function {
  std::string name;  ///< as errors have it
  bool sized;        ///< has an array or a list
  bool resourced;    ///< takes a resource that must be there
  std::function<int(Makings&)> call;
};

/// A call that is submitted is finished at once: it must be refused as the one that blocks.
template <class... A>
Function function(std::string name, int (*fn)(vac_session*, A...)) {
  constexpr std::string_view kSubmit = "_submit";
  if (name.ends_with(kSubmit)) name.resize(name.size() - kSubmit.size());
  return {std::move(name), (std::is_same_v<A, std::size_t> || ...),
          (std::is_same_v<A, vac_resource*> || ...), [fn](Makings& makings) {
            // In braces: from left to right.
            std::tuple<vac_session*, A...> all{makings.session, makings.make<A>()...};
            const int code = std::apply(fn, all);
            return makings.handle == nullptr
                       ? code
                       : vac_call_finish(std::exchange(makings.handle, nullptr));
          }};
}

const std::vector<Function>& functions() {
  static const std::vector<Function> all = {
#define X(name) function(std::string(#name).substr(4), name),
#include "functions.inc"
#undef X
  };
  return all;
}

/// A session in process, and a resource in it.
class Arguments : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("VAC_PLUGINS", "noop", 1);
    ASSERT_EQ(vac_session_open("local:", nullptr, &session_), VAC_OK) << vac_error_message();
    ASSERT_EQ(vac_resource_open_bytes(session_, "x", 1, nullptr, &resource_), VAC_OK);
  }
  void TearDown() override { vac_session_close(session_); }

  vac_session* session_ = nullptr;
  vac_resource* resource_ = nullptr;
};

/// The same for each generated function.
class Walk : public Arguments, public testing::WithParamInterface<std::size_t> {
 protected:
  const Function& fn() const { return functions()[GetParam()]; }
};

INSTANTIATE_TEST_SUITE_P(Function, Walk, testing::Range(std::size_t{0}, functions().size()),
                         [](const auto& info) {
                           return functions()[info.param].name + std::to_string(info.param);
                         });

TEST_P(Walk, RefusesAMissingSession) {
  Makings makings(session_);
  makings.resource = resource_;
  makings.session = nullptr;
  EXPECT_EQ(fn().call(makings), VAC_EINVAL);
  EXPECT_EQ(vac_error_message(), fn().name + ": the session is NULL (VAC_EINVAL)");
}

TEST_P(Walk, RefusesAClosedSession) {
  Makings makings(session_);
  makings.resource = resource_;
  vac_session* closed = nullptr;
  ASSERT_EQ(vac_session_open("local:", nullptr, &closed), VAC_OK);
  vac_session_close(closed);
  makings.session = closed;
  EXPECT_EQ(fn().call(makings), VAC_EBADF);
  EXPECT_EQ(vac_error_message(), fn().name + ": the session is closed (VAC_EBADF)");
}

TEST_P(Walk, RefusesResourcesThatAreClosedOrAnotherSessions) {
  if (!fn().resourced) return;
  Makings makings(session_);
  ASSERT_EQ(vac_resource_open_bytes(session_, "y", 1, nullptr, &makings.resource), VAC_OK);
  vac_resource_close(makings.resource);
  EXPECT_EQ(fn().call(makings), VAC_EBADF);
  EXPECT_THAT(vac_error_message(), HasSubstr("is a resource that is closed"));
  vac_session* other = nullptr;
  ASSERT_EQ(vac_session_open("local:", nullptr, &other), VAC_OK);
  Makings foreign(session_);
  ASSERT_EQ(vac_resource_open_bytes(other, "y", 1, nullptr, &foreign.resource), VAC_OK);
  EXPECT_EQ(fn().call(foreign), VAC_EBADF);
  EXPECT_THAT(vac_error_message(), HasSubstr("the resource was opened in another session"));
  vac_session_close(other);
}

TEST_P(Walk, NamesWhatIsNull) {
  std::size_t pointers = 1;
  for (std::size_t null_at = 0; null_at < pointers; ++null_at) {
    Makings makings(session_);
    makings.resource = resource_;
    makings.null_at = null_at;
    const int code = fn().call(makings);
    pointers = makings.pointers;
    // It may be optional, and the outputs may need more room than one element.
    if (code == VAC_OK) continue;
    EXPECT_THAT(code, AnyOf(VAC_EINVAL, VAC_ENOSPC)) << null_at << ": " << vac_error_message();
    EXPECT_THAT(vac_error_message(), StartsWith(fn().name + ": argument '"));
  }
}

TEST_P(Walk, RefusesSizesThatNoMemoryHas) {
  if (!fn().sized) return;
  for (const std::size_t size : {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX / 2 + 1}) {
    Makings makings(session_);
    makings.resource = resource_;
    makings.size = size;
    const auto before = makings.memory;
    EXPECT_THAT(fn().call(makings), AnyOf(VAC_EINVAL, VAC_EFBIG));
    EXPECT_THAT(vac_error_message(), StartsWith(fn().name + ": argument '"));
    EXPECT_EQ(makings.memory, before);
  }
}

TEST_F(Arguments, OfTextMustBeUtf8) {
  vac_value none[1];
  EXPECT_EQ(vac_exec(session_, resource_, "bad\xff", nullptr, 0, nullptr, 0), VAC_EINVAL);
  EXPECT_STREQ(vac_error_message(), "exec: argument 'symbol' is not UTF-8 (VAC_EINVAL)");
  char text[] = "a\0b";
  none[0] = {VAC_CHAR, VAC_ARRAY, 0, 0, 0, text, 3, nullptr};
  EXPECT_EQ(vac_exec(session_, resource_, "f", none, 1, nullptr, 0), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("argument 'read' item 0 is not UTF-8, or has a zero"));
  const char* names[] = {"fine", nullptr};
  std::size_t count = 0;
  EXPECT_EQ(vac_model_run(session_, resource_, names, 2, nullptr, 0, nullptr, 0, nullptr, 0,
                          nullptr, 0, &count),
            VAC_EINVAL);
  EXPECT_STREQ(vac_error_message(),
               "model_run: argument 'in_names' has NULL as item 1 (VAC_EINVAL)");
  names[1] = "\xc0\x80";
  EXPECT_EQ(vac_model_run(session_, resource_, names, 2, nullptr, 0, nullptr, 0, nullptr, 0,
                          nullptr, 0, &count),
            VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("'in_names' item 1 is not UTF-8"));
}

TEST_F(Arguments, ThatAreWrittenShareNoMemory) {
  float numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  std::size_t count = 77;
  EXPECT_EQ(vac_fpga_vadd(session_, numbers, 4, numbers, 4, numbers + 4, 4, &count), VAC_OK)
      << "inputs may share";
  const auto vadd = [&](float* out) {
    return vac_fpga_vadd(session_, numbers, 4, numbers, 4, out, 4, &count);
  };
  for (float* const out : {numbers, numbers + 3}) {
    EXPECT_EQ(vadd(out), VAC_EINVAL);
    EXPECT_STREQ(vac_error_message(),
                 "fpga_vadd: argument 'c' shares memory with argument 'a': an output needs memory "
                 "of its own (VAC_EINVAL)");
  }
  float sums[4] = {}, products[4] = {};
  std::size_t other = 0;
  EXPECT_EQ(vac_fpga_parallel(session_, numbers, 4, numbers, 4, sums, 4, &count, sums, 4, &other),
            VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("'add' shares memory with argument 'mult'"));
  EXPECT_EQ(
      vac_fpga_parallel(session_, numbers, 4, numbers, 4, sums, 4, &count, products, 4, &other),
      VAC_OK);
}

TEST_F(Arguments, ThatAreChangedInPlaceShareNoMemory) {
  float matrix[4] = {1, 2, 3, 4}, result[4] = {};
  const auto sgemm = [&](float* c) {
    return vac_sgemm(session_, 2, 2, 2, 1, matrix, 4, 2, matrix, 4, 2, 0, c, 4, 2);
  };
  EXPECT_EQ(sgemm(matrix), VAC_EINVAL);
  EXPECT_STREQ(vac_error_message(),
               "sgemm: argument 'c' shares memory with argument 'a': an output needs memory of its "
               "own (VAC_EINVAL)");
  EXPECT_EQ(sgemm(result), VAC_OK) << vac_error_message();
  const vac_value all = {VAC_F32, VAC_ARRAY, 0, 0, 0, matrix, 16, nullptr};
  vac_value half[] = {{VAC_F32, VAC_ARRAY, 0, 0, 0, matrix + 2, 8, nullptr},
                      {VAC_F32, VAC_ARRAY, 0, 0, 0, matrix + 3, 4, nullptr}};
  EXPECT_EQ(vac_exec(session_, resource_, "f", &all, 1, half, 1), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(),
              HasSubstr("argument 'write' item 0 shares memory with argument 'read' item 0"));
  EXPECT_EQ(vac_exec(session_, resource_, "f", nullptr, 0, half, 2), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(),
              HasSubstr("argument 'write' item 0 shares memory with argument 'write' item 1"));
}

TEST_F(Arguments, OfAnyListsAreCheckedOneByOne) {
  std::int32_t number = 1;
  const std::int64_t dims[] = {1};
  struct Case {
    vac_value value;
    const char* words;
  };
  for (const Case& c :
       {Case{{VAC_I32, VAC_ARRAY, 0, 0, 0, nullptr, 4, nullptr}, "item 0 has data that is NULL"},
        Case{{VAC_I32, VAC_SCALAR, 0, 0, 0, nullptr, 4, nullptr}, "item 0 has data that is NULL"},
        Case{{VAC_C128, VAC_SCALAR, 0, 0, 0, &number, 16, nullptr}, "is no scalar of type c128"},
        Case{{VAC_CHAR, VAC_SCALAR, 0, 0, 0, &number, 1, nullptr}, "is no scalar of type char"},
        Case{{200, VAC_SCALAR, 0, 0, 0, &number, 4, nullptr}, "is no scalar of type ?"},
        Case{{VAC_I32, VAC_TENSOR, 9, 0, 0, &number, 4, dims}, "item 0 has a rank above 8"},
        Case{{VAC_I32, VAC_TENSOR, 1, 0, 0, &number, 4, nullptr}, "item 0 has dims that are NULL"},
        Case{{VAC_I32, VAC_TENSOR, 1, 0, 0, &number, 8, dims}, "has 8 bytes, must be 4"},
        Case{{VAC_I32, VAC_ARRAY, 0, 0, 0, &number, 3, nullptr}, "must be a multiple of 4"},
        Case{{VAC_I32, VAC_ARRAY, 0, 0, 0, &number, UINT64_MAX, nullptr}, "more than memory can"},
        Case{{VAC_I32, VAC_LIST, 0, 0, 0, &number, 4, nullptr}, "is list, must be"},
        Case{{VAC_I32, 77, 0, 0, 0, &number, 4, nullptr}, "is form 77, must be"}}) {
    EXPECT_EQ(vac_exec(session_, resource_, "f", &c.value, 1, nullptr, 0), VAC_EINVAL);
    EXPECT_THAT(vac_error_message(), HasSubstr(c.words));
  }
}

TEST_F(Arguments, OfTensorsAreChecked) {
  vac_tensor* tensor = nullptr;
  char data[64] = {};
  const std::int64_t dims[] = {2};
  const std::int64_t overflow[] = {INT64_MAX, INT64_MAX};
  EXPECT_EQ(vac_tensor_new(nullptr, VAC_F32, 1, dims, &tensor), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("argument 'session' is NULL"));
  EXPECT_EQ(vac_tensor_new(session_, VAC_F32, 1, nullptr, &tensor), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("argument 'dims' is NULL"));
  EXPECT_EQ(vac_tensor_new(session_, VAC_F32, 1, dims, nullptr), VAC_EINVAL);
  EXPECT_EQ(vac_tensor_new(session_, VAC_F32, SIZE_MAX, dims, &tensor), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("the most is 8"));
  EXPECT_EQ(vac_tensor_new(session_, 99, 1, dims, &tensor), VAC_EINVAL);
  EXPECT_EQ(vac_tensor_wrap(session_, VAC_F32, 2, overflow, data, &tensor), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("has a negative size or is too large"));
  EXPECT_EQ(vac_tensor_wrap_bytes(session_, VAC_F32, 1, dims, data, 8, &tensor), VAC_EINVAL);
  EXPECT_EQ(vac_tensor_wrap_bytes(session_, VAC_STRING, 1, dims, data, 15, &tensor), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("cannot have 15 bytes"));
  EXPECT_EQ(vac_tensor_wrap_bytes(session_, VAC_OPAQUE, 1, dims, data, SIZE_MAX, &tensor),
            VAC_EINVAL);
  EXPECT_EQ(tensor, nullptr);
}

TEST_F(Arguments, OfStringTensorsAreReadBeforeTheCall) {
  struct {
    std::uint64_t ends[2];
    char text[4];
  } strings = {{2, 4}, {'a', 'b', 'c', 'd'}};
  const std::int64_t dims[] = {2};
  vac_tensor* tensor = nullptr;
  ASSERT_EQ(vac_tensor_wrap_bytes(session_, VAC_STRING, 1, dims, &strings, 20, &tensor), VAC_OK);
  vac_tensor* outputs[200] = {};
  std::size_t count = 0;
  const auto run = [&] {
    return vac_model_run(session_, resource_, nullptr, 0, &tensor, 1, nullptr, 0, nullptr, 0,
                         outputs, 200, &count);
  };
  EXPECT_EQ(run(), VAC_OK) << vac_error_message();
  for (vac_tensor* output : outputs) vac_tensor_free(output);
  for (const std::uint64_t end : {std::uint64_t{1}, std::uint64_t{5}, UINT64_MAX}) {
    strings.ends[1] = end;
    EXPECT_EQ(run(), VAC_EINVAL);
    EXPECT_THAT(vac_error_message(), HasSubstr("argument 'inputs' has strings whose ends are not"));
  }
  vac_tensor_free(tensor);
}

TEST_F(Arguments, OfResourcesAreNamed) {
  vac_resource* made = nullptr;
  EXPECT_EQ(vac_resource_open_file(nullptr, "/x", nullptr, &made), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("argument 'session' is NULL"));
  EXPECT_EQ(vac_resource_open_file(session_, nullptr, nullptr, &made), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("argument 'path' is NULL"));
  EXPECT_EQ(vac_resource_open_directory(session_, "/x", nullptr, nullptr), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("argument 'resource' is NULL"));
  EXPECT_EQ(vac_resource_open_bytes(session_, nullptr, 4, nullptr, &made), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("argument 'data' is NULL"));
  EXPECT_EQ(vac_resource_open_bytes(session_, "x", SIZE_MAX, nullptr, &made), VAC_EFBIG);
  EXPECT_EQ(vac_resource_open_bytes(session_, "x", 1, "{", &made), VAC_EINVAL);
  EXPECT_EQ(vac_resource_open_uri(session_, nullptr, nullptr, &made), VAC_EINVAL);
  EXPECT_EQ(made, nullptr);
}

TEST_F(Arguments, OfSessionsAreNamed) {
  vac_session* made = nullptr;
  EXPECT_EQ(vac_session_open("local:", nullptr, nullptr), VAC_EINVAL);
  EXPECT_EQ(vac_session_open("\xff\xfe://\n", nullptr, &made), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("\\xff\\xfe"));
  EXPECT_EQ(vac_session_open("local:", "{\"name\":\"\xff\"}", &made), VAC_EINVAL);
  EXPECT_EQ(made, nullptr);
  std::size_t bytes = 0;
  EXPECT_EQ(vac_session_describe(nullptr, nullptr, 0, &bytes), VAC_EINVAL);
  EXPECT_EQ(vac_session_describe(session_, nullptr, 0, nullptr), VAC_EINVAL);
  EXPECT_EQ(vac_session_describe(session_, nullptr, 10, &bytes), VAC_EINVAL);
}

TEST_F(Arguments, OfReadersMayBeNull) {
  EXPECT_STREQ(vac_session_address(nullptr), "");
  EXPECT_STREQ(vac_resource_digest(nullptr), "");
  EXPECT_EQ(vac_tensor_type(nullptr), VAC_NONE);
  EXPECT_EQ(vac_tensor_rank(nullptr), 0U);
  EXPECT_EQ(vac_tensor_dims(nullptr), nullptr);
  EXPECT_EQ(vac_tensor_data(nullptr), nullptr);
  EXPECT_EQ(vac_tensor_bytes(nullptr), 0U);
  vac_session_close(nullptr);
  vac_resource_close(nullptr);
  vac_tensor_free(nullptr);
}

}  // namespace
