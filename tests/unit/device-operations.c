/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every operation of the device interface against straightforward loops in
 * double precision, for every instruction set that the processor has.
 */
#include "unit/device-fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FLOAT32_LIMIT 2e-6

static double
gelu (double x)
{
  return 0.5 * x * (1.0 + erf (x / sqrt (2.0)));
}

/* -------------------------------------------------------------- stem */
typedef struct
{
  uint32_t positions;
  uint32_t frames[2];           /* in each range */
} StemCase;

/* Frame @frame of the normalised window, in double; NULL out of range. */
static void
reference_window (const NpuStemItem * item, uint32_t frames, double *window)
{
  double maximum = -INFINITY;
  uint32_t count = 0;

  for (int range = 0; range < 2; range++)
    for (uint32_t t = 0; t < item->frames[range].rows; t++, count++)
      for (uint32_t b = 0; b < BANDS; b++) {
        window[count * BANDS + b] =
            plain_row (&item->frames[range], BANDS, t)[b];
        maximum = fmax (maximum, window[count * BANDS + b]);
      }
  for (; count < frames; count++)
    for (uint32_t b = 0; b < BANDS; b++)
      window[count * BANDS + b] = -10.0;
  maximum = fmax (maximum, window[(frames - 1) * BANDS]);
  for (uint32_t i = 0; i < frames * BANDS; i++)
    window[i] = (fmax (window[i], maximum - 8.0) + 4.0) / 4.0;
}

/* A convolution with kernel 3 and padding 1, then GELU. */
static void
reference_convolution (const double *input, uint32_t frames, uint32_t channels,
    uint32_t stride, const float *weight, const float *bias, double *output)
{
  for (uint32_t t = 0; t < frames / stride; t++)
    for (uint32_t o = 0; o < WIDTH; o++) {
      double sum = bias[o];

      for (int64_t tap = 0; tap < 3; tap++) {
        int64_t frame = (int64_t) t * stride + tap - 1;

        if (frame < 0 || frame >= frames)
          continue;
        for (uint32_t c = 0; c < channels; c++)
          sum += input[frame * channels + c]
              * weight[(o * 3 + tap) * channels + c];
      }
      output[t * WIDTH + o] = gelu (sum);
    }
}

static void
check_stem_item (const Fixture * fixture, const NpuStemItem * item)
{
  uint32_t positions = item->output.rows, frames = 2 * positions;
  double window[2 * STEM_POSITIONS * BANDS];
  double hidden[2 * STEM_POSITIONS * WIDTH], output[STEM_POSITIONS * WIDTH];
  Distance distance = { 0 };

  reference_window (item, frames, window);
  reference_convolution (window, frames, BANDS, 1,
      fixture->weights[CONV1_WEIGHT], fixture->weights[CONV1_BIAS], hidden);
  reference_convolution (hidden, frames, WIDTH, 2,
      fixture->weights[CONV2_WEIGHT], fixture->weights[CONV2_BIAS], output);
  for (uint32_t t = 0; t < positions; t++)
    for (uint32_t o = 0; o < WIDTH; o++)
      distance_add (&distance, activation_row (&item->output, WIDTH, t)[o],
          output[t * WIDTH + o]
          + fixture->weights[POSITIONS][t * WIDTH + o]);
  assert_close (distance, FLOAT32_LIMIT);
}

