// SPDX-License-Identifier: Apache-2.0
// stb_image with the two formats that we take; their parsers alone are compiled.
#pragma once

#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_NO_STDIO
#include <stb/stb_image.h>
