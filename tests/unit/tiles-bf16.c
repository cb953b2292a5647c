/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The bf16 tile kernels against double precision, within bounds that follow
 * from what they round, in every instruction set that this processor has; and
 * that all sets give the same bits, those that tiles.h writes down.
 */
#include "tiles/loops.h"
#include "unit/device-fixture.h"

#include <math.h>
#include <stdlib.h>

#define SIDE NPU_TILE_SIDE
#define TILE (SIDE * SIDE)
#define STRIDE 200              /* of rows in a larger matrix */
#define ROUNDING 0x1p-8         /* of bf16's 8 bits, relative */
#define NOT_A_NUMBER 0x7fc0

static const NpuTileLoops *loops;

static void
take_portable_loops (void)
{
  loops = &npu_tile_loops_c;
}

static void
take_best_loops (void)
{
  loops = npu_tile_loops ();
}

/* @rows random rows of a larger matrix, NaN between and behind them. */
static NpuTileRows
random_rows (size_t rows, size_t width, float size)
{
  uint16_t *values = malloc (SIDE * STRIDE * sizeof (*values));

  for (size_t i = 0; i < SIDE * STRIDE; i++)
    values[i] = i / STRIDE < rows && i % STRIDE < width
        ? npu_float_to_bf16 (size * random_float ()) : NOT_A_NUMBER;
  return (NpuTileRows) { values, STRIDE };
}

static void
free_rows (NpuTileRows rows)
{
  free ((void *) rows.values);
}

static double
at (NpuTileRows rows, size_t row, size_t column)
{
  return (double) npu_bf16_to_float (rows.values[row * rows.stride + column]);
}

static double
gelu (double x)
{
  return 0.5 * x * (1.0 + erf (x / sqrt (2.0)));
}

/* check notes down every assertion that it passes, which for millions of them
 * takes longer than what is tested. */
static void
assert_within (double value, double wanted, double limit)
{
  if (!(fabs (value - wanted) <= limit))
    ck_abort_msg ("%.9g instead of %.9g, limit %g", value, wanted, limit);
}

/* -------------------------------------------------------- conversion */

START_TEST (every_bf16_survives_the_way_through_float)
{
  for (uint32_t i = 0; i < 65536; i++) {
    uint16_t value = (uint16_t) i, exponent = value & 0x7f80;
    uint16_t wanted = value;

    if (exponent == 0)
      wanted = value & 0x8000;
    else if (exponent == 0x7f80 && value & 0x7f)
      wanted = NOT_A_NUMBER;
    assert_within (npu_float_to_bf16 (npu_bf16_to_float (value)), wanted, 0);
    if (exponent != 0 && exponent != 0x7f80)
      assert_within ((double) npu_bf16_to_float (value),
          ldexp (128 + (value & 0x7f), exponent / 128 - 127 - 7)
          * (value & 0x8000 ? -1 : 1), 0);
  }
}

END_TEST

START_TEST (floats_become_the_nearest_bf16_and_halves_the_even_one)
{
  for (int run = 0; run < 200000; run++) {
    uint32_t bits = random_below (UINT32_MAX), low, high, rest;
    float value, down, up, result;
    double to_down, to_up;

    if (run % 4 == 0)           /* halves, and their neighbours */
      bits = (bits & 0xffff0000) + 0x7fff + random_below (3);
    rest = bits & 0x7fffffff;
    if (rest < 0x00800000 || rest >= 0x7f7f0000)
      continue;
    memcpy (&value, &bits, sizeof (value));
    low = bits & 0xffff0000;
    high = low + 0x10000;
    memcpy (&down, &low, sizeof (down));
    memcpy (&up, &high, sizeof (up));
    result = npu_bf16_to_float (npu_float_to_bf16 (value));
    to_down = fabs ((double) value - down);
    to_up = fabs ((double) value - up);
    if (to_down == to_up)
      assert_within (result, low & 0x10000 ? up : down, 0);
    else
      assert_within (result, to_down < to_up ? down : up, 0);
  }
}

