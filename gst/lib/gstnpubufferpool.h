/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pool of buffers with device memory.
 */
#ifndef GST_NPU_BUFFER_POOL_H
#define GST_NPU_BUFFER_POOL_H

#include "gstnpumemory.h"

G_BEGIN_DECLS

#define GST_TYPE_NPU_BUFFER_POOL (gst_npu_buffer_pool_get_type ())
GST_NPU_API
G_DECLARE_FINAL_TYPE (GstNpuBufferPool, gst_npu_buffer_pool, GST,
    NPU_BUFFER_POOL, GstBufferPool)

/**
 * gst_npu_buffer_pool_new:
 *
 * A pool of buffers of one #GstNpuMemory each, allocated when it becomes
 * active: as many as its configuration's minimum. It grows to the maximum.
 *
 * Returns: (transfer full): the pool
 */
GST_NPU_API
GstBufferPool *gst_npu_buffer_pool_new (GstNpuDevice * device);

/**
 * gst_npu_buffer_pool_get_counts:
 * @allocated: (out) (optional): buffers that exist, since it became active
 * @grown: (out) (optional): of these, those beyond the minimum
 *
 * Any thread.
 */
GST_NPU_API
void gst_npu_buffer_pool_get_counts (GstNpuBufferPool * pool,
    guint64 * allocated, guint64 * grown);

G_END_DECLS

#endif
