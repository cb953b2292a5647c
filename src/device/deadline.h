/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Waiting for a condition no longer than until a moment on the monotonic clock.
 * Private to the core.
 */
#ifndef NPU_DEVICE_DEADLINE_H
#define NPU_DEVICE_DEADLINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* A moment, or never. */
typedef struct
{
  bool limited;
  struct timespec time;
} NpuDeadline;

/**
 * npu_condition_init:
 * Make @condition one whose waits are measured on the monotonic clock.
 */
void npu_condition_init (pthread_cond_t * condition);

/**
 * npu_deadline_at:
 * Returns the moment @ns on the clock of npu_monotonic_now(); what the system's
 * times cannot say is never.
 */
NpuDeadline npu_deadline_at (uint64_t ns);

/**
 * npu_deadline_after:
 * Returns the moment @timeout_ns nanoseconds from now; NPU_WAIT_FOREVER and
 * what the system's times cannot say are never.
 */
NpuDeadline npu_deadline_after (uint64_t timeout_ns);

/**
 * npu_deadline_wait:
 * Wait for a signal of @condition, which npu_condition_init() made, with @lock
 * held.
 *
 * Returns false once @deadline is over; true says nothing of what is waited
 * for, as with pthread_cond_wait().
 */
bool npu_deadline_wait (const NpuDeadline * deadline,
    pthread_cond_t * condition, pthread_mutex_t * lock);

#endif
