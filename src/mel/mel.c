/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stream: a buffer of about a second of samples with 200 samples of
 * context in front, and the chain window, FFT, power, filter bank, logarithm
 * for one frame at a time.
 */
#include "mel/mel.h"

#include <fftw3.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mel/filter-bank.h"

#define CONTEXT (NPU_MEL_WINDOW / 2)    /* of a frame, on either side */
#define ROOM NPU_MEL_RATE       /* samples kept beside the context */
/* zeros that the last frame needs at most: it starts a hop before the end */
#define PADDING (CONTEXT - NPU_MEL_HOP)

#define FLOOR 1e-10f            /* of the power, -10 in the frames */
/* Samples beyond are as wrong as infinity: their power would not be finite. */
#define LARGEST_SAMPLE 1e15f
/* Samples below cannot lift any band to the floor, but slow down the FFT. */
#define SMALLEST_SAMPLE 1e-15f

struct NpuMel
{
  NpuFilterBank bank;
  float window[NPU_MEL_WINDOW]; /* periodic Hann */

  fftwf_plan plan;
  float *windowed;              /* the plan's input */
  fftwf_complex *spectrum;      /* the plan's output */
  float power[NPU_MEL_BINS];

  /* samples[next] is the first one that the next frame covers; the first
   * CONTEXT of a stream are room for the reflection */
  float samples[CONTEXT + ROOM + PADDING];
  size_t next;
  size_t fill;
  int finished;

  uint64_t taken;
  uint64_t frames;
  uint64_t unusable;
};

/* FFTW's planner and the destruction of plans are not thread safe. */
static pthread_mutex_t planner = PTHREAD_MUTEX_INITIALIZER;

static void
init_window (float *window)
{
  int i;

  for (i = 0; i < NPU_MEL_WINDOW; i++)
    window[i] = 0.5 - 0.5 * cos (2 * M_PI * i / NPU_MEL_WINDOW);
}

static int
init_transform (NpuMel * mel)
{
  mel->windowed = fftwf_alloc_real (NPU_MEL_WINDOW);
  mel->spectrum = fftwf_alloc_complex (NPU_MEL_BINS);
  if (!mel->windowed || !mel->spectrum)
    return 0;

  /* not MEASURE: it may choose another algorithm, and so other bits, in each
   * run, and takes 0.1 s */
  pthread_mutex_lock (&planner);
  mel->plan = fftwf_plan_dft_r2c_1d (NPU_MEL_WINDOW, mel->windowed,
      mel->spectrum, FFTW_ESTIMATE);
  pthread_mutex_unlock (&planner);
  return mel->plan != NULL;
}

NpuStatus
npu_mel_create (unsigned bands, NpuMel ** mel, NpuError * error)
{
  NpuMel *self;

  *mel = NULL;
  if (bands != 80 && bands != 128)
    return npu_error_set (error, NPU_EINVAL,
        "log-mel frames have 80 or 128 bands, not %u: use a model with one of "
        "these", bands);

  self = calloc (1, sizeof (*self));
  if (!self || !init_transform (self)) {
    npu_mel_free (self);
    return npu_error_set (error, NPU_ENOMEM,
        "no memory for the log-mel transform: close other programs");
  }
  npu_filter_bank_init (&self->bank, bands);
  init_window (self->window);
  npu_mel_reset (self);
  *mel = self;
  return NPU_OK;
}

void
npu_mel_free (NpuMel * mel)
{
  if (!mel)
    return;
  if (mel->plan) {
    pthread_mutex_lock (&planner);
    fftwf_destroy_plan (mel->plan);
    pthread_mutex_unlock (&planner);
  }
  fftwf_free (mel->windowed);
  fftwf_free (mel->spectrum);
  free (mel);
}

void
npu_mel_reset (NpuMel * mel)
{
  mel->next = 0;
  mel->fill = CONTEXT;
  mel->finished = 0;
  mel->taken = mel->frames = mel->unusable = 0;
}

/* Make room for up to @count samples; returns for how many there is. */
static size_t
reserve (NpuMel * mel, size_t count)
{
  size_t space;

  if (mel->finished)
    return 0;
  if (mel->next > 0 && count > CONTEXT + ROOM - mel->fill) {
    memmove (mel->samples, mel->samples + mel->next,
        (mel->fill - mel->next) * sizeof (float));
    mel->fill -= mel->next;
    mel->next = 0;
  }
  space = CONTEXT + ROOM - mel->fill;
  return count < space ? count : space;
}

static uint32_t
magnitude_bits (float sample)
{
  uint32_t bits;

  memcpy (&bits, &sample, sizeof (bits));
  return bits & 0x7fffffff;
}

size_t
npu_mel_push (NpuMel * mel, const float *samples, size_t count)
{
  /* magnitudes compare as their bits do, NaN above infinity */
  const uint32_t largest = magnitude_bits (LARGEST_SAMPLE);
  const uint32_t smallest = magnitude_bits (SMALLEST_SAMPLE);
  uint32_t unusable = 0;
  float *to;
  size_t i;

  count = reserve (mel, count);
  to = mel->samples + mel->fill;
  for (i = 0; i < count; i++) {
    uint32_t magnitude = magnitude_bits (samples[i]);

    unusable += magnitude > largest;
    to[i] = magnitude > largest || magnitude < smallest ? 0 : samples[i];
  }
  mel->unusable += unusable;
  mel->fill += count;
  mel->taken += count;
  return count;
}

