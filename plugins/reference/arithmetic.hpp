// SPDX-License-Identifier: Apache-2.0
// The operations on arrays of numbers. What each computes is said in ops/minmax.toml and
// ops/fpga.toml. Inputs and outputs may be the same memory; VAC_EINVAL where they overlap
// otherwise.
#pragma once

#include <vac/plugin.hpp>
#include <vac/result.hpp>

namespace vac::reference {

Status minmax(Call& call, const ops::Minmax::Args& in);
Status copy(Call& call, const ops::FpgaArraycopy::Args& in);
/// Ends with VAC_ECANCELED, a row after the call was cancelled.
Status multiply_matrices(Call& call, const ops::FpgaMmult::Args& in);
Status add(Call& call, const ops::FpgaVadd::Args& in);
Status add_and_multiply(Call& call, const ops::FpgaParallel::Args& in);

}  // namespace vac::reference
