/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The tile kernels by number: their sizes and the host twins. See tile.h.
 */
#include "device/tile.h"

#include "tiles/tiles.h"

typedef struct
{
  size_t input;                 /* bytes of a tile */
  size_t output;
  void (*int8) (const int8_t * input, int8_t * output);
  void (*bf16) (const uint16_t * input, uint16_t * output);
} Kernel;

static const Kernel kernels[NPU_TILES] = {
  [NPU_TILE_ATTENTION_INT8] = {
    NPU_TILE_ATTENTION_INT8_INPUT, NPU_TILE_ATTENTION_INT8_OUTPUT,
    .int8 = npu_tile_attention_int8,
  },
  [NPU_TILE_LAYER_NORM_INT8] = {
    NPU_TILE_LAYER_NORM_INT8_INPUT, NPU_TILE_LAYER_NORM_INT8_OUTPUT,
    .int8 = npu_tile_layer_norm_int8,
  },
  [NPU_TILE_GEMM_INT8] = {
    NPU_TILE_GEMM_INT8_INPUT, NPU_TILE_GEMM_INT8_OUTPUT,
    .int8 = npu_tile_gemm_int8,
  },
  [NPU_TILE_GELU_INT8] = {
    NPU_TILE_GELU_INT8_INPUT, NPU_TILE_GELU_INT8_OUTPUT,
    .int8 = npu_tile_gelu_int8,
  },
  [NPU_TILE_ATTENTION_BF16] = {
    NPU_TILE_ATTENTION_BF16_INPUT, NPU_TILE_ATTENTION_BF16_OUTPUT,
    .bf16 = npu_tile_attention_bf16,
  },
  [NPU_TILE_LAYER_NORM_BF16] = {
    NPU_TILE_LAYER_NORM_BF16_INPUT, NPU_TILE_LAYER_NORM_BF16_OUTPUT,
    .bf16 = npu_tile_layer_norm_row_bf16,
  },
  [NPU_TILE_GEMM_BF16] = {
    NPU_TILE_GEMM_BF16_INPUT, NPU_TILE_GEMM_BF16_OUTPUT,
    .bf16 = npu_tile_gemm_pair_bf16,
  },
  [NPU_TILE_GELU_BF16] = {
    NPU_TILE_GELU_BF16_INPUT, NPU_TILE_GELU_BF16_OUTPUT,
    .bf16 = npu_tile_gelu_bf16,
  },
};

size_t
npu_tile_input_size (NpuTileKernel kernel)
{
  return (unsigned) kernel < NPU_TILES ? kernels[kernel].input : 0;
}

size_t
npu_tile_output_size (NpuTileKernel kernel)
{
  return (unsigned) kernel < NPU_TILES ? kernels[kernel].output : 0;
}

void
npu_tile_run (NpuTileKernel kernel, const void *input, void *output,
    size_t tiles)
{
  const Kernel *entry = &kernels[kernel];

  for (size_t i = 0; i < tiles; i++) {
    const char *from = (const char *) input + i * entry->input;
    char *to = (char *) output + i * entry->output;

    if (entry->int8)
      entry->int8 ((const int8_t *) from, (int8_t *) to);
    else
      entry->bf16 ((const uint16_t *) from, (uint16_t *) to);
  }
}
