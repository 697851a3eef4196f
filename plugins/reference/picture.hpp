// SPDX-License-Identifier: Apache-2.0
// The functions of `opencv` that this plugin names. A picture is a tensor of u8: [height, width] in
// grey, or [height, width, 3] in red, green and blue.
#pragma once

#include <vac/plugin.hpp>
#include <vac/result.hpp>

namespace vac::reference {

/// read: the function's name, the picture, and what the function takes besides; write: the result.
///   "gray"       a colour picture -> grey: 0.299 red + 0.587 green + 0.114 blue, rounded
///   "invert"     any picture -> 255 - each value
///   "sobel"      a grey picture -> how steep it is: |dx| + |dy| of the 3 x 3 Sobel kernels, at
///   most
///                255; beyond its edge a picture goes on as the nearest pixel
///   "threshold"  any picture and a u8 -> 255 where a value is above it, else 0
/// The result's tensor says the shape that it must have; it may be the picture itself, but for
/// sobel.
Status picture_function(Call& call, const ops::Opencv::Args& in);

}  // namespace vac::reference
