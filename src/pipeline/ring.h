/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Ring of log-mel frames in one device buffer (the slab). Frames are numbered
 * from 0 as they come and written once; every window that covers them shares
 * them, and only those that the device has not got yet are uploaded.
 *
 * Frames come in two ways. npu_ring_push() copies them. Or somebody leases a
 * range of the slab, writes frames there and commits them: then nothing is
 * copied. A lease lasts until it is released, however long after the commit
 * (a tee or an appsink may hold the memory); no range is leased or written
 * again before, nor while the ring keeps a frame of it.
 *
 * The slab has two areas. Leases are cut from the first one, twice as large as
 * the capacity, one behind another; a range that does not fit before its end
 * starts at its beginning, and ranges in use are jumped over. The second one,
 * as large as the capacity, is never leased: frame n has a place of its own
 * there, n modulo the capacity. Pushed frames go to their own places, so that
 * leases, were all of them held for ever, cannot stop them. A window has at
 * most two ranges: where its frames lie in more, because a lease was jumped
 * over or pushed and leased frames come in turn, npu_ring_view() copies those
 * of the first area to their own places, and counts them. No frame is copied
 * twice. As long as frames come by leases of one size, committed in order and
 * whole, and none is held for much longer than its frames are kept, nothing is
 * ever copied.
 *
 * Every function may be called from any thread; those that say so expect one
 * thread at a time in a sequence of calls. None but npu_ring_create()
 * allocates, none waits for anything but the ring's lock, which is held for a
 * copy of one capacity of frames at most; but npu_ring_upload() transfers.
 */
#ifndef NPU_PIPELINE_RING_H
#define NPU_PIPELINE_RING_H

#include "device/device.h"

typedef struct NpuFrameRing NpuFrameRing;

/* Leases that can be out (not released) at a time. */
#define NPU_RING_LEASES 1024

/* A range of the slab that somebody may write. */
typedef struct
{
  uint32_t id;                  /* private */
  uint32_t frames;
  size_t offset;                /* bytes from the slab's start */
} NpuRingLease;

typedef struct
{
  uint64_t frames_in_place;     /* committed where they had been written */
  uint64_t frames_copied;       /* pushed, or copied for a view */
  uint64_t copies;              /* pushes and views that had to copy */
  uint64_t refused_leases;      /* no range was free, or no lease */
  uint64_t uploaded_bytes;      /* that npu_ring_to_upload() described */
} NpuRingStatistics;

/**
 * npu_ring_create:
 * Allocate a ring that keeps up to @capacity frames of @bands float32 values.
 * Its slab has room for three times as many.
 *
 * @bands     a multiple of 16
 * @capacity  1 ... 2^30
 * @ring      out; the caller's reference
 *
 * Returns NPU_OK, NPU_EINVAL, NPU_ENOMEM.
 */
NPU_API NpuStatus npu_ring_create (NpuDevice * device, uint32_t bands,
    uint32_t capacity, NpuFrameRing ** ring, NpuError * error);

/**
 * npu_ring_ref:
 * Returns @ring with one more reference.
 */
NPU_API NpuFrameRing *npu_ring_ref (NpuFrameRing * ring);

/**
 * npu_ring_unref:
 * Drop a reference; the last one frees the ring. NULL is ignored.
 */
NPU_API void npu_ring_unref (NpuFrameRing * ring);

/* The slab, valid as long as the ring; the values of a frame; how many frames
 * can be kept. */
NPU_API NpuBuffer *npu_ring_slab (const NpuFrameRing * ring);
NPU_API uint32_t npu_ring_bands (const NpuFrameRing * ring);
NPU_API uint32_t npu_ring_capacity (const NpuFrameRing * ring);

/**
 * npu_ring_reset:
 * Forget every frame, and what npu_ring_trim() wanted; the next frame gets
 * number @first. Views end. Leases stay: those that are not committed can be,
 * those that are held are not written.
 */
NPU_API void npu_ring_reset (NpuFrameRing * ring, uint64_t first);

/**
 * npu_ring_push:
 * Copy up to @count frames behind the newest. Returns how many fitted, the
 * lesser of @count and npu_ring_space(), whatever is leased.
 */
