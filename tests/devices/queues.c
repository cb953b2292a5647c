/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Buffers, queues and fences on every device: limits that the device states,
 * order, times, reset. The loop's index is the device's in npu_device_names().
 */
#include "devices/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES 2
/* A gemm of so many rows takes some milliseconds on any machine. */
#define SLOW_ROWS 40000
#define QUEUES_MAX 64
#define LISTS_MAX 256

static Fixture fixture;
static const NpuDeviceInfo *info;

static void
open_device (int index)
{
  fixture_open (&fixture, npu_device_names ()[index], 2, NULL);
  info = npu_device_info (fixture.device);
}

/* ------------------------------------------------------------- buffers */

START_TEST (buffers_are_zeroed_and_aligned_and_keep_the_device)
{
  NpuBuffer *buffer;
  char *memory;
  size_t alignment;

  open_device (_i);
  alignment = info->buffer_alignment;
  ck_assert_int_eq (npu_buffer_create (fixture.device, 10001, 0, &buffer,
          NULL), NPU_OK);
  fixture_close (&fixture);
  memory = npu_buffer_host (buffer);
  ck_assert_uint_ge (alignment, 64);
  ck_assert_uint_eq ((uintptr_t) memory % alignment, 0);
  ck_assert_uint_eq (npu_buffer_size (buffer), 10001);
  for (size_t i = 0; i < 10001; i++)
    ck_assert_int_eq (memory[i], 0);
  npu_buffer_unref (buffer);
}

END_TEST

START_TEST (buffers_give_back_what_was_synced_to_the_device)
{
  NpuBuffer *buffer;
  char *memory;

  open_device (_i);
  ck_assert_int_eq (npu_buffer_create (fixture.device, 1000, 0, &buffer,
          NULL), NPU_OK);
  memory = npu_buffer_host (buffer);
  for (int i = 0; i < 1000; i++)
    memory[i] = (char) i;
  ck_assert_int_eq (npu_buffer_sync (buffer, NPU_SYNC_TO_DEVICE, 0, 1000),
      NPU_OK);
  ck_assert_int_eq (npu_buffer_sync (buffer, NPU_SYNC_FROM_DEVICE, 0, 1000),
      NPU_OK);
  for (int i = 0; i < 1000; i++)
    ck_assert_int_eq (memory[i], (char) i);
  npu_buffer_unref (buffer);
  fixture_close (&fixture);
}

END_TEST

START_TEST (buffers_refuse_sizes_and_ranges_that_cannot_be)
{
  NpuBuffer *buffer;
  NpuError error;

  open_device (_i);
  ck_assert_int_eq (npu_buffer_create (fixture.device, 0, 0, &buffer, &error),
      NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_create (fixture.device, SIZE_MAX / 2, 0,
          &buffer, &error), NPU_ENOMEM);
  ck_assert_ptr_null (buffer);
  ck_assert_int_eq (npu_buffer_create (fixture.device, 100, 0, &buffer,
          &error), NPU_OK);
  ck_assert_int_eq (npu_buffer_sync (buffer, NPU_SYNC_FROM_DEVICE, 100, 0),
      NPU_OK);
  ck_assert_int_eq (npu_buffer_sync (buffer, NPU_SYNC_TO_DEVICE, 1, 100),
      NPU_EINVAL);
  ck_assert_int_eq (npu_buffer_sync (buffer, NPU_SYNC_TO_DEVICE, SIZE_MAX, 2),
      NPU_EINVAL);
  npu_buffer_unref (buffer);
  fixture_close (&fixture);
}

END_TEST

START_TEST (sizes_that_overflow_are_zero)
{
  NpuDevice *device;

  open_device (_i);
  device = fixture.device;
  ck_assert_uint_ge (npu_device_activation_size (device, 1500, 512),
      2 * 1500 * 512);
  ck_assert_uint_gt (npu_stem_scratch_size (device, 1500, 80, 512), 0);
  ck_assert_uint_eq (npu_device_activation_size (device, UINT32_MAX,
          UINT32_MAX), 0);
  ck_assert_uint_eq (npu_device_cache_size (device, UINT32_MAX, UINT32_MAX),
      0);
  ck_assert_uint_eq (npu_stem_scratch_size (device, UINT32_MAX, UINT32_MAX,
          UINT32_MAX), 0);
  fixture_close (&fixture);
}

