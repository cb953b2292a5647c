/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The bf16 tile kernels' loops for each instruction set: the same source
 * (loops_template.h), so that only their speed differs, never a bit.
 */
#ifndef NPU_KERNELS_TILES_LOOPS_H
#define NPU_KERNELS_TILES_LOOPS_H

#include "tiles/tiles.h"

/* Each as the function of tiles.h. */
typedef struct
{
  void (*gemm) (NpuTileRows a, NpuTileRows b,
      NpuTileAccumulators * accumulators);
  void (*epilogue) (const NpuTileAccumulators * accumulators,
      const NpuTileEpilogue * epilogue, uint16_t * output, size_t stride);
  void (*attention_begin) (NpuTileAttention * attention, NpuTileRows queries,
      float factor);
  void (*attention_block) (NpuTileAttention * attention, NpuTileRows keys,
      NpuTileRows values, size_t count);
  void (*attention_end) (const NpuTileAttention * attention,
      uint16_t * output, size_t stride);
  void (*layer_norm) (size_t width, const uint16_t * input,
      const uint16_t * scale, const uint16_t * shift, uint16_t * output);
  void (*gelu) (const float *input, float *output, size_t count);
  void (*exp2) (const float *input, float *output, size_t count);
} NpuTileLoops;

extern const NpuTileLoops npu_tile_loops_c;
extern const NpuTileLoops npu_tile_loops_avx2;

/**
 * npu_tile_loops:
 * Returns the fastest that this processor can run. Any thread.
 */
const NpuTileLoops *npu_tile_loops (void);

#endif
