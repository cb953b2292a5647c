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
 * @ring: of @device; a reference is taken
 * @cover: frames that buffers on their way to the ring hold together at least
 *
 * A pool whose buffers are consecutive ranges of @ring, of as many frames as
 * its configuration's size says. There are as many buffers as @cover needs,
 * and two more, whatever the configuration asks for; they are made when the
 * pool becomes active. Where the next range is still held by somebody, memory
 * apart from the ring is handed out.
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
 * are, and are to be committed. A copy of the buffer's header does not matter,
 * as long as it has the very same memory.
 *
 * Returns: %FALSE when the frames have to be copied
 */
GST_NPU_API
gboolean gst_npu_ring_pool_take_lease (NpuFrameRing * ring,
    GstBuffer * buffer, gpointer lease);

/**
 * gst_npu_ring_pool_get_detached:
 *
 * Returns: how many buffers apart from the ring were handed out; any thread
 */
GST_NPU_API
guint64 gst_npu_ring_pool_get_detached (GstNpuRingPool * pool);

G_END_DECLS

#endif
