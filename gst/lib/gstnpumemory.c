/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Device memory with what is pending on it: a sorted list of ranges, each to be
 * moved in one direction. Parts of a memory use their parent's list, so that
 * whoever maps any of them finds what is pending there.
 */
#include "gstnpumemory.h"

#include <string.h>

#include "device/device.h"

GST_DEBUG_CATEGORY_STATIC (gst_npu_memory_debug);
#define GST_CAT_DEFAULT gst_npu_memory_debug

/* Ranges that a list holds before it grows. Whoever maps all of a memory, or
 * one part after another, needs one. */
#define USUAL_RANGES 4

/* Said of a whole memory only, not of its parts. */
#define TRANSFER_FLAGS ((guint) GST_NPU_MEMORY_TRANSFER_NEED_UPLOAD \
    | (guint) GST_NPU_MEMORY_TRANSFER_NEED_DOWNLOAD)

/* Bytes from the memory's beginning that have to be moved. */
typedef struct
{
  gsize start;
  gsize end;
  NpuSyncDirection direction;
} Pending;

/* Shared by a memory and its parts. */
struct _GstNpuMemoryPrivate
{
  GMutex lock;                  /* guards the list */
  GArray *pending;              /* of Pending: in order, apart */

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

/* ------------------------------------------------- what is pending */

static Pending *
pending_at (GArray * pending, guint index)
{
  return &g_array_index (pending, Pending, index);
}

/* Nothing is to be moved between @start and @end. */
static void
pending_remove (GArray * pending, gsize start, gsize end)
{
  guint i = 0;

  while (i < pending->len && pending_at (pending, i)->start < end) {
    Pending *range = pending_at (pending, i);
    Pending behind = *range;

    behind.start = end;
    if (range->end <= start) {
      i++;
    } else if (range->start < start) {
      range->end = start;
      if (behind.start < behind.end)
        g_array_insert_val (pending, i + 1, behind);
      i++;
    } else if (behind.start < behind.end) {
      *range = behind;
    } else {
      g_array_remove_index (pending, i);
    }
  }
}

/* The last who wrote is right: @added takes the place of what was pending. */
static void
pending_add (GArray * pending, Pending added)
{
  guint i = 0;

  if (added.start >= added.end)
    return;
  pending_remove (pending, added.start, added.end);
  while (i < pending->len && pending_at (pending, i)->start < added.start)
    i++;
  if (i < pending->len && pending_at (pending, i)->start == added.end
      && pending_at (pending, i)->direction == added.direction) {
    added.end = pending_at (pending, i)->end;
    g_array_remove_index (pending, i);
  }
  if (i > 0 && pending_at (pending, i - 1)->end == added.start
      && pending_at (pending, i - 1)->direction == added.direction)
    pending_at (pending, i - 1)->end = added.end;
  else
    g_array_insert_val (pending, i, added);
}

/* Returns the first piece of @wanted that is pending in its direction; empty
 * where there is none. */
static Pending
pending_find (GArray * pending, Pending wanted)
{
  guint i;

  for (i = 0; i < pending->len; i++) {
    const Pending *range = pending_at (pending, i);

    if (range->direction == wanted.direction && range->end > wanted.start
        && range->start < wanted.end) {
      wanted.start = MAX (range->start, wanted.start);
      wanted.end = MIN (range->end, wanted.end);
      return wanted;
    }
  }
  wanted.end = wanted.start;
  return wanted;
}

/* ---------------------------------------------------------- transfers */

static GstMemory *
root_of (GstMemory * memory)
{
  return memory->parent ? memory->parent : memory;
}

/* For atomic use, since threads that share a memory look at its flags. */
static guint *
flags_of (GstMemory * memory)
{
  return (guint *) & GST_MINI_OBJECT_FLAGS (memory);
}

static void
set_flag (GstMemory * memory, GstNpuMemoryTransfer flag, gboolean set)
{
  if (set)
    g_atomic_int_or (flags_of (memory), flag);
  else
    g_atomic_int_and (flags_of (memory), ~(guint) flag);
}

/* With the lock held. */
static void
update_flags (GstMemory * memory)
{
  GArray *pending = GST_NPU_MEMORY_CAST (memory)->priv->pending;
  gboolean upload = FALSE, download = FALSE;
  guint i;

  for (i = 0; i < pending->len; i++) {
    if (pending_at (pending, i)->direction == NPU_SYNC_TO_DEVICE)
      upload = TRUE;
    else
      download = TRUE;
  }
  set_flag (root_of (memory), GST_NPU_MEMORY_TRANSFER_NEED_UPLOAD, upload);
  set_flag (root_of (memory), GST_NPU_MEMORY_TRANSFER_NEED_DOWNLOAD, download);
}

static void
count_transfer (GstNpuAllocator * self, const Pending * moved)
{
  g_mutex_lock (&self->lock);
  if (moved->direction == NPU_SYNC_TO_DEVICE) {
    self->counts.uploads++;
    self->counts.uploaded_bytes += moved->end - moved->start;
  } else {
    self->counts.downloads++;
    self->counts.downloaded_bytes += moved->end - moved->start;
  }
  g_mutex_unlock (&self->lock);
}

/* With the lock held: move what is pending of @memory in one direction. */
static NpuStatus
transfer (GstMemory * memory, NpuSyncDirection direction)
{
  GstNpuAllocator *self = GST_NPU_ALLOCATOR (memory->allocator);
  GstNpuMemoryPrivate *priv = GST_NPU_MEMORY_CAST (memory)->priv;
  const Pending wanted = {
    .start = memory->offset,
    .end = memory->offset + memory->size,
    .direction = direction,
  };
  NpuStatus status = NPU_OK;
  Pending piece;

  for (piece = pending_find (priv->pending, wanted); piece.start < piece.end;
      piece = pending_find (priv->pending, wanted)) {
    status = npu_buffer_sync (priv->buffer, direction,
        priv->base + piece.start, piece.end - piece.start);
    if (status != NPU_OK) {
      GST_ERROR_OBJECT (self, "%" G_GSIZE_FORMAT " bytes could not be moved "
          "%s the device: %s", piece.end - piece.start,
          direction == NPU_SYNC_TO_DEVICE ? "to" : "from",
          npu_status_name (status));
      break;
    }
    pending_remove (priv->pending, piece.start, piece.end);
    count_transfer (self, &piece);
  }
  update_flags (memory);
  return status;
}

static gpointer
gst_npu_memory_map (GstMemory * memory, GstMapInfo * info, gsize maxsize)
{
  GstNpuMemoryPrivate *priv = GST_NPU_MEMORY_CAST (memory)->priv;
  NpuStatus status;

  g_mutex_lock (&priv->lock);
  status = transfer (memory, info->flags & GST_MAP_NPU ? NPU_SYNC_TO_DEVICE :
      NPU_SYNC_FROM_DEVICE);
  g_mutex_unlock (&priv->lock);
  if (status != NPU_OK)
    return NULL;
  return (guint8 *) npu_buffer_host (priv->buffer) + priv->base;
}

/* By what was mapped, not by what the memory shows now: it may have been
 * resized meanwhile. */
static void
gst_npu_memory_unmap (GstMemory * memory, GstMapInfo * info)
{
  GstNpuMemoryPrivate *priv = GST_NPU_MEMORY_CAST (memory)->priv;
  guint8 *first = (guint8 *) npu_buffer_host (priv->buffer) + priv->base;
  gsize start = info->data - first;
  const Pending written = {
    .start = start,
    .end = start + info->size,
    .direction = info->flags & GST_MAP_NPU ? NPU_SYNC_FROM_DEVICE :
        NPU_SYNC_TO_DEVICE,
  };

  if (!(info->flags & GST_MAP_WRITE))
    return;
  g_mutex_lock (&priv->lock);
  pending_add (priv->pending, written);
  update_flags (memory);
  g_mutex_unlock (&priv->lock);
}

gboolean
gst_npu_memory_sync (GstNpuMemory * memory, GError ** error)
{
  GstMemory *mem = GST_MEMORY_CAST (memory);
  NpuStatus status;

  g_return_val_if_fail (gst_is_npu_memory (mem), FALSE);

  g_mutex_lock (&memory->priv->lock);
  status = transfer (mem, NPU_SYNC_TO_DEVICE);
  if (status == NPU_OK)
    status = transfer (mem, NPU_SYNC_FROM_DEVICE);
  g_mutex_unlock (&memory->priv->lock);
  if (status != NPU_OK)
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SYNC,
        "Memory could not be moved to or from the device %s (%s); "
        "open the device again.",
        gst_npu_device_get_name (gst_npu_memory_get_device (memory)),
        npu_status_name (status));
  return status == NPU_OK;
}

