/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stem: window normalisation in float32, then both convolutions as
 * products over overlapping rows of bf16. Rows of three neighbouring frames
 * lie side by side, since frames are staged without gaps; a zero frame before
 * the first and one after the last are the convolutions' padding.
 */
#include "device/emu/emu.h"

#include <math.h>

#define LOG_MEL_RANGE 8.0f      /* what Whisper keeps below the maximum */
#define LOG_MEL_SILENCE (-10.0f)
#define TAPS 3
/* Elements of 64 bytes: where the second part of the scratch begins. */
#define SCRATCH_STEP ((size_t) 32)
#define STAGE_FRAMES 64

typedef struct
{
  const NpuEmuRun *run;
  const NpuStemOperation *stem;
  const NpuStemItem *item;      /* for staging */
  float floor;
} StemJob;

static size_t
round_up (size_t elements)
{
  return (elements + SCRATCH_STEP - 1) / SCRATCH_STEP * SCRATCH_STEP;
}

/* The item's scratch: staged frames with one of padding at each end, then the
 * rows of conv1 with one of padding in front. */
static uint16_t *
staged_frame (const NpuStemOperation * stem, const NpuStemItem * item,
    size_t frame)
{
  return (uint16_t *) npu_emu_view (&item->staged) + (1 + frame) * stem->bands;
}

/* Row -1 is the padding. */
static uint16_t *
conv1_rows (const NpuStemOperation * stem, const NpuStemItem * item)
{
  size_t frames = 2 * (size_t) item->output.rows;

  return (uint16_t *) npu_emu_view (&item->staged)
      + round_up ((frames + 2) * stem->bands) + stem->width;
}

size_t
npu_emu_stem_scratch_size (const NpuDevice * device, uint32_t positions,
    uint32_t bands, uint32_t width)
{
  size_t frames = 2 * (size_t) positions;
  size_t staged, hidden, total;

  if (__builtin_mul_overflow (frames + 2, (size_t) bands, &staged)
      || __builtin_mul_overflow (frames + 1, (size_t) width, &hidden)
      || __builtin_add_overflow (staged, hidden, &total)
      || __builtin_add_overflow (total, 2 * SCRATCH_STEP, &total)
      || total > SIZE_MAX / sizeof (uint16_t))
    return 0;
  return (round_up (staged) + round_up (hidden)) * sizeof (uint16_t);
}

static float
window_maximum (const NpuStemOperation * stem, const NpuStemItem * item)
{
  float maximum = -INFINITY;
  size_t frames = 0;

  for (size_t i = 0; i < 2; i++) {
    const float *values;
    size_t count = (size_t) item->frames[i].rows * stem->bands;

    if (count == 0)
      continue;
    values = npu_emu_view (&item->frames[i]);
    for (size_t j = 0; j < count; j++)
      maximum = values[j] > maximum ? values[j] : maximum;
    frames += item->frames[i].rows;
  }
  /* Padding is silence, and counts. */
  if (frames < 2 * (size_t) item->output.rows && maximum < LOG_MEL_SILENCE)
    maximum = LOG_MEL_SILENCE;
  return maximum;
}

/* Returns the values of frame @frame, NULL for silence. */
static const float *
frame_values (const StemJob * job, size_t frame)
{
  const NpuView *frames = job->item->frames;

  for (size_t i = 0; i < 2; i++) {
    if (frame < frames[i].rows)
      return (const float *) npu_emu_view (&frames[i])
          + frame * job->stem->bands;
    frame -= frames[i].rows;
  }
  return NULL;
}

static void
stage_tile (const void *user, NpuEmuCore * core, uint32_t tile)
{
  const StemJob *job = user;
  size_t frames = 2 * (size_t) job->item->output.rows;
  size_t first = (size_t) tile * STAGE_FRAMES;

  for (size_t frame = first; frame < frames && frame - first < STAGE_FRAMES;
      frame++) {
    const float *values = frame_values (job, frame);
    uint16_t *staged = staged_frame (job->stem, job->item, frame);

    for (uint32_t i = 0; i < job->stem->bands; i++) {
      float value = values ? values[i] : LOG_MEL_SILENCE;

      value = ((value > job->floor ? value : job->floor) + 4.0f) * 0.25f;
      staged[i] = npu_float_to_bf16 (value);
    }
  }
}

static void
stage (const NpuEmuRun * run, const NpuStemOperation * stem,
    const NpuStemItem * item)
{
  StemJob job = { run, stem, item,
    window_maximum (stem, item) - LOG_MEL_RANGE
  };
  uint32_t frames = 2 * item->output.rows;
  size_t frame_bytes = stem->bands * sizeof (uint16_t);

  memset (npu_emu_view (&item->staged), 0, frame_bytes);
  memset (staged_frame (stem, item, frames), 0, frame_bytes);
  memset (conv1_rows (stem, item) - stem->width, 0,
      stem->width * sizeof (uint16_t));
  npu_emu_array_run (run->device, stage_tile, &job,
      (frames - 1) / STAGE_FRAMES + 1);
}

static void
conv1_part (const void *user, uint32_t index, NpuEmuPart * part)
{
  const StemJob *job = user;
  const NpuStemOperation *stem = job->stem;
  const NpuStemItem *item = &stem->items[index];

  *part = (NpuEmuPart) {
    .input = { npu_emu_view (&item->staged), stem->bands,
        2 * item->output.rows, TAPS * stem->bands },
    .output = conv1_rows (stem, item),
    .output_stride = stem->width,
  };
}

static void
conv2_part (const void *user, uint32_t index, NpuEmuPart * part)
{
  const StemJob *job = user;
  const NpuStemOperation *stem = job->stem;
  const NpuStemItem *item = &stem->items[index];
  const NpuEmuTensor *positions = npu_emu_tensor (job->run, stem->positions);
  uint32_t rows = item->output.rows, width = stem->width;

  *part = (NpuEmuPart) {
    .input = { conv1_rows (stem, item) - width, 2 * (size_t) width, rows,
        TAPS * width },
    .residual = { positions->values, positions->stride, rows, width },
    .output = npu_emu_view (&item->output),
    .output_stride = npu_emu_stride (width),
  };
}

void
npu_emu_stem (const NpuEmuRun * run, const NpuOperation * operation)
{
  const NpuStemOperation *stem = &operation->stem;
  StemJob job = {.run = run,.stem = stem };
  NpuEmuProduct conv1 = {
    .weight = npu_emu_tensor (run, stem->conv1_weight),
    .bias = npu_emu_tensor (run, stem->conv1_bias)->floats,
    .gelu = true,
    .parts = operation->batch,
    .part = conv1_part,
    .user = &job,
  };
  NpuEmuProduct conv2 = conv1;

  conv2.weight = npu_emu_tensor (run, stem->conv2_weight);
  conv2.bias = npu_emu_tensor (run, stem->conv2_bias)->floats;
  conv2.part = conv2_part;
  for (uint32_t i = 0; i < operation->batch; i++)
    stage (run, stem, &stem->items[i]);
  npu_emu_product (run, &conv1);
  npu_emu_product (run, &conv2);
}
