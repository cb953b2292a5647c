/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kernels for AVX2 and FMA: 8 lanes, a tile of 6 rows by 1 panel in 12 of
 * the 16 registers.
 */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 8
#define TILE_ROWS 6
#define TILE_PANELS 1

typedef __m256 Vector;

static inline Vector
vector_set (float value)
{
  return _mm256_set1_ps (value);
}

static inline Vector
vector_load (const float *values)
{
  return _mm256_loadu_ps (values);
}

/* Sign bits are set in the first @count lanes. */
static inline __m256i
first_lanes (size_t count)
{
  return _mm256_cmpgt_epi32 (_mm256_set1_epi32 ((int) count),
      _mm256_setr_epi32 (0, 1, 2, 3, 4, 5, 6, 7));
}

/* The first @count (0 ... LANES) values, the others @fill. */
static inline Vector
vector_load_some (const float *values, size_t count, float fill)
{
  __m256i mask = first_lanes (count);

  if (count == LANES)
    return _mm256_loadu_ps (values);
  return _mm256_blendv_ps (_mm256_set1_ps (fill),
      _mm256_maskload_ps (values, mask), _mm256_castsi256_ps (mask));
}

/* Of LANES pairs of bf16 the first ones, and the second ones. */
static inline Vector
vector_load_bf16_first (const uint16_t * values)
{
  return _mm256_castsi256_ps (_mm256_slli_epi32
      (_mm256_loadu_si256 ((const __m256i *) values), 16));
}

static inline Vector
vector_load_bf16_second (const uint16_t * values)
{
  return _mm256_castsi256_ps (_mm256_and_si256
      (_mm256_loadu_si256 ((const __m256i *) values),
          _mm256_set1_epi32 ((int) 0xffff0000)));
}

static inline Vector
vector_load_int8 (const int8_t * values)
{
  __m128i bytes = _mm_loadl_epi64 ((const __m128i *) values);

  return _mm256_cvtepi32_ps (_mm256_cvtepi8_epi32 (bytes));
}

static inline void
vector_store (float *values, Vector vector)
{
  _mm256_storeu_ps (values, vector);
}

static inline void
vector_store_some (float *values, Vector vector, size_t count)
{
  if (count == LANES)
    _mm256_storeu_ps (values, vector);
  else
    _mm256_maskstore_ps (values, first_lanes (count), vector);
}

static inline Vector
vector_add (Vector a, Vector b)
{
  return _mm256_add_ps (a, b);
}

static inline Vector
vector_sub (Vector a, Vector b)
{
  return _mm256_sub_ps (a, b);
}

static inline Vector
vector_mul (Vector a, Vector b)
{
  return _mm256_mul_ps (a, b);
}

static inline Vector
vector_div (Vector a, Vector b)
{
  return _mm256_div_ps (a, b);
}

/* a b + c, rounded once */
static inline Vector
vector_fma (Vector a, Vector b, Vector c)
{
  return _mm256_fmadd_ps (a, b, c);
}

/* b where one is a NaN; so does vector_min() */
static inline Vector
vector_max (Vector a, Vector b)
{
  return _mm256_max_ps (a, b);
}

static inline Vector
vector_min (Vector a, Vector b)
{
  return _mm256_min_ps (a, b);
}

static inline Vector
vector_round (Vector a)
{
  return _mm256_round_ps (a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* a 2^n, n an integer of -126 ... 127 */
static inline Vector
vector_power_of_two (Vector a, Vector n)
{
  __m256i exponent = _mm256_add_epi32 (_mm256_cvtps_epi32 (n),
      _mm256_set1_epi32 (127));

  return _mm256_mul_ps (a,
      _mm256_castsi256_ps (_mm256_slli_epi32 (exponent, 23)));
}

/* 0 where a < b, else c */
static inline Vector
vector_zero_where_less (Vector a, Vector b, Vector c)
{
  return _mm256_andnot_ps (_mm256_cmp_ps (a, b, _CMP_LT_OQ), c);
}

/* Bit i is set where a[i] > b[i]. */
static inline unsigned
vector_greater (Vector a, Vector b)
{
  return (unsigned) _mm256_movemask_ps (_mm256_cmp_ps (a, b, _CMP_GT_OQ));
}

static inline float
vector_first (Vector a)
{
  return _mm256_cvtss_f32 (a);
}

static inline float
vector_sum (Vector a)
{
  __m128 sum = _mm_add_ps (_mm256_castps256_ps128 (a),
      _mm256_extractf128_ps (a, 1));

  sum = _mm_add_ps (sum, _mm_movehl_ps (sum, sum));
  sum = _mm_add_ss (sum, _mm_movehdup_ps (sum));
  return _mm_cvtss_f32 (sum);
}

static inline float
vector_maximum (Vector a)
{
  __m128 maximum = _mm_max_ps (_mm256_castps256_ps128 (a),
      _mm256_extractf128_ps (a, 1));

  maximum = _mm_max_ps (maximum, _mm_movehl_ps (maximum, maximum));
  maximum = _mm_max_ss (maximum, _mm_movehdup_ps (maximum));
  return _mm_cvtss_f32 (maximum);
}

#include "cpu/kernels_vector.h"

void
npu_kernels_init_avx2 (NpuKernels * kernels)
{
  fill_kernels (kernels, "avx2");
}
