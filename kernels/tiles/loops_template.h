/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The bf16 tile kernels, written so that the compiler vectorises the innermost
 * loop, which runs over contiguous columns, without changing the order of any
 * sum. Included once for each instruction set, with LOOPS the table to define.
 */
#include "tiles/loops.h"

#include <math.h>

#define SIDE NPU_TILE_SIDE
#define STEP 8                  /* products that the engine adds at once */
#define PARTS 16                /* partial sums of a layer norm */

_Static_assert (NPU_TILE_ROWS == SIDE && NPU_TILE_HEAD_SIZE == SIDE,
    "attention multiplies whole tiles");

typedef float Tile[SIDE][SIDE];

/* ------------------------------------------------- pieces of kernels */

/* The first @count rows; zeros behind them. */
static void
expand (NpuTileRows rows, size_t count, Tile tile)
{
  for (size_t r = 0; r < count; r++)
    for (size_t i = 0; i < SIDE; i++)
      tile[r][i] = npu_bf16_to_float (rows.values[r * rows.stride + i]);
  memset (tile[count], 0, (SIDE - count) * sizeof (tile[0]));
}

/* Row r becomes column r. */
static void
expand_transposed (NpuTileRows rows, size_t count, Tile tile)
{
  Tile plain;

  expand (rows, count, plain);
  for (size_t i = 0; i < SIDE; i++)
    for (size_t r = 0; r < SIDE; r++)
      tile[i][r] = plain[r][i];
}

/* sums += a b, in the order that npu_tile_gemm_bf16() promises. */
static void
multiply (Tile a, Tile b, Tile sums)
{
  for (size_t k = 0; k < SIDE; k += STEP)
    for (size_t r = 0; r < SIDE; r++) {
      const float *p = &a[r][k];
      float *restrict row = sums[r];

      for (size_t c = 0; c < SIDE; c++)
        row[c] += ((p[0] * b[k][c] + p[1] * b[k + 1][c])
            + (p[2] * b[k + 2][c] + p[3] * b[k + 3][c]))
            + ((p[4] * b[k + 4][c] + p[5] * b[k + 5][c])
            + (p[6] * b[k + 6][c] + p[7] * b[k + 7][c]));
    }
}

/* Adding 1.5 * 2^23 rounds to an integer, which the sum's low bits then are.
 * The polynomial interpolates 2^x at the seven Chebyshev nodes of -0.5 ... 0.5
 * and errs by 3e-9. */
static inline float
power_of_two (float x)
{
  const float rounder = 12582912.0f;
  float clamped = x < -126.0f ? -126.0f : x > 127.0f ? 127.0f : x;
  float shifted = clamped + rounder;
  float rest = clamped - (shifted - rounder);
  float sum = 1.5461445e-4f, scale;
  uint32_t bits;

  sum = sum * rest + 1.3400428e-3f;
  sum = sum * rest + 9.6180567e-3f;
  sum = sum * rest + 5.5503272e-2f;
  sum = sum * rest + 2.4022651e-1f;
  sum = sum * rest + 6.9314721e-1f;
  sum = sum * rest + 1.0f;
  memcpy (&bits, &shifted, sizeof (bits));
  bits = (bits + 127) << 23;
  memcpy (&scale, &bits, sizeof (scale));
  sum *= scale;
  return x < -126.0f ? 0.0f : sum;
}

/* max (x, 0) - |x| erfc (|x| / sqrt (2)) / 2; beyond 16 the second term is 0,
 * also for infinity. */
static inline float
gelu_of (float x)
{
  float positive = x > 0.0f ? x : 0.0f;
  float magnitude = x < 0.0f ? -x : x;
  float limited = magnitude > 16.0f ? 16.0f : magnitude;
  float z = limited * 0.70710678f;
  float t = 1.0f / (1.0f + 0.3275911f * z);
  float sum = 1.061405429f;

  sum = sum * t - 1.453152027f;
  sum = sum * t + 1.421413741f;
  sum = sum * t - 0.284496736f;
  sum = sum * t + 0.254829592f;
  sum = sum * t * power_of_two (z * z * -1.44269504f);
  return positive - 0.5f * limited * sum;
}

/* -------------------------------------------- matrix product and GELU */

static void
gemm (NpuTileRows a, NpuTileRows b, NpuTileAccumulators *accumulators)
{
  Tile rows, columns;

  expand (a, SIDE, rows);
  expand_transposed (b, SIDE, columns);
  multiply (rows, columns, accumulators->sums);
}

static void
gelu (const float *input, float *output, size_t count)
{
  for (size_t i = 0; i < count; i++)
    output[i] = gelu_of (input[i]);
}

