/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Host twins of the bf16 tile kernels: the choice of an instruction set, and
 * the tiles of fixed size put together from the pieces.
 */
#include "tiles/loops.h"

#define TILE (NPU_TILE_SIDE * NPU_TILE_SIDE)

const NpuTileLoops *
npu_tile_loops (void)
{
#ifdef NPU_TILES_AVX2
  if (__builtin_cpu_supports ("avx2"))
    return &npu_tile_loops_avx2;
#endif
  return &npu_tile_loops_c;
}

void
npu_tile_gemm_bf16 (NpuTileRows a, NpuTileRows b,
    NpuTileAccumulators *accumulators)
{
  npu_tile_loops ()->gemm (a, b, accumulators);
}

void
npu_tile_epilogue_bf16 (const NpuTileAccumulators *accumulators,
    const NpuTileEpilogue *epilogue, uint16_t *output, size_t stride)
{
  npu_tile_loops ()->epilogue (accumulators, epilogue, output, stride);
}

void
npu_tile_attention_begin (NpuTileAttention *attention, NpuTileRows queries,
    float factor)
{
  npu_tile_loops ()->attention_begin (attention, queries, factor);
}

void
npu_tile_attention_block (NpuTileAttention *attention, NpuTileRows keys,
    NpuTileRows values, size_t count)
{
  npu_tile_loops ()->attention_block (attention, keys, values, count);
}

void
npu_tile_attention_end (const NpuTileAttention *attention, uint16_t *output,
    size_t stride)
{
  npu_tile_loops ()->attention_end (attention, output, stride);
}

void
npu_tile_layer_norm_bf16 (size_t width, const uint16_t *input,
    const uint16_t *scale, const uint16_t *shift, uint16_t *output)
{
  npu_tile_loops ()->layer_norm (width, input, scale, shift, output);
}

void
npu_tile_gelu (const float *input, float *output, size_t count)
{
  npu_tile_loops ()->gelu (input, output, count);
}

void
npu_tile_exp2 (const float *input, float *output, size_t count)
{
  npu_tile_loops ()->exp2 (input, output, count);
}

/* ----------------------------------------------- tiles of fixed size */

void
npu_tile_attention_bf16 (const uint16_t *input, uint16_t *output)
{
  NpuTileRows queries = { input, NPU_TILE_SIDE };
  NpuTileRows keys = { input + TILE, NPU_TILE_SIDE };
  NpuTileRows values = { input + 2 * TILE, NPU_TILE_SIDE };
  NpuTileAttention attention;

  npu_tile_attention_begin (&attention, queries, NPU_TILE_QUERY_FACTOR);
  npu_tile_attention_block (&attention, keys, values, NPU_TILE_ROWS);
  npu_tile_attention_end (&attention, output, NPU_TILE_SIDE);
}

void
npu_tile_layer_norm_row_bf16 (const uint16_t *input, uint16_t *output)
{
  npu_tile_layer_norm_bf16 (NPU_TILE_NORM_WIDTH, input,
      input + NPU_TILE_NORM_WIDTH, input + 2 * NPU_TILE_NORM_WIDTH, output);
}

void
npu_tile_gemm_pair_bf16 (const uint16_t *input, uint16_t *output)
{
  NpuTileRows a = { input, NPU_TILE_SIDE };
  NpuTileRows b = { input + TILE, NPU_TILE_SIDE };
  NpuTileEpilogue plain = { NULL, false, {NULL, 0} };
  NpuTileAccumulators accumulators;

  memset (&accumulators, 0, sizeof (accumulators));
  npu_tile_gemm_bf16 (a, b, &accumulators);
  npu_tile_epilogue_bf16 (&accumulators, &plain, output, NPU_TILE_SIDE);
}

void
npu_tile_gelu_bf16 (const uint16_t *input, uint16_t *output)
{
  float values[NPU_TILE_GELU_COUNT];

  for (size_t i = 0; i < NPU_TILE_GELU_COUNT; i++)
    values[i] = npu_bf16_to_float (input[i]);
  npu_tile_gelu (values, values, NPU_TILE_GELU_COUNT);
  for (size_t i = 0; i < NPU_TILE_GELU_COUNT; i++)
    output[i] = npu_float_to_bf16 (values[i]);
}
