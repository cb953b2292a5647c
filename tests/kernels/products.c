/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of the gemm and attention kernels.
 */
#include "kernels/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 60
#define LIMIT 2e-6              /* float32 sums in another order */
#define GUARD 16                /* values behind a row that stay NaN */

static const char *const gemm_names[NPU_WEIGHT_TYPES] = {
  [NPU_WEIGHT_FLOAT32] = "gemm float32",
  [NPU_WEIGHT_BF16] = "gemm bf16",
  [NPU_WEIGHT_INT8] = "gemm int8",
};

static void *
create_scratch (void)
{
  return poisoned (NPU_KERNEL_SCRATCH / sizeof (float));
}

/* -------------------------------------------------------------- gemm */

typedef struct
{
  NpuMatrix matrix;
  size_t rows;
  size_t stride;                /* of outputs */
  float *input;
  float *bias;
  float *residual;
  NpuEpilogue epilogue;
} GemmCase;

static float
rounded_to_bf16 (float value)
{
  uint32_t bits;

  memcpy (&bits, &value, sizeof (bits));
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  memcpy (&value, &bits, sizeof (value));
  return value;
}

static GemmCase
random_gemm (NpuWeightType type)
{
  static const size_t few_rows[] = { 1, 2, 4, 5, 12, 17 };
  size_t outputs = 1 + random_below (700), inputs = 1 + random_below (1200);
  GemmCase test = {
    .matrix = random_matrix (type, outputs, inputs),
    .rows = random_below (2) ? few_rows[random_below (6)]
        : 1 + random_below (NPU_GEMM_ROWS),
    .stride = outputs + GUARD,
    .epilogue = random_below (2) ? NPU_EPILOGUE_GELU : NPU_EPILOGUE_NONE,
  };

  test.input = poisoned (test.rows * (inputs + GUARD));
  /* sets with dot products of bf16 round their inputs: to be compared, these
   * are rounded before */
  for (size_t r = 0; r < test.rows; r++)
    for (size_t i = 0; i < inputs; i++)
      test.input[r * (inputs + GUARD) + i] = type == NPU_WEIGHT_BF16
          ? rounded_to_bf16 (random_float ()) : random_float ();
  if (random_below (2))
    test.bias = random_values (outputs, 1.0f);
  if (random_below (2))
    test.residual = random_values (test.rows * test.stride, 1.0f);
  return test;
}

static void
free_gemm (GemmCase * test)
{
  free_matrix (&test->matrix);
  free (test->input);
  free (test->bias);
  free (test->residual);
}

/* Rows @first ... @first + @rows - 1 of the case, all columns. The residual is
 * in place when @in_place. */
static void
run_gemm (const NpuKernels * set, const GemmCase * test, size_t first,
    size_t rows, bool in_place, float *output)
{
  void *scratch = create_scratch ();
  NpuGemmArgs args = {
    .rows = rows,
    .weight = &test->matrix,
    .bias = test->bias,
    .epilogue = test->epilogue,
  };

  for (size_t r = 0; r < rows; r++) {
    args.input[r] = test->input + (first + r) * (test->matrix.inputs + GUARD);
    args.output[r] = output + (first + r) * test->stride;
    if (!test->residual)
      continue;
    args.residual[r] = test->residual + (first + r) * test->stride;
    if (in_place) {
      memcpy (args.output[r], args.residual[r],
          test->matrix.outputs * sizeof (float));
      args.residual[r] = args.output[r];
    }
  }
  for (size_t c = 0; c < test->matrix.outputs; c += NPU_GEMM_COLUMNS) {
    size_t left = test->matrix.outputs - c;

    set->gemm[test->matrix.type] (&args, c,
        left < NPU_GEMM_COLUMNS ? left : NPU_GEMM_COLUMNS, scratch);
  }
  free (scratch);
}

/* Outputs are about 1 in size; a few of them may cancel out. */
static double
unit_error (const float *values, const float *reference, size_t count)
{
  double difference = 0.0, size = (double) count;

  for (size_t i = 0; i < count; i++) {
    difference += pow ((double) values[i] - reference[i], 2);
    size += pow (reference[i], 2);
  }
  return isnan (difference) ? INFINITY : sqrt (difference / size);
}

static const char *
compare_gemm (const NpuKernels * set, const NpuKernels * portable,
    const GemmCase * test, double *error)
{
  size_t outputs = test->matrix.outputs;
  float *expected = poisoned (test->rows * test->stride);
  float *output = poisoned (test->rows * test->stride);
  float *alone = poisoned (test->rows * test->stride);
  const char *why = NULL;

  run_gemm (portable, test, 0, test->rows, false, expected);
  run_gemm (set, test, 0, test->rows, true, output);
  for (size_t r = 0; r < test->rows; r++) {
    const float *row = output + r * test->stride;
    double row_error = unit_error (row, expected + r * test->stride, outputs);

    *error = fmax (*error, row_error);
    if (row_error > LIMIT)
      why = "differs from the portable one";
    for (size_t i = outputs; i < test->stride; i++)
      if (!isnan (row[i]))
        why = "wrote behind the row";
    run_gemm (set, test, r, 1, false, alone);
    if (memcmp (alone + r * test->stride, row, outputs * sizeof (float)) != 0)
      why = "a row alone has other bits";
  }
  free (expected);
  free (output);
  free (alone);
  return why;
}