void
gst_npu_memory_forget_transfers (GstNpuMemory * memory)
{
  g_return_if_fail (gst_is_npu_memory (GST_MEMORY_CAST (memory)));

  g_mutex_lock (&memory->priv->lock);
  g_array_set_size (memory->priv->pending, 0);
  update_flags (GST_MEMORY_CAST (memory));
  g_mutex_unlock (&memory->priv->lock);
}

/* ------------------------------------------------------------- memory */

/* What is sure about the address @base bytes into a buffer, as GStreamer
 * writes alignments. */
static gsize
alignment_at (GstNpuAllocator * self, gsize base)
{
  gsize alignment =
      npu_device_info (gst_npu_device_get_handle (self->device))->
      buffer_alignment;

  while (base % alignment != 0)
    alignment /= 2;
  return alignment - 1;
}

/* Takes a reference to @buffer. */
static GstMemory *
new_memory (GstNpuAllocator * self, GstMemoryFlags flags, NpuBuffer * buffer,
    gsize base, gsize maxsize, gsize offset, gsize size)
{
  GstNpuMemory *memory = g_new0 (GstNpuMemory, 1);

  memory->priv = g_new0 (GstNpuMemoryPrivate, 1);
  g_mutex_init (&memory->priv->lock);
  memory->priv->pending = g_array_sized_new (FALSE, FALSE, sizeof (Pending),
      USUAL_RANGES);
  memory->priv->buffer = npu_buffer_ref (buffer);
  memory->priv->base = base;
  gst_memory_init (GST_MEMORY_CAST (memory), flags, GST_ALLOCATOR (self), NULL,
      maxsize, alignment_at (self, base), offset, size);
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
    g_array_unref (priv->pending);
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
  gst_memory_init (GST_MEMORY_CAST (part),
      (g_atomic_int_get (flags_of (memory)) & ~TRANSFER_FLAGS)
      | GST_MEMORY_FLAG_READONLY, memory->allocator,
      root_of (memory), memory->maxsize, memory->align,
      memory->offset + offset, size);
  COUNT (self, shared);
  COUNT (self, live);
  return GST_MEMORY_CAST (part);
}

