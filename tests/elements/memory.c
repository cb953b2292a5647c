/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Device memory, its pools and the shared device, by themselves. The emulated
 * NPU keeps host and device apart, so that a transfer that was forgotten or not
 * asked for shows; transfers are counted too.
 */
#include <gst/check/gstcheck.h>

#include <gstnpu.h>

#include "device/device.h"
#include "pipeline/ring.h"

#define BANDS 80
#define FRAME_SIZE (BANDS * sizeof (gfloat))

static GstNpuDevice *
open_device (const gchar * name)
{
  GError *error = NULL;
  GstNpuDevice *device = gst_npu_device_new (name, 1, NULL, &error);

  fail_unless (device != NULL, "%s", error ? error->message : "");
  return device;
}

static const gchar *const names[] = { "cpu", "emu" };

#define DEVICES G_N_ELEMENTS (names)

static GstNpuMemoryCounts
counts_of (GstAllocator * allocator)
{
  GstNpuMemoryCounts counts;

  gst_npu_allocator_get_counts (GST_NPU_ALLOCATOR (allocator), &counts);
  return counts;
}

/* ------------------------------------------------------------- memory */

static void
fill (GstMemory * memory, guint8 value)
{
  GstMapInfo map;

  fail_unless (gst_memory_map (memory, &map, GST_MAP_WRITE));
  memset (map.data, value, map.size);
  gst_memory_unmap (memory, &map);
}

static gboolean
needs (GstMemory * memory, GstNpuMemoryTransfer transfer)
{
  return GST_MEMORY_FLAG_IS_SET (memory, transfer);
}

GST_START_TEST (maps_make_the_transfers_that_are_pending)
{
  GstNpuDevice *device = open_device (names[__i__]);
  GstAllocator *allocator = gst_npu_allocator_new (device);
  GstMemory *memory = gst_allocator_alloc (allocator, 1000, NULL);
  GstMapInfo map;

  fail_unless (gst_is_npu_memory (memory));
  fail_unless (gst_memory_is_type (memory, GST_NPU_MEMORY_TYPE_NAME));
  fill (memory, 1);
  fail_unless (needs (memory, GST_NPU_MEMORY_TRANSFER_NEED_UPLOAD));
  fail_unless_equals_uint64 (counts_of (allocator).uploads, 0);

  /* the device works on it and writes */
  fail_unless (gst_memory_map (memory, &map, GST_MAP_READWRITE | GST_MAP_NPU));
  fail_unless_equals_uint64 (counts_of (allocator).uploads, 1);
  fail_if (needs (memory, GST_NPU_MEMORY_TRANSFER_NEED_UPLOAD));
  gst_memory_unmap (memory, &map);
  fail_unless (needs (memory, GST_NPU_MEMORY_TRANSFER_NEED_DOWNLOAD));
  fail_unless_equals_uint64 (counts_of (allocator).downloads, 0);

  fail_unless (gst_memory_map (memory, &map, GST_MAP_READ));
  fail_unless_equals_uint64 (counts_of (allocator).downloads, 1);
  fail_unless_equals_int (map.data[999], 1);
  gst_memory_unmap (memory, &map);
  fail_if (needs (memory, GST_NPU_MEMORY_TRANSFER_NEED_DOWNLOAD));

  /* nothing is pending any more */
  fail_unless (gst_memory_map (memory, &map, GST_MAP_READ | GST_MAP_NPU));
  gst_memory_unmap (memory, &map);
  fail_unless (gst_npu_memory_sync (GST_NPU_MEMORY_CAST (memory), NULL));
  fail_unless_equals_uint64 (counts_of (allocator).uploads, 1);
  fail_unless_equals_uint64 (counts_of (allocator).downloads, 1);
  gst_memory_unref (memory);
  gst_object_unref (allocator);
  gst_object_unref (device);
}
GST_END_TEST;

