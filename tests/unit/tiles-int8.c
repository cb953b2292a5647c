/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The int8 tile kernels, bit for bit, against the formulas of tiles.h worked
 * out another way (long double, in which all of these numbers are exact), and
 * against what they stand for in real numbers.
 */
#include "tiles/tiles.h"
#include "unit/device-fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ROWS 64
#define ATTENTION (ROWS * ROWS)
#define NORM NPU_TILE_NORM_WIDTH
#define RUNS 40

static int8_t
nearest (long double value)
{
  value = rintl (value);
  return (int8_t) fminl (fmaxl (value, -128.0L), 127.0L);
}

/* Random bytes of a kind that depends on @run: all of int8, both ends only,
 * small ones, mostly one value. */
static void
fill (int8_t *values, size_t count, unsigned run)
{
  for (size_t i = 0; i < count; i++)
    switch (run % 4) {
      case 0:
        values[i] = (int8_t) ((int) random_below (256) - 128);
        break;
      case 1:
        values[i] = random_below (2) ? 127 : -128;
        break;
      case 2:
        values[i] = (int8_t) ((int) random_below (9) - 4);
        break;
      default:
        values[i] = random_below (50) ? -128 : 127;
    }
}

/* ------------------------------------------------------------ tables */

static double
gelu (double x)
{
  return 0.5 * x * (1.0 + erf (x / sqrt (2.0)));
}

START_TEST (tables_are_what_their_formulas_give)
{
  for (int i = 0; i < 256; i++) {
    int8_t x = (int8_t) (i < 128 ? i : i - 256);

    ck_assert_int_eq (npu_tile_exp2_table[i],
        lrint (255.0 * 256.0 * exp2 (-i / 256.0)));
    ck_assert_int_eq (npu_tile_gelu_table[i],
        nearest (gelu (x * (double) NPU_TILE_GELU_INPUT_SCALE)
            / NPU_TILE_GELU_OUTPUT_SCALE));
  }
}

END_TEST

START_TEST (gelu_looks_every_byte_up)
{
  int8_t input[NPU_TILE_GELU_COUNT], output[NPU_TILE_GELU_COUNT];

  for (int i = 0; i < NPU_TILE_GELU_COUNT; i++)
    input[i] = (int8_t) (i % 256 - 128);
  npu_tile_gelu_int8 (input, output);
  for (int i = 0; i < NPU_TILE_GELU_COUNT; i++)
    ck_assert_int_eq (output[i], nearest (32 * gelu (input[i] / 32.0)));
}

END_TEST

/* ------------------------------------------------------ quantisation */

START_TEST (quantising_rounds_halves_to_even_and_saturates)
{
  static const struct
  {
    float real;
    int8_t value;
  } cases[] = {
    {0.5f, 0}, {1.5f, 2}, {-0.5f, 0}, {-1.5f, -2}, {2.5f, 2}, {0.51f, 1},
    {126.5f, 126}, {127.4f, 127}, {128.0f, 127}, {-128.0f, -128},
    {-128.6f, -128}, {1e30f, 127}, {-1e30f, -128}, {INFINITY, 127},
    {-INFINITY, -128}, {NAN, 0},
  };

  for (size_t i = 0; i < sizeof (cases) / sizeof (cases[0]); i++) {
    float real = cases[i].real / 32;
    int8_t value;

    npu_tile_quantise (&real, 1.0f / 32, &value, 1);
    ck_assert_msg (value == cases[i].value, "%g became %d",
        (double) cases[i].real, value);
  }
}

END_TEST

/* -------------------------------------------------- matrix product */

START_TEST (matrix_product_equals_exact_sums)
{
  for (unsigned run = 0; run < RUNS; run++) {
    int8_t input[NPU_TILE_GEMM_INT8_INPUT];
    int8_t output[NPU_TILE_GEMM_INT8_OUTPUT];

    fill (input, sizeof (input), run);
    npu_tile_gemm_int8 (input, output);
    for (int i = 0; i < 256; i++) {
      long double sum = 0.0L;

      for (int k = 0; k < 16; k++)
        sum += input[i / 16 * 16 + k] * input[256 + k * 16 + i % 16];
      ck_assert_int_eq (output[i], nearest (sum / 512.0L));
    }
  }
}

END_TEST

START_TEST (matrix_product_rounds_halves_to_even)
{
  /* Sums of 256, 768, 1280: 0.5, 1.5 and 2.5. */
  static const int8_t wanted[] = { 0, 2, 2 };
  int8_t input[NPU_TILE_GEMM_INT8_INPUT] = { 0 };
  int8_t output[NPU_TILE_GEMM_INT8_OUTPUT];

  input[0] = 16;
  for (int c = 0; c < 3; c++)
    input[256 + c] = (int8_t) (16 * (2 * c + 1));
  npu_tile_gemm_int8 (input, output);
  ck_assert_mem_eq (output, wanted, sizeof (wanted));
}