START_TEST (stem_equals_both_convolutions)
{
  static const StemCase cases[] = {
    {STEM_POSITIONS, {2 * STEM_POSITIONS, 0}}, {STEM_POSITIONS, {33, 47}},
    {STEM_POSITIONS, {20, 11}}, {1, {1, 0}}, {1, {2, 0}}, {25, {0, 31}},
    {25, {0, 0}}, {13, {1, 1}},
  };
  enum
  { CASES = sizeof (cases) / sizeof (cases[0]) };
  NpuStemItem items[CASES];
  NpuOperation operation = {
    .type = NPU_OPERATION_CONV1D_STEM,
    .batch = CASES,
    .stem = {items, BANDS, WIDTH, CONV1_WEIGHT, CONV1_BIAS, CONV2_WEIGHT,
        CONV2_BIAS, POSITIONS},
  };
  Fixture fixture;

  if (!fixture_open (&fixture, _i, 2, NPU_PRECISION_FLOAT32))
    return;
  for (int i = 0; i < CASES; i++) {
    for (int range = 0; range < 2; range++) {
      uint32_t rows = cases[i].frames[range];

      items[i].frames[range] = fixture_rows (&fixture, rows ? rows : 1,
          BANDS);
      items[i].frames[range].rows = rows;
      for (uint32_t j = 0; j < rows * BANDS; j++)
        plain_row (&items[i].frames[range], BANDS, 0)[j] =
            fmaxf (-10.0f, -3.0f + 4.0f * random_float ());
    }
    items[i].staged = fixture_rows (&fixture, 1, (uint32_t)
        (npu_stem_scratch_size (fixture.device, cases[i].positions, BANDS,
            WIDTH) / sizeof (float)));
    items[i].output = fixture_activations (&fixture, cases[i].positions,
        WIDTH);
  }
  fixture_run (&fixture, &operation);
  for (int i = 0; i < CASES; i++) {
    check_stem_item (&fixture, &items[i]);
    fixture_free_view (&items[i].frames[0]);
    fixture_free_view (&items[i].frames[1]);
    fixture_free_view (&items[i].staged);
    fixture_free_view (&items[i].output);
  }
  fixture_close (&fixture);
}

END_TEST

/* ------------------------------------------------------- layer norm */

static void
reference_norm (const Fixture * fixture, const float *input, double *output)
{
  double mean = 0.0, variance = 0.0;

  for (int i = 0; i < WIDTH; i++)
    mean += input[i] / (double) WIDTH;
  for (int i = 0; i < WIDTH; i++)
    variance += (input[i] - mean) * (input[i] - mean) / WIDTH;
  for (int i = 0; i < WIDTH; i++)
    output[i] = (input[i] - mean) / sqrt (variance + 1e-5)
        * fixture->weights[NORM_SCALE][i] + fixture->weights[NORM_SHIFT][i];
}

static void
check_norm (Fixture * fixture, bool output_rows)
{
  uint32_t rows = 1 + random_below (80);
  NpuView input = fixture_activations (fixture, rows, WIDTH);
  NpuView output = output_rows ? fixture_rows (fixture, rows, WIDTH)
      : fixture_activations (fixture, rows, WIDTH);
  NpuOperation operation = {
    .type = NPU_OPERATION_LAYER_NORM,
    .batch = 1,
    .layer_norm = {&input, &output, WIDTH, NORM_SCALE, NORM_SHIFT,
        output_rows},
  };
  Distance distance = { 0 };

  fill_activations (&input, WIDTH);
  fixture_run (fixture, &operation);
  for (uint32_t r = 0; r < rows; r++) {
    double expected[WIDTH];

    reference_norm (fixture, activation_row (&input, WIDTH, r), expected);
    for (int i = 0; i < WIDTH; i++)
      distance_add (&distance, plain_row (&output, WIDTH, r)[i], expected[i]);
  }
  assert_close (distance, FLOAT32_LIMIT);
  fixture_free_view (&input);
  fixture_free_view (&output);
}

START_TEST (layer_norm_equals_its_formula)
{
  Fixture fixture;

  if (!fixture_open (&fixture, _i, 2, NPU_PRECISION_FLOAT32))
    return;
  check_norm (&fixture, false);
  check_norm (&fixture, true);
  fixture_close (&fixture);
}

END_TEST

/* ------------------------------------------------------------- gemm */
typedef struct
{
  uint32_t rows;
  bool bias;
  bool gelu;
  bool residual;
  bool input_rows;
} GemmCase;

static double
reference_gemm (const Fixture * fixture, const GemmCase * test,
    const float *input, uint32_t output)
{
  const float *weight = fixture->weights[GEMM_WEIGHT] + output * GEMM_INPUTS;
  double sum = test->bias ? fixture->weights[GEMM_BIAS][output] : 0.0;

  for (int i = 0; i < GEMM_INPUTS; i++)
    sum += (double) input[i] * weight[i];
  return test->gelu ? gelu (sum) : sum;
}

static float *
gemm_input_row (const GemmCase * test, const NpuView * input, uint32_t row)
{
  return test->input_rows ? plain_row (input, GEMM_INPUTS, row)
      : activation_row (input, GEMM_INPUTS, row);
}

