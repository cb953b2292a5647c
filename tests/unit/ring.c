/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of the frame ring: frames that are pushed, and random sequences of
 * that. Leases are tested in ring-leases.c.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ring-fixture.h"
#include "run-suite.h"

static NpuDevice *
any_device (void)
{
  static char device;

  return (NpuDevice *) & device;
}

/* The value that every band of frame @number has in these tests. */
static float
value_of (uint64_t number)
{
  return (float) (number % 1000) / 100 - 9;
}

static uint32_t
push (NpuFrameRing * ring, uint64_t first, uint32_t count)
{
  float *frames = malloc (sizeof (float) * BANDS * (count + 1));
  uint32_t pushed;

  for (uint32_t i = 0; i < count * BANDS; i++)
    frames[i] = value_of (first + i / BANDS);
  pushed = npu_ring_push (ring, frames, count);
  free (frames);
  return pushed;
}

static void
assert_holds (NpuFrameRing * ring, uint64_t first, uint32_t count)
{
  NpuView views[2];
  uint64_t number = first;
  float peak = -10;
  int wrong = 0;

  ck_assert_int_eq (npu_ring_view (ring, first, count, views), NPU_OK);
  ck_assert_int_eq (npu_ring_upload (ring, first + count, NULL), NPU_OK);
  ck_assert_uint_eq (views[0].rows + views[1].rows, count);
  for (int part = 0; part < 2; part++) {
    ck_assert_uint_eq (views[part].offset % 64, 0);
    for (uint32_t row = 0; row < views[part].rows; row++, number++) {
      for (int band = 0; band < BANDS; band++)
        wrong += device_row (&views[part], row)[band] != value_of (number);
      if (value_of (number) > peak)
        peak = value_of (number);
    }
  }
  ck_assert_int_eq (wrong, 0);
  ck_assert (npu_ring_peak (ring, first, count) == peak);
}

