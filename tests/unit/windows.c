/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of the rule that says which frames make the next window.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pipeline/windows.h"
#include "run-suite.h"

static void
assert_window (const NpuWindow * window, uint64_t first, uint32_t frames,
    bool final)
{
  ck_assert_uint_eq (window->first, first);
  ck_assert_uint_eq (window->frames, frames);
  ck_assert_int_eq (window->final, final);
}

START_TEST (fixed_windows_without_overlap_hold_every_frame_once)
{
  NpuWindows windows;
  NpuWindow window;

  npu_windows_init (&windows, 100, 100, false);
  ck_assert (!npu_windows_next (&windows, 99, false, &window));
  ck_assert (npu_windows_next (&windows, 100, false, &window));
  assert_window (&window, 0, 100, false);
  ck_assert (!npu_windows_next (&windows, 199, false, &window));
  ck_assert (npu_windows_next (&windows, 230, false, &window));
  assert_window (&window, 100, 100, false);
  ck_assert (!npu_windows_next (&windows, 230, false, &window));
  ck_assert (npu_windows_next (&windows, 230, true, &window));
  assert_window (&window, 200, 30, true);
  ck_assert_uint_eq (window.id, 2);
  ck_assert (!npu_windows_next (&windows, 230, true, &window));
}
END_TEST

START_TEST (fixed_windows_grow_and_then_slide)
{
  NpuWindows windows;
  NpuWindow window;

  npu_windows_init (&windows, 100, 40, false);
  ck_assert (npu_windows_next (&windows, 40, false, &window));
  assert_window (&window, 0, 40, false);
  ck_assert (npu_windows_next (&windows, 80, false, &window));
  assert_window (&window, 0, 80, false);
  ck_assert_uint_eq (npu_windows_first_needed (&windows), 20);
  ck_assert (npu_windows_next (&windows, 120, false, &window));
  assert_window (&window, 20, 100, false);
  ck_assert (npu_windows_next (&windows, 130, true, &window));
  assert_window (&window, 60, 70, true);
}
END_TEST

START_TEST (a_window_that_ends_with_the_stream_is_final)
{
  NpuWindows windows;
  NpuWindow window;

  for (int driven = 0; driven < 2; driven++) {
    npu_windows_init (&windows, 100, 100, driven);
    ck_assert (npu_windows_next (&windows, 100, true, &window));
    assert_window (&window, 0, 100, true);
    npu_windows_answer (&windows, window.id, 100);
    ck_assert (!npu_windows_next (&windows, 100, true, &window));
  }
}
END_TEST

START_TEST (an_empty_stream_has_no_window)
{
  NpuWindows windows;
  NpuWindow window;

  for (int driven = 0; driven < 2; driven++) {
    npu_windows_init (&windows, 100, 10, driven);
    ck_assert (!npu_windows_next (&windows, 0, false, &window));
    ck_assert (!npu_windows_next (&windows, 0, true, &window));
  }
}
END_TEST

START_TEST (a_stream_of_one_frame_has_one_window)
{
  NpuWindows windows;
  NpuWindow window;

  for (int driven = 0; driven < 2; driven++) {
    npu_windows_init (&windows, 100, 10, driven);
    ck_assert (npu_windows_next (&windows, 1, true, &window));
    assert_window (&window, 0, 1, true);
  }
}
END_TEST

START_TEST (a_driven_window_waits_for_its_answer)
{
  NpuWindows windows;
  NpuWindow window;

  npu_windows_init (&windows, 100, 100, true);
  ck_assert (npu_windows_next (&windows, 300, false, &window));
  assert_window (&window, 0, 100, false);
  ck_assert (!npu_windows_next (&windows, 300, false, &window));
  ck_assert (!npu_windows_next (&windows, 300, true, &window));
  ck_assert (!npu_windows_answer (&windows, window.id + 1, 50));
  ck_assert (!npu_windows_next (&windows, 300, false, &window));
  ck_assert (npu_windows_answer (&windows, 0, 70));
  ck_assert (!npu_windows_answer (&windows, 0, 90));
  ck_assert_uint_eq (npu_windows_first_needed (&windows), 70);
  ck_assert (npu_windows_next (&windows, 300, false, &window));
  assert_window (&window, 70, 100, false);
  ck_assert_uint_eq (window.id, 1);
}
END_TEST