static void
check_gemm (Fixture * fixture, const GemmCase * test, double limit)
{
  uint32_t rows = test->rows;
  NpuView input = test->input_rows ? fixture_rows (fixture, rows, GEMM_INPUTS)
      : fixture_activations (fixture, rows, GEMM_INPUTS);
  NpuView output = fixture_activations (fixture, rows, GEMM_OUTPUTS);
  NpuOperation operation = {
    .type = NPU_OPERATION_GEMM,
    .batch = 1,
    .gemm = {&input, &output, test->residual ? &output : NULL, GEMM_WEIGHT,
        test->bias ? GEMM_BIAS : NPU_NO_TENSOR, test->gelu, test->input_rows},
  };
  float *before = malloc (sizeof (float) * rows * GEMM_OUTPUTS);
  Distance distance = { 0 };

  for (uint32_t r = 0; r < rows; r++)
    for (int i = 0; i < GEMM_INPUTS; i++)
      gemm_input_row (test, &input, r)[i] = random_float ();
  fill_activations (&output, GEMM_OUTPUTS);
  for (uint32_t r = 0; r < rows; r++)
    memcpy (before + r * GEMM_OUTPUTS, activation_row (&output, GEMM_OUTPUTS,
            r), sizeof (float) * GEMM_OUTPUTS);
  fixture_run (fixture, &operation);
  for (uint32_t r = 0; r < rows; r++)
    for (uint32_t o = 0; o < GEMM_OUTPUTS; o++)
      distance_add (&distance, activation_row (&output, GEMM_OUTPUTS, r)[o],
          reference_gemm (fixture, test, gemm_input_row (test, &input, r), o)
          + (test->residual ? before[r * GEMM_OUTPUTS + o] : 0.0f));
  assert_close (distance, limit);
  free (before);
  fixture_free_view (&input);
  fixture_free_view (&output);
}

static void
check_gemm_cases (int isa, NpuPrecision precision, double limit)
{
  static const uint32_t rows[] = { 1, 2, 3, 4, 5, 7, 11, 12, 13, 17, 48, 101 };
  Fixture fixture;

  if (!fixture_open (&fixture, isa, 2, precision))
    return;
  for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++)
    for (unsigned flags = 0; flags < 16; flags++) {
      GemmCase test = { rows[i], flags & 1, flags & 2, flags & 4, flags & 8 };

      check_gemm (&fixture, &test, limit);
    }
  fixture_close (&fixture);
}

START_TEST (gemm_with_every_epilogue_equals_its_formula)
{
  check_gemm_cases (_i, NPU_PRECISION_FLOAT32, FLOAT32_LIMIT);
}

END_TEST

START_TEST (gemm_of_bf16_weights_is_near)
{
  check_gemm_cases (_i, NPU_PRECISION_BF16, 5e-3);
}

END_TEST

START_TEST (gemm_of_int8_weights_is_near)
{
  check_gemm_cases (_i, NPU_PRECISION_INT8, 1.5e-2);
}

END_TEST

/* -------------------------------------------------------- attention */
typedef struct
{
  uint32_t width;
  uint32_t heads;
} HeadShape;

static const HeadShape head_shapes[] = { {64, 1}, {128, 2}, {48, 3}, {80, 1},
{512, 2}, {96, 1}
};

#define HEAD_SHAPES (sizeof (head_shapes) / sizeof (head_shapes[0]))

/* One row of one head; @weights takes the probabilities. */
static void
reference_attention (const float *query, const float *const *keys,
    const float *const *values, uint32_t count, uint32_t size,
    double *weights, double *output)
{
  double maximum = -INFINITY, sum = 0.0;

  for (uint32_t k = 0; k < count; k++) {
    weights[k] = 0.0;
    for (uint32_t d = 0; d < size; d++)
      weights[k] += (double) query[d] * keys[k][d] / sqrt (size);
    maximum = fmax (maximum, weights[k]);
  }
  for (uint32_t k = 0; k < count; k++)
    sum += weights[k] = exp (weights[k] - maximum);
  for (uint32_t k = 0; k < count; k++)
    weights[k] /= sum;
  for (uint32_t d = 0; d < size; d++) {
    output[d] = 0.0;
    for (uint32_t k = 0; k < count; k++)
      output[d] += weights[k] * values[k][d];
  }
}

