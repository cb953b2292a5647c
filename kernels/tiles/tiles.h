/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The tile kernels: what one core of an NPU computes on the tiles that its
 * memory holds. This header is the one description that host and device
 * share: shapes, byte layouts, scales (the layouts have no room for them), and
 * the order of every sum. Beside it stand the host twins, portable C whose
 * bits are the same everywhere: no contraction, no function of libm that could
 * round otherwise, and faster instruction sets only where they round alike.
 *
 * The kernels by number, as NPU_OPERATION_TILE runs them, are npu_tile_run()
 * in device/tile.h.
 *
 * Elements lie row after row without gaps, and operands one behind another,
 * unless a function takes a stride. Nothing needs alignment beyond that of its
 * element. Every function may be called by any thread, none allocates or
 * fails.
 */
#ifndef NPU_KERNELS_TILES_H
#define NPU_KERNELS_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ------------------------------------------------ int8: general rules */

/* real value = int8 * scale; the scales are powers of two, so that all that is
 * left of them inside a kernel is a shift. "round" is to nearest, halves to
 * even (an AIE2 core's conv_even, which it does not start in), and results
 * beyond -128 ... 127 saturate (a mode that a core does not start in either).
 */

/**
 * npu_tile_quantise:
 * values[i] = round (real[i] / @scale), saturated; a NaN gives 0.
 */
void npu_tile_quantise (const float *real, float scale, int8_t *values,
    size_t count);

/* ---------------------------------------------------- int8: attention */

/* One head of 64: 64 queries, then 64 keys, then 64 values; out 64 rows. */
#define NPU_TILE_ROWS 64
#define NPU_TILE_HEAD_SIZE 64
#define NPU_TILE_ATTENTION_INT8_QUERIES 0
#define NPU_TILE_ATTENTION_INT8_KEYS 4096
#define NPU_TILE_ATTENTION_INT8_VALUES 8192
#define NPU_TILE_ATTENTION_INT8_INPUT 12288
#define NPU_TILE_ATTENTION_INT8_OUTPUT 4096

/* What projections behind a layer norm give lies mostly within +-4, so 127 is
 * made 3.97; whatever is beyond saturates when it is quantised. The output is
 * a weighted mean of the values and so never leaves their range: with the
 * values' scale it cannot saturate.
 *
 * Stated range: every entry within +-127/32. Queries and keys may be as small
 * as they like; values have a root mean square of 1 or more, since where
 * attention is spread over all keys the output is an eighth of them and has to
 * be more than rounding. There the output correlates above 0.99 with
 * attention in real numbers. */
#define NPU_TILE_QUERY_SCALE (1.0f / 32)
#define NPU_TILE_KEY_SCALE (1.0f / 32)
#define NPU_TILE_VALUE_SCALE (1.0f / 32)
#define NPU_TILE_ATTENTION_SCALE (1.0f / 32)

/* Arithmetic of row r, all of it integer:
 *   s[j] = sum of query[d] key[j][d]                      exact in 32 bits
 *   d[j] = min (max (s) - s[j], NPU_TILE_SCORE_MAX)
 *   x[j] = (d[j] * NPU_TILE_SCORE_FACTOR + (1 << 17)) >> 18
 *   p[j] = (exp2_table[x & 255] + (128 << (x >> 8))) >> (8 + (x >> 8))
 *   out[c] = round (a * r / 2^30), a = sum of p[j] value[j][c]
 *     r = (2^30 + t / 2) / t rounded down, t = sum of p[j]
 * A score in real numbers is s / 32 / 32 / sqrt (64) = s / 2^13, and
 * exp (-d / 2^13) = 2^-(d * FACTOR / 2^26); x is that exponent in 256ths. At
 * SCORE_MAX the probability is 2^-23 and long 0, and the product still fits
 * 31 bits. Probabilities are unsigned 8-bit numbers, 255 the likeliest: the
 * engine multiplies uint8 by int8 at its full rate, 16 bits at half of it, and
 * because the sum is that of the rounded ones, their error is no bias. A row's
 * product with the reciprocal needs a 64-bit accumulator. */
#define NPU_TILE_SCORE_FACTOR 11819     /* 2^13 log2 (e) */
#define NPU_TILE_SCORE_MAX 131071

/* round (65280 * 2^(-i / 256)): 65280 is 255 in 8.8 fixed point. */
extern const uint16_t npu_tile_exp2_table[256];

void npu_tile_attention_int8 (const int8_t * input, int8_t * output);

/* --------------------------------------------------- int8: layer norm */

/* A row of 256, then 256 of scale, then 256 of shift; out 256. */
#define NPU_TILE_NORM_WIDTH 256
#define NPU_TILE_LAYER_NORM_INT8_INPUT 768
#define NPU_TILE_LAYER_NORM_INT8_OUTPUT 256

/* The row's own scale cancels but for its part in epsilon; 1/16 gives a
 * residual stream +-8. A normalised value is below 4 but for outliers, scales
 * of trained models lie around 1: +-4 and +-2. The shift has the output's
 * scale, so that it is added as it is. */
