/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Device memory with what is pending on it. Parts of a memory share its
 * pending transfers, which are kept as one range of bytes in each direction;
 * a transfer covers what was mapped of that range.
 */
#include "gstnpumemory.h"

#include <string.h>

#include "device/device.h"

GST_DEBUG_CATEGORY_STATIC (gst_npu_memory_debug);
#define GST_CAT_DEFAULT gst_npu_memory_debug

/* Bytes of the buffer; empty where start is not below end. */
typedef struct
{
  gsize start;
  gsize end;
} Range;

struct _GstNpuMemoryPrivate
{
  GMutex lock;                  /* guards the ranges */
  Range upload;
  Range download;

  NpuBuffer *buffer;
  gsize base;                   /* of the memory in it */
  GDestroyNotify notify;
  gpointer user_data;
};

struct _GstNpuAllocator
{
  GstAllocator parent;

  GstNpuDevice *device;
  GMutex lock;
  GstNpuMemoryCounts counts;    /* under lock */
};

G_DEFINE_TYPE_WITH_CODE (GstNpuAllocator, gst_npu_allocator,
    GST_TYPE_ALLOCATOR, GST_DEBUG_CATEGORY_INIT (gst_npu_memory_debug,
        "npumemory", 0, "device memory"));

#define COUNT(allocator, what) \
  G_STMT_START { \
    g_mutex_lock (&(allocator)->lock); \
    (allocator)->counts.what++; \
    g_mutex_unlock (&(allocator)->lock); \
  } G_STMT_END

/* ---------------------------------------------------------- transfers */

static Range
range_cut (Range range, gsize start, gsize end)
{
  return (Range) { MAX (range.start, start), MIN (range.end, end) };
}

static Range
range_hull (Range range, gsize start, gsize end)
{
  if (range.start >= range.end)
    return (Range) { start, end };
  return (Range) { MIN (range.start, start), MAX (range.end, end) };
}

/* Takes start ... end away from @range. What is left is one range: where a
 * piece is taken out of the middle, all stays pending. */
static Range
range_without (Range range, gsize start, gsize end)
{
  if (start <= range.start)
    range.start = MAX (range.start, MIN (end, range.end));
  else if (end >= range.end)
    range.end = MIN (range.end, start);
  return range;
}

static void
update_flags (GstMemory * root, const GstNpuMemoryPrivate * priv)
{
  if (priv->upload.start < priv->upload.end)
    GST_MINI_OBJECT_FLAG_SET (root, GST_NPU_MEMORY_TRANSFER_NEED_UPLOAD);
  else
    GST_MINI_OBJECT_FLAG_UNSET (root, GST_NPU_MEMORY_TRANSFER_NEED_UPLOAD);
  if (priv->download.start < priv->download.end)
    GST_MINI_OBJECT_FLAG_SET (root, GST_NPU_MEMORY_TRANSFER_NEED_DOWNLOAD);
  else
    GST_MINI_OBJECT_FLAG_UNSET (root, GST_NPU_MEMORY_TRANSFER_NEED_DOWNLOAD);
}

static GstMemory *
root_of (GstMemory * memory)
{
  return memory->parent ? memory->parent : memory;
}

/* With the lock held: transfer what is pending of @memory in one direction. */
static gboolean
transfer (GstMemory * memory, NpuSyncDirection direction)
{
  GstNpuAllocator *allocator = GST_NPU_ALLOCATOR (memory->allocator);
  GstNpuMemoryPrivate *priv = GST_NPU_MEMORY_CAST (memory)->priv;
  Range *pending = direction == NPU_SYNC_TO_DEVICE ? &priv->upload :
      &priv->download;
  Range range = range_cut (*pending, memory->offset,
      memory->offset + memory->size);

  if (range.start >= range.end)
    return TRUE;
  if (npu_buffer_sync (priv->buffer, direction, priv->base + range.start,
          range.end - range.start) != NPU_OK) {
    GST_ERROR_OBJECT (allocator, "%" G_GSIZE_FORMAT " bytes could not be moved "
        "%s the device", range.end - range.start,
        direction == NPU_SYNC_TO_DEVICE ? "to" : "from");
    return FALSE;
  }
  *pending = range_without (*pending, range.start, range.end);
  if (direction == NPU_SYNC_TO_DEVICE)
    COUNT (allocator, uploads);
  else
    COUNT (allocator, downloads);
  update_flags (root_of (memory), priv);
  return TRUE;
}