/* Where the rows of keys and values are that a test attends to. */
typedef struct
{
  const float *keys[2048];
  const float *values[2048];
} KeyRows;

static void
add_row_distance (const HeadShape * shape, const float *query,
    const KeyRows * rows, uint32_t count, const float *output,
    Distance * distance)
{
  uint32_t size = shape->width / shape->heads;

  for (uint32_t h = 0; h < shape->heads; h++) {
    const float *keys[2048], *values[2048];
    double weights[2048], expected[256];

    for (uint32_t k = 0; k < count; k++) {
      keys[k] = rows->keys[k] + h * size;
      values[k] = rows->values[k] + h * size;
    }
    reference_attention (query + h * size, keys, values, count, size, weights,
        expected);
    for (uint32_t d = 0; d < size; d++)
      distance_add (distance, output[h * size + d], expected[d]);
  }
}

static void
check_full_attention (Fixture * fixture, const HeadShape * shape,
    uint32_t rows)
{
  NpuAttentionItem item = {
    .input = fixture_activations (fixture, rows, 3 * shape->width),
    .output = fixture_activations (fixture, rows, shape->width),
  };
  NpuOperation operation = {
    .type = NPU_OPERATION_ATTENTION,
    .batch = 1,
    .attention = {.items = &item,.form = NPU_ATTENTION_FULL,
        .width = shape->width,.heads = shape->heads},
  };
  Distance distance = { 0 };
  KeyRows keys;

  fill_activations (&item.input, 3 * shape->width);
  fixture_run (fixture, &operation);
  for (uint32_t r = 0; r < rows; r++) {
    keys.keys[r] = activation_row (&item.input, 3 * shape->width, r)
        + shape->width;
    keys.values[r] = keys.keys[r] + shape->width;
  }
  for (uint32_t r = 0; r < rows; r += 1 + rows / 50)
    add_row_distance (shape, activation_row (&item.input, 3 * shape->width, r),
        &keys, rows, activation_row (&item.output, shape->width, r), &distance);
  assert_close (distance, FLOAT32_LIMIT);
  fixture_free_view (&item.input);
  fixture_free_view (&item.output);
}

START_TEST (full_attention_equals_its_formula)
{
  static const uint32_t rows[] = { 1, 2, 15, 17, 61, 256, 257, 700 };
  Fixture fixture;

  if (!fixture_open (&fixture, _i, 2, NPU_PRECISION_FLOAT32))
    return;
  for (size_t s = 0; s < HEAD_SHAPES; s++)
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++)
      check_full_attention (&fixture, &head_shapes[s], rows[i]);
  fixture_close (&fixture);
}

END_TEST

static void
check_causal_attention (Fixture * fixture, const HeadShape * shape)
{
  static const uint32_t steps[] = { 3, 1, 1, 17, 1, 250, 12, 15 };
  enum
  { CAPACITY = 301 };
  NpuAttentionItem item = {
    .cache = fixture_cache (fixture, CAPACITY, shape->width),
  };
  NpuOperation operation = {
    .type = NPU_OPERATION_ATTENTION,
    .batch = 1,
    .attention = {.items = &item,.form = NPU_ATTENTION_CAUSAL,
        .width = shape->width,.heads = shape->heads},
  };
  uint32_t width = shape->width;
  NpuView inputs[8];
  KeyRows keys;

  for (size_t i = 0; i < 8; i++) {
    Distance distance = { 0 };

    item.input = inputs[i] = fixture_activations (fixture, steps[i],
        3 * width);
    item.output = fixture_activations (fixture, steps[i], width);
    fill_activations (&item.input, 3 * width);
    fixture_run (fixture, &operation);
    for (uint32_t r = 0; r < steps[i]; r++) {
      const float *row = activation_row (&item.input, 3 * width, r);

      keys.keys[item.position + r] = row + width;
      keys.values[item.position + r] = row + 2 * width;
      add_row_distance (shape, row, &keys, item.position + r + 1,
          activation_row (&item.output, width, r), &distance);
    }
    assert_close (distance, FLOAT32_LIMIT);
    item.position += steps[i];
    fixture_free_view (&item.output);
  }
  for (size_t i = 0; i < 8; i++)
    fixture_free_view (&inputs[i]);
  fixture_free_view (&item.cache);
}

