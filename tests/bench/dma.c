/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npu-bench dma: four ways to move int8 attention tiles of 64 x 64 to a device
 * and back. Every tile is compared, bit for bit, with the kernel's host twin.
 */
#include "command.h"
#include "measure.h"

#include "pipeline/executor.h"
#include "tiles/tiles.h"

#include <stdlib.h>
#include <string.h>

#define INPUT NPU_TILE_ATTENTION_INT8_INPUT
#define OUTPUT NPU_TILE_ATTENTION_INT8_OUTPUT
/* What a host that was never written would not hold by chance. */
#define UNWRITTEN 0xa5
#define MAX_TILES 4096

enum
{
  ONE_PAIR,
  POOLED,
  DEPTH_2,
  DEPTH_3,
  BATCH,
  STRATEGIES
};

static const BenchStrategy strategies[STRATEGIES] = {
  [ONE_PAIR] = {"one_pair", "(a) one pair of buffers"},
  [POOLED] = {"pooled", "(b) pooled buffers"},
  [DEPTH_2] = {"depth_2", "(c) 2 in flight"},
  [DEPTH_3] = {"depth_3", "(c) 3 in flight"},
  [BATCH] = {"batch", "(d) all in one batch"},
};

static const uint32_t depths[STRATEGIES] = { 1, 1, 2, 3, 1 };

/* A slot's buffers, and its list of one operation on one tile or on all. */
typedef struct
{
  NpuBuffer *input;
  NpuBuffer *output;
  NpuView input_view;
  NpuView output_view;
  NpuOperation operation;
  uint32_t first;               /* tile */
  uint32_t tiles;
} Slot;

typedef struct
{
  NpuExecutor *executor;
  Slot slots[NPU_EXECUTOR_MAX_DEPTH];
} Runner;

typedef struct
{
  NpuDevice *device;
  uint32_t tiles;
  uint8_t *inputs;
  uint8_t *expected;
  NpuBufferPool *pool;          /* of strategy (b) */
  Runner runners[STRATEGIES];
} Bench;

/* --------------------------------------------------------- preparation */

static void
set_slot (Slot * slot, NpuBuffer * input, NpuBuffer * output)
{
  slot->input = input;
  slot->output = output;
  slot->input_view = (NpuView) { input, 0, slot->tiles };
  slot->output_view = (NpuView) { output, 0, slot->tiles };
  slot->operation = (NpuOperation) {
    .type = NPU_OPERATION_TILE,
    .batch = 1,
    .tile = {NPU_TILE_ATTENTION_INT8, &slot->input_view, &slot->output_view},
  };
}

static NpuStatus
prepare_runner (Bench * bench, uint32_t strategy, NpuError * error)
{
  const NpuExecutorOptions options = {.depth = depths[strategy] };
  Runner *runner = &bench->runners[strategy];
  NpuStatus status = npu_executor_create (bench->device, &options,
      &runner->executor, error);

  for (uint32_t i = 0; i < depths[strategy] && status == NPU_OK; i++) {
    Slot *slot = &runner->slots[i];
    NpuBuffer *input = NULL, *output = NULL;

    slot->tiles = strategy == BATCH ? bench->tiles : 1;
    if (strategy == POOLED)
      continue;
    status = npu_executor_buffer (runner->executor, i, "input",
        (size_t) slot->tiles * INPUT, 0, &input, error);
    if (status == NPU_OK)
      status = npu_executor_buffer (runner->executor, i, "output",
          (size_t) slot->tiles * OUTPUT, 0, &output, error);
    if (status == NPU_OK)
      set_slot (slot, input, output);
  }
  return status;
}

