/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pool of device buffers. A buffer is asked for by name, size and memory group;
 * whoever asks for the same again, after it was released, gets the same buffer
 * back, with whatever it held. Buffers are allocated when the pool is made
 * (npu_buffer_pool_reserve()) or at the first request, never above the pool's
 * capacity.
 *
 * Example:
 *   NpuBufferPool *pool;
 *   NpuBuffer *input;
 *
 *   npu_buffer_pool_create (device, NPU_BUFFER_POOL_DEFAULT, &pool, &error);
 *   npu_buffer_pool_reserve (pool, "input", 12288, 0, 2, &error);
 *   npu_buffer_pool_acquire (pool, "input", 12288, 0, 0, &input, &error);
 *   ...
 *   npu_buffer_pool_release (pool, input);
 *   npu_buffer_pool_unref (pool);
 *
 * Every function may be called from any thread.
 */
#ifndef NPU_DEVICE_BUFFER_POOL_H
#define NPU_DEVICE_BUFFER_POOL_H

#include "device/device.h"

typedef struct NpuBufferPool NpuBufferPool;

/* Buffers that a pool holds unless its maker says otherwise. */
#define NPU_BUFFER_POOL_DEFAULT 8

/* Longest name of a buffer, without the end. */
#define NPU_BUFFER_NAME_LENGTH 31

typedef struct
{
  uint64_t allocations;         /* buffers created */
  uint64_t reuses;              /* requests served by a buffer that was there */
  uint64_t misses;              /* requests that had to create one after the
                                 * pool was reserved */
  uint64_t waits;               /* requests that waited for a release */
  uint64_t refusals;            /* requests that ended with NPU_EBUSY or
                                 * NPU_ETIMEDOUT */
  uint32_t in_use;
  uint32_t peak_in_use;
  size_t bytes;                 /* of all buffers that exist */
} NpuBufferPoolStatistics;

/**
 * npu_buffer_pool_create:
 * Make a pool of at most @capacity buffers on @device.
 *
 * @capacity  1 ... 1024
 * @pool      out; the caller's reference
 *
 * Returns NPU_OK, NPU_EINVAL, NPU_ENOMEM.
 */
NPU_API NpuStatus npu_buffer_pool_create (NpuDevice * device,
    uint32_t capacity, NpuBufferPool ** pool, NpuError * error);

/**
 * npu_buffer_pool_ref:
 * Returns @pool with one more reference.
 */
NPU_API NpuBufferPool *npu_buffer_pool_ref (NpuBufferPool * pool);

/**
 * npu_buffer_pool_unref:
 * Drop a reference; the last one frees the buffers that nobody has. Those that
 * are acquired stay valid until they are released with npu_buffer_unref().
 * NULL is ignored.
 */
NPU_API void npu_buffer_pool_unref (NpuBufferPool * pool);

/**
 * npu_buffer_pool_reserve:
 * Allocate @count buffers of this name, size and group beside those that
 * exist, so that acquiring them later allocates nothing. Free buffers of other
 * kinds make no room.
 *
 * @name   at most NPU_BUFFER_NAME_LENGTH bytes; copied
 * @size   bytes, not 0
 * @group  as in npu_buffer_create()
 *
 * Returns NPU_OK; NPU_EBUSY when the capacity does not allow it, NPU_EINVAL,
 * NPU_ENOMEM; then what was allocated before stays.
 */
NPU_API NpuStatus npu_buffer_pool_reserve (NpuBufferPool * pool,
    const char *name, size_t size, uint32_t group, uint32_t count,
    NpuError * error);

/**
 * npu_buffer_pool_acquire:
 * Take a buffer of exactly this name, size and group. One that was released is
 * taken again, of several the one released last; else one is created while the
 * capacity allows, if need be in place of a free buffer of another name, size
 * or group (the one that was free for the longest time).
 *
 * @timeout_ns  how long to wait for a release when all are in use: 0 fails at
 *              once, NPU_WAIT_FOREVER has no limit
 * @buffer      out; the caller's until npu_buffer_pool_release()
 *
 * Returns NPU_OK; NPU_EBUSY when it may not wait, NPU_ETIMEDOUT when it waited
 * in vain, both with a message that names the capacity; NPU_ECANCELED after
 * npu_buffer_pool_cancel(); NPU_EINVAL, NPU_ENOMEM. Never allocates where a
 * buffer was reserved or released.
 */
NPU_API NpuStatus npu_buffer_pool_acquire (NpuBufferPool * pool,
    const char *name, size_t size, uint32_t group, uint64_t timeout_ns,
    NpuBuffer ** buffer, NpuError * error);

/**
 * npu_buffer_pool_release:
 * Give @buffer back, which was acquired from @pool and is used by nobody.
 *
 * Returns NPU_OK, or NPU_EINVAL when the pool never handed it out or has it
 * back already (then nothing happens).
 */
NPU_API NpuStatus npu_buffer_pool_release (NpuBufferPool * pool,
    NpuBuffer * buffer);

/**
 * npu_buffer_pool_cancel:
 * While @cancel, make acquire calls that wait, and later ones that would,
 * return NPU_ECANCELED.
 */
NPU_API void npu_buffer_pool_cancel (NpuBufferPool * pool, bool cancel);

/**
 * npu_buffer_pool_statistics:
 * Copy the counters of @pool.
 */
NPU_API void npu_buffer_pool_statistics (NpuBufferPool * pool,
    NpuBufferPoolStatistics * statistics);

#endif