START_TEST (causal_attention_sees_what_came_before)
{
  Fixture fixture;

  if (!fixture_open (&fixture, _i, 2, NPU_PRECISION_FLOAT32))
    return;
  for (size_t s = 0; s < HEAD_SHAPES; s++)
    check_causal_attention (&fixture, &head_shapes[s]);
  fixture_close (&fixture);
}

END_TEST

/* Fill @cache from row 0 through the operation, and say where the rows are. */
static void
store_in_cache (Fixture * fixture, const NpuView * input,
    const NpuView * cache, uint32_t width, KeyRows * keys)
{
  NpuOperation operation = {
    .type = NPU_OPERATION_CACHE_STORE,
    .batch = 1,
    .cache_store = {input, cache, width},
  };

  fill_activations (input, 2 * width);
  fixture_run (fixture, &operation);
  for (uint32_t r = 0; r < input->rows; r++) {
    keys->keys[r] = activation_row (input, 2 * width, r);
    keys->values[r] = keys->keys[r] + width;
  }
}

static void
add_probabilities_distance (const HeadShape * shape, uint32_t head,
    const float *query, const KeyRows * rows, uint32_t count,
    const float *probabilities, Distance * distance)
{
  uint32_t size = shape->width / shape->heads;
  const float *keys[2048], *values[2048];
  double weights[2048], output[256];

  for (uint32_t k = 0; k < count; k++) {
    keys[k] = rows->keys[k] + head * size;
    values[k] = rows->values[k] + head * size;
  }
  reference_attention (query + head * size, keys, values, count, size, weights,
      output);
  for (uint32_t k = 0; k < count; k++)
    distance_add (distance, probabilities[k], weights[k]);
}

static void
check_cross_attention (Fixture * fixture, const HeadShape * shape,
    uint32_t rows, uint32_t keys_count)
{
  uint32_t width = shape->width, stored = keys_count + random_below (20);
  uint8_t chosen[] = { (uint8_t) (shape->heads - 1), 0 };
  uint32_t chosen_count = shape->heads > 1 ? 2 : 1;
  NpuView states = fixture_activations (fixture, stored, 2 * width);
  NpuAttentionItem item = {
    .input = fixture_activations (fixture, rows, width),
    .output = fixture_activations (fixture, rows, width),
    .cache = fixture_cache (fixture, stored + random_below (20), width),
    .keys = keys_count,
    .probabilities = fixture_rows (fixture, chosen_count * rows, keys_count),
  };
  NpuOperation operation = {
    .type = NPU_OPERATION_ATTENTION,
    .batch = 1,
    .attention = {&item, NPU_ATTENTION_CROSS, width, shape->heads, chosen,
        chosen_count},
  };
  Distance distance = { 0 }, probabilities = { 0 };
  KeyRows keys;

  store_in_cache (fixture, &states, &item.cache, width, &keys);
  fill_activations (&item.input, width);
  fixture_run (fixture, &operation);
  for (uint32_t r = 0; r < rows; r++) {
    const float *query = activation_row (&item.input, width, r);

    add_row_distance (shape, query, &keys, keys_count,
        activation_row (&item.output, width, r), &distance);
    for (uint32_t c = 0; c < chosen_count; c++)
      add_probabilities_distance (shape, chosen[c], query, &keys, keys_count,
          plain_row (&item.probabilities, keys_count, c * rows + r),
          &probabilities);
  }
  assert_close (distance, FLOAT32_LIMIT);
  assert_close (probabilities, FLOAT32_LIMIT);
  fixture_free_view (&states);
  fixture_free_view (&item.input);
  fixture_free_view (&item.output);
  fixture_free_view (&item.cache);
  fixture_free_view (&item.probabilities);
}

START_TEST (cross_attention_equals_its_formula)
{
  Fixture fixture;

  if (!fixture_open (&fixture, _i, 2, NPU_PRECISION_FLOAT32))
    return;
  for (size_t s = 0; s < HEAD_SHAPES; s++) {
    check_cross_attention (&fixture, &head_shapes[s], 1, 1);
    check_cross_attention (&fixture, &head_shapes[s], 1, 1500);
    check_cross_attention (&fixture, &head_shapes[s], 4, 257);
    check_cross_attention (&fixture, &head_shapes[s], 17, 300);
  }
  fixture_close (&fixture);
}

