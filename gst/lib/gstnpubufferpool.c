/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A GstBufferPool over the core's pool of device buffers: configure, start,
 * alloc_buffer, and a reset that knows memory which is held beyond its buffer.
 */
#include "gstnpubufferpool.h"

#include "device/buffer-pool.h"

GST_DEBUG_CATEGORY_STATIC (gst_npu_buffer_pool_debug);
#define GST_CAT_DEFAULT gst_npu_buffer_pool_debug

/* The core's limit; a pool without one of its own has this. The core's pool
 * always has it: memory that somebody keeps beyond its buffer lies there too,
 * while GstBufferPool counts buffers only. */
#define MOST_BUFFERS 1024
#define NAME "gst"

struct _GstNpuBufferPool
{
  GstBufferPool parent;

  GstNpuDevice *device;
  GstAllocator *allocator;
  NpuBufferPool *buffers;       /* since the last start; under object lock */
  guint size, min;
};

G_DEFINE_TYPE_WITH_CODE (GstNpuBufferPool, gst_npu_buffer_pool,
    GST_TYPE_BUFFER_POOL, GST_DEBUG_CATEGORY_INIT (gst_npu_buffer_pool_debug,
        "npubufferpool", 0, "pools of device memory"));

/* What memory of the pool keeps until it is gone. */
typedef struct
{
  NpuBufferPool *pool;
  NpuBuffer *buffer;
} Owner;

static void
give_back (gpointer data)
{
  Owner *owner = data;

  npu_buffer_pool_release (owner->pool, owner->buffer);
  npu_buffer_pool_unref (owner->pool);
  g_free (owner);
}

static gboolean
gst_npu_buffer_pool_set_config (GstBufferPool * pool, GstStructure * config)
{
  GstNpuBufferPool *self = GST_NPU_BUFFER_POOL (pool);
  const NpuDeviceInfo *info =
      npu_device_info (gst_npu_device_get_handle (self->device));
  GstAllocationParams params = { 0 };
  guint size, min, max;
  GstCaps *caps;

  gst_buffer_pool_config_get_allocator (config, NULL, &params);
  if (!gst_buffer_pool_config_get_params (config, &caps, &size, &min, &max)
      || size == 0 || min > MOST_BUFFERS
      || params.align >= info->buffer_alignment) {
    GST_WARNING_OBJECT (self, "cannot be set up by %" GST_PTR_FORMAT, config);
    return FALSE;
  }
  params.align = info->buffer_alignment - 1;
  params.prefix = params.padding = 0;
  self->size = size;
  self->min = min;
  max = max == 0 ? MOST_BUFFERS : MIN (max, MOST_BUFFERS);
  gst_buffer_pool_config_set_params (config, caps, size, min, max);
  gst_buffer_pool_config_set_allocator (config, self->allocator, &params);
  return GST_BUFFER_POOL_CLASS (gst_npu_buffer_pool_parent_class)->set_config
      (pool, config);
}

/* Swaps the core's pool: buffers of the old one that are still out keep it. */
static void
set_buffers (GstNpuBufferPool * self, NpuBufferPool * buffers)
{
  NpuBufferPool *old;

  GST_OBJECT_LOCK (self);
  old = self->buffers;
  self->buffers = buffers;
  GST_OBJECT_UNLOCK (self);
  npu_buffer_pool_unref (old);
}

static gboolean
gst_npu_buffer_pool_start (GstBufferPool * pool)
{
  GstNpuBufferPool *self = GST_NPU_BUFFER_POOL (pool);
  NpuBufferPool *buffers = NULL;
  NpuError error = { 0 };
  NpuStatus status;

  set_buffers (self, NULL);
  status = npu_buffer_pool_create (gst_npu_device_get_handle (self->device),
      MOST_BUFFERS, &buffers, &error);
  if (status == NPU_OK)
    status = npu_buffer_pool_reserve (buffers, NAME, self->size, 0, self->min,
        &error);
  if (status != NPU_OK) {
    GST_ERROR_OBJECT (self, "%s", error.message);
    npu_buffer_pool_unref (buffers);
    return FALSE;
  }
  set_buffers (self, buffers);
  return GST_BUFFER_POOL_CLASS (gst_npu_buffer_pool_parent_class)->start
      (pool);
}

