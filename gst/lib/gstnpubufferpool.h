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
 * @device: whose memory the buffers have
 *
 * A pool of buffers of one #GstNpuMemory each, of the configuration's size,
 * aligned as the device wants it. As many as the configuration's minimum are
 * allocated when the pool becomes active; it grows to the maximum, or to 1024
 * where there is none, which is then set. Prefix and padding are not made; an
 * alignment beyond the device's is refused. Buffers that are out when the pool
 * becomes inactive stay valid.
 *
 * Returns: (transfer full): the pool
 */
GST_NPU_API
GstBufferPool *gst_npu_buffer_pool_new (GstNpuDevice * device);

/**
 * gst_npu_buffer_pool_get_counts:
 * @pool: a pool
 * @allocated: (out) (optional): buffers that were allocated, since it became
 *     active
 * @grown: (out) (optional): of these, those beyond the minimum
 *
 * Any thread.
 */
GST_NPU_API
void gst_npu_buffer_pool_get_counts (GstNpuBufferPool * pool,
    guint64 * allocated, guint64 * grown);

G_END_DECLS

#endif