GST_START_TEST (only_what_was_mapped_is_transferred)
{
  GstNpuDevice *device = open_device ("emu");
  GstAllocator *allocator = gst_npu_allocator_new (device);
  GstMemory *memory = gst_allocator_alloc (allocator, 1024, NULL);
  GstMemory *half = gst_memory_share (memory, 0, 512);
  NpuBuffer *buffer = gst_npu_memory_get_buffer (GST_NPU_MEMORY_CAST (memory));
  guint8 *host = npu_buffer_host (buffer);
  GstMapInfo map;

  fail_unless_equals_uint64 (gst_npu_memory_get_offset
      (GST_NPU_MEMORY_CAST (half)), 0);
  gst_memory_unref (half);
  fill (memory, 7);
  half = gst_memory_share (memory, 512, 512);
  fail_unless (gst_memory_map (half, &map, GST_MAP_READ | GST_MAP_NPU));
  gst_memory_unmap (half, &map);

  /* of the device's copy, zeros at first, only the second half is known */
  fail_unless (needs (memory, GST_NPU_MEMORY_TRANSFER_NEED_UPLOAD));
  npu_buffer_sync (buffer, NPU_SYNC_FROM_DEVICE, 0, 1024);
  fail_unless_equals_int (host[511], 0);
  fail_unless_equals_int (host[512], 7);
  gst_memory_unref (half);
  gst_memory_unref (memory);
  gst_object_unref (allocator);
  gst_object_unref (device);
}
GST_END_TEST;

GST_START_TEST (parts_share_and_copies_do_not)
{
  GstNpuDevice *device = open_device (names[__i__]);
  GstAllocator *allocator = gst_npu_allocator_new (device);
  GstMemory *memory = gst_allocator_alloc (allocator, 1000, NULL);
  GstMemory *a, *b, *c, *copy;
  gsize offset = 0;
  GstMapInfo map;

  fill (memory, 3);
  a = gst_memory_share (memory, 100, 200);
  b = gst_memory_share (memory, 300, -1);
  c = gst_memory_share (a, 50, 50);
  fail_unless_equals_uint64 (b->size, 700);
  fail_unless (c->parent == memory);
  fail_unless (gst_memory_is_span (a, b, &offset));
  fail_unless_equals_uint64 (offset, 100);
  fail_if (gst_memory_is_span (b, a, NULL));
  fail_if (gst_memory_is_span (c, b, NULL));
  fail_if (gst_memory_map (c, &map, GST_MAP_WRITE));
  fail_unless (gst_memory_map (c, &map, GST_MAP_READ));
  fail_unless_equals_int (map.data[49], 3);
  gst_memory_unmap (c, &map);

  copy = gst_memory_copy (a, 10, 20);
  fail_unless (gst_is_npu_memory (copy));
  fail_unless_equals_uint64 (copy->size, 20);
  fail_unless (gst_npu_memory_get_buffer (GST_NPU_MEMORY_CAST (copy)) !=
      gst_npu_memory_get_buffer (GST_NPU_MEMORY_CAST (a)));
  fill (copy, 4);
  fail_unless (gst_memory_map (a, &map, GST_MAP_READ));
  fail_unless_equals_int (map.data[10], 3);
  gst_memory_unmap (a, &map);

  gst_memory_unref (memory);
  gst_memory_unref (a);
  gst_memory_unref (b);
  gst_memory_unref (c);
  gst_memory_unref (copy);
  fail_unless_equals_uint64 (counts_of (allocator).live, 0);
  fail_unless_equals_uint64 (counts_of (allocator).allocated, 2);
  fail_unless_equals_uint64 (counts_of (allocator).shared, 3);
  fail_unless_equals_uint64 (counts_of (allocator).copied, 1);
  gst_object_unref (allocator);
  gst_object_unref (device);
}
GST_END_TEST;

static void
count_call (gpointer data)
{
  (*(guint *) data)++;
}