END_TEST

/* -------------------------------------------------------------- queues */

typedef struct
{
  NpuView input;
  NpuView output;
  NpuOperation operation;
} SlowWork;

static void
create_slow_work (SlowWork * work)
{
  work->input = fixture_random_rows (&fixture, SLOW_ROWS, INPUTS);
  work->output = fixture_activations (&fixture, SLOW_ROWS, WIDTH);
  work->operation = gemm_of (&work->input, &work->output, INPUT_WEIGHT,
      INPUT_BIAS);
}

static void
free_slow_work (SlowWork * work)
{
  fixture_free_view (&work->input);
  fixture_free_view (&work->output);
}

START_TEST (as_many_queues_exist_as_the_device_says)
{
  NpuQueue *queues[QUEUES_MAX];
  uint32_t count = 1;           /* the fixture's */
  NpuError error;
  NpuStatus status = NPU_OK;

  open_device (_i);
  while (count < QUEUES_MAX && (status = npu_queue_create (fixture.device,
              &queues[count], &error)) == NPU_OK)
    count++;
  if (info->queues == 0) {
    ck_assert_uint_eq (count, QUEUES_MAX);
  } else {
    ck_assert_uint_eq (count, info->queues);
    ck_assert_int_eq (status, NPU_EBUSY);
    ck_assert_ptr_nonnull (strstr (error.message, "queues"));
    npu_queue_free (queues[--count]);
    ck_assert_int_eq (npu_queue_create (fixture.device, &queues[count++],
            NULL), NPU_OK);
  }
  while (count > 1)
    npu_queue_free (queues[--count]);
  fixture_close (&fixture);
}

END_TEST

START_TEST (as_many_lists_are_pending_as_the_device_says)
{
  NpuFence *fences[LISTS_MAX];
  uint32_t count = 0;
  SlowWork work;
  NpuError error;
  NpuStatus status;

  open_device (_i);
  ck_assert_uint_le (info->queue_depth, LISTS_MAX);
  create_slow_work (&work);
  do {
    ck_assert_int_eq (npu_fence_create (fixture.device, &fences[count], NULL),
        NPU_OK);
    status = npu_queue_submit (fixture.queue, fixture.program,
        &work.operation, count == 0, fences[count], &error);
  } while (status == NPU_OK && ++count < LISTS_MAX);
  ck_assert_int_eq (status, NPU_EBUSY);
  ck_assert_uint_eq (count, info->queue_depth);
  ck_assert_ptr_nonnull (strstr (error.message, "wait"));
  /* The refused fence is idle. */
  ck_assert_int_eq (npu_fence_wait (fences[count], 0, NULL), NPU_OK);
  ck_assert_int_eq (npu_fence_wait (fences[0], NPU_WAIT_FOREVER, NULL),
      NPU_OK);
  fixture_submit (&fixture, NULL, 0, fences[0]);
  for (uint32_t i = 0; i <= count; i++) {
    ck_assert_int_eq (npu_fence_wait (fences[i], NPU_WAIT_FOREVER, NULL),
        NPU_OK);
    npu_fence_free (fences[i]);
  }
  free_slow_work (&work);
  fixture_close (&fixture);
}

END_TEST

START_TEST (lists_run_in_the_order_of_submission)
{
  NpuFence *fences[3];
  NpuView output;
  SlowWork work;
  NpuOperation norm;
  NpuQueueStatistics statistics;
  size_t bytes = SLOW_ROWS * WIDTH * sizeof (float);
  char *first;

  open_device (_i);
  create_slow_work (&work);
  output = fixture_rows (&fixture, SLOW_ROWS, WIDTH);
  norm = norm_of (&work.output, &output);
  for (int i = 0; i < 3; i++)
    npu_fence_create (fixture.device, &fences[i], NULL);
  fixture_submit (&fixture, &work.operation, 1, fences[0]);
  fixture_submit (&fixture, &norm, 1, fences[1]);
  fixture_submit (&fixture, NULL, 0, fences[2]);
  ck_assert_int_eq (npu_fence_wait (fences[2], NPU_WAIT_FOREVER, NULL),
      NPU_OK);
  for (int i = 0; i < 3; i++) {
    ck_assert_int_eq (npu_fence_wait (fences[i], 0, NULL), NPU_OK);
    npu_fence_free (fences[i]);
  }
  download (&output);
  first = malloc (bytes);
  memcpy (first, view_host (&output), bytes);
  /* the second list saw what the first one wrote, and not NaN */
  ck_assert_int_eq (fixture_run (&fixture, &work.operation, 1), NPU_OK);
  ck_assert_int_eq (fixture_run (&fixture, &norm, 1), NPU_OK);
  download (&output);
  ck_assert_mem_eq (view_host (&output), first, bytes);
  ck_assert_float_eq (*(float *) first, *(float *) first);
  npu_queue_statistics (fixture.queue, &statistics);
  ck_assert_uint_eq (statistics.submissions, 5);
  ck_assert_uint_eq (statistics.failures, 0);
  ck_assert_uint_gt (statistics.busy_ns, 0);
  free (first);
  fixture_free_view (&output);
  free_slow_work (&work);
  fixture_close (&fixture);
}

