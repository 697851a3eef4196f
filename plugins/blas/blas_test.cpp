// SPDX-License-Identifier: Apache-2.0
// The plugin through its ABI. Results are compared with a plain loop in double.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/plugin.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_host.hpp"
#include "support/random.hpp"

namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsNan;
using vac::test::FakeCall;
using vac::test::FakeHost;
using vac::test::OpenPlugin;

const vac_plugin* table() { return vac_plugin_entry(VAC_ABI_MAJOR, VAC_ABI_MINOR); }

/// The arguments of one call; `c` is what comes out.
struct Sgemm {
  std::int64_t m = 0, n = 0, k = 0;
  float alpha = 1;
  std::vector<float> a;
  std::int64_t lda = 0;
  std::vector<float> b;
  std::int64_t ldb = 0;
  float beta = 0;
  std::vector<float> c;
  std::int64_t ldc = 0;

  int run(FakeHost& host, OpenPlugin& plugin) {
    const auto i64 = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
    FakeCall call(host, vac::ops::Sgemm::id);
    call.scalar(VAC_I64, i64(m)).scalar(VAC_I64, i64(n)).scalar(VAC_I64, i64(k));
    call.scalar(VAC_F32, std::bit_cast<std::uint32_t>(alpha));
    call.array(VAC_F32, a.data(), a.size() * 4).scalar(VAC_I64, i64(lda));
    call.array(VAC_F32, b.data(), b.size() * 4).scalar(VAC_I64, i64(ldb));
    call.scalar(VAC_F32, std::bit_cast<std::uint32_t>(beta));
    call.array(VAC_F32, c.data(), c.size() * 4, VAC_INOUT).scalar(VAC_I64, i64(ldc));
    return plugin.submit(call);
  }

  std::vector<float> expected() const {
    std::vector<float> result = c;
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::int64_t l = 0; l < k; ++l) {
          sum += double{a[static_cast<std::size_t>(i * lda + l)]} *
                 double{b[static_cast<std::size_t>(l * ldb + j)]};
        }
        float& to = result[static_cast<std::size_t>(i * ldc + j)];
        to = static_cast<float>(double{alpha} * sum + (beta == 0 ? 0 : double{beta} * double{to}));
      }
    }
    return result;
  }
};

std::vector<float> random_values(vac::test::Random& random, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(random.below(2001)) / 1000 - 1;
  return values;
}

Sgemm random_product(vac::test::Random& random, std::int64_t m, std::int64_t n, std::int64_t k) {
  Sgemm product{m, n, k, 0.5F, {}, k + 3, {}, n + 1, -2, {}, n + 2};
  product.a = random_values(random, m * product.lda);
  product.b = random_values(random, k * product.ldb);
  product.c = random_values(random, m * product.ldc);
  return product;
}

void expect_near(const std::vector<float>& found, const std::vector<float>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-3) << i;
}

class Blas : public testing::Test {
 protected:
  int run(Sgemm& product) { return product.run(host_, plugin_); }
  void expect_refusal(Sgemm product, int code, const std::string& text) {
    const std::vector<float> before = product.c;
    EXPECT_EQ(run(product), code) << text;
    EXPECT_EQ(host_.error, text);
    EXPECT_EQ(product.c, before);
  }
  FakeHost host_;
  OpenPlugin plugin_{host_, table()};
};

TEST_F(Blas, MultipliesRowMajor) {
  Sgemm product{2, 2, 3, 1, {1, 2, 3, 4, 5, 6}, 3, {1, 0, 0, 1, 2, -1}, 2, 0, {0, 0, 0, 0}, 2};
  ASSERT_EQ(run(product), VAC_OK) << host_.error;
  EXPECT_THAT(product.c, ElementsAre(7, -1, 16, -1));
}

TEST_F(Blas, ComputesWhatALoopComputes) {
  vac::test::Random random(1);
  for (const std::int64_t m : {1, 2, 7, 65}) {
    for (const std::int64_t n : {1, 3, 64}) {
      for (const std::int64_t k : {0, 1, 5, 100}) {
        Sgemm product = random_product(random, m, n, k);
        const std::vector<float> expected = product.expected();
        ASSERT_EQ(run(product), VAC_OK) << host_.error;
        expect_near(product.c, expected);  // what lies between the rows too
      }
    }
  }
}

TEST_F(Blas, TheLastRowMayEndAfterItsLastElement) {
  Sgemm product{2, 1, 1, 1, {2, 9, 3}, 2, {5}, 4, 0, {0, 7, 0}, 2};
  ASSERT_EQ(run(product), VAC_OK) << host_.error;
  EXPECT_THAT(product.c, ElementsAre(10, 7, 15));
}

