/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * safetensors files: 8 bytes with the length of a JSON header, the header,
 * and the data, to which the header's offsets refer. As in the reference
 * implementation the tensors must cover the data without gap or overlap.
 */
#include "model/json-reader.h"
#include "model/model-file-private.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES 8

/* large-v3's header has 160 kB. */
#define MAX_HEADER_BYTES (16u << 20)

/* Of tensors that the model does not know; known ones have at most
 * NPU_TENSOR_MAX_DIMENSIONS. */
#define MAX_DIMENSIONS 8

typedef struct
{
  const char *name;
  uint32_t bytes;               /* of an element */
  NpuTensorType type;           /* NPU_TENSOR_TYPES: not for weights */
} Dtype;

static const Dtype dtypes[] = {
  {"F32", 4, NPU_TENSOR_F32},
  {"F16", 2, NPU_TENSOR_F16},
  {"BF16", 2, NPU_TENSOR_BF16},
  {"F64", 8, NPU_TENSOR_TYPES},
  {"I64", 8, NPU_TENSOR_TYPES},
  {"U64", 8, NPU_TENSOR_TYPES},
  {"I32", 4, NPU_TENSOR_TYPES},
  {"U32", 4, NPU_TENSOR_TYPES},
  {"I16", 2, NPU_TENSOR_TYPES},
  {"U16", 2, NPU_TENSOR_TYPES},
  {"I8", 1, NPU_TENSOR_TYPES},
  {"U8", 1, NPU_TENSOR_TYPES},
  {"BOOL", 1, NPU_TENSOR_TYPES},
};

typedef struct
{
  const char *name;
  const Dtype *dtype;
  uint32_t dimensions;
  uint64_t shape[MAX_DIMENSIONS];
  uint64_t begin, end;          /* in the data */
} Entry;

typedef struct
{
  const NpuBlob *blob;
  const uint8_t *data;
  uint64_t data_size;
  json_t *header;
  Entry *entries;
  size_t count;
} File;

static NpuStatus
parse_header (File * file, NpuError * error)
{
  const NpuBlob *blob = file->blob;
  uint64_t length;

  if (blob->size < LENGTH_BYTES)
    return npu_error_set (error, NPU_EFORMAT, "%s ends after %zu bytes, "
        "within the length of its header; download it again", blob->name,
        blob->size);
  memcpy (&length, blob->data, LENGTH_BYTES);
  length = le64toh (length);
  if (length > MAX_HEADER_BYTES)
    return npu_error_set (error, NPU_EFORMAT, "%s claims a header of %llu "
        "bytes, at most %u are sane; it is no safetensors file", blob->name,
        (unsigned long long) length, MAX_HEADER_BYTES);
  if (length > blob->size - LENGTH_BYTES)
    return npu_error_set (error, NPU_EFORMAT, "%s ends after %zu bytes, "
        "within its header of %llu bytes; download it again", blob->name,
        blob->size, (unsigned long long) length);
  file->data = blob->data + LENGTH_BYTES + length;
  file->data_size = blob->size - LENGTH_BYTES - length;
  return npu_json_parse (blob->data + LENGTH_BYTES, (size_t) length,
      blob->name, &file->header, error);
}

static NpuStatus
bad_entry (const File * file, const Entry * entry, const char *what,
    NpuError * error)
{
  return npu_error_set (error, NPU_EFORMAT, "%s: tensor '%s': %s",
      file->blob->name, entry->name, what);
}

static NpuStatus
parse_shape (const File * file, Entry * entry, const json_t * shape,
    uint64_t * bytes, NpuError * error)
{
  if (!json_is_array (shape) || json_array_size (shape) > MAX_DIMENSIONS)
    return bad_entry (file, entry, "shape is not an array of at most 8",
        error);
  entry->dimensions = (uint32_t) json_array_size (shape);
  *bytes = entry->dtype->bytes;
  for (uint32_t i = 0; i < entry->dimensions; i++) {
    const json_t *extent = json_array_get (shape, i);

    if (!json_is_integer (extent) || json_integer_value (extent) < 0)
      return bad_entry (file, entry, "an extent in shape is not a count",
          error);
    entry->shape[i] = (uint64_t) json_integer_value (extent);
    if (__builtin_mul_overflow (*bytes, entry->shape[i], bytes))
      return bad_entry (file, entry, "shape is too large", error);
  }
  return NPU_OK;
}

static NpuStatus
parse_offsets (const File * file, Entry * entry, const json_t * offsets,
    NpuError * error)
{
  const json_t *begin = json_array_get (offsets, 0);
  const json_t *end = json_array_get (offsets, 1);

  if (json_array_size (offsets) != 2 || !json_is_integer (begin)
      || !json_is_integer (end) || json_integer_value (begin) < 0
      || json_integer_value (end) < json_integer_value (begin))
    return bad_entry (file, entry, "data_offsets is not a pair of ascending "
        "offsets", error);
  entry->begin = (uint64_t) json_integer_value (begin);
  entry->end = (uint64_t) json_integer_value (end);
  return NPU_OK;
}