END_TEST

static void
count_call (void *user)
{
  atomic_fetch_add ((atomic_int *) user, 1);
}

START_TEST (fences_tell_when_a_list_ran_and_notify_of_its_end)
{
  atomic_int calls = 0;
  uint64_t before, started, ended, after;
  SlowWork work;

  open_device (_i);
  create_slow_work (&work);
  npu_fence_set_notify (fixture.fence, count_call, &calls);
  for (int i = 1; i <= 3; i++) {
    before = npu_device_now (fixture.device);
    ck_assert_int_eq (fixture_run (&fixture, &work.operation, 1), NPU_OK);
    after = npu_device_now (fixture.device);
    npu_fence_times (fixture.fence, &started, &ended);
    ck_assert_uint_ge (started, before);
    ck_assert_uint_gt (ended, started);
    ck_assert_uint_le (ended, after);
    ck_assert_int_eq (calls, i);
  }
  free_slow_work (&work);
  fixture_close (&fixture);
}

END_TEST

START_TEST (fences_poll_time_out_and_can_be_used_again)
{
  SlowWork work;
  NpuError error;
  NpuStatus status;

  open_device (_i);
  create_slow_work (&work);
  ck_assert_int_eq (npu_fence_wait (fixture.fence, 0, &error), NPU_OK);
  for (int round = 0; round < 3; round++) {
    fixture_submit (&fixture, &work.operation, 1, fixture.fence);
    ck_assert_int_eq (npu_fence_wait (fixture.fence, 0, &error),
        NPU_ETIMEDOUT);
    ck_assert_int_eq (npu_queue_submit (fixture.queue, fixture.program,
            &work.operation, 1, fixture.fence, &error), NPU_EBUSY);
    do
      status = npu_fence_wait (fixture.fence, 50000000, &error);
    while (status == NPU_ETIMEDOUT);
    ck_assert_int_eq (status, NPU_OK);
  }
  free_slow_work (&work);
  fixture_close (&fixture);
}

END_TEST

START_TEST (queues_wait_for_their_lists_when_they_are_freed)
{
  NpuQueue *queue;
  SlowWork work;

  open_device (_i);
  create_slow_work (&work);
  ck_assert_int_eq (npu_queue_create (fixture.device, &queue, NULL), NPU_OK);
  ck_assert_int_eq (npu_queue_submit (queue, fixture.program, &work.operation,
          1, fixture.fence, NULL), NPU_OK);
  npu_queue_free (queue);
  ck_assert_int_eq (npu_fence_wait (fixture.fence, 0, NULL), NPU_OK);
  free_slow_work (&work);
  fixture_close (&fixture);
}

END_TEST

