/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stem: window normalisation, then both convolutions as products over
 * overlapping rows. Rows of three neighbouring frames lie side by side, since
 * frames are staged without gaps; a zero frame before the first and one after
 * the last are the convolutions' padding.
 */
#include "device/cpu/cpu.h"

#include <math.h>
#include <string.h>

#define LOG_MEL_RANGE 8.0f      /* what Whisper keeps below the maximum */
#define LOG_MEL_SILENCE (-10.0f)
/* Frames that a chunk of staging covers. */
#define STAGE_FRAMES 128

typedef struct
{
  const NpuCpuRun *run;
  const NpuStemOperation *stem;
  const NpuStemItem *item;      /* for staging */
  float floor;
} StemJob;

/* The item's scratch: staged frames with one of padding at each end, then the
 * rows of conv1 with one of padding in front. */
static float *
staged_frame (const NpuStemOperation * stem, const NpuStemItem * item,
    size_t frame)
{
  return npu_cpu_view (&item->staged) + (1 + frame) * stem->bands;
}

static float *
conv1_row (const NpuStemOperation * stem, const NpuStemItem * item, size_t row)
{
  size_t frames = 2 * (size_t) item->output.rows;

  return npu_cpu_view (&item->staged) + npu_cpu_stride ((frames + 2)
      * stem->bands) + (1 + row) * stem->width;
}

size_t
npu_cpu_stem_scratch_size (const NpuDevice * device, uint32_t positions,
    uint32_t bands, uint32_t width)
{
  size_t frames = 2 * (size_t) positions;
  size_t staged, hidden, total;

  if (__builtin_mul_overflow (frames + 2, (size_t) bands, &staged)
      || __builtin_mul_overflow (frames + 1, (size_t) width, &hidden)
      || __builtin_add_overflow (staged, hidden, &total)
      || __builtin_add_overflow (total, (size_t) 2 * NPU_PANEL, &total)
      || total > SIZE_MAX / sizeof (float))
    return 0;
  return (npu_cpu_stride (staged) + npu_cpu_stride (hidden)) * sizeof (float);
}

/* Over 3000 frames this is faster than waking threads for it. */
static float
window_maximum (const NpuCpuRun * run, const NpuStemOperation * stem,
    const NpuStemItem * item)
{
  float maximum = -INFINITY;
  size_t frames = 0;

  for (size_t i = 0; i < 2; i++) {
    if (item->frames[i].rows == 0)
      continue;
    maximum = fmaxf (maximum,
        run->device->kernels.maximum (npu_cpu_view (&item->frames[i]),
            (size_t) item->frames[i].rows * stem->bands));
    frames += item->frames[i].rows;
  }
  /* Padding is silence, and counts. */
  if (frames < 2 * (size_t) item->output.rows)
    maximum = fmaxf (maximum, LOG_MEL_SILENCE);
  return maximum;
}

static void
stage_range (const StemJob * job, size_t first, size_t end)
{
  const NpuStemOperation *stem = job->stem;
  const NpuView *frames = job->item->frames;
  NpuNormaliseFunc normalise = job->run->device->kernels.normalise;
  size_t range_first = 0;
  float silence = (fmaxf (LOG_MEL_SILENCE, job->floor) + 4.0f) * 0.25f;

  for (size_t i = 0; i < 2; i++) {
    size_t range_end = range_first + frames[i].rows;
    size_t stop = end < range_end ? end : range_end;

    if (first < stop) {
      normalise (npu_cpu_view (&frames[i])
          + (first - range_first) * stem->bands,
          staged_frame (stem, job->item, first),
          (stop - first) * stem->bands, job->floor);
      first = stop;
    }
    range_first = range_end;
  }
  for (float *out = staged_frame (stem, job->item, first);
      out < staged_frame (stem, job->item, end); out++)
    *out = silence;
}

static void
stage_chunk (void *user, uint32_t chunk, uint32_t worker)
{
  const StemJob *job = user;
  size_t frames = 2 * (size_t) job->item->output.rows;
  size_t first = (size_t) chunk * STAGE_FRAMES;
  size_t end = first + STAGE_FRAMES;

  stage_range (job, first, end < frames ? end : frames);
}

static void
stage (const NpuCpuRun * run, const NpuStemOperation * stem,
    const NpuStemItem * item)
{
  StemJob job = { run, stem, item,
    window_maximum (run, stem, item) - LOG_MEL_RANGE
  };
  size_t frames = 2 * (size_t) item->output.rows;

  memset (npu_cpu_view (&item->staged), 0, stem->bands * sizeof (float));
  memset (staged_frame (stem, item, frames), 0, stem->bands * sizeof (float));
  memset (conv1_row (stem, item, 0) - stem->width, 0,
      stem->width * sizeof (float));
  npu_pool_run (run->device->pool,
      (uint32_t) ((frames + STAGE_FRAMES - 1) / STAGE_FRAMES), stage_chunk,
      &job);
}

static void
conv1_part (const void *user, uint32_t index, NpuCpuGemmPart * part)
{
  const StemJob *job = user;
  const NpuStemItem *item = &job->stem->items[index];

  *part = (NpuCpuGemmPart) {
    .input = npu_cpu_view (&item->staged),
    .input_stride = job->stem->bands,
    .output = conv1_row (job->stem, item, 0),
    .output_stride = job->stem->width,
    .rows = 2 * item->output.rows,
  };
}

static void
conv2_part (const void *user, uint32_t index, NpuCpuGemmPart * part)
{
  const StemJob *job = user;
  const NpuStemItem *item = &job->stem->items[index];

  *part = (NpuCpuGemmPart) {
    .input = conv1_row (job->stem, item, 0) - job->stem->width,
    .input_stride = 2 * (size_t) job->stem->width,
    .residual = npu_cpu_tensor (job->run, job->stem->positions)->values,
    .residual_stride = job->stem->width,
    .output = npu_cpu_view (&item->output),
    .output_stride = npu_cpu_stride (job->stem->width),
    .rows = item->output.rows,
  };
}

void
npu_cpu_stem (const NpuCpuRun * run, const NpuOperation * operation)
{
  const NpuStemOperation *stem = &operation->stem;
  StemJob job = {.run = run,.stem = stem };
  NpuCpuGemm conv1 = {
    .weight = &npu_cpu_tensor (run, stem->conv1_weight)->matrix,
    .bias = npu_cpu_tensor (run, stem->conv1_bias)->values,
    .epilogue = NPU_EPILOGUE_GELU,
    .parts = operation->batch,
    .part = conv1_part,
    .user = &job,
  };
  NpuCpuGemm conv2 = conv1;

  conv2.weight = &npu_cpu_tensor (run, stem->conv2_weight)->matrix;
  conv2.bias = npu_cpu_tensor (run, stem->conv2_bias)->values;
  conv2.part = conv2_part;
  for (uint32_t i = 0; i < operation->batch; i++)
    stage (run, stem, &stem->items[i]);
  npu_cpu_gemm (run, &conv1);
  npu_cpu_gemm (run, &conv2);
}
