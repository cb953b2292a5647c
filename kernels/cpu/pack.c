/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What all instruction sets share: the layouts of matrices and caches, and
 * merging of the best tokens.
 */
#include "cpu/kernels.h"

#include <math.h>
#include <string.h>

#define INT8_LIMIT 127.0f

static const size_t element_size[NPU_WEIGHT_TYPES] = {
  [NPU_WEIGHT_FLOAT32] = sizeof (float),
  [NPU_WEIGHT_BF16] = sizeof (uint16_t),
  [NPU_WEIGHT_INT8] = sizeof (int8_t),
};

size_t
npu_matrix_depth (NpuWeightType type, size_t inputs)
{
  return type == NPU_WEIGHT_BF16 ? inputs + inputs % 2 : inputs;
}

size_t
npu_matrix_panel_bytes (NpuWeightType type, size_t outputs, size_t inputs)
{
  size_t padded, bytes;

  if (inputs == SIZE_MAX)
    return 0;
  inputs = npu_matrix_depth (type, inputs);

  if (__builtin_add_overflow (outputs, NPU_PANEL_GROUP - 1, &padded))
    return 0;
  padded -= padded % NPU_PANEL_GROUP;
  if (__builtin_mul_overflow (padded, inputs, &bytes)
      || __builtin_mul_overflow (bytes, element_size[type], &bytes))
    return 0;
  return bytes;
}

static uint16_t
bf16_from_float (float value)
{
  uint32_t bits;

  memcpy (&bits, &value, sizeof (bits));
  if (isnan (value))
    return (uint16_t) (bits >> 16 | 0x40);      /* stays a NaN when cut */
  return (uint16_t) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float
float_from_bf16 (uint16_t value)
{
  uint32_t bits = (uint32_t) value << 16;
  float result;

  memcpy (&result, &bits, sizeof (result));
  return result;
}

static int8_t
int8_from_float (float value, float inverse_scale)
{
  /* fminf and fmaxf turn a NaN into a limit, so that the conversion is
   * defined whatever a file holds. */
  float scaled = fmaxf (fminf (value * inverse_scale, INT8_LIMIT), -INT8_LIMIT);

  return (int8_t) lrintf (scaled);
}

static float
row_scale (const float *values, size_t count)
{
  float largest = 0.0f;

  for (size_t i = 0; i < count; i++)
    largest = fmaxf (largest, fabsf (values[i]));
  return largest / INT8_LIMIT;
}

/* Where the first input of @output lies. */
static size_t
first_element (const NpuMatrix * matrix, size_t output)
{
  size_t depth = npu_matrix_depth (matrix->type, matrix->inputs);
  size_t lanes = matrix->type == NPU_WEIGHT_BF16 ? 2 : 1;

  return output / NPU_PANEL * depth * NPU_PANEL + output % NPU_PANEL * lanes;
}

/* How far behind the first one input @input lies in a matrix of bf16. */
static size_t
pair_element (size_t input)
{
  return input / 2 * 2 * NPU_PANEL + input % 2;
}

void
npu_matrix_pack (const NpuMatrix * matrix, size_t first_row, size_t rows,
    const float *values)
{
  size_t inputs = matrix->inputs;

  for (size_t r = 0; r < NPU_PANEL_GROUP; r++) {
    size_t output = first_row + r;
    size_t at = first_element (matrix, output);
    const float *row = r < rows ? values + r * inputs : NULL;

    if (matrix->type == NPU_WEIGHT_FLOAT32) {
      float *panels = (float *) matrix->panels + at;

      for (size_t i = 0; i < inputs; i++)
        panels[i * NPU_PANEL] = row ? row[i] : 0.0f;
    } else if (matrix->type == NPU_WEIGHT_BF16) {
      uint16_t *panels = (uint16_t *) matrix->panels + at;

      for (size_t i = 0; i < inputs; i++)
        panels[pair_element (i)] = row ? bf16_from_float (row[i]) : 0;
      if (inputs % 2)
        panels[pair_element (inputs)] = 0;
    } else {
      int8_t *panels = (int8_t *) matrix->panels + at;
      float scale = row ? row_scale (row, inputs) : 0.0f;
      float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;

      matrix->scales[output] = scale;
      for (size_t i = 0; i < inputs; i++)
        panels[i * NPU_PANEL] = row ? int8_from_float (row[i], inverse) : 0;
    }
  }
}

void
npu_matrix_row (const NpuMatrix * matrix, size_t row, float *values)
{
  size_t inputs = matrix->inputs;
  size_t at = first_element (matrix, row);

  if (matrix->type == NPU_WEIGHT_FLOAT32) {
    const float *panels = (const float *) matrix->panels + at;

    for (size_t i = 0; i < inputs; i++)
      values[i] = panels[i * NPU_PANEL];
  } else if (matrix->type == NPU_WEIGHT_BF16) {
    const uint16_t *panels = (const uint16_t *) matrix->panels + at;

    for (size_t i = 0; i < inputs; i++)
      values[i] = float_from_bf16 (panels[pair_element (i)]);
  } else {
    const int8_t *panels = (const int8_t *) matrix->panels + at;

    for (size_t i = 0; i < inputs; i++)
      values[i] = panels[i * NPU_PANEL] * matrix->scales[row];
  }
}

void
npu_cache_store (const NpuCache * cache, size_t row, const float *keys,
    const float *values)
{
  float *key = cache->keys + row / NPU_PANEL * cache->width * NPU_PANEL
      + row % NPU_PANEL;
  float *value = cache->values + row * NPU_PANEL;

  for (size_t c = 0; c < cache->width; c++)
    key[c * NPU_PANEL] = keys[c];
  for (size_t c = 0; c < cache->width; c += NPU_PANEL)
    memcpy (value + c * cache->capacity, values + c,
        NPU_PANEL * sizeof (float));
}

void
npu_rank_clear (NpuRank * rank)
{
  for (size_t i = 0; i < NPU_RANK_MAX; i++) {
    rank->token[i] = -1;
    rank->logit[i] = -INFINITY;
  }
  rank->maximum = -INFINITY;
  rank->sum = 0.0f;
}

void
npu_rank_insert (NpuRank * rank, size_t k, int32_t token, float logit)
{
  size_t at = k;

  while (at > 0 && logit > rank->logit[at - 1])
    at--;
  if (at == k)
    return;
  for (size_t i = k - 1; i > at; i--) {
    rank->token[i] = rank->token[i - 1];
    rank->logit[i] = rank->logit[i - 1];
  }
  rank->token[at] = token;
  rank->logit[at] = logit;
}

void
npu_rank_merge (NpuRank * rank, const NpuRank * more, size_t k)
{
  for (size_t i = 0; i < k && more->token[i] >= 0; i++)
    npu_rank_insert (rank, k, more->token[i], more->logit[i]);
  if (more->sum == 0.0f)
    return;
  if (more->maximum > rank->maximum) {
    rank->sum = rank->sum * expf (rank->maximum - more->maximum) + more->sum;
    rank->maximum = more->maximum;
  } else {
    rank->sum += more->sum * expf (more->maximum - rank->maximum);
  }
}
