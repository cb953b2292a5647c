/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Each buffer of the pool has one memory over the ring's whole slab. When it is
 * acquired a range is leased, and the memory is made to show that range; no
 * memory is made for it. The lease ends when nobody holds the memory: mostly
 * with the buffer's return, or later when a consumer keeps the memory beyond
 * the buffer.
 */
#include "gstnpuringpool.h"

#include "device/device.h"
#include "gstnpubufferpool.h"
#include "pipeline/ring.h"

GST_DEBUG_CATEGORY_STATIC (gst_npu_ring_pool_debug);
#define GST_CAT_DEFAULT gst_npu_ring_pool_debug

/* Beside those on their way, one that is filled and one that is taken. */
#define MORE_BUFFERS 2
#define MOST_BUFFERS (NPU_RING_LEASES / 2)

struct _GstNpuRingPool
{
  GstBufferPool parent;

  GstNpuDevice *device;
  GstAllocator *allocator;
  NpuFrameRing *ring;
  guint cover;
  GstBufferPool *apart;         /* memory of its own */
  guint size;                   /* bytes of a buffer */
  guint frames;                 /* in it */
  gint detached;                /* atomic: buffers of apart handed out */
};

G_DEFINE_TYPE_WITH_CODE (GstNpuRingPool, gst_npu_ring_pool,
    GST_TYPE_BUFFER_POOL, GST_DEBUG_CATEGORY_INIT (gst_npu_ring_pool_debug,
        "npuringpool", 0, "pools over rings of frames"));

/* What a memory over the slab knows. */
typedef struct
{
  NpuFrameRing *ring;
  NpuRingLease lease;
  gint leased;                  /* atomic */
  gint taken;                   /* atomic: its frames were committed */
} Record;

static void
end_lease (Record * record)
{
  if (g_atomic_int_compare_and_exchange (&record->leased, TRUE, FALSE))
    npu_ring_release (record->ring, &record->lease);
}

static void
free_record (gpointer data)
{
  Record *record = data;

  end_lease (record);
  npu_ring_unref (record->ring);
  g_free (record);
}

/* The record of @memory if it lies in a ring, which its owner tells. */
static Record *
record_of (GstMemory * memory, NpuFrameRing * ring)
{
  Record *record;

  if (!gst_is_npu_memory (memory)
      || gst_npu_memory_get_buffer (GST_NPU_MEMORY_CAST (memory)) !=
      npu_ring_slab (ring))
    return NULL;
  record = gst_npu_memory_get_user_data (GST_NPU_MEMORY_CAST (memory));
  return record;
}

/* -------------------------------------------------------------- set up */

static gsize
frame_size (GstNpuRingPool * self)
{
  return npu_ring_bands (self->ring) * sizeof (gfloat);
}

static gboolean
gst_npu_ring_pool_set_config (GstBufferPool * pool, GstStructure * config)
{
  GstNpuRingPool *self = GST_NPU_RING_POOL (pool);
  GstStructure *apart;
  GstCaps *caps;
  guint size, count;

  if (!gst_buffer_pool_config_get_params (config, &caps, &size, NULL, NULL)
      || size < frame_size (self)
      || size / frame_size (self) > npu_ring_capacity (self->ring) / 2) {
    GST_WARNING_OBJECT (self, "cannot be set up by %" GST_PTR_FORMAT, config);
    return FALSE;
  }
  self->size = size;
  self->frames = size / frame_size (self);
  count = (self->cover + self->frames - 1) / self->frames + MORE_BUFFERS;
  count = MIN (count, MOST_BUFFERS);
  gst_buffer_pool_config_set_params (config, caps, size, count, count);
  gst_buffer_pool_config_set_allocator (config, self->allocator, NULL);

  apart = gst_buffer_pool_get_config (self->apart);
  gst_buffer_pool_config_set_params (apart, caps, size, 0, count);
  return gst_buffer_pool_set_config (self->apart, apart)
      && GST_BUFFER_POOL_CLASS (gst_npu_ring_pool_parent_class)->set_config
      (pool, config);
}

