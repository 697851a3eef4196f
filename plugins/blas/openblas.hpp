// SPDX-License-Identifier: Apache-2.0
// OpenBLAS as far as we call it. Its threads are the process's own: whoever else uses it here
// (libtorch does) has the same ones.
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <mutex>
#include <string>

namespace vac::blas {

/// One product, row-major. Sizes and strides have been checked; a stride is at least 1.
struct Product {
  int m, n, k;
  float alpha;
  const float* a;
  int lda;
  const float* b;
  int ldb;
  float beta;
  float* c;
  int ldc;
};

/// Thread-safe.
class OpenBlas {
 public:
  /// Changes nothing in the process. VAC_ENOTSUP where this OpenBLAS cannot have that many threads,
  /// or has integers of 64 bits.
  static Status check(int threads);

  explicit OpenBlas(int threads);
  /// Computes on `threads` threads, this one included. With more than one, one product at a time.
  void multiply(const Product& product);

  int threads() const noexcept { return threads_; }
  /// "0.3.21"
  static std::string version();
  /// What it was built with, and the kind of processor that it has found.
  static std::string config();

 private:
  const int threads_;
  std::mutex several_threads_;
  std::once_flag told_;
  void (*set_omp_threads_)(int) = nullptr;  // nullptr: it does not use OpenMP
  int (*get_omp_threads_)() = nullptr;
};

}  // namespace vac::blas
