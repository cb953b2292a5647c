/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npu-bench block: one encoder block of a model, with the stem before and the
 * norm behind it, over short windows of a frame ring: one at a time, several in
 * flight, in batches. States are compared with those of the cpu device in
 * float32, and have the same bits whatever the strategy.
 */
#include "command.h"
#include "measure.h"

#include "encoder/encoder.h"
#include "pipeline/ring.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define A_BATCH 4
#define MAX_WINDOWS 512
/* Relative L2 from float32 that reduced precision may have. */
#define TOLERANCE 1e-2

enum
{
  ONE,
  DEPTH_2,
  DEPTH_3,
  BATCH,
  BATCH_DEPTH_2,
  STRATEGIES
};

static const BenchStrategy strategies[STRATEGIES] = {
  [ONE] = {"one", "(a) one at a time"},
  [DEPTH_2] = {"depth_2", "(b) 2 in flight"},
  [DEPTH_3] = {"depth_3", "(b) 3 in flight"},
  [BATCH] = {"batch", "(c) batches of 4"},
  [BATCH_DEPTH_2] = {"batch_depth_2", "(d) batches of 4, 2 in flight"},
};

static const uint32_t depths[STRATEGIES] = { 1, 2, 3, 1, 2 };
static const uint32_t batches[STRATEGIES] = { 1, 1, 1, A_BATCH, A_BATCH };

typedef struct
{
  NpuDevice *device;
  NpuModel *model;
  NpuFrameRing *ring;
  uint32_t windows;
  uint32_t positions;
  uint32_t hop;                 /* frames; half a window */
  float *frames;                /* of a whole round */
  float *expected;              /* states of every window */
  double error;                 /* of these, from float32 */
  NpuEncoder *encoders[STRATEGIES];
  uint32_t collected;           /* windows of this round */
  uint32_t in_flight[NPU_ENCODER_MAX_DEPTH];    /* windows, by slot */
} Bench;

static size_t
states_of (const Bench * bench)
{
  return (size_t) bench->positions *
      npu_model_config (bench->model)->audio_width;
}

/* ---------------------------------------------------------------- work */

/* Frames of the round up to @end come, written where the device needs them. */
static NpuStatus
capture (Bench * bench, uint64_t first, uint64_t end, NpuError * error)
{
  size_t frame = npu_ring_bands (bench->ring);
  NpuRingLease lease;

  for (uint64_t next = npu_ring_newest (bench->ring); next < first + end;
      next += bench->hop) {
    if (npu_ring_lease (bench->ring, bench->hop, &lease) != NPU_OK)
      return npu_error_set (error, NPU_EBUSY, "the ring has no room");
    memcpy ((char *) npu_buffer_host (npu_ring_slab (bench->ring))
        + lease.offset, bench->frames + (next - first) * frame,
        bench->hop * frame * sizeof (float));
    npu_ring_commit (bench->ring, &lease, 0, bench->hop);
    npu_ring_release (bench->ring, &lease);
  }
  return NPU_OK;
}

static NpuStatus
submit (Bench * bench, uint32_t strategy, uint64_t base, uint32_t window,
    NpuError * error)
{
  NpuEncoder *encoder = bench->encoders[strategy];
  NpuEncoderWindow work[A_BATCH] = { 0 };
  uint32_t count = bench->windows - window, slot;
  NpuView uploads[2];
  NpuStatus status;
  bool more;

  if (count > batches[strategy])
    count = batches[strategy];
  status = capture (bench, base, (uint64_t) (window + count + 1) * bench->hop,
      error);
  if (status == NPU_OK && npu_encoder_open (encoder, window, &slot) != NPU_OK)
    status = npu_error_set (error, NPU_EBUSY, "no slot is free");
  for (uint32_t i = 0; i < count && status == NPU_OK; i++) {
    work[i].positions = bench->positions;
    status = npu_ring_view (bench->ring,
        base + (uint64_t) (window + i) * bench->hop, 2 * bench->hop,
        work[i].frames);
  }
  do {
    more = npu_ring_to_upload (bench->ring, UINT64_MAX, uploads);
    if (status == NPU_OK)
      status = npu_encoder_upload (encoder, slot, uploads, error);
  } while (more);
  if (status != NPU_OK)
    return status;
  bench->in_flight[slot] = count;
  return npu_encoder_submit (encoder, slot, work, count, error);
}

static NpuStatus
collect (Bench * bench, uint32_t strategy, uint64_t base, NpuError * error)
{
  NpuEncoder *encoder = bench->encoders[strategy];
  size_t states = states_of (bench);
  uint32_t slot, count;
  NpuStatus status = npu_encoder_collect (encoder, NPU_WAIT_FOREVER, &slot,
      error);

  if (status != NPU_OK)
    return status;
  count = bench->in_flight[slot];
  for (uint32_t i = 0; i < count && status == NPU_OK; i++)
    if (memcmp (npu_encoder_states (encoder, slot, i), bench->expected
            + (bench->collected + i) * states, states * sizeof (float)))
      status = npu_error_set (error, NPU_EDEVICE, "window %u has other states "
          "than alone: nothing is reported", bench->collected + i);
  bench->collected += count;
  npu_ring_trim (bench->ring, base + (uint64_t) bench->collected * bench->hop);
  npu_encoder_close (encoder, slot);
  return status;
}