GST_START_TEST (wrapped_memory_tells_when_all_of_it_is_gone)
{
  GstNpuDevice *device = open_device (names[__i__]);
  GstAllocator *allocator = gst_npu_allocator_new (device);
  NpuBuffer *buffer;
  GstMemory *memory, *part;
  guint gone = 0;

  fail_unless (npu_buffer_create (gst_npu_device_get_handle (device), 4096, 0,
          &buffer, NULL) == NPU_OK);
  memory = gst_npu_allocator_wrap (GST_NPU_ALLOCATOR (allocator), buffer, 1024,
      512, count_call, &gone);
  npu_buffer_unref (buffer);
  fail_unless_equals_uint64 (gst_npu_memory_get_offset
      (GST_NPU_MEMORY_CAST (memory)), 1024);
  part = gst_memory_share (memory, 128, 128);
  fail_unless_equals_uint64 (gst_npu_memory_get_offset
      (GST_NPU_MEMORY_CAST (part)), 1152);
  gst_memory_unref (memory);
  fail_unless_equals_int (gone, 0);
  gst_memory_unref (part);
  fail_unless_equals_int (gone, 1);
  gst_object_unref (allocator);
  gst_object_unref (device);
}
GST_END_TEST;

GST_START_TEST (memory_of_a_device_that_is_lost_cannot_be_mapped)
{
  GstNpuDevice *device = gst_npu_device_new ("emu", 1, "fault=lost", NULL);
  GstAllocator *allocator = gst_npu_allocator_new (device);
  GstMemory *memory = gst_allocator_alloc (allocator, 100, NULL);
  NpuDevice *handle = gst_npu_device_get_handle (device);
  NpuQueue *queue;
  NpuFence *fence;
  GstMapInfo map;

  fill (memory, 1);
  fail_unless (npu_queue_create (handle, &queue, NULL) == NPU_OK);
  fail_unless (npu_fence_create (handle, &fence, NULL) == NPU_OK);
  fail_unless (npu_queue_submit (queue, NULL, NULL, 0, fence, NULL) == NPU_OK);
  fail_unless (npu_fence_wait (fence, NPU_WAIT_FOREVER, NULL) == NPU_ENODEV);
  fail_if (gst_memory_map (memory, &map, GST_MAP_READ | GST_MAP_NPU));
  npu_fence_free (fence);
  npu_queue_free (queue);
  gst_memory_unref (memory);
  gst_object_unref (allocator);
  gst_object_unref (device);
}
GST_END_TEST;

/* -------------------------------------------------------------- pools */

static void
activate (GstBufferPool * pool, guint size, guint min, guint max)
{
  GstStructure *config = gst_buffer_pool_get_config (pool);

  gst_buffer_pool_config_set_params (config, NULL, size, min, max);
  fail_unless (gst_buffer_pool_set_config (pool, config));
  fail_unless (gst_buffer_pool_set_active (pool, TRUE));
}

static GstBuffer *
acquire (GstBufferPool * pool)
{
  GstBufferPoolAcquireParams params = {
    .flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT
  };
  GstBuffer *buffer = NULL;

  gst_buffer_pool_acquire_buffer (pool, &buffer, &params);
  return buffer;
}

static void
close_pool (GstBufferPool * pool)
{
  fail_unless (gst_buffer_pool_set_active (pool, FALSE));
  gst_object_unref (pool);
}

GST_START_TEST (a_pool_has_its_minimum_and_grows_to_its_maximum)
{
  GstNpuDevice *device = open_device (names[__i__]);
  GstBufferPool *pool = gst_npu_buffer_pool_new (device);
  GstBuffer *taken[4];
  guint64 allocated, grown;

  activate (pool, 640, 2, 4);
  gst_npu_buffer_pool_get_counts (GST_NPU_BUFFER_POOL (pool), &allocated,
      &grown);
  fail_unless_equals_uint64 (allocated, 2);
  for (guint round = 0; round < 50; round++) {
    taken[0] = acquire (pool);
    fail_unless (gst_buffer_n_memory (taken[0]) == 1
        && gst_is_npu_memory (gst_buffer_peek_memory (taken[0], 0)));
    fail_unless_equals_uint64 (gst_buffer_get_size (taken[0]), 640);
    gst_buffer_set_size (taken[0], 64);
    gst_buffer_unref (taken[0]);
  }
  gst_npu_buffer_pool_get_counts (GST_NPU_BUFFER_POOL (pool), &allocated,
      &grown);
  fail_unless_equals_uint64 (allocated, 2);
  fail_unless_equals_uint64 (grown, 0);

  for (guint i = 0; i < 4; i++)
    fail_unless ((taken[i] = acquire (pool)) != NULL);
  fail_unless (acquire (pool) == NULL);
  gst_npu_buffer_pool_get_counts (GST_NPU_BUFFER_POOL (pool), &allocated,
      &grown);
  fail_unless_equals_uint64 (allocated, 4);
  fail_unless_equals_uint64 (grown, 2);
  gst_object_unref (device);
  fail_unless (gst_buffer_pool_set_active (pool, FALSE));
  /* taken outlive their pool */
  gst_buffer_memset (taken[0], 0, 5, 640);
  for (guint i = 0; i < 4; i++)
    gst_buffer_unref (taken[i]);
  gst_object_unref (pool);
}
GST_END_TEST;

