/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Vectors of AVX-512 (F, BW, DQ, VL): 16 lanes, a tile of 12 rows by 2 panels
 * in 24 of the 32 registers.
 */
#ifndef NPU_KERNELS_CPU_KERNELS_AVX512_H
#define NPU_KERNELS_CPU_KERNELS_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 16
#define TILE_ROWS 12
#define TILE_PANELS 2

typedef __m512 Vector;

static inline Vector
vector_set (float value)
{
  return _mm512_set1_ps (value);
}

static inline Vector
vector_load (const float *values)
{
  return _mm512_loadu_ps (values);
}

/* The first @count (0 ... LANES) values, the others @fill. */
static inline Vector
vector_load_some (const float *values, size_t count, float fill)
{
  __mmask16 mask = (__mmask16) ((1u << count) - 1);

  return _mm512_mask_loadu_ps (_mm512_set1_ps (fill), mask, values);
}

/* Of LANES pairs of bf16 the first ones, and the second ones. */
static inline Vector
vector_load_bf16_first (const uint16_t * values)
{
  return _mm512_castsi512_ps (_mm512_slli_epi32
      (_mm512_loadu_si512 (values), 16));
}

static inline Vector
vector_load_bf16_second (const uint16_t * values)
{
  return _mm512_castsi512_ps (_mm512_and_si512
      (_mm512_loadu_si512 (values),
          _mm512_set1_epi32 ((int) 0xffff0000)));
}

static inline Vector
vector_load_int8 (const int8_t * values)
{
  __m128i bytes = _mm_loadu_si128 ((const __m128i *) values);

  return _mm512_cvtepi32_ps (_mm512_cvtepi8_epi32 (bytes));
}

static inline void
vector_store (float *values, Vector vector)
{
  _mm512_storeu_ps (values, vector);
}

static inline void
vector_store_some (float *values, Vector vector, size_t count)
{
  _mm512_mask_storeu_ps (values, (__mmask16) ((1u << count) - 1), vector);
}

static inline Vector
vector_add (Vector a, Vector b)
{
  return _mm512_add_ps (a, b);
}

static inline Vector
vector_sub (Vector a, Vector b)
{
  return _mm512_sub_ps (a, b);
}

static inline Vector
vector_mul (Vector a, Vector b)
{
  return _mm512_mul_ps (a, b);
}

static inline Vector
vector_div (Vector a, Vector b)
{
  return _mm512_div_ps (a, b);
}

/* a b + c, rounded once */
static inline Vector
vector_fma (Vector a, Vector b, Vector c)
{
  return _mm512_fmadd_ps (a, b, c);
}

/* b where one is a NaN; so does vector_min() */
static inline Vector
vector_max (Vector a, Vector b)
{
  return _mm512_max_ps (a, b);
}

static inline Vector
vector_min (Vector a, Vector b)
{
  return _mm512_min_ps (a, b);
}

static inline Vector
vector_round (Vector a)
{
  return _mm512_roundscale_ps (a, _MM_FROUND_TO_NEAREST_INT
      | _MM_FROUND_NO_EXC);
}

/* a 2^n */
static inline Vector
vector_power_of_two (Vector a, Vector n)
{
  return _mm512_scalef_ps (a, n);
}

/* 0 where a < b, else c */
static inline Vector
vector_zero_where_less (Vector a, Vector b, Vector c)
{
  return _mm512_maskz_mov_ps (_mm512_cmp_ps_mask (a, b, _CMP_NLT_UQ), c);
}

/* Bit i is set where a[i] > b[i]. */
static inline unsigned
vector_greater (Vector a, Vector b)
{
  return _mm512_cmp_ps_mask (a, b, _CMP_GT_OQ);
}

static inline float
vector_first (Vector a)
{
  return _mm512_cvtss_f32 (a);
}

static inline float
vector_sum (Vector a)
{
  return _mm512_reduce_add_ps (a);
}

static inline float
vector_maximum (Vector a)
{
  return _mm512_reduce_max_ps (a);
}

#endif