static NpuStatus
parse_entry (const File * file, Entry * entry, const json_t * value,
    NpuError * error)
{
  const char *dtype = json_string_value (json_object_get (value, "dtype"));
  uint64_t bytes = 0;
  NpuStatus status;

  if (!dtype)
    return bad_entry (file, entry, "dtype is missing", error);
  for (size_t i = 0; i < sizeof (dtypes) / sizeof (dtypes[0]); i++) {
    if (!strcmp (dtypes[i].name, dtype))
      entry->dtype = &dtypes[i];
  }
  if (!entry->dtype)
    return npu_error_set (error, NPU_ENOTSUP, "%s: tensor '%s' has the dtype "
        "%.16s, which is not supported; save the model as F32, F16 or BF16",
        file->blob->name, entry->name, dtype);
  status = parse_shape (file, entry, json_object_get (value, "shape"), &bytes,
      error);
  if (status == NPU_OK)
    status = parse_offsets (file, entry, json_object_get (value,
            "data_offsets"), error);
  if (status == NPU_OK && entry->end - entry->begin != bytes)
    status = npu_error_set (error, NPU_EFORMAT, "%s: tensor '%s': shape and "
        "dtype need %llu bytes, data_offsets give %llu", file->blob->name,
        entry->name, (unsigned long long) bytes,
        (unsigned long long) (entry->end - entry->begin));
  return status;
}

static int
compare_begins (const void *a, const void *b)
{
  const Entry *left = a, *right = b;

  if (left->begin != right->begin)
    return left->begin < right->begin ? -1 : 1;
  return (left->end > right->end) - (left->end < right->end);
}

static NpuStatus
parse_entries (File * file, NpuError * error)
{
  const char *name;
  json_t *value;
  uint64_t covered = 0;

  file->entries = calloc (json_object_size (file->header) + 1,
      sizeof (*file->entries));
  if (!file->entries)
    return npu_error_set (error, NPU_ENOMEM, "out of memory");
  json_object_foreach (file->header, name, value) {
    Entry *entry = &file->entries[file->count];
    NpuStatus status;

    if (!strcmp (name, "__metadata__"))
      continue;
    entry->name = name;
    status = parse_entry (file, entry, value, error);
    if (status != NPU_OK)
      return status;
    file->count++;
  }

  qsort (file->entries, file->count, sizeof (*file->entries), compare_begins);
  for (size_t i = 0; i < file->count; i++) {
    const Entry *entry = &file->entries[i];

    if (entry->begin < covered)
      return bad_entry (file, entry, "data_offsets overlap another tensor's",
          error);
    if (entry->begin > covered)
      return bad_entry (file, entry, "data_offsets leave a gap before it",
          error);
    if (entry->end > file->data_size)
      return npu_error_set (error, NPU_EFORMAT, "%s: tensor '%s' ends at byte "
          "%llu of the data, the file ends after %llu; download it again",
          file->blob->name, entry->name, (unsigned long long) entry->end,
          (unsigned long long) file->data_size);
    covered = entry->end;
  }
  if (covered != file->data_size)
    return npu_error_set (error, NPU_EFORMAT, "%s has %llu bytes of data, its "
        "tensors cover %llu", file->blob->name,
        (unsigned long long) file->data_size, (unsigned long long) covered);
  return NPU_OK;
}

/* WhisperForConditionalGeneration writes "model.encoder...", WhisperModel
 * "encoder...". */
static const char *
strip_prefix (const char *name)
{
  static const char prefix[] = "model.";
  size_t length = sizeof (prefix) - 1;

  return strncmp (name, prefix, length) ? name : name + length;
}

static NpuStatus
fill_tensors (const File * file, NpuTensorTable * table, NpuError * error)
{
  for (size_t i = 0; i < file->count; i++) {
    const Entry *entry = &file->entries[i];
    const char *name = strip_prefix (entry->name);
    NpuTensor *tensor = npu_tensor_table_find_in_file (table, name,
        strlen (name));
    NpuTensorRecord record = { 0 };
    uint64_t size = 0;
    NpuStatus status;

    if (!tensor)
      continue;
    if (entry->dtype->type == NPU_TENSOR_TYPES)
      return npu_error_set (error, NPU_ENOTSUP, "%s: tensor '%s' has the "
          "dtype %s, which is not supported; save the model as F32, F16 or "
          "BF16", file->blob->name, entry->name, entry->dtype->name);
    if (entry->dimensions < 1 || entry->dimensions > NPU_TENSOR_MAX_DIMENSIONS)
      return bad_entry (file, entry, "shape must have 1 to 3 dimensions",
          error);
    record.type = entry->dtype->type;
    record.dimensions = entry->dimensions;
    memcpy (record.shape, entry->shape, sizeof (record.shape));
    record.data = file->data + entry->begin;
    record.available = file->data_size - entry->begin;
    status = npu_tensor_fill (tensor, &record, &size, error);
    if (status != NPU_OK)
      return status;
  }
  return NPU_OK;
}

NpuStatus
npu_safetensors_load (const NpuBlob * blob, NpuTensorTable * table,
    NpuError * error)
{
  File file = {.blob = blob };
  NpuStatus status;

  status = parse_header (&file, error);
  if (status == NPU_OK)
    status = parse_entries (&file, error);
  if (status == NPU_OK)
    status = fill_tensors (&file, table, error);
  free (file.entries);
  json_decref (file.header);
  return status;
}
