/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The pool of device buffers: made at the start, used again, grown to its
 * maximum, valid for whoever still has one.
 */
#include "lib-fixture.h"

#include "device/device.h"

#define SIZE 1536
#define MIN_BUFFERS 3
#define MAX_BUFFERS 5
#define ROUNDS 1000

static GstNpuDevice *device;
static GstBufferPool *pool;

static const GstBufferPoolAcquireParams at_once = {
  .flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT,
};

static GstBuffer *
acquire (void)
{
  GstBufferPoolAcquireParams params = at_once;
  GstBuffer *buffer = NULL;

  fail_unless_equals_int (gst_buffer_pool_acquire_buffer (pool, &buffer,
          &params), GST_FLOW_OK);
  return buffer;
}

static GstFlowReturn
refused (void)
{
  GstBufferPoolAcquireParams params = at_once;
  GstBuffer *buffer = NULL;
  GstFlowReturn flow = gst_buffer_pool_acquire_buffer (pool, &buffer, &params);

  fail_unless (buffer == NULL);
  return flow;
}

static void
open_pool (gint number, guint max)
{
  GstStructure *config;

  device = lib_device_open (number);
  pool = gst_npu_buffer_pool_new (device);
  config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_set_params (config, NULL, SIZE, MIN_BUFFERS, max);
  fail_unless (gst_buffer_pool_set_config (pool, config));
  fail_unless (gst_buffer_pool_set_active (pool, TRUE));
}

static void
close_pool (void)
{
  fail_unless (gst_buffer_pool_set_active (pool, FALSE));
  ASSERT_OBJECT_REFCOUNT (pool, "pool", 1);
  gst_object_unref (pool);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}

/* Of the pool's own allocator; not kept. */
static GstAllocator *
allocator_of_pool (GstAllocationParams * params)
{
  GstStructure *config = gst_buffer_pool_get_config (pool);
  GstAllocator *allocator = NULL;

  fail_unless (gst_buffer_pool_config_get_allocator (config, &allocator,
          params));
  gst_structure_free (config);
  return allocator;
}

static void
assert_counts (guint64 allocated, guint64 grown)
{
  guint64 counted, beyond;

  gst_npu_buffer_pool_get_counts (GST_NPU_BUFFER_POOL (pool), &counted,
      &beyond);
  fail_unless_equals_uint64 (counted, allocated);
  fail_unless_equals_uint64 (beyond, grown);
}

GST_START_TEST (the_minimum_is_there_from_the_start)
{
  open_pool (__i__, MAX_BUFFERS);
  assert_counts (MIN_BUFFERS, 0);
  fail_unless_equals_uint64 (lib_counts (allocator_of_pool (NULL)).live,
      MIN_BUFFERS);
  close_pool ();
}

GST_END_TEST;

GST_START_TEST (buffers_are_device_memory_aligned_as_the_device_wants_it)
{
  gsize alignment;
  GstAllocationParams params;
  GstMapInfo map;
  GstBuffer *buffer;

  open_pool (__i__, MAX_BUFFERS);
  alignment = npu_device_info (gst_npu_device_get_handle (device))->
      buffer_alignment;
  allocator_of_pool (&params);
  fail_unless_equals_uint64 (params.align, alignment - 1);
  buffer = acquire ();
  fail_unless_equals_int (gst_buffer_n_memory (buffer), 1);
  fail_unless (gst_is_npu_memory (gst_buffer_peek_memory (buffer, 0)));
  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  fail_unless_equals_uint64 (map.size, SIZE);
  fail_unless_equals_uint64 ((guintptr) map.data % MAX (alignment, 64), 0);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  close_pool ();
}

GST_END_TEST;

GST_START_TEST (buffers_used_again_allocate_nothing)
{
  GstBuffer *out[MIN_BUFFERS];
  GstMapInfo map;
  GstNpuMemoryCounts before, after;

  open_pool (__i__, MAX_BUFFERS);
  before = lib_counts (allocator_of_pool (NULL));
  for (gint round = 0; round < ROUNDS; round++) {
    for (gint i = 0; i < MIN_BUFFERS; i++) {
      out[i] = acquire ();
      fail_unless (gst_buffer_map (out[i], &map, GST_MAP_WRITE));
      gst_buffer_unmap (out[i], &map);
    }
    for (gint i = 0; i < MIN_BUFFERS; i++)
      gst_buffer_unref (out[i]);
  }
  after = lib_counts (allocator_of_pool (NULL));
  assert_counts (MIN_BUFFERS, 0);
  fail_unless_equals_uint64 (after.wrapped, before.wrapped);
  fail_unless_equals_uint64 (after.allocated, 0);
  fail_unless_equals_uint64 (after.shared, 0);
  fail_unless_equals_uint64 (after.live, MIN_BUFFERS);
  close_pool ();
}