void
check_gemm (const NpuKernels * set, const NpuKernels * portable)
{
  for (int type = 0; type < NPU_WEIGHT_TYPES; type++) {
    const char *why = NULL;
    double error = 0.0;

    for (int i = 0; i < ROUNDS && !why; i++) {
      GemmCase test = random_gemm ((NpuWeightType) type);

      why = compare_gemm (set, portable, &test, &error);
      free_gemm (&test);
    }
    report (set->name, gemm_names[type], why, error);
  }
}

/* --------------------------------------------------------- attention */

typedef struct
{
  NpuAttentionArgs args;
  size_t heads;
  size_t rows;
  size_t width;
  double limit;                 /* of the relative error */
  float *rows_memory;           /* query, keys and values, side by side */
  float *cache_memory;
} AttentionCase;

static AttentionCase
random_attention (bool cached)
{
  static const size_t head_sizes[] = { 16, 32, 48, 64, 64, 80, 128, 256 };
  size_t visible = 1 + random_below (random_below (2) ? 20 : 700);
  size_t rows = 1 + random_below (random_below (2) ? 17 : NPU_ATTENTION_ROWS);
  size_t head_size = head_sizes[random_below (8)];
  size_t heads = 1 + random_below (3), width = heads * head_size;
  size_t step = cached ? random_below (2) : 0;
  size_t keys = visible + (rows - 1) * step;
  size_t all = keys > rows ? keys : rows;
  /* Scores of hundreds, where a careless exp overflows. */
  float size = random_below (3) ? 1.0f : 8.0f;
  size_t capacity = (keys + random_below (40) + NPU_PANEL) / NPU_PANEL
      * NPU_PANEL;
  AttentionCase test = {.heads = heads,.rows = rows,.width = width };

  /* What a score has lost, its exponential has too: 2^-24 of hundreds. */
  test.limit = size > 1.0f ? 1e-4 : 2 * LIMIT;
  test.rows_memory = random_values (all * 3 * width, size);
  test.args = (NpuAttentionArgs) {
    .query = test.rows_memory,
    .query_stride = 3 * width,
    .keys = test.rows_memory + width,
    .values = test.rows_memory + 2 * width,
    .keys_stride = 3 * width,
    .output_stride = width + GUARD,
    .head_size = head_size,
    .visible = visible,
    .visible_step = step,
  };
  if (cached) {
    test.cache_memory = poisoned (2 * capacity * width);
    test.args.cache = (NpuCache) { test.cache_memory,
      test.cache_memory + capacity * width, width, capacity
    };
    for (size_t key = 0; key < keys; key++)
      npu_cache_store (&test.args.cache, key,
          test.args.keys + key * 3 * width, test.args.values + key * 3 * width);
  }
  return test;
}

static void
run_attention (const NpuKernels * set, const AttentionCase * test,
    size_t chunk, float *output, float *probabilities)
{
  NpuAttentionArgs args = test->args;
  void *scratch = create_scratch ();

  args.output = output;
  for (size_t head = 0; head < test->heads; head++) {
    args.probabilities = probabilities
        ? probabilities + head * test->rows * args.visible : NULL;
    args.probabilities_stride = args.visible;
    for (size_t r = 0; r < test->rows; r += chunk) {
      size_t rows = test->rows - r < chunk ? test->rows - r : chunk;

      if (test->cache_memory)
        set->attention_cached (&args, head, r, rows, scratch);
      else
        set->attention (&args, head, r, rows, scratch);
    }
  }
  free (scratch);
}

static const char *
compare_outputs (const AttentionCase * test, const float *output,
    const float *expected, double *error)
{
  size_t stride = test->args.output_stride;

  for (size_t r = 0; r < test->rows; r++) {
    double row_error = relative_error (output + r * stride,
        expected + r * stride, test->width);

    *error = fmax (*error, row_error);
    for (size_t i = test->width; i < stride; i++)
      if (!isnan (output[r * stride + i]))
        return "wrote behind the row";
  }
  return NULL;
}

static const char *
compare_attention (const NpuKernels * set, const NpuKernels * portable,
    const AttentionCase * test, double *error)
{
  size_t size = test->rows * test->args.output_stride;
  size_t weights = test->heads * test->rows * test->args.visible;
  bool wanted = test->cache_memory && test->args.visible_step == 0;
  float *expected = poisoned (size), *output = poisoned (size);
  float *alone = poisoned (size);
  float *expected_weights = wanted ? poisoned (weights) : NULL;
  float *output_weights = wanted ? poisoned (weights) : NULL;
  const char *why;

  run_attention (portable, test, NPU_ATTENTION_ROWS, expected,
      expected_weights);
  run_attention (set, test, NPU_ATTENTION_ROWS, output, output_weights);
  run_attention (set, test, 1, alone, NULL);
  why = compare_outputs (test, output, expected, error);
  if (wanted)
    *error = fmax (*error, relative_error (output_weights, expected_weights,
            weights));
  if (!why && *error > test->limit)
    why = "differs from the portable one";
  if (!why && memcmp (alone, output, size * sizeof (float)) != 0)
    why = "a row alone has other bits";
  free (expected);
  free (output);
  free (alone);
  free (expected_weights);
  free (output_weights);
  return why;
}

void
check_attention (const NpuKernels * set, const NpuKernels * portable)
{
  for (int cached = 0; cached < 2; cached++) {
    const char *why = NULL;
    double worst = 0.0;

    for (int i = 0; i < ROUNDS && !why; i++) {
      AttentionCase test = random_attention (cached);
      double error = 0.0;

      why = compare_attention (set, portable, &test, &error);
      worst = fmax (worst, error);
      free (test.rows_memory);
      free (test.cache_memory);
    }
    report (set->name, cached ? "attention_cached" : "attention", why, worst);
  }
}
