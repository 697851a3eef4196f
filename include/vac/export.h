/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAC_EXPORT_H
#define VAC_EXPORT_H

/* Marks what libvac exports; everything else is hidden. */
#define VAC_API __attribute__((visibility("default")))

#endif
