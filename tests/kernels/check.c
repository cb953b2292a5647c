/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Random values, poisoned memory and comparison for the tests of kernels.
 */
#include "kernels/check.h"

#include <math.h>
#include <stdlib.h>

static uint64_t state = 1;

void
seed_random (uint64_t seed)
{
  state = seed * 2 + 1;
}

static uint64_t
random_bits (void)
{
  /* xorshift64* */
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * UINT64_C (2685821657736338717);
}

uint32_t
random_below (uint32_t limit)
{
  return (uint32_t) ((random_bits () >> 32) * limit >> 32);
}

float
random_float (void)
{
  float sum = 0.0f;

  /* The sum of 3 values of -1 ... 1 has variance 1. */
  for (int i = 0; i < 3; i++)
    sum += (float) (random_bits () >> 40) / (1 << 23) - 1.0f;
  return sum;
}

float *
poisoned (size_t count)
{
  size_t bytes = (count * sizeof (float) + 64) / 64 * 64;
  float *values = aligned_alloc (64, bytes);

  if (!values)
    abort ();
  for (size_t i = 0; i < bytes / sizeof (float); i++)
    values[i] = NAN;
  return values;
}

float *
random_values (size_t count, float size)
{
  float *values = poisoned (count);

  for (size_t i = 0; i < count; i++)
    values[i] = size * random_float ();
  return values;
}

double
relative_error (const float *values, const float *reference, size_t count)
{
  double difference = 0.0, size = 0.0;

  for (size_t i = 0; i < count; i++) {
    difference += pow ((double) values[i] - reference[i], 2);
    size += pow (reference[i], 2);
  }
  if (isnan (difference) || isnan (size))
    return INFINITY;
  return size > 0.0 ? sqrt (difference / size) : sqrt (difference);
}

NpuMatrix
random_matrix (NpuWeightType type, size_t outputs, size_t inputs)
{
  size_t groups = (outputs + NPU_PANEL_GROUP - 1) / NPU_PANEL_GROUP;
  NpuMatrix matrix = { type, outputs, inputs, NULL, NULL };

  matrix.panels = poisoned (npu_matrix_panel_bytes (type, outputs, inputs)
      / sizeof (float));
  if (type == NPU_WEIGHT_INT8)
    matrix.scales = poisoned (groups * NPU_PANEL_GROUP);
  for (size_t row = 0; row < outputs; row += NPU_PANEL_GROUP) {
    size_t rows = outputs - row < NPU_PANEL_GROUP ? outputs - row
        : NPU_PANEL_GROUP;
    float *values = random_values (rows * inputs, 1.0f / sqrtf (inputs));

    npu_matrix_pack (&matrix, row, rows, values);
    free (values);
  }
  return matrix;
}

void
free_matrix (NpuMatrix * matrix)
{
  free (matrix->panels);
  free (matrix->scales);
}