GST_END_TEST;

GST_START_TEST (a_pool_grows_to_its_maximum_and_counts_it)
{
  GstBuffer *out[MAX_BUFFERS];

  open_pool (__i__, MAX_BUFFERS);
  for (gint i = 0; i < MAX_BUFFERS; i++)
    out[i] = acquire ();
  assert_counts (MAX_BUFFERS, MAX_BUFFERS - MIN_BUFFERS);
  fail_unless_equals_int (refused (), GST_FLOW_EOS);
  gst_buffer_unref (out[0]);
  out[0] = acquire ();
  assert_counts (MAX_BUFFERS, MAX_BUFFERS - MIN_BUFFERS);
  for (gint i = 0; i < MAX_BUFFERS; i++)
    gst_buffer_unref (out[i]);
  close_pool ();
}

GST_END_TEST;

GST_START_TEST (a_pool_without_a_maximum_gets_the_cores)
{
  GstStructure *config;
  guint max;

  open_pool (__i__, 0);
  config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_get_params (config, NULL, NULL, NULL, &max);
  gst_structure_free (config);
  fail_unless_equals_int (max, 1024);
  close_pool ();
}

GST_END_TEST;

/* By a part, and by a reference, which GstBufferPool does not see. */
GST_START_TEST (memory_that_is_kept_stays_and_does_not_starve_the_pool)
{
  GstMemory *kept[2 * MAX_BUFFERS];
  GstBuffer *buffer;
  GstMapInfo map;

  open_pool (__i__, MAX_BUFFERS);
  for (guint i = 0; i < G_N_ELEMENTS (kept); i++) {
    buffer = acquire ();
    gst_buffer_memset (buffer, 0, i, SIZE);
    gst_buffer_resize (buffer, 64, SIZE - 64);
    kept[i] = i % 2 ? gst_buffer_get_memory (buffer, 0) :
        gst_memory_share (gst_buffer_peek_memory (buffer, 0), 0, -1);
    gst_buffer_unref (buffer);
  }
  for (guint i = 0; i < G_N_ELEMENTS (kept); i++) {
    fail_unless (gst_memory_map (kept[i], &map, GST_MAP_READ));
    fail_unless_equals_uint64 (map.size, SIZE - 64);
    lib_assert_bytes (map.data, map.size, i);
    gst_memory_unmap (kept[i], &map);
    gst_memory_unref (kept[i]);
  }
  close_pool ();
}

GST_END_TEST;

GST_START_TEST (what_was_pending_on_a_buffer_is_not_moved_for_the_next)
{
  GstBuffer *buffer;
  GstMapInfo map;

  open_pool (__i__, MAX_BUFFERS);
  for (gint round = 0; round < 4 * MAX_BUFFERS; round++) {
    buffer = acquire ();
    fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
    gst_buffer_unmap (buffer, &map);
    fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE | GST_MAP_NPU));
    gst_buffer_unmap (buffer, &map);
    gst_buffer_unref (buffer);
  }
  fail_unless_equals_uint64 (lib_counts (allocator_of_pool (NULL)).downloads,
      0);
  close_pool ();
}

GST_END_TEST;

GST_START_TEST (a_buffer_with_other_memory_is_given_up)
{
  GstBuffer *buffer;

  open_pool (__i__, MAX_BUFFERS);
  for (gint round = 0; round < 2 * MAX_BUFFERS; round++) {
    buffer = acquire ();
    fail_unless (gst_is_npu_memory (gst_buffer_peek_memory (buffer, 0)));
    gst_buffer_replace_all_memory (buffer, gst_allocator_alloc (NULL, SIZE,
            NULL));
    gst_buffer_unref (buffer);
  }
  fail_unless (lib_counts (allocator_of_pool (NULL)).live <= MAX_BUFFERS);
  close_pool ();
}

