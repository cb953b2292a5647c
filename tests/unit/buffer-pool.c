/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tests of the pool of device buffers, on the cpu device.
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "count-allocations.h"
#include "device/buffer-pool.h"
#include "run-suite.h"

#define SIZE 4096
#define MILLISECOND UINT64_C (1000000)

static NpuDevice *device;
static NpuBufferPool *pool;

static void
setup (void)
{
  ck_assert_int_eq (npu_device_open ("cpu", NULL, &device, NULL), NPU_OK);
  ck_assert_int_eq (npu_buffer_pool_create (device, 3, &pool, NULL), NPU_OK);
}

static void
teardown (void)
{
  npu_buffer_pool_unref (pool);
  npu_device_unref (device);
}

static NpuBuffer *
acquire (const char *name, size_t size, uint32_t group)
{
  NpuBuffer *buffer = NULL;

  ck_assert_int_eq (npu_buffer_pool_acquire (pool, name, size, group, 0,
          &buffer, NULL), NPU_OK);
  ck_assert_ptr_nonnull (buffer);
  return buffer;
}

static void
release (NpuBuffer * buffer)
{
  ck_assert_int_eq (npu_buffer_pool_release (pool, buffer), NPU_OK);
}

static NpuBufferPoolStatistics
statistics (void)
{
  NpuBufferPoolStatistics result;

  npu_buffer_pool_statistics (pool, &result);
  return result;
}

START_TEST (the_same_request_finds_the_same_buffer_with_its_contents)
{
  NpuBuffer *input = acquire ("input", SIZE, 0);

  strcpy (npu_buffer_host (input), "as it was");
  release (input);
  ck_assert_ptr_eq (acquire ("input", SIZE, 0), input);
  ck_assert_str_eq (npu_buffer_host (input), "as it was");
  release (input);
}
END_TEST

START_TEST (another_name_size_or_group_finds_another_buffer)
{
  NpuBuffer *buffers[4];

  npu_buffer_pool_unref (pool);
  ck_assert_int_eq (npu_buffer_pool_create (device, 4, &pool, NULL), NPU_OK);
  release (acquire ("input", SIZE, 0));
  buffers[0] = acquire ("output", SIZE, 0);
  buffers[1] = acquire ("input", 2 * SIZE, 0);
  buffers[2] = acquire ("input", SIZE, 1);
  ck_assert_uint_eq (statistics ().allocations, 4);
  ck_assert_uint_eq (statistics ().reuses, 0);
  buffers[3] = acquire ("input", SIZE, 0);
  ck_assert_uint_eq (statistics ().allocations, 4);
  ck_assert_uint_eq (npu_buffer_size (buffers[1]), 2 * SIZE);
  for (int i = 0; i < 4; i++)
    release (buffers[i]);
}
END_TEST

START_TEST (of_several_the_one_released_last_is_taken)
{
  NpuBuffer *first = acquire ("a", SIZE, 0), *second = acquire ("a", SIZE, 0);

  release (second);
  release (first);
  ck_assert_ptr_eq (acquire ("a", SIZE, 0), first);
  ck_assert_ptr_eq (acquire ("a", SIZE, 0), second);
  release (first);
  release (second);
}
END_TEST

START_TEST (reserved_buffers_are_there_and_a_miss_is_counted)
{
  NpuBuffer *buffers[3];
  NpuBufferPoolStatistics counted;

  ck_assert_int_eq (npu_buffer_pool_reserve (pool, "a", SIZE, 0, 2, NULL),
      NPU_OK);
  ck_assert_uint_eq (statistics ().bytes, 2 * SIZE);
  for (int i = 0; i < 3; i++)
    buffers[i] = acquire ("a", SIZE, 0);
  counted = statistics ();
  ck_assert_uint_eq (counted.allocations, 3);
  ck_assert_uint_eq (counted.reuses, 2);
  ck_assert_uint_eq (counted.misses, 1);
  for (int i = 0; i < 3; i++)
    release (buffers[i]);
}
END_TEST

START_TEST (buffers_made_before_anything_was_reserved_are_no_misses)
{
  release (acquire ("a", SIZE, 0));
  ck_assert_uint_eq (statistics ().allocations, 1);
  ck_assert_uint_eq (statistics ().misses, 0);
}
END_TEST

START_TEST (more_than_the_capacity_cannot_be_reserved)
{
  NpuError error = { NPU_OK, "" };

  ck_assert_int_eq (npu_buffer_pool_reserve (pool, "a", SIZE, 0, 4, &error),
      NPU_EBUSY);
  ck_assert_ptr_nonnull (strstr (error.message, "the pool holds 3"));
  ck_assert_uint_eq (statistics ().allocations, 3);
  release (acquire ("a", SIZE, 0));
  ck_assert_uint_eq (statistics ().reuses, 1);
}
END_TEST

