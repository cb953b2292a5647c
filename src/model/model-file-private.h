/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the loaders fill in and the tokenizer reads. Private to src/model.
 */
#ifndef NPU_MODEL_MODEL_FILE_PRIVATE_H
#define NPU_MODEL_MODEL_FILE_PRIVATE_H

#include "model/blob-source.h"
#include "model/model-file.h"
#include "model/tensor-table.h"

#include <stdatomic.h>

/* In a ggml file; checked when the file was opened: @count times a length of
 * 4 bytes and as many bytes. */
typedef struct
{
  const uint8_t *data;
  size_t size;
  uint32_t count;
} NpuGgmlVocabulary;

struct NpuModelFile
{
  atomic_uint references;
  char *path;
  char *name;
  NpuBlobSource *source;
  bool ggml;                    /* else a Hugging Face directory */
  NpuModelConfig config;
  NpuAlignmentHead *alignment_heads;    /* if allocated */
  NpuTensorTable tensors;
  NpuGgmlVocabulary vocabulary; /* of a ggml file */
  char digest[17];
};

/* Fill in config, tensors and vocabulary from @file's source. Returns NPU_OK,
 * NPU_EIO, NPU_EFORMAT, NPU_ENOTSUP or NPU_ENOMEM; a message names the field
 * but not the path. What was filled in is freed by npu_model_file_unref(). */
NpuStatus npu_ggml_load (NpuModelFile * file, NpuError * error);
NpuStatus npu_hugging_face_load (NpuModelFile * file, NpuError * error);

/**
 * npu_safetensors_load:
 * Add the tensors of @blob that the model knows to @table; others are
 * ignored, but must lie within the file too.
 */
NpuStatus npu_safetensors_load (const NpuBlob * blob, NpuTensorTable * table,
    NpuError * error);

/**
 * npu_model_make_printable:
 * Replace whatever is not valid UTF-8, and control characters, by '?'.
 */
void npu_model_make_printable (char *text);

/**
 * npu_model_error_prefix:
 * Put "model 'PATH': " before the message in @error, a remedy behind it where
 * it has none of its own behind a semicolon, and make the whole printable.
 * @error may be NULL.
 *
 * Returns @status.
 */
NpuStatus npu_model_error_prefix (NpuError * error, NpuStatus status,
    const char *path);

#endif