END_TEST

/* --------------------------------------------------------- layer norm */

static void
layer_norm_exactly (const int8_t *input, int8_t *output)
{
  long double sum = 0.0L, square = 0.0L, v, q, r;

  for (int i = 0; i < NORM; i++) {
    sum += input[i];
    square += input[i] * input[i];
  }
  v = 256.0L * square - sum * sum + rintl (1e-5L * 65536 * 16 * 16);
  q = floorl (sqrtl (v * 4294967296.0L));
  r = floorl ((ldexpl (1.0L, 46) + floorl (q / 2)) / q);
  for (int i = 0; i < NORM; i++) {
    long double z = rintl (ldexpl ((256 * input[i] - sum) * r, -18));

    output[i] = nearest ((z * input[NORM + i]
            + 8192.0L * input[2 * NORM + i]) / 8192.0L);
  }
}

START_TEST (layer_norm_equals_its_integer_formula)
{
  for (unsigned run = 0; run < 4 * RUNS; run++) {
    int8_t input[NPU_TILE_LAYER_NORM_INT8_INPUT];
    int8_t output[NORM], wanted[NORM];

    fill (input, NORM, run);
    fill (input + NORM, 2 * NORM, run / 4);
    npu_tile_layer_norm_int8 (input, output);
    layer_norm_exactly (input, wanted);
    ck_assert_mem_eq (output, wanted, NORM);
  }
}

END_TEST

/* What rounding at the end costs, half a unit, and a little of the way. */
#define LAYER_NORM_LIMIT 0.52

START_TEST (layer_norm_is_that_of_real_numbers_to_the_unit)
{
  for (unsigned run = 0; run < 4 * RUNS; run++) {
    int8_t input[NPU_TILE_LAYER_NORM_INT8_INPUT], output[NORM];
    double mean = 0.0, variance = 0.0;

    fill (input, NORM, run);
    fill (input + NORM, 2 * NORM, run / 4);
    npu_tile_layer_norm_int8 (input, output);
    for (int i = 0; i < NORM; i++)
      mean += input[i] * (double) NPU_TILE_NORM_INPUT_SCALE / NORM;
    for (int i = 0; i < NORM; i++)
      variance += pow (input[i] * (double) NPU_TILE_NORM_INPUT_SCALE - mean,
          2.0) / NORM;
    for (int i = 0; i < NORM; i++) {
      double real = (input[i] * (double) NPU_TILE_NORM_INPUT_SCALE - mean)
          / sqrt (variance + 1e-5) * input[NORM + i]
          * (double) NPU_TILE_NORM_FACTOR_SCALE + input[2 * NORM + i]
          * (double) NPU_TILE_NORM_SHIFT_SCALE;
      double units = real / NPU_TILE_NORM_OUTPUT_SCALE;

      units = fmin (fmax (units, -128.0), 127.0);
      if (fabs (output[i] - units) > LAYER_NORM_LIMIT)
        ck_abort_msg ("run %u: %d for %g", run, output[i], units);
    }
  }
}

END_TEST

START_TEST (layer_norm_of_equal_values_is_the_shift)
{
  int8_t input[NPU_TILE_LAYER_NORM_INT8_INPUT], output[NORM];

  fill (input + NORM, 2 * NORM, 0);
  memset (input, 77, NORM);
  npu_tile_layer_norm_int8 (input, output);
  ck_assert_mem_eq (output, input + 2 * NORM, NORM);
}

END_TEST

/* ---------------------------------------------------------- attention */

static void
attention_row_exactly (const int8_t *input, int row, int8_t *output)
{
  const int8_t *query = input + row * ROWS;
  long double scores[ROWS], maximum = -INFINITY, total = 0.0L, reciprocal;

  for (int j = 0; j < ROWS; j++) {
    scores[j] = 0.0L;
    for (int d = 0; d < ROWS; d++)
      scores[j] += query[d] * input[4096 + j * ROWS + d];
    maximum = fmaxl (maximum, scores[j]);
  }
  for (int j = 0; j < ROWS; j++) {
    long double below = fminl (maximum - scores[j], 131071.0L);
    int exponent = (int) floorl (below * 11819.0L / 262144.0L + 0.5L);
    long double mantissa = rintl (65280.0L
        * exp2l (-(exponent % 256) / 256.0L));

    scores[j] = floorl (ldexpl (mantissa, -8 - exponent / 256) + 0.5L);
    total += scores[j];
  }
  reciprocal = floorl ((1073741824.0L + floorl (total / 2)) / total);
  for (int c = 0; c < ROWS; c++) {
    long double sum = 0.0L;

    for (int j = 0; j < ROWS; j++)
      sum += scores[j] * input[8192 + j * ROWS + c];
    output[c] = nearest (ldexpl (sum * reciprocal, -30));
  }
}

