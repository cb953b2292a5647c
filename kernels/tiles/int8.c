/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Host twins of the int8 tile kernels: integer arithmetic only, as tiles.h
 * writes it down.
 */
#include "tiles/tiles.h"

#include <math.h>

#define HEAD NPU_TILE_HEAD_SIZE
#define BLOCK NPU_TILE_BLOCK

/* @value / 2^@shift to the nearest, halves to even; @shift >= 1. */
static inline int64_t
round_shift (int64_t value, int shift)
{
  int64_t half = INT64_C (1) << (shift - 1);

  return (value + half - 1 + (value >> shift & 1)) >> shift;
}

static inline int8_t
saturate (int64_t value)
{
  return (int8_t) (value < INT8_MIN ? INT8_MIN :
      value > INT8_MAX ? INT8_MAX : value);
}

void
npu_tile_quantise (const float *real, float scale, int8_t *values,
    size_t count)
{
  for (size_t i = 0; i < count; i++) {
    float value = real[i] / scale;

    if (isnan (value))
      value = 0.0f;
    value = value < INT8_MIN ? INT8_MIN : value > INT8_MAX ? INT8_MAX : value;
    values[i] = (int8_t) rintf (value);
  }
}

/* --------------------------------------------------------- attention */

/* Turns scores into probabilities and returns their sum. */
static uint32_t
softmax (const int32_t *scores, uint8_t *probabilities)
{
  int32_t maximum = INT32_MIN;
  uint32_t sum = 0;

  for (size_t j = 0; j < NPU_TILE_ROWS; j++)
    maximum = scores[j] > maximum ? scores[j] : maximum;
  for (size_t j = 0; j < NPU_TILE_ROWS; j++) {
    int32_t below = maximum - scores[j];
    uint32_t exponent, whole;

    below = below < NPU_TILE_SCORE_MAX ? below : NPU_TILE_SCORE_MAX;
    exponent = ((uint32_t) below * NPU_TILE_SCORE_FACTOR + (1 << 17)) >> 18;
    whole = exponent >> 8;
    probabilities[j] = (uint8_t) ((npu_tile_exp2_table[exponent & 255]
            + (UINT32_C (128) << whole)) >> (8 + whole));
    sum += probabilities[j];
  }
  return sum;
}

/* output = the sum of values, weighted, over the sum of weights. */
static void
weighted_mean (const uint8_t *weights, uint32_t sum, const int8_t *values,
    int8_t *output)
{
  int64_t reciprocal = ((UINT32_C (1) << 30) + sum / 2) / sum;
  int32_t sums[HEAD] = { 0 };

  for (size_t j = 0; j < NPU_TILE_ROWS; j++)
    for (size_t c = 0; c < HEAD; c++)
      sums[c] += weights[j] * values[j * HEAD + c];
  for (size_t c = 0; c < HEAD; c++)
    output[c] = saturate (round_shift (sums[c] * reciprocal, 30));
}

void
npu_tile_attention_int8 (const int8_t *input, int8_t *output)
{
  const int8_t *queries = input + NPU_TILE_ATTENTION_INT8_QUERIES;
  const int8_t *keys = input + NPU_TILE_ATTENTION_INT8_KEYS;
  const int8_t *values = input + NPU_TILE_ATTENTION_INT8_VALUES;
  int16_t columns[HEAD][NPU_TILE_ROWS]; /* keys, element by element */

  for (size_t j = 0; j < NPU_TILE_ROWS; j++)
    for (size_t d = 0; d < HEAD; d++)
      columns[d][j] = keys[j * HEAD + d];
  for (size_t r = 0; r < NPU_TILE_ROWS; r++) {
    int32_t scores[NPU_TILE_ROWS] = { 0 };
    uint8_t probabilities[NPU_TILE_ROWS];
    uint32_t sum;

    for (size_t d = 0; d < HEAD; d++)
      for (size_t j = 0; j < NPU_TILE_ROWS; j++)
        scores[j] += queries[r * HEAD + d] * columns[d][j];
    sum = softmax (scores, probabilities);
    weighted_mean (probabilities, sum, values, output + r * HEAD);
  }
}

/* -------------------------------------------------------- layer norm */

/* floor (sqrt (value)), a bit at a time. */
static uint64_t
square_root (uint64_t value)
{
  uint64_t root = 0;

  for (uint64_t bit = UINT64_C (1) << 62; bit > 0; bit >>= 2)
    if (value >= root + bit) {
      value -= root + bit;
      root = (root >> 1) + bit;
    } else {
      root >>= 1;
    }
  return root;
}

void
npu_tile_layer_norm_int8 (const int8_t *input, int8_t *output)
{
  const int8_t *scale = input + NPU_TILE_NORM_WIDTH;
  const int8_t *shift = scale + NPU_TILE_NORM_WIDTH;
  int32_t sum = 0, square = 0;
  uint64_t variance, root;
  int64_t reciprocal;

  for (size_t i = 0; i < NPU_TILE_NORM_WIDTH; i++) {
    sum += input[i];
    square += input[i] * input[i];
  }
  variance = (uint64_t) (NPU_TILE_NORM_WIDTH * square - sum * sum
      + NPU_TILE_NORM_EPSILON);
  root = square_root (variance << 32);
  reciprocal = (int64_t) (((UINT64_C (1) << 46) + root / 2) / root);
  for (size_t i = 0; i < NPU_TILE_NORM_WIDTH; i++) {
    int64_t centred = NPU_TILE_NORM_WIDTH * input[i] - sum;
    int64_t normalised = round_shift (centred * reciprocal, 18);

    output[i] = saturate (round_shift (normalised * scale[i]
            + shift[i] * (1 << 13), 13));
  }
}

/* ---------------------------------------------- matrix product, GELU */

void
npu_tile_gemm_int8 (const int8_t *input, int8_t *output)
{
  const int8_t *a = input, *b = input + BLOCK * BLOCK;

  for (size_t r = 0; r < BLOCK; r++) {
    int32_t sums[BLOCK] = { 0 };

    for (size_t k = 0; k < BLOCK; k++)
      for (size_t c = 0; c < BLOCK; c++)
        sums[c] += a[r * BLOCK + k] * b[k * BLOCK + c];
    for (size_t c = 0; c < BLOCK; c++)
      output[r * BLOCK + c] = saturate (round_shift (sums[c],
              NPU_TILE_GEMM_INT8_SHIFT));
  }
}

void
npu_tile_gelu_int8 (const int8_t *input, int8_t *output)
{
  for (size_t i = 0; i < NPU_TILE_GELU_COUNT; i++)
    output[i] = npu_tile_gelu_table[(uint8_t) input[i]];
}
