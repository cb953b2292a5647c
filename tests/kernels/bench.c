/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How long kernels take at the shapes of Whisper's base size, on one thread,
 * with a matrix's whole product in one row of the table.
 */
#include "kernels/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_NS 100000000      /* of each measurement */

typedef struct
{
  const NpuKernels *set;
  void *scratch;
  NpuMatrix *matrix;
  size_t rows;
  NpuEpilogue epilogue;
  const float *input;
  float *output;
  size_t count;
} Bench;

typedef void (*BenchFunc) (const Bench * bench);

static double
now_ns (void)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  return 1e9 * (double) time.tv_sec + (double) time.tv_nsec;
}

/* Nanoseconds of a call: the best of some runs. */
static double
measure (BenchFunc func, const Bench * bench)
{
  double end = now_ns () + BENCH_NS, best = 1e30;

  do {
    double start = now_ns (), time;

    func (bench);
    time = now_ns () - start;
    if (time < best)
      best = time;
  } while (now_ns () < end);
  return best;
}

static void
compare (const char *name, BenchFunc func, Bench * bench,
    const NpuKernels * portable, double operations)
{
  const NpuKernels *set = bench->set;
  double time = measure (func, bench), reference;

  bench->set = portable;
  reference = measure (func, bench);
  bench->set = set;
  printf ("%-8s %-34s %10.1f us %8.1f GFLOP/s %6.1f x c\n", set->name, name,
      time / 1e3, operations / time, reference / time);
}

static void
run_gemm (const Bench * bench)
{
  NpuGemmArgs args = {
    .weight = bench->matrix,
    .epilogue = bench->epilogue,
  };
  const NpuMatrix *matrix = bench->matrix;

  for (size_t first = 0; first < bench->rows; first += NPU_GEMM_ROWS) {
    size_t left = bench->rows - first;

    args.rows = left < NPU_GEMM_ROWS ? left : NPU_GEMM_ROWS;
    for (size_t r = 0; r < args.rows; r++) {
      args.input[r] = bench->input + (first + r) * matrix->inputs;
      args.output[r] = bench->output + (first + r) * matrix->outputs;
      args.residual[r] = NULL;
    }
    for (size_t c = 0; c < matrix->outputs; c += NPU_GEMM_COLUMNS) {
      size_t columns = matrix->outputs - c;

      bench->set->gemm[matrix->type] (&args, c,
          columns < NPU_GEMM_COLUMNS ? columns : NPU_GEMM_COLUMNS,
          bench->scratch);
    }
  }
}

static void
bench_gemm (Bench * bench, const NpuKernels * portable)
{
  static const struct
  {
    const char *name;
    size_t rows, outputs, inputs;
    NpuEpilogue epilogue;
  } cases[] = {
    {"480 x 512, to 512", 480, 512, 512, NPU_EPILOGUE_NONE},
    {"480 x 512, to 2048, gelu", 480, 2048, 512, NPU_EPILOGUE_GELU},
    {"480 x 2048, to 512", 480, 512, 2048, NPU_EPILOGUE_NONE},
    {"1 x 512, to 2048, gelu", 1, 2048, 512, NPU_EPILOGUE_GELU},
    {"1 x 512, to 51866", 1, 51866, 512, NPU_EPILOGUE_NONE},
    {"4 x 512, to 51866", 4, 51866, 512, NPU_EPILOGUE_NONE},
  };
  static const char *const types[] = { "float32", "bf16", "int8" };

  for (size_t i = 0; i < sizeof (cases) / sizeof (cases[0]); i++)
    for (int type = 0; type < NPU_WEIGHT_TYPES; type++) {
      NpuMatrix matrix = random_matrix ((NpuWeightType) type,
          cases[i].outputs, cases[i].inputs);
      float *input = random_values (cases[i].rows * cases[i].inputs, 1.0f);
      char name[64];

      snprintf (name, sizeof (name), "gemm %s %s", types[type], cases[i].name);
      bench->matrix = &matrix;
      bench->rows = cases[i].rows;
      bench->epilogue = cases[i].epilogue;
      bench->input = input;
      bench->output = poisoned (cases[i].rows * cases[i].outputs);
      compare (name, run_gemm, bench, portable,
          2.0 * cases[i].rows * cases[i].outputs * cases[i].inputs);
      free (bench->output);
      free (input);
      free_matrix (&matrix);
    }
}