START_TEST (a_request_beyond_the_capacity_fails_at_once_and_says_so)
{
  NpuBuffer *buffers[3], *none = (NpuBuffer *) & device;
  NpuError error = { NPU_OK, "" };

  for (int i = 0; i < 3; i++)
    buffers[i] = acquire ("a", SIZE, 0);
  ck_assert_int_eq (npu_buffer_pool_acquire (pool, "a", SIZE, 0, 0, &none,
          &error), NPU_EBUSY);
  ck_assert_ptr_null (none);
  ck_assert_ptr_nonnull (strstr (error.message, "all 3 are in use"));
  ck_assert_uint_eq (statistics ().refusals, 1);
  ck_assert_uint_eq (statistics ().waits, 0);
  ck_assert_uint_eq (statistics ().in_use, 3);
  for (int i = 0; i < 3; i++)
    release (buffers[i]);
}
END_TEST

static uint64_t
now (void)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  return (uint64_t) time.tv_sec * 1000 * MILLISECOND + (uint64_t) time.tv_nsec;
}

START_TEST (a_request_that_waits_in_vain_times_out)
{
  NpuBuffer *buffers[3], *none;
  NpuError error = { NPU_OK, "" };
  uint64_t begin;

  for (int i = 0; i < 3; i++)
    buffers[i] = acquire ("a", SIZE, 0);
  begin = now ();
  ck_assert_int_eq (npu_buffer_pool_acquire (pool, "a", SIZE, 0,
          30 * MILLISECOND, &none, &error), NPU_ETIMEDOUT);
  ck_assert_uint_ge (now () - begin, 30 * MILLISECOND);
  ck_assert_ptr_nonnull (strstr (error.message, "all 3 are in use"));
  ck_assert_uint_eq (statistics ().waits, 1);
  ck_assert_uint_eq (statistics ().refusals, 1);
  for (int i = 0; i < 3; i++)
    release (buffers[i]);
}
END_TEST

typedef struct
{
  pthread_t thread;
  uint64_t timeout_ns;
  NpuBuffer *buffer;
  NpuStatus status;
} Waiter;

static void *
wait_for_buffer (void *user)
{
  Waiter *waiter = user;

  waiter->status = npu_buffer_pool_acquire (pool, "a", SIZE, 0,
      waiter->timeout_ns, &waiter->buffer, NULL);
  return NULL;
}

/* Start @waiter and return when it waits. */
static void
start_waiter (Waiter * waiter, uint64_t timeout_ns)
{
  uint64_t waits = statistics ().waits;
  struct timespec moment = { 0, 1000000 };

  *waiter = (Waiter) { .timeout_ns = timeout_ns };
  pthread_create (&waiter->thread, NULL, wait_for_buffer, waiter);
  while (statistics ().waits == waits)
    nanosleep (&moment, NULL);
}

static void
assert_waiter_gets (uint64_t timeout_ns)
{
  NpuBuffer *buffers[3];
  Waiter waiter;

  for (int i = 0; i < 3; i++)
    buffers[i] = acquire ("a", SIZE, 0);
  start_waiter (&waiter, timeout_ns);
  release (buffers[1]);
  pthread_join (waiter.thread, NULL);
  ck_assert_int_eq (waiter.status, NPU_OK);
  ck_assert_ptr_eq (waiter.buffer, buffers[1]);
  for (int i = 0; i < 3; i++)
    release (buffers[i]);
}

START_TEST (a_release_wakes_the_one_who_waits_for_ever)
{
  assert_waiter_gets (NPU_WAIT_FOREVER);
}
END_TEST

START_TEST (a_release_wakes_the_one_who_waits_for_a_time)
{
  assert_waiter_gets (60 * 1000 * MILLISECOND);
}
END_TEST

START_TEST (the_longest_times_that_can_be_asked_for_do_not_end_at_once)
{
  assert_waiter_gets (UINT64_MAX - 1);
  assert_waiter_gets (UINT64_MAX / 2);
}
END_TEST

START_TEST (the_one_who_waits_gets_the_place_of_another_kind)
{
  NpuBuffer *buffers[3];
  Waiter waiter;

  for (int i = 0; i < 3; i++)
    buffers[i] = acquire ("b", SIZE, 0);
  start_waiter (&waiter, NPU_WAIT_FOREVER);
  release (buffers[0]);
  pthread_join (waiter.thread, NULL);
  ck_assert_int_eq (waiter.status, NPU_OK);
  ck_assert_uint_eq (statistics ().allocations, 4);
  release (waiter.buffer);
  release (buffers[1]);
  release (buffers[2]);
}
END_TEST