static gpointer
gst_npu_memory_map (GstMemory * memory, GstMapInfo * info, gsize maxsize)
{
  GstNpuMemoryPrivate *priv = GST_NPU_MEMORY_CAST (memory)->priv;
  gboolean moved;

  g_mutex_lock (&priv->lock);
  moved = transfer (memory, info->flags & GST_MAP_NPU ? NPU_SYNC_TO_DEVICE :
      NPU_SYNC_FROM_DEVICE);
  g_mutex_unlock (&priv->lock);
  return moved ? (guint8 *) npu_buffer_host (priv->buffer) + priv->base : NULL;
}

static void
gst_npu_memory_unmap (GstMemory * memory, GstMapInfo * info)
{
  GstNpuMemoryPrivate *priv = GST_NPU_MEMORY_CAST (memory)->priv;
  Range *pending = info->flags & GST_MAP_NPU ? &priv->download :
      &priv->upload;

  if (!(info->flags & GST_MAP_WRITE))
    return;
  g_mutex_lock (&priv->lock);
  *pending = range_hull (*pending, memory->offset,
      memory->offset + memory->size);
  update_flags (root_of (memory), priv);
  g_mutex_unlock (&priv->lock);
}

gboolean
gst_npu_memory_sync (GstNpuMemory * memory)
{
  gboolean moved;

  g_return_val_if_fail (gst_is_npu_memory (GST_MEMORY_CAST (memory)), FALSE);
  g_mutex_lock (&memory->priv->lock);
  moved = transfer (GST_MEMORY_CAST (memory), NPU_SYNC_TO_DEVICE)
      && transfer (GST_MEMORY_CAST (memory), NPU_SYNC_FROM_DEVICE);
  g_mutex_unlock (&memory->priv->lock);
  return moved;
}

void
gst_npu_memory_forget_transfers (GstNpuMemory * memory)
{
  GstNpuMemoryPrivate *priv = memory->priv;
  gsize start = memory->mem.offset, end = start + memory->mem.size;

  g_mutex_lock (&priv->lock);
  priv->upload = range_without (priv->upload, start, end);
  priv->download = range_without (priv->download, start, end);
  update_flags (root_of (GST_MEMORY_CAST (memory)), priv);
  g_mutex_unlock (&priv->lock);
}

/* ------------------------------------------------------------- memory */

/* Takes a reference to @buffer. */
static GstMemory *
new_memory (GstNpuAllocator * self, GstMemoryFlags flags, NpuBuffer * buffer,
    gsize base, gsize maxsize, gsize offset, gsize size)
{
  GstNpuMemory *memory = g_new0 (GstNpuMemory, 1);
  const NpuDeviceInfo *info =
      npu_device_info (gst_npu_device_get_handle (self->device));

  memory->priv = g_new0 (GstNpuMemoryPrivate, 1);
  g_mutex_init (&memory->priv->lock);
  memory->priv->buffer = npu_buffer_ref (buffer);
  memory->priv->base = base;
  gst_memory_init (GST_MEMORY_CAST (memory), flags, GST_ALLOCATOR (self), NULL,
      maxsize, info->buffer_alignment - 1, offset, size);
  COUNT (self, live);
  return GST_MEMORY_CAST (memory);
}

