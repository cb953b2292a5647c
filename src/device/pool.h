/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The threads of a device that computes on the host. One user at a time holds
 * the pool, in the order of asking, and deals chunks of work to all threads,
 * itself one of them.
 */
#ifndef NPU_DEVICE_POOL_H
#define NPU_DEVICE_POOL_H

#include "base/status.h"

#include <stdint.h>

typedef struct NpuPool NpuPool;

/* Does chunk @chunk; @worker is below the pool's number of threads and differs
 * for chunks that run at the same time. */
typedef void (*NpuPoolFunc) (void *user, uint32_t chunk, uint32_t worker);

/**
 * npu_pool_create:
 * Start a pool of @threads threads, of which the one that calls npu_pool_run()
 * is the first.
 *
 * Returns NULL when memory or threads run out. May block.
 */
NpuPool *npu_pool_create (uint32_t threads);

/**
 * npu_pool_free:
 * Join the threads; nobody holds the pool. NULL is ignored.
 */
void npu_pool_free (NpuPool * pool);

/**
 * npu_pool_acquire:
 * Wait until it is this thread's turn to use the pool.
 */
void npu_pool_acquire (NpuPool * pool);

/**
 * npu_pool_release:
 * Let the next one have the pool.
 */
void npu_pool_release (NpuPool * pool);

/**
 * npu_pool_run:
 * Call @func for chunks 0 ... @chunks - 1 and return when all are done.
 *
 * The caller holds the pool. Which thread does which chunk differs from run to
 * run. What the chunks wrote is visible to the caller. @func must not use the
 * pool. Never allocates.
 */
void npu_pool_run (NpuPool * pool, uint32_t chunks, NpuPoolFunc func,
    void *user);

#endif