START_TEST (a_driven_window_grows_by_hops_until_it_is_full)
{
  NpuWindows windows;
  NpuWindow window;

  npu_windows_init (&windows, 100, 40, true);
  ck_assert (npu_windows_next (&windows, 40, false, &window));
  assert_window (&window, 0, 40, false);
  npu_windows_answer (&windows, window.id, 0);
  ck_assert (!npu_windows_next (&windows, 79, false, &window));
  ck_assert (npu_windows_next (&windows, 500, false, &window));
  assert_window (&window, 0, 80, false);
  npu_windows_answer (&windows, window.id, 0);
  ck_assert (npu_windows_next (&windows, 500, false, &window));
  assert_window (&window, 0, 100, false);
  npu_windows_answer (&windows, window.id, 10);
  ck_assert (npu_windows_next (&windows, 500, false, &window));
  assert_window (&window, 10, 100, false);
}
END_TEST

START_TEST (a_full_window_answered_with_its_start_moves_on_whole)
{
  NpuWindows windows;
  NpuWindow window;

  npu_windows_init (&windows, 100, 40, true);
  for (uint64_t frames = 40; frames <= 120; frames += 40)
    if (npu_windows_next (&windows, frames, false, &window))
      npu_windows_answer (&windows, window.id, window.first);
  assert_window (&window, 0, 100, false);
  ck_assert_uint_eq (npu_windows_first_needed (&windows), 100);
}
END_TEST

START_TEST (answers_are_clamped_to_the_window)
{
  NpuWindows windows;
  NpuWindow window;

  npu_windows_init (&windows, 100, 100, true);
  npu_windows_restart (&windows, 1000);
  ck_assert (npu_windows_next (&windows, 2000, false, &window));
  npu_windows_answer (&windows, window.id, 5000);
  ck_assert (npu_windows_next (&windows, 2000, false, &window));
  assert_window (&window, 1100, 100, false);
  npu_windows_answer (&windows, window.id, 3);
  ck_assert (npu_windows_next (&windows, 2000, false, &window));
  assert_window (&window, 1200, 100, false);
}
END_TEST

START_TEST (a_final_window_can_be_followed_by_its_rest)
{
  NpuWindows windows;
  NpuWindow window;

  npu_windows_init (&windows, 100, 100, true);
  ck_assert (npu_windows_next (&windows, 90, true, &window));
  assert_window (&window, 0, 90, true);
  npu_windows_answer (&windows, window.id, 50);
  ck_assert (npu_windows_next (&windows, 90, true, &window));
  assert_window (&window, 50, 40, true);
  npu_windows_answer (&windows, window.id, 50);
  ck_assert (!npu_windows_next (&windows, 90, true, &window));
}
END_TEST

START_TEST (a_short_rest_is_given_up)
{
  NpuWindows windows;
  NpuWindow window;

  npu_windows_init (&windows, 100, 100, true);
  ck_assert (npu_windows_next (&windows, 90, true, &window));
  npu_windows_answer (&windows, window.id, 90 - NPU_WINDOW_REST);
  ck_assert (npu_windows_next (&windows, 90, true, &window));
  assert_window (&window, 90 - NPU_WINDOW_REST, NPU_WINDOW_REST, true);

  npu_windows_init (&windows, 100, 100, true);
  ck_assert (npu_windows_next (&windows, 90, true, &window));
  npu_windows_answer (&windows, window.id, 91 - NPU_WINDOW_REST);
  ck_assert (!npu_windows_next (&windows, 90, true, &window));
}
END_TEST

START_TEST (what_was_seen_and_not_finished_comes_again_at_the_end)
{
  NpuWindows windows;
  NpuWindow window;

  npu_windows_init (&windows, 100, 40, true);
  ck_assert (npu_windows_next (&windows, 40, false, &window));
  npu_windows_answer (&windows, window.id, 0);
  ck_assert (!npu_windows_next (&windows, 40, false, &window));
  ck_assert (npu_windows_next (&windows, 40, true, &window));
  assert_window (&window, 0, 40, true);
}
END_TEST

