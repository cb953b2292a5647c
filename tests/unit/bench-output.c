/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What npu-bench's commands print, write and draw with (tests/bench).
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bar-chart.h"
#include "bench/output.h"
#include "bench/svg.h"
#include "run-suite.h"

static char path[64];

static void
make_path (void)
{
  int file;

  strcpy (path, "/tmp/npu-bench-XXXXXX");
  file = mkstemp (path);
  ck_assert_int_ge (file, 0);
  close (file);
}

static void
remove_file (void)
{
  unlink (path);
}

static char *
read_file (void)
{
  FILE *file = fopen (path, "r");
  char *text = calloc (1, 100000);

  ck_assert_ptr_nonnull (file);
  ck_assert_uint_lt (fread (text, 1, 99999, file), 99999);
  fclose (file);
  return text;
}

/* ------------------------------------------------------------- spread */

START_TEST (quantiles_are_interpolated)
{
  double values[] = { 40, 10, 30, 20 };
  BenchSpread spread = bench_spread (values, 4);

  ck_assert_uint_eq (spread.count, 4);
  ck_assert_double_eq_tol (spread.mean, 25, 1e-12);
  ck_assert_double_eq_tol (spread.median, 25, 1e-12);
  ck_assert_double_eq_tol (spread.least, 10, 1e-12);
  ck_assert_double_eq_tol (spread.low, 17.5, 1e-12);
  ck_assert_double_eq_tol (spread.high, 32.5, 1e-12);
  ck_assert_double_eq_tol (spread.most, 40, 1e-12);
}
END_TEST

START_TEST (one_value_is_all_of_its_spread)
{
  double value = 7;
  BenchSpread spread = bench_spread (&value, 1);

  ck_assert (spread.mean == 7 && spread.median == 7 && spread.least == 7);
  ck_assert (spread.low == 7 && spread.high == 7 && spread.most == 7);
}
END_TEST

START_TEST (no_values_spread_to_zeros)
{
  BenchSpread spread = bench_spread (NULL, 0);

  ck_assert (spread.count == 0 && spread.mean == 0 && spread.median == 0);
}
END_TEST

START_TEST (a_spread_survives_as_json)
{
  double values[] = { 1, 2, 6 };
  BenchSpread spread = bench_spread (values, 3);
  json_t *root = bench_spread_to_json (&spread), *read;

  ck_assert (bench_write_json (path, root));
  json_decref (root);
  read = json_load_file (path, 0, NULL);
  ck_assert_ptr_nonnull (read);
  ck_assert_int_eq (json_integer_value (json_object_get (read, "count")), 3);
  ck_assert (json_real_value (json_object_get (read, "mean")) == 3);
  ck_assert (json_real_value (json_object_get (read, "median")) == 2);
  ck_assert (json_real_value (json_object_get (read, "most")) == 6);
  json_decref (read);
}
END_TEST

START_TEST (a_file_that_cannot_be_written_is_reported)
{
  ck_assert (!bench_write_file ("/nonexistent/x", "x", 1));
  ck_assert (!bench_write_file ("/dev/full", "x", 1));
}
END_TEST

/* -------------------------------------------------------------- table */

START_TEST (columns_of_a_table_are_aligned)
{
  static const char *const heads[] = { "strategy", "ms", "stalls" };
  BenchTable *table = bench_table_new (heads, 3);
  FILE *file = fopen (path, "w");
  char *text;

  bench_table_cell (table, "a \xc2\xb5s");
  bench_table_cell (table, "%.2f", 12.345);
  bench_table_cell (table, "%d", 0);
  bench_table_cell (table, "%s", "pooled buffers");
  bench_table_cell (table, "%.2f", 1.0);
  bench_table_cell (table, "%d", 1234567);
  bench_table_print (table, file);
  bench_table_free (table);
  fclose (file);
  text = read_file ();
  ck_assert_str_eq (text,
      "strategy           ms   stalls\n"
      "------------------------------\n"
      "a \xc2\xb5s            12.35        0\n"
      "pooled buffers   1.00  1234567\n");
  free (text);
}
END_TEST

/* ------------------------------------------------------------- picture */

