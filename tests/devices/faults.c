/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Faults of the emulated NPU: what each does, when, and what is left after it.
 */
#include "devices/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLISECOND UINT64_C (1000000)

static Fixture fixture;

/* The loop's index says which time. */
static const char *const times[] = { "time=real", "time=virtual" };

static void
open_faulty (int index, const char *fault)
{
  char settings[128];

  snprintf (settings, sizeof (settings), "%s,%s", times[index], fault);
  fixture_open (&fixture, "emu", 1, settings);
}

START_TEST (a_list_that_hangs_is_ended_by_a_reset_only)
{
  Tiles tiles;
  NpuError error;

  open_faulty (_i, "fault=hang,fault-at=2,fault-count=2");
  create_gelu (&fixture, &tiles, 100);
  ck_assert_int_eq (run_tiles (&fixture, &tiles), NPU_OK);
  for (int i = 0; i < 2; i++) {
    fixture_submit (&fixture, &tiles.operation, 1, fixture.fence);
    ck_assert_int_eq (npu_fence_wait (fixture.fence, 50 * MILLISECOND, NULL),
        NPU_ETIMEDOUT);
    ck_assert_int_eq (npu_device_reset (fixture.device, NULL), NPU_OK);
    ck_assert_int_eq (npu_fence_wait (fixture.fence, NPU_WAIT_FOREVER,
            &error), NPU_ECANCELED);
    ck_assert_ptr_nonnull (strstr (error.message, "fault=hang"));
  }
  memset (view_host (&tiles.output), 0, TILE_BYTES);
  upload (&tiles.output);
  /* program and input are what they were */
  ck_assert_int_eq (run_tiles (&fixture, &tiles), NPU_OK);
  ck_assert_int_eq (first_output (&tiles), 100);
  free_tiles (&tiles);
  fixture_close (&fixture);
}

END_TEST

START_TEST (a_queue_is_freed_in_spite_of_a_list_that_hangs)
{
  NpuQueue *other;
  NpuFence *fence;

  open_faulty (_i, "fault=hang");
  npu_queue_create (fixture.device, &other, NULL);
  npu_fence_create (fixture.device, &fence, NULL);
  fixture_submit (&fixture, NULL, 0, fixture.fence);
  npu_queue_submit (other, fixture.program, NULL, 0, fence, NULL);
  /* its list waits for the array, which another queue's list holds */
  npu_queue_free (other);
  ck_assert_int_eq (npu_fence_wait (fixture.fence, NPU_WAIT_FOREVER, NULL),
      NPU_ECANCELED);
  ck_assert_int_eq (npu_fence_wait (fence, NPU_WAIT_FOREVER, NULL), NPU_OK);
  npu_fence_free (fence);
  fixture_close (&fixture);
  open_faulty (_i, "fault=hang");
  fixture_submit (&fixture, NULL, 0, fixture.fence);
  npu_queue_free (fixture.queue);
  fixture.queue = NULL;
  ck_assert_int_eq (npu_fence_wait (fixture.fence, 0, NULL), NPU_ECANCELED);
  fixture_close (&fixture);
}

END_TEST

START_TEST (an_error_ends_its_lists_and_no_other)
{
  Tiles tiles;
  NpuQueueStatistics statistics;
  NpuError error;

  open_faulty (_i, "fault=error,fault-at=1,fault-count=2");
  create_gelu (&fixture, &tiles, 100);
  for (int i = 0; i < 2; i++) {
    fixture_submit (&fixture, &tiles.operation, 1, fixture.fence);
    ck_assert_int_eq (npu_fence_wait (fixture.fence, NPU_WAIT_FOREVER,
            &error), NPU_EDEVICE);
    ck_assert_ptr_nonnull (strstr (error.message, "fault=error"));
    ck_assert_int_eq (first_output (&tiles), 0);
  }
  ck_assert_int_eq (run_tiles (&fixture, &tiles), NPU_OK);
  ck_assert_int_eq (first_output (&tiles), 100);
  npu_queue_statistics (fixture.queue, &statistics);
  ck_assert_uint_eq (statistics.failures, 2);
  free_tiles (&tiles);
  fixture_close (&fixture);
}

