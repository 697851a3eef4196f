// SPDX-License-Identifier: Apache-2.0
// The arguments of `sgemm`, checked: OpenBLAS trusts them.
#pragma once

#include <vac/plugin.hpp>
#include <vac/result.hpp>

#include "openblas.hpp"

namespace vac::blas {

/// The product, or which argument has which value and what it must be: VAC_ERANGE for sizes that
/// OpenBLAS cannot count, else VAC_EINVAL.
Result<Product> checked_product(const ops::Sgemm::Args& in);

}  // namespace vac::blas