static NpuStatus
prepare (Bench * bench, NpuError * error)
{
  NpuStatus status = npu_buffer_pool_create (bench->device,
      NPU_BUFFER_POOL_DEFAULT, &bench->pool, error);

  bench->inputs = malloc ((size_t) bench->tiles * INPUT);
  bench->expected = malloc ((size_t) bench->tiles * OUTPUT);
  if (!bench->inputs || !bench->expected)
    return npu_error_set (error, NPU_ENOMEM, "out of memory for %u tiles",
        bench->tiles);
  for (size_t i = 0; i < (size_t) bench->tiles * INPUT; i++)
    bench->inputs[i] = (uint8_t) random ();
  for (size_t i = 0; i < bench->tiles; i++)
    npu_tile_attention_int8 ((const int8_t *) bench->inputs + i * INPUT,
        (int8_t *) bench->expected + i * OUTPUT);
  if (status == NPU_OK)
    status = npu_buffer_pool_reserve (bench->pool, "input", INPUT, 0,
        NPU_BUFFER_POOL_DEFAULT / 2, error);
  if (status == NPU_OK)
    status = npu_buffer_pool_reserve (bench->pool, "output", OUTPUT, 0,
        NPU_BUFFER_POOL_DEFAULT / 2, error);
  for (uint32_t i = 0; i < STRATEGIES && status == NPU_OK; i++)
    status = prepare_runner (bench, i, error);
  return status;
}

static void
clear (Bench * bench)
{
  for (uint32_t i = 0; i < STRATEGIES; i++)
    npu_executor_free (bench->runners[i].executor);
  npu_buffer_pool_unref (bench->pool);
  npu_device_unref (bench->device);
  free (bench->inputs);
  free (bench->expected);
}

/* -------------------------------------------------------------- rounds */

static NpuStatus
take_pooled (Bench * bench, Slot * slot, NpuError * error)
{
  NpuBuffer *input, *output = NULL;
  NpuStatus status = npu_buffer_pool_acquire (bench->pool, "input", INPUT, 0,
      0, &input, error);

  if (status == NPU_OK)
    status = npu_buffer_pool_acquire (bench->pool, "output", OUTPUT, 0, 0,
        &output, error);
  if (status == NPU_OK)
    set_slot (slot, input, output);
  return status;
}

static NpuStatus
submit (Bench * bench, uint32_t strategy, uint32_t first, NpuError * error)
{
  Runner *runner = &bench->runners[strategy];
  NpuExecutorRun run = {.count = 1,.output_count = 1 };
  NpuStatus status;
  uint32_t index;
  Slot *slot;

  status = npu_executor_open (runner->executor, first, &index);
  if (status != NPU_OK)
    return npu_error_set (error, status, "no slot is free");
  slot = &runner->slots[index];
  if (strategy == POOLED)
    status = take_pooled (bench, slot, error);
  if (status != NPU_OK)
    return status;
  slot->first = first;
  memcpy (npu_buffer_host (slot->input),
      bench->inputs + (size_t) first * INPUT, (size_t) slot->tiles * INPUT);
  memset (npu_buffer_host (slot->output), UNWRITTEN,
      (size_t) slot->tiles * OUTPUT);
  status = npu_executor_stage (runner->executor, index, slot->input, 0,
      (size_t) slot->tiles * INPUT, error);
  run.operations = &slot->operation;
  run.items = slot->tiles;
  run.outputs[0] =
      (NpuExecutorRange) { slot->output, 0, (size_t) slot->tiles * OUTPUT };
  if (status == NPU_OK)
    status = npu_executor_submit (runner->executor, index, &run, error);
  return status;
}

static NpuStatus
collect (Bench * bench, uint32_t strategy, uint32_t * tiles, NpuError * error)
{
  Runner *runner = &bench->runners[strategy];
  uint32_t index;
  NpuStatus status = npu_executor_collect (runner->executor,
      NPU_WAIT_FOREVER, &index, error);
  const Slot *slot;

  if (status != NPU_OK)
    return status;
  slot = &runner->slots[index];
  *tiles = slot->tiles;
  for (uint32_t i = 0; i < slot->tiles && status == NPU_OK; i++)
    if (memcmp ((uint8_t *) npu_buffer_host (slot->output) + i * OUTPUT,
            bench->expected + (size_t) (slot->first + i) * OUTPUT, OUTPUT))
      status = npu_error_set (error, NPU_EDEVICE, "tile %u is not what the "
          "kernel's twin gives: nothing is reported", slot->first + i);
  if (strategy == POOLED) {
    npu_buffer_pool_release (bench->pool, slot->input);
    npu_buffer_pool_release (bench->pool, slot->output);
  }
  npu_executor_close (runner->executor, index);
  return status;
}