START_TEST (cancelling_ends_waits_until_it_is_taken_back)
{
  NpuBuffer *buffers[3], *none;
  Waiter waiters[2];

  for (int i = 0; i < 3; i++)
    buffers[i] = acquire ("a", SIZE, 0);
  start_waiter (&waiters[0], NPU_WAIT_FOREVER);
  start_waiter (&waiters[1], 60 * 1000 * MILLISECOND);
  npu_buffer_pool_cancel (pool, true);
  for (int i = 0; i < 2; i++) {
    pthread_join (waiters[i].thread, NULL);
    ck_assert_int_eq (waiters[i].status, NPU_ECANCELED);
  }
  ck_assert_int_eq (npu_buffer_pool_acquire (pool, "a", SIZE, 0,
          NPU_WAIT_FOREVER, &none, NULL), NPU_ECANCELED);
  /* these do not wait */
  ck_assert_int_eq (npu_buffer_pool_acquire (pool, "a", SIZE, 0, 0, &none,
          NULL), NPU_EBUSY);
  release (buffers[0]);
  ck_assert_ptr_eq (acquire ("a", SIZE, 0), buffers[0]);
  npu_buffer_pool_cancel (pool, false);
  ck_assert_int_eq (npu_buffer_pool_acquire (pool, "a", SIZE, 0, MILLISECOND,
          &none, NULL), NPU_ETIMEDOUT);
  for (int i = 0; i < 3; i++)
    release (buffers[i]);
}
END_TEST

START_TEST (a_cancel_taken_back_at_once_still_ends_the_wait)
{
  NpuBuffer *buffers[3];
  Waiter waiter;

  for (int i = 0; i < 3; i++)
    buffers[i] = acquire ("a", SIZE, 0);
  start_waiter (&waiter, NPU_WAIT_FOREVER);
  npu_buffer_pool_cancel (pool, true);
  npu_buffer_pool_cancel (pool, false);
  pthread_join (waiter.thread, NULL);
  ck_assert_int_eq (waiter.status, NPU_ECANCELED);
  for (int i = 0; i < 3; i++)
    release (buffers[i]);
}
END_TEST

START_TEST (the_free_buffer_that_was_idle_longest_makes_room)
{
  NpuBuffer *a = acquire ("a", SIZE, 0), *b = acquire ("b", SIZE, 0);
  NpuBuffer *c = acquire ("c", SIZE, 0), *d;

  release (b);
  release (c);
  release (a);
  d = acquire ("d", 2 * SIZE, 0);
  ck_assert_uint_eq (statistics ().bytes, 4 * SIZE);
  /* b is gone, the others are not */
  ck_assert_ptr_eq (acquire ("a", SIZE, 0), a);
  ck_assert_ptr_eq (acquire ("c", SIZE, 0), c);
  ck_assert_uint_eq (statistics ().allocations, 4);
  ck_assert_uint_eq (statistics ().reuses, 2);
  release (a);
  release (c);
  release (d);
}
END_TEST

START_TEST (foreign_buffers_and_double_releases_are_refused)
{
  NpuBuffer *foreign, *own = acquire ("a", SIZE, 0);

  ck_assert_int_eq (npu_buffer_create (device, SIZE, 0, &foreign, NULL),
      NPU_OK);
  ck_assert_int_eq (npu_buffer_pool_release (pool, foreign), NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_pool_release (pool, NULL), NPU_EINVAL);
  release (own);
  ck_assert_int_eq (npu_buffer_pool_release (pool, own), NPU_EINVAL);
  ck_assert_uint_eq (statistics ().in_use, 0);
  npu_buffer_unref (foreign);
}
END_TEST

START_TEST (what_the_device_refuses_leaves_the_pool_usable)
{
  NpuBuffer *buffer;
  NpuError error = { NPU_OK, "" };

  for (int i = 0; i < 5; i++) {
    ck_assert_int_eq (npu_buffer_pool_acquire (pool, "huge", SIZE_MAX / 2, 0,
            0, &buffer, &error), NPU_ENOMEM);
    ck_assert_ptr_null (buffer);
    ck_assert_ptr_nonnull (strstr (error.message, "no memory"));
  }
  ck_assert_int_eq (npu_buffer_pool_reserve (pool, "huge", SIZE_MAX / 2, 0, 1,
          NULL), NPU_ENOMEM);
  ck_assert_uint_eq (statistics ().bytes, 0);
  ck_assert_uint_eq (statistics ().allocations, 0);
  ck_assert_uint_eq (statistics ().peak_in_use, 0);
  ck_assert_int_eq (npu_buffer_pool_reserve (pool, "a", SIZE, 0, 3, NULL),
      NPU_OK);
}
END_TEST

