/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of the kernels that work on a row or a range: layer norm, window
 * normalisation, ranking of logits.
 */
#include "kernels/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 200
#define LIMIT 2e-6
#define GUARD 16
/* The portable set adds 512 exponentials one after another. */
#define SUM_LIMIT 1e-5

void
check_layer_norm (const NpuKernels * set, const NpuKernels * portable)
{
  const char *why = NULL;
  double error = 0.0;

  for (int i = 0; i < ROUNDS && !why; i++) {
    size_t width = 2 + random_below (1300);
    float size = random_below (2) ? 1.0f : 100.0f;
    float *input = random_values (width, size);
    float *scale = random_values (width, 1.0f);
    float *shift = random_values (width, 1.0f);
    float *expected = poisoned (width), *output = poisoned (width + GUARD);
    NpuLayerNormArgs args = { width, scale, shift };

    portable->layer_norm (&args, input, expected);
    memcpy (output, input, width * sizeof (float));
    set->layer_norm (&args, output, output);
    error = fmax (error, relative_error (output, expected, width));
    if (error > LIMIT)
      why = "differs from the portable one";
    for (size_t j = width; j < width + GUARD; j++)
      if (!isnan (output[j]))
        why = "wrote behind the row";
    free (input);
    free (scale);
    free (shift);
    free (expected);
    free (output);
  }
  report (set->name, "layer_norm", why, error);
}

void
check_window (const NpuKernels * set, const NpuKernels * portable)
{
  const char *maximum = NULL, *normalise = NULL;

  for (int i = 0; i < ROUNDS; i++) {
    size_t count = random_below (i % 2 ? 40 : 3000);
    float *input = random_values (count, 4.0f), floor = random_float ();
    float *expected = poisoned (count + GUARD);
    float *output = poisoned (count + GUARD);

    if (count > 0 && random_below (2))
      input[random_below ((uint32_t) count)] = NAN;
    if (set->maximum (input, count) != portable->maximum (input, count))
      maximum = "differs from the portable one";
    portable->normalise (input, expected, count, floor);
    set->normalise (input, output, count, floor);
    for (size_t j = 0; j < count; j++)
      if (output[j] != expected[j])
        normalise = "differs from the portable one";
    for (size_t j = count; j < count + GUARD; j++)
      if (!isnan (output[j]))
        normalise = "wrote behind the end";
    free (input);
    free (expected);
    free (output);
  }
  report (set->name, "maximum", maximum, 0.0);
  report (set->name, "normalise", normalise, 0.0);
}

static float *
random_logits (size_t count)
{
  /* Some equal ones, some great ones, some or all suppressed. */
  float size = random_below (2) ? 10.0f : 1e4f;
  float *logits = random_values (count, size);
  uint32_t kind = random_below (4);

  for (size_t i = 0; i < count; i++) {
    if (kind == 0 || (kind == 1 && random_below (2)))
      logits[i] = -INFINITY;
    if (kind == 2)
      logits[i] = roundf (logits[i] / size * 2);
  }
  return logits;
}

static const char *
compare_ranks (const NpuRank * rank, const NpuRank * expected, double *error)
{
  double difference = fabs ((double) rank->sum - expected->sum);

  if (memcmp (rank->token, expected->token, sizeof (rank->token)) != 0
      || memcmp (rank->logit, expected->logit, sizeof (rank->logit)) != 0)
    return "ranks other tokens";
  if (rank->maximum != expected->maximum)
    return "finds another maximum";
  if (expected->sum > 0.0f)
    difference /= expected->sum;
  *error = fmax (*error, difference);
  return *error <= SUM_LIMIT ? NULL : "sums to something else";
}

void
check_rank (const NpuKernels * set, const NpuKernels * portable)
{
  const char *why = NULL;
  double error = 0.0;

  for (int i = 0; i < ROUNDS && !why; i++) {
    size_t count = random_below (NPU_GEMM_COLUMNS + 1);
    size_t k = 1 + random_below (NPU_RANK_MAX);
    int32_t first = (int32_t) random_below (50000);
    float *logits = random_logits (count);
    NpuRank expected, rank;

    portable->rank (logits, count, first, k, &expected);
    set->rank (logits, count, first, k, &rank);
    why = compare_ranks (&rank, &expected, &error);
    free (logits);
  }
  report (set->name, "rank", why, error);
}