GST_END_TEST;

GST_START_TEST (a_buffer_that_is_out_outlives_the_pool)
{
  GstBuffer *buffer;
  GstMapInfo map;

  open_pool (__i__, MAX_BUFFERS);
  buffer = acquire ();
  gst_buffer_memset (buffer, 0, 7, SIZE);
  gst_buffer_pool_set_active (pool, FALSE);
  gst_object_unref (pool);
  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  lib_assert_bytes (map.data, map.size, 7);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}

GST_END_TEST;

GST_START_TEST (a_pool_starts_again_with_another_size)
{
  GstStructure *config;
  GstBuffer *buffer;

  open_pool (__i__, MAX_BUFFERS);
  gst_buffer_unref (acquire ());
  fail_unless (gst_buffer_pool_set_active (pool, FALSE));
  config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_set_params (config, NULL, 2 * SIZE, 1, 2);
  fail_unless (gst_buffer_pool_set_config (pool, config));
  fail_unless (gst_buffer_pool_set_active (pool, TRUE));
  assert_counts (1, 0);
  buffer = acquire ();
  fail_unless_equals_uint64 (gst_buffer_get_size (buffer), 2 * SIZE);
  gst_buffer_unref (buffer);
  close_pool ();
}

GST_END_TEST;

GST_START_TEST (what_cannot_be_had_is_refused_when_it_is_configured)
{
  GstAllocationParams params = {.align = (1 << 24) - 1 };
  GstStructure *config;

  device = lib_device_open (__i__);
  pool = gst_npu_buffer_pool_new (device);
  config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_set_params (config, NULL, 0, 1, 2);
  fail_if (gst_buffer_pool_set_config (pool, config));
  config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_set_params (config, NULL, SIZE, 5000, 0);
  fail_if (gst_buffer_pool_set_config (pool, config));
  config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_set_params (config, NULL, SIZE, 1, 2);
  gst_buffer_pool_config_set_allocator (config, NULL, &params);
  fail_if (gst_buffer_pool_set_config (pool, config));
  gst_object_unref (pool);
  gst_object_unref (device);
}

GST_END_TEST;

GST_START_TEST (a_pool_does_not_start_on_a_device_without_memory)
{
  GstStructure *config;

  device = gst_npu_device_new ("emu", 1, "fault=oom,fault-at=2", NULL);
  pool = gst_npu_buffer_pool_new (device);
  config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_set_params (config, NULL, SIZE, MIN_BUFFERS, 0);
  fail_unless (gst_buffer_pool_set_config (pool, config));
  fail_if (gst_buffer_pool_set_active (pool, TRUE));
  /* the fault is over */
  fail_unless (gst_buffer_pool_set_active (pool, TRUE));
  gst_buffer_unref (acquire ());
  close_pool ();
}

GST_END_TEST;

static Suite *
lib_pools_suite (void)
{
  Suite *suite = suite_create ("lib-pools");
  TCase *tests = tcase_create ("every device");
  TCase *faults = tcase_create ("faults");
  gint devices = lib_device_count ();

  suite_add_tcase (suite, tests);
#define ADD(test) tcase_add_loop_test (tests, test, 0, devices)
  ADD (the_minimum_is_there_from_the_start);
  ADD (buffers_are_device_memory_aligned_as_the_device_wants_it);
  ADD (buffers_used_again_allocate_nothing);
  ADD (a_pool_grows_to_its_maximum_and_counts_it);
  ADD (a_pool_without_a_maximum_gets_the_cores);
  ADD (memory_that_is_kept_stays_and_does_not_starve_the_pool);
  ADD (what_was_pending_on_a_buffer_is_not_moved_for_the_next);
  ADD (a_buffer_with_other_memory_is_given_up);
  ADD (a_buffer_that_is_out_outlives_the_pool);
  ADD (a_pool_starts_again_with_another_size);
  ADD (what_cannot_be_had_is_refused_when_it_is_configured);
#undef ADD

  suite_add_tcase (suite, faults);
  tcase_add_test (faults, a_pool_does_not_start_on_a_device_without_memory);
  return suite;
}

GST_CHECK_MAIN (lib_pools);
