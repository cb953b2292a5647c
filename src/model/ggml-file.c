/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * whisper.cpp's model files: magic, hyperparameters, mel filters, vocabulary,
 * then tensors to the end of the file, all little-endian, nothing aligned.
 */
#include "model/model-config.h"
#include "model/model-file-private.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define GGML_MAGIC 0x67676d6cu
#define GGUF_MAGIC 0x46554747u  /* "GGUF" */
#define ZIP_MAGIC 0x04034b50u   /* "PK": a PyTorch checkpoint */

/* The field ftype is the version of the quantised types times this, plus the
 * type of most tensors. */
#define QUANTISATION_VERSION_FACTOR 1000
#define QUANTISATION_VERSION 2

/* Bins of the spectrum that the mel filters weight: 400 / 2 + 1. */
#define SPECTRUM_BINS 201

/* No token of a published vocabulary is longer than 128 bytes. */
#define MAX_TOKEN_BYTES 4096

/* A tensor's type in the file, by ggml's numbers. */
static const struct
{
  uint32_t ggml;
  NpuTensorType type;
} tensor_types[] = {
  {0, NPU_TENSOR_F32},
  {1, NPU_TENSOR_F16},
  {2, NPU_TENSOR_Q4_0},
  {3, NPU_TENSOR_Q4_1},
  {6, NPU_TENSOR_Q5_0},
  {7, NPU_TENSOR_Q5_1},
  {8, NPU_TENSOR_Q8_0},
  {30, NPU_TENSOR_BF16},
};

typedef struct
{
  const uint8_t *data;
  size_t size;
  size_t offset;                /* never beyond size */
} Reader;

static bool
reader_skip (Reader * reader, uint64_t bytes)
{
  if (bytes > reader->size - reader->offset)
    return false;
  reader->offset += (size_t) bytes;
  return true;
}

static bool
reader_u32 (Reader * reader, uint32_t * value)
{
  const uint8_t *data = reader->data + reader->offset;

  if (!reader_skip (reader, sizeof (*value)))
    return false;
  memcpy (value, data, sizeof (*value));
  *value = le32toh (*value);
  return true;
}

static NpuStatus
truncated (const Reader * reader, const char *where, NpuError * error)
{
  return npu_error_set (error, NPU_EFORMAT, "the file ends within %s, after "
      "%zu bytes; download it again", where, reader->size);
}

static NpuStatus
read_magic (Reader * reader, NpuError * error)
{
  uint32_t magic;

  if (reader->size == 0)
    return npu_error_set (error, NPU_EFORMAT, "the file is empty; download it "
        "again");
  if (!reader_u32 (reader, &magic))
    return truncated (reader, "the magic number", error);
  if (magic == GGUF_MAGIC)
    return npu_error_set (error, NPU_ENOTSUP, "GGUF files are not supported; "
        "use whisper.cpp's ggml-*.bin or a Hugging Face directory");
  if (magic == ZIP_MAGIC)
    return npu_error_set (error, NPU_ENOTSUP, "this is a PyTorch checkpoint; "
        "convert it with whisper.cpp's convert-pt-to-ggml.py");
  if (magic != GGML_MAGIC)
    return npu_error_set (error, NPU_EFORMAT, "not a ggml model: the magic "
        "number is 0x%08x, not 0x%08x; name a ggml-*.bin file or a Hugging "
        "Face directory", magic, GGML_MAGIC);
  return NPU_OK;
}

static NpuStatus
read_hyperparameters (Reader * reader, NpuModelConfig * config,
    uint32_t * quantisation, NpuError * error)
{
  NpuStatus status = NPU_OK;
  uint32_t value;

  for (size_t i = 0; i < NPU_CONFIG_GGML_FIELDS && status == NPU_OK; i++) {
    const NpuConfigField *field = &npu_config_fields[i];

    if (!reader_u32 (reader, &value))
      return truncated (reader, field->ggml_name, error);
    status = npu_config_set_field (config, field, field->ggml_name,
        (int32_t) value, error);
  }
  if (status != NPU_OK)
    return status;
  if (!reader_u32 (reader, &value))
    return truncated (reader, "ftype", error);
  if (value > 100 * QUANTISATION_VERSION_FACTOR)
    return npu_error_set (error, NPU_EFORMAT, "ftype is %d", (int) value);
  *quantisation = value / QUANTISATION_VERSION_FACTOR;

  config->audio_feed_forward = 4 * config->audio_width;
  config->text_feed_forward = 4 * config->text_width;
  config->context_step = 1;
  return npu_config_finish (config, error);
}

static NpuStatus
skip_filters (Reader * reader, const NpuModelConfig * config, NpuError * error)
{
  uint32_t bands, bins;

  if (!reader_u32 (reader, &bands) || !reader_u32 (reader, &bins))
    return truncated (reader, "the mel filters", error);
  if (bands != config->bands || bins != SPECTRUM_BINS)
    return npu_error_set (error, NPU_EFORMAT, "the mel filters are %u x %u, "
        "they must be %u x %d", bands, bins, config->bands, SPECTRUM_BINS);
  if (!reader_skip (reader, (uint64_t) bands * bins * sizeof (float)))
    return truncated (reader, "the mel filters", error);
  return NPU_OK;
}

