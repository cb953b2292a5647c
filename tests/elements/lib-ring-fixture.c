/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A ring of frames, a pool over it, and what producers and the encoder do with
 * its buffers.
 */
#include "lib-ring-fixture.h"

GstNpuDevice *device;
NpuFrameRing *ring;
GstBufferPool *pool;

GstBufferPool *
open_pool_over_ring (gsize size)
{
  GstBufferPool *opened = gst_npu_ring_pool_new (device, ring, COVER);
  GstStructure *config = gst_buffer_pool_get_config (opened);

  gst_buffer_pool_config_set_params (config, NULL, size, 0, 0);
  fail_unless (gst_buffer_pool_set_config (opened, config));
  fail_unless (gst_buffer_pool_set_active (opened, TRUE));
  return opened;
}

void
open_ring (gint number)
{
  device = lib_device_open (number);
  fail_unless_equals_int (npu_ring_create (gst_npu_device_get_handle (device),
          BANDS, CAPACITY, &ring, NULL), NPU_OK);
  pool = open_pool_over_ring (SIZE);
}

/* Takes every lease that is left, and gives all back; returns how many. */
guint
leases_left (void)
{
  NpuRingLease leases[LEASES + 1];
  guint count = 0;

  while (count <= LEASES
      && npu_ring_lease (ring, FRAMES, &leases[count]) == NPU_OK)
    count++;
  for (guint i = 0; i < count; i++)
    npu_ring_release (ring, &leases[i]);
  return count;
}

/* Fails where a lease or a reference was left behind. */
void
close_ring (void)
{
  npu_ring_trim (ring, npu_ring_newest (ring));
  fail_unless_equals_int (leases_left (), LEASES);
  fail_unless (gst_buffer_pool_set_active (pool, FALSE));
  ASSERT_OBJECT_REFCOUNT (pool, "pool", 1);
  gst_object_unref (pool);
  npu_ring_unref (ring);
  ASSERT_OBJECT_REFCOUNT (device, "device", 1);
  gst_object_unref (device);
}

GstBuffer *
acquire (void)
{
  GstBufferPoolAcquireParams params = {
    .flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT,
  };
  GstBuffer *buffer = NULL;

  fail_unless_equals_int (gst_buffer_pool_acquire_buffer (pool, &buffer,
          &params), GST_FLOW_OK);
  fail_unless_equals_uint64 (gst_buffer_get_size (buffer), SIZE);
  return buffer;
}

/* Every value of its frames is @value. */
GstBuffer *
acquire_filled (gfloat value)
{
  GstBuffer *buffer = acquire ();
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (guint i = 0; i < FRAMES * BANDS; i++)
    ((gfloat *) map.data)[i] = value;
  gst_buffer_unmap (buffer, &map);
  return buffer;
}

void
assert_values (GstMemory * memory, gfloat value)
{
  GstMapInfo map;

  fail_unless (gst_memory_map (memory, &map, GST_MAP_READ));
  for (guint i = 0; i < map.size / sizeof (gfloat); i++)
    fail_unless (((gfloat *) map.data)[i] == value,
        "value %u is %g, not %g", i, ((gfloat *) map.data)[i], value);
  gst_memory_unmap (memory, &map);
}

/* What the encoder does with a buffer. */
gboolean
commit (GstBuffer * buffer)
{
  NpuRingLease lease;

  if (!gst_npu_ring_pool_take_lease (ring, buffer, &lease))
    return FALSE;
  fail_unless_equals_int (npu_ring_commit (ring, &lease, 0,
          gst_buffer_get_size (buffer) / FRAME),
      gst_buffer_get_size (buffer) / FRAME);
  return TRUE;
}

gboolean
lies_in_ring (GstBuffer * buffer)
{
  return gst_npu_memory_get_buffer (GST_NPU_MEMORY_CAST (gst_buffer_peek_memory
          (buffer, 0))) == npu_ring_slab (ring);
}

/* Puts more through the ring than it has room for. */
void
put_through (gfloat value)
{
  for (guint i = 0; i < 3 * LEASES; i++) {
    GstBuffer *buffer = acquire_filled (value);

    fail_unless (commit (buffer));
    npu_ring_trim (ring, npu_ring_newest (ring));
    gst_buffer_unref (buffer);
  }
}

GstNpuMemoryCounts
pool_counts (void)
{
  GstStructure *config = gst_buffer_pool_get_config (pool);
  GstAllocator *allocator = NULL;

  gst_buffer_pool_config_get_allocator (config, &allocator, NULL);
  gst_structure_free (config);
  return lib_counts (allocator);
}

guint64
given_up (void)
{
  return gst_npu_ring_pool_get_given_up (GST_NPU_RING_POOL (pool));
}

guint64
detached (void)
{
  return gst_npu_ring_pool_get_detached (GST_NPU_RING_POOL (pool));
}

guint
hold_leases (NpuRingLease * leases)
{
  guint count = 0;

  while (count <= LEASES
      && npu_ring_lease (ring, FRAMES, &leases[count]) == NPU_OK)
    count++;
  return count;
}

void
release_leases (const NpuRingLease * leases, guint count)
{
  for (guint i = 0; i < count; i++)
    npu_ring_release (ring, &leases[i]);
}
