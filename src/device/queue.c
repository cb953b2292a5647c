/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Public functions for queues, and fences, which are the same for every back
 * end: a state under a lock, and a condition on the monotonic clock.
 */
#include "device/backend.h"
#include "device/deadline.h"

#include <stdlib.h>
#include <time.h>

#define NS_PER_SECOND UINT64_C (1000000000)

uint64_t
npu_monotonic_now (void)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  return (uint64_t) time.tv_sec * NS_PER_SECOND + (uint64_t) time.tv_nsec;
}

/* ------------------------------------------------------------ queues */

NpuStatus
npu_queue_create (NpuDevice * device, NpuQueue ** queue, NpuError * error)
{
  NpuStatus status;

  if (!device || !queue)
    return npu_error_set (error, NPU_EINVAL,
        "queue create: device and queue must not be NULL");
  *queue = NULL;
  status = device->backend->queue_create (device, queue, error);
  if (status == NPU_OK)
    (*queue)->device = npu_device_ref (device);
  return status;
}

void
npu_queue_free (NpuQueue * queue)
{
  NpuDevice *device;

  if (!queue)
    return;
  device = queue->device;
  device->backend->queue_destroy (queue);
  npu_device_unref (device);
}

/* Returns whether @fence was idle; then it is pending. */
static bool
take_fence (NpuFence * fence)
{
  bool idle;

  pthread_mutex_lock (&fence->lock);
  idle = fence->state == NPU_FENCE_IDLE;
  if (idle)
    fence->state = NPU_FENCE_PENDING;
  pthread_mutex_unlock (&fence->lock);
  return idle;
}

static void
give_fence_back (NpuFence * fence)
{
  pthread_mutex_lock (&fence->lock);
  fence->state = NPU_FENCE_IDLE;
  pthread_mutex_unlock (&fence->lock);
}

NpuStatus
npu_queue_submit (NpuQueue * queue, const NpuProgram * program,
    const NpuOperation * operations, size_t count, NpuFence * fence,
    NpuError * error)
{
  NpuList list = { program, operations, count, fence };
  NpuStatus status;

  if (!queue || !fence || (count > 0 && !operations))
    return npu_error_set (error, NPU_EINVAL,
        "submit: queue, operations and fence must not be NULL");
  if ((program && program->device != queue->device)
      || fence->device != queue->device)
    return npu_error_set (error, NPU_EINVAL,
        "submit: queue, program and fence belong to different devices");
  status = npu_operations_check (queue->device, program, operations, count,
      error);
  if (status != NPU_OK)
    return status;
  if (!take_fence (fence))
    return npu_error_set (error, NPU_EBUSY,
        "submit: the fence is in use; wait for it first");
  if (program)
    npu_program_ref ((NpuProgram *) program);
  status = queue->device->backend->queue_submit (queue, &list, error);
  if (status != NPU_OK) {
    npu_program_unref ((NpuProgram *) program);
    give_fence_back (fence);
  }
  return status;
}

void
npu_queue_statistics (NpuQueue * queue, NpuQueueStatistics * statistics)
{
  queue->device->backend->queue_statistics (queue, statistics);
}

/* ------------------------------------------------------------ fences */

NpuStatus
npu_fence_create (NpuDevice * device, NpuFence ** fence, NpuError * error)
{
  NpuFence *made;

  if (!device || !fence)
    return npu_error_set (error, NPU_EINVAL,
        "fence create: device and fence must not be NULL");
  *fence = NULL;
  made = calloc (1, sizeof (*made));
  if (!made)
    return npu_error_set (error, NPU_ENOMEM, "fence create: out of memory");
  pthread_mutex_init (&made->lock, NULL);
  npu_condition_init (&made->signalled);
  made->device = npu_device_ref (device);
  *fence = made;
  return NPU_OK;
}

void
npu_fence_set_notify (NpuFence * fence, void (*notify) (void *user),
    void *user)
{
  pthread_mutex_lock (&fence->lock);
  fence->notify = notify;
  fence->notify_user = user;
  pthread_mutex_unlock (&fence->lock);
}

void
npu_fence_times (NpuFence * fence, uint64_t * started_ns, uint64_t * ended_ns)
{
  pthread_mutex_lock (&fence->lock);
  *started_ns = fence->started_ns;
  *ended_ns = fence->ended_ns;
  pthread_mutex_unlock (&fence->lock);
}

void
npu_fence_free (NpuFence * fence)
{
  if (!fence)
    return;
  /* The one who signals may not have left the lock yet. */
  pthread_mutex_lock (&fence->lock);
  pthread_mutex_unlock (&fence->lock);
  pthread_cond_destroy (&fence->signalled);
  pthread_mutex_destroy (&fence->lock);
  npu_device_unref (fence->device);
  free (fence);
}

void
npu_fence_signal (NpuFence * fence, const NpuError * result,
    uint64_t started_ns, uint64_t ended_ns)
{
  pthread_mutex_lock (&fence->lock);
  fence->result = *result;
  fence->started_ns = started_ns;
  fence->ended_ns = ended_ns;
  fence->state = NPU_FENCE_SIGNALLED;
  pthread_cond_broadcast (&fence->signalled);
  /* under the lock, so that whoever frees the fence waits for it */
  if (fence->notify)
    fence->notify (fence->notify_user);
  pthread_mutex_unlock (&fence->lock);
}

/* With the lock held, until the fence is not pending or time is up. */
static void
wait_locked (NpuFence * fence, uint64_t timeout_ns)
{
  NpuDeadline deadline;

  if (timeout_ns == 0)
    return;
  deadline = npu_deadline_after (timeout_ns);
  while (fence->state == NPU_FENCE_PENDING
      && npu_deadline_wait (&deadline, &fence->signalled, &fence->lock));
}

NpuStatus
npu_fence_wait (NpuFence * fence, uint64_t timeout_ns, NpuError * error)
{
  NpuStatus status = NPU_OK;

  if (!fence)
    return npu_error_set (error, NPU_EINVAL,
        "fence wait: fence must not be NULL");
  pthread_mutex_lock (&fence->lock);
  wait_locked (fence, timeout_ns);
  if (fence->state == NPU_FENCE_PENDING) {
    status = npu_error_set (error, NPU_ETIMEDOUT,
        "the device has not finished yet");
  } else if (fence->state == NPU_FENCE_SIGNALLED) {
    status = fence->result.status;
    if (status != NPU_OK && error)
      *error = fence->result;
    if (fence->device->backend->waited)
      fence->device->backend->waited (fence->device, fence->ended_ns);
    fence->state = NPU_FENCE_IDLE;
  }
  pthread_mutex_unlock (&fence->lock);
  return status;
}
