/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of the frame ring's leases: what is written in place, held for long,
 * committed in any order, mixed with pushed frames, uploaded.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "count-allocations.h"
#include "ring-fixture.h"
#include "run-suite.h"

/* The value that every band of frame @number has in these tests. */
static float
value_of (uint64_t number)
{
  return (float) (number % 10007) / 1000 - 9;
}

static NpuRingLease
lease (NpuFrameRing * ring, uint32_t frames)
{
  NpuRingLease result;

  ck_assert_int_eq (npu_ring_lease (ring, frames, &result), NPU_OK);
  ck_assert_uint_eq (result.frames, frames);
  return result;
}

/* Write frames as if the lease's first one were number @first. */
static void
write_lease (NpuFrameRing * ring, const NpuRingLease * written, uint64_t first)
{
  for (uint32_t i = 0; i < written->frames; i++)
    fill_row (lease_row (ring, written, i), value_of (first + i));
}

/* Lease, write and commit the next @frames frames. */
static NpuRingLease
commit_frames (NpuFrameRing * ring, uint32_t frames)
{
  NpuRingLease result = lease (ring, frames);

  write_lease (ring, &result, npu_ring_newest (ring));
  ck_assert_uint_eq (npu_ring_commit (ring, &result, 0, frames), frames);
  return result;
}

static void
push_frame (NpuFrameRing * ring)
{
  float row[BANDS];

  fill_row (row, value_of (npu_ring_newest (ring)));
  ck_assert_uint_eq (npu_ring_push (ring, row, 1), 1);
}

static NpuRingStatistics
statistics (NpuFrameRing * ring)
{
  NpuRingStatistics result;

  npu_ring_statistics (ring, &result);
  return result;
}

/* Does the device have frames @first and on as described by @views? */
static bool
device_has (const NpuView views[2], uint64_t first)
{
  bool right = true;

  for (int part = 0; part < 2; part++)
    for (uint32_t row = 0; row < views[part].rows; row++, first++)
      for (int band = 0; band < BANDS; band++)
        right &= device_row (&views[part], row)[band] == value_of (first);
  return right;
}

static void
assert_holds (NpuFrameRing * ring, uint64_t first, uint32_t count)
{
  NpuView views[2];

  ck_assert_int_eq (npu_ring_view (ring, first, count, views), NPU_OK);
  ck_assert_int_eq (npu_ring_upload (ring, first + count, NULL), NPU_OK);
  ck_assert_uint_eq (views[0].rows + views[1].rows, count);
  ck_assert (device_has (views, first));
}