static gboolean
gst_npu_ring_pool_start (GstBufferPool * pool)
{
  return gst_buffer_pool_set_active (GST_NPU_RING_POOL (pool)->apart, TRUE)
      && GST_BUFFER_POOL_CLASS (gst_npu_ring_pool_parent_class)->start (pool);
}

static gboolean
gst_npu_ring_pool_stop (GstBufferPool * pool)
{
  return gst_buffer_pool_set_active (GST_NPU_RING_POOL (pool)->apart, FALSE)
      && GST_BUFFER_POOL_CLASS (gst_npu_ring_pool_parent_class)->stop (pool);
}

static GstFlowReturn
gst_npu_ring_pool_alloc_buffer (GstBufferPool * pool, GstBuffer ** buffer,
    GstBufferPoolAcquireParams * params)
{
  GstNpuRingPool *self = GST_NPU_RING_POOL (pool);
  Record *record = g_new0 (Record, 1);
  NpuBuffer *slab = npu_ring_slab (self->ring);

  record->ring = npu_ring_ref (self->ring);
  *buffer = gst_buffer_new ();
  gst_buffer_append_memory (*buffer,
      gst_npu_allocator_wrap (GST_NPU_ALLOCATOR (self->allocator), slab, 0,
          npu_buffer_size (slab), free_record, record));
  gst_buffer_set_size (*buffer, self->size);
  GST_BUFFER_FLAG_UNSET (*buffer, GST_BUFFER_FLAG_TAG_MEMORY);
  return GST_FLOW_OK;
}

/* --------------------------------------------------- acquire, release */

/* A buffer of the inner pool. That pool's reference in the buffer becomes ours
 * until it returns, since the buffer now says that it is of this pool. */
static GstFlowReturn
acquire_apart (GstNpuRingPool * self, GstBuffer ** buffer,
    GstBufferPoolAcquireParams * params)
{
  GstFlowReturn flow =
      gst_buffer_pool_acquire_buffer (self->apart, buffer, params);

  if (flow == GST_FLOW_OK) {
    (*buffer)->pool = NULL;
    g_atomic_int_inc (&self->detached);
  }
  return flow;
}

static GstFlowReturn
gst_npu_ring_pool_acquire_buffer (GstBufferPool * pool, GstBuffer ** buffer,
    GstBufferPoolAcquireParams * params)
{
  GstBufferPoolClass *parent =
      GST_BUFFER_POOL_CLASS (gst_npu_ring_pool_parent_class);
  GstNpuRingPool *self = GST_NPU_RING_POOL (pool);
  GstFlowReturn flow = parent->acquire_buffer (pool, buffer, params);
  GstMemory *memory;
  Record *record;

  if (flow != GST_FLOW_OK)
    return flow;
  memory = gst_buffer_peek_memory (*buffer, 0);
  record = gst_npu_memory_get_user_data (GST_NPU_MEMORY_CAST (memory));
  if (npu_ring_lease (self->ring, self->frames, &record->lease) != NPU_OK) {
    parent->release_buffer (pool, *buffer);
    *buffer = NULL;
    return acquire_apart (self, buffer, params);
  }
  g_atomic_int_set (&record->leased, TRUE);
  g_atomic_int_set (&record->taken, FALSE);
  gst_memory_resize (memory, (gssize) record->lease.offset -
      (gssize) memory->offset, self->size);
  return GST_FLOW_OK;
}

/* As GstNpuBufferPool does; and the memory of a buffer that comes back has to
 * show its range until the lease ends. */
static void
gst_npu_ring_pool_reset_buffer (GstBufferPool * pool, GstBuffer * buffer)
{
  gboolean unshared = gst_buffer_n_memory (buffer) == 1
      && gst_npu_memory_is_unshared (gst_buffer_peek_memory (buffer, 0));

  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_TAG_MEMORY);
  GST_BUFFER_POOL_CLASS (gst_npu_ring_pool_parent_class)->reset_buffer
      (pool, buffer);
  if (unshared)
    GST_BUFFER_FLAG_UNSET (buffer, GST_BUFFER_FLAG_TAG_MEMORY);
  else
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_TAG_MEMORY);
}