static GstFlowReturn
gst_npu_buffer_pool_alloc_buffer (GstBufferPool * pool, GstBuffer ** buffer,
    GstBufferPoolAcquireParams * params)
{
  GstNpuBufferPool *self = GST_NPU_BUFFER_POOL (pool);
  NpuError error = { 0 };
  NpuBuffer *memory;
  NpuStatus status;
  Owner *owner;

  status = npu_buffer_pool_acquire (self->buffers, NAME, self->size, 0, 0,
      &memory, &error);
  if (status != NPU_OK) {
    GST_WARNING_OBJECT (self, "%s", error.message);
    /* what GstBufferPool says when there are no more */
    return status == NPU_EBUSY ? GST_FLOW_EOS : GST_FLOW_ERROR;
  }
  owner = g_new (Owner, 1);
  owner->pool = npu_buffer_pool_ref (self->buffers);
  owner->buffer = memory;
  *buffer = gst_buffer_new ();
  gst_buffer_append_memory (*buffer,
      gst_npu_allocator_wrap (GST_NPU_ALLOCATOR (self->allocator), memory, 0,
          self->size, give_back, owner));
  return GST_FLOW_OK;
}

/* Memory that somebody holds beyond its buffer is neither to be moved nor to be
 * written again: the flag makes GstBufferPool leave it and give the buffer up.
 */
static void
gst_npu_buffer_pool_reset_buffer (GstBufferPool * pool, GstBuffer * buffer)
{
  GstMemory *memory = gst_buffer_n_memory (buffer) == 1 ?
      gst_buffer_peek_memory (buffer, 0) : NULL;

  if (memory && gst_is_npu_memory (memory)
      && gst_npu_memory_is_unshared (memory))
    gst_npu_memory_forget_transfers (GST_NPU_MEMORY_CAST (memory));
  else
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_TAG_MEMORY);
  GST_BUFFER_POOL_CLASS (gst_npu_buffer_pool_parent_class)->reset_buffer
      (pool, buffer);
}

static void
gst_npu_buffer_pool_finalize (GObject * object)
{
  GstNpuBufferPool *self = GST_NPU_BUFFER_POOL (object);

  npu_buffer_pool_unref (self->buffers);
  gst_clear_object (&self->allocator);
  gst_clear_object (&self->device);
  G_OBJECT_CLASS (gst_npu_buffer_pool_parent_class)->finalize (object);
}

static void
gst_npu_buffer_pool_class_init (GstNpuBufferPoolClass * class)
{
  GstBufferPoolClass *pool_class = GST_BUFFER_POOL_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = gst_npu_buffer_pool_finalize;
  pool_class->set_config = gst_npu_buffer_pool_set_config;
  pool_class->start = gst_npu_buffer_pool_start;
  pool_class->alloc_buffer = gst_npu_buffer_pool_alloc_buffer;
  pool_class->reset_buffer = gst_npu_buffer_pool_reset_buffer;
}

static void
gst_npu_buffer_pool_init (GstNpuBufferPool * self)
{
}

GstBufferPool *
gst_npu_buffer_pool_new (GstNpuDevice * device)
{
  GstNpuBufferPool *self;

  g_return_val_if_fail (GST_IS_NPU_DEVICE (device), NULL);
  self = g_object_new (GST_TYPE_NPU_BUFFER_POOL, NULL);
  gst_object_ref_sink (self);
  self->device = gst_object_ref (device);
  self->allocator = gst_npu_allocator_new (device);
  return GST_BUFFER_POOL (self);
}

void
gst_npu_buffer_pool_get_counts (GstNpuBufferPool * pool, guint64 * allocated,
    guint64 * grown)
{
  NpuBufferPoolStatistics statistics = { 0 };

  g_return_if_fail (GST_IS_NPU_BUFFER_POOL (pool));

  GST_OBJECT_LOCK (pool);
  if (pool->buffers)
    npu_buffer_pool_statistics (pool->buffers, &statistics);
  GST_OBJECT_UNLOCK (pool);
  if (allocated)
    *allocated = statistics.allocations;
  if (grown)
    *grown = statistics.misses;
}
