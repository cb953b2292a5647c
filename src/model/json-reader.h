/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * JSON files of a model, on jansson: parsing within limits, and checked reads
 * whose errors name file and key. Private to src/model.
 */
#ifndef NPU_MODEL_JSON_READER_H
#define NPU_MODEL_JSON_READER_H

#include "model/blob-source.h"

#include <jansson.h>

/* tokenizer.json of large-v3 has 2.5 MB. */
#define NPU_JSON_MAX_BYTES (64u << 20)

/**
 * npu_json_parse:
 * Parse @size bytes at @data, which must be an object. A key that occurs
 * twice is an error.
 *
 * @what  the file's name, for messages
 * @root  out; to be given back with json_decref()
 *
 * Returns NPU_OK or NPU_EFORMAT.
 */
NpuStatus npu_json_parse (const uint8_t * data, size_t size, const char *what,
    json_t ** root, NpuError * error);

/**
 * npu_json_load:
 * Load @name from @source and parse it. @root is NULL with NPU_OK when there
 * is no such file.
 */
NpuStatus npu_json_load (NpuBlobSource * source, const char *name,
    json_t ** root, NpuError * error);

/* The member @key of @object, or NULL when it is absent or null. */
json_t *npu_json_member (const json_t * object, const char *key);

/**
 * npu_json_integer:
 * Returns NPU_OK, or NPU_EFORMAT when @key is absent or not an integer.
 */
NpuStatus npu_json_integer (const json_t * object, const char *what,
    const char *key, int64_t * value, NpuError * error);

/**
 * npu_json_boolean:
 * Leaves @value alone when @key is absent. Returns NPU_OK, or NPU_EFORMAT
 * when it is not a boolean.
 */
NpuStatus npu_json_boolean (const json_t * object, const char *what,
    const char *key, bool *value, NpuError * error);

#endif
