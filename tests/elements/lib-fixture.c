/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Devices for the tests of libgstnpu.
 */
#include "lib-fixture.h"

#include "device/device.h"

#include <string.h>

gint
lib_device_count (void)
{
  return g_strv_length ((gchar **) npu_device_names ());
}

GstNpuDevice *
lib_device_open (gint number)
{
  const gchar *name = npu_device_names ()[number];
  GstNpuDevice *device = gst_npu_device_new (name, 1, NULL, NULL);

  fail_unless (device != NULL, "no device %s", name);
  return device;
}

GstNpuDevice *
lib_device_open_lost (GstAllocator ** allocator, GstMemory ** memory,
    gsize size)
{
  GstNpuDevice *device = gst_npu_device_new ("emu", 1, "fault=lost", NULL);
  NpuDevice *handle;
  NpuQueue *queue;
  NpuFence *fence;

  fail_unless (device != NULL);
  *allocator = gst_npu_allocator_new (device);
  *memory = gst_allocator_alloc (*allocator, size, NULL);
  fail_unless (*memory != NULL);

  /* the first list finds it gone */
  handle = gst_npu_device_get_handle (device);
  fail_unless_equals_int (npu_queue_create (handle, &queue, NULL), NPU_OK);
  fail_unless_equals_int (npu_fence_create (handle, &fence, NULL), NPU_OK);
  fail_unless_equals_int (npu_queue_submit (queue, NULL, NULL, 0, fence,
          NULL), NPU_OK);
  fail_unless_equals_int (npu_fence_wait (fence, NPU_WAIT_FOREVER, NULL),
      NPU_ENODEV);
  npu_fence_free (fence);
  npu_queue_free (queue);
  return device;
}

gboolean
lib_device_is_apart (GstNpuDevice * device)
{
  return gst_npu_device_is_emulated (device);
}

void
lib_device_read (GstNpuMemory * memory, gsize offset, gsize size,
    guint8 * bytes)
{
  NpuBuffer *buffer = gst_npu_memory_get_buffer (memory);
  guint8 *host = (guint8 *) npu_buffer_host (buffer) + offset;
  guint8 *saved = g_memdup2 (host, size);

  fail_unless_equals_int (npu_buffer_sync (buffer, NPU_SYNC_FROM_DEVICE,
          offset, size), NPU_OK);
  memcpy (bytes, host, size);
  memcpy (host, saved, size);
  g_free (saved);
}

void
lib_device_write (GstNpuMemory * memory, gsize offset, gsize size,
    guint8 byte)
{
  NpuBuffer *buffer = gst_npu_memory_get_buffer (memory);
  guint8 *host = (guint8 *) npu_buffer_host (buffer) + offset;
  guint8 *saved = g_memdup2 (host, size);

  memset (host, byte, size);
  fail_unless_equals_int (npu_buffer_sync (buffer, NPU_SYNC_TO_DEVICE, offset,
          size), NPU_OK);
  if (lib_device_is_apart (gst_npu_memory_get_device (memory)))
    memcpy (host, saved, size);
  g_free (saved);
}

void
lib_assert_bytes (const guint8 * bytes, gsize size, guint8 byte)
{
  gsize i;

  for (i = 0; i < size; i++)
    fail_unless (bytes[i] == byte, "byte %" G_GSIZE_FORMAT " is %u, not %u",
        i, bytes[i], byte);
}

GstNpuMemoryCounts
lib_counts (GstAllocator * allocator)
{
  GstNpuMemoryCounts counts;

  gst_npu_allocator_get_counts (GST_NPU_ALLOCATOR (allocator), &counts);
  return counts;
}
