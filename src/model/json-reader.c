/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * jansson bounds the depth of nesting itself (JSON_PARSER_MAX_DEPTH).
 */
#include "model/json-reader.h"

NpuStatus
npu_json_parse (const uint8_t * data, size_t size, const char *what,
    json_t ** root, NpuError * error)
{
  json_error_t json_error;

  *root = NULL;
  if (size == 0)
    return npu_error_set (error, NPU_EFORMAT, "%s is empty", what);
  if (size > NPU_JSON_MAX_BYTES)
    return npu_error_set (error, NPU_EFORMAT, "%s has %zu bytes, at most %u "
        "are sane", what, size, NPU_JSON_MAX_BYTES);
  *root = json_loadb ((const char *) data, size, JSON_REJECT_DUPLICATES,
      &json_error);
  if (!*root)
    return npu_error_set (error, NPU_EFORMAT, "%s, line %d, column %d: %s",
        what, json_error.line, json_error.column, json_error.text);
  if (!json_is_object (*root)) {
    json_decref (*root);
    *root = NULL;
    return npu_error_set (error, NPU_EFORMAT, "%s is not a JSON object", what);
  }
  return NPU_OK;
}

NpuStatus
npu_json_load (NpuBlobSource * source, const char *name, json_t ** root,
    NpuError * error)
{
  const NpuBlob *blob;
  NpuStatus status;

  *root = NULL;
  status = npu_blob_source_load (source, name, &blob, error);
  if (status != NPU_OK || !blob)
    return status;
  return npu_json_parse (blob->data, blob->size, name, root, error);
}

json_t *
npu_json_member (const json_t * object, const char *key)
{
  json_t *member = json_object_get (object, key);

  return json_is_null (member) ? NULL : member;
}

NpuStatus
npu_json_integer (const json_t * object, const char *what, const char *key,
    int64_t * value, NpuError * error)
{
  json_t *member = npu_json_member (object, key);

  if (!member)
    return npu_error_set (error, NPU_EFORMAT, "%s lacks %s", what, key);
  if (!json_is_integer (member))
    return npu_error_set (error, NPU_EFORMAT, "%s: %s is not an integer", what,
        key);
  *value = json_integer_value (member);
  return NPU_OK;
}

NpuStatus
npu_json_boolean (const json_t * object, const char *what, const char *key,
    bool *value, NpuError * error)
{
  json_t *member = npu_json_member (object, key);

  if (!member)
    return NPU_OK;
  if (!json_is_boolean (member))
    return npu_error_set (error, NPU_EFORMAT, "%s: %s is neither true nor "
        "false", what, key);
  *value = json_is_true (member);
  return NPU_OK;
}
