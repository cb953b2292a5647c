/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * npu-bench peak: what this machine can do at most, by one thread and by all.
 * Shares of a peak that other commands print are of these figures, measured in
 * the same run.
 */
#include "peak.h"

#include "command.h"
#include "machine.h"
#include "output.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 256
#define ROUNDS_MAX 1000
/* Once a loop takes so long, its rounds are counted. */
#define CALIBRATION_SECONDS 0.005
#define LEVELS 4

typedef struct
{
  unsigned threads;
  unsigned rounds;
  double seconds;               /* of a round */
  const char *json;
} Setup;

/* What is measured: arithmetic, or reads where that is NULL. */
typedef struct
{
  const BenchArithmetic *arithmetic;
  size_t bytes;                 /* that each thread reads over and over */
} Subject;

typedef struct
{
  Subject subject;
  double seconds;
  unsigned cpu;
  pthread_barrier_t *start;
  void *memory;
  double rate;                  /* out: operations or bytes a second */
} Worker;

/* -------------------------------------------------------- one thread */

static double
now (void)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static double
time_rounds (const Worker * worker, uint64_t rounds)
{
  double started = now ();

  if (worker->subject.arithmetic)
    worker->subject.arithmetic->run (rounds);
  else
    bench_read (worker->memory, worker->subject.bytes, rounds);
  return now () - started;
}

static void
measure_rate (Worker * worker)
{
  const BenchArithmetic *arithmetic = worker->subject.arithmetic;
  double work = arithmetic ? arithmetic->operations : worker->subject.bytes;
  uint64_t rounds = 1;
  double seconds;

  while ((seconds = time_rounds (worker, rounds)) < CALIBRATION_SECONDS)
    rounds *= 2;
  rounds = rounds * worker->seconds / seconds + 1;
  /* those that are ready later must not find the others at work */
  pthread_barrier_wait (worker->start);
  worker->rate = rounds * work / time_rounds (worker, rounds);
  pthread_barrier_wait (worker->start);
}

static void *
work (void *data)
{
  Worker *worker = data;
  const BenchArithmetic *arithmetic = worker->subject.arithmetic;

  bench_pin_thread (worker->cpu);
  if (worker->memory)
    memset (worker->memory, 0, worker->subject.bytes);
  if (arithmetic && arithmetic->begin)
    arithmetic->begin ();
  measure_rate (worker);
  if (arithmetic && arithmetic->end)
    arithmetic->end ();
  return NULL;
}

/* ------------------------------------------------------- all threads */

/* Returns operations or bytes a second of @threads together, 0 without memory
 * or threads for it. */
static double
measure_once (const Setup * setup, const Subject * subject, unsigned threads)
{
  Worker workers[THREADS_MAX];
  pthread_t ids[THREADS_MAX];
  pthread_barrier_t start;
  double rate = 0;
  bool well = true;

  pthread_barrier_init (&start, NULL, threads);
  for (unsigned i = 0; i < threads; i++) {
    workers[i] = (Worker) {
      .subject = *subject,
      .seconds = setup->seconds,
      .cpu = i,
      .start = &start,
    };
    if (subject->bytes > 0)
      workers[i].memory = bench_allocate (subject->bytes);
    well &= subject->bytes == 0 || workers[i].memory;
  }
  for (unsigned i = 0; i < threads && well; i++)
    if (pthread_create (&ids[i], NULL, work, &workers[i]) != 0) {
      bench_say ("the system gives no more than %u threads", i);
      exit (BENCH_EXIT_ERROR);  /* the others wait for this one */
    }
  for (unsigned i = 0; i < threads; i++) {
    if (well)
      pthread_join (ids[i], NULL);
    rate += well ? workers[i].rate : 0;
    bench_free (workers[i].memory, subject->bytes);
  }
  pthread_barrier_destroy (&start);
  return rate;
}

static BenchSpread
measure (const Setup * setup, const Subject * subject, unsigned threads)
{
  double rates[ROUNDS_MAX];

  for (unsigned i = 0; i < setup->rounds; i++)
    rates[i] = measure_once (setup, subject, threads) / 1e9;
  return bench_spread (rates, setup->rounds);
}

/* ------------------------------------------------------------ report */

static void
fill_cells (BenchTable * table, const BenchSpread * spread)
{
  bench_table_cell (table, "%.1f", spread->median);
  bench_table_cell (table, "%.1f-%.1f", spread->low, spread->high);
}

/* Measure @subject by one thread and by all, as a row of table and JSON. */
static void
add_row (const Setup * setup, const Subject * subject, BenchTable * table,
    json_t * row)
{
  BenchSpread one = measure (setup, subject, 1);
  BenchSpread all = one;

  fill_cells (table, &one);
  json_object_set_new (row, "one_thread", bench_spread_to_json (&one));
  if (setup->threads > 1)
    all = measure (setup, subject, setup->threads);
  fill_cells (table, &all);
  json_object_set_new (row, "all_threads", bench_spread_to_json (&all));
}