END_TEST

/* ------------------------------------------------------------- embed */
START_TEST (embed_adds_token_and_position)
{
  int32_t tokens[2][5] = { {0, VOCABULARY - 1, 17, 16, 512}, {3, 3, 600, 1, 2}
  };
  NpuEmbedItem items[2];
  NpuOperation operation = {
    .type = NPU_OPERATION_EMBED,
    .batch = 2,
    .embed = {items, WIDTH, EMBEDDING, EMBEDDING_POSITIONS},
  };
  Fixture fixture;

  if (!fixture_open (&fixture, _i, 2, NPU_PRECISION_FLOAT32))
    return;
  for (uint32_t i = 0; i < 2; i++) {
    items[i].tokens = tokens[i];
    items[i].position = i * (TOKEN_POSITIONS - 5);
    items[i].output = fixture_activations (&fixture, 5, WIDTH);
  }
  fixture_run (&fixture, &operation);
  for (uint32_t i = 0; i < 2; i++) {
    for (uint32_t r = 0; r < 5; r++)
      for (uint32_t c = 0; c < WIDTH; c++)
        ck_assert_float_eq (activation_row (&items[i].output, WIDTH, r)[c],
            fixture.weights[EMBEDDING][tokens[i][r] * WIDTH + c]
            + fixture.weights[EMBEDDING_POSITIONS][(items[i].position + r)
                * WIDTH + c]);
    fixture_free_view (&items[i].output);
  }
  fixture_close (&fixture);
}

END_TEST

START_TEST (embed_refuses_a_token_outside_the_vocabulary)
{
  static const int32_t bad[] = { -1, VOCABULARY, INT32_MAX };
  NpuEmbedItem item = {.position = 0 };
  NpuOperation operation = {
    .type = NPU_OPERATION_EMBED,
    .batch = 1,
    .embed = {&item, WIDTH, EMBEDDING, EMBEDDING_POSITIONS},
  };
  Fixture fixture;
  NpuError error;

  if (!fixture_open (&fixture, _i, 1, NPU_PRECISION_FLOAT32))
    return;
  item.output = fixture_activations (&fixture, 1, WIDTH);
  for (int i = 0; i < 3; i++) {
    item.tokens = &bad[i];
    ck_assert_int_eq (npu_queue_submit (fixture.queue, fixture.program,
            &operation, 1, fixture.fence, &error), NPU_OK);
    ck_assert_int_eq (npu_fence_wait (fixture.fence, NPU_WAIT_FOREVER, &error),
        NPU_EINVAL);
    ck_assert_ptr_nonnull (strstr (error.message, "vocabulary"));
  }
  fixture_free_view (&item.output);
  fixture_close (&fixture);
}

END_TEST

/* -------------------------------------------------------- vocabulary */
static void
reference_range (const double *logits, const uint32_t * suppressed,
    uint32_t first, uint32_t end, const NpuVocabularyRange * range)
{
  bool taken[VOCABULARY] = { false };
  double sum = 0.0;

  for (uint32_t t = first; t < end; t++) {
    taken[t] = suppressed && suppressed[t / 32] >> t % 32 & 1;
    if (!taken[t])
      sum += exp (logits[t]);
  }
  if (sum == 0.0)
    ck_assert_float_infinite (range->log_sum);
  else
    ck_assert_double_eq_tol (range->log_sum, log (sum), 1e-5);
  for (int i = 0; i < NPU_TOP_K_MAX; i++) {
    uint32_t best = end;

    for (uint32_t t = first; t < end; t++)
      if (!taken[t] && (best == end || logits[t] > logits[best]))
        best = t;
    if (best == end) {
      ck_assert_int_eq (range->best[i].token, -1);
      continue;
    }
    taken[best] = true;
    ck_assert_int_ge (range->best[i].token, (int32_t) first);
    ck_assert_int_lt (range->best[i].token, (int32_t) end);
    /* Two that lie closer than the arithmetic can tell may change places. */
    ck_assert_double_eq_tol (range->best[i].logit, logits[best], 2e-5);
    ck_assert_double_eq_tol (range->best[i].logit,
        logits[range->best[i].token], 2e-5);
  }
}