static void
gst_npu_ring_pool_release_buffer (GstBufferPool * pool, GstBuffer * buffer)
{
  GstNpuRingPool *self = GST_NPU_RING_POOL (pool);
  GstMemory *memory = gst_buffer_n_memory (buffer) == 1 ?
      gst_buffer_peek_memory (buffer, 0) : NULL;
  Record *record = memory ? record_of (memory, self->ring) : NULL;

  if (memory && !record) {
    buffer->pool = self->apart;
    gst_buffer_pool_release_buffer (self->apart, buffer);
    return;
  }
  if (record && gst_npu_memory_is_unshared (memory)) {
    gst_npu_memory_forget_transfers (GST_NPU_MEMORY_CAST (memory));
    end_lease (record);
  }
  /* else somebody holds the memory: the buffer is given up, and the lease ends
   * with the memory */
  GST_BUFFER_POOL_CLASS (gst_npu_ring_pool_parent_class)->release_buffer
      (pool, buffer);
}

gboolean
gst_npu_ring_pool_take_lease (NpuFrameRing * ring, GstBuffer * buffer,
    gpointer lease)
{
  GstMemory *memory = gst_buffer_n_memory (buffer) == 1 ?
      gst_buffer_peek_memory (buffer, 0) : NULL;
  Record *record = memory && !memory->parent ? record_of (memory, ring) : NULL;

  if (!record || record->ring != ring
      || !g_atomic_int_get (&record->leased)
      || memory->offset != record->lease.offset
      || memory->size / (npu_ring_bands (ring) * sizeof (gfloat)) >
      record->lease.frames
      || !g_atomic_int_compare_and_exchange (&record->taken, FALSE, TRUE))
    return FALSE;
  *(NpuRingLease *) lease = record->lease;
  return TRUE;
}

guint64
gst_npu_ring_pool_get_detached (GstNpuRingPool * pool)
{
  return g_atomic_int_get (&pool->detached);
}

/* --------------------------------------------------------------- object */

static void
gst_npu_ring_pool_finalize (GObject * object)
{
  GstNpuRingPool *self = GST_NPU_RING_POOL (object);

  gst_clear_object (&self->apart);
  gst_clear_object (&self->allocator);
  gst_clear_object (&self->device);
  npu_ring_unref (self->ring);
  G_OBJECT_CLASS (gst_npu_ring_pool_parent_class)->finalize (object);
}

static void
gst_npu_ring_pool_class_init (GstNpuRingPoolClass * class)
{
  GstBufferPoolClass *pool_class = GST_BUFFER_POOL_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = gst_npu_ring_pool_finalize;
  pool_class->set_config = gst_npu_ring_pool_set_config;
  pool_class->start = gst_npu_ring_pool_start;
  pool_class->stop = gst_npu_ring_pool_stop;
  pool_class->alloc_buffer = gst_npu_ring_pool_alloc_buffer;
  pool_class->acquire_buffer = gst_npu_ring_pool_acquire_buffer;
  pool_class->reset_buffer = gst_npu_ring_pool_reset_buffer;
  pool_class->release_buffer = gst_npu_ring_pool_release_buffer;
}

static void
gst_npu_ring_pool_init (GstNpuRingPool * self)
{
}

GstBufferPool *
gst_npu_ring_pool_new (GstNpuDevice * device, NpuFrameRing * ring, guint cover)
{
  GstNpuRingPool *self;

  g_return_val_if_fail (GST_IS_NPU_DEVICE (device) && ring, NULL);
  self = g_object_new (GST_TYPE_NPU_RING_POOL, NULL);
  gst_object_ref_sink (self);
  self->device = gst_object_ref (device);
  self->allocator = gst_npu_allocator_new (device);
  self->apart = gst_npu_buffer_pool_new (device);
  self->ring = npu_ring_ref (ring);
  self->cover = cover;
  return GST_BUFFER_POOL (self);
}
