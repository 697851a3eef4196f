/* SPDX-License-Identifier: Apache-2.0 */
/* Resources: a model, library or data set. Opening one reads and hashes it once; nothing is loaded
 * or sent before the first call that uses it. */
#ifndef VAC_RESOURCE_H
#define VAC_RESOURCE_H

#include <stddef.h>

#include <vac/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vac_resource vac_resource;

/* options_json: NULL or a JSON object for the plugin, such as {"device": "cpu", "threads": 2,
 * "format": "torchscript"}. The caller closes the resource, before its session. A call of another
 * session that is given the resource answers VAC_EBADF. */

/* One file. It must not change while the resource is open. */
VAC_API int vac_resource_open_file(vac_session* session, const char* path, const char* options_json,
                                   vac_resource** resource);
/* A directory; its layout is kept. Regular files alone, no links. */
VAC_API int vac_resource_open_directory(vac_session* session, const char* path,
                                        const char* options_json, vac_resource** resource);
/* Bytes in memory, which the caller keeps until the resource is closed. */
VAC_API int vac_resource_open_bytes(vac_session* session, const void* data, size_t bytes,
                                    const char* options_json, vac_resource** resource);
/* Something that the agent holds: "model://name" or "model://name@sha256". VAC_ENOTSUP at "local:".
 */
VAC_API int vac_resource_open_uri(vac_session* session, const char* uri, const char* options_json,
                                  vac_resource** resource);

/* No call may use it any more. NULL is ignored, and so is one that is closed. */
VAC_API void vac_resource_close(vac_resource* resource);

/* SHA-256 in hex: of the file, of the bytes, or of a directory's manifest; empty for a URI. Lives
 * as long as the resource. */
VAC_API const char* vac_resource_digest(const vac_resource* resource);

#ifdef __cplusplus
}
#endif
#endif
