/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Queues of the cpu device: a ring of pending lists and a thread that runs
 * them. The thread takes the pool for one operation at a time, so that a short
 * list of one queue waits for an operation of another's, not for its list.
 */
#include "device/cpu/cpu.h"

#include <stdlib.h>

#define RING NPU_CPU_QUEUE_DEPTH

struct NpuCpuQueue
{
  NpuQueue base;
  NpuCpuQueue *next;            /* in the device's list, under its lock */
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t submitted;     /* or stop was set */
  pthread_cond_t ended;         /* a list did */
  NpuList ring[RING];
  size_t first;                 /* the one that runs, or runs next */
  size_t count;
  size_t to_cancel;             /* of these, the first so many are cancelled */
  bool stop;
  NpuQueueStatistics statistics;
};

static bool
is_cancelled (NpuCpuQueue * queue)
{
  bool cancelled;

  pthread_mutex_lock (&queue->lock);
  cancelled = queue->to_cancel > 0;
  pthread_mutex_unlock (&queue->lock);
  return cancelled;
}

static void
run_list (NpuCpuQueue * queue, const NpuList * list, NpuError * result)
{
  NpuCpuDevice *device = (NpuCpuDevice *) queue->base.device;
  NpuCpuRun run = { device, (const NpuCpuProgram *) list->program, result };

  result->status = NPU_OK;
  result->message[0] = '\0';
  for (size_t i = 0; i < list->count && result->status == NPU_OK; i++) {
    if (is_cancelled (queue))
      break;
    npu_pool_acquire (device->pool);
    result->status = npu_cpu_operation (&run, &list->operations[i]);
    npu_pool_release (device->pool);
  }
  if (is_cancelled (queue) && result->status == NPU_OK)
    npu_error_set (result, NPU_ECANCELED, "the device was reset");
}

/* With the lock held, and given up while the list runs. */
static void
run_first (NpuCpuQueue * queue)
{
  NpuList list = queue->ring[queue->first];
  uint64_t started = npu_monotonic_now (), ended;
  NpuError result;

  pthread_mutex_unlock (&queue->lock);
  run_list (queue, &list, &result);
  ended = npu_monotonic_now ();
  pthread_mutex_lock (&queue->lock);
  queue->first = (queue->first + 1) % RING;
  queue->count--;
  if (queue->to_cancel > 0)
    queue->to_cancel--;
  if (result.status != NPU_OK)
    queue->statistics.failures++;
  queue->statistics.busy_ns += ended - started;
  pthread_cond_broadcast (&queue->ended);
  pthread_mutex_unlock (&queue->lock);
  /* The program first: who has waited for the fence may count on it. */
  npu_program_unref ((NpuProgram *) list.program);
  npu_fence_signal (list.fence, &result, started, ended);
  pthread_mutex_lock (&queue->lock);
}

static void *
run_lists (void *user)
{
  NpuCpuQueue *queue = user;

  pthread_setname_np (pthread_self (), "npu-queue");
  pthread_mutex_lock (&queue->lock);
  for (;;) {
    while (queue->count == 0 && !queue->stop)
      pthread_cond_wait (&queue->submitted, &queue->lock);
    if (queue->count == 0)
      break;
    run_first (queue);
  }
  pthread_mutex_unlock (&queue->lock);
  return NULL;
}

/* Its thread has ended or never begun. */
static void
free_queue (NpuCpuQueue * queue)
{
  pthread_cond_destroy (&queue->submitted);
  pthread_cond_destroy (&queue->ended);
  pthread_mutex_destroy (&queue->lock);
  free (queue);
}

NpuStatus
npu_cpu_queue_create (NpuDevice * base, NpuQueue ** created, NpuError * error)
{
  NpuCpuDevice *device = (NpuCpuDevice *) base;
  NpuCpuQueue *queue = calloc (1, sizeof (*queue));

  if (!queue)
    return npu_error_set (error, NPU_ENOMEM, "cpu device: out of memory");
  pthread_mutex_init (&queue->lock, NULL);
  pthread_cond_init (&queue->submitted, NULL);
  pthread_cond_init (&queue->ended, NULL);
  queue->base.device = base;
  if (pthread_create (&queue->thread, NULL, run_lists, queue) != 0) {
    free_queue (queue);
    return npu_error_set (error, NPU_ENOMEM,
        "cpu device: cannot start a thread for a queue");
  }
  pthread_mutex_lock (&device->lock);
  queue->next = device->queues;
  device->queues = queue;
  pthread_mutex_unlock (&device->lock);
  *created = &queue->base;
  return NPU_OK;
}

void
npu_cpu_queue_destroy (NpuQueue * base)
{
  NpuCpuQueue *queue = (NpuCpuQueue *) base;
  NpuCpuDevice *device = (NpuCpuDevice *) base->device;
  NpuCpuQueue **link;

  pthread_mutex_lock (&device->lock);
  for (link = &device->queues; *link != queue; link = &(*link)->next);
  *link = queue->next;
  pthread_mutex_unlock (&device->lock);

  pthread_mutex_lock (&queue->lock);
  queue->stop = true;
  pthread_cond_signal (&queue->submitted);
  pthread_mutex_unlock (&queue->lock);
  pthread_join (queue->thread, NULL);
  free_queue (queue);
}

NpuStatus
npu_cpu_queue_submit (NpuQueue * base, const NpuList * list, NpuError * error)
{
  NpuCpuQueue *queue = (NpuCpuQueue *) base;
  bool taken;

  pthread_mutex_lock (&queue->lock);
  taken = queue->count < RING;
  if (taken) {
    queue->ring[(queue->first + queue->count) % RING] = *list;
    queue->count++;
    queue->statistics.submissions++;
    pthread_cond_signal (&queue->submitted);
  }
  pthread_mutex_unlock (&queue->lock);
  if (!taken)
    return npu_error_set (error, NPU_EBUSY,
        "submit: %d lists are pending already; wait for one", RING);
  return NPU_OK;
}

void
npu_cpu_queue_statistics (NpuQueue * base, NpuQueueStatistics * statistics)
{
  NpuCpuQueue *queue = (NpuCpuQueue *) base;

  pthread_mutex_lock (&queue->lock);
  *statistics = queue->statistics;
  pthread_mutex_unlock (&queue->lock);
}

NpuStatus
npu_cpu_reset (NpuDevice * base, NpuError * error)
{
  NpuCpuDevice *device = (NpuCpuDevice *) base;

  /* Under the device's lock no queue goes away. */
  pthread_mutex_lock (&device->lock);
  for (NpuCpuQueue * queue = device->queues; queue; queue = queue->next) {
    pthread_mutex_lock (&queue->lock);
    queue->to_cancel = queue->count;
    while (queue->to_cancel > 0)
      pthread_cond_wait (&queue->ended, &queue->lock);
    pthread_mutex_unlock (&queue->lock);
  }
  pthread_mutex_unlock (&device->lock);
  return NPU_OK;
}
