/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One pre-norm transformer block of the encoder as device operations.
 */
#ifndef NPU_ENCODER_BLOCK_H
#define NPU_ENCODER_BLOCK_H

#include "device/device.h"
#include "model/model-weights.h"

#define NPU_BLOCK_OPERATIONS 7

/* What the operations of a block point to: arrays of one view per item. */
typedef struct
{
  const NpuView *residual;      /* activations of the width: in and out */
  const NpuView *narrow;        /* of the width: normed input, heads' output */
  const NpuView *wide;          /* of max (3 width, feed-forward) */
  const NpuAttentionItem *attention;    /* from wide to narrow */
} NpuBlockViews;

/**
 * npu_block_list:
 * Write the operations of a block to @operations: x += attention (norm (x)),
 * then x += feed_forward (norm (x)) (Whisper, model.py,
 * ResidualAttentionBlock).
 *
 * @operations  room for NPU_BLOCK_OPERATIONS; they refer to @views' arrays.
 *              The batch is 1
 *
 * Returns what lies behind the last one. Any thread.
 */
NPU_API NpuOperation *npu_block_list (NpuOperation * operations,
    const NpuBlockViews * views, uint32_t width, uint32_t heads,
    const NpuBlockWeights * weights);

#endif