START_TEST (a_restart_forgets_the_awaited_answer_and_keeps_the_ids)
{
  NpuWindows windows;
  NpuWindow window;

  npu_windows_init (&windows, 100, 100, true);
  ck_assert (npu_windows_next (&windows, 100, false, &window));
  npu_windows_restart (&windows, 700);
  ck_assert (!npu_windows_answer (&windows, window.id, 100));
  ck_assert (!npu_windows_next (&windows, 799, false, &window));
  ck_assert (npu_windows_next (&windows, 800, false, &window));
  assert_window (&window, 700, 100, false);
  ck_assert_uint_eq (window.id, 1);
}
END_TEST

START_TEST (nonsense_lengths_are_clamped)
{
  NpuWindows windows;

  npu_windows_init (&windows, 0, 0, false);
  ck_assert_uint_eq (windows.window, 1);
  ck_assert_uint_eq (windows.hop, 1);
  npu_windows_init (&windows, 100, 1000, false);
  ck_assert_uint_eq (windows.hop, 100);
}
END_TEST

/* One random stream. Checks what must hold for every sequence: windows lie in
 * what is there and was not trimmed, driven ones cover every frame, ids count
 * up, and the stream comes to an end. */
static void
run_random_stream (bool driven)
{
  uint32_t length = 1 + (uint32_t) rand () % 60;
  uint32_t hop = 1 + (uint32_t) rand () % length;
  uint64_t total = (uint64_t) (rand () % 1000);
  uint64_t newest = 0, needed = 0, covered = 0, id = 0;
  bool ended = false;
  NpuWindows windows;
  NpuWindow window;

  npu_windows_init (&windows, length, hop, driven);
  for (int steps = 0; steps < 20000; steps++) {
    if (npu_windows_next (&windows, newest, ended, &window)) {
      ck_assert_uint_eq (window.id, id++);
      ck_assert_uint_ge (window.frames, 1);
      ck_assert_uint_le (window.frames, length);
      ck_assert_uint_ge (window.first, needed);
      ck_assert_uint_le (window.first, covered);
      ck_assert_uint_le (window.first + window.frames, newest);
      ck_assert_uint_ge (window.first + window.frames, covered);
      ck_assert_int_eq (window.final,
          ended && window.first + window.frames == newest);
      covered = window.first + window.frames;
      if (driven)
        ck_assert (npu_windows_answer (&windows, window.id,
                window.first + (uint64_t) (rand () % (length + 1))));
      ck_assert_uint_ge (npu_windows_first_needed (&windows), needed);
      needed = npu_windows_first_needed (&windows);
    } else if (ended) {
      ck_assert_uint_le (newest - covered, driven ? NPU_WINDOW_REST - 1 : 0);
      return;
    } else if (newest == total) {
      ended = true;
    } else {
      newest += 1 + (uint64_t) rand () % 100;
      if (newest > total)
        newest = total;
    }
  }
  ck_abort_msg ("The stream does not end");
}

START_TEST (random_streams_lose_no_frame_and_end)
{
  unsigned seed = (unsigned) time (NULL);

  printf ("seed %u\n", seed);
  srand (seed);
  for (int i = 0; i < 500; i++)
    run_random_stream (i % 2);
}
END_TEST

START_TEST (dropped_fixed_windows_leave_the_newest_one_that_is_due)
{
  NpuWindows windows;
  NpuWindow window;
  uint64_t lost;

  npu_windows_init (&windows, 100, 100, false);
  ck_assert_uint_eq (npu_windows_drop (&windows, 199, &lost), 0);
  ck_assert_uint_eq (lost, 0);
  ck_assert_uint_eq (npu_windows_waiting (&windows, 430), 330);
  ck_assert_uint_eq (npu_windows_drop (&windows, 430, &lost), 3);
  ck_assert_uint_eq (lost, 300);
  ck_assert_uint_eq (npu_windows_first_needed (&windows), 300);
  ck_assert (npu_windows_next (&windows, 430, false, &window));
  assert_window (&window, 300, 100, false);
  ck_assert_uint_eq (npu_windows_drop (&windows, 499, &lost), 0);
  ck_assert (npu_windows_next (&windows, 500, false, &window));
  assert_window (&window, 400, 100, false);
}
END_TEST