size_t
npu_mel_push_silence (NpuMel * mel, size_t count)
{
  count = reserve (mel, count);
  memset (mel->samples + mel->fill, 0, count * sizeof (float));
  mel->fill += count;
  mel->taken += count;
  return count;
}

void
npu_mel_finish (NpuMel * mel)
{
  size_t left, end;

  if (mel->finished)
    return;
  mel->finished = 1;
  left = mel->taken / NPU_MEL_HOP - mel->frames;
  if (left == 0)
    return;
  end = mel->next + (left - 1) * NPU_MEL_HOP + NPU_MEL_WINDOW;
  if (end > mel->fill) {
    memset (mel->samples + mel->fill, 0, (end - mel->fill) * sizeof (float));
    mel->fill = end;
  }
}

size_t
npu_mel_ready (const NpuMel * mel)
{
  size_t kept = mel->fill - mel->next;

  if (mel->finished)
    return mel->taken / NPU_MEL_HOP - mel->frames;
  return kept < NPU_MEL_WINDOW ? 0 : (kept - NPU_MEL_WINDOW) / NPU_MEL_HOP + 1;
}

/* What lies before the first sample: the samples behind it, in reverse. The
 * farthest is the one that the window weighs with 0. */
static void
reflect (float *samples)
{
  int i;

  samples[0] = 0;
  for (i = 1; i < CONTEXT; i++)
    samples[CONTEXT - i] = samples[CONTEXT + i];
}

/* Replace each value, all positive and normal, by its decimal logarithm: the
 * exponent, and log ((1 + s) / (1 - s)) = 2 (s + s^3 / 3 + s^5 / 5 ...) of the
 * mantissa, taken in [sqrt (1/2), sqrt (2)) so that |s| < 0.172. What is left
 * out is below 1e-9. */
static void
take_logarithm (float *values, unsigned count)
{
  const uint32_t half_root = 0x3f3504f3;        /* sqrt (1/2) */
  const float of_2 = 0.301029995664f, of_e = 0.434294481903f;
  unsigned i;

  for (i = 0; i < count; i++) {
    float value = values[i], mantissa, s, z, series;
    uint32_t bits;
    int32_t exponent;

    memcpy (&bits, &value, sizeof (bits));
    exponent = (int32_t) (bits - half_root) >> 23;
    bits -= (uint32_t) exponent << 23;
    memcpy (&mantissa, &bits, sizeof (bits));

    s = (mantissa - 1) / (mantissa + 1);
    z = s * s;
    series = 2.f / 9;
    series = series * z + 2.f / 7;
    series = series * z + 2.f / 5;
    series = series * z + 2.f / 3;
    series = series * z + 2.f;
    values[i] = exponent * of_2 + series * s * of_e;
  }
}

static void
compute_frame (NpuMel * mel, const float *samples, float *frame)
{
  /* the caller's memory may be slow to read: it is written only once */
  float row[NPU_MEL_MAX_BANDS];
  unsigned i;

  for (i = 0; i < NPU_MEL_WINDOW; i++)
    mel->windowed[i] = samples[i] * mel->window[i];
  fftwf_execute (mel->plan);
  for (i = 0; i < NPU_MEL_BINS; i++) {
    float real = mel->spectrum[i][0], imaginary = mel->spectrum[i][1];

    mel->power[i] = real * real + imaginary * imaginary;
  }
  npu_filter_bank_apply (&mel->bank, mel->power, row);
  for (i = 0; i < mel->bank.bands; i++)
    row[i] = row[i] > FLOOR ? row[i] : FLOOR;
  take_logarithm (row, mel->bank.bands);
  memcpy (frame, row, mel->bank.bands * sizeof (float));
}

size_t
npu_mel_pull (NpuMel * mel, float *frames, size_t max_frames)
{
  size_t ready = npu_mel_ready (mel);
  size_t count = max_frames < ready ? max_frames : ready;
  size_t i;

  if (count > 0 && mel->frames == 0)
    reflect (mel->samples);
  for (i = 0; i < count; i++) {
    compute_frame (mel, mel->samples + mel->next, frames);
    frames += mel->bank.bands;
    mel->next += NPU_MEL_HOP;
  }
  mel->frames += count;
  return count;
}

unsigned
npu_mel_bands (const NpuMel * mel)
{
  return mel->bank.bands;
}

uint64_t
npu_mel_samples (const NpuMel * mel)
{
  return mel->taken;
}

uint64_t
npu_mel_frames (const NpuMel * mel)
{
  return mel->frames;
}

uint64_t
npu_mel_unusable_samples (const NpuMel * mel)
{
  return mel->unusable;
}

void
npu_mel_filter (const NpuMel * mel, unsigned band, float weights[NPU_MEL_BINS])
{
  const NpuFilterBank *bank = &mel->bank;

  memset (weights, 0, NPU_MEL_BINS * sizeof (float));
  if (band < bank->bands)
    memcpy (weights + bank->band[band].bin,
        bank->weights + bank->band[band].weight,
        bank->band[band].count * sizeof (float));
}