START_TEST (reset_cancels_what_is_pending_and_keeps_programs_and_buffers)
{
  enum
  { LISTS = 4 };
  NpuFence *fences[LISTS];
  int cancelled = 0;
  SlowWork work;
  NpuView output;
  NpuOperation norm;

  open_device (_i);
  create_slow_work (&work);
  output = fixture_rows (&fixture, SLOW_ROWS, WIDTH);
  norm = norm_of (&work.output, &output);
  for (int i = 0; i < LISTS; i++) {
    npu_fence_create (fixture.device, &fences[i], NULL);
    fixture_submit (&fixture, &work.operation, 1, fences[i]);
  }
  ck_assert_int_eq (npu_device_reset (fixture.device, NULL), NPU_OK);
  for (int i = 0; i < LISTS; i++) {
    NpuStatus status = npu_fence_wait (fences[i], NPU_WAIT_FOREVER, NULL);

    ck_assert (status == NPU_OK || status == NPU_ECANCELED);
    cancelled += status == NPU_ECANCELED;
    npu_fence_free (fences[i]);
  }
  ck_assert_int_ge (cancelled, LISTS - 2);
  ck_assert_int_eq (fixture_run (&fixture, &work.operation, 1), NPU_OK);
  ck_assert_int_eq (fixture_run (&fixture, &norm, 1), NPU_OK);
  download (&output);
  ck_assert_float_ne (*(float *) view_host (&output), 0.0f);
  fixture_free_view (&output);
  free_slow_work (&work);
  fixture_close (&fixture);
}

END_TEST

/* What one of several threads does with a queue of its own. */
typedef struct
{
  pthread_t thread;
  NpuView input;
  NpuView states;
  NpuView output;
  atomic_bool *failed;
} Client;

static void *
work_on_own_queue (void *user)
{
  Client *client = user;
  Fixture own = fixture;
  NpuOperation list[] = {
    gemm_of (&client->input, &client->states, INPUT_WEIGHT, INPUT_BIAS),
    norm_of (&client->states, &client->output),
  };
  size_t bytes = client->output.rows * WIDTH * sizeof (float);
  char expected[100 * WIDTH * sizeof (float)];

  npu_queue_create (fixture.device, &own.queue, NULL);
  npu_fence_create (fixture.device, &own.fence, NULL);
  for (int i = 0; i < 20; i++) {
    upload (&client->input);
    if (fixture_run (&own, list, 2) != NPU_OK)
      atomic_store (client->failed, true);
    download (&client->output);
    if (i == 0)
      memcpy (expected, view_host (&client->output), bytes);
    if (memcmp (expected, view_host (&client->output), bytes) != 0)
      atomic_store (client->failed, true);
  }
  npu_queue_free (own.queue);
  npu_fence_free (own.fence);
  return NULL;
}

START_TEST (queues_of_several_threads_do_not_disturb_each_other)
{
  enum
  { CLIENTS = 4 };
  Client clients[CLIENTS];
  atomic_bool failed = false;

  open_device (_i);
  for (uint32_t i = 0; i < CLIENTS; i++) {
    clients[i].input = fixture_random_rows (&fixture, 11 + 22 * i, INPUTS);
    clients[i].states = fixture_activations (&fixture, 11 + 22 * i, WIDTH);
    clients[i].output = fixture_rows (&fixture, 11 + 22 * i, WIDTH);
    clients[i].failed = &failed;
  }
  for (uint32_t i = 0; i < CLIENTS; i++)
    ck_assert_int_eq (pthread_create (&clients[i].thread, NULL,
            work_on_own_queue, &clients[i]), 0);
  for (int i = 0; i < CLIENTS; i++) {
    pthread_join (clients[i].thread, NULL);
    fixture_free_view (&clients[i].input);
    fixture_free_view (&clients[i].states);
    fixture_free_view (&clients[i].output);
  }
  ck_assert (!failed);
  fixture_close (&fixture);
}

END_TEST

int
main (void)
{
  Suite *suite = suite_create ("device queues");
  TCase *tests = tcase_create ("queues");

#define ADD(test) tcase_add_loop_test (tests, test, 0, DEVICES)
  ADD (buffers_are_zeroed_and_aligned_and_keep_the_device);
  ADD (buffers_give_back_what_was_synced_to_the_device);
  ADD (buffers_refuse_sizes_and_ranges_that_cannot_be);
  ADD (sizes_that_overflow_are_zero);
  ADD (as_many_queues_exist_as_the_device_says);
  ADD (as_many_lists_are_pending_as_the_device_says);
  ADD (lists_run_in_the_order_of_submission);
  ADD (fences_tell_when_a_list_ran_and_notify_of_its_end);
  ADD (fences_poll_time_out_and_can_be_used_again);
  ADD (queues_wait_for_their_lists_when_they_are_freed);
  ADD (reset_cancels_what_is_pending_and_keeps_programs_and_buffers);
  ADD (queues_of_several_threads_do_not_disturb_each_other);
  suite_add_tcase (suite, tests);
  return fixture_main (suite);
}
