/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The derived figures of a pipeline against numbers worked out by hand.
 */
#include <check.h>
#include <math.h>

#include "pipeline/statistics.h"
#include "run-suite.h"

#define MS UINT64_C (1000000)

/* Ten runs of 60 ms in 1 s, each with transfers of 15 and 5 ms, of which three
 * quarters were hidden. */
static const NpuPipelineStatistics ten_runs = {
  .runs = 10,
  .items = 40,
  .stage_ns = 150 * MS,
  .run_ns = 600 * MS,
  .read_ns = 50 * MS,
  .hidden_ns = 150 * MS,
  .first_ns = 5000 * MS,
  .last_ns = 6000 * MS,
  .depth_ns = 1500 * MS,
};

START_TEST (dma_share_is_transfers_over_all_stages)
{
  ck_assert_double_eq_tol (npu_statistics_dma_share (&ten_runs), 0.25, 1e-12);
}
END_TEST

START_TEST (overlap_is_hidden_over_all_transfers)
{
  ck_assert_double_eq_tol (npu_statistics_overlap (&ten_runs), 0.75, 1e-12);
}
END_TEST

START_TEST (queue_depth_is_the_mean_over_time)
{
  ck_assert_double_eq_tol (npu_statistics_queue_depth (&ten_runs), 1.5, 1e-12);
}
END_TEST

START_TEST (rate_counts_items_a_second)
{
  ck_assert_double_eq_tol (npu_statistics_rate (&ten_runs), 40, 1e-12);
}
END_TEST

static void
assert_all_are_zero (const NpuPipelineStatistics * s)
{
  ck_assert (npu_statistics_dma_share (s) == 0);
  ck_assert (npu_statistics_overlap (s) == 0);
  ck_assert (npu_statistics_queue_depth (s) == 0);
  ck_assert (npu_statistics_rate (s) == 0);
}

START_TEST (nothing_measured_gives_zeros)
{
  NpuPipelineStatistics nothing = { 0 };

  assert_all_are_zero (&nothing);
}
END_TEST

START_TEST (a_run_that_was_not_collected_gives_zeros)
{
  NpuPipelineStatistics begun = {
    .items = 1,
    .depth_ns = 7,
    .first_ns = 5000 * MS,
    .in_flight = 1,
  };

  assert_all_are_zero (&begun);
}
END_TEST

START_TEST (sums_beyond_64_bits_do_not_wrap)
{
  NpuPipelineStatistics long_run = {
    .stage_ns = UINT64_MAX,
    .run_ns = UINT64_MAX,
    .read_ns = UINT64_MAX,
    .hidden_ns = UINT64_MAX,
  };

  ck_assert_double_eq_tol (npu_statistics_dma_share (&long_run), 2.0 / 3,
      1e-12);
  ck_assert_double_eq_tol (npu_statistics_overlap (&long_run), 0.5, 1e-12);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("statistics");
  TCase *tests = tcase_create ("statistics");

  tcase_add_test (tests, dma_share_is_transfers_over_all_stages);
  tcase_add_test (tests, overlap_is_hidden_over_all_transfers);
  tcase_add_test (tests, queue_depth_is_the_mean_over_time);
  tcase_add_test (tests, rate_counts_items_a_second);
  tcase_add_test (tests, nothing_measured_gives_zeros);
  tcase_add_test (tests, a_run_that_was_not_collected_gives_zeros);
  tcase_add_test (tests, sums_beyond_64_bits_do_not_wrap);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
