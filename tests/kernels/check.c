/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Random values, poisoned memory and comparison for the tests of kernels.
 */
#include "kernels/check.h"

#include <math.h>
#include <stdlib.h>

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
