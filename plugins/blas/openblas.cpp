// SPDX-License-Identifier: Apache-2.0
#include "openblas.hpp"

#include <dlfcn.h>

#include <cstddef>
#include <string_view>

extern "C" {
void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                 const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc);
char* openblas_get_config();
int openblas_get_parallel();
void openblas_set_num_threads(int threads);
}

namespace vac::blas {
namespace {

// Of the CBLAS interface.
constexpr int kRowMajor = 101;
constexpr int kNoTranspose = 111;
// Of openblas_get_parallel().
constexpr int kSequential = 0;
constexpr int kOpenMp = 2;

/// The functions of the OpenMP library that OpenBLAS itself uses, whichever that is.
template <class F>
F* find_omp(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_DEFAULT, name));
}

void multiply_here(const Product& p) {
  cblas_sgemm(kRowMajor, kNoTranspose, kNoTranspose, p.m, p.n, p.k, p.alpha, p.a, p.lda, p.b, p.ldb,
              p.beta, p.c, p.ldc);
}

}  // namespace

Status OpenBlas::check(int threads) {
  if (config().find("USE64BITINT") != std::string::npos) {
    return Error{Errc::not_supported,
                 "this OpenBLAS has integers of 64 bits, the plugin was built for those of 32: "
                 "install libopenblas0-openmp"};
  }
  if (threads > 1 && openblas_get_parallel() == kSequential) {
    return Error{Errc::not_supported,
                 "setting 'threads' is " + std::to_string(threads) +
                     " and this OpenBLAS has no threads: install libopenblas0-openmp, or leave it "
                     "at 1"};
  }
  return {};
}

OpenBlas::OpenBlas(int threads) : threads_(threads) {
  if (openblas_get_parallel() != kOpenMp) return;
  set_omp_threads_ = find_omp<void(int)>("omp_set_num_threads");
  get_omp_threads_ = find_omp<int()>("omp_get_max_threads");
}

void OpenBlas::multiply(const Product& product) {
  // With OpenMP the number is a thread's own, and OpenBLAS obeys it: what the caller's thread had
  // stays its, and others are not touched. Setting it in OpenBLAS itself would take memory from
  // products that run in other threads.
  std::unique_lock<std::mutex> lock;
  if (threads_ > 1) lock = std::unique_lock(several_threads_);
  if (set_omp_threads_ == nullptr || get_omp_threads_ == nullptr) {
    // Its number is the whole process's. Not before the first product: a process that merely looks
    // at the plugin keeps what it has.
    std::call_once(told_, [&] { openblas_set_num_threads(threads_); });
    multiply_here(product);
    return;
  }
  const int before = get_omp_threads_();
  set_omp_threads_(threads_);
  multiply_here(product);
  set_omp_threads_(before);
}

std::string OpenBlas::config() {
  std::string text = openblas_get_config();
  // It ends in blanks.
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string OpenBlas::version() {
  // "OpenBLAS 0.3.21 NO_AFFINITY ..."
  const std::string text = config();
  const std::size_t begin = text.find(' ') + 1;
  return text.substr(begin, text.find(' ', begin) - begin);
}

}  // namespace vac::blas