static NpuStatus
read_vocabulary (Reader * reader, const NpuModelConfig * config,
    NpuGgmlVocabulary * vocabulary, NpuError * error)
{
  size_t start;

  if (!reader_u32 (reader, &vocabulary->count))
    return truncated (reader, "the vocabulary's size", error);
  if (vocabulary->count > config->vocabulary)
    return npu_error_set (error, NPU_EFORMAT, "the vocabulary has %u tokens, "
        "more than n_vocab, which is %u", vocabulary->count,
        config->vocabulary);

  start = reader->offset;
  for (uint32_t i = 0; i < vocabulary->count; i++) {
    uint32_t length;

    if (!reader_u32 (reader, &length))
      return truncated (reader, "the vocabulary", error);
    if (length > MAX_TOKEN_BYTES)
      return npu_error_set (error, NPU_EFORMAT, "token %u of the vocabulary "
          "has %u bytes, at most %d are sane", i, length, MAX_TOKEN_BYTES);
    if (!reader_skip (reader, length))
      return truncated (reader, "the vocabulary", error);
  }
  vocabulary->data = reader->data + start;
  vocabulary->size = reader->offset - start;
  return NPU_OK;
}

static NpuStatus
find_tensor_type (uint32_t number, uint32_t quantisation, const char *name,
    NpuTensorType * type, NpuError * error)
{
  for (size_t i = 0; i < sizeof (tensor_types) / sizeof (tensor_types[0]); i++) {
    if (tensor_types[i].ggml != number)
      continue;
    *type = tensor_types[i].type;
    if (*type >= NPU_TENSOR_Q4_0 && quantisation != QUANTISATION_VERSION)
      return npu_error_set (error, NPU_ENOTSUP, "tensor '%s' is quantised in "
          "version %u of the format, only version %d is supported (ftype "
          "%d...); quantise the model again with a current whisper.cpp", name,
          quantisation, QUANTISATION_VERSION,
          QUANTISATION_VERSION * QUANTISATION_VERSION_FACTOR);
    return NPU_OK;
  }
  return npu_error_set (error, NPU_ENOTSUP, "tensor '%s' has ggml's type %d, "
      "which is not supported; use f32, f16, bf16, q8_0, q5_0, q5_1, q4_0 or "
      "q4_1", name, (int) number);
}

/* Reads the head of a tensor up to its data. */
static NpuStatus
read_tensor_head (Reader * reader, const NpuTensorTable * table,
    uint32_t quantisation, NpuTensor ** tensor, NpuTensorRecord * record,
    NpuError * error)
{
  uint32_t dimensions, length, type, extents[NPU_TENSOR_MAX_DIMENSIONS];
  const char *name;

  if (!reader_u32 (reader, &dimensions) || !reader_u32 (reader, &length)
      || !reader_u32 (reader, &type))
    return truncated (reader, "the head of a tensor", error);
  if (dimensions < 1 || dimensions > NPU_TENSOR_MAX_DIMENSIONS)
    return npu_error_set (error, NPU_EFORMAT, "a tensor at byte %zu has %d "
        "dimensions, it must be 1 to %d", reader->offset - 3 * 4,
        (int) dimensions, NPU_TENSOR_MAX_DIMENSIONS);
  if (length < 1 || length >= NPU_TENSOR_NAME_SIZE)
    return npu_error_set (error, NPU_EFORMAT, "a tensor at byte %zu has a "
        "name of %d bytes, it must be 1 to %d", reader->offset - 3 * 4,
        (int) length, NPU_TENSOR_NAME_SIZE - 1);
  for (uint32_t i = 0; i < dimensions; i++) {
    if (!reader_u32 (reader, &extents[i]))
      return truncated (reader, "the dimensions of a tensor", error);
    /* the file has the innermost dimension first */
    record->shape[dimensions - 1 - i] = extents[i];
  }
  name = (const char *) reader->data + reader->offset;
  if (!reader_skip (reader, length))
    return truncated (reader, "the name of a tensor", error);

  *tensor = npu_tensor_table_find_in_file (table, name, length);
  if (!*tensor)
    return npu_error_set (error, NPU_EFORMAT, "tensor '%.*s' does not belong "
        "to a Whisper model of these numbers", (int) length, name);

  record->dimensions = dimensions;
  record->data = reader->data + reader->offset;
  record->available = reader->size - reader->offset;
  return find_tensor_type (type, quantisation, (*tensor)->name, &record->type,
      error);
}

static NpuStatus
read_tensors (Reader * reader, NpuTensorTable * table, uint32_t quantisation,
    NpuError * error)
{
  while (reader->offset < reader->size) {
    NpuTensorRecord record = { 0 };
    NpuTensor *tensor = NULL;
    uint64_t size = 0;
    NpuStatus status;

    status = read_tensor_head (reader, table, quantisation, &tensor, &record,
        error);
    if (status == NPU_OK)
      status = npu_tensor_fill (tensor, &record, &size, error);
    if (status != NPU_OK)
      return status;
    reader_skip (reader, size);
  }
  return npu_tensor_table_check_complete (table, error);
}

NpuStatus
npu_ggml_load (NpuModelFile * file, NpuError * error)
{
  const NpuBlob *blob = npu_blob_source_at (file->source, 0);
  Reader reader = { blob->data, blob->size, 0 };
  uint32_t quantisation = 0;
  NpuStatus status;

  status = read_magic (&reader, error);
  if (status == NPU_OK)
    status = read_hyperparameters (&reader, &file->config, &quantisation,
        error);
  if (status == NPU_OK)
    status = skip_filters (&reader, &file->config, error);
  if (status == NPU_OK)
    status = read_vocabulary (&reader, &file->config, &file->vocabulary,
        error);
  if (status == NPU_OK)
    status = npu_tensor_table_init (&file->tensors, &file->config,
        NPU_NAMES_GGML, error);
  if (status == NPU_OK)
    status = read_tensors (&reader, &file->tensors, quantisation, error);
  if (status == NPU_OK)
    file->config.alignment_heads = npu_config_published_heads (&file->config,
        &file->config.alignment_head_count);
  return status;
}
