/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The pool over a ring of frames: buffers lie in the ring, nothing is made or
 * copied as long as consumers give them back, and what the ring has not got is
 * not taken for its own.
 */
#include "lib-ring-fixture.h"

/* ------------------------------------------------------------ in place */

GST_START_TEST (buffers_are_ranges_of_the_slab_one_behind_another)
{
  GstBuffer *out[BUFFERS];

  open_ring (__i__);
  for (guint i = 0; i < BUFFERS; i++) {
    GstNpuMemory *memory;

    out[i] = acquire ();
    fail_unless (lies_in_ring (out[i]));
    memory = GST_NPU_MEMORY_CAST (gst_buffer_peek_memory (out[i], 0));
    fail_unless_equals_uint64 (gst_npu_memory_get_offset (memory), i * SIZE);
  }
  for (guint i = 0; i < BUFFERS; i++)
    gst_buffer_unref (out[i]);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (a_buffer_does_not_reach_into_the_next)
{
  GstBuffer *out[BUFFERS];
  GstMapInfo map;

  open_ring (__i__);
  for (guint round = 0; round < LEASES; round++) {
    for (guint i = 0; i < BUFFERS; i++) {
      out[i] = acquire ();
      fail_unless (gst_buffer_map (out[i], &map, GST_MAP_WRITE));
      fail_unless_equals_uint64 (map.size, SIZE);
      fail_unless_equals_uint64 (map.maxsize, SIZE);
      gst_buffer_unmap (out[i], &map);
    }
    for (guint i = 0; i < BUFFERS; i++)
      gst_buffer_unref (out[i]);
  }
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (frames_written_into_a_buffer_are_in_the_ring_without_a_copy)
{
  NpuRingStatistics statistics;
  GstBuffer *buffer;
  NpuView views[2];
  const gfloat *values;

  open_ring (__i__);
  buffer = acquire_filled (-1.5f);
  fail_unless (commit (buffer));
  gst_buffer_unref (buffer);
  fail_unless_equals_uint64 (npu_ring_newest (ring), FRAMES);
  fail_unless_equals_int (npu_ring_view (ring, 0, FRAMES, views), NPU_OK);
  fail_unless_equals_int (views[0].rows, FRAMES);
  values = (const gfloat *) ((const guint8 *) npu_buffer_host (views[0].
          buffer) + views[0].offset);
  for (guint i = 0; i < FRAMES * BANDS; i++)
    fail_unless (values[i] == -1.5f);
  npu_ring_statistics (ring, &statistics);
  fail_unless_equals_uint64 (statistics.frames_in_place, FRAMES);
  fail_unless_equals_uint64 (statistics.frames_copied, 0);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (the_steady_state_makes_no_memory_and_copies_nothing)
{
  NpuRingStatistics statistics;
  GstNpuMemoryCounts before, after;

  open_ring (__i__);
  before = pool_counts ();
  fail_unless_equals_uint64 (before.wrapped, BUFFERS);
  put_through (-1);
  put_through (-2);
  after = pool_counts ();
  npu_ring_statistics (ring, &statistics);
  fail_unless_equals_uint64 (after.wrapped, before.wrapped);
  fail_unless_equals_uint64 (after.live, before.live);
  fail_unless_equals_uint64 (after.allocated, 0);
  fail_unless_equals_uint64 (after.shared, 0);
  fail_unless_equals_uint64 (after.uploads + after.downloads, 0);
  fail_unless_equals_uint64 (statistics.frames_copied, 0);
  fail_unless_equals_uint64 (detached (), 0);
  fail_unless_equals_uint64 (given_up (), 0);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (a_shorter_last_buffer_is_taken_too)
{
  GstBuffer *buffer;

  open_ring (__i__);
  buffer = acquire_filled (-3);
  gst_buffer_resize (buffer, 0, 3 * FRAME);
  fail_unless (commit (buffer));
  fail_unless_equals_uint64 (npu_ring_newest (ring), 3);
  gst_buffer_unref (buffer);
  /* and the next one has its whole size */
  for (guint i = 0; i < BUFFERS; i++)
    gst_buffer_unref (acquire ());
  fail_unless_equals_uint64 (given_up (), 0);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (a_copied_header_with_the_same_memory_is_taken)
{
  GstBuffer *buffer, *copy;

  open_ring (__i__);
  buffer = acquire_filled (-4);
  copy = gst_buffer_copy (buffer);
  gst_buffer_unref (buffer);
  fail_unless (commit (copy));
  assert_values (gst_buffer_peek_memory (copy, 0), -4);
  put_through (-5);
  assert_values (gst_buffer_peek_memory (copy, 0), -4);
  gst_buffer_unref (copy);
  fail_unless_equals_uint64 (given_up (), 1);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (a_copied_header_that_goes_first_costs_no_buffer)
{
  GstNpuMemoryCounts before;

  open_ring (__i__);
  before = pool_counts ();
  for (guint i = 0; i < LEASES; i++) {
    GstBuffer *buffer = acquire_filled (-4), *copy = gst_buffer_copy (buffer);

    fail_unless (commit (copy));
    npu_ring_trim (ring, npu_ring_newest (ring));
    gst_buffer_unref (copy);
    gst_buffer_unref (buffer);
  }
  fail_unless_equals_uint64 (pool_counts ().wrapped, before.wrapped);
  fail_unless_equals_uint64 (given_up (), 0);
  close_ring ();
}

GST_END_TEST;

/* --------------------------------------------------- what is not taken */

GST_START_TEST (frames_are_taken_once)
{
  GstBuffer *buffer, *copy;

  open_ring (__i__);
  buffer = acquire_filled (-1);
  copy = gst_buffer_copy (buffer);
  fail_unless (commit (buffer));
  fail_if (commit (buffer));
  fail_if (commit (copy));
  gst_buffer_unref (buffer);
  gst_buffer_unref (copy);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (a_buffer_that_begins_later_is_not_taken)
{
  GstBuffer *buffer;

  open_ring (__i__);
  buffer = acquire_filled (-1);
  gst_buffer_resize (buffer, FRAME, SIZE - FRAME);
  fail_if (commit (buffer));
  gst_buffer_unref (buffer);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (parts_and_other_memory_are_not_taken)
{
  GstBuffer *buffer, *part, *system;

  open_ring (__i__);
  buffer = acquire_filled (-1);
  part = gst_buffer_copy_region (buffer, GST_BUFFER_COPY_MEMORY, 0,
      2 * FRAME);
  fail_if (commit (part));
  gst_buffer_unref (part);
  part = gst_buffer_copy_deep (buffer);
  fail_if (commit (part));
  gst_buffer_unref (part);
  system = gst_buffer_new_allocate (NULL, SIZE, NULL);
  fail_if (commit (system));
  gst_buffer_append (buffer, system);
  fail_if (commit (buffer));
  gst_buffer_unref (buffer);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (what_lies_in_another_ring_is_not_taken)
{
  NpuFrameRing *other;
  NpuRingLease lease;
  GstBuffer *buffer;

  open_ring (__i__);
  fail_unless_equals_int (npu_ring_create (gst_npu_device_get_handle (device),
          BANDS, CAPACITY, &other, NULL), NPU_OK);
  buffer = acquire_filled (-1);
  fail_if (gst_npu_ring_pool_take_lease (other, buffer, &lease));
  gst_buffer_unref (buffer);
  npu_ring_unref (other);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (the_slab_wrapped_by_somebody_else_is_not_taken)
{
  GstBuffer *buffer = gst_buffer_new ();
  GstAllocator *allocator;
  gint data = 7;

  open_ring (__i__);
  allocator = gst_npu_allocator_new (device);
  gst_buffer_append_memory (buffer, gst_npu_allocator_wrap (GST_NPU_ALLOCATOR
          (allocator), npu_ring_slab (ring), 0, SIZE, NULL, &data));
  fail_if (commit (buffer));
  gst_buffer_unref (buffer);
  gst_object_unref (allocator);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (a_buffer_of_another_pool_over_the_ring_is_taken)
{
  GstBufferPool *older;
  GstBuffer *buffer;

  open_ring (__i__);
  buffer = acquire_filled (-1);
  older = pool;
  pool = open_pool_over_ring (SIZE);
  gst_buffer_pool_set_active (older, FALSE);
  gst_object_unref (older);
  fail_unless (commit (buffer));
  gst_buffer_unref (buffer);
  put_through (-2);
  close_ring ();
}

GST_END_TEST;

/* -------------------------------------------------------------- limits */

GST_START_TEST (a_pool_that_has_given_all_out_says_so)
{
  GstBufferPoolAcquireParams params = {
    .flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT,
  };
  GstBuffer *out[BUFFERS], *none = NULL;

  open_ring (__i__);
  for (guint i = 0; i < BUFFERS; i++)
    out[i] = acquire ();
  fail_unless_equals_int (gst_buffer_pool_acquire_buffer (pool, &none,
          &params), GST_FLOW_EOS);
  for (guint i = 0; i < BUFFERS; i++)
    gst_buffer_unref (out[i]);
  close_ring ();
}

GST_END_TEST;

static gpointer
acquire_waiting (gpointer data)
{
  GstBuffer *buffer = NULL;
  GstFlowReturn flow = gst_buffer_pool_acquire_buffer (pool, &buffer, NULL);

  gst_clear_buffer (&buffer);
  return GINT_TO_POINTER (flow);
}

/* Flushes while a thread waits for one buffer more than there are. */
static void
flush_waiting (void)
{
  GstBuffer *out[BUFFERS];
  GThread *thread;

  for (guint i = 0; i < BUFFERS; i++)
    out[i] = acquire ();
  thread = g_thread_new ("waits", acquire_waiting, NULL);
  g_usleep (20 * G_TIME_SPAN_MILLISECOND);
  gst_buffer_pool_set_flushing (pool, TRUE);
  fail_unless_equals_int (GPOINTER_TO_INT (g_thread_join (thread)),
      GST_FLOW_FLUSHING);
  gst_buffer_pool_set_flushing (pool, FALSE);
  for (guint i = 0; i < BUFFERS; i++)
    gst_buffer_unref (out[i]);
  gst_buffer_unref (acquire ());
}

GST_START_TEST (a_flush_ends_the_wait_for_a_buffer)
{
  open_ring (__i__);
  flush_waiting ();
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (a_flush_ends_the_wait_for_a_buffer_apart)
{
  NpuRingLease leases[LEASES + 1];
  guint count;

  open_ring (__i__);
  count = hold_leases (leases);
  flush_waiting ();
  release_leases (leases, count);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (a_size_between_frames_is_rounded_up)
{
  GstStructure *config;
  GstBuffer *buffer;
  guint size;

  open_ring (__i__);
  gst_buffer_pool_set_active (pool, FALSE);
  gst_object_unref (pool);
  pool = open_pool_over_ring (SIZE - FRAME + 4);
  config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_get_params (config, NULL, &size, NULL, NULL);
  gst_structure_free (config);
  fail_unless_equals_uint64 (size, SIZE);
  buffer = acquire_filled (-1);
  fail_unless (commit (buffer));
  gst_buffer_unref (buffer);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (there_are_as_many_buffers_as_have_to_be_covered)
{
  open_ring (__i__);
  for (guint frames = 1; frames <= 100; frames *= 10) {
    GstBufferPool *other = open_pool_over_ring (frames * FRAME);
    GstStructure *config = gst_buffer_pool_get_config (other);
    guint size, min, max;

    gst_buffer_pool_config_get_params (config, NULL, &size, &min, &max);
    gst_structure_free (config);
    fail_unless_equals_uint64 (size, frames * FRAME);
    fail_unless_equals_int (min, (COVER + frames - 1) / frames + 2);
    fail_unless_equals_int (max, min);
    gst_buffer_pool_set_active (other, FALSE);
    gst_object_unref (other);
  }
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (more_frames_than_half_the_ring_are_refused)
{
  GstBufferPool *large;
  GstStructure *config;

  open_ring (__i__);
  large = gst_npu_ring_pool_new (device, ring, COVER);
  config = gst_buffer_pool_get_config (large);
  gst_buffer_pool_config_set_params (config, NULL, (CAPACITY / 2 + 1) * FRAME,
      0, 0);
  fail_if (gst_buffer_pool_set_config (large, config));
  gst_object_unref (large);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (a_pool_starts_again_while_a_buffer_is_out)
{
  GstBuffer *buffer;

  open_ring (__i__);
  buffer = acquire ();
  gst_buffer_pool_set_active (pool, FALSE);
  fail_unless (gst_buffer_pool_set_active (pool, TRUE));
  put_through (-1);
  gst_buffer_unref (buffer);
  put_through (-2);
  close_ring ();
}

GST_END_TEST;

static Suite *
lib_ring_pool_suite (void)
{
  Suite *suite = suite_create ("lib-ring-pool");
  TCase *tests = tcase_create ("every device");
  gint devices = lib_device_count ();

  suite_add_tcase (suite, tests);
#define ADD(test) tcase_add_loop_test (tests, test, 0, devices)
  ADD (buffers_are_ranges_of_the_slab_one_behind_another);
  ADD (a_buffer_does_not_reach_into_the_next);
  ADD (frames_written_into_a_buffer_are_in_the_ring_without_a_copy);
  ADD (the_steady_state_makes_no_memory_and_copies_nothing);
  ADD (a_shorter_last_buffer_is_taken_too);
  ADD (a_copied_header_with_the_same_memory_is_taken);
  ADD (a_copied_header_that_goes_first_costs_no_buffer);
  ADD (frames_are_taken_once);
  ADD (a_buffer_that_begins_later_is_not_taken);
  ADD (parts_and_other_memory_are_not_taken);
  ADD (what_lies_in_another_ring_is_not_taken);
  ADD (the_slab_wrapped_by_somebody_else_is_not_taken);
  ADD (a_buffer_of_another_pool_over_the_ring_is_taken);
  ADD (a_pool_that_has_given_all_out_says_so);
  ADD (a_flush_ends_the_wait_for_a_buffer);
  ADD (a_flush_ends_the_wait_for_a_buffer_apart);
  ADD (a_size_between_frames_is_rounded_up);
  ADD (there_are_as_many_buffers_as_have_to_be_covered);
  ADD (more_frames_than_half_the_ring_are_refused);
  ADD (a_pool_starts_again_while_a_buffer_is_out);
#undef ADD
  return suite;
}

GST_CHECK_MAIN (lib_ring_pool);