NPU_API uint32_t npu_ring_push (NpuFrameRing * ring, const float *frames,
    uint32_t count);

/**
 * npu_ring_lease:
 * Reserve a range of @frames frames, behind the one leased last where that is
 * free. Of leases of one size that are committed and released in order, none
 * is refused while those out of which no frame is kept (not yet, or not any
 * more) have, with twice this one's frames, no more than the capacity.
 *
 * Returns NPU_OK; NPU_EBUSY when no range is free (frames kept, or leases not
 * released) or NPU_RING_LEASES are out, NPU_EINVAL when @frames is 0 or above
 * the capacity. Both without a message: neither is an error of anybody's.
 */
NPU_API NpuStatus npu_ring_lease (NpuFrameRing * ring, uint32_t frames,
    NpuRingLease * lease);

/**
 * npu_ring_commit:
 * @frames frames of @lease, behind its first @skip ones, have been written and
 * come next in the stream. From now on nobody may write them. Leases may be
 * committed in any order; what comes next is what is committed next. What is
 * never committed of a range can be leased again when it is released.
 *
 * Returns how many fitted, the lesser of @frames and npu_ring_space(): when
 * there is space again, call again with @skip greater by that number and
 * @frames less. 0 also when this is nonsense: @skip below what was committed,
 * or @frames beyond the lease's end, or a lease that was released.
 */
NPU_API uint32_t npu_ring_commit (NpuFrameRing * ring,
    const NpuRingLease * lease, uint32_t skip, uint32_t frames);

/**
 * npu_ring_release:
 * Nobody reads or writes through @lease any more. Frames that were committed
 * stay in the ring; their places are leased again when they are trimmed. A
 * lease that was released already is ignored.
 */
NPU_API void npu_ring_release (NpuFrameRing * ring,
    const NpuRingLease * lease);

/* Number of the oldest frame kept, and of the frame that comes next. */
NPU_API uint64_t npu_ring_oldest (const NpuFrameRing * ring);
NPU_API uint64_t npu_ring_newest (const NpuFrameRing * ring);
/* Frames that npu_ring_push() and npu_ring_commit() would take now: the
 * capacity less those kept, and those that would be dropped. */
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
 * time; rows are 0 where there are fewer. May copy frames to their own places.
 *
 * Returns NPU_OK, or NPU_EINVAL when some are not in the ring. The views are
 * valid until the frames are trimmed, even where a later view has copied them.
 * What npu_ring_to_upload() describes next must reach the device before it
 * reads them: one thread at a time from here to the end of that.
 */
NPU_API NpuStatus npu_ring_view (NpuFrameRing * ring, uint64_t first,
    uint32_t count, NpuView views[2]);

/**
 * npu_ring_to_upload:
 * Describe frames before number @end that the device has not got yet, as up to
 * two ranges; rows are 0 where there are fewer. They count as uploaded from
 * now on: the caller syncs them to the device, and calls again while there are
 * more. A frame is described once, and once more after a view copied it.
 *
 * Returns whether there are more ranges than two.
 */
NPU_API bool npu_ring_to_upload (NpuFrameRing * ring, uint64_t end,
    NpuView views[2]);

/**
 * npu_ring_upload:
 * Sync all that npu_ring_to_upload() describes. For callers that need not
 * measure or schedule the transfer.
 *
 * Returns NPU_OK, or the device's error; the frames count as uploaded all the
 * same. May block for the transfer.
 */
NPU_API NpuStatus npu_ring_upload (NpuFrameRing * ring, uint64_t end,
    NpuError * error);

/**
 * npu_ring_peak:
 * Returns the highest raw log-mel value of @count frames from @first that are
 * in the ring: -10 is digital silence.
 */
NPU_API float npu_ring_peak (const NpuFrameRing * ring, uint64_t first,
    uint32_t count);

/**
 * npu_ring_statistics:
 * Copy the counters of @ring.
 */
NPU_API void npu_ring_statistics (const NpuFrameRing * ring,
    NpuRingStatistics * statistics);

#endif
