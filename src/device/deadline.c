/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Waiting for a condition until a moment on the monotonic clock.
 */
#include "device/deadline.h"

#include <errno.h>

#include "device/backend.h"

#define NS_PER_SECOND UINT64_C (1000000000)

void
npu_condition_init (pthread_cond_t * condition)
{
  pthread_condattr_t attributes;

  pthread_condattr_init (&attributes);
  pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
  pthread_cond_init (condition, &attributes);
  pthread_condattr_destroy (&attributes);
}

NpuDeadline
npu_deadline_at (uint64_t ns)
{
  NpuDeadline deadline = { false, { 0, 0 } };

  /* what a time_t of 32 bits cannot say is never */
  if (ns / NS_PER_SECOND > INT32_MAX)
    return deadline;
  deadline.limited = true;
  deadline.time.tv_sec = (time_t) (ns / NS_PER_SECOND);
  deadline.time.tv_nsec = (long) (ns % NS_PER_SECOND);
  return deadline;
}

NpuDeadline
npu_deadline_after (uint64_t timeout_ns)
{
  uint64_t now = npu_monotonic_now ();

  return npu_deadline_at (timeout_ns < UINT64_MAX - now ? now + timeout_ns
      : UINT64_MAX);
}

bool
npu_deadline_wait (const NpuDeadline * deadline, pthread_cond_t * condition,
    pthread_mutex_t * lock)
{
  if (deadline->limited)
    return pthread_cond_timedwait (condition, lock, &deadline->time)
        != ETIMEDOUT;
  pthread_cond_wait (condition, lock);
  return true;
}