END_TEST

START_TEST (denormals_are_flushed_and_the_greatest_become_infinite)
{
  ck_assert_uint_eq (npu_float_to_bf16 (0x1.fffffcp-127f), 0);
  ck_assert_uint_eq (npu_float_to_bf16 (-0x1p-149f), 0x8000);
  ck_assert_uint_eq (npu_float_to_bf16 (0x1p-126f), 0x0080);
  ck_assert_uint_eq (npu_float_to_bf16 (0x1.fefffep127f), 0x7f7f);
  ck_assert_uint_eq (npu_float_to_bf16 (0x1.ffp127f), 0x7f80);
  ck_assert_uint_eq (npu_float_to_bf16 (-0x1.ffp127f), 0xff80);
  ck_assert_uint_eq (npu_float_to_bf16 (-NAN), NOT_A_NUMBER);
  ck_assert (npu_bf16_to_float (0x007f) == 0.0f);
  ck_assert (signbit (npu_bf16_to_float (0x8001)));
}

END_TEST

/* ----------------------------------------------------------- functions */

#define POINTS 200001

START_TEST (gelu_is_within_5e_7_everywhere)
{
  float *values = malloc (POINTS * sizeof (float));
  float ends[] = { INFINITY, -INFINITY, NAN, -0.0f, 1e30f, -1e30f };

  for (int i = 0; i < POINTS; i++)
    values[i] = (float) (i - POINTS / 2) * 2e-4f;
  loops->gelu (values, values, POINTS);
  for (int i = 0; i < POINTS; i++)
    assert_within (values[i], gelu ((double) ((float) (i - POINTS / 2)
                * 2e-4f)), 5e-7);
  loops->gelu (ends, ends, 6);
  ck_assert (ends[0] == INFINITY && ends[1] == 0.0f && isnan (ends[2]));
  ck_assert (ends[3] == 0.0f && ends[4] == 1e30f && ends[5] == 0.0f);
  free (values);
}

END_TEST

START_TEST (power_of_two_errs_by_2e_7_at_most)
{
  float *values = malloc (POINTS * sizeof (float));
  float ends[] = { -INFINITY, -126.01f, -126.0f, 127.0f, 300.0f, INFINITY };

  for (int i = 0; i < POINTS; i++)
    values[i] = -126.0f + 253.0f * (float) i / POINTS;
  loops->exp2 (values, values, POINTS);
  for (int i = 0; i < POINTS; i++) {
    double wanted = exp2 ((double) (-126.0f + 253.0f * (float) i / POINTS));

    assert_within (values[i], wanted, 2e-7 * wanted);
  }
  loops->exp2 (ends, ends, 6);
  ck_assert (ends[0] == 0.0f && ends[1] == 0.0f && ends[2] == 0x1p-126f);
  ck_assert (ends[3] == 0x1p127f && ends[4] == 0x1p127f
      && ends[5] == 0x1p127f);
  ends[0] = NAN;
  loops->exp2 (ends, ends, 1);
  ck_assert (isnan (ends[0]));
  free (values);
}

END_TEST

/* ------------------------------------------------------ matrix product */

/* In the order that tiles.h promises, one sum at a time. */
static float
product_in_order (NpuTileRows a, NpuTileRows b, size_t i, size_t j, float sum)
{
  for (size_t k = 0; k < SIDE; k += 8) {
    float p[8];

    for (size_t l = 0; l < 8; l++)
      p[l] = (float) (at (a, i, k + l) * at (b, j, k + l));
    for (size_t width = 1; width < 8; width *= 2)
      for (size_t l = 0; l < 8; l += 2 * width)
        p[l] += p[l + width];
    sum += p[0];
  }
  return sum;
}