TEST_F(Blas, ABetaOf0DoesNotReadC) {
  for (const std::int64_t size : {1, 4, 33, 128}) {
    Sgemm product{size, size, size, 1, {}, size, {}, size, 0, {}, size};
    const auto count = static_cast<std::size_t>(size * size);
    product.a.assign(count, 1);
    product.b.assign(count, 2);
    product.c.assign(count, NAN);
    ASSERT_EQ(run(product), VAC_OK);
    EXPECT_THAT(product.c, Each(static_cast<float>(2 * size))) << size;
    product.k = 0;
    product.c.assign(count, NAN);
    ASSERT_EQ(run(product), VAC_OK);
    EXPECT_THAT(product.c, Each(0)) << size;
  }
}

TEST_F(Blas, AnAlphaOf0DoesNotReadAAndB) {
  for (const std::int64_t size : {1, 2, 33, 128}) {
    const std::vector<float> nan(static_cast<std::size_t>(size * size), NAN);
    const std::vector<float> ones(nan.size(), 1);
    Sgemm product{size, size, size, 0, nan, size, nan, size, 3, ones, size};
    ASSERT_EQ(run(product), VAC_OK);
    EXPECT_THAT(product.c, Each(3)) << size;
  }
}

TEST_F(Blas, CarriesNanThrough) {
  Sgemm product{2, 1, 1, 1, {NAN, 1}, 1, {1}, 1, 1, {1, NAN}, 1};
  ASSERT_EQ(run(product), VAC_OK);
  EXPECT_THAT(product.c, ElementsAre(IsNan(), IsNan()));
}

TEST_F(Blas, TakesMatricesWithoutRowsOrColumns) {
  Sgemm none{};
  EXPECT_EQ(run(none), VAC_OK) << host_.error;
  Sgemm no_columns{3, 0, 2, 1, {1, 2, 3, 4, 5, 6}, 2, {}, 0, 0, {}, 0};
  EXPECT_EQ(run(no_columns), VAC_OK) << host_.error;
  Sgemm no_sum{1, 2, 0, 1, {}, 0, {}, 2, 2, {1, 2}, 2};
  EXPECT_EQ(run(no_sum), VAC_OK) << host_.error;
  EXPECT_THAT(no_sum.c, ElementsAre(2, 4));
}

TEST_F(Blas, RefusesSizesOutOfRange) {
  const Sgemm good{1, 1, 1, 1, {1}, 1, {1}, 1, 0, {1}, 1};
  struct Case {
    std::int64_t Sgemm::* size;
    const char* name;
  };
  for (const Case& size :
       {Case{&Sgemm::m, "m"}, Case{&Sgemm::n, "n"}, Case{&Sgemm::k, "k"}, Case{&Sgemm::lda, "lda"},
        Case{&Sgemm::ldb, "ldb"}, Case{&Sgemm::ldc, "ldc"}}) {
    const std::string name = size.name;
    for (const std::int64_t value : {std::int64_t{-1}, INT64_MIN}) {
      Sgemm bad = good;
      bad.*size.size = value;
      expect_refusal(bad, VAC_EINVAL,
                     name + " is " + std::to_string(value) + ", must be 0 or more");
    }
    // The second would be 1 in 32 bits.
    for (const std::int64_t value :
         {std::int64_t{1} << 31U, (std::int64_t{1} << 32U) + 1, INT64_MAX}) {
      Sgemm bad = good;
      bad.*size.size = value;
      expect_refusal(bad, VAC_ERANGE,
                     name + " is " + std::to_string(value) +
                         ", must be at most 2147483647: split the product");
    }
  }
}

TEST_F(Blas, RefusesStridesShorterThanARow) {
  const Sgemm good{
      2, 3, 4, 1, std::vector<float>(8), 4, std::vector<float>(12), 3, 0, std::vector<float>(6), 3};
  Sgemm bad = good;
  bad.lda = 3;
  expect_refusal(bad, VAC_EINVAL, "lda is 3, must be at least k, which is 4");
  bad = good;
  bad.ldb = 0;
  expect_refusal(bad, VAC_EINVAL, "ldb is 0, must be at least n, which is 3");
  bad = good;
  bad.ldc = 2;
  expect_refusal(bad, VAC_EINVAL, "ldc is 2, must be at least n, which is 3");
}