START_TEST (frames_are_seen_by_the_device)
{
  NpuFrameRing *ring = make_ring (10);

  ck_assert_uint_eq (push (ring, 0, 6), 6);
  assert_holds (ring, 0, 6);
  assert_holds (ring, 2, 3);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (a_full_ring_takes_only_what_fits)
{
  NpuFrameRing *ring = make_ring (10);

  ck_assert_uint_eq (push (ring, 0, 25), 10);
  ck_assert_uint_eq (npu_ring_space (ring), 0);
  ck_assert_uint_eq (push (ring, 10, 1), 0);
  npu_ring_trim (ring, 4);
  ck_assert_uint_eq (npu_ring_space (ring), 4);
  ck_assert_uint_eq (push (ring, 10, 25), 4);
  assert_holds (ring, 4, 10);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (a_range_that_wraps_comes_in_two_parts_in_order)
{
  NpuFrameRing *ring = make_ring (10);
  NpuView views[2];

  push (ring, 0, 8);
  npu_ring_trim (ring, 6);
  push (ring, 8, 6);
  ck_assert_int_eq (npu_ring_view (ring, 6, 8, views), NPU_OK);
  ck_assert_uint_eq (views[0].rows, 4);
  ck_assert_uint_eq (views[1].rows, 4);
  assert_holds (ring, 6, 8);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (what_is_not_in_the_ring_is_refused)
{
  NpuFrameRing *ring = make_ring (10);
  NpuView views[2];

  push (ring, 0, 8);
  npu_ring_trim (ring, 2);
  ck_assert_int_eq (npu_ring_view (ring, 1, 2, views), NPU_EINVAL);
  ck_assert_int_eq (npu_ring_view (ring, 7, 2, views), NPU_EINVAL);
  ck_assert_int_eq (npu_ring_view (ring, 9, 0, views), NPU_EINVAL);
  ck_assert_int_eq (npu_ring_view (ring, UINT64_MAX, 2, views), NPU_EINVAL);
  ck_assert_int_eq (npu_ring_view (ring, 2, UINT32_MAX, views), NPU_EINVAL);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (a_trim_ahead_drops_frames_as_they_come)
{
  NpuFrameRing *ring = make_ring (10);

  push (ring, 0, 5);
  npu_ring_trim (ring, 12);
  ck_assert_uint_eq (npu_ring_oldest (ring), 5);
  ck_assert_uint_eq (npu_ring_newest (ring), 5);
  ck_assert_uint_eq (npu_ring_space (ring), 17);
  ck_assert_uint_eq (push (ring, 5, 3), 3);
  ck_assert_uint_eq (npu_ring_oldest (ring), 8);
  ck_assert_uint_eq (push (ring, 8, 10), 10);
  ck_assert_uint_eq (npu_ring_oldest (ring), 12);
  assert_holds (ring, 12, 6);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (a_trim_back_changes_nothing)
{
  NpuFrameRing *ring = make_ring (10);

  push (ring, 0, 8);
  npu_ring_trim (ring, 6);
  npu_ring_trim (ring, 3);
  ck_assert_uint_eq (npu_ring_oldest (ring), 6);
  npu_ring_trim (ring, 100);
  npu_ring_trim (ring, 50);
  ck_assert_uint_eq (push (ring, 8, 92), 92);
  ck_assert_uint_eq (npu_ring_oldest (ring), 100);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (a_reset_forgets_frames_and_a_trim_ahead)
{
  NpuFrameRing *ring = make_ring (10);

  push (ring, 0, 8);
  npu_ring_trim (ring, 1000);
  npu_ring_reset (ring, 77);
  ck_assert_uint_eq (npu_ring_space (ring), 10);
  ck_assert_uint_eq (push (ring, 77, 10), 10);
  assert_holds (ring, 77, 10);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (the_peak_of_nothing_is_silence)
{
  NpuFrameRing *ring = make_ring (10);

  ck_assert (npu_ring_peak (ring, 0, 5) == -10);
  push (ring, 500, 3);
  ck_assert (npu_ring_peak (ring, 0, 3) == value_of (502));
  ck_assert (npu_ring_peak (ring, 3, 3) == -10);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (impossible_rings_are_refused)
{
  NpuFrameRing *ring = NULL;
  NpuError error;

  ck_assert_int_eq (npu_ring_create (any_device (), 0, 10, &ring, &error),
      NPU_EINVAL);
  ck_assert_int_eq (npu_ring_create (any_device (), BANDS, 0, &ring, &error),
      NPU_EINVAL);
  ck_assert_int_eq (npu_ring_create (any_device (), 81, 10, &ring, &error),
      NPU_EINVAL);
  largest_allocation = 100;
  ck_assert_int_eq (npu_ring_create (any_device (), BANDS, 10, &ring, &error),
      NPU_ENOMEM);
  largest_allocation = SIZE_MAX;
  ck_assert_ptr_null (ring);
  npu_ring_unref (NULL);
}
END_TEST

/* Against a model of two numbers and a limit. */
static void
run_random_sequence (void)
{
  uint32_t capacity = 1 + (uint32_t) rand () % 50;
  NpuFrameRing *ring = make_ring (capacity);
  uint64_t oldest = 0, newest = 0, wanted = 0;

  for (int step = 0; step < 500; step++) {
    uint32_t count = (uint32_t) rand () % 40;
    uint64_t space = capacity - (newest - oldest) +
        (wanted > newest ? wanted - newest : 0);

    ck_assert_uint_eq (npu_ring_oldest (ring), oldest);
    ck_assert_uint_eq (npu_ring_newest (ring), newest);
    ck_assert_uint_eq (npu_ring_space (ring), space);
    if (newest > oldest)
      assert_holds (ring, oldest, (uint32_t) (newest - oldest));
    if (rand () % 3) {
      uint32_t fits = count < space ? count : (uint32_t) space;

      ck_assert_uint_eq (push (ring, newest, count), fits);
      newest += fits;
      if (oldest < wanted)
        oldest = newest < wanted ? newest : wanted;
    } else if (rand () % 30 == 0) {
      oldest = newest = wanted = (uint64_t) rand ();
      npu_ring_reset (ring, newest);
    } else {
      uint64_t first = oldest + (uint64_t) (rand () % (int) (capacity + 10));

      npu_ring_trim (ring, first);
      if (first > newest) {
        oldest = newest;
        wanted = first > wanted ? first : wanted;
      } else {
        oldest = first;
      }
    }
  }
  npu_ring_unref (ring);
}

START_TEST (random_sequences_equal_the_model)
{
  unsigned seed = (unsigned) time (NULL);

  printf ("seed %u\n", seed);
  srand (seed);
  for (int i = 0; i < 40; i++)
    run_random_sequence ();
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("ring");
  TCase *tests = tcase_create ("ring");

  tcase_add_test (tests, frames_are_seen_by_the_device);
  tcase_add_test (tests, a_full_ring_takes_only_what_fits);
  tcase_add_test (tests, a_range_that_wraps_comes_in_two_parts_in_order);
  tcase_add_test (tests, what_is_not_in_the_ring_is_refused);
  tcase_add_test (tests, a_trim_ahead_drops_frames_as_they_come);
  tcase_add_test (tests, a_trim_back_changes_nothing);
  tcase_add_test (tests, a_reset_forgets_frames_and_a_trim_ahead);
  tcase_add_test (tests, the_peak_of_nothing_is_silence);
  tcase_add_test (tests, impossible_rings_are_refused);
  tcase_add_test (tests, random_sequences_equal_the_model);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
