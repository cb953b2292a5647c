/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Number formats of weights in files, and their conversion to float32.
 * Private to src/model.
 */
#ifndef NPU_MODEL_DEQUANTIZE_H
#define NPU_MODEL_DEQUANTIZE_H

#include "model/model-file.h"

/* Values are stored in blocks: of NPU_QUANTIZED_BLOCK values that share a
 * scale in the quantised types, of one value in the others. */
#define NPU_QUANTIZED_BLOCK 32

uint32_t npu_tensor_type_block_values (NpuTensorType type);
uint32_t npu_tensor_type_block_bytes (NpuTensorType type);

/**
 * npu_dequantize:
 * Convert @count values, a multiple of the type's block. @data need not be
 * aligned. Any thread.
 */
void npu_dequantize (NpuTensorType type, const uint8_t * data, size_t count,
    float *out);

#endif