TEST_F(Blas, RefusesArraysThatAreTooShort) {
  const Sgemm good{
      2, 3, 4, 1, std::vector<float>(8), 4, std::vector<float>(12), 3, 0, std::vector<float>(6), 3};
  Sgemm bad = good;
  bad.a.pop_back();
  expect_refusal(bad, VAC_EINVAL, "a has 7 values, must have at least 8: m is 2, k is 4, lda is 4");
  bad = good;
  bad.ldb = 4;
  expect_refusal(bad, VAC_EINVAL,
                 "b has 12 values, must have at least 15: k is 4, n is 3, ldb is 4");
  bad = good;
  bad.c.clear();
  expect_refusal(bad, VAC_EINVAL, "c has 0 values, must have at least 6: m is 2, n is 3, ldc is 3");
  bad = good;
  bad.m = bad.lda = INT32_MAX;  // nearly 2^62 values
  expect_refusal(bad, VAC_EINVAL,
                 "a has 8 values, must have at least 4611686011984936966: m is 2147483647, k is 4, "
                 "lda is 2147483647");
}

TEST_F(Blas, RefusesToWriteOverWhatItReads) {
  std::array<float, 8> memory = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto before = memory;
  for (const bool a_is_hit : {true, false}) {
    float* const c = memory.data() + (a_is_hit ? 1 : 3);
    FakeCall call(host_, vac::ops::Sgemm::id);
    call.scalar(VAC_I64, 2).scalar(VAC_I64, 1).scalar(VAC_I64, 1);
    call.scalar(VAC_F32, std::bit_cast<std::uint32_t>(1.0F));
    call.array(VAC_F32, memory.data(), 8).scalar(VAC_I64, 1);
    call.array(VAC_F32, memory.data() + 4, 4).scalar(VAC_I64, 1);
    call.scalar(VAC_F32, 0).array(VAC_F32, c, 8, VAC_INOUT).scalar(VAC_I64, 1);
    EXPECT_EQ(plugin_.submit(call), VAC_EINVAL);
    EXPECT_EQ(host_.error,
              std::string("c overlaps ") + (a_is_hit ? "a" : "b") + ": give it memory of its own");
  }
  EXPECT_EQ(memory, before);
}

TEST_F(Blas, SaysWhatItComputesWith) {
  std::string text(4096, '\0');
  std::size_t bytes = text.size();
  ASSERT_EQ(table()->describe(plugin_.state(), text.data(), &bytes), VAC_OK);
  const auto json = nlohmann::json::parse(text.substr(0, bytes));
  EXPECT_EQ(json["framework"], "OpenBLAS");
  EXPECT_THAT(json["framework_version"].get<std::string>(), testing::MatchesRegex("[0-9]+\\..*"));
  EXPECT_THAT(json["framework_config"].get<std::string>(), testing::StartsWith("OpenBLAS "));
  EXPECT_EQ(json["threads"], 1);
}

TEST_F(Blas, LimitsHowManyCallsRunAtOnce) {
  EXPECT_EQ(plugin_.offer(vac::ops::Sgemm::id)->concurrency, 32U);
}

/// Many calls at once, with as many threads each.
void multiply_in_many_threads(const char* config) {
  FakeHost opener;
  OpenPlugin plugin(opener, table(), config);
  ASSERT_EQ(plugin.code(), VAC_OK) << opener.error;
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    threads.emplace_back([&plugin, seed] {
      vac::test::Random random(seed);
      for (const std::int64_t size : {5, 150, 90}) {
        Sgemm product = random_product(random, size, size + 1, size + 2);
        const std::vector<float> expected = product.expected();
        FakeHost host;
        EXPECT_EQ(product.run(host, plugin), VAC_OK) << host.error;
        expect_near(product.c, expected);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(BlasThreads, AreOneEachUnlessConfigured) { multiply_in_many_threads("{}"); }

TEST(BlasThreads, MayBeSeveral) { multiply_in_many_threads(R"({"threads":3})"); }

TEST(BlasSettings, AreCheckedWhenThePluginIsOpened) {
  struct Case {
    const char *config, *text;
  };
  for (const Case& bad :
       {Case{R"({"thread":1})", "setting 'thread' is not known to blas: there is threads"},
        Case{R"({"threads":0})", "setting 'threads' is 0, must be a whole number from 1 to 1024"},
        Case{R"({"threads":1025})",
             "setting 'threads' is 1025, must be a whole number from 1 to 1024"},
        Case{R"({"threads":"2"})",
             "setting 'threads' is \"2\", must be a whole number from 1 to 1024"},
        Case{R"({"threads":18446744073709551617})",
             "setting 'threads' is 1.8446744073709552e+19, must be a whole number from 1 to 1024"},
        Case{"3", "the settings are not a JSON object"}}) {
    FakeHost host;
    OpenPlugin plugin(host, table(), bad.config);
    EXPECT_EQ(plugin.code(), VAC_EINVAL) << bad.config;
    EXPECT_EQ(host.error, bad.text);
  }
}

}  // namespace
