/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Each buffer of the pool has one memory over the ring's whole slab. When it is
 * acquired a range is leased, and the memory is made to show that range; no
 * memory is made for it. The lease ends when nobody holds the memory: mostly
 * with the buffer's return, or later when a consumer keeps the memory beyond
 * the buffer, which then is given up and made anew when it is needed.
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

  GstAllocator *allocator;
  NpuFrameRing *ring;
  guint cover;
  GstBufferPool *apart;         /* memory of its own */
  guint size;                   /* bytes of a buffer */
  guint frames;                 /* in it */
  gint detached;                /* atomic: buffers of apart handed out */
  gint given_up;                /* atomic: buffers whose memory was kept */
};

/* Marks the buffers of a pool apart. */
static GQuark apart_quark;

G_DEFINE_TYPE_WITH_CODE (GstNpuRingPool, gst_npu_ring_pool,
    GST_TYPE_BUFFER_POOL,
    apart_quark = g_quark_from_static_string ("GstNpuRingPoolApart");
    GST_DEBUG_CATEGORY_INIT (gst_npu_ring_pool_debug,
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

/* The record of the only memory of @buffer; NULL where it has several, or one
 * that a pool over a ring did not make. */
static Record *
record_of (GstBuffer * buffer)
{
  GstMemory *memory;

  if (gst_buffer_n_memory (buffer) != 1)
    return NULL;
  memory = gst_buffer_peek_memory (buffer, 0);
  if (!gst_is_npu_memory (memory) || memory->parent)
    return NULL;
  return gst_npu_memory_get_user_data (GST_NPU_MEMORY_CAST (memory),
      free_record);
}

/* -------------------------------------------------------------- set up */

static gsize
frame_size (NpuFrameRing * ring)
{
  return npu_ring_bands (ring) * sizeof (gfloat);
}

static gboolean
gst_npu_ring_pool_set_config (GstBufferPool * pool, GstStructure * config)
{
  GstNpuRingPool *self = GST_NPU_RING_POOL (pool);
  gsize frame = frame_size (self->ring), frames;
  GstStructure *apart;
  GstCaps *caps;
  guint size, count;

  if (!gst_buffer_pool_config_get_params (config, &caps, &size, NULL, NULL)
      || size == 0) {
    GST_WARNING_OBJECT (self, "cannot be set up by %" GST_PTR_FORMAT, config);
    return FALSE;
  }
  frames = (size + frame - 1) / frame;
  if (frames > npu_ring_capacity (self->ring) / 2) {
    GST_WARNING_OBJECT (self, "%" G_GSIZE_FORMAT " frames are too many for a "
        "ring of %u", frames, npu_ring_capacity (self->ring));
    return FALSE;
  }
  self->frames = frames;
  self->size = frames * frame;
  count = (self->cover + self->frames - 1) / self->frames + MORE_BUFFERS;
  count = MIN (count, MOST_BUFFERS);
  gst_buffer_pool_config_set_params (config, caps, self->size, count, count);
  gst_buffer_pool_config_set_allocator (config, self->allocator, NULL);

  apart = gst_buffer_pool_get_config (self->apart);
  gst_buffer_pool_config_set_params (apart, caps, self->size, 0, count);
  return gst_buffer_pool_set_config (self->apart, apart)
      && GST_BUFFER_POOL_CLASS (gst_npu_ring_pool_parent_class)->set_config
      (pool, config);
}

static gboolean
gst_npu_ring_pool_start (GstBufferPool * pool)
{
  GstNpuRingPool *self = GST_NPU_RING_POOL (pool);

  if (!gst_buffer_pool_set_active (self->apart, TRUE))
    return FALSE;
  if (GST_BUFFER_POOL_CLASS (gst_npu_ring_pool_parent_class)->start (pool))
    return TRUE;
  gst_buffer_pool_set_active (self->apart, FALSE);
  return FALSE;
}

static gboolean
gst_npu_ring_pool_stop (GstBufferPool * pool)
{
  return gst_buffer_pool_set_active (GST_NPU_RING_POOL (pool)->apart, FALSE)
      && GST_BUFFER_POOL_CLASS (gst_npu_ring_pool_parent_class)->stop (pool);
}

/* Somebody may wait for a buffer apart. */
static void
gst_npu_ring_pool_flush_start (GstBufferPool * pool)
{
  gst_buffer_pool_set_flushing (GST_NPU_RING_POOL (pool)->apart, TRUE);
}

static void
gst_npu_ring_pool_flush_stop (GstBufferPool * pool)
{
  gst_buffer_pool_set_flushing (GST_NPU_RING_POOL (pool)->apart, FALSE);
}

static GstFlowReturn
gst_npu_ring_pool_alloc_buffer (GstBufferPool * pool, GstBuffer ** buffer,
    GstBufferPoolAcquireParams * params)
{
  GstNpuRingPool *self = GST_NPU_RING_POOL (pool);
  NpuBuffer *slab = npu_ring_slab (self->ring);
  Record *record = g_new0 (Record, 1);

  record->ring = npu_ring_ref (self->ring);
  *buffer = gst_buffer_new ();
  gst_buffer_append_memory (*buffer,
      gst_npu_allocator_wrap (GST_NPU_ALLOCATOR (self->allocator), slab, 0,
          npu_buffer_size (slab), free_record, record));
  gst_buffer_set_size (*buffer, self->size);
  return GST_FLOW_OK;
}

/* --------------------------------------------------- acquire, release */

/* A buffer of the inner pool. GstBufferPool makes it say that it is of this
 * pool; the inner one's reference is kept for it until it returns. */
static GstFlowReturn
acquire_apart (GstNpuRingPool * self, GstBuffer ** buffer,
    GstBufferPoolAcquireParams * params)
{
  GstFlowReturn flow =
      gst_buffer_pool_acquire_buffer (self->apart, buffer, params);

  if (flow == GST_FLOW_OK) {
    gst_mini_object_set_qdata (GST_MINI_OBJECT_CAST (*buffer), apart_quark,
        self->apart, NULL);
    g_atomic_int_inc (&self->detached);
  }
  return flow;
}

static void
release_apart (GstNpuRingPool * self, GstBuffer * buffer)
{
  buffer->pool = self->apart;
  gst_buffer_pool_release_buffer (self->apart, buffer);
}

/* Nobody else has @memory. What lies behind the range is not its owner's. */
static void
show_lease (GstNpuRingPool * self, GstMemory * memory,
    const NpuRingLease * lease)
{
  memory->maxsize = lease->offset + self->size;
  gst_memory_resize (memory, (gssize) lease->offset -
      (gssize) memory->offset, self->size);
  GST_MINI_OBJECT_FLAG_UNSET (memory, GST_MEMORY_FLAG_READONLY);
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
  record = record_of (*buffer);
  if (npu_ring_lease (self->ring, self->frames, &record->lease) != NPU_OK) {
    parent->release_buffer (pool, *buffer);
    *buffer = NULL;
    return acquire_apart (self, buffer, params);
  }
  g_atomic_int_set (&record->leased, TRUE);
  g_atomic_int_set (&record->taken, FALSE);
  show_lease (self, memory, &record->lease);
  return GST_FLOW_OK;
}

static gboolean
is_apart (GstBuffer * buffer)
{
  return gst_mini_object_get_qdata (GST_MINI_OBJECT_CAST (buffer),
      apart_quark) != NULL;
}

/* Before GstBufferPool makes the memory show the slab's beginning, which must
 * not happen to one that somebody else looks at. With the flag it does not, and
 * the buffer is given up; then the lease ends with the memory. */
static void
gst_npu_ring_pool_reset_buffer (GstBufferPool * pool, GstBuffer * buffer)
{
  GstNpuRingPool *self = GST_NPU_RING_POOL (pool);
  Record *record = record_of (buffer);

  if (gst_buffer_n_memory (buffer) != 1 || (!record && !is_apart (buffer))
      || !gst_npu_memory_is_unshared (gst_buffer_peek_memory (buffer, 0))) {
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_TAG_MEMORY);
    g_atomic_int_inc (&self->given_up);
  } else if (record) {
    gst_npu_memory_forget_transfers (GST_NPU_MEMORY_CAST
        (gst_buffer_peek_memory (buffer, 0)));
    end_lease (record);
  }
  GST_BUFFER_POOL_CLASS (gst_npu_ring_pool_parent_class)->reset_buffer (pool,
      buffer);
}

static void
gst_npu_ring_pool_release_buffer (GstBufferPool * pool, GstBuffer * buffer)
{
  if (is_apart (buffer))
    release_apart (GST_NPU_RING_POOL (pool), buffer);
  else
    GST_BUFFER_POOL_CLASS (gst_npu_ring_pool_parent_class)->release_buffer
        (pool, buffer);
}

gboolean
gst_npu_ring_pool_take_lease (NpuFrameRing * ring, GstBuffer * buffer,
    gpointer lease)
{
  Record *record;
  GstMemory *memory;

  g_return_val_if_fail (ring != NULL && lease != NULL, FALSE);
  g_return_val_if_fail (GST_IS_BUFFER (buffer), FALSE);

  record = record_of (buffer);
  if (!record || record->ring != ring || !g_atomic_int_get (&record->leased))
    return FALSE;
  memory = gst_buffer_peek_memory (buffer, 0);
  if (memory->offset != record->lease.offset
      || !g_atomic_int_compare_and_exchange (&record->taken, FALSE, TRUE))
    return FALSE;
  /* Whoever else has the buffer may get it for himself when the caller is done
   * with it, but the ring reads the frames until it has no use for them. */
  g_atomic_int_or ((guint *) & GST_MINI_OBJECT_FLAGS (memory),
      GST_MEMORY_FLAG_READONLY);
  *(NpuRingLease *) lease = record->lease;
  return TRUE;
}

guint64
gst_npu_ring_pool_get_detached (GstNpuRingPool * pool)
{
  g_return_val_if_fail (GST_IS_NPU_RING_POOL (pool), 0);

  return g_atomic_int_get (&pool->detached);
}

guint64
gst_npu_ring_pool_get_given_up (GstNpuRingPool * pool)
{
  g_return_val_if_fail (GST_IS_NPU_RING_POOL (pool), 0);

  return g_atomic_int_get (&pool->given_up);
}

/* --------------------------------------------------------------- object */

static void
gst_npu_ring_pool_finalize (GObject * object)
{
  GstNpuRingPool *self = GST_NPU_RING_POOL (object);

  gst_clear_object (&self->apart);
  gst_clear_object (&self->allocator);
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
  pool_class->flush_start = gst_npu_ring_pool_flush_start;
  pool_class->flush_stop = gst_npu_ring_pool_flush_stop;
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
  self->allocator = gst_npu_allocator_new (device);
  self->apart = gst_npu_buffer_pool_new (device);
  self->ring = npu_ring_ref (ring);
  self->cover = cover;
  return GST_BUFFER_POOL (self);
}