START_TEST (attention_equals_its_integer_formula)
{
  for (unsigned run = 0; run < RUNS; run++) {
    int8_t input[NPU_TILE_ATTENTION_INT8_INPUT];
    int8_t output[NPU_TILE_ATTENTION_INT8_OUTPUT], wanted[ROWS];

    fill (input, ATTENTION, run);
    fill (input + ATTENTION, ATTENTION, run / 4);
    fill (input + 2 * ATTENTION, ATTENTION, random_below (4));
    npu_tile_attention_int8 (input, output);
    for (int row = 0; row < ROWS; row++) {
      attention_row_exactly (input, row, wanted);
      ck_assert_mem_eq (output + row * ROWS, wanted, ROWS);
    }
  }
}

END_TEST

START_TEST (attention_to_equal_values_gives_that_value)
{
  for (int value = -128; value < 128; value++) {
    int8_t input[NPU_TILE_ATTENTION_INT8_INPUT];
    int8_t output[NPU_TILE_ATTENTION_INT8_OUTPUT];
    int8_t *values = input + NPU_TILE_ATTENTION_INT8_VALUES;

    fill (input, 2 * ATTENTION, (unsigned) value);
    memset (values, value, ATTENTION);
    npu_tile_attention_int8 (input, output);
    ck_assert_mem_eq (output, values, ATTENTION);
  }
}

END_TEST

/* How queries, keys and values are drawn; @size is a standard deviation, or
 * the limit of what is drawn evenly or from both ends only. */
typedef enum
{ NORMAL, EVEN, ENDS } Shape;

typedef struct
{
  const char *name;
  Shape shape;
  float query;
  float key;
  float value;
} Range;

#define LIMIT (127.0f / 32)

static const Range ranges[] = {
  {"as behind a layer norm", NORMAL, 1.0f, 1.0f, 1.0f},
  {"flat attention, least values", NORMAL, 0.02f, 0.02f, 1.0f},
  {"no attention at all", NORMAL, 0.0f, 0.0f, 1.0f},
  {"small queries, large keys", NORMAL, 0.1f, 2.0f, 1.0f},
  {"wide", NORMAL, 1.3f, 1.3f, 1.3f},
  {"peaked", NORMAL, 2.0f, 2.0f, 1.0f},
  {"even, all of the range", EVEN, LIMIT, LIMIT, LIMIT},
  {"even, flat", EVEN, 0.2f, 0.2f, LIMIT},
  {"both ends", ENDS, LIMIT, LIMIT, LIMIT},
  {"both ends of values, flat", ENDS, 0.05f, 0.05f, LIMIT},
};

#define RANGES (sizeof (ranges) / sizeof (ranges[0]))

static void
draw (Shape shape, float size, float *values)
{
  for (int i = 0; i < ATTENTION; i++) {
    if (shape == NORMAL)
      values[i] = size * random_float ();
    else if (shape == EVEN)
      values[i] = size * ((float) random_below (1 << 24) / (1 << 23) - 1.0f);
    else
      values[i] = random_below (2) ? size : -size;
    values[i] = fminf (fmaxf (values[i], -LIMIT), LIMIT);
  }
}

/* Attention of real numbers: queries, keys and values as the tile has them. */
static void
attention_of_reals (const float *real, double *output)
{
  for (int row = 0; row < ROWS; row++) {
    double weights[ROWS], maximum = -INFINITY, total = 0.0;

    for (int j = 0; j < ROWS; j++) {
      weights[j] = 0.0;
      for (int d = 0; d < ROWS; d++)
        weights[j] += (double) real[row * ROWS + d]
            * real[ATTENTION + j * ROWS + d] / 8.0;
      maximum = fmax (maximum, weights[j]);
    }
    for (int j = 0; j < ROWS; j++)
      total += weights[j] = exp (weights[j] - maximum);
    for (int c = 0; c < ROWS; c++) {
      output[row * ROWS + c] = 0.0;
      for (int j = 0; j < ROWS; j++)
        output[row * ROWS + c] += weights[j] / total
            * real[2 * ATTENTION + j * ROWS + c];
    }
  }
}