START_TEST (committed_frames_are_seen_where_they_were_written)
{
  NpuFrameRing *ring = make_ring (10);
  NpuRingLease leases[2] = { commit_frames (ring, 4), commit_frames (ring, 3) };
  NpuView views[2];

  ck_assert_int_eq (npu_ring_view (ring, 0, 7, views), NPU_OK);
  ck_assert_uint_eq (views[0].offset, leases[0].offset);
  ck_assert_uint_eq (views[0].rows, 7);
  ck_assert_uint_eq (views[1].rows, 0);
  ck_assert_uint_eq (leases[1].offset, leases[0].offset + 4 * FRAME_SIZE);
  assert_holds (ring, 0, 7);
  ck_assert (npu_ring_peak (ring, 0, 7) == value_of (6));
  ck_assert_uint_eq (statistics (ring).frames_in_place, 7);
  ck_assert_uint_eq (statistics (ring).frames_copied, 0);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (a_lease_does_not_count_before_it_is_committed)
{
  NpuFrameRing *ring = make_ring (10);

  lease (ring, 6);
  ck_assert_uint_eq (npu_ring_newest (ring), 0);
  ck_assert_uint_eq (npu_ring_space (ring), 10);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (what_comes_next_is_what_is_committed_next)
{
  NpuFrameRing *ring = make_ring (20);
  NpuRingLease leases[3] =
      { lease (ring, 3), lease (ring, 4), lease (ring, 5) };

  write_lease (ring, &leases[2], 0);
  write_lease (ring, &leases[0], 5);
  write_lease (ring, &leases[1], 8);
  ck_assert_uint_eq (npu_ring_commit (ring, &leases[2], 0, 5), 5);
  ck_assert_uint_eq (npu_ring_commit (ring, &leases[0], 0, 3), 3);
  ck_assert_uint_eq (npu_ring_commit (ring, &leases[1], 0, 4), 4);
  assert_holds (ring, 0, 12);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (a_range_held_is_not_leased_again)
{
  NpuFrameRing *ring = make_ring (10);
  NpuRingLease held = commit_frames (ring, 2);

  for (int lap = 0; lap < 50; lap++) {
    NpuRingLease next = commit_frames (ring, 3);

    ck_assert (next.offset >= held.offset + 2 * FRAME_SIZE
        || next.offset + 3 * FRAME_SIZE <= held.offset);
    npu_ring_release (ring, &next);
    npu_ring_trim (ring, npu_ring_newest (ring) - 3);
  }
  ck_assert (lease_row (ring, &held, 0)[0] == value_of (0));
  ck_assert (lease_row (ring, &held, 1)[BANDS - 1] == value_of (1));
  npu_ring_unref (ring);
}
END_TEST

START_TEST (frames_stay_when_their_lease_is_released)
{
  NpuFrameRing *ring = make_ring (4);
  NpuRingLease taken = commit_frames (ring, 4);
  NpuRingLease other;

  npu_ring_release (ring, &taken);
  other = lease (ring, 4);
  ck_assert_uint_ne (other.offset, taken.offset);
  ck_assert_int_eq (npu_ring_lease (ring, 1, &other), NPU_EBUSY);
  ck_assert_uint_eq (statistics (ring).refused_leases, 1);
  npu_ring_trim (ring, 4);
  ck_assert_uint_eq (lease (ring, 4).offset, taken.offset);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (a_lease_released_unused_leaves_no_trace)
{
  NpuFrameRing *ring = make_ring (10);

  for (int i = 0; i < 100; i++) {
    NpuRingLease unused = lease (ring, 7);

    npu_ring_release (ring, &unused);
  }
  ck_assert_uint_eq (npu_ring_newest (ring), 0);
  ck_assert_uint_eq (npu_ring_space (ring), 10);
  ck_assert_uint_eq (statistics (ring).frames_in_place, 0);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (the_rest_of_a_range_is_leased_after_its_release_only)
{
  NpuFrameRing *ring = make_ring (4);
  NpuRingLease taken = lease (ring, 4), other = lease (ring, 4), rest;

  write_lease (ring, &taken, 0);
  ck_assert_uint_eq (npu_ring_commit (ring, &taken, 0, 1), 1);
  ck_assert_int_eq (npu_ring_lease (ring, 3, &rest), NPU_EBUSY);
  npu_ring_release (ring, &taken);
  ck_assert_uint_eq (lease (ring, 3).offset, taken.offset + FRAME_SIZE);
  assert_holds (ring, 0, 1);
  npu_ring_release (ring, &other);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (a_commit_that_does_not_fit_goes_on_where_it_stopped)
{
  NpuFrameRing *ring = make_ring (10);
  NpuRingLease taken;

  commit_frames (ring, 7);
  taken = lease (ring, 5);
  write_lease (ring, &taken, 7);
  ck_assert_uint_eq (npu_ring_commit (ring, &taken, 0, 5), 3);
  ck_assert_uint_eq (npu_ring_commit (ring, &taken, 3, 2), 0);
  npu_ring_trim (ring, 4);
  ck_assert_uint_eq (npu_ring_commit (ring, &taken, 3, 2), 2);
  assert_holds (ring, 4, 8);
  ck_assert_uint_eq (statistics (ring).frames_copied, 0);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (frames_that_nobody_wants_are_dropped_at_the_commit)
{
  NpuFrameRing *ring = make_ring (10);
  NpuRingLease taken = lease (ring, 8);

  write_lease (ring, &taken, 0);
  npu_ring_trim (ring, 5);
  ck_assert_uint_eq (npu_ring_commit (ring, &taken, 0, 8), 8);
  ck_assert_uint_eq (npu_ring_oldest (ring), 5);
  assert_holds (ring, 5, 3);
  ck_assert_uint_eq (statistics (ring).frames_in_place, 3);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (nonsense_commits_take_nothing)
{
  NpuFrameRing *ring = make_ring (10);
  NpuRingLease taken = lease (ring, 4), never = { 0, 4, 0 };

  write_lease (ring, &taken, 0);
  ck_assert_uint_eq (npu_ring_commit (ring, &never, 0, 4), 0);
  ck_assert_uint_eq (npu_ring_commit (ring, &taken, 0, 5), 0);
  ck_assert_uint_eq (npu_ring_commit (ring, &taken, 5, 0), 0);
  ck_assert_uint_eq (npu_ring_commit (ring, &taken, 1, UINT32_MAX), 0);
  ck_assert_uint_eq (npu_ring_commit (ring, &taken, 0, 3), 3);
  ck_assert_uint_eq (npu_ring_commit (ring, &taken, 2, 1), 0);
  npu_ring_release (ring, &taken);
  ck_assert_uint_eq (npu_ring_commit (ring, &taken, 3, 1), 0);
  ck_assert_uint_eq (npu_ring_newest (ring), 3);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (a_second_release_does_not_release_another_lease)
{
  NpuFrameRing *ring = make_ring (4);
  NpuRingLease first = lease (ring, 4), second, third;

  npu_ring_release (ring, &first);
  second = lease (ring, 4);
  third = lease (ring, 4);
  npu_ring_release (ring, &first);
  ck_assert_int_eq (npu_ring_lease (ring, 1, &first), NPU_EBUSY);
  npu_ring_release (ring, &second);
  npu_ring_release (ring, &third);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (impossible_leases_are_refused)
{
  NpuFrameRing *ring = make_ring (10);
  NpuRingLease none;

  ck_assert_int_eq (npu_ring_lease (ring, 0, &none), NPU_EINVAL);
  ck_assert_int_eq (npu_ring_lease (ring, 11, &none), NPU_EINVAL);
  ck_assert_int_eq (npu_ring_lease (ring, UINT32_MAX, &none), NPU_EINVAL);
  ck_assert_uint_eq (statistics (ring).refused_leases, 0);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (leases_run_out_and_come_back)
{
  NpuFrameRing *ring = make_ring (NPU_RING_LEASES);
  NpuRingLease leases[NPU_RING_LEASES], last;

  for (int i = 0; i < NPU_RING_LEASES; i++)
    leases[i] = lease (ring, 1);
  ck_assert_int_eq (npu_ring_lease (ring, 1, &last), NPU_EBUSY);
  npu_ring_release (ring, &leases[500]);
  last = lease (ring, 1);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (a_reset_leaves_leases_alone)
{
  NpuFrameRing *ring = make_ring (10);
  NpuRingLease held = commit_frames (ring, 10), open = lease (ring, 5), none;

  npu_ring_reset (ring, 100);
  ck_assert_uint_eq (npu_ring_space (ring), 10);
  ck_assert_int_eq (npu_ring_lease (ring, 6, &none), NPU_EBUSY);
  write_lease (ring, &open, 100);
  ck_assert_uint_eq (npu_ring_commit (ring, &open, 0, 5), 5);
  assert_holds (ring, 100, 5);
  npu_ring_release (ring, &held);
  ck_assert_uint_eq (lease (ring, 10).offset, held.offset);
  npu_ring_unref (ring);
}
END_TEST

/* --------------------------------------------------------- no copies */

/* A ring that is full all the time, with @ahead leases of @size frames that
 * are not committed yet, @late that are released only when their frames have
 * been trimmed, and windows of half of what is kept. */
static void
run_steady_stream (uint32_t capacity, uint32_t size, uint32_t ahead,
    uint32_t late)
{
  NpuFrameRing *ring = make_ring (capacity);
  NpuRingLease leases[64];
  uint64_t leased = 0, committed = 0, released = 0;
  uint32_t kept = capacity / size;

  ck_assert_uint_lt (kept + ahead + late, 64);
  while (committed < 500) {
    while (leased < committed + ahead) {
      leases[leased % 64] = lease (ring, size);
      write_lease (ring, &leases[leased % 64], leased * size);
      leased++;
    }
    if (npu_ring_space (ring) < size) {
      assert_holds (ring, npu_ring_oldest (ring), capacity / 2);
      npu_ring_trim (ring, npu_ring_oldest (ring) + size);
      continue;
    }
    ck_assert_uint_eq (npu_ring_commit (ring, &leases[committed % 64], 0,
            size), size);
    committed++;
    if (committed > kept + late) {
      npu_ring_release (ring, &leases[released % 64]);
      released++;
    }
  }
  ck_assert_uint_eq (statistics (ring).refused_leases, 0);
  ck_assert_uint_eq (statistics (ring).frames_copied, 0);
  ck_assert_uint_eq (statistics (ring).copies, 0);
  npu_ring_unref (ring);
}

START_TEST (a_steady_stream_is_never_copied_and_no_lease_refused)
{
  run_steady_stream (100, 10, 8, 0);
  run_steady_stream (100, 10, 1, 6);
  run_steady_stream (100, 7, 5, 5);
  run_steady_stream (97, 5, 10, 7);
  run_steady_stream (30, 1, 10, 10);
}
END_TEST

START_TEST (frames_are_uploaded_once_however_many_windows_have_them)
{
  NpuFrameRing *ring = make_ring (100);

  for (int i = 0; i < 200; i++) {
    NpuRingLease taken = commit_frames (ring, 10);

    npu_ring_release (ring, &taken);
    if (npu_ring_newest (ring) < 50)
      continue;
    assert_holds (ring, npu_ring_newest (ring) - 50, 50);
    npu_ring_trim (ring, npu_ring_newest (ring) - 50);
  }
  ck_assert_uint_eq (statistics (ring).uploaded_bytes, 2000 * FRAME_SIZE);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (nothing_is_allocated_after_creation)
{
  NpuFrameRing *ring = make_ring (100);
  float row[BANDS] = { 0 };
  long before = allocations_so_far ();
  int failures = 0;

  for (int i = 0; i < 500; i++) {
    NpuRingLease taken;
    NpuView views[2];
    uint64_t first;

    npu_ring_lease (ring, 10, &taken);
    npu_ring_commit (ring, &taken, 0, 9);
    npu_ring_push (ring, row, 1);
    npu_ring_release (ring, &taken);
    first = npu_ring_oldest (ring);
    npu_ring_view (ring, first, (uint32_t) (npu_ring_newest (ring) - first),
        views);
    failures += npu_ring_upload (ring, UINT64_MAX, NULL) != NPU_OK;
    npu_ring_trim (ring, npu_ring_newest (ring) - 30 * (i > 3));
  }
  before = allocations_so_far () - before;
  ck_assert_int_eq (before, 0);
  ck_assert_int_eq (failures, 0);
  ck_assert_uint_gt (statistics (ring).frames_copied, 500);
  npu_ring_unref (ring);
}
END_TEST

/* ------------------------------------------------------------- copies */

START_TEST (a_window_of_many_ranges_is_copied_once)
{
  NpuFrameRing *ring = make_ring (20);
  NpuView views[2];

  commit_frames (ring, 3);
  push_frame (ring);
  commit_frames (ring, 3);
  push_frame (ring);
  for (int i = 0; i < 3; i++)
    assert_holds (ring, 0, 8);
  ck_assert_uint_eq (statistics (ring).frames_copied, 8);
  ck_assert_uint_eq (statistics (ring).copies, 3);
  ck_assert_int_eq (npu_ring_view (ring, 0, 8, views), NPU_OK);
  ck_assert_uint_eq (views[0].rows, 8);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (a_window_of_two_ranges_is_not_copied)
{
  NpuFrameRing *ring = make_ring (20);

  commit_frames (ring, 5);
  push_frame (ring);
  push_frame (ring);
  assert_holds (ring, 0, 7);
  ck_assert_uint_eq (statistics (ring).frames_copied, 2);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (views_stay_valid_when_a_later_one_copies)
{
  NpuFrameRing *ring = make_ring (20);
  NpuRingLease taken = commit_frames (ring, 5);
  NpuView early[2];

  ck_assert_int_eq (npu_ring_view (ring, 0, 5, early), NPU_OK);
  ck_assert_int_eq (npu_ring_upload (ring, 5, NULL), NPU_OK);
  npu_ring_release (ring, &taken);
  push_frame (ring);
  commit_frames (ring, 5);
  assert_holds (ring, 0, 11);
  ck_assert_uint_eq (statistics (ring).frames_copied, 11);
  for (NpuRingLease other; npu_ring_lease (ring, 1, &other) == NPU_OK;)
    fill_row (lease_row (ring, &other, 0), 99);
  npu_buffer_sync (npu_ring_slab (ring), NPU_SYNC_TO_DEVICE, 0,
      npu_ring_slab (ring)->size);
  ck_assert (device_has (early, 0));
  npu_ring_unref (ring);
}
END_TEST

START_TEST (after_copies_frames_are_seen_in_place_again)
{
  NpuFrameRing *ring = make_ring (60);
  uint64_t copied = 0;

  for (int i = 0; i < 10; i++) {
    NpuRingLease taken = commit_frames (ring, 5);

    npu_ring_release (ring, &taken);
    push_frame (ring);
  }
  assert_holds (ring, 0, 60);
  for (int i = 0; i < 100; i++) {
    NpuRingLease taken;

    npu_ring_trim (ring, npu_ring_newest (ring) - 30);
    taken = commit_frames (ring, 5);
    npu_ring_release (ring, &taken);
    assert_holds (ring, npu_ring_newest (ring) - 30, 30);
    if (i == 20)
      copied = statistics (ring).frames_copied;
  }
  ck_assert_uint_eq (statistics (ring).frames_copied, copied);
  npu_ring_unref (ring);
}
END_TEST

START_TEST (more_ranges_than_two_are_uploaded_in_several_steps)
{
  NpuFrameRing *ring = make_ring (20);
  NpuView views[2];

  for (int i = 0; i < 3; i++) {
    commit_frames (ring, 2);
    push_frame (ring);
  }
  ck_assert (npu_ring_to_upload (ring, 8, views));
  ck_assert_uint_eq (views[0].rows, 2);
  ck_assert_uint_eq (views[1].rows, 1);
  ck_assert (npu_ring_to_upload (ring, 8, views));
  ck_assert (!npu_ring_to_upload (ring, 8, views));
  ck_assert_uint_eq (views[0].rows, 2);
  ck_assert_uint_eq (views[1].rows, 0);
  ck_assert (!npu_ring_to_upload (ring, 8, views));
  ck_assert_uint_eq (views[0].rows, 0);
  ck_assert (!npu_ring_to_upload (ring, UINT64_MAX, views));
  ck_assert_uint_eq (views[0].rows, 1);
  ck_assert_uint_eq (statistics (ring).uploaded_bytes, 9 * FRAME_SIZE);
  npu_ring_unref (ring);
}
END_TEST

/* Let somebody keep every @kept-th lease for ever: frames that cannot be
 * leased are pushed, and all of them arrive, with room for a window always. */
static void
run_with_holder (int kept)
{
  NpuFrameRing *ring = make_ring (50);
  int leases = 0;

  for (int i = 0; i < 1000; i++) {
    NpuRingLease taken;

    npu_ring_trim (ring, npu_ring_newest (ring) -
        (npu_ring_newest (ring) < 40 ? npu_ring_newest (ring) : 40));
    ck_assert_uint_ge (npu_ring_space (ring), 5);
    if (npu_ring_lease (ring, 5, &taken) == NPU_OK) {
      write_lease (ring, &taken, npu_ring_newest (ring));
      ck_assert_uint_eq (npu_ring_commit (ring, &taken, 0, 5), 5);
      if (++leases % kept != 0)
        npu_ring_release (ring, &taken);
    } else {
      for (int frame = 0; frame < 5; frame++)
        push_frame (ring);
    }
    assert_holds (ring, npu_ring_oldest (ring),
        (uint32_t) (npu_ring_newest (ring) - npu_ring_oldest (ring)));
  }
  ck_assert_uint_eq (npu_ring_newest (ring), 5000);
  ck_assert_uint_le (statistics (ring).frames_copied, 5000);
  ck_assert_uint_gt (statistics (ring).refused_leases, 0);
  npu_ring_unref (ring);
}

START_TEST (leases_held_for_ever_do_not_stop_the_stream)
{
  for (int kept = 1; kept < 10; kept++)
    run_with_holder (kept);
}
END_TEST

START_TEST (a_full_ring_takes_frames_again_although_all_is_held)
{
  NpuFrameRing *ring = make_ring (10);
  NpuRingLease taken;

  while (npu_ring_lease (ring, 1, &taken) == NPU_OK)
    write_lease (ring, &taken, npu_ring_newest (ring));
  for (int i = 0; i < 100; i++) {
    while (npu_ring_space (ring) > 0)
      push_frame (ring);
    assert_holds (ring, npu_ring_oldest (ring), 10);
    npu_ring_trim (ring, npu_ring_oldest (ring) + 1 + (uint32_t) i % 9);
  }
  npu_ring_unref (ring);
}
END_TEST

/* ------------------------------------------------------------ threads */

#define THREAD_FRAMES 20000
#define THREAD_CAPACITY 200
#define THREAD_WINDOW 50
#define HELD 40

typedef struct
{
  NpuFrameRing *ring;
  pthread_mutex_t lock;
  NpuRingLease held[HELD];      /* given to the holder, who takes its time */
  uint64_t numbers[HELD];       /* of the first frame in each */
  int held_count;
  atomic_bool finished;
  atomic_int wrong;
} Shared;

/* Hand @taken over, or release it where the holder has enough. */
static void
hand_over (Shared * shared, const NpuRingLease * taken, uint64_t number)
{
  bool handed = false;

  pthread_mutex_lock (&shared->lock);
  if (shared->held_count < HELD) {
    shared->numbers[shared->held_count] = number;
    shared->held[shared->held_count++] = *taken;
    handed = true;
  }
  pthread_mutex_unlock (&shared->lock);
  if (!handed)
    npu_ring_release (shared->ring, taken);
}

static void *
produce (void *user)
{
  Shared *shared = user;
  uint64_t number = 0;

  while (number < THREAD_FRAMES) {
    uint32_t size = 1 + (uint32_t) number % 7, done = 0;
    NpuRingLease taken;

    if (size > THREAD_FRAMES - number)
      size = (uint32_t) (THREAD_FRAMES - number);
    if (npu_ring_lease (shared->ring, size, &taken) == NPU_OK) {
      write_lease (shared->ring, &taken, number);
      while (done < size) {
        done += npu_ring_commit (shared->ring, &taken, done, size - done);
        if (done < size)
          sched_yield ();
      }
      hand_over (shared, &taken, number);
    } else {
      float row[BANDS];

      size = 1;
      fill_row (row, value_of (number));
      while (npu_ring_push (shared->ring, row, 1) == 0)
        sched_yield ();
    }
    number += size;
  }
  atomic_store (&shared->finished, true);
  return NULL;
}

/* Release leases in no particular order, after a look at what they hold. */
static void *
hold (void *user)
{
  Shared *shared = user;
  unsigned turn = 0;

  while (!atomic_load (&shared->finished)) {
    NpuRingLease chosen = { 0 };
    uint64_t number = 0;

    pthread_mutex_lock (&shared->lock);
    if (shared->held_count > HELD / 2) {
      int index = (int) (turn++ % (unsigned) shared->held_count);

      chosen = shared->held[index];
      number = shared->numbers[index];
      shared->held_count--;
      shared->held[index] = shared->held[shared->held_count];
      shared->numbers[index] = shared->numbers[shared->held_count];
    }
    pthread_mutex_unlock (&shared->lock);
    for (uint32_t i = 0; i < chosen.frames; i++)
      if (lease_row (shared->ring, &chosen, i)[0] != value_of (number + i))
        atomic_fetch_add (&shared->wrong, 1);
    if (chosen.frames > 0)
      npu_ring_release (shared->ring, &chosen);
    else
      sched_yield ();
  }
  return NULL;
}

static void *
consume (void *user)
{
  Shared *shared = user;
  uint64_t first = 0;

  while (first + THREAD_WINDOW <= THREAD_FRAMES) {
    NpuView views[2];

    if (npu_ring_newest (shared->ring) < first + THREAD_WINDOW) {
      sched_yield ();
      continue;
    }
    if (npu_ring_view (shared->ring, first, THREAD_WINDOW, views) != NPU_OK
        || npu_ring_upload (shared->ring, first + THREAD_WINDOW,
            NULL) != NPU_OK || !device_has (views, first)
        || npu_ring_peak (shared->ring, first,
            THREAD_WINDOW) < value_of (first))
      atomic_fetch_add (&shared->wrong, 1);
    first += 1 + first % 23;
    npu_ring_trim (shared->ring, first);
  }
  /* whoever is left has a place for what comes */
  npu_ring_trim (shared->ring, THREAD_FRAMES);
  return NULL;
}

START_TEST (a_producer_a_consumer_and_a_holder_share_a_ring)
{
  Shared shared = { .ring = make_ring (THREAD_CAPACITY) };
  pthread_t threads[3];

  pthread_mutex_init (&shared.lock, NULL);
  pthread_create (&threads[0], NULL, produce, &shared);
  pthread_create (&threads[1], NULL, consume, &shared);
  pthread_create (&threads[2], NULL, hold, &shared);
  for (int i = 0; i < 3; i++)
    pthread_join (threads[i], NULL);
  ck_assert_int_eq (atomic_load (&shared.wrong), 0);
  ck_assert_uint_eq (npu_ring_newest (shared.ring), THREAD_FRAMES);
  ck_assert_uint_gt (statistics (shared.ring).frames_in_place, 0);
  pthread_mutex_destroy (&shared.lock);
  npu_ring_unref (shared.ring);
}
END_TEST

START_TEST (a_lease_can_outlive_its_consumer_by_a_reference)
{
  NpuFrameRing *ring = make_ring (10);
  NpuFrameRing *holders = npu_ring_ref (ring);
  NpuRingLease taken = commit_frames (ring, 3);

  npu_ring_unref (ring);
  ck_assert (lease_row (holders, &taken, 2)[0] == value_of (2));
  npu_ring_release (holders, &taken);
  npu_ring_unref (holders);
}
END_TEST

static void
add_leases (TCase * tests)
{
  tcase_add_test (tests, committed_frames_are_seen_where_they_were_written);
  tcase_add_test (tests, a_lease_does_not_count_before_it_is_committed);
  tcase_add_test (tests, what_comes_next_is_what_is_committed_next);
  tcase_add_test (tests, a_range_held_is_not_leased_again);
  tcase_add_test (tests, frames_stay_when_their_lease_is_released);
  tcase_add_test (tests, a_lease_released_unused_leaves_no_trace);
  tcase_add_test (tests, the_rest_of_a_range_is_leased_after_its_release_only);
  tcase_add_test (tests, a_commit_that_does_not_fit_goes_on_where_it_stopped);
  tcase_add_test (tests, frames_that_nobody_wants_are_dropped_at_the_commit);
  tcase_add_test (tests, nonsense_commits_take_nothing);
  tcase_add_test (tests, a_second_release_does_not_release_another_lease);
  tcase_add_test (tests, impossible_leases_are_refused);
  tcase_add_test (tests, leases_run_out_and_come_back);
  tcase_add_test (tests, a_reset_leaves_leases_alone);
  tcase_add_test (tests, a_lease_can_outlive_its_consumer_by_a_reference);
}

static void
add_streams (TCase * tests)
{
  tcase_add_test (tests, a_steady_stream_is_never_copied_and_no_lease_refused);
  tcase_add_test (tests,
      frames_are_uploaded_once_however_many_windows_have_them);
  tcase_add_test (tests, nothing_is_allocated_after_creation);
  tcase_add_test (tests, a_window_of_many_ranges_is_copied_once);
  tcase_add_test (tests, a_window_of_two_ranges_is_not_copied);
  tcase_add_test (tests, views_stay_valid_when_a_later_one_copies);
  tcase_add_test (tests, after_copies_frames_are_seen_in_place_again);
  tcase_add_test (tests, more_ranges_than_two_are_uploaded_in_several_steps);
  tcase_add_test (tests, leases_held_for_ever_do_not_stop_the_stream);
  tcase_add_test (tests, a_full_ring_takes_frames_again_although_all_is_held);
  tcase_add_test (tests, a_producer_a_consumer_and_a_holder_share_a_ring);
}

int
main (void)
{
  Suite *suite = suite_create ("ring-leases");
  TCase *tests = tcase_create ("ring-leases");

  add_leases (tests);
  add_streams (tests);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