static GstMemory *
gst_npu_allocator_alloc (GstAllocator * allocator, gsize size,
    GstAllocationParams * params)
{
  GstNpuAllocator *self = GST_NPU_ALLOCATOR (allocator);
  NpuDevice *device = gst_npu_device_get_handle (self->device);
  gsize maxsize = size + params->prefix + params->padding;
  GstMemory *memory;
  NpuBuffer *buffer;
  NpuError error = { 0 };

  if (params->align >= npu_device_info (device)->buffer_alignment) {
    GST_ERROR_OBJECT (self, "the device aligns to %" G_GSIZE_FORMAT
        " bytes, not to %" G_GSIZE_FORMAT,
        npu_device_info (device)->buffer_alignment, params->align + 1);
    return NULL;
  }
  if (npu_buffer_create (device, MAX (maxsize, 1), 0, &buffer,
          &error) != NPU_OK) {
    GST_ERROR_OBJECT (self, "%s", error.message);
    return NULL;
  }
  memory = new_memory (self, params->flags, buffer, 0, maxsize, params->prefix,
      size);
  npu_buffer_unref (buffer);
  COUNT (self, allocated);
  return memory;
}

GstMemory *
gst_npu_allocator_wrap (GstNpuAllocator * allocator, NpuBuffer * buffer,
    gsize offset, gsize size, GDestroyNotify notify, gpointer user_data)
{
  GstMemory *memory;

  g_return_val_if_fail (GST_IS_NPU_ALLOCATOR (allocator) && buffer, NULL);
  g_return_val_if_fail (offset <= npu_buffer_size (buffer)
      && size <= npu_buffer_size (buffer) - offset, NULL);
  memory = new_memory (allocator, 0, buffer, offset, size, 0, size);
  GST_NPU_MEMORY_CAST (memory)->priv->notify = notify;
  GST_NPU_MEMORY_CAST (memory)->priv->user_data = user_data;
  COUNT (allocator, wrapped);
  return memory;
}

static void
gst_npu_allocator_free (GstAllocator * allocator, GstMemory * memory)
{
  GstNpuAllocator *self = GST_NPU_ALLOCATOR (allocator);
  GstNpuMemoryPrivate *priv = GST_NPU_MEMORY_CAST (memory)->priv;

  g_mutex_lock (&self->lock);
  self->counts.live--;
  g_mutex_unlock (&self->lock);
  /* parts use what their parent has, and hold it */
  if (!memory->parent) {
    npu_buffer_unref (priv->buffer);
    if (priv->notify)
      priv->notify (priv->user_data);
    g_mutex_clear (&priv->lock);
    g_free (priv);
  }
  g_free (memory);
}

static GstMemory *
gst_npu_memory_share (GstMemory * memory, gssize offset, gssize size)
{
  GstNpuAllocator *self = GST_NPU_ALLOCATOR (memory->allocator);
  GstNpuMemory *part = g_new0 (GstNpuMemory, 1);

  if (size == -1)
    size = memory->size - offset;
  part->priv = GST_NPU_MEMORY_CAST (memory)->priv;
  gst_memory_init (GST_MEMORY_CAST (part), GST_MINI_OBJECT_FLAGS (memory)
      | GST_MINI_OBJECT_FLAG_LOCK_READONLY, memory->allocator,
      root_of (memory), memory->maxsize, memory->align,
      memory->offset + offset, size);
  COUNT (self, shared);
  COUNT (self, live);
  return GST_MEMORY_CAST (part);
}