static NpuFrameRing *
new_ring (GstNpuDevice * device, guint frames)
{
  NpuFrameRing *ring;

  fail_unless (npu_ring_create (gst_npu_device_get_handle (device), BANDS,
          frames, &ring, NULL) == NPU_OK);
  return ring;
}

static void
write_frames (GstBuffer * buffer, gfloat first)
{
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < map.size / FRAME_SIZE; i++)
    ((gfloat *) map.data)[i * BANDS] = first + i;
  gst_buffer_unmap (buffer, &map);
}

static gfloat
frame_at (NpuFrameRing * ring, guint64 frame)
{
  NpuView views[2];

  fail_unless (npu_ring_view (ring, frame, 1, views) == NPU_OK);
  return *(gfloat *) ((guint8 *) npu_buffer_host (views[0].buffer)
      + views[0].offset);
}

/* The way of the frames through an encoder. */
static gboolean
commit (NpuFrameRing * ring, GstBuffer * buffer)
{
  NpuRingLease lease;
  guint frames = gst_buffer_get_size (buffer) / FRAME_SIZE;

  if (!gst_npu_ring_pool_take_lease (ring, buffer, &lease))
    return FALSE;
  fail_unless_equals_int (npu_ring_commit (ring, &lease, 0, frames), frames);
  return TRUE;
}

GST_START_TEST (frames_are_written_where_the_ring_has_them)
{
  GstNpuDevice *device = open_device (names[__i__]);
  NpuFrameRing *ring = new_ring (device, 100), *other = new_ring (device, 10);
  GstBufferPool *pool = gst_npu_ring_pool_new (device, ring, 40);
  NpuRingStatistics statistics;
  NpuRingLease lease;

  activate (pool, 10 * FRAME_SIZE, 0, 0);
  for (guint i = 0; i < 200; i++) {
    GstBuffer *buffer = acquire (pool), *header;

    fail_unless (buffer != NULL);
    fail_unless_equals_uint64 (gst_buffer_get_size (buffer), 10 * FRAME_SIZE);
    write_frames (buffer, i * 10);
    /* a copy of the header, as behind a tee, has the same memory */
    header = gst_buffer_copy (buffer);
    fail_if (gst_npu_ring_pool_take_lease (other, header, &lease));
    fail_unless (commit (ring, header));
    /* and is not taken twice */
    fail_if (gst_npu_ring_pool_take_lease (ring, buffer, &lease));
    gst_buffer_unref (header);
    gst_buffer_unref (buffer);
    fail_unless (frame_at (ring, i * 10 + 9) == i * 10 + 9);
    npu_ring_trim (ring, i * 10 > 50 ? i * 10 - 50 : 0);
  }
  npu_ring_statistics (ring, &statistics);
  fail_unless_equals_uint64 (statistics.frames_in_place, 2000);
  fail_unless_equals_uint64 (statistics.frames_copied, 0);
  fail_unless_equals_uint64 (gst_npu_ring_pool_get_detached
      (GST_NPU_RING_POOL (pool)), 0);
  close_pool (pool);
  npu_ring_unref (ring);
  npu_ring_unref (other);
  gst_object_unref (device);
}
GST_END_TEST;