static NpuStatus
run_round (void *user, uint32_t strategy, NpuPipelineStatistics * figures,
    NpuError * error)
{
  Bench *bench = user;
  NpuExecutor *executor = npu_encoder_executor (bench->encoders[strategy]);
  uint64_t base = npu_ring_newest (bench->ring);
  uint32_t submitted = 0;
  NpuStatus status = NPU_OK;

  npu_ring_trim (bench->ring, base);
  npu_executor_reset_statistics (executor);
  bench->collected = 0;
  while (bench->collected < bench->windows && status == NPU_OK) {
    if (submitted < bench->windows
        && npu_executor_in_flight (executor) < depths[strategy]) {
      status = submit (bench, strategy, base, submitted, error);
      submitted += batches[strategy];
    } else {
      status = collect (bench, strategy, base, error);
    }
  }
  npu_executor_statistics (executor, figures);
  return status;
}

/* --------------------------------------------------------- preparation */

/* States of every window of a round, one after another, on @device. */
static NpuStatus
encode_all (Bench * bench, NpuModel * model, float *states, NpuError * error)
{
  const NpuEncoderOptions options = {.executor = {.depth = 1},.layers = 1 };
  uint32_t bands = npu_model_config (model)->bands;
  NpuEncoderWindow window = {.positions = bench->positions };
  NpuEncoder *encoder = NULL;
  NpuBuffer *frames = NULL;
  size_t size = (size_t) 2 * bench->hop * bands * sizeof (float);
  NpuStatus status = npu_encoder_create (model, &options, &encoder, error);

  if (status == NPU_OK)
    status = npu_model_wait (model, NPU_MODEL_ENCODER, NPU_WAIT_FOREVER,
        error);
  if (status == NPU_OK)
    status = npu_buffer_create (npu_model_device (model), size, 0, &frames,
        error);
  for (uint32_t i = 0; i < bench->windows && status == NPU_OK; i++) {
    uint32_t slot;

    memcpy (npu_buffer_host (frames),
        bench->frames + (size_t) i * bench->hop * bands, size);
    window.frames[0] = (NpuView) { frames, 0, 2 * bench->hop };
    status = npu_buffer_sync (frames, NPU_SYNC_TO_DEVICE, 0, size);
    if (status == NPU_OK)
      status = npu_encoder_run (encoder, &window, 1, &slot, error);
    if (status != NPU_OK)
      break;
    memcpy (states + i * states_of (bench),
        npu_encoder_states (encoder, slot, 0),
        states_of (bench) * sizeof (float));
    npu_encoder_close (encoder, slot);
  }
  npu_encoder_free (encoder);
  npu_buffer_unref (frames);
  return status;
}

/* How far the expected states are from those of the cpu device in float32. */
static NpuStatus
compare_with_reference (Bench * bench, const char *path, NpuError * error)
{
  size_t count = bench->windows * states_of (bench);
  float *reference = malloc (count * sizeof (*reference));
  double difference = 0, sum = 0;
  NpuDevice *cpu = NULL;
  NpuModel *model = NULL;
  NpuStatus status = npu_device_open ("cpu", NULL, &cpu, error);

  if (!reference)
    status = npu_error_set (error, NPU_ENOMEM, "out of memory");
  if (status == NPU_OK)
    status = npu_model_open (path, cpu, NPU_PRECISION_FLOAT32, &model, error);
  if (status == NPU_OK)
    status = encode_all (bench, model, reference, error);
  for (size_t i = 0; i < count && status == NPU_OK; i++) {
    double distance = bench->expected[i] - (double) reference[i];

    difference += distance * distance;
    sum += (double) reference[i] * reference[i];
  }
  bench->error = sqrt (difference / sum);
  if (status == NPU_OK && !(bench->error <= TOLERANCE))
    status = npu_error_set (error, NPU_EDEVICE, "the states are off by %.2g "
        "from float32: nothing is reported", bench->error);
  npu_model_unref (model);
  npu_device_unref (cpu);
  free (reference);
  return status;
}