static GstMemory *
gst_npu_memory_copy (GstMemory * memory, gssize offset, gssize size)
{
  GstNpuAllocator *self = GST_NPU_ALLOCATOR (memory->allocator);
  GstAllocationParams params;
  GstMapInfo from, to;
  GstMemory *copy;

  if (!gst_memory_map (memory, &from, GST_MAP_READ))
    return NULL;
  if (size == -1)
    size = (gsize) offset < from.size ? from.size - offset : 0;
  gst_allocation_params_init (&params);
  copy = gst_npu_allocator_alloc (memory->allocator, size, &params);
  if (copy && gst_memory_map (copy, &to, GST_MAP_WRITE)) {
    memcpy (to.data, from.data + offset, size);
    gst_memory_unmap (copy, &to);
    COUNT (self, copied);
  } else if (copy) {
    gst_memory_unref (copy);
    copy = NULL;
  }
  gst_memory_unmap (memory, &from);
  return copy;
}

static gboolean
gst_npu_memory_is_span (GstMemory * a, GstMemory * b, gsize * offset)
{
  if (offset)
    *offset = a->offset - a->parent->offset;
  return a->parent == b->parent && a->offset + a->size == b->offset;
}

/* ----------------------------------------------------------- allocator */

static void
gst_npu_allocator_finalize (GObject * object)
{
  GstNpuAllocator *self = GST_NPU_ALLOCATOR (object);

  gst_clear_object (&self->device);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_npu_allocator_parent_class)->finalize (object);
}

static void
gst_npu_allocator_class_init (GstNpuAllocatorClass * class)
{
  G_OBJECT_CLASS (class)->finalize = gst_npu_allocator_finalize;
  GST_ALLOCATOR_CLASS (class)->alloc = gst_npu_allocator_alloc;
  GST_ALLOCATOR_CLASS (class)->free = gst_npu_allocator_free;
}

static void
gst_npu_allocator_init (GstNpuAllocator * self)
{
  GstAllocator *allocator = GST_ALLOCATOR (self);

  allocator->mem_type = GST_NPU_MEMORY_TYPE_NAME;
  allocator->mem_map_full = gst_npu_memory_map;
  allocator->mem_unmap_full = gst_npu_memory_unmap;
  allocator->mem_share = gst_npu_memory_share;
  allocator->mem_copy = gst_npu_memory_copy;
  allocator->mem_is_span = gst_npu_memory_is_span;
  GST_OBJECT_FLAG_SET (self, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
  g_mutex_init (&self->lock);
}

GstAllocator *
gst_npu_allocator_new (GstNpuDevice * device)
{
  GstNpuAllocator *self;

  g_return_val_if_fail (GST_IS_NPU_DEVICE (device), NULL);
  self = g_object_new (GST_TYPE_NPU_ALLOCATOR, NULL);
  gst_object_ref_sink (self);
  self->device = gst_object_ref (device);
  return GST_ALLOCATOR (self);
}

void
gst_npu_allocator_get_counts (GstNpuAllocator * allocator,
    GstNpuMemoryCounts * counts)
{
  g_mutex_lock (&allocator->lock);
  *counts = allocator->counts;
  g_mutex_unlock (&allocator->lock);
}

gboolean
gst_is_npu_memory (GstMemory * memory)
{
  return memory && GST_IS_NPU_ALLOCATOR (memory->allocator);
}

gboolean
gst_npu_memory_is_unshared (GstMemory * memory)
{
  return !memory->parent && GST_MINI_OBJECT_REFCOUNT_VALUE (memory) == 1
      && gst_memory_is_writable (memory);
}

NpuBuffer *
gst_npu_memory_get_buffer (GstNpuMemory * memory)
{
  g_return_val_if_fail (gst_is_npu_memory (GST_MEMORY_CAST (memory)), NULL);
  return memory->priv->buffer;
}

gsize
gst_npu_memory_get_offset (GstNpuMemory * memory)
{
  g_return_val_if_fail (gst_is_npu_memory (GST_MEMORY_CAST (memory)), 0);
  return memory->priv->base + memory->mem.offset;
}

gpointer
gst_npu_memory_get_user_data (GstNpuMemory * memory)
{
  g_return_val_if_fail (gst_is_npu_memory (GST_MEMORY_CAST (memory)), NULL);
  return memory->priv->user_data;
}