START_TEST (matrix_product_accumulates_in_the_promised_order)
{
  NpuTileAccumulators *accumulators = malloc (sizeof (*accumulators));
  NpuTileAccumulators *before = malloc (sizeof (*before));
  NpuTileRows a = random_rows (SIDE, SIDE, 1.0f);
  NpuTileRows b = random_rows (SIDE, SIDE, 0.1f);

  for (size_t i = 0; i < TILE; i++)
    before->sums[i / SIDE][i % SIDE] = random_float ();
  *accumulators = *before;
  loops->gemm (a, b, accumulators);
  for (size_t i = 0; i < SIDE; i++)
    for (size_t j = 0; j < SIDE; j++) {
      double exact = before->sums[i][j], magnitude = fabs (exact);

      assert_within (accumulators->sums[i][j], product_in_order (a, b, i, j,
              before->sums[i][j]), 0);
      for (size_t k = 0; k < SIDE; k++) {
        exact += at (a, i, k) * at (b, j, k);
        magnitude += fabs (at (a, i, k) * at (b, j, k));
      }
      /* a value passes 3 additions of products and 8 of steps at most */
      assert_within (accumulators->sums[i][j], exact,
          11 * 0x1p-24 * magnitude);
    }
  free_rows (a);
  free_rows (b);
  free (before);
  free (accumulators);
}

END_TEST

START_TEST (epilogue_adds_bias_then_gelu_then_residual)
{
  NpuTileAccumulators *accumulators = malloc (sizeof (*accumulators));
  NpuTileRows output = random_rows (SIDE, SIDE, 1.0f), before =
      random_rows (SIDE, SIDE, 1.0f);
  NpuTileEpilogue epilogue = { NULL, _i & 2, {NULL, 0} };
  float bias[SIDE];

  for (size_t i = 0; i < TILE; i++)
    accumulators->sums[i / SIDE][i % SIDE] = 3.0f * random_float ();
  for (size_t i = 0; i < SIDE; i++)
    bias[i] = random_float ();
  if (_i & 1)
    epilogue.bias = bias;
  if (_i & 4)                   /* in place */
    epilogue.residual = output;
  memcpy ((void *) before.values, output.values,
      SIDE * STRIDE * sizeof (uint16_t));
  loops->epilogue (accumulators, &epilogue, (uint16_t *) output.values,
      STRIDE);
  for (size_t i = 0; i < SIDE; i++)
    for (size_t j = 0; j < STRIDE; j++) {
      double wanted;

      if (j >= SIDE) {
        assert_within (output.values[i * STRIDE + j], NOT_A_NUMBER, 0);
        continue;
      }
      wanted = accumulators->sums[i][j] + (_i & 1 ? (double) bias[j] : 0.0);
      wanted = _i & 2 ? gelu (wanted) : wanted;
      wanted += _i & 4 ? at (before, i, j) : 0.0;
      /* GELU's error, and float32's of terms below 16 */
      assert_within (at (output, i, j), wanted, ROUNDING * fabs (wanted)
          + 4e-6);
    }
  free_rows (output);
  free_rows (before);
  free (accumulators);
}

END_TEST

/* ----------------------------------------------------------- attention */

#define BLOCKS 3

typedef struct
{
  NpuTileRows queries;
  NpuTileRows keys[BLOCKS];
  NpuTileRows values[BLOCKS];
  size_t count;                 /* of keys in the last block */
} Heads;

static Heads
random_heads (float size)
{
  Heads heads = {.queries = random_rows (SIDE, SIDE, size) };

  heads.count = 1 + random_below (SIDE);
  for (int block = 0; block < BLOCKS; block++) {
    size_t rows = block < BLOCKS - 1 ? SIDE : heads.count;

    /* Later keys are larger, so that the maximum moves on. */
    heads.keys[block] = random_rows (rows, SIDE, (float) (block + 1));
    heads.values[block] = random_rows (rows, SIDE, 1.0f);
  }
  return heads;
}

static void
free_heads (Heads *heads)
{
  free_rows (heads->queries);
  for (int block = 0; block < BLOCKS; block++) {
    free_rows (heads->keys[block]);
    free_rows (heads->values[block]);
  }
}