static NpuStatus
run_round (void *user, uint32_t strategy, NpuPipelineStatistics * figures,
    NpuError * error)
{
  Bench *bench = user;
  NpuExecutor *executor = bench->runners[strategy].executor;
  uint32_t a_list = strategy == BATCH ? bench->tiles : 1;
  uint32_t submitted = 0, collected = 0, tiles = 0;
  NpuStatus status = NPU_OK;

  npu_executor_reset_statistics (executor);
  while (collected < bench->tiles && status == NPU_OK) {
    if (submitted < bench->tiles
        && npu_executor_in_flight (executor) < depths[strategy]) {
      status = submit (bench, strategy, submitted, error);
      submitted += a_list;
    } else {
      status = collect (bench, strategy, &tiles, error);
      collected += tiles;
    }
  }
  npu_executor_statistics (executor, figures);
  return status;
}

/* ------------------------------------------------------------- command */

static const char *const notes[] = {
  "(a) to (d) are alternatives: their gains are never multiplied.",
  "Published for a Phoenix NPU, never verified by its authors: 2.40, 2.08, "
      "1.93 and 2.07 ms a tile.",
  NULL
};

static int
measure (BenchSetup * setup)
{
  Bench bench = {.tiles = setup->items };
  const BenchWork work = {
    .title = "Attention tiles of 64 x 64 in int8, every one verified",
    .item = "tile",
    .strategies = strategies,
    .count = STRATEGIES,
    .round = run_round,
    .user = &bench,
  };
  BenchResult results[BENCH_STRATEGIES];
  NpuBufferPoolStatistics pool;
  NpuError error = { 0 };
  int status = BENCH_EXIT_ERROR;

  bench.device = bench_open_device (setup);
  if (!bench.device)
    return BENCH_EXIT_ERROR;
  if (prepare (&bench, &error) != NPU_OK) {
    bench_say ("%s", error.message);
  } else if (bench_measure (setup, &work, results)) {
    npu_buffer_pool_statistics (bench.pool, &pool);
    status = bench_report (setup, &work, results, bench.device, notes,
        json_pack ("{s:o}", "pool", bench_pool_to_json (&pool)));
  }
  clear (&bench);
  return status;
}

static int
run (int argc, char **argv)
{
  BenchSetup setup = {.items = 10,.rounds = 30,.warm_up = 3,.device = "cpu" };
  const BenchOption options[] = {
    {"num-tiles", "N", "tiles in a round [10]", BENCH_OPTION_COUNT,
        &setup.items, 1, MAX_TILES},
    BENCH_SETUP_OPTIONS (setup),
    {NULL, NULL, NULL, BENCH_OPTION_FLAG, NULL, 0, 0}
  };
  int status;

  if (!bench_options_parse (&bench_dma_command, options, argc, argv, NULL,
          &status))
    return status;
  return measure (&setup);
}

const BenchCommand bench_dma_command = {
  .name = "dma",
  .summary = "compare ways of moving tiles to a device and back",
  .description =
      "Runs attention tiles on a device in four ways: (a) one pair of buffers,\n"
      "synced around every run; (b) buffers from a pool; (c) two and three in\n"
      "flight, each with buffers of its own; (d) all tiles in one batch. Rounds\n"
      "come in random order after a warm-up; every tile of every round is\n"
      "compared with the kernel's host twin, bit for bit.",
  .run = run,
};