START_TEST (ticks_have_round_distances)
{
  static const struct
  {
    double range, ticks, step;
    int decimals;
  } cases[] = {
    {10, 10, 1, 0},
    {10, 9, 2, 0},
    {0.9, 10, 0.1, 1},
    {3, 10, 0.5, 1},
    {700, 10, 100, 0},
    {2.5e-3, 10, 5e-4, 4},
  };

  for (size_t i = 0; i < sizeof (cases) / sizeof (cases[0]); i++) {
    int decimals;

    ck_assert_double_eq_tol (bench_svg_step (cases[i].range, cases[i].ticks,
            &decimals), cases[i].step, cases[i].step * 1e-9);
    ck_assert_int_eq (decimals, cases[i].decimals);
  }
}
END_TEST

/* The width of the @number-th bar in the picture. */
static double
bar_width (const char *text, int number)
{
  const char *bar = text;
  double width;

  for (int i = 0; i <= number; i++) {
    bar = strstr (bar + 1, "class=\"bar\"");
    ck_assert_ptr_nonnull (bar);
  }
  while (strncmp (bar, "<rect", 5) != 0)
    bar--;
  ck_assert_int_eq (sscanf (strstr (bar, "width="), "width=\"%lf\"", &width),
      1);
  return width;
}

static const BenchBar fast[] = {
  {"one pair", 2.5, 2.25, 3.5, "3.4 % transfers"},
  {"depth 2 <&>", 1.25, 1.2, 1.3, NULL},
};

static const BenchBar slow[] = {
  {"one pair", 5.0, 4.0, 6.0, NULL},
  {"depth 2", NAN, 0, 0, "failed"},
};

static const BenchBarGroup groups[] = {
  {"emu", fast, 2},
  {"cpu", slow, 2},
};

static const BenchBarChart chart = {
  .title = "Time a tile",
  .subtitle = "median, quartiles as whiskers",
  .unit = "ms a tile",
  .decimals = 2,
  .emulated = true,
  .groups = groups,
  .count = 2,
};

START_TEST (bars_are_as_long_as_their_medians)
{
  char *text;

  ck_assert (bench_bar_chart_write (&chart, path));
  text = read_file ();
  ck_assert_double_gt (bar_width (text, 2), 300);
  ck_assert_double_eq_tol (bar_width (text, 0), bar_width (text, 2) / 2, 0.01);
  ck_assert_double_eq_tol (bar_width (text, 1), bar_width (text, 2) / 4, 0.01);
  ck_assert (bar_width (text, 3) == 0);
  free (text);
}
END_TEST

START_TEST (a_chart_says_what_was_emulated)
{
  BenchBarChart real = chart;
  char *text;

  ck_assert (bench_bar_chart_write (&chart, path));
  text = read_file ();
  ck_assert_ptr_nonnull (strstr (text, ">emulated<"));
  free (text);
  real.emulated = false;
  ck_assert (bench_bar_chart_write (&real, path));
  text = read_file ();
  ck_assert_ptr_null (strstr (text, ">emulated<"));
  free (text);
}
END_TEST

START_TEST (labels_are_escaped)
{
  char *text;

  ck_assert (bench_bar_chart_write (&chart, path));
  text = read_file ();
  ck_assert_ptr_nonnull (strstr (text, ">depth 2 &lt;&amp;&gt;<"));
  free (text);
}
END_TEST

START_TEST (a_chart_without_bars_is_a_picture_too)
{
  BenchBarChart empty = {.title = "Nothing",.unit = "ms" };
  char *text;

  ck_assert (bench_bar_chart_write (&empty, path));
  text = read_file ();
  ck_assert_ptr_nonnull (strstr (text, "</svg>"));
  ck_assert_ptr_null (strstr (text, "nan"));
  ck_assert_ptr_null (strstr (text, "inf"));
  free (text);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("bench-output");
  TCase *tests = tcase_create ("bench-output");

  tcase_add_checked_fixture (tests, make_path, remove_file);
  tcase_add_test (tests, quantiles_are_interpolated);
  tcase_add_test (tests, one_value_is_all_of_its_spread);
  tcase_add_test (tests, no_values_spread_to_zeros);
  tcase_add_test (tests, a_spread_survives_as_json);
  tcase_add_test (tests, a_file_that_cannot_be_written_is_reported);
  tcase_add_test (tests, columns_of_a_table_are_aligned);
  tcase_add_test (tests, ticks_have_round_distances);
  tcase_add_test (tests, bars_are_as_long_as_their_medians);
  tcase_add_test (tests, a_chart_says_what_was_emulated);
  tcase_add_test (tests, labels_are_escaped);
  tcase_add_test (tests, a_chart_without_bars_is_a_picture_too);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