static void
run_attention (const NpuTileLoops *set, const Heads *heads, uint16_t *output)
{
  NpuTileAttention *attention = malloc (sizeof (*attention));

  set->attention_begin (attention, heads->queries, NPU_TILE_QUERY_FACTOR);
  for (int block = 0; block < BLOCKS; block++)
    set->attention_block (attention, heads->keys[block], heads->values[block],
        block < BLOCKS - 1 ? SIDE : heads->count);
  set->attention_end (attention, output, SIDE);
  free (attention);
}

/* Row @row in double; returns how far a score may be off, since queries were
 * rounded after scaling: half a unit in the last place of each product. */
static double
attention_in_double (const Heads *heads, size_t row, double *output)
{
  size_t count = (BLOCKS - 1) * SIDE + heads->count;
  double scores[BLOCKS * SIDE], maximum = -INFINITY, total = 0.0, off = 0.0;

  for (size_t j = 0; j < count; j++) {
    double magnitude = 0.0;

    scores[j] = 0.0;
    for (size_t d = 0; d < SIDE; d++) {
      double product = at (heads->queries, row, d)
          * at (heads->keys[j / SIDE], j % SIDE, d) / 8.0;

      scores[j] += product;
      magnitude += fabs (product);
    }
    maximum = fmax (maximum, scores[j]);
    off = fmax (off, magnitude * (ROUNDING + 1e-6));
  }
  for (size_t j = 0; j < count; j++)
    total += scores[j] = exp (scores[j] - maximum);
  for (size_t c = 0; c < SIDE; c++) {
    output[c] = 0.0;
    for (size_t j = 0; j < count; j++)
      output[c] += scores[j] / total * at (heads->values[j / SIDE], j % SIDE,
          c);
  }
  return off;
}

START_TEST (attention_through_blocks_is_within_what_it_rounds)
{
  static const float sizes[] = { 0.1f, 1.0f, 4.0f };
  Heads heads = random_heads (sizes[_i]);
  uint16_t *output = malloc (TILE * sizeof (*output));
  Distance distance = { 0 };

  run_attention (loops, &heads, output);
  for (size_t row = 0; row < SIDE; row++) {
    double wanted[SIDE], off = attention_in_double (&heads, row, wanted);
    /* A weight is wrong by exp (off), and again by the sum's part in it; a
     * power is rounded once in each. Values are below 3. */
    double limit = 3.0 * (expm1 (2 * off) + 2.1 * ROUNDING);

    for (size_t c = 0; c < SIDE; c++) {
      double value = (double) npu_bf16_to_float (output[row * SIDE + c]);

      assert_within (value, wanted[c], limit + ROUNDING * fabs (wanted[c]));
      distance_add (&distance, value, wanted[c]);
    }
  }
  assert_close (distance, 1e-2);
  free (output);
  free_heads (&heads);
}

END_TEST

START_TEST (attention_tile_of_fixed_size_is_one_block)
{
  uint16_t *input = malloc (NPU_TILE_ATTENTION_BF16_INPUT);
  uint16_t *output = malloc (NPU_TILE_ATTENTION_BF16_OUTPUT);
  uint16_t *wanted = malloc (NPU_TILE_ATTENTION_BF16_OUTPUT);
  NpuTileAttention *attention = malloc (sizeof (*attention));

  for (size_t i = 0; i < 3 * TILE; i++)
    input[i] = npu_float_to_bf16 (random_float ());
  npu_tile_attention_bf16 (input, output);
  loops->attention_begin (attention, (NpuTileRows) { input, SIDE },
      1.44269504f / 8.0f);
  loops->attention_block (attention, (NpuTileRows) { input + TILE, SIDE },
      (NpuTileRows) { input + 2 * TILE, SIDE }, SIDE);
  loops->attention_end (attention, wanted, SIDE);
  ck_assert_mem_eq (output, wanted, NPU_TILE_ATTENTION_BF16_OUTPUT);
  free (attention);
  free (wanted);
  free (output);
  free (input);
}

END_TEST

