/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Several strategies for the same work, measured side by side: a warm-up, then
 * rounds in which each strategy does the whole work once, in random order, so
 * that a machine whose speed drifts favours none. What a command measures is a
 * callback; the tables, files and pictures are the same for all.
 */
#ifndef NPU_BENCH_MEASURE_H
#define NPU_BENCH_MEASURE_H

#include "device/buffer-pool.h"
#include "device/device.h"
#include "pipeline/statistics.h"

#include "command.h"
#include "output.h"

#define BENCH_STRATEGIES 8

/* What the options of every such command set. */
typedef struct
{
  unsigned items;               /* tiles in a round */
  unsigned rounds;
  unsigned warm_up;             /* rounds that do not count */
  unsigned seed;                /* of inputs and order; 0 for a fresh one */
  const char *device;
  const char *device_options;   /* NULL for none */
  unsigned threads;             /* 0 for all */
  const char *json;             /* NULL for none */
  const char *svg;              /* NULL for none */
} BenchSetup;

/* The rows of an option table that set @setup. */
#define BENCH_SETUP_OPTIONS(setup) \
  {"device", "NAME", "cpu or emu [cpu]", BENCH_OPTION_STRING, \
  &(setup).device, 0, 0}, \
  {"device-options", "TEXT", "settings of the device, such as " \
  "cost=published,time=virtual", BENCH_OPTION_STRING, \
  &(setup).device_options, 0, 0}, \
  {"threads", "N", "threads that compute [all]", BENCH_OPTION_COUNT, \
  &(setup).threads, 0, 1024}, \
  {"rounds", "N", "rounds that count [30]", BENCH_OPTION_COUNT, \
  &(setup).rounds, 1, 100000}, \
  {"warm-up", "N", "rounds before them [3]", BENCH_OPTION_COUNT, \
  &(setup).warm_up, 0, 100000}, \
  {"seed", "N", "of inputs and order [fresh]", BENCH_OPTION_COUNT, \
  &(setup).seed, 0, 2147483647}, \
  {"json", "FILE", "write the figures there", BENCH_OPTION_STRING, \
  &(setup).json, 0, 0}, \
  {"svg", "FILE", "write a picture there", BENCH_OPTION_STRING, &(setup).svg, \
  0, 0}

typedef struct
{
  const char *key;              /* for the JSON */
  const char *label;            /* for people */
} BenchStrategy;

typedef struct
{
  const char *title;
  const char *item;             /* "tile" */
  const BenchStrategy *strategies;
  uint32_t count;               /* of them, at most BENCH_STRATEGIES */
  /* Do the round's work by @strategy, check every result, and give the
   * figures of the round. */
  NpuStatus (*round) (void *user, uint32_t strategy,
      NpuPipelineStatistics * figures, NpuError * error);
  void *user;
} BenchWork;

typedef struct
{
  BenchSpread milliseconds;     /* per item */
  BenchSpread dma_share;
  BenchSpread overlap;
  BenchSpread queue_depth;
  uint64_t stalls;              /* over all rounds that count */
} BenchResult;

/**
 * bench_open_device:
 * Open the device that @setup names, and give a seed where it has none. Returns
 * NULL when that failed, and the reason was said.
 */
NpuDevice *bench_open_device (BenchSetup * setup);

/**
 * bench_measure:
 * Run @work as @setup says and fill a result for each strategy. Returns false
 * when a round failed, and the reason was said.
 */
bool bench_measure (const BenchSetup * setup, const BenchWork * work,
    BenchResult results[BENCH_STRATEGIES]);

/**
 * bench_report:
 * Print the table, and write the JSON and the picture where @setup asks for
 * them. Returns what to exit with.
 *
 * @notes  lines below table and picture, ended by NULL
 * @more   set in the JSON beside the results; taken over, may be NULL
 */
int bench_report (const BenchSetup * setup, const BenchWork * work,
    const BenchResult * results, const NpuDevice * device,
    const char *const *notes, json_t * more);

/**
 * bench_pool_to_json:
 * Returns the counters of a buffer pool, to be given back with json_decref().
 */
json_t *bench_pool_to_json (const NpuBufferPoolStatistics * pool);

#endif