START_TEST (requests_that_make_no_sense_are_refused)
{
  char longest[NPU_BUFFER_NAME_LENGTH + 2];
  NpuBufferPool *none = NULL;
  NpuBuffer *buffer;

  memset (longest, 'x', sizeof (longest));
  longest[NPU_BUFFER_NAME_LENGTH + 1] = 0;
  ck_assert_int_eq (npu_buffer_pool_create (device, 0, &none, NULL),
      NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_pool_create (device, 1025, &none, NULL),
      NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_pool_create (NULL, 1, &none, NULL), NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_pool_acquire (pool, longest, SIZE, 0, 0,
          &buffer, NULL), NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_pool_acquire (pool, NULL, SIZE, 0, 0, &buffer,
          NULL), NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_pool_acquire (pool, "a", 0, 0, 0, &buffer,
          NULL), NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_pool_acquire (pool, "a", SIZE, 0, 0, NULL,
          NULL), NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_pool_reserve (pool, longest, SIZE, 0, 1, NULL),
      NPU_EINVAL);
  longest[NPU_BUFFER_NAME_LENGTH] = 0;
  release (acquire (longest, SIZE, 0));
  npu_buffer_pool_unref (NULL);
}
END_TEST

START_TEST (buffers_are_aligned_as_the_device_says_and_to_64_bytes)
{
  size_t alignment = npu_device_info (device)->buffer_alignment;

  ck_assert_uint_ge (alignment, 64);
  for (uint32_t i = 0; i < 20; i++) {
    NpuBuffer *buffer = acquire ("odd", 1 + 37 * i, i % 3);

    ck_assert_uint_eq ((uintptr_t) npu_buffer_host (buffer) % alignment, 0);
    ck_assert_uint_eq ((uintptr_t) npu_buffer_host (buffer) % 64, 0);
    release (buffer);
  }
}
END_TEST

START_TEST (an_acquired_buffer_outlives_the_pool)
{
  NpuBuffer *buffer = acquire ("a", SIZE, 0);

  release (acquire ("b", SIZE, 0));
  npu_buffer_pool_unref (npu_buffer_pool_ref (pool));
  ck_assert_uint_eq (statistics ().in_use, 1);
  npu_buffer_pool_unref (pool);
  pool = NULL;
  memset (npu_buffer_host (buffer), 1, SIZE);
  npu_buffer_unref (buffer);
}
END_TEST

START_TEST (the_peak_stays_and_the_use_falls)
{
  NpuBuffer *a = acquire ("a", SIZE, 0), *b = acquire ("a", SIZE, 0);

  release (a);
  ck_assert_uint_eq (statistics ().in_use, 1);
  ck_assert_uint_eq (statistics ().peak_in_use, 2);
  release (b);
  ck_assert_uint_eq (statistics ().in_use, 0);
  ck_assert_uint_eq (statistics ().peak_in_use, 2);
}
END_TEST

START_TEST (nothing_is_allocated_where_buffers_are_reserved)
{
  long before;

  ck_assert_int_eq (npu_buffer_pool_reserve (pool, "a", SIZE, 0, 2, NULL),
      NPU_OK);
  release (acquire ("b", SIZE, 1));
  before = allocations_so_far ();
  for (int i = 0; i < 1000; i++) {
    NpuBuffer *first, *second, *third;

    npu_buffer_pool_acquire (pool, "a", SIZE, 0, 0, &first, NULL);
    npu_buffer_pool_acquire (pool, "b", SIZE, 1, 0, &second, NULL);
    npu_buffer_pool_acquire (pool, "a", SIZE, 0, MILLISECOND, &third, NULL);
    npu_buffer_pool_release (pool, first);
    npu_buffer_pool_release (pool, second);
    npu_buffer_pool_release (pool, third);
  }
  ck_assert_int_eq (allocations_so_far () - before, 0);
  ck_assert_uint_eq (statistics ().reuses, 3000);
}
END_TEST

#define THREADS 6
#define ROUNDS 3000

typedef struct
{
  pthread_t thread;
  unsigned seed;
  uint64_t got;
  uint64_t refused;
  int wrong;
} Worker;

