/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How long the host twins of the tile kernels take, on one thread. Portable
 * and best loops take turns, so that their ratio is one of the same minute.
 */
#include "kernels/check.h"
#include "tiles/loops.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SIDE NPU_TILE_SIDE
#define TILE (SIDE * SIDE)
#define RUNS 501                /* odd, for the median's sake */
#define WIDTH 512
/* Multiplications and additions of one product of tiles. */
#define PRODUCT (2.0 * SIDE * SIDE * SIDE)

typedef struct
{
  uint16_t tiles[3][TILE];
  uint16_t output[TILE];
  float bias[SIDE];
  NpuTileAccumulators accumulators;
  NpuTileAttention attention;
  int8_t bytes[NPU_TILE_ATTENTION_INT8_INPUT];
} Bench;

typedef void (*BenchFunc) (const NpuTileLoops * loops, Bench * bench);

static NpuTileRows
rows_of (const Bench *bench, int tile)
{
  return (NpuTileRows) { bench->tiles[tile], SIDE };
}

static void
run_gemm (const NpuTileLoops *loops, Bench *bench)
{
  loops->gemm (rows_of (bench, 0), rows_of (bench, 1), &bench->accumulators);
}

static void
run_epilogue (const NpuTileLoops *loops, Bench *bench)
{
  NpuTileEpilogue epilogue = { bench->bias, true, rows_of (bench, 2) };

  loops->epilogue (&bench->accumulators, &epilogue, bench->output, SIDE);
}

static void
run_attention (const NpuTileLoops *loops, Bench *bench)
{
  loops->attention_block (&bench->attention, rows_of (bench, 1),
      rows_of (bench, 2), SIDE);
}

static void
run_layer_norm (const NpuTileLoops *loops, Bench *bench)
{
  loops->layer_norm (WIDTH, bench->tiles[0], bench->tiles[1],
      bench->tiles[2], bench->output);
}

static void
run_attention_int8 (const NpuTileLoops *loops, Bench *bench)
{
  npu_tile_attention_int8 (bench->bytes, (int8_t *) bench->output);
}

static double
time_of (BenchFunc func, const NpuTileLoops *loops, Bench *bench)
{
  struct timespec start, end;

  clock_gettime (CLOCK_MONOTONIC, &start);
  func (loops, bench);
  clock_gettime (CLOCK_MONOTONIC, &end);
  return 1e9 * (double) (end.tv_sec - start.tv_sec)
      + (double) (end.tv_nsec - start.tv_nsec);
}

static int
by_value (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* One line: the median and the quartiles around it. */
static void
measure (const char *name, BenchFunc func, Bench *bench, double operations)
{
  static double best[RUNS], ratio[RUNS];

  for (int i = 0; i < RUNS; i++) {
    best[i] = time_of (func, npu_tile_loops (), bench);
    ratio[i] = time_of (func, &npu_tile_loops_c, bench) / best[i];
  }
  qsort (best, RUNS, sizeof (double), by_value);
  qsort (ratio, RUNS, sizeof (double), by_value);
  printf ("tiles    %-34s %10.1f us (%.1f ... %.1f) %6.1f GFLOP/s "
      "%6.2f x c (%.2f ... %.2f)\n", name, best[RUNS / 2] / 1e3,
      best[RUNS / 4] / 1e3, best[3 * RUNS / 4] / 1e3,
      operations / best[RUNS / 2], ratio[RUNS / 2], ratio[RUNS / 4],
      ratio[3 * RUNS / 4]);
}

void
bench_tiles (void)
{
  Bench *bench = calloc (1, sizeof (*bench));

  if (!bench)
    abort ();
  for (int i = 0; i < 3 * TILE; i++)
    bench->tiles[i / TILE][i % TILE] = npu_float_to_bf16 (random_float ());
  for (size_t i = 0; i < sizeof (bench->bytes); i++)
    bench->bytes[i] = (int8_t) ((int) random_below (256) - 128);
  npu_tile_attention_begin (&bench->attention, rows_of (bench, 0),
      NPU_TILE_QUERY_FACTOR);
  measure ("gemm bf16 64 x 64 x 64", run_gemm, bench, PRODUCT);
  measure ("epilogue: bias, gelu, residual", run_epilogue, bench, 30.0 * TILE);
  measure ("attention bf16 64 x 64 keys", run_attention, bench, 2 * PRODUCT);
  measure ("layer_norm bf16 512", run_layer_norm, bench, 8.0 * WIDTH);
  measure ("attention int8 64 x 64 (one set)", run_attention_int8, bench,
      2 * PRODUCT);
  free (bench);
}