START_TEST (matrix_product_tile_of_fixed_size_is_a_times_b_transposed)
{
  uint16_t *input = malloc (NPU_TILE_GEMM_BF16_INPUT);
  uint16_t *output = malloc (NPU_TILE_GEMM_BF16_OUTPUT);
  NpuTileRows a = { input, SIDE }, b = { input + TILE, SIDE };

  for (size_t i = 0; i < 2 * TILE; i++)
    input[i] = npu_float_to_bf16 (random_float ());
  npu_tile_gemm_pair_bf16 (input, output);
  for (size_t i = 0; i < TILE; i++)
    assert_within (output[i], npu_float_to_bf16 (product_in_order (a, b,
                i / SIDE, i % SIDE, 0.0f)), 0);
  free (output);
  free (input);
}

END_TEST

START_TEST (gelu_tile_of_fixed_size_rounds_gelu)
{
  uint16_t input[NPU_TILE_GELU_COUNT], output[NPU_TILE_GELU_COUNT];

  for (size_t i = 0; i < NPU_TILE_GELU_COUNT; i++)
    input[i] = npu_float_to_bf16 (3.0f * random_float ());
  npu_tile_gelu_bf16 (input, output);
  for (size_t i = 0; i < NPU_TILE_GELU_COUNT; i++) {
    double wanted = gelu ((double) npu_bf16_to_float (input[i]));

    assert_within ((double) npu_bf16_to_float (output[i]), wanted,
        ROUNDING * fabs (wanted) + 1.1e-6);
  }
}

END_TEST

/* ---------------------------------------------------------- layer norm */

static void
check_layer_norm (const uint16_t *input, const uint16_t *scale,
    const uint16_t *shift, const uint16_t *output, size_t width)
{
  NpuTileRows x = { input, width }, g = { scale, width }, s = { shift, width };
  double mean = 0.0, variance = 0.0, factor;

  for (size_t i = 0; i < width; i++)
    mean += at (x, 0, i) / (double) width;
  for (size_t i = 0; i < width; i++)
    variance += pow (at (x, 0, i) - mean, 2.0) / (double) width;
  factor = 1.0 / sqrt (variance + 1e-5);
  for (size_t i = 0; i < width; i++) {
    double scaled = (at (x, 0, i) - mean) * factor * at (g, 0, i);
    double wanted = scaled + at (s, 0, i);
    /* float32's error of each term, and of the mean */
    double limit = ROUNDING * fabs (wanted) + 1e-6 * (fabs (scaled)
        + fabs (at (s, 0, i)) + fabs (mean * factor * at (g, 0, i)) + 1.0);

    assert_within ((double) npu_bf16_to_float (output[i]), wanted, limit);
  }
}

START_TEST (layer_norm_of_any_width_equals_its_formula)
{
  static const size_t widths[] = { 16, 48, 192, 256, 384, 1280 };

  for (size_t i = 0; i < sizeof (widths) / sizeof (widths[0]); i++) {
    size_t width = widths[i];
    uint16_t *row = malloc (4 * width * sizeof (*row));
    float mean = 5.0f * random_float ();

    for (size_t j = 0; j < 3 * width; j++)
      row[j] = npu_float_to_bf16 (random_float () + (j < width ? mean : 0.5f));
    loops->layer_norm (width, row, row + width, row + 2 * width,
        row + 3 * width);
    check_layer_norm (row, row + width, row + 2 * width, row + 3 * width,
        width);
    if (width == NPU_TILE_NORM_WIDTH) {
      uint16_t output[NPU_TILE_NORM_WIDTH];

      npu_tile_layer_norm_row_bf16 (row, output);
      ck_assert_mem_eq (output, row + 3 * width, sizeof (output));
    }
    /* in place */
    loops->layer_norm (width, row, row + width, row + 2 * width, row);
    ck_assert_mem_eq (row, row + 3 * width, width * sizeof (*row));
    free (row);
  }
}

END_TEST

/* ---------------------------------------------------- instruction sets */

