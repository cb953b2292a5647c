/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pool of buffers over a ring of log-mel frames: whoever fills them writes the
 * frames where the device needs them.
 */
#ifndef GST_NPU_RING_POOL_H
#define GST_NPU_RING_POOL_H

#include "gstnpumemory.h"

G_BEGIN_DECLS

/**
 * NpuFrameRing:
 * A ring of frames; defined by libnpu-core, opaque here.
 */
typedef struct NpuFrameRing NpuFrameRing;

#define GST_TYPE_NPU_RING_POOL (gst_npu_ring_pool_get_type ())
GST_NPU_API
G_DECLARE_FINAL_TYPE (GstNpuRingPool, gst_npu_ring_pool, GST, NPU_RING_POOL,
    GstBufferPool)

/**
 * gst_npu_ring_pool_new:
 * @device: whose memory @ring is
 * @ring: a reference is taken
 * @cover: frames that buffers on their way to the ring hold together at least
 *
 * A pool whose buffers are ranges of @ring, of as many frames as the size in
 * its configuration needs: it is rounded up to whole frames, and refused above
 * half the ring's capacity. There are as many buffers as @cover needs, and two
 * more, whatever the configuration asks for; they are made when the pool
 * becomes active. Each has one #GstNpuMemory, and no other is made as long as
 * consumers give buffers back.
 *
 * Where no range can be leased a buffer with memory apart from the ring is
 * handed out, and counted. A range stays leased until nobody has the buffer's
 * memory or a part of it. A buffer that returns while somebody has is given up
 * and made anew. Buffers that are out when the pool becomes inactive stay
 * valid.
 *
 * Returns: (transfer full): the pool
 */
GST_NPU_API
GstBufferPool *gst_npu_ring_pool_new (GstNpuDevice * device,
    NpuFrameRing * ring, guint cover);

/**
 * gst_npu_ring_pool_take_lease:
 * @ring: the ring that @buffer may lie in
 * @buffer: any buffer
 * @lease: (out): of type NpuRingLease; where in @ring the frames lie
 *
 * Asks whether @buffer's frames lie in @ring and were not taken yet; then they
 * are, and are to be committed before @buffer is given up. A copy of the
 * buffer's header does not matter, as long as it has the very same memory, from
 * its beginning on. The memory can be read, but not be written any more, by
 * anybody.
 *
 * Returns: %FALSE when the frames have to be copied
 */
GST_NPU_API
gboolean gst_npu_ring_pool_take_lease (NpuFrameRing * ring,
    GstBuffer * buffer, gpointer lease);

/**
 * gst_npu_ring_pool_get_detached:
 * @pool: a pool
 *
 * Returns: how many buffers apart from the ring were handed out; any thread
 */
GST_NPU_API
guint64 gst_npu_ring_pool_get_detached (GstNpuRingPool * pool);

/**
 * gst_npu_ring_pool_get_given_up:
 * @pool: a pool
 *
 * Returns: how many buffers came back while somebody kept their memory; any
 *     thread
 */
GST_NPU_API
guint64 gst_npu_ring_pool_get_given_up (GstNpuRingPool * pool);

G_END_DECLS

#endif
