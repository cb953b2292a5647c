/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Slaney's mel filter bank, the one of librosa.filters.mel (sr=16000,
 * n_fft=400): triangles of equal area over a scale that is linear below 1 kHz
 * and logarithmic above.
 */
#ifndef NPU_MEL_FILTER_BANK_H
#define NPU_MEL_FILTER_BANK_H

#include "mel/mel.h"

#define NPU_MEL_MAX_BANDS 128

/* Triangles overlap their neighbours only, so a bin has at most two weights. */
#define NPU_MEL_MAX_WEIGHTS (2 * NPU_MEL_BINS)

typedef struct
{
  unsigned bands;
  struct
  {
    uint16_t bin;               /* first one with a weight */
    uint16_t count;
    uint16_t weight;            /* where the weights of this band start */
  } band[NPU_MEL_MAX_BANDS];
  float weights[NPU_MEL_MAX_WEIGHTS];
} NpuFilterBank;

/* Compute the filters; @bands 1 ... NPU_MEL_MAX_BANDS. */
void npu_filter_bank_init (NpuFilterBank * bank, unsigned bands);

/* mel[band] = sum over the bins of weight * power; @power NPU_MEL_BINS values. */
void npu_filter_bank_apply (const NpuFilterBank * bank, const float *power,
    float *mel);

#endif
