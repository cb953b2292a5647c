/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kernels for AVX-512 with dot products of bf16: products of bf16 weights
 * round their inputs to bf16 too, and take two of them in one instruction.
 */
#include "cpu/kernels_avx512.h"

#define DOT_BF16

/* Values beyond @count up to a whole vector count as 0. */
static inline void
vector_store_bf16 (uint16_t * bf16, const float *values, size_t count)
{
  for (size_t i = 0; i < count; i += 2 * LANES) {
    size_t left = count - i;
    Vector first = vector_load_some (values + i, left < LANES ? left : LANES,
        0.0f);
    Vector second = left > LANES ? vector_load_some (values + i + LANES,
        left < 2 * LANES ? left - LANES : LANES, 0.0f) : vector_set (0.0f);

    _mm512_storeu_si512 (bf16 + i,
        (__m512i) _mm512_cvtne2ps_pbh (second, first));
  }
}

/* sum[i] + input[0] weights[2 i] + input[1] weights[2 i + 1] */
static inline Vector
vector_dot_bf16 (Vector sum, const uint16_t input[2], const uint16_t * weights)
{
  int pair;

  __builtin_memcpy (&pair, input, sizeof (pair));
  return _mm512_dpbf16_ps (sum, (__m512bh) _mm512_set1_epi32 (pair),
      (__m512bh) _mm512_loadu_si512 (weights));
}

#include "cpu/kernels_vector.h"

void
npu_kernels_init_avx512bf16 (NpuKernels * kernels)
{
  fill_kernels (kernels, "avx512bf16");
}