#define NPU_TILE_NORM_INPUT_SCALE (1.0f / 16)
#define NPU_TILE_NORM_FACTOR_SCALE (1.0f / 64)
#define NPU_TILE_NORM_SHIFT_SCALE (1.0f / 32)
#define NPU_TILE_NORM_OUTPUT_SCALE (1.0f / 32)

/* Arithmetic, all of it integer:
 *   c[i] = 256 x[i] - sum (x)
 *   v = 256 sum (x^2) - sum (x)^2 + NPU_TILE_NORM_EPSILON   below 2^31
 *   q = floor (sqrt (2^32 v))
 *   r = (2^46 + q / 2) / q rounded down                     2^30 / sqrt (v)
 *   z[i] = round (c[i] * r / 2^18)                          12 bits' fraction
 *   out[i] = round ((z[i] * scale[i] + shift[i] * 2^13) / 2^13)
 * Epsilon is 1e-5 in units of v: 1e-5 * 65536 * 16 * 16. */
#define NPU_TILE_NORM_EPSILON 168

void npu_tile_layer_norm_int8 (const int8_t * input, int8_t * output);

/* ----------------------------------------------- int8: matrix product */

/* c = a b: a of 16 x 16, then b of 16 x 16 (row k has what a's column k is
 * multiplied with); out 16 x 16. */
#define NPU_TILE_BLOCK 16
#define NPU_TILE_GEMM_INT8_INPUT 512
#define NPU_TILE_GEMM_INT8_OUTPUT 256

/* c = round (sum / 2^SHIFT). Operands spread evenly over the whole of int8
 * give sums of 21 900 in the root mean square: shifted by 9 that is 43, and
 * the range ends at three times as much. The scales follow: 1/64 * 1/64 * 2^9
 * = 1/8. */
#define NPU_TILE_GEMM_INT8_SHIFT 9
#define NPU_TILE_GEMM_A_SCALE (1.0f / 64)
#define NPU_TILE_GEMM_B_SCALE (1.0f / 64)
#define NPU_TILE_GEMM_OUTPUT_SCALE (1.0f / 8)

void npu_tile_gemm_int8 (const int8_t * input, int8_t * output);

/* --------------------------------------------------------- int8: GELU */

#define NPU_TILE_GELU_COUNT 512
#define NPU_TILE_GELU_INT8_INPUT 512
#define NPU_TILE_GELU_INT8_OUTPUT 512

/* +-4 in and out: beyond it GELU is the identity or 0. */
#define NPU_TILE_GELU_INPUT_SCALE (1.0f / 32)
#define NPU_TILE_GELU_OUTPUT_SCALE (1.0f / 32)

/* Entry (uint8_t) x is round (32 gelu (x / 32)), in the erf form. */
extern const int8_t npu_tile_gelu_table[256];

void npu_tile_gelu_int8 (const int8_t * input, int8_t * output);

/* ------------------------------------------------ bf16: general rules */

/* A bf16 is the upper half of a float32. Denormal numbers are flushed: as an
 * operand a denormal bf16 counts as zero of its sign, and a float that is
 * denormal is stored as zero of its sign. Floats become bf16 by rounding to
 * nearest, halves to even; every NaN becomes the same, 0x7fc0; what rounds
 * beyond the greatest finite number is infinite. */

static inline float
npu_bf16_to_float (uint16_t value)
{
  uint32_t bits = (uint32_t) (value & 0x7f80 ? value : value & 0x8000) << 16;
  float result;

  memcpy (&result, &bits, sizeof (result));
  return result;
}

static inline uint16_t
npu_float_to_bf16 (float value)
{
  uint32_t bits, rounded;

  memcpy (&bits, &value, sizeof (bits));
  rounded = bits + 0x7fff + (bits >> 16 & 1);
  if ((bits & 0x7fffffff) > 0x7f800000)
    rounded = 0x7fc00000;
  if ((bits & 0x7f800000) == 0)
    rounded = bits & 0x80000000;
  return (uint16_t) (rounded >> 16);
}

/* Rows of a larger matrix: row r begins at values + r * stride. */
typedef struct
{
  const uint16_t *values;
  size_t stride;                /* elements */
} NpuTileRows;

/* ----------------------------------------------- bf16: matrix product */

/* A tile is 64 x 64. */
#define NPU_TILE_SIDE 64

/* 64 x 64 float32 accumulators: 16 KiB of a core's 64. */
typedef struct
{
  float sums[NPU_TILE_SIDE][NPU_TILE_SIDE];
} NpuTileAccumulators;

/**
 * npu_tile_gemm_bf16:
 * sums[i][j] += sum over k of a[i][k] * b[j][k], both 64 x 64: a has
 * activations as rows, b has weights as rows, one for each output.
 *
 * k goes up in steps of eight, one mmul<4, 8, 4> of the engine: with the
 * exact products p0 ... p7 of a step,
 *   sum += ((p0 + p1) + (p2 + p3)) + ((p4 + p5) + (p6 + p7))
 * each addition rounded to float32.
 */
void npu_tile_gemm_bf16 (NpuTileRows a, NpuTileRows b,
    NpuTileAccumulators * accumulators);