static double
correlation (const int8_t *values, const double *reals)
{
  double x = 0.0, y = 0.0, xx = 0.0, yy = 0.0, xy = 0.0;

  for (int i = 0; i < ATTENTION; i++) {
    x += values[i] / (double) ATTENTION;
    y += reals[i] / ATTENTION;
  }
  for (int i = 0; i < ATTENTION; i++) {
    xx += (values[i] - x) * (values[i] - x);
    yy += (reals[i] - y) * (reals[i] - y);
    xy += (values[i] - x) * (reals[i] - y);
  }
  return xy / sqrt (xx * yy);
}

static void
quantise_tile (const float *real, int8_t *input)
{
  npu_tile_quantise (real, NPU_TILE_QUERY_SCALE,
      input + NPU_TILE_ATTENTION_INT8_QUERIES, ATTENTION);
  npu_tile_quantise (real + ATTENTION, NPU_TILE_KEY_SCALE,
      input + NPU_TILE_ATTENTION_INT8_KEYS, ATTENTION);
  npu_tile_quantise (real + 2 * ATTENTION, NPU_TILE_VALUE_SCALE,
      input + NPU_TILE_ATTENTION_INT8_VALUES, ATTENTION);
}

START_TEST (attention_correlates_with_real_attention_over_its_range)
{
  const Range *range = &ranges[_i];
  float *real = malloc (3 * ATTENTION * sizeof (float));
  double *wanted = malloc (ATTENTION * sizeof (double)), least = 1.0;

  for (int run = 0; run < 5; run++) {
    int8_t input[NPU_TILE_ATTENTION_INT8_INPUT];
    int8_t output[NPU_TILE_ATTENTION_INT8_OUTPUT];
    Distance distance = { 0 };

    draw (range->shape, range->query, real);
    draw (range->shape, range->key, real + ATTENTION);
    draw (range->shape, range->value, real + 2 * ATTENTION);
    attention_of_reals (real, wanted);
    quantise_tile (real, input);
    npu_tile_attention_int8 (input, output);
    least = fmin (least, correlation (output, wanted));
    ck_assert_msg (least > 0.99, "%s: correlation %g", range->name, least);
    /* Correlation would not see a wrong scale. */
    for (int i = 0; i < ATTENTION; i++)
      distance_add (&distance, output[i] * (double) NPU_TILE_ATTENTION_SCALE,
          wanted[i]);
    assert_close (distance, 0.12);
  }
  printf ("# %s: correlation %.5f at least\n", range->name, least);
  free (wanted);
  free (real);
}

END_TEST

START_TEST (attention_of_what_lies_outside_the_range_is_that_of_its_ends)
{
  float *real = malloc (3 * ATTENTION * sizeof (float));
  double *wanted = malloc (ATTENTION * sizeof (double));
  int8_t input[NPU_TILE_ATTENTION_INT8_INPUT];
  int8_t output[NPU_TILE_ATTENTION_INT8_OUTPUT];
  int outside = 0;

  for (int i = 0; i < 3 * ATTENTION; i++)
    real[i] = 5.0f * random_float ();
  quantise_tile (real, input);
  for (int i = 0; i < 3 * ATTENTION; i++) {
    if (fabsf (real[i]) > 129.0f / 32) {
      ck_assert_int_eq (input[i], real[i] > 0.0f ? 127 : -128);
      outside++;
    }
    real[i] = fminf (fmaxf (real[i], -4.0f), LIMIT);
  }
  ck_assert_int_gt (outside, ATTENTION);
  attention_of_reals (real, wanted);
  npu_tile_attention_int8 (input, output);
  ck_assert_double_gt (correlation (output, wanted), 0.99);
  free (wanted);
  free (real);
}

END_TEST

static Suite *
tiles_suite (void)
{
  Suite *suite = suite_create ("int8 tile kernels");
  TCase *tests = tcase_create ("int8");

  tcase_add_test (tests, tables_are_what_their_formulas_give);
  tcase_add_test (tests, gelu_looks_every_byte_up);
  tcase_add_test (tests, quantising_rounds_halves_to_even_and_saturates);
  tcase_add_test (tests, matrix_product_equals_exact_sums);
  tcase_add_test (tests, matrix_product_rounds_halves_to_even);
  tcase_add_test (tests, layer_norm_equals_its_integer_formula);
  tcase_add_test (tests, layer_norm_is_that_of_real_numbers_to_the_unit);
  tcase_add_test (tests, layer_norm_of_equal_values_is_the_shift);
  tcase_add_test (tests, attention_equals_its_integer_formula);
  tcase_add_test (tests, attention_to_equal_values_gives_that_value);
  tcase_add_loop_test (tests,
      attention_correlates_with_real_attention_over_its_range, 0, RANGES);
  tcase_add_test (tests,
      attention_of_what_lies_outside_the_range_is_that_of_its_ends);
  suite_add_tcase (suite, tests);
  return suite;
}

int
main (void)
{
  return fixture_main (tiles_suite ());
}
