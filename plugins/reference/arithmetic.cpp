// SPDX-License-Identifier: Apache-2.0
#include "arithmetic.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "overlap.hpp"

namespace vac::reference {
namespace {

Status check_equal(std::size_t a, std::size_t b) {
  if (a == b) return {};
  return Error{Errc::invalid, "a has " + std::to_string(a) + " values and b " + std::to_string(b) +
                                  ", must have as many"};
}

/// n where n * n == count.
Result<std::size_t> side_of_square(std::size_t count) {
  // A double is exact far beyond any array that fits a memory, but for the last digit.
  auto side = static_cast<std::size_t>(std::sqrt(static_cast<double>(count)));
  while (side * side > count) --side;
  while ((side + 1) * (side + 1) <= count) ++side;
  if (side * side == count) return side;
  return Error{Errc::invalid, "a has " + std::to_string(count) +
                                  " values, must be those of a square matrix: 1, 4, 9, 16, ..."};
}

}  // namespace

Status minmax(Call& /*call*/, const ops::Minmax::Args& in) {
  if (in.low > in.high) {
    return Error{Errc::invalid, "low is " + std::to_string(in.low) + " and high " +
                                    std::to_string(in.high) + ", low must not be above high"};
  }
  VAC_TRY(const std::span<double> result, in.result.resize(in.data.size()));
  VAC_CHECK(refuse_overlap({"result", "data"}, result, in.data, Same::allowed));
  double least = std::numeric_limits<double>::quiet_NaN();
  double greatest = least;
  for (std::size_t i = 0; i < result.size(); ++i) {
    // Neither comparison holds for NaN, which std::clamp therefore leaves as it is.
    const double value = std::clamp<double>(in.data[i], in.low, in.high);
    result[i] = value;
    least = std::fmin(least, value);  // the other one, where one is NaN
    greatest = std::fmax(greatest, value);
  }
  in.min.set(least);
  in.max.set(greatest);
  return {};
}

Status copy(Call& /*call*/, const ops::FpgaArraycopy::Args& in) {
  VAC_TRY(const std::span<std::int32_t> out_a, in.out_a.resize(in.a.size()));
  VAC_CHECK(refuse_overlap({"out_a", "a"}, out_a, in.a, Same::allowed));
  std::copy(in.a.begin(), in.a.end(), out_a.begin());
  return {};
}

Status multiply_matrices(Call& call, const ops::FpgaMmult::Args& in) {
  VAC_CHECK(check_equal(in.a.size(), in.b.size()));
  VAC_TRY(const std::size_t n, side_of_square(in.a.size()));
  VAC_TRY(const std::span<float> c, in.c.resize(in.a.size()));
  VAC_CHECK(refuse_overlap({"c", "a"}, c, in.a, Same::refused));
  VAC_CHECK(refuse_overlap({"c", "b"}, c, in.b, Same::refused));
  for (std::size_t row = 0; row < n; ++row) {
    if (call.cancelled()) {
      return Error{Errc::cancelled,
                   "cancelled after " + std::to_string(row) + " of " + std::to_string(n) + " rows"};
    }
    const std::span<float> to = c.subspan(row * n, n);
    std::fill(to.begin(), to.end(), 0.0F);
    // Along the rows of b, not down its columns: caches and vector units want neighbours.
    for (std::size_t k = 0; k < n; ++k) {
      const float factor = in.a[row * n + k];
      const std::span<const float> from = in.b.subspan(k * n, n);
      for (std::size_t column = 0; column < n; ++column) to[column] += factor * from[column];
    }
  }
  return {};
}

Status add(Call& /*call*/, const ops::FpgaVadd::Args& in) {
  VAC_CHECK(check_equal(in.a.size(), in.b.size()));
  VAC_TRY(const std::span<float> c, in.c.resize(in.a.size()));
  VAC_CHECK(refuse_overlap({"c", "a"}, c, in.a, Same::allowed));
  VAC_CHECK(refuse_overlap({"c", "b"}, c, in.b, Same::allowed));
  for (std::size_t i = 0; i < c.size(); ++i) c[i] = in.a[i] + in.b[i];
  return {};
}

Status add_and_multiply(Call& /*call*/, const ops::FpgaParallel::Args& in) {
  VAC_CHECK(check_equal(in.a.size(), in.b.size()));
  VAC_TRY(const std::span<float> sums, in.add.resize(in.a.size()));
  VAC_TRY(const std::span<float> products, in.mult.resize(in.a.size()));
  VAC_CHECK(refuse_overlap({"add", "mult"}, sums, products, Same::refused));
  for (const auto& [name, output] : {std::pair("add", sums), std::pair("mult", products)}) {
    VAC_CHECK(refuse_overlap({name, "a"}, output, in.a, Same::allowed));
    VAC_CHECK(refuse_overlap({name, "b"}, output, in.b, Same::allowed));
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    // Both are read before either is written: an output may be an input.
    const float a = in.a[i];
    const float b = in.b[i];
    sums[i] = a + b;
    products[i] = a * b;
  }
  return {};
}

}  // namespace vac::reference
