/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where an element gets its output buffers from: the pool that downstream
 * proposes, without ever waiting for it, and a pool of its own beside it.
 */
#ifndef GST_NPU_CHUNK_POOL_H
#define GST_NPU_CHUNK_POOL_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct
{
  GstBufferPool *proposed;      /* downstream's; NULL where there is none */
  GstBufferPool *own;
  gsize size;
  guint64 misses;               /* buffers that the proposed pool lacked */
} GstNpuChunkPool;

/**
 * gst_npu_chunk_pool_negotiate:
 * @pad: the source pad
 * @caps: fixed caps, already set on @pad
 * @size: bytes of a buffer
 *
 * Asks downstream for a pool. What was negotiated before is given up; its
 * buffers may still be in use. Streaming thread.
 *
 * Returns: %FALSE when not even the own pool could be set up
 */
gboolean gst_npu_chunk_pool_negotiate (GstNpuChunkPool * self, GstPad * pad,
    GstCaps * caps, gsize size);

/**
 * gst_npu_chunk_pool_acquire:
 * @buffer: (out) (transfer full): a buffer of at least the size negotiated
 *
 * Never blocks. A buffer that the proposed pool cannot give now comes from
 * the own one and is counted. Streaming thread.
 */
GstFlowReturn gst_npu_chunk_pool_acquire (GstNpuChunkPool * self,
    GstBuffer ** buffer);

/* Give up the pools; @self may be negotiated again. The count stays. */
void gst_npu_chunk_pool_clear (GstNpuChunkPool * self);

G_END_DECLS

#endif
