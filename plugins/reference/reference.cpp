// SPDX-License-Identifier: Apache-2.0
// Serves the operations that need no framework with plain loops: to be right, and to be there.
#include <vac/plugin.hpp>

#include "arithmetic.hpp"
#include "picture.hpp"

namespace reference = vac::reference;

VAC_PLUGIN(vac::Plugin("reference", "1.0")
               .handles<vac::ops::Minmax>(reference::minmax)
               .handles<vac::ops::FpgaArraycopy>(reference::copy)
               .handles<vac::ops::FpgaMmult>(reference::multiply_matrices)
               .handles<vac::ops::FpgaVadd>(reference::add)
               .handles<vac::ops::FpgaParallel>(reference::add_and_multiply)
               .handles<vac::ops::Opencv>(reference::picture_function));