static void
epilogue_rows (const NpuTileAccumulators *accumulators,
    const NpuTileEpilogue *epilogue, uint16_t *output, size_t stride)
{
  const NpuTileRows *residual = &epilogue->residual;

  for (size_t r = 0; r < SIDE; r++) {
    float row[SIDE];

    memcpy (row, accumulators->sums[r], sizeof (row));
    if (epilogue->bias)
      for (size_t c = 0; c < SIDE; c++)
        row[c] += epilogue->bias[c];
    if (epilogue->gelu)
      gelu (row, row, SIDE);
    if (residual->values)
      for (size_t c = 0; c < SIDE; c++)
        row[c] += npu_bf16_to_float (residual->values[r * residual->stride
                + c]);
    for (size_t c = 0; c < SIDE; c++)
      output[r * stride + c] = npu_float_to_bf16 (row[c]);
  }
}

/* --------------------------------------------------------- attention */

static void
powers (const float *input, float *output, size_t count)
{
  for (size_t i = 0; i < count; i++)
    output[i] = power_of_two (input[i]);
}

static void
attention_begin (NpuTileAttention *attention, NpuTileRows queries,
    float factor)
{
  for (size_t r = 0; r < SIDE; r++)
    for (size_t d = 0; d < SIDE; d++)
      attention->queries[r][d] = npu_float_to_bf16 (factor
          * npu_bf16_to_float (queries.values[r * queries.stride + d]));
  for (size_t r = 0; r < SIDE; r++) {
    attention->maximum[r] = -INFINITY;
    attention->sum[r] = 0.0f;
  }
  memset (attention->output, 0, sizeof (attention->output));
}

/* Turns a row's scores into powers and adds them to its sum; what was there is
 * scaled to the maximum that holds from now on. */
static void
attention_row (NpuTileAttention *attention, size_t r, size_t count,
    float *scores)
{
  float before = attention->maximum[r], maximum = before, rescale;
  float parts[STEP] = { 0 };

  for (size_t j = 0; j < count; j++)
    maximum = scores[j] > maximum ? scores[j] : maximum;
  for (size_t j = 0; j < SIDE; j++) {
    float power = power_of_two (scores[j] - maximum);

    scores[j] = npu_bf16_to_float (npu_float_to_bf16 (power));
  }
  memset (scores + count, 0, (SIDE - count) * sizeof (scores[0]));
  for (size_t j = 0; j < SIDE; j += STEP)
    for (size_t i = 0; i < STEP; i++)
      parts[i] += scores[j + i];
  rescale = power_of_two (before - maximum);
  attention->maximum[r] = maximum;
  attention->sum[r] = attention->sum[r] * rescale
      + (((parts[0] + parts[1]) + (parts[2] + parts[3]))
      + ((parts[4] + parts[5]) + (parts[6] + parts[7])));
  for (size_t d = 0; d < SIDE; d++)
    attention->output[r][d] *= rescale;
}

static void
attention_block (NpuTileAttention *attention, NpuTileRows keys,
    NpuTileRows values, size_t count)
{
  NpuTileRows queries = { attention->queries[0], SIDE };
  Tile rows, columns, scores;

  expand (queries, SIDE, rows);
  expand_transposed (keys, count, columns);
  memset (scores, 0, sizeof (scores));
  multiply (rows, columns, scores);
  for (size_t r = 0; r < SIDE; r++)
    attention_row (attention, r, count, scores[r]);
  expand (values, count, columns);
  multiply (scores, columns, attention->output);
}

static void
attention_end (const NpuTileAttention *attention, uint16_t *output,
    size_t stride)
{
  for (size_t r = 0; r < SIDE; r++)
    for (size_t d = 0; d < SIDE; d++)
      output[r * stride + d] = npu_float_to_bf16 (attention->output[r][d]
          / attention->sum[r]);
}

/* -------------------------------------------------------- layer norm */

static float
fold (float *parts)
{
  for (size_t half = PARTS / 2; half > 0; half /= 2)
    for (size_t i = 0; i < half; i++)
      parts[i] += parts[half + i];
  return parts[0];
}

static void
layer_norm (size_t width, const uint16_t *input, const uint16_t *scale,
    const uint16_t *shift, uint16_t *output)
{
  float sums[PARTS] = { 0 }, squares[PARTS] = { 0 };
  float mean, factor;

  for (size_t i = 0; i < width; i += PARTS)
    for (size_t j = 0; j < PARTS; j++)
      sums[j] += npu_bf16_to_float (input[i + j]);
  mean = fold (sums) / (float) width;
  for (size_t i = 0; i < width; i += PARTS)
    for (size_t j = 0; j < PARTS; j++) {
      float difference = npu_bf16_to_float (input[i + j]) - mean;

      squares[j] += difference * difference;
    }
  factor = 1.0f / sqrtf (fold (squares) / (float) width
      + NPU_TILE_LAYER_NORM_EPSILON);
  for (size_t i = 0; i < width; i++)
    output[i] = npu_float_to_bf16 ((npu_bf16_to_float (input[i]) - mean)
        * factor * npu_bf16_to_float (scale[i])
        + npu_bf16_to_float (shift[i]));
}

const NpuTileLoops LOOPS = {
  .gemm = gemm,
  .epilogue = epilogue_rows,
  .attention_begin = attention_begin,
  .attention_block = attention_block,
  .attention_end = attention_end,
  .layer_norm = layer_norm,
  .gelu = gelu,
  .exp2 = powers,
};
