/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of the steps that are taken against overload.
 */
#include <check.h>

#include "pipeline/overload.h"
#include "run-suite.h"

#define WINDOW 800
#define HOP 100

/* A window that has been due for @waited frames, by an encoder as fast as
 * speech. */
static bool
update (NpuOverload * overload, uint64_t waited)
{
  return npu_overload_update (overload, &(NpuOverloadWindow) {
      .waited = waited,.heard = HOP,.elapsed = HOP});
}

/* Windows like that, until a step is taken or @limit windows have passed;
 * returns how many. */
static uint32_t
windows_until_a_step (NpuOverload * overload, uint64_t waited, uint32_t limit)
{
  uint32_t windows = 1;

  while (!update (overload, waited) && windows < limit)
    windows++;
  return windows;
}

static void
assert_step (const NpuOverload * overload, NpuOverloadLevel level,
    uint32_t window, uint32_t hop)
{
  const NpuOverloadStep *step = npu_overload_step (overload);

  ck_assert_int_eq (step->level, level);
  ck_assert_uint_eq (step->window, window);
  ck_assert_uint_eq (step->hop, hop);
}

START_TEST (steps_are_taken_in_order_and_end_with_dropped_windows)
{
  NpuOverload overload;

  npu_overload_init (&overload, NPU_OVERLOAD_DROP, WINDOW, HOP, true);
  assert_step (&overload, NPU_OVERLOAD_BLOCK, 800, 100);
  ck_assert (!update (&overload, HOP));
  ck_assert (update (&overload, HOP + 1));
  assert_step (&overload, NPU_OVERLOAD_CONTEXT, 400, 100);
  ck_assert (update (&overload, HOP + 1));
  assert_step (&overload, NPU_OVERLOAD_CONTEXT, 200, 100);
  ck_assert (update (&overload, HOP + 1));
  assert_step (&overload, NPU_OVERLOAD_HOP, 200, 200);
  /* a hop is longer now */
  ck_assert (!update (&overload, HOP + 1));
  ck_assert (update (&overload, 2 * HOP + 1));
  assert_step (&overload, NPU_OVERLOAD_HOP, 400, 400);
  ck_assert (update (&overload, 4 * HOP + 1));
  assert_step (&overload, NPU_OVERLOAD_DROP, 400, 400);
  ck_assert (npu_overload_drops (&overload));
  ck_assert (!update (&overload, 100 * HOP));
  assert_step (&overload, NPU_OVERLOAD_DROP, 400, 400);
  ck_assert (npu_overload_drops (&overload));
  ck_assert (!update (&overload, 4 * HOP));
  ck_assert (!npu_overload_drops (&overload));
}
END_TEST

/* As after weights were waited for, or downstream. */
START_TEST (nothing_is_done_while_the_encoder_catches_up)
{
  NpuOverloadWindow window = {.waited = 100 * HOP,.first = true };
  NpuOverload overload;

  npu_overload_init (&overload, NPU_OVERLOAD_DROP, WINDOW, WINDOW, false);
  ck_assert (!npu_overload_update (&overload, &window));
  window = (NpuOverloadWindow) {
    .waited = 100 * HOP,.heard = HOP,.elapsed = HOP * 3 / 4};
  for (int i = 0; i < 50; i++)
    ck_assert (!npu_overload_update (&overload, &window));
  window.elapsed++;
  ck_assert (npu_overload_update (&overload, &window));
  ck_assert (npu_overload_drops (&overload));
  window.elapsed--;
  ck_assert (!npu_overload_update (&overload, &window));
  ck_assert (!npu_overload_drops (&overload));
}
END_TEST

