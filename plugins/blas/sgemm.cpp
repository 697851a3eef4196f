// SPDX-License-Identifier: Apache-2.0
#include "sgemm.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace vac::blas {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<int>::max();

/// One matrix of the call: its values, and the names that its sizes have.
struct Matrix {
  const char* name;
  std::span<const float> values;
  std::int64_t rows, columns, stride;
  const char *rows_name, *columns_name, *stride_name;
};

Status check_size(const char* name, std::int64_t value) {
  if (value < 0) {
    return Error{Errc::invalid,
                 std::string(name) + " is " + std::to_string(value) + ", must be 0 or more"};
  }
  if (value > kMost) {
    return Error{Errc::out_of_range, std::string(name) + " is " + std::to_string(value) +
                                         ", must be at most " + std::to_string(kMost) +
                                         ": split the product"};
  }
  return {};
}

Status check_stride(const Matrix& matrix) {
  VAC_CHECK(check_size(matrix.stride_name, matrix.stride));
  if (matrix.stride >= matrix.columns) return {};
  return Error{Errc::invalid, std::string(matrix.stride_name) + " is " +
                                  std::to_string(matrix.stride) + ", must be at least " +
                                  matrix.columns_name + ", which is " +
                                  std::to_string(matrix.columns)};
}

/// Both factors are below 2^31, so that nothing overflows.
std::int64_t values_needed(const Matrix& matrix) {
  if (matrix.rows == 0 || matrix.columns == 0) return 0;
  return (matrix.rows - 1) * matrix.stride + matrix.columns;
}

Status check_values(const Matrix& matrix) {
  const std::int64_t needed = values_needed(matrix);
  if (static_cast<std::int64_t>(matrix.values.size()) >= needed) return {};
  return Error{Errc::invalid,
               std::string(matrix.name) + " has " + std::to_string(matrix.values.size()) +
                   " values, must have at least " + std::to_string(needed) + ": " +
                   matrix.rows_name + " is " + std::to_string(matrix.rows) + ", " +
                   matrix.columns_name + " is " + std::to_string(matrix.columns) + ", " +
                   matrix.stride_name + " is " + std::to_string(matrix.stride)};
}

bool overlap(std::span<const float> a, std::span<const float> b) {
  const auto begin_a = reinterpret_cast<std::uintptr_t>(a.data());
  const auto begin_b = reinterpret_cast<std::uintptr_t>(b.data());
  return !a.empty() && !b.empty() && begin_a < begin_b + b.size_bytes() &&
         begin_b < begin_a + a.size_bytes();
}

/// What the product touches of the values given.
std::span<const float> touched(const Matrix& matrix) {
  return matrix.values.first(static_cast<std::size_t>(values_needed(matrix)));
}

/// OpenBLAS wants a stride of at least 1, also where there are no columns.
int stride_of(const Matrix& matrix) {
  return static_cast<int>(std::max<std::int64_t>(matrix.stride, 1));
}

}  // namespace

Result<Product> checked_product(const ops::Sgemm::Args& in) {
  VAC_CHECK(check_size("m", in.m));
  VAC_CHECK(check_size("n", in.n));
  VAC_CHECK(check_size("k", in.k));
  const Matrix a{"a", in.a, in.m, in.k, in.lda, "m", "k", "lda"};
  const Matrix b{"b", in.b, in.k, in.n, in.ldb, "k", "n", "ldb"};
  const Matrix c{"c", in.c, in.m, in.n, in.ldc, "m", "n", "ldc"};
  for (const Matrix* matrix : {&a, &b, &c}) VAC_CHECK(check_stride(*matrix));
  for (const Matrix* matrix : {&a, &b, &c}) VAC_CHECK(check_values(*matrix));
  for (const Matrix* matrix : {&a, &b}) {
    if (overlap(touched(c), touched(*matrix))) {
      return Error{Errc::invalid,
                   std::string("c overlaps ") + matrix->name + ": give it memory of its own"};
    }
  }
  // OpenBLAS lets a NaN of a and b through where alpha is 0 and the matrices are small.
  const std::int64_t k = in.alpha == 0 ? 0 : in.k;
  return Product{static_cast<int>(in.m),
                 static_cast<int>(in.n),
                 static_cast<int>(k),
                 in.alpha,
                 in.a.data(),
                 stride_of(a),
                 in.b.data(),
                 stride_of(b),
                 in.beta,
                 in.c.data(),
                 stride_of(c)};
}

}  // namespace vac::blas