/* By way of the host, which every device has. */
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

/* Both are parts of one memory: GStreamer has looked. */
static gboolean
gst_npu_memory_is_span (GstMemory * a, GstMemory * b, gsize * offset)
{
  if (offset)
    *offset = a->offset - a->parent->offset;
  return a->offset + a->size == b->offset;
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
  g_return_if_fail (GST_IS_NPU_ALLOCATOR (allocator) && counts != NULL);

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

GstNpuDevice *
gst_npu_memory_get_device (GstNpuMemory * memory)
{
  g_return_val_if_fail (gst_is_npu_memory (GST_MEMORY_CAST (memory)), NULL);
  return GST_NPU_ALLOCATOR (memory->mem.allocator)->device;
}

gsize
gst_npu_memory_get_offset (GstNpuMemory * memory)
{
  g_return_val_if_fail (gst_is_npu_memory (GST_MEMORY_CAST (memory)), 0);
  return memory->priv->base + memory->mem.offset;
}

gpointer
gst_npu_memory_get_user_data (GstNpuMemory * memory, GDestroyNotify notify)
{
  g_return_val_if_fail (gst_is_npu_memory (GST_MEMORY_CAST (memory)), NULL);
  return memory->priv->notify == notify ? memory->priv->user_data : NULL;
}