static void
check_vocabulary (Fixture * fixture, uint32_t split,
    const uint32_t * suppressed)
{
  enum
  { ITEMS = 19 };
  NpuVocabularyItem items[ITEMS];
  NpuVocabularyResult results[ITEMS];
  float *full = malloc (sizeof (float) * ITEMS * VOCABULARY);
  NpuOperation operation = {
    .type = NPU_OPERATION_VOCABULARY_TOP_K,
    .batch = ITEMS,
    .vocabulary = {items, WIDTH, EMBEDDING, NPU_TOP_K_MAX, split},
  };

  for (uint32_t i = 0; i < ITEMS; i++) {
    items[i].input = fixture_activations (fixture, 1 + i % 3, WIDTH);
    items[i].suppressed = i % 2 ? suppressed : NULL;
    items[i].result = &results[i];
    items[i].logits = i % 4 < 2 ? full + i * VOCABULARY : NULL;
    fill_activations (&items[i].input, WIDTH);
  }
  fixture_run (fixture, &operation);
  for (uint32_t i = 0; i < ITEMS; i++) {
    const float *input = activation_row (&items[i].input, WIDTH, i % 3);
    double logits[VOCABULARY];

    for (uint32_t t = 0; t < VOCABULARY; t++) {
      logits[t] = 0.0;
      for (uint32_t c = 0; c < WIDTH; c++)
        logits[t] += (double) input[c]
            * fixture->weights[EMBEDDING][t * WIDTH + c];
      if (items[i].logits)
        ck_assert_double_eq_tol (items[i].logits[t], logits[t], 1e-5);
    }
    reference_range (logits, items[i].suppressed, 0, split, &results[i].text);
    reference_range (logits, items[i].suppressed, split, VOCABULARY,
        &results[i].timestamps);
    fixture_free_view (&items[i].input);
  }
  free (full);
}

START_TEST (vocabulary_ranks_both_ranges)
{
  static const uint32_t splits[] = { 0, 1, 511, 512, 777, 1024, VOCABULARY };
  uint32_t suppressed[(VOCABULARY + 31) / 32];
  Fixture fixture;

  if (!fixture_open (&fixture, _i, 2, NPU_PRECISION_FLOAT32))
    return;
  for (size_t i = 0; i < sizeof (splits) / sizeof (splits[0]); i++) {
    for (size_t w = 0; w < sizeof (suppressed) / sizeof (suppressed[0]); w++)
      suppressed[w] = random_below (UINT32_MAX) & random_below (UINT32_MAX);
    check_vocabulary (&fixture, splits[i], suppressed);
    memset (suppressed, 0xff, sizeof (suppressed));
    check_vocabulary (&fixture, splits[i], suppressed);
    suppressed[17] = ~(1u << 5);
    check_vocabulary (&fixture, splits[i], suppressed);
  }
  fixture_close (&fixture);
}

END_TEST

static Suite *
operations_suite (void)
{
  Suite *suite = suite_create ("device operations");
  TCase *tests = tcase_create ("operations");

  tcase_set_timeout (tests, 300);
  tcase_add_loop_test (tests, stem_equals_both_convolutions, 0, ISAS);
  tcase_add_loop_test (tests, layer_norm_equals_its_formula, 0, ISAS);
  tcase_add_loop_test (tests, gemm_with_every_epilogue_equals_its_formula, 0,
      ISAS);
  tcase_add_loop_test (tests, gemm_of_bf16_weights_is_near, 0, ISAS);
  tcase_add_loop_test (tests, gemm_of_int8_weights_is_near, 0, ISAS);
  tcase_add_loop_test (tests, full_attention_equals_its_formula, 0, ISAS);
  tcase_add_loop_test (tests, causal_attention_sees_what_came_before, 0, ISAS);
  tcase_add_loop_test (tests, cross_attention_equals_its_formula, 0, ISAS);
  tcase_add_loop_test (tests, embed_adds_token_and_position, 0, ISAS);
  tcase_add_loop_test (tests, embed_refuses_a_token_outside_the_vocabulary, 0,
      ISAS);
  tcase_add_loop_test (tests, vocabulary_ranks_both_ranges, 0, ISAS);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  return fixture_main (operations_suite ());
}
