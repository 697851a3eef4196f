/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that count, and the parts of the program that calls every public function. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vac/vac.h>

/* The condition holds; else its text is printed with the library's last error. */
#define EXPECT(condition) expect((condition), #condition, __FILE__, __LINE__)
/* The call answers that code. */
#define EXPECT_CODE(call, code) expect_code((call), (code), #call, __FILE__, __LINE__)
/* The call is refused with that code and a text that holds `part` and ends with the code's name. */
#define EXPECT_REFUSAL(call, code, part) \
  expect_refusal((call), (code), (part), #call, __FILE__, __LINE__)

bool expect(bool condition, const char* text, const char* file, int line);
bool expect_code(int got, int wanted, const char* text, const char* file, int line);
bool expect_refusal(int got, int wanted, const char* part, const char* text, const char* file,
                    int line);

/* What was checked, and what failed. */
extern int checked, failed;

/* What every part gets: a session, and a folder that holds the file `model.bin` and the folder
 * `set` with one file. */
struct context {
  vac_session* session;
  const char* folder;
  bool local;
};

bool all_zero(const void* data, size_t bytes);

/* "folder/name"; valid until the next call. */
const char* path_of(const struct context* context, const char* name);
/* Opens model.bin, which the caller closes. */
vac_resource* open_model(const struct context* context);

/* Before any call of this thread has failed. */
void check_no_error_yet(void);
void check_errors(void);
void check_session(const struct context* context, const char* address);
void check_resources(const struct context* context);
void check_tensors(const struct context* context);
void check_buffers(const struct context* context);
void check_models(const struct context* context);
void check_images(const struct context* context);
void check_values(const struct context* context);
void check_numbers(const struct context* context);
void check_async(const struct context* context);

#endif