GST_START_TEST (memory_that_is_kept_is_not_written_again)
{
  GstNpuDevice *device = open_device (names[__i__]);
  NpuFrameRing *ring = new_ring (device, 100);
  GstBufferPool *pool = gst_npu_ring_pool_new (device, ring, 40);
  GstMemory *kept[300];
  guint count = 0;
  GstMapInfo map;

  activate (pool, 10 * FRAME_SIZE, 0, 0);
  for (guint i = 0; i < 300; i++) {
    GstBuffer *buffer = acquire (pool);

    if (!buffer)
      break;
    write_frames (buffer, i * 10);
    commit (ring, buffer);
    /* beyond the buffer, in every way */
    kept[count++] = i % 2 ? gst_buffer_get_memory (buffer, 0) :
        gst_memory_share (gst_buffer_peek_memory (buffer, 0), 0, -1);
    gst_buffer_unref (buffer);
    npu_ring_trim (ring, npu_ring_newest (ring));
  }
  /* some from the ring, then some that are not */
  fail_unless (count > 10);
  fail_unless (gst_npu_ring_pool_get_detached (GST_NPU_RING_POOL (pool)) > 0
      || count < 300);
  for (guint i = 0; i < count; i++) {
    fail_unless (gst_memory_map (kept[i], &map, GST_MAP_READ));
    fail_unless (*(gfloat *) map.data == i * 10);
    gst_memory_unmap (kept[i], &map);
    gst_memory_unref (kept[i]);
  }
  /* and all is as before */
  for (guint i = 0; i < 50; i++) {
    GstBuffer *buffer = acquire (pool);

    fail_unless (buffer != NULL && commit (ring, buffer));
    gst_buffer_unref (buffer);
    npu_ring_trim (ring, npu_ring_newest (ring));
  }
  close_pool (pool);
  npu_ring_unref (ring);
  gst_object_unref (device);
}
GST_END_TEST;

GST_START_TEST (a_ring_pool_has_as_many_buffers_as_it_has_to_cover)
{
  GstNpuDevice *device = open_device ("cpu");
  NpuFrameRing *ring = new_ring (device, 1000);

  for (guint frames = 1; frames <= 100; frames *= 10) {
    GstBufferPool *pool = gst_npu_ring_pool_new (device, ring, 205);
    GstStructure *config;
    guint size, min, max;

    activate (pool, frames * FRAME_SIZE, 3, 0);
    config = gst_buffer_pool_get_config (pool);
    gst_buffer_pool_config_get_params (config, NULL, &size, &min, &max);
    gst_structure_free (config);
    fail_unless_equals_int (size, frames * FRAME_SIZE);
    fail_unless_equals_int (min, (205 + frames - 1) / frames + 2);
    fail_unless_equals_int (max, min);
    close_pool (pool);
  }
  npu_ring_unref (ring);
  gst_object_unref (device);
}
GST_END_TEST;

/* ------------------------------------------------------ shared devices */

static GstNpuDevice *
device_of (GstElement * element)
{
  GstQuery *query = gst_query_new_context (GST_NPU_DEVICE_CONTEXT_TYPE);
  GstPad *pad = gst_element_get_static_pad (element, "src");
  GstNpuDevice *device = NULL;
  GstContext *context;

  fail_unless (gst_pad_query (pad, query));
  gst_query_parse_context (query, &context);
  fail_unless (gst_context_get_npu_device (context, &device));
  gst_query_unref (query);
  gst_object_unref (pad);
  return device;
}

GST_START_TEST (encoders_of_a_pipeline_share_a_device)
{
  GstElement *pipeline = gst_parse_launch ("npuencoder name=a device=emu "
      "npuencoder name=b npuencoder name=c device=cpu", NULL);
  GstNpuDevice *devices[3];

  fail_unless (gst_element_set_state (pipeline, GST_STATE_READY) ==
      GST_STATE_CHANGE_SUCCESS);
  for (guint i = 0; i < 3; i++) {
    gchar *name = g_strdup_printf ("%c", 'a' + i);
    GstElement *encoder = gst_bin_get_by_name (GST_BIN (pipeline), name);

    devices[i] = device_of (encoder);
    gst_object_unref (encoder);
    g_free (name);
  }
  fail_unless_equals_string (gst_npu_device_get_name (devices[2]), "cpu");
  /* whichever was opened first, "auto" takes what another one has */
  fail_unless (devices[1] == devices[0] || devices[1] == devices[2]);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  for (guint i = 0; i < 3; i++)
    gst_object_unref (devices[i]);
  gst_object_unref (pipeline);
}
GST_END_TEST;

