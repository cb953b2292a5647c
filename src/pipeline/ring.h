/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Ring of log-mel frames in one device buffer. Frames are numbered from 0 as
 * they come and written once; every window that covers them shares them.
 */
#ifndef NPU_PIPELINE_RING_H
#define NPU_PIPELINE_RING_H

#include "device/device.h"

typedef struct NpuFrameRing NpuFrameRing;

/**
 * npu_ring_create:
 * Allocate a ring of @capacity frames of @bands float32 values; free it with
 * npu_ring_free(). Returns NPU_OK, NPU_EINVAL, NPU_ENOMEM.
 *
 * None of this header's functions locks: the caller sees to it that one thread
 * at a time uses a ring.
 */
NPU_API NpuStatus npu_ring_create (NpuDevice * device, uint32_t bands,
    uint32_t capacity, NpuFrameRing ** ring, NpuError * error);
NPU_API void npu_ring_free (NpuFrameRing * ring);

/**
 * npu_ring_reset:
 * Forget every frame; the next frame pushed gets number @first.
 */
NPU_API void npu_ring_reset (NpuFrameRing * ring, uint64_t first);

/**
 * npu_ring_push:
 * Copy up to @count frames into free space and make them visible to the
 * device. Returns how many fitted, 0 ... @count. Never allocates.
 */
NPU_API uint32_t npu_ring_push (NpuFrameRing * ring, const float *frames,
    uint32_t count);

/* Number of the oldest frame kept, and of the frame that comes next. */
NPU_API uint64_t npu_ring_oldest (const NpuFrameRing * ring);
NPU_API uint64_t npu_ring_newest (const NpuFrameRing * ring);
/* Frames that npu_ring_push() would take now. */
NPU_API uint32_t npu_ring_space (const NpuFrameRing * ring);

/**
 * npu_ring_trim:
 * Give up the frames before @first; beyond the newest, all are given up and
 * frames up to @first will be dropped as they come.
 */
NPU_API void npu_ring_trim (NpuFrameRing * ring, uint64_t first);

/**
 * npu_ring_view:
 * Describe @count frames from number @first as one or two ranges in order of
 * time. Returns NPU_OK, or NPU_EINVAL when some are not in the ring. The views
 * are valid until the frames are trimmed.
 */
NPU_API NpuStatus npu_ring_view (const NpuFrameRing * ring, uint64_t first,
    uint32_t count, NpuView views[2]);

/**
 * npu_ring_peak:
 * Returns the highest raw log-mel value of @count frames from @first that are
 * in the ring: -10 is digital silence.
 */
NPU_API float npu_ring_peak (const NpuFrameRing * ring, uint64_t first,
    uint32_t count);

#endif
