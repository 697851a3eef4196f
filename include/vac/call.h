/* SPDX-License-Identifier: Apache-2.0 */
/* What one argument of a call is: the 32-byte record that is the same in memory, in the plugin ABI
 * and on the wire. docs/protocol.md gives the checks that a receiver makes. Layouts in this file
 * never change. */
#ifndef VAC_CALL_H
#define VAC_CALL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Element types. The numbers are stable; new ones are a minor version. */
enum vac_type {
  VAC_NONE = 0,
  VAC_BOOL = 1, /* one byte, 0 or 1 */
  VAC_I8 = 2,
  VAC_I16 = 3,
  VAC_I32 = 4,
  VAC_I64 = 5,
  VAC_U8 = 6,
  VAC_U16 = 7,
  VAC_U32 = 8,
  VAC_U64 = 9,
  VAC_F16 = 10,
  VAC_BF16 = 11,
  VAC_F32 = 12,
  VAC_F64 = 13,
  VAC_C64 = 14,  /* two floats */
  VAC_C128 = 15, /* two doubles */
  VAC_BYTE = 16,
  VAC_CHAR = 17,     /* UTF-8 text without NUL */
  VAC_RESOURCE = 18, /* an id */
  VAC_STRING = 19,   /* tensor elements: u64 end offsets, then the bytes */
  VAC_OPAQUE = 20    /* tensor elements of a width of bytes / elements */
};

enum vac_form { VAC_ABSENT = 0, VAC_SCALAR = 1, VAC_ARRAY = 2, VAC_TENSOR = 3, VAC_LIST = 4 };
enum vac_direction { VAC_IN = 1, VAC_OUT = 2, VAC_INOUT = 3 };

#define VAC_MAX_RANK 8
#define VAC_MAX_RECORDS 256 /* children of lists included */

#define VAC_WHERE_INLINE 0u        /* in memory: `value` is a pointer */
#define VAC_WHERE_META 0xfffffffeu /* on the wire only */
#define VAC_WHERE_NOWHERE \
  0xffffffffu /* an output that has no memory yet: the plugin asks for it with `output` */
/* A tensor for output: its type, rank and meta are 0, because the plugin says what it is. Where the
 * caller gave one of his own it is VAC_WHERE_INLINE, `value` is that tensor's memory and `bytes`
 * its size: a plugin may have its result arrive there, and asks for it with `output` all the same,
 * which refuses where type and shape are not those of the caller's tensor; what lies there is
 * undefined then. In a call, no other argument shares that memory. */
#define VAC_ANY_BYTES UINT64_MAX  /* capacity of an output of any size */
#define VAC_ANY_COUNT 0xffffffffu /* count of an out list of any length */

struct vac_arg {
  uint8_t type;   /* enum vac_type */
  uint8_t form;   /* enum vac_form */
  uint8_t dir;    /* enum vac_direction */
  uint8_t rank;   /* tensor: 0..8, else 0 */
  uint32_t where; /* VAC_WHERE_... or a region, 1..15 */
  uint64_t value; /* scalar bits, resource id, offset (wire) or pointer (memory) */
  uint64_t bytes; /* in: size; out: capacity; in a reply: actual size */
  uint32_t count; /* list: children that follow; child of any[]: the caller's type tag; else 0 */
  uint32_t
      meta; /* tensor: offset of int64 dims[rank] in the call's meta, a multiple of 8; else 0 */
};

/* A leaf of an any[] argument. */
struct vac_value {
  uint8_t type, form, rank, zero;
  uint32_t tag; /* the caller's own type tag, passed through */
  void* data;   /* scalar: points at its value */
  uint64_t bytes;
  const int64_t* dims; /* tensor: rank of them, else NULL */
};
typedef struct vac_value vac_value;

/* A 64-bit complex number as arguments of type c64 pass it. */
typedef struct vac_c64 {
  float re, im;
} vac_c64;

/* A 128-bit complex number as arguments of type c128[] hold it. */
typedef struct vac_c128 {
  double re, im;
} vac_c128;

#ifdef __cplusplus
}
#endif
#endif