static GstBusSyncReply
give_device (GstBus * bus, GstMessage * message, gpointer device)
{
  const gchar *type;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_NEED_CONTEXT
      && gst_message_parse_context_type (message, &type)
      && g_str_equal (type, GST_NPU_DEVICE_CONTEXT_TYPE)) {
    GstContext *context = gst_context_new_npu_device (device);

    gst_element_set_context (GST_ELEMENT (GST_MESSAGE_SRC (message)), context);
    gst_context_unref (context);
  }
  gst_message_unref (message);
  return GST_BUS_DROP;
}

GST_START_TEST (an_application_can_give_a_device)
{
  GstNpuDevice *device = open_device ("emu"), *used;
  GstContext *context = gst_context_new_npu_device (device);

  for (guint answered = 0; answered < 2; answered++) {
    GstElement *pipeline = gst_pipeline_new (NULL);
    GstElement *encoder = gst_element_factory_make ("npuencoder", NULL);

    gst_bin_add (GST_BIN (pipeline), encoder);
    if (answered) {
      GstBus *bus = gst_element_get_bus (pipeline);

      gst_bus_set_sync_handler (bus, give_device, device, NULL);
      gst_object_unref (bus);
    } else {
      gst_element_set_context (pipeline, context);
    }
    for (guint again = 0; again < 2; again++) {
      fail_unless (gst_element_set_state (pipeline, GST_STATE_READY) ==
          GST_STATE_CHANGE_SUCCESS);
      used = device_of (encoder);
      fail_unless (used == device);
      gst_object_unref (used);
      gst_element_set_state (pipeline, GST_STATE_NULL);
    }
    gst_object_unref (pipeline);
  }
  gst_context_unref (context);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}
GST_END_TEST;

GST_START_TEST (a_device_that_cannot_be_opened_says_why)
{
  GError *error = NULL;

  fail_unless (gst_npu_device_new ("toaster", 0, NULL, &error) == NULL);
  fail_unless (g_error_matches (error, GST_RESOURCE_ERROR,
          GST_RESOURCE_ERROR_NOT_FOUND));
  fail_unless (strstr (error->message, "cpu") != NULL);
  g_clear_error (&error);
  fail_unless (gst_npu_device_new ("emu", 0, "speed=9", &error) == NULL);
  fail_unless (g_error_matches (error, GST_RESOURCE_ERROR,
          GST_RESOURCE_ERROR_SETTINGS));
  g_clear_error (&error);
}
GST_END_TEST;

static Suite *
memory_suite (void)
{
  Suite *suite = suite_create ("memory");
  TCase *tcase = tcase_create ("general");

  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, maps_make_the_transfers_that_are_pending, 0,
      DEVICES);
  tcase_add_test (tcase, only_what_was_mapped_is_transferred);
  tcase_add_loop_test (tcase, parts_share_and_copies_do_not, 0, DEVICES);
  tcase_add_loop_test (tcase, wrapped_memory_tells_when_all_of_it_is_gone, 0,
      DEVICES);
  tcase_add_test (tcase, memory_of_a_device_that_is_lost_cannot_be_mapped);
  tcase_add_loop_test (tcase, a_pool_has_its_minimum_and_grows_to_its_maximum,
      0, DEVICES);
  tcase_add_loop_test (tcase, frames_are_written_where_the_ring_has_them, 0,
      DEVICES);
  tcase_add_loop_test (tcase, memory_that_is_kept_is_not_written_again, 0,
      DEVICES);
  tcase_add_test (tcase, a_ring_pool_has_as_many_buffers_as_it_has_to_cover);
  tcase_add_test (tcase, encoders_of_a_pipeline_share_a_device);
  tcase_add_test (tcase, an_application_can_give_a_device);
  tcase_add_test (tcase, a_device_that_cannot_be_opened_says_why);
  return suite;
}

GST_CHECK_MAIN (memory);
