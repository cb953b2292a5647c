/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The tensors that a model of given numbers must have. The table is made from
 * the numbers, then a loader fills in what it finds in the file; whatever
 * does not match is refused. Private to src/model.
 */
#ifndef NPU_MODEL_TENSOR_TABLE_H
#define NPU_MODEL_TENSOR_TABLE_H

#include "model/model-file.h"

#define NPU_TENSOR_NAME_SIZE 64

typedef enum
{
  NPU_NAMES_GGML,
  NPU_NAMES_HUGGING_FACE,
} NpuTensorNames;

typedef struct
{
  NpuTensorInfo info;           /* first: users hold pointers to it */
  char name[NPU_TENSOR_NAME_SIZE];      /* info.name */
  char file_name[NPU_TENSOR_NAME_SIZE]; /* in the file's naming */
  const uint8_t *data;          /* NULL until found */
  bool computed;                /* sinusoids: not in the file */
} NpuTensor;

typedef struct
{
  NpuTensor *tensors;           /* by name */
  NpuTensor **by_file_name;
  size_t count;
} NpuTensorTable;

/* A tensor as a file describes it. */
typedef struct
{
  NpuTensorType type;
  uint32_t dimensions;
  uint64_t shape[NPU_TENSOR_MAX_DIMENSIONS];    /* outermost first */
  const uint8_t *data;
  uint64_t available;           /* bytes from data to the end of the file */
} NpuTensorRecord;

/**
 * npu_tensor_table_init:
 * @config must have passed npu_config_finish(). Returns NPU_OK or NPU_ENOMEM;
 * free with npu_tensor_table_clear() in both cases.
 */
NpuStatus npu_tensor_table_init (NpuTensorTable * table,
    const NpuModelConfig * config, NpuTensorNames names, NpuError * error);
void npu_tensor_table_clear (NpuTensorTable * table);

/* Lookup by the file's name (of @length bytes, no terminator needed) and by
 * the canonical one; NULL when the model has no such tensor. */
NpuTensor *npu_tensor_table_find_in_file (const NpuTensorTable * table,
    const char *name, size_t length);
const NpuTensor *npu_tensor_table_find (const NpuTensorTable * table,
    const char *name);

/**
 * npu_tensor_fill:
 * Check @record against what @tensor must be and take it over.
 *
 * @size  out: the data's bytes, never more than record->available
 *
 * Returns NPU_OK, NPU_EFORMAT (found twice, wrong shape, data beyond the end)
 * or NPU_ENOTSUP.
 */
NpuStatus npu_tensor_fill (NpuTensor * tensor,
    const NpuTensorRecord * record, uint64_t * size, NpuError * error);

/**
 * npu_tensor_table_check_complete:
 * Returns NPU_OK, or NPU_EFORMAT and the names of those that are missing.
 */
NpuStatus npu_tensor_table_check_complete (const NpuTensorTable * table,
    NpuError * error);

/**
 * npu_tensor_read_rows:
 * As npu_model_file_read_rows(), with rows that were checked.
 */
void npu_tensor_read_rows (const NpuTensor * tensor, size_t first_row,
    size_t rows, float *out);

#endif
