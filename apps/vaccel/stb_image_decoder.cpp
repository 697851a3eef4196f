// SPDX-License-Identifier: Apache-2.0
// The one place that compiles stb_image. Its warnings are not ours to mend.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-compare"
#define STB_IMAGE_IMPLEMENTATION
#include "stb_image_decoder.hpp"
#pragma GCC diagnostic pop
