/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The operations of an encoder block.
 */
#include "encoder/block.h"

static NpuOperation
layer_norm (const NpuView * input, const NpuView * output, uint32_t width,
    NpuNormWeights weights)
{
  return (NpuOperation) {
    .type = NPU_OPERATION_LAYER_NORM,
    .batch = 1,
    .layer_norm = {
      .input = input,
      .output = output,
      .width = width,
      .scale = weights.scale,
      .shift = weights.shift,
    },
  };
}

static NpuOperation
gemm (const NpuView * input, const NpuView * output, const NpuView * residual,
    NpuLinearWeights weights)
{
  return (NpuOperation) {
    .type = NPU_OPERATION_GEMM,
    .batch = 1,
    .gemm = {
      .input = input,
      .output = output,
      .residual = residual,
      .weight = weights.weight,
      .bias = weights.bias,
    },
  };
}

NpuOperation *
npu_block_list (NpuOperation * next, const NpuBlockViews * views,
    uint32_t width, uint32_t heads, const NpuBlockWeights * weights)
{
  *next++ = layer_norm (views->residual, views->narrow, width,
      weights->attention_norm);
  *next++ = gemm (views->narrow, views->wide, NULL, weights->attention_input);
  *next++ = (NpuOperation) {
    .type = NPU_OPERATION_ATTENTION,
    .batch = 1,
    .attention = {
      .items = views->attention,
      .form = NPU_ATTENTION_FULL,
      .width = width,
      .heads = heads,
    },
  };
  *next++ = gemm (views->narrow, views->residual, views->residual,
      weights->attention_output);
  *next++ = layer_norm (views->residual, views->narrow, width,
      weights->feed_norm);
  *next = gemm (views->narrow, views->wide, NULL, weights->feed_up);
  next++->gemm.gelu = true;
  *next++ = gemm (views->wide, views->residual, views->residual,
      weights->feed_down);
  return next;
}