START_TEST (overlapping_windows_that_are_dropped_lose_few_frames)
{
  NpuWindows windows;
  NpuWindow window;
  uint64_t lost;

  npu_windows_init (&windows, 100, 25, false);
  ck_assert (npu_windows_next (&windows, 25, false, &window));
  ck_assert_uint_eq (npu_windows_drop (&windows, 110, &lost), 2);
  ck_assert_uint_eq (lost, 0);
  ck_assert (npu_windows_next (&windows, 110, false, &window));
  assert_window (&window, 0, 100, false);
  ck_assert_uint_eq (npu_windows_drop (&windows, 310, &lost), 7);
  ck_assert_uint_eq (lost, 100);
  ck_assert (npu_windows_next (&windows, 310, false, &window));
  assert_window (&window, 200, 100, false);
}
END_TEST

START_TEST (a_driven_window_that_is_dropped_starts_late)
{
  NpuWindows windows;
  NpuWindow window;
  uint64_t lost;

  npu_windows_init (&windows, 100, 20, true);
  ck_assert (npu_windows_next (&windows, 20, false, &window));
  ck_assert (npu_windows_answer (&windows, window.id, 10));
  ck_assert_uint_eq (npu_windows_drop (&windows, 110, &lost), 0);
  ck_assert_uint_eq (npu_windows_drop (&windows, 300, &lost), 13);
  ck_assert_uint_eq (lost, 180);
  ck_assert (npu_windows_next (&windows, 310, false, &window));
  assert_window (&window, 200, 100, false);
}
END_TEST

START_TEST (a_late_answer_does_not_bring_back_what_was_dropped)
{
  NpuWindows windows;
  NpuWindow window;
  uint64_t lost;

  npu_windows_init (&windows, 100, 20, true);
  ck_assert (npu_windows_next (&windows, 20, false, &window));
  ck_assert_uint_gt (npu_windows_drop (&windows, 300, &lost), 0);
  ck_assert_uint_eq (lost, 180);
  ck_assert_uint_eq (npu_windows_first_needed (&windows), 200);
  ck_assert_uint_eq (npu_windows_drop (&windows, 300, &lost), 0);
  ck_assert (npu_windows_answer (&windows, window.id, 15));
  ck_assert (!npu_windows_next (&windows, 299, false, &window));
  ck_assert (npu_windows_next (&windows, 300, false, &window));
  assert_window (&window, 200, 100, false);
}
END_TEST

START_TEST (what_was_skipped_has_no_window)
{
  NpuWindows windows;
  NpuWindow window;
  uint64_t lost;

  npu_windows_init (&windows, 100, 50, false);
  ck_assert (npu_windows_next (&windows, 50, false, &window));
  ck_assert_uint_eq (npu_windows_skip (&windows, 110, &lost), 2);
  ck_assert_uint_eq (lost, 60);
  ck_assert_uint_eq (npu_windows_skip (&windows, 130, &lost), 1);
  ck_assert_uint_eq (lost, 20);
  ck_assert_uint_eq (npu_windows_skip (&windows, 130, &lost), 0);
  ck_assert_uint_eq (lost, 0);
  ck_assert_uint_eq (npu_windows_first_needed (&windows), 130);
  ck_assert (!npu_windows_due (&windows, 130, true));
  ck_assert (npu_windows_next (&windows, 140, true, &window));
  assert_window (&window, 130, 10, true);
}
END_TEST

