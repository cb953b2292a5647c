/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Named, read-only pieces of memory: the files of a directory or a single
 * file, mapped, or the files that are embedded in the library. Private to
 * src/model.
 */
#ifndef NPU_MODEL_BLOB_SOURCE_H
#define NPU_MODEL_BLOB_SOURCE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct
{
  char *name;                   /* within its source */
  const uint8_t *data;          /* NULL when size is 0 */
  size_t size;
} NpuBlob;

typedef struct NpuBlobSource NpuBlobSource;

/**
 * npu_blob_source_open:
 * Open a directory, whose files are mapped as they are asked for, or a
 * regular file, which is mapped at once and is the only blob.
 *
 * Returns NPU_OK, NPU_EIO or NPU_ENOMEM. Free with npu_blob_source_free().
 */
NpuStatus npu_blob_source_open (const char *path, NpuBlobSource ** source,
    NpuError * error);

/**
 * npu_blob_source_open_builtin:
 * Returns NPU_OK, NPU_ENOTSUP when nothing is embedded, or NPU_ENOMEM.
 */
NpuStatus npu_blob_source_open_builtin (NpuBlobSource ** source,
    NpuError * error);

/**
 * npu_blob_source_free:
 * Unmaps everything. @source may be NULL.
 */
void npu_blob_source_free (NpuBlobSource * source);

/**
 * npu_blob_source_is_directory:
 * Returns whether blobs go by names; otherwise npu_blob_source_at (source, 0)
 * is the file.
 */
bool npu_blob_source_is_directory (const NpuBlobSource * source);

/**
 * npu_blob_source_load:
 * Map the file @name of a directory, once. Not for several threads.
 *
 * @name  a plain file name: anything with a '/' in it, and "..", is refused
 * @blob  out; NULL when there is no such file; lives as long as @source
 *
 * Returns NPU_OK (also when there is no such file), NPU_EIO (a link to nowhere,
 * among others), NPU_EFORMAT (the name) or NPU_ENOMEM.
 */
NpuStatus npu_blob_source_load (NpuBlobSource * source, const char *name,
    const NpuBlob ** blob, NpuError * error);

/**
 * npu_blob_source_expect_reading:
 * Tell the system that blobs will be read whole from now on; until then it
 * fetches single pages.
 */
void npu_blob_source_expect_reading (NpuBlobSource * source);

/**
 * npu_blob_source_find:
 * Returns the blob @name if npu_blob_source_load() found it before, or NULL.
 * Any thread once loading is over.
 */
const NpuBlob *npu_blob_source_find (const NpuBlobSource * source,
    const char *name);

/* The blobs loaded so far. */
size_t npu_blob_source_count (const NpuBlobSource * source);
const NpuBlob *npu_blob_source_at (const NpuBlobSource * source, size_t index);

#endif
