/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The pool over a ring of frames while consumers keep what they got: it stays
 * as it is, however they keep it, and the pool makes up for it.
 */
#include "lib-ring-fixture.h"

#include <string.h>

/* ----------------------------------------------------- what is kept */

/* What @keep takes of a buffer stays as it is when the buffer is gone. */
static void
check_kept (gint which, GstMemory * (*keep) (GstBuffer * buffer))
{
  GstBuffer *buffer;
  GstMemory *kept;

  open_ring (which);
  buffer = acquire_filled (-6);
  fail_unless (commit (buffer));
  kept = keep (buffer);
  gst_buffer_unref (buffer);
  fail_unless_equals_uint64 (given_up (), 1);
  npu_ring_trim (ring, npu_ring_newest (ring));
  fail_unless_equals_int (leases_left (), LEASES - 1);
  put_through (-7);
  assert_values (kept, -6);
  gst_memory_unref (kept);
  close_ring ();
}

static GstMemory *
keep_reference (GstBuffer * buffer)
{
  return gst_buffer_get_memory (buffer, 0);
}

GST_START_TEST (memory_kept_by_a_reference_stays_as_it_is)
{
  check_kept (__i__, keep_reference);
}

GST_END_TEST;

static GstMemory *
keep_part (GstBuffer * buffer)
{
  return gst_memory_share (gst_buffer_peek_memory (buffer, 0), FRAME, FRAME);
}

GST_START_TEST (memory_kept_by_a_part_stays_as_it_is)
{
  check_kept (__i__, keep_part);
}

GST_END_TEST;

GST_START_TEST (a_pool_makes_up_for_every_buffer_that_is_lost)
{
  GstMemory *kept[LEASES / 2];

  open_ring (__i__);
  for (guint i = 0; i < G_N_ELEMENTS (kept); i++) {
    GstBuffer *buffer = acquire_filled (i);

    kept[i] = gst_buffer_get_memory (buffer, 0);
    gst_buffer_unref (buffer);
  }
  fail_unless_equals_uint64 (given_up (), G_N_ELEMENTS (kept));
  put_through (-7);
  fail_unless_equals_uint64 (detached (), 0);
  for (guint i = 0; i < G_N_ELEMENTS (kept); i++) {
    assert_values (kept[i], i);
    gst_memory_unref (kept[i]);
  }
  close_ring ();
}

GST_END_TEST;

/* As an element behind a tee might that works in place. */
GST_START_TEST (nobody_writes_frames_that_the_ring_has)
{
  GstBuffer *buffer;
  NpuView views[2];
  GstMapInfo map;

  open_ring (__i__);
  buffer = acquire_filled (-1);
  fail_unless (commit (buffer));
  /* the encoder is done with the buffer, somebody else alone has it */
  fail_unless (gst_buffer_is_writable (buffer));
  fail_if (gst_memory_map (gst_buffer_peek_memory (buffer, 0), &map,
          GST_MAP_WRITE));
  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READWRITE));
  memset (map.data, 0, map.size);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);

  fail_unless_equals_int (npu_ring_view (ring, 0, FRAMES, views), NPU_OK);
  fail_unless (*(const gfloat *) ((const guint8 *) npu_buffer_host (views[0].
              buffer) + views[0].offset) == -1.0f);
  put_through (-2);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (what_was_pending_on_a_buffer_is_not_moved_for_the_next)
{
  GstBuffer *buffer;
  GstMapInfo map;

  open_ring (__i__);
  /* every buffer comes to every range */
  for (guint i = 0; i < BUFFERS * LEASES; i++) {
    buffer = acquire ();
    fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
    gst_buffer_unmap (buffer, &map);
    fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE | GST_MAP_NPU));
    gst_buffer_unmap (buffer, &map);
    gst_buffer_unref (buffer);
  }
  fail_unless_equals_uint64 (pool_counts ().downloads, 0);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (buffers_that_are_out_outlive_pool_and_ring)
{
  GstBuffer *buffer;

  open_ring (__i__);
  buffer = acquire_filled (-6);
  fail_unless (commit (buffer));
  gst_buffer_pool_set_active (pool, FALSE);
  gst_object_unref (pool);
  npu_ring_unref (ring);
  assert_values (gst_buffer_peek_memory (buffer, 0), -6);
  gst_buffer_unref (buffer);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}

