/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The filter bank, stored sparse: of each band the bins between its feet.
 */
#include "mel/filter-bank.h"

#include <math.h>
#include <string.h>

/* Slaney's scale: 200/3 Hz a mel up to 1 kHz, then 27 mels for a factor 6.4. */
#define LINEAR_HERTZ_PER_MEL (200.0 / 3.0)
#define LOG_START_HERTZ 1000.0
#define LOG_START_MEL (LOG_START_HERTZ / LINEAR_HERTZ_PER_MEL)
#define LOG_MELS 27.0
#define LOG_FACTOR 6.4

static double
hertz_to_mel (double hertz)
{
  if (hertz < LOG_START_HERTZ)
    return hertz / LINEAR_HERTZ_PER_MEL;
  return LOG_START_MEL +
      LOG_MELS * log (hertz / LOG_START_HERTZ) / log (LOG_FACTOR);
}

static double
mel_to_hertz (double mel)
{
  if (mel < LOG_START_MEL)
    return mel * LINEAR_HERTZ_PER_MEL;
  return LOG_START_HERTZ *
      exp ((mel - LOG_START_MEL) * log (LOG_FACTOR) / LOG_MELS);
}

/* Height at @hertz of the triangle over left, centre, right, area 1 Hz. */
static double
triangle (const double *corner, double hertz)
{
  double rising = (hertz - corner[0]) / (corner[1] - corner[0]);
  double falling = (corner[2] - hertz) / (corner[2] - corner[1]);
  double height = rising < falling ? rising : falling;

  return height > 0 ? height * 2 / (corner[2] - corner[0]) : 0;
}

void
npu_filter_bank_init (NpuFilterBank * bank, unsigned bands)
{
  double corner[NPU_MEL_MAX_BANDS + 2];
  double top = hertz_to_mel (NPU_MEL_RATE / 2.0);
  unsigned band, bin, weights = 0;

  memset (bank, 0, sizeof (*bank));
  bank->bands = bands;
  for (band = 0; band < bands + 2; band++)
    corner[band] = mel_to_hertz (top * band / (bands + 1));

  for (band = 0; band < bands; band++) {
    bank->band[band].weight = weights;
    for (bin = 0; bin < NPU_MEL_BINS; bin++) {
      double weight = triangle (corner + band,
          (double) bin * NPU_MEL_RATE / NPU_MEL_WINDOW);

      if (weight <= 0)
        continue;
      if (bank->band[band].count == 0)
        bank->band[band].bin = bin;
      bank->band[band].count++;
      bank->weights[weights++] = weight;
    }
  }
}

void
npu_filter_bank_apply (const NpuFilterBank * bank, const float *power,
    float *mel)
{
  unsigned band, i;

  for (band = 0; band < bank->bands; band++) {
    const float *weights = bank->weights + bank->band[band].weight;
    const float *bins = power + bank->band[band].bin;
    float sum = 0;

    for (i = 0; i < bank->band[band].count; i++)
      sum += weights[i] * bins[i];
    mel[band] = sum;
  }
}