END_TEST

START_TEST (a_lost_device_refuses_everything_from_then_on)
{
  NpuProgram *program;
  NpuBuffer *buffer;
  NpuQueue *queue;
  Tiles tiles;
  NpuError error;

  open_faulty (_i, "fault=lost,fault-at=2");
  create_gelu (&fixture, &tiles, 100);
  ck_assert_int_eq (run_tiles (&fixture, &tiles), NPU_OK);
  for (int i = 0; i < 2; i++) {
    fixture_submit (&fixture, &tiles.operation, 1, fixture.fence);
    ck_assert_int_eq (npu_fence_wait (fixture.fence, NPU_WAIT_FOREVER,
            &error), NPU_ENODEV);
    ck_assert_ptr_nonnull (strstr (error.message, "fault=lost"));
    ck_assert_int_eq (npu_device_reset (fixture.device, NULL), NPU_ENODEV);
  }
  ck_assert_int_eq (npu_buffer_sync (tiles.output.buffer,
          NPU_SYNC_FROM_DEVICE, 0, 1), NPU_ENODEV);
  ck_assert_int_eq (npu_buffer_create (fixture.device, 1, 0, &buffer, NULL),
      NPU_ENODEV);
  ck_assert_int_eq (npu_queue_create (fixture.device, &queue, NULL),
      NPU_ENODEV);
  ck_assert_int_eq (load_vector (&fixture, 16, NPU_PRECISION_AUTO, &program),
      NPU_ENODEV);
  free_tiles (&tiles);
  fixture_close (&fixture);
}

END_TEST

START_TEST (memory_runs_out_at_the_buffers_that_were_named)
{
  static const NpuStatus expected[] = { NPU_OK, NPU_ENOMEM, NPU_ENOMEM,
    NPU_OK
  };

  open_faulty (_i, "fault=oom,fault-at=2,fault-count=2");
  for (size_t i = 0; i < sizeof (expected) / sizeof (expected[0]); i++) {
    NpuBuffer *buffer;

    ck_assert_int_eq (npu_buffer_create (fixture.device, 64, 0, &buffer,
            NULL), expected[i]);
    npu_buffer_unref (buffer);
  }
  ck_assert_int_eq (fixture_run (&fixture, NULL, 0), NPU_OK);
  fixture_close (&fixture);
}

END_TEST

START_TEST (a_corrupt_list_has_one_bit_wrong_in_its_output)
{
  Tiles tiles;
  size_t size;
  unsigned char *good, *bad;

  open_faulty (_i, "fault=corrupt,fault-at=2,fault-byte=200");
  create_gelu (&fixture, &tiles, 100);
  size = npu_buffer_size (tiles.output.buffer);
  good = calloc (1, size);
  bad = npu_buffer_host (tiles.output.buffer);
  for (int i = 1; i <= 3; i++) {
    ck_assert_int_eq (run_tiles (&fixture, &tiles), NPU_OK);
    download (&tiles.output);
    if (i == 1)
      memcpy (good, bad, size);
    for (size_t j = 0; j < size; j++)
      ck_assert_uint_eq (bad[j] ^ good[j], i == 2 && j == 200);
  }
  free (good);
  free_tiles (&tiles);
  fixture_close (&fixture);
}

END_TEST

int
main (void)
{
  Suite *suite = suite_create ("faults of the emulated NPU");
  TCase *tests = tcase_create ("faults");

#define ADD(test) tcase_add_loop_test (tests, test, 0, 2)
  ADD (a_list_that_hangs_is_ended_by_a_reset_only);
  ADD (a_queue_is_freed_in_spite_of_a_list_that_hangs);
  ADD (an_error_ends_its_lists_and_no_other);
  ADD (a_lost_device_refuses_everything_from_then_on);
  ADD (memory_runs_out_at_the_buffers_that_were_named);
  ADD (a_corrupt_list_has_one_bit_wrong_in_its_output);
  suite_add_tcase (suite, tests);
  return fixture_main (suite);
}