GST_END_TEST;

/* ------------------------------------------------------------- detached */


GST_START_TEST (a_buffer_apart_is_handed_out_while_the_ring_has_no_range)
{
  NpuRingLease leases[LEASES + 1];
  GstBuffer *buffer;
  guint count;

  open_ring (__i__);
  count = hold_leases (leases);
  buffer = acquire_filled (-1);
  fail_if (lies_in_ring (buffer));
  fail_unless (buffer->pool == pool);
  fail_unless_equals_uint64 (detached (), 1);
  fail_if (commit (buffer));
  assert_values (gst_buffer_peek_memory (buffer, 0), -1);
  gst_buffer_unref (buffer);
  release_leases (leases, count);
  buffer = acquire ();
  fail_unless (lies_in_ring (buffer));
  gst_buffer_unref (buffer);
  fail_unless_equals_uint64 (detached (), 1);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (buffers_apart_are_used_again)
{
  NpuRingLease leases[LEASES + 1];
  GstMemory *memory = NULL;
  guint count;

  open_ring (__i__);
  count = hold_leases (leases);
  for (guint i = 0; i < 10; i++) {
    GstBuffer *buffer = acquire ();

    fail_unless (!memory || gst_buffer_peek_memory (buffer, 0) == memory);
    memory = gst_buffer_peek_memory (buffer, 0);
    gst_buffer_unref (buffer);
  }
  fail_unless_equals_uint64 (detached (), 10);
  fail_unless_equals_uint64 (given_up (), 0);
  release_leases (leases, count);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (memory_apart_that_is_kept_stays_as_it_is)
{
  NpuRingLease leases[LEASES + 1];
  GstMemory *kept[2 * BUFFERS];
  guint count;

  open_ring (__i__);
  count = hold_leases (leases);
  for (guint i = 0; i < 2 * BUFFERS; i++) {
    GstBuffer *buffer = acquire_filled (i);

    gst_buffer_resize (buffer, 0, FRAME);
    kept[i] = i % 2 ? gst_buffer_get_memory (buffer, 0) :
        gst_memory_share (gst_buffer_peek_memory (buffer, 0), 0, -1);
    gst_buffer_unref (buffer);
  }
  for (guint i = 0; i < 2 * BUFFERS; i++) {
    fail_unless_equals_uint64 (kept[i]->size, FRAME);
    assert_values (kept[i], i);
    gst_memory_unref (kept[i]);
  }
  release_leases (leases, count);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (a_buffer_apart_that_lost_its_memory_goes_where_it_came_from)
{
  NpuRingLease leases[LEASES + 1];
  GstBuffer *buffer;
  guint count;

  open_ring (__i__);
  count = hold_leases (leases);
  buffer = acquire ();
  gst_buffer_remove_all_memory (buffer);
  gst_buffer_unref (buffer);
  buffer = acquire ();
  gst_buffer_append_memory (buffer, gst_allocator_alloc (NULL, 8, NULL));
  gst_buffer_unref (buffer);
  for (guint i = 0; i < BUFFERS; i++)
    gst_buffer_unref (acquire ());
  release_leases (leases, count);
  close_ring ();
}

GST_END_TEST;

GST_START_TEST (a_buffer_that_lost_its_memory_ends_its_lease)
{
  GstBuffer *buffer;

  open_ring (__i__);
  buffer = acquire ();
  gst_buffer_replace_all_memory (buffer, gst_allocator_alloc (NULL, SIZE,
          NULL));
  fail_unless_equals_int (leases_left (), LEASES);
  gst_buffer_unref (buffer);
  buffer = acquire ();
  fail_unless (lies_in_ring (buffer));
  gst_buffer_unref (buffer);
  close_ring ();
}

GST_END_TEST;

/* ------------------------------------------------------------- threads */

#define THREAD_ROUNDS 600
#define KEPT 16
#define WAIT (60 * G_USEC_PER_SEC)

/* A branch that keeps some of what it gets in every way there is, and looks at
 * it again before it gives it back: a buffer's first value never changes. */
static gpointer
keep_some (gpointer data)
{
  GAsyncQueue *queue = data;
  GstMemory *kept[KEPT] = { NULL };
  gfloat values[KEPT] = { 0 };
  guint round = 0;
  GstBuffer *buffer;

  while ((buffer = g_async_queue_timeout_pop (queue, WAIT)) !=
      (gpointer) queue) {
    guint i = round++ % KEPT;
    GstMapInfo map;

    fail_unless (buffer != NULL, "nothing came");
    if (kept[i]) {
      assert_values (kept[i], values[i]);
      gst_memory_unref (kept[i]);
      kept[i] = NULL;
    }
    gst_buffer_map (buffer, &map, GST_MAP_READ);
    values[i] = *(const gfloat *) map.data;
    gst_buffer_unmap (buffer, &map);
    if (round % 3 == 0)
      kept[i] = gst_buffer_get_memory (buffer, 0);
    else if (round % 5 == 0)
      kept[i] = gst_memory_share (gst_buffer_peek_memory (buffer, 0), 0, -1);
    gst_buffer_unref (buffer);
  }
  for (guint i = 0; i < KEPT; i++)
    if (kept[i])
      gst_memory_unref (kept[i]);
  return NULL;
}

GST_START_TEST (threads_that_keep_some_buffers_see_them_unchanged)
{
  GAsyncQueue *queue = g_async_queue_new ();
  GThread *thread;

  open_ring (__i__);
  thread = g_thread_new ("keeps", keep_some, queue);
  for (guint i = 0; i < THREAD_ROUNDS; i++) {
    GstBuffer *buffer = NULL;
    GstMapInfo map;

    fail_unless_equals_int (gst_buffer_pool_acquire_buffer (pool, &buffer,
            NULL), GST_FLOW_OK);
    fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
    for (guint j = 0; j < FRAMES * BANDS; j++)
      ((gfloat *) map.data)[j] = i;
    gst_buffer_unmap (buffer, &map);
    g_async_queue_push (queue, gst_buffer_ref (buffer));
    commit (buffer);
    npu_ring_trim (ring, npu_ring_newest (ring));
    gst_buffer_unref (buffer);
  }
  g_async_queue_push (queue, queue);
  g_thread_join (thread);
  fail_unless (given_up () > 0);
  g_async_queue_unref (queue);
  close_ring ();
}

GST_END_TEST;

static Suite *
lib_ring_kept_suite (void)
{
  Suite *suite = suite_create ("lib-ring-kept");
  TCase *tests = tcase_create ("every device");
  gint devices = lib_device_count ();

  suite_add_tcase (suite, tests);
#define ADD(test) tcase_add_loop_test (tests, test, 0, devices)
  ADD (memory_kept_by_a_reference_stays_as_it_is);
  ADD (memory_kept_by_a_part_stays_as_it_is);
  ADD (a_pool_makes_up_for_every_buffer_that_is_lost);
  ADD (nobody_writes_frames_that_the_ring_has);
  ADD (what_was_pending_on_a_buffer_is_not_moved_for_the_next);
  ADD (buffers_that_are_out_outlive_pool_and_ring);
  ADD (a_buffer_apart_is_handed_out_while_the_ring_has_no_range);
  ADD (buffers_apart_are_used_again);
  ADD (memory_apart_that_is_kept_stays_as_it_is);
  ADD (a_buffer_apart_that_lost_its_memory_goes_where_it_came_from);
  ADD (a_buffer_that_lost_its_memory_ends_its_lease);
  ADD (threads_that_keep_some_buffers_see_them_unchanged);
#undef ADD
  return suite;
}

GST_CHECK_MAIN (lib_ring_kept);