START_TEST (a_late_answer_does_not_bring_back_what_was_skipped)
{
  NpuWindows windows;
  NpuWindow window;
  uint64_t lost;

  npu_windows_init (&windows, 100, 20, true);
  ck_assert (npu_windows_next (&windows, 20, false, &window));
  ck_assert_uint_eq (npu_windows_skip (&windows, 90, &lost), 4);
  ck_assert_uint_eq (lost, 70);
  ck_assert (!npu_windows_due (&windows, 90, true));
  ck_assert (npu_windows_answer (&windows, window.id, 15));
  ck_assert (!npu_windows_due (&windows, 90, true));
  npu_windows_restart (&windows, 90);
  ck_assert (npu_windows_next (&windows, 110, false, &window));
  assert_window (&window, 90, 20, false);
}
END_TEST

START_TEST (other_lengths_hold_from_the_next_window_on)
{
  NpuWindows windows;
  NpuWindow window;

  npu_windows_init (&windows, 100, 20, false);
  for (uint64_t end = 20; end <= 200; end += 20)
    ck_assert (npu_windows_next (&windows, end, false, &window));
  npu_windows_set_lengths (&windows, 50, 40);
  ck_assert (!npu_windows_next (&windows, 239, false, &window));
  ck_assert (npu_windows_next (&windows, 240, false, &window));
  assert_window (&window, 190, 50, false);
  /* frames before 230 may be trimmed */
  ck_assert_uint_eq (npu_windows_first_needed (&windows), 230);
  npu_windows_set_lengths (&windows, 100, 20);
  ck_assert (npu_windows_next (&windows, 260, false, &window));
  assert_window (&window, 230, 30, false);
  for (uint64_t end = 280; end <= 340; end += 20)
    ck_assert (npu_windows_next (&windows, end, false, &window));
  assert_window (&window, 240, 100, false);

  npu_windows_init (&windows, 100, 20, true);
  ck_assert (npu_windows_next (&windows, 20, false, &window));
  npu_windows_set_lengths (&windows, 50, 60);
  ck_assert_uint_eq (windows.hop, 50);
  ck_assert (npu_windows_answer (&windows, window.id, 0));
  ck_assert (!npu_windows_next (&windows, 49, false, &window));
  ck_assert (npu_windows_next (&windows, 50, false, &window));
  assert_window (&window, 0, 50, false);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("windows");
  TCase *tests = tcase_create ("windows");

  tcase_add_test (tests,
      fixed_windows_without_overlap_hold_every_frame_once);
  tcase_add_test (tests, fixed_windows_grow_and_then_slide);
  tcase_add_test (tests, a_window_that_ends_with_the_stream_is_final);
  tcase_add_test (tests, an_empty_stream_has_no_window);
  tcase_add_test (tests, a_stream_of_one_frame_has_one_window);
  tcase_add_test (tests, a_driven_window_waits_for_its_answer);
  tcase_add_test (tests, a_driven_window_grows_by_hops_until_it_is_full);
  tcase_add_test (tests, a_full_window_answered_with_its_start_moves_on_whole);
  tcase_add_test (tests, answers_are_clamped_to_the_window);
  tcase_add_test (tests, a_final_window_can_be_followed_by_its_rest);
  tcase_add_test (tests, a_short_rest_is_given_up);
  tcase_add_test (tests, what_was_seen_and_not_finished_comes_again_at_the_end);
  tcase_add_test (tests,
      a_restart_forgets_the_awaited_answer_and_keeps_the_ids);
  tcase_add_test (tests, nonsense_lengths_are_clamped);
  tcase_add_test (tests, random_streams_lose_no_frame_and_end);
  tcase_add_test (tests,
      dropped_fixed_windows_leave_the_newest_one_that_is_due);
  tcase_add_test (tests,
      overlapping_windows_that_are_dropped_lose_few_frames);
  tcase_add_test (tests, a_driven_window_that_is_dropped_starts_late);
  tcase_add_test (tests, a_late_answer_does_not_bring_back_what_was_dropped);
  tcase_add_test (tests, what_was_skipped_has_no_window);
  tcase_add_test (tests, a_late_answer_does_not_bring_back_what_was_skipped);
  tcase_add_test (tests, other_lengths_hold_from_the_next_window_on);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
