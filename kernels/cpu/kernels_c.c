/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The portable kernels, the reference for all others: plain loops whose
 * innermost one runs over the sixteen columns of a panel, so that any compiler
 * can use whatever vectors the target's baseline has.
 */
#include "cpu/kernels.h"

#include <math.h>
#include <string.h>

#define LAYER_NORM_EPSILON 1e-5f

/* -------------------------------------------------------------- gemm */

static float
gelu (float x)
{
  return 0.5f * x * (1.0f + erff (x * 0.70710678f));
}

/* Of the panel at @panels, output @output and input @input. */
static inline float
weight_at (const void *panels, size_t output, size_t input,
    NpuWeightType type)
{
  size_t at = input * NPU_PANEL + output;

  if (type == NPU_WEIGHT_FLOAT32) {
    return ((const float *) panels)[at];
  } else if (type == NPU_WEIGHT_BF16) {
    size_t pair = input / 2 * 2 * NPU_PANEL + output * 2 + input % 2;
    uint32_t bits = (uint32_t) ((const uint16_t *) panels)[pair] << 16;
    float value;

    memcpy (&value, &bits, sizeof (value));
    return value;
  } else {
    return ((const int8_t *) panels)[at];
  }
}

static void
store_panel (const NpuGemmArgs * args, size_t row, size_t first_column,
    size_t columns, const float *sums)
{
  const float *scales = args->weight->scales;
  const float *residual = args->residual[row];

  for (size_t j = 0; j < columns; j++) {
    size_t column = first_column + j;
    float value = sums[j];

    if (scales)
      value *= scales[column];
    if (args->bias)
      value += args->bias[column];
    if (args->epilogue == NPU_EPILOGUE_GELU)
      value = gelu (value);
    if (residual)
      value += residual[column];
    args->output[row][column - args->output_column] = value;
  }
}

static inline __attribute__ ((always_inline))
void
gemm (const NpuGemmArgs * args, size_t first_column, size_t columns,
    NpuWeightType type)
{
  size_t inputs = args->weight->inputs;
  size_t size = type == NPU_WEIGHT_FLOAT32 ? sizeof (float) :
      type == NPU_WEIGHT_BF16 ? sizeof (uint16_t) : sizeof (int8_t);

  for (size_t c = 0; c < columns; c += NPU_PANEL) {
    const char *panel = (const char *) args->weight->panels
        + (first_column + c) * npu_matrix_depth (type, inputs) * size;
    size_t valid = columns - c < NPU_PANEL ? columns - c : NPU_PANEL;

    for (size_t r = 0; r < args->rows; r++) {
      const float *input = args->input[r];
      float sums[NPU_PANEL] = { 0 };

      for (size_t i = 0; i < inputs; i++)
        for (size_t j = 0; j < NPU_PANEL; j++)
          sums[j] += input[i] * weight_at (panel, j, i, type);
      store_panel (args, r, first_column + c, valid, sums);
    }
  }
}

static void
gemm_float32 (const NpuGemmArgs * args, size_t first_column, size_t columns,
    void *scratch)
{
  gemm (args, first_column, columns, NPU_WEIGHT_FLOAT32);
}

static void
gemm_bf16 (const NpuGemmArgs * args, size_t first_column, size_t columns,
    void *scratch)
{
  gemm (args, first_column, columns, NPU_WEIGHT_BF16);
}

static void
gemm_int8 (const NpuGemmArgs * args, size_t first_column, size_t columns,
    void *scratch)
{
  gemm (args, first_column, columns, NPU_WEIGHT_INT8);
}

/* -------------------------------------------------------- layer norm */

static void
layer_norm (const NpuLayerNormArgs * args, const float *input, float *output)
{
  size_t width = args->width;
  float sum = 0.0f, square = 0.0f, mean, factor;

  for (size_t i = 0; i < width; i++)
    sum += input[i];
  mean = sum / width;
  for (size_t i = 0; i < width; i++)
    square += (input[i] - mean) * (input[i] - mean);
  factor = 1.0f / sqrtf (square / width + LAYER_NORM_EPSILON);
  for (size_t i = 0; i < width; i++)
    output[i] = (input[i] - mean) * factor * args->scale[i] + args->shift[i];
}

/* --------------------------------------------------------- attention */

/* Softmax of one row as far as keys were seen: output is the sum of
 * exp (score - maximum) value, to be divided by sum at the end. */
typedef struct
{
  float maximum;
  float sum;
  float output[NPU_HEAD_SIZE_MAX];
} RowState;

/* Some keys of one head. */
typedef struct
{
  const NpuCache *cache;
  size_t column;                /* the head's first in the cache */
  size_t first;                 /* key, a multiple of NPU_KEY_BLOCK */
  size_t count;                 /* at most NPU_KEY_BLOCK */
  size_t head_size;
} KeyBlock;

static void
block_scores (const KeyBlock * block, const float *query, float *scores)
{
  const NpuCache *cache = block->cache;
  float factor = 1.0f / sqrtf (block->head_size);

  for (size_t key = 0; key < block->count; key += NPU_PANEL) {
    const float *panel = cache->keys
        + ((block->first + key) * cache->width + block->column * NPU_PANEL);
    float sums[NPU_PANEL] = { 0 };

    for (size_t d = 0; d < block->head_size; d++)
      for (size_t j = 0; j < NPU_PANEL; j++)
        sums[j] += query[d] * factor * panel[d * NPU_PANEL + j];
    memcpy (scores + key, sums, sizeof (sums));
  }
}