#define KEYS 1500
#define HEAD_SIZE 64
#define WIDTH 512

static void
run_attention (const Bench * bench)
{
  NpuAttentionArgs args = {
    .query = bench->input,
    .query_stride = 3 * WIDTH,
    .keys = bench->input + WIDTH,
    .values = bench->input + 2 * WIDTH,
    .keys_stride = 3 * WIDTH,
    .output = bench->output,
    .output_stride = WIDTH,
    .head_size = HEAD_SIZE,
    .visible = KEYS,
  };

  bench->set->attention (&args, 0, 0, bench->rows, bench->scratch);
}

static void
run_attention_cached (const Bench * bench)
{
  size_t capacity = (KEYS + NPU_PANEL - 1) / NPU_PANEL * NPU_PANEL;
  float *keys = (float *) bench->input;
  NpuAttentionArgs args = {
    .query = bench->input,
    .cache = {keys, keys + capacity * WIDTH, WIDTH, capacity},
    .output = bench->output,
    .output_stride = WIDTH,
    .head_size = HEAD_SIZE,
    .visible = KEYS,
  };

  for (size_t head = 0; head < WIDTH / HEAD_SIZE; head++)
    bench->set->attention_cached (&args, head, 0, bench->rows, bench->scratch);
}

static void
bench_attention (Bench * bench, const NpuKernels * portable)
{
  float *input = random_values ((size_t) (KEYS + NPU_PANEL) * 3 * WIDTH, 0.1f);

  bench->input = input;
  bench->output = poisoned (NPU_ATTENTION_ROWS * WIDTH);
  bench->rows = NPU_ATTENTION_ROWS;
  compare ("attention 240 x 1500, 1 head of 64", run_attention, bench,
      portable, 4.0 * NPU_ATTENTION_ROWS * KEYS * HEAD_SIZE);
  bench->rows = 1;
  compare ("attention_cached 1 x 1500, 8 heads", run_attention_cached, bench,
      portable, 4.0 * KEYS * WIDTH);
  free (bench->output);
  free (input);
}

static void
run_layer_norm (const Bench * bench)
{
  NpuLayerNormArgs args = { WIDTH, bench->input, bench->input };

  for (size_t row = 0; row < bench->rows; row++)
    bench->set->layer_norm (&args, bench->input + row * WIDTH,
        bench->output + row * WIDTH);
}

static void
run_normalise (const Bench * bench)
{
  bench->set->normalise (bench->input, bench->output, bench->count,
      bench->set->maximum (bench->input, bench->count) - 8.0f);
}

static void
run_rank (const Bench * bench)
{
  NpuRank rank;

  for (size_t i = 0; i < bench->count; i += NPU_GEMM_COLUMNS)
    bench->set->rank (bench->input + i, NPU_GEMM_COLUMNS, (int32_t) i, 5,
        &rank);
}

static void
bench_rows (Bench * bench, const NpuKernels * portable)
{
  float *input = random_values (3000 * 80, 1.0f);

  bench->input = input;
  bench->output = poisoned (3000 * 80);
  bench->rows = 400;
  compare ("layer_norm 400 x 512", run_layer_norm, bench, portable,
      8.0 * 400 * WIDTH);
  bench->count = 3000 * 80;
  compare ("maximum and normalise, 3000 x 80", run_normalise, bench, portable,
      4.0 * 3000 * 80);
  bench->count = 51200;
  compare ("rank 51200 logits", run_rank, bench, portable, 51200);
  free (bench->output);
  free (input);
}

void
bench_set (const NpuKernels * set, const NpuKernels * portable)
{
  Bench bench = {.set = set };

  bench.scratch = poisoned (NPU_KERNEL_SCRATCH / sizeof (float));
  bench_gemm (&bench, portable);
  bench_attention (&bench, portable);
  bench_rows (&bench, portable);
  free (bench.scratch);
}