/* What is done with accumulators when all of k is in, in this order. */
typedef struct
{
  const float *bias;            /* one for each column, or NULL */
  bool gelu;
  NpuTileRows residual;         /* values NULL for none; added in float32 */
} NpuTileEpilogue;

/**
 * npu_tile_epilogue_bf16:
 * output = epilogue (sums), rounded to bf16; 64 x 64.
 *
 * @output   row r begins at output + r * stride; may be the residual
 */
void npu_tile_epilogue_bf16 (const NpuTileAccumulators * accumulators,
    const NpuTileEpilogue * epilogue, uint16_t * output, size_t stride);

/* ---------------------------------------------------- bf16: attention */

/* Scores are taken to the power of two, so that queries carry
 * log2 (e) / sqrt (64). */
#define NPU_TILE_QUERY_FACTOR 0.18033688f

/* 64 queries of one head on their way through blocks of keys: output is the
 * sum of 2^(score - maximum) value. */
typedef struct
{
  uint16_t queries[NPU_TILE_ROWS][NPU_TILE_HEAD_SIZE];  /* scaled, bf16 */
  float maximum[NPU_TILE_ROWS];
  float sum[NPU_TILE_ROWS];
  float output[NPU_TILE_ROWS][NPU_TILE_HEAD_SIZE];
} NpuTileAttention;

/**
 * npu_tile_attention_begin:
 * Take 64 rows of queries, times @factor and rounded to bf16 again since the
 * engine multiplies nothing else: NPU_TILE_QUERY_FACTOR, or 1 where the
 * projection's weights have it in them.
 */
void npu_tile_attention_begin (NpuTileAttention * attention,
    NpuTileRows queries, float factor);

/**
 * npu_tile_attention_block:
 * Go on with @count keys and values, 1 ... 64; rows behind the last are not
 * read.
 *
 * Scores are summed as npu_tile_gemm_bf16() does. The powers are rounded to
 * bf16 before they are summed (keys in order, eight partial sums, key j in sum
 * j mod 8, folded as the products are) and multiplied with the values, which
 * are summed as products are, missing keys as zeros.
 */
void npu_tile_attention_block (NpuTileAttention * attention,
    NpuTileRows keys, NpuTileRows values, size_t count);

/**
 * npu_tile_attention_end:
 * Divide by the sums and store 64 rows of bf16.
 *
 * @output  row r begins at output + r * stride
 */
void npu_tile_attention_end (const NpuTileAttention * attention,
    uint16_t * output, size_t stride);

/* ----------------------------------------------- bf16: layer norm, GELU */

#define NPU_TILE_LAYER_NORM_EPSILON 1e-5f

/**
 * npu_tile_layer_norm_bf16:
 * One row of any width that is a multiple of 16:
 *   output = (input - mean) * (1 / sqrt (variance + 1e-5)) * scale + shift
 * in float32, the variance being the mean square of the differences from the
 * mean. Sums have sixteen partial sums, element i in sum i mod 16, folded in
 * halves: 8 onto 8, 4 onto 4, 2 onto 2, 1 onto 1.
 *
 * @scale, @shift   bf16, @width each
 * @output          may be the input
 */
void npu_tile_layer_norm_bf16 (size_t width, const uint16_t * input,
    const uint16_t * scale, const uint16_t * shift, uint16_t * output);

/**
 * npu_tile_gelu:
 * output[i] = x (1 + erf (x / sqrt (2))) / 2, x = input[i], wrong by 5e-7 at
 * most; may be in place. Abramowitz and Stegun, formula 7.1.26.
 */
void npu_tile_gelu (const float *input, float *output, size_t count);

/**
 * npu_tile_exp2:
 * output[i] = 2^input[i], relative error below 2e-7; below -126 it is 0, above
 * 127 2^127, a NaN gives NaN. May be in place.
 */
void npu_tile_exp2 (const float *input, float *output, size_t count);

/* ------------------------------------------- bf16: tiles of fixed size */

/* Queries, keys and values of one head of 64, 64 rows each; the queries are
 * not scaled yet. Out 64 rows. */
#define NPU_TILE_ATTENTION_BF16_INPUT 24576
#define NPU_TILE_ATTENTION_BF16_OUTPUT 8192
void npu_tile_attention_bf16 (const uint16_t * input, uint16_t * output);

/* A row of 256, then scale, then shift; out 256. */
#define NPU_TILE_LAYER_NORM_BF16_INPUT 1536
#define NPU_TILE_LAYER_NORM_BF16_OUTPUT 512
void npu_tile_layer_norm_row_bf16 (const uint16_t * input, uint16_t * output);

/* a, then b, 64 x 64 each; out a times b transposed. */
#define NPU_TILE_GEMM_BF16_INPUT 16384
#define NPU_TILE_GEMM_BF16_OUTPUT 8192
void npu_tile_gemm_pair_bf16 (const uint16_t * input, uint16_t * output);

/* NPU_TILE_GELU_COUNT elements. */
#define NPU_TILE_GELU_BF16_INPUT 1024
#define NPU_TILE_GELU_BF16_OUTPUT 1024
void npu_tile_gelu_bf16 (const uint16_t * input, uint16_t * output);

#endif