START_TEST (every_instruction_set_gives_the_same_bits)
{
  const NpuTileLoops *best = npu_tile_loops (), *plain = &npu_tile_loops_c;
  NpuTileAccumulators *sums = calloc (2, sizeof (*sums));
  uint16_t *output = malloc (2 * TILE * sizeof (*output));
  float *values = malloc (3 * TILE * sizeof (*values));
  Heads heads = random_heads (1.0f);
  NpuTileEpilogue epilogue = { values, true, heads.queries };

  for (size_t i = 0; i < TILE; i++)
    values[i] = values[TILE + i] = 20.0f * random_float ();
  plain->gelu (values, values, TILE);
  best->gelu (values + TILE, values + TILE, TILE);
  ck_assert_mem_eq (values, values + TILE, TILE * sizeof (*values));
  for (size_t i = 0; i < TILE; i++)
    values[TILE + i] = values[2 * TILE + i] = 50.0f * random_float ();
  plain->exp2 (values + TILE, values + TILE, TILE);
  best->exp2 (values + 2 * TILE, values + 2 * TILE, TILE);
  ck_assert_mem_eq (values + TILE, values + 2 * TILE, TILE * sizeof (*values));
  plain->gemm (heads.keys[0], heads.values[0], &sums[0]);
  best->gemm (heads.keys[0], heads.values[0], &sums[1]);
  ck_assert_mem_eq (&sums[0], &sums[1], sizeof (*sums));
  plain->epilogue (sums, &epilogue, output, SIDE);
  best->epilogue (sums, &epilogue, output + TILE, SIDE);
  ck_assert_mem_eq (output, output + TILE, TILE * sizeof (*output));
  run_attention (plain, &heads, output);
  run_attention (best, &heads, output + TILE);
  ck_assert_mem_eq (output, output + TILE, TILE * sizeof (*output));
  plain->layer_norm (SIDE, heads.queries.values, heads.keys[0].values,
      heads.values[0].values, output);
  best->layer_norm (SIDE, heads.queries.values, heads.keys[0].values,
      heads.values[0].values, output + TILE);
  ck_assert_mem_eq (output, output + TILE, SIDE * sizeof (*output));
  free_heads (&heads);
  free (values);
  free (output);
  free (sums);
}

END_TEST

static TCase *
loops_case (const char *name, void (*take) (void))
{
  TCase *tests = tcase_create (name);

  tcase_add_checked_fixture (tests, take, NULL);
  tcase_add_test (tests, gelu_is_within_5e_7_everywhere);
  tcase_add_test (tests, power_of_two_errs_by_2e_7_at_most);
  tcase_add_test (tests, matrix_product_accumulates_in_the_promised_order);
  tcase_add_loop_test (tests, epilogue_adds_bias_then_gelu_then_residual, 0,
      8);
  tcase_add_loop_test (tests,
      attention_through_blocks_is_within_what_it_rounds, 0, 3);
  tcase_add_test (tests, attention_tile_of_fixed_size_is_one_block);
  tcase_add_test (tests, layer_norm_of_any_width_equals_its_formula);
  return tests;
}

static Suite *
tiles_suite (void)
{
  Suite *suite = suite_create ("bf16 tile kernels");
  TCase *tests = tcase_create ("any");

  tcase_add_test (tests, every_bf16_survives_the_way_through_float);
  tcase_add_test (tests,
      floats_become_the_nearest_bf16_and_halves_the_even_one);
  tcase_add_test (tests,
      denormals_are_flushed_and_the_greatest_become_infinite);
  tcase_add_test (tests,
      matrix_product_tile_of_fixed_size_is_a_times_b_transposed);
  tcase_add_test (tests, gelu_tile_of_fixed_size_rounds_gelu);
  tcase_add_test (tests, every_instruction_set_gives_the_same_bits);
  suite_add_tcase (suite, tests);
  suite_add_tcase (suite, loops_case ("portable", take_portable_loops));
  suite_add_tcase (suite, loops_case ("best", take_best_loops));
  return suite;
}

int
main (void)
{
  return fixture_main (tiles_suite ());
}