static NpuStatus
prepare (Bench * bench, const char *path, NpuError * error)
{
  size_t values;
  NpuStatus status = npu_model_open (path, bench->device, NPU_PRECISION_AUTO,
      &bench->model, error);

  if (status != NPU_OK)
    return status;
  if (bench->positions > npu_model_config (bench->model)->audio_context)
    return npu_error_set (error, NPU_EINVAL, "the model's context is %u "
        "positions; ask for fewer",
        npu_model_config (bench->model)->audio_context);
  bench->hop = bench->positions;
  values = (size_t) (bench->windows + 1) * bench->hop *
      npu_model_config (bench->model)->bands;
  bench->frames = malloc (values * sizeof (float));
  bench->expected = malloc (bench->windows * states_of (bench)
      * sizeof (float));
  if (!bench->frames || !bench->expected)
    return npu_error_set (error, NPU_ENOMEM, "out of memory");
  for (size_t i = 0; i < values; i++)
    bench->frames[i] = (float) (random () % 8000) / 1000 - 6;
  status = encode_all (bench, bench->model, bench->expected, error);
  if (status == NPU_OK)
    status = compare_with_reference (bench, path, error);
  if (status == NPU_OK)
    status = npu_ring_create (bench->device,
        npu_model_config (bench->model)->bands, 16 * bench->hop, &bench->ring,
        error);
  for (int i = 0; i < STRATEGIES && status == NPU_OK; i++) {
    const NpuEncoderOptions options = {
      .executor = {.depth = depths[i]},.batch = batches[i],.layers = 1
    };

    status = npu_encoder_create (bench->model, &options, &bench->encoders[i],
        error);
  }
  return status;
}

static void
clear (Bench * bench)
{
  for (int i = 0; i < STRATEGIES; i++)
    npu_encoder_free (bench->encoders[i]);
  npu_ring_unref (bench->ring);
  npu_model_unref (bench->model);
  npu_device_unref (bench->device);
  free (bench->frames);
  free (bench->expected);
}

/* ------------------------------------------------------------- command */

static json_t *
counters_to_json (const Bench * bench)
{
  NpuBufferPoolStatistics pool;
  NpuRingStatistics ring;

  npu_buffer_pool_statistics (npu_executor_pool (npu_encoder_executor
          (bench->encoders[DEPTH_2])), &pool);
  npu_ring_statistics (bench->ring, &ring);
  printf ("Relative error from float32: %.2g. Ring: %llu frames in place, %llu "
      "copied, %llu bytes uploaded.\nPool of the two slots: %llu buffers, %zu "
      "bytes, allocated at the start.\n\n", bench->error,
      (unsigned long long) ring.frames_in_place,
      (unsigned long long) ring.frames_copied,
      (unsigned long long) ring.uploaded_bytes,
      (unsigned long long) pool.allocations, pool.bytes);
  return json_pack ("{s:f, s:i, s:o, s:{s:I, s:I, s:I}}", "relative_error",
      bench->error, "positions", (int) bench->positions, "pool",
      bench_pool_to_json (&pool), "ring", "frames_in_place",
      (json_int_t) ring.frames_in_place, "frames_copied",
      (json_int_t) ring.frames_copied, "uploaded_bytes",
      (json_int_t) ring.uploaded_bytes);
}

static int
measure (BenchSetup * setup, const char *model, unsigned positions)
{
  static const char *const notes[] = {
    "Windows overlap by half; a hop uploads only the frames that are new.", NULL
  };
  Bench bench = {.windows = setup->items,.positions = positions };
  const BenchWork work = {
    .title = "One encoder block over short windows, every one verified",
    .item = "window",
    .strategies = strategies,
    .count = STRATEGIES,
    .round = run_round,
    .user = &bench,
  };
  BenchResult results[BENCH_STRATEGIES];
  NpuError error = { 0 };
  int status = BENCH_EXIT_ERROR;

  bench.device = bench_open_device (setup);
  if (!bench.device)
    return BENCH_EXIT_ERROR;
  if (prepare (&bench, model, &error) != NPU_OK)
    bench_say ("%s", error.message);
  else if (bench_measure (setup, &work, results))
    status = bench_report (setup, &work, results, bench.device, notes,
        counters_to_json (&bench));
  clear (&bench);
  return status;
}

static int
run (int argc, char **argv)
{
  BenchSetup setup = {.items = 12,.rounds = 30,.warm_up = 3,.device = "cpu" };
  const char *model = "builtin";
  unsigned positions = 64;
  const BenchOption options[] = {
    {"num-windows", "N", "windows in a round [12]", BENCH_OPTION_COUNT,
        &setup.items, 1, MAX_WINDOWS},
    {"positions", "N", "positions of 20 ms in a window [64]",
        BENCH_OPTION_COUNT, &positions, 2, 1500},
    {"model", "PATH", "whose first block it is [builtin]",
        BENCH_OPTION_STRING, &model, 0, 0},
    BENCH_SETUP_OPTIONS (setup),
    {NULL, NULL, NULL, BENCH_OPTION_FLAG, NULL, 0, 0}
  };
  int status;

  if (!bench_options_parse (&bench_block_command, options, argc, argv, NULL,
          &status))
    return status;
  return measure (&setup, model, positions);
}

const BenchCommand bench_block_command = {
  .name = "block",
  .summary = "run an encoder block window by window, pipelined, in batches",
  .description =
      "Runs the first block of a model, with the stem before and the norm\n"
      "behind it, over windows of a frame ring that overlap by half: one at a\n"
      "time, two and three in flight, and in batches of four. Rounds come in\n"
      "random order after a warm-up; all states have to be the same, bit for\n"
      "bit, and close to those of the cpu device in float32.",
  .run = run,
};
