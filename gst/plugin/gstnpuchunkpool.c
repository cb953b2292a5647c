/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * ALLOCATION query, configuration of the pools, and the choice between them.
 */
#include "gstnpuchunkpool.h"

GST_DEBUG_CATEGORY_STATIC (npu_chunk_pool_debug);
#define GST_CAT_DEFAULT npu_chunk_pool_debug

static void
init_debug (void)
{
  static gsize done = 0;

  if (g_once_init_enter (&done)) {
    GST_DEBUG_CATEGORY_INIT (npu_chunk_pool_debug, "npuchunkpool", 0,
        "pools of the elements' output");
    g_once_init_leave (&done, 1);
  }
}

/* What a pool is asked to be. */
typedef struct
{
  GstCaps *caps;
  guint size, min, max;
  gboolean has_allocator;
  GstAllocator *allocator;
  GstAllocationParams params;
} PoolRequest;

static gboolean
configure_pool (GstBufferPool * pool, const PoolRequest * request)
{
  GstStructure *config = gst_buffer_pool_get_config (pool);

  gst_buffer_pool_config_set_params (config, request->caps, request->size,
      request->min, request->max);
  if (request->has_allocator)
    gst_buffer_pool_config_set_allocator (config, request->allocator,
        &request->params);
  if (!gst_buffer_pool_set_config (pool, config)) {
    /* the pool may have a better idea */
    config = gst_buffer_pool_get_config (pool);
    if (!gst_buffer_pool_config_validate_params (config, request->caps,
            request->size, request->min, request->max)) {
      gst_structure_free (config);
      return FALSE;
    }
    if (!gst_buffer_pool_set_config (pool, config))
      return FALSE;
  }
  return gst_buffer_pool_set_active (pool, TRUE);
}

static GstBufferPool *
proposed_pool (GstQuery * query, PoolRequest * request)
{
  GstBufferPool *pool = NULL;
  guint size = 0;

  if (gst_query_get_n_allocation_pools (query) == 0)
    return NULL;
  gst_query_parse_nth_allocation_pool (query, 0, &pool, &size, &request->min,
      &request->max);
  request->size = MAX (request->size, size);
  if (pool && !configure_pool (pool, request)) {
    GST_WARNING_OBJECT (pool, "cannot be set up for %u bytes of %"
        GST_PTR_FORMAT, request->size, request->caps);
    gst_clear_object (&pool);
  }
  return pool;
}

gboolean
gst_npu_chunk_pool_negotiate (GstNpuChunkPool * self, GstPad * pad,
    GstCaps * caps, gsize size)
{
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  PoolRequest request = { .caps = caps, .size = size };
  GstNpuChunkPool old = *self;

  init_debug ();
  gst_allocation_params_init (&request.params);
  self->size = size;

  if (!gst_pad_peer_query (pad, query))
    GST_DEBUG_OBJECT (pad, "downstream has no wishes");
  if (gst_query_get_n_allocation_params (query) > 0) {
    request.has_allocator = TRUE;
    gst_query_parse_nth_allocation_param (query, 0, &request.allocator,
        &request.params);
  }
  self->proposed = proposed_pool (query, &request);
  gst_query_unref (query);

  request.size = size;
  request.min = request.max = 0;
  self->own = gst_buffer_pool_new ();
  if (!configure_pool (self->own, &request))
    gst_clear_object (&self->own);
  gst_clear_object (&request.allocator);
  if (old.proposed == self->proposed)
    /* still in use */
    gst_clear_object (&old.proposed);
  gst_npu_chunk_pool_clear (&old);
  GST_DEBUG_OBJECT (pad, "proposed pool %" GST_PTR_FORMAT, self->proposed);
  return self->own != NULL;
}

GstFlowReturn
gst_npu_chunk_pool_acquire (GstNpuChunkPool * self, GstBuffer ** buffer)
{
  GstBufferPoolAcquireParams params = { 0, };

  if (self->proposed) {
    params.flags = GST_BUFFER_POOL_ACQUIRE_FLAG_DONTWAIT;
    if (gst_buffer_pool_acquire_buffer (self->proposed, buffer,
            &params) == GST_FLOW_OK) {
      if (gst_buffer_get_size (*buffer) >= self->size)
        return GST_FLOW_OK;
      gst_clear_buffer (buffer);
    }
    self->misses++;
  }
  return gst_buffer_pool_acquire_buffer (self->own, buffer, NULL);
}

static void
give_up (GstBufferPool ** pool)
{
  if (*pool)
    gst_buffer_pool_set_active (*pool, FALSE);
  gst_clear_object (pool);
}

void
gst_npu_chunk_pool_clear (GstNpuChunkPool * self)
{
  give_up (&self->proposed);
  give_up (&self->own);
}