static json_t *
measure_arithmetic (const Setup * setup, BenchTable * table)
{
  json_t *rows = json_array ();

  for (size_t i = 0; i < bench_arithmetic_count; i++) {
    const BenchArithmetic *arithmetic = &bench_arithmetic[i];
    const Subject subject = {.arithmetic = arithmetic };
    bool supported = npu_cpu_has (arithmetic->needs);
    json_t *row = json_pack ("{s:s, s:s, s:s, s:s, s:b}", "key",
        arithmetic->key, "what", arithmetic->arithmetic, "instructions",
        arithmetic->instructions, "unit", "1e9 operations/s", "measured",
        supported);

    bench_table_cell (table, "%s", arithmetic->arithmetic);
    bench_table_cell (table, "%s", arithmetic->instructions);
    bench_table_cell (table, "Gop/s");
    if (supported)
      add_row (setup, &subject, table, row);
    else
      for (int cell = 0; cell < 4; cell++)
        bench_table_cell (table, cell == 0 ? "unmeasured" : "-");
    json_array_append_new (rows, row);
  }
  return rows;
}

static json_t *
measure_reads (const Setup * setup, BenchTable * table)
{
  static const char *const names[LEVELS] = { "L1", "L2", "L3", "memory" };
  static const char *const keys[LEVELS] = {
    "read-l1", "read-l2", "read-l3", "read-memory"
  };
  json_t *rows = json_array ();

  for (int level = 0; level < LEVELS; level++) {
    const Subject subject = {
      .bytes = bench_read_size (level, setup->threads),
    };
    json_t *row = json_pack ("{s:s, s:s, s:s, s:b, s:I}", "key", keys[level],
        "what", names[level], "unit", "1e9 bytes/s", "measured", true,
        "bytes_a_thread", (json_int_t) subject.bytes);

    bench_table_cell (table, "read from %s", names[level]);
    bench_table_cell (table, "%zu KiB each", subject.bytes / 1024);
    bench_table_cell (table, "GB/s");
    add_row (setup, &subject, table, row);
    json_array_append_new (rows, row);
  }
  return rows;
}

static int
report (const Setup * setup)
{
  static const char *const heads[] = {
    "what", "with", "unit", "1 thread", "quartiles", "all threads", "quartiles"
  };
  BenchTable *table = bench_table_new (heads, 7);
  json_t *root = bench_machine_to_json ();
  bool well = true;

  printf ("%s, %u threads, %u rounds of %.2f s each\n\n",
      json_string_value (json_object_get (root, "machine")), setup->threads,
      setup->rounds, setup->seconds);
  json_object_set_new (root, "threads", json_integer (setup->threads));
  json_object_set_new (root, "arithmetic", measure_arithmetic (setup, table));
  json_object_set_new (root, "reads", measure_reads (setup, table));
  bench_table_print (table, stdout);
  bench_table_free (table);
  if (setup->json)
    well = bench_write_json (setup->json, root);
  json_decref (root);
  return well ? BENCH_EXIT_OK : BENCH_EXIT_ERROR;
}

static int
run (int argc, char **argv)
{
  Setup setup = {.rounds = 9,.seconds = 0.05 };
  const BenchOption options[] = {
    {"threads", "N", "that \"all\" are [as many as the process may use]",
        BENCH_OPTION_COUNT, &setup.threads, 0, THREADS_MAX},
    {"rounds", "N", "measurements of each figure [9]", BENCH_OPTION_COUNT,
        &setup.rounds, 1, ROUNDS_MAX},
    {"seconds", "S", "of a measurement [0.05]", BENCH_OPTION_NUMBER,
        &setup.seconds, 0.001, 60},
    {"json", "FILE", "write the figures there", BENCH_OPTION_STRING,
        &setup.json, 0, 0},
    {NULL, NULL, NULL, BENCH_OPTION_FLAG, NULL, 0, 0}
  };
  int status;

  if (!bench_options_parse (&bench_peak_command, options, argc, argv, NULL,
          &status))
    return status;
  if (setup.threads == 0)
    setup.threads = bench_cpu_count (THREADS_MAX);
  return report (&setup);
}

const BenchCommand bench_peak_command = {
  .name = "peak",
  .summary = "measure what the machine can do at most",
  .description =
      "Arithmetic by each set of instructions that this processor has, with all\n"
      "in registers, and reads from each level of its memory: by one thread and\n"
      "by all at once, each on a processor of its own. A multiply-add is two\n"
      "operations. What the processor lacks is said to be unmeasured.",
  .run = run,
};