static void
add_block (const KeyBlock * block, float *scores, RowState * state)
{
  const NpuCache *cache = block->cache;
  float maximum = state->maximum, rescale;

  for (size_t key = 0; key < block->count; key++)
    maximum = fmaxf (maximum, scores[key]);
  rescale = expf (state->maximum - maximum);
  state->maximum = maximum;
  state->sum *= rescale;
  for (size_t key = 0; key < block->count; key++) {
    scores[key] = expf (scores[key] - maximum);
    state->sum += scores[key];
  }
  for (size_t d = 0; d < block->head_size; d += NPU_PANEL) {
    const float *panel = cache->values
        + ((block->column + d) * cache->capacity + block->first * NPU_PANEL);

    for (size_t j = 0; j < NPU_PANEL; j++)
      state->output[d + j] *= rescale;
    for (size_t key = 0; key < block->count; key++)
      for (size_t j = 0; j < NPU_PANEL; j++)
        state->output[d + j] += scores[key] * panel[key * NPU_PANEL + j];
  }
}

static void
clear_state (RowState * state)
{
  memset (state, 0, sizeof (*state));
  state->maximum = -INFINITY;
}

static void
finish_row (const NpuAttentionArgs * args, size_t head, size_t row,
    const RowState * state)
{
  float *output = args->output + row * args->output_stride
      + head * args->head_size;

  for (size_t d = 0; d < args->head_size; d++)
    output[d] = state->output[d] / state->sum;
  if (args->probabilities) {
    float *scores = args->probabilities + row * args->probabilities_stride;

    for (size_t key = 0; key < args->visible; key++)
      scores[key] = expf (scores[key] - state->maximum) / state->sum;
  }
}

typedef struct
{
  RowState rows[NPU_ATTENTION_ROWS];
  float keys[NPU_KEY_BLOCK * NPU_HEAD_SIZE_MAX];
  float values[NPU_KEY_BLOCK * NPU_HEAD_SIZE_MAX];
} AttentionScratch;

_Static_assert (sizeof (AttentionScratch) <= NPU_KERNEL_SCRATCH,
    "attention needs more scratch");

static void
attention (const NpuAttentionArgs * args, size_t head, size_t first_row,
    size_t rows, void *memory)
{
  AttentionScratch *scratch = memory;
  NpuCache cache = { scratch->keys, scratch->values, args->head_size,
    NPU_KEY_BLOCK
  };
  size_t column = head * args->head_size;

  for (size_t r = 0; r < rows; r++)
    clear_state (&scratch->rows[r]);
  for (size_t first = 0; first < args->visible; first += NPU_KEY_BLOCK) {
    size_t left = args->visible - first;
    KeyBlock block = { &cache, 0, 0, left < NPU_KEY_BLOCK ? left :
      NPU_KEY_BLOCK, args->head_size
    };

    for (size_t key = 0; key < block.count; key++) {
      size_t at = (first + key) * args->keys_stride + column;

      npu_cache_store (&cache, key, args->keys + at, args->values + at);
    }
    for (size_t r = 0; r < rows; r++) {
      float scores[NPU_KEY_BLOCK];

      block_scores (&block, args->query + (first_row + r) * args->query_stride
          + column, scores);
      add_block (&block, scores, &scratch->rows[r]);
    }
  }
  for (size_t r = 0; r < rows; r++)
    finish_row (args, head, first_row + r, &scratch->rows[r]);
}

static void
attention_cached (const NpuAttentionArgs * args, size_t head,
    size_t first_row, size_t rows, void *memory)
{
  size_t column = head * args->head_size;

  for (size_t row = first_row; row < first_row + rows; row++) {
    size_t visible = args->visible + row * args->visible_step;
    RowState state;

    clear_state (&state);
    for (size_t first = 0; first < visible; first += NPU_KEY_BLOCK) {
      size_t left = visible - first;
      KeyBlock block = { &args->cache, column, first,
        left < NPU_KEY_BLOCK ? left : NPU_KEY_BLOCK, args->head_size
      };
      float scores[NPU_KEY_BLOCK];

      block_scores (&block, args->query + row * args->query_stride + column,
          scores);
      if (args->probabilities)
        memcpy (args->probabilities + row * args->probabilities_stride + first,
            scores, block.count * sizeof (float));
      add_block (&block, scores, &state);
    }
    finish_row (args, head, row, &state);
  }
}

/* ------------------------------------------------ window and logits */

static float
maximum_of (const float *values, size_t count)
{
  float maximum = -INFINITY;

  for (size_t i = 0; i < count; i++)
    if (values[i] > maximum)
      maximum = values[i];
  return maximum;
}

static void
normalise (const float *input, float *output, size_t count, float floor)
{
  for (size_t i = 0; i < count; i++)
    output[i] = ((input[i] > floor ? input[i] : floor) + 4.0f) * 0.25f;
}

static void
rank_logits (const float *logits, size_t count, int32_t first_token, size_t k,
    NpuRank * rank)
{
  npu_rank_clear (rank);
  rank->maximum = maximum_of (logits, count);
  if (rank->maximum == -INFINITY)
    return;
  for (size_t i = 0; i < count; i++) {
    rank->sum += expf (logits[i] - rank->maximum);
    if (logits[i] > rank->logit[k - 1])
      npu_rank_insert (rank, k, first_token + (int32_t) i, logits[i]);
  }
}

void
npu_kernels_init_c (NpuKernels * kernels)
{
  *kernels = (NpuKernels) {
    .name = "c",
    .gemm = {
      [NPU_WEIGHT_FLOAT32] = gemm_float32,
      [NPU_WEIGHT_BF16] = gemm_bf16,
      [NPU_WEIGHT_INT8] = gemm_int8,
    },
    .layer_norm = layer_norm,
    .attention = attention,
    .attention_cached = attention_cached,
    .maximum = maximum_of,
    .normalise = normalise,
    .rank = rank_logits,
  };
}