START_TEST (the_limit_is_the_last_level_taken)
{
  static const NpuOverloadLevel limits[] = {
    NPU_OVERLOAD_BLOCK, NPU_OVERLOAD_CONTEXT, NPU_OVERLOAD_HOP,
    NPU_OVERLOAD_DROP
  };
  NpuOverload overload;

  npu_overload_init (&overload, limits[_i], WINDOW, HOP, true);
  for (int i = 0; i < 50; i++)
    update (&overload, 100 * WINDOW);
  ck_assert_int_eq (npu_overload_step (&overload)->level, limits[_i]);
}
END_TEST

START_TEST (steps_that_would_change_nothing_are_left_out)
{
  NpuOverload overload;

  /* work does not depend on what was heard */
  npu_overload_init (&overload, NPU_OVERLOAD_DROP, WINDOW, HOP, false);
  ck_assert (update (&overload, HOP + 1));
  assert_step (&overload, NPU_OVERLOAD_HOP, 800, 200);
  /* windows that do not overlap can be neither shorter nor rarer */
  npu_overload_init (&overload, NPU_OVERLOAD_DROP, WINDOW, WINDOW, true);
  ck_assert (update (&overload, WINDOW + 1));
  assert_step (&overload, NPU_OVERLOAD_DROP, 800, 800);
  npu_overload_init (&overload, NPU_OVERLOAD_HOP, WINDOW, WINDOW, true);
  ck_assert (!update (&overload, WINDOW + 1));
}
END_TEST

START_TEST (steps_are_taken_back_one_by_one_when_there_is_time)
{
  NpuOverload overload;

  npu_overload_init (&overload, NPU_OVERLOAD_HOP, WINDOW, HOP, false);
  ck_assert (update (&overload, 2 * HOP));
  ck_assert (update (&overload, 4 * HOP));
  assert_step (&overload, NPU_OVERLOAD_HOP, 800, 400);
  ck_assert_uint_eq (windows_until_a_step (&overload, HOP, 100),
      NPU_OVERLOAD_CALM);
  assert_step (&overload, NPU_OVERLOAD_HOP, 800, 200);
  ck_assert_uint_eq (windows_until_a_step (&overload, 0, 100),
      NPU_OVERLOAD_CALM);
  assert_step (&overload, NPU_OVERLOAD_BLOCK, 800, 100);
  ck_assert_uint_eq (windows_until_a_step (&overload, 0, 100), 100);
}
END_TEST

START_TEST (a_step_that_was_taken_back_too_early_stays_longer)
{
  NpuOverload overload;
  uint32_t needed = NPU_OVERLOAD_CALM;

  npu_overload_init (&overload, NPU_OVERLOAD_HOP, WINDOW, WINDOW / 2, false);
  ck_assert (update (&overload, WINDOW));
  for (int i = 0; i < 8; i++) {
    ck_assert_uint_eq (windows_until_a_step (&overload, 0, 1000), needed);
    ck_assert_uint_eq (windows_until_a_step (&overload, WINDOW, 1000), 1);
    if (needed < NPU_OVERLOAD_CALM_MAX)
      needed *= 2;
  }
  ck_assert_uint_eq (needed, NPU_OVERLOAD_CALM_MAX);
  /* and is forgiven when it was right in the end */
  windows_until_a_step (&overload, 0, 1000);
  ck_assert_uint_eq (windows_until_a_step (&overload, 0, 100), 100);
  ck_assert (update (&overload, WINDOW));
  ck_assert_uint_eq (windows_until_a_step (&overload, 0, 1000),
      NPU_OVERLOAD_CALM);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("overload");
  TCase *tests = tcase_create ("overload");

  tcase_add_test (tests, steps_are_taken_in_order_and_end_with_dropped_windows);
  tcase_add_test (tests, nothing_is_done_while_the_encoder_catches_up);
  tcase_add_loop_test (tests, the_limit_is_the_last_level_taken, 0, 4);
  tcase_add_test (tests, steps_that_would_change_nothing_are_left_out);
  tcase_add_test (tests, steps_are_taken_back_one_by_one_when_there_is_time);
  tcase_add_test (tests, a_step_that_was_taken_back_too_early_stays_longer);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