/* Whoever has a buffer writes its own name all over it and finds it so. */
static void *
hammer (void *user)
{
  static const char *const names[] = { "input", "output", "scratch" };
  Worker *worker = user;

  for (int round = 0; round < ROUNDS; round++) {
    unsigned random = (unsigned) rand_r (&worker->seed);
    size_t size = 64 * (1 + random / 3 % 2);
    uint64_t timeout = random % 4 ? 1000 * MILLISECOND : 0;
    NpuBuffer *buffer;
    NpuStatus status = npu_buffer_pool_acquire (pool, names[random % 3], size,
        random / 6 % 2, timeout, &buffer, NULL);

    if (status == NPU_OK) {
      uintptr_t *values = npu_buffer_host (buffer);

      worker->got++;
      for (size_t i = 0; i < size / sizeof (*values); i++)
        values[i] = (uintptr_t) worker;
      for (size_t i = 0; i < size / sizeof (*values); i++)
        worker->wrong += values[i] != (uintptr_t) worker;
      worker->wrong += npu_buffer_size (buffer) != size;
      worker->wrong += npu_buffer_pool_release (pool, buffer) != NPU_OK;
    } else {
      worker->refused++;
      worker->wrong += status != (timeout ? NPU_ETIMEDOUT : NPU_EBUSY);
    }
  }
  return NULL;
}

START_TEST (threads_never_get_a_buffer_that_another_has)
{
  unsigned seed = (unsigned) time (NULL);
  Worker workers[THREADS];
  NpuBufferPoolStatistics counted;
  uint64_t got = 0, refused = 0;

  printf ("seed %u\n", seed);
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i] = (Worker) { .seed = seed + i };
    pthread_create (&workers[i].thread, NULL, hammer, &workers[i]);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join (workers[i].thread, NULL);
    ck_assert_int_eq (workers[i].wrong, 0);
    got += workers[i].got;
    refused += workers[i].refused;
  }
  counted = statistics ();
  ck_assert_uint_eq (got + refused, THREADS * ROUNDS);
  ck_assert_uint_eq (counted.allocations + counted.reuses, got);
  ck_assert_uint_eq (counted.refusals, refused);
  ck_assert_uint_eq (counted.in_use, 0);
  ck_assert_uint_le (counted.peak_in_use, 3);
}
END_TEST

static void
add_requests (TCase * tests)
{
  tcase_add_test (tests,
      the_same_request_finds_the_same_buffer_with_its_contents);
  tcase_add_test (tests, another_name_size_or_group_finds_another_buffer);
  tcase_add_test (tests, of_several_the_one_released_last_is_taken);
  tcase_add_test (tests, reserved_buffers_are_there_and_a_miss_is_counted);
  tcase_add_test (tests,
      buffers_made_before_anything_was_reserved_are_no_misses);
  tcase_add_test (tests, more_than_the_capacity_cannot_be_reserved);
  tcase_add_test (tests, the_free_buffer_that_was_idle_longest_makes_room);
  tcase_add_test (tests, foreign_buffers_and_double_releases_are_refused);
  tcase_add_test (tests, what_the_device_refuses_leaves_the_pool_usable);
  tcase_add_test (tests, requests_that_make_no_sense_are_refused);
  tcase_add_test (tests,
      buffers_are_aligned_as_the_device_says_and_to_64_bytes);
  tcase_add_test (tests, an_acquired_buffer_outlives_the_pool);
  tcase_add_test (tests, the_peak_stays_and_the_use_falls);
  tcase_add_test (tests, nothing_is_allocated_where_buffers_are_reserved);
}

static void
add_waits (TCase * tests)
{
  tcase_add_test (tests,
      a_request_beyond_the_capacity_fails_at_once_and_says_so);
  tcase_add_test (tests, a_request_that_waits_in_vain_times_out);
  tcase_add_test (tests, a_release_wakes_the_one_who_waits_for_ever);
  tcase_add_test (tests, a_release_wakes_the_one_who_waits_for_a_time);
  tcase_add_test (tests,
      the_longest_times_that_can_be_asked_for_do_not_end_at_once);
  tcase_add_test (tests, the_one_who_waits_gets_the_place_of_another_kind);
  tcase_add_test (tests, cancelling_ends_waits_until_it_is_taken_back);
  tcase_add_test (tests, a_cancel_taken_back_at_once_still_ends_the_wait);
  tcase_add_test (tests, threads_never_get_a_buffer_that_another_has);
}

int
main (void)
{
  Suite *suite = suite_create ("buffer-pool");
  TCase *tests = tcase_create ("buffer-pool");

  tcase_add_checked_fixture (tests, setup, teardown);
  add_requests (tests);
  add_waits (tests);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
