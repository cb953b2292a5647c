/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Slots and their order. The executor has no thread: whoever submits and
 * collects does the transfers, and a device's notification tells when it is
 * worth while to collect. The statistics alone are under a lock.
 */
#include "pipeline/executor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/backend.h"
#include "pipeline/timeline.h"

#define DEFAULT_DEPTH 2
/* Buffers that each slot may have. */
#define SLOT_BUFFERS 16
/* Transfers that a run may still turn out to have hidden. */
#define RECENT_TRANSFERS 256

typedef enum
{
  SLOT_FREE,
  SLOT_OPEN,
  SLOT_WAITING,                 /* submitted; the queue had no room */
  SLOT_RUNNING,                 /* in the queue */
  SLOT_ENDED,                   /* the run has ended, nothing is read out */
  SLOT_COLLECTED,
} SlotState;

typedef struct
{
  SlotState state;
  uint32_t queue;
  uint64_t id;
  NpuFence *fence;
  NpuExecutorRun run;
  bool tried_again;
  NpuError result;              /* once ended */
} Slot;

typedef struct
{
  uint64_t start;
  uint64_t end;
  uint64_t hidden;
} Transfer;

typedef struct
{
  char name[NPU_BUFFER_NAME_LENGTH + 1];
  NpuBuffer *buffer;
} NamedBuffer;

struct NpuExecutor
{
  NpuDevice *device;
  NpuBufferPool *pool;
  uint64_t run_timeout;
  uint32_t depth;
  uint32_t queue_count;
  NpuQueue *queues[NPU_EXECUTOR_MAX_DEPTH];
  uint32_t queued[NPU_EXECUTOR_MAX_DEPTH];      /* lists in each queue */
  Slot slots[NPU_EXECUTOR_MAX_DEPTH];
  NamedBuffer buffers[NPU_EXECUTOR_MAX_DEPTH * SLOT_BUFFERS];
  uint32_t buffer_count;
  uint32_t next_slot;           /* to be opened */
  uint32_t order[NPU_EXECUTOR_MAX_DEPTH];       /* submitted, oldest first */
  uint64_t oldest_since;        /* monotonic: the oldest one may have begun */
  bool stalled;                 /* since the last slot was opened */
  bool started;                 /* a slot was opened, counting from the reset */

  /* For hidden time; used by the submitting thread alone. */
  Transfer transfers[RECENT_TRANSFERS];
  uint64_t transfer_count;
  uint64_t runs_end;            /* of all runs so far */
  uint64_t depth_since;

  atomic_uint in_flight;
  pthread_mutex_t lock;
  NpuPipelineStatistics statistics;     /* under lock */
};

/* ---------------------------------------------------- creation and end */

static NpuStatus
create_queues (NpuExecutor * self, const NpuExecutorOptions * options,
    NpuError * error)
{
  uint32_t wanted = options->queues ? options->queues : 1;
  NpuStatus status = NPU_OK;

  if (wanted > self->depth)
    wanted = self->depth;
  while (status == NPU_OK && self->queue_count < wanted) {
    status = npu_queue_create (self->device,
        &self->queues[self->queue_count], error);
    if (status == NPU_OK)
      self->queue_count++;
  }
  for (uint32_t i = 0; i < self->depth && status == NPU_OK; i++) {
    Slot *slot = &self->slots[i];

    slot->queue = i % self->queue_count;
    status = npu_fence_create (self->device, &slot->fence, error);
    if (status == NPU_OK)
      npu_fence_set_notify (slot->fence, options->notify,
          options->notify_user);
  }
  return status;
}

NpuStatus
npu_executor_create (NpuDevice * device, const NpuExecutorOptions * options,
    NpuExecutor ** executor, NpuError * error)
{
  static const NpuExecutorOptions defaults = { .depth = DEFAULT_DEPTH };
  NpuExecutor *self;
  NpuStatus status;

  if (!options)
    options = &defaults;
  if (!device || !executor || options->depth < 1
      || options->depth > NPU_EXECUTOR_MAX_DEPTH)
    return npu_error_set (error, NPU_EINVAL,
        "An executor needs a device and 1 to %d slots, not %u",
        NPU_EXECUTOR_MAX_DEPTH, options->depth);
  self = calloc (1, sizeof (*self));
  if (!self)
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for an executor");

  pthread_mutex_init (&self->lock, NULL);
  self->device = npu_device_ref (device);
  self->depth = options->depth;
  self->run_timeout = options->run_timeout_ns ? options->run_timeout_ns :
      npu_device_info (device)->run_timeout_ns;
  status = npu_buffer_pool_create (device, self->depth * SLOT_BUFFERS,
      &self->pool, error);
  if (status == NPU_OK)
    status = create_queues (self, options, error);
  if (status != NPU_OK) {
    npu_executor_free (self);
    return status;
  }
  *executor = self;
  return NPU_OK;
}

/* Let everything end; a run that hangs is ended by a reset. */
static void
finish (NpuExecutor * self)
{
  uint64_t timeout = self->run_timeout ? self->run_timeout : NPU_WAIT_FOREVER;

  for (uint32_t i = 0; i < self->depth; i++) {
    Slot *slot = &self->slots[i];

    if (slot->state != SLOT_RUNNING)
      continue;
    if (npu_fence_wait (slot->fence, timeout, NULL) == NPU_ETIMEDOUT) {
      npu_device_reset (self->device, NULL);
      npu_fence_wait (slot->fence, NPU_WAIT_FOREVER, NULL);
    }
  }
}

void
npu_executor_free (NpuExecutor * executor)
{
  if (!executor)
    return;
  finish (executor);
  for (uint32_t i = 0; i < executor->queue_count; i++)
    npu_queue_free (executor->queues[i]);
  for (uint32_t i = 0; i < executor->depth; i++)
    npu_fence_free (executor->slots[i].fence);
  for (uint32_t i = 0; i < executor->buffer_count; i++)
    npu_buffer_pool_release (executor->pool, executor->buffers[i].buffer);
  npu_buffer_pool_unref (executor->pool);
  npu_device_unref (executor->device);
  pthread_mutex_destroy (&executor->lock);
  free (executor);
}

uint32_t
npu_executor_depth (const NpuExecutor * executor)
{
  return executor->depth;
}

uint32_t
npu_executor_in_flight (const NpuExecutor * executor)
{
  return atomic_load (&((NpuExecutor *) executor)->in_flight);
}

NpuBufferPool *
npu_executor_pool (const NpuExecutor * executor)
{
  return executor->pool;
}

NpuStatus
npu_executor_buffer (NpuExecutor * executor, uint32_t slot, const char *name,
    size_t size, uint32_t group, NpuBuffer ** buffer, NpuError * error)
{
  NamedBuffer *made = &executor->buffers[executor->buffer_count];
  char full[sizeof (made->name)];
  int length = snprintf (full, sizeof (full), "%s.%u", name, slot);
  NpuStatus status;

  if (slot >= executor->depth || length >= (int) sizeof (full))
    return npu_error_set (error, NPU_EINVAL, "The buffer %s of slot %u: there "
        "are %u slots, and names have up to %d bytes", name, slot,
        executor->depth, NPU_BUFFER_NAME_LENGTH - 4);
  for (uint32_t i = 0; i < executor->buffer_count; i++) {
    const NamedBuffer *known = &executor->buffers[i];

    if (strcmp (known->name, full) == 0
        && npu_buffer_size (known->buffer) == size) {
      *buffer = known->buffer;
      return NPU_OK;
    }
  }
  if (executor->buffer_count == executor->depth * SLOT_BUFFERS)
    return npu_error_set (error, NPU_EINVAL,
        "An executor's slots have at most %d buffers each", SLOT_BUFFERS);
  status = npu_buffer_pool_acquire (executor->pool, full, size, group, 0,
      buffer, error);
  if (status == NPU_OK) {
    memcpy (made->name, full, sizeof (full));
    made->buffer = *buffer;
    executor->buffer_count++;
  }
  return status;
}

/* -------------------------------------------------------- statistics */

static void
note_transfer (NpuExecutor * self, uint64_t start, uint64_t end)
{
  self->transfers[self->transfer_count++ % RECENT_TRANSFERS] =
      (Transfer) { start, end, 0 };
}

/* How much of the recent transfers a run from @start to @end has hidden. Where
 * runs overlap one another, what an earlier one may have hidden counts once. */
static uint64_t
hidden_by_run (NpuExecutor * self, uint64_t start, uint64_t end)
{
  uint64_t hidden = 0;
  uint64_t recent = self->transfer_count < RECENT_TRANSFERS ?
      self->transfer_count : RECENT_TRANSFERS;

  if (start < self->runs_end)
    start = self->runs_end;
  if (end > self->runs_end)
    self->runs_end = end;
  for (uint64_t i = 0; i < recent; i++) {
    const Transfer *transfer = &self->transfers[i];
    uint64_t first = transfer->start > start ? transfer->start : start;
    uint64_t last = transfer->end < end ? transfer->end : end;

    if (first < last)
      hidden += last - first;
  }
  return hidden;
}

/* With the lock held: the runs in flight become @change more. */
static void
change_in_flight (NpuExecutor * self, int change, uint64_t now)
{
  NpuPipelineStatistics *statistics = &self->statistics;

  statistics->depth_ns += statistics->in_flight * (now - self->depth_since);
  self->depth_since = now;
  statistics->in_flight += (uint32_t) change;
  if (statistics->in_flight > statistics->peak_in_flight)
    statistics->peak_in_flight = statistics->in_flight;
  atomic_store (&self->in_flight, statistics->in_flight);
}

void
npu_executor_statistics (NpuExecutor * executor,
    NpuPipelineStatistics * statistics)
{
  pthread_mutex_lock (&executor->lock);
  *statistics = executor->statistics;
  pthread_mutex_unlock (&executor->lock);
}

void
npu_executor_reset_statistics (NpuExecutor * executor)
{
  pthread_mutex_lock (&executor->lock);
  executor->statistics = (NpuPipelineStatistics) {
    .in_flight = executor->statistics.in_flight,
  };
  executor->transfer_count = 0;
  executor->stalled = executor->started = false;
  pthread_mutex_unlock (&executor->lock);
}

/* ---------------------------------------------------------- stage in */

/* In turn, so that queues are used in turn. */
static Slot *
find_free (NpuExecutor * self)
{
  for (uint32_t i = 0; i < self->depth; i++) {
    Slot *slot = &self->slots[(self->next_slot + i) % self->depth];

    if (slot->state == SLOT_FREE)
      return slot;
  }
  return NULL;
}

NpuStatus
npu_executor_open (NpuExecutor * executor, uint64_t id, uint32_t * slot)
{
  Slot *next = find_free (executor);
  bool is_free = next != NULL;

  pthread_mutex_lock (&executor->lock);
  if (is_free && !executor->started) {
    executor->started = true;
    executor->statistics.first_ns = npu_device_now (executor->device);
    executor->depth_since = executor->statistics.first_ns;
  }
  if (!is_free && !executor->stalled)
    executor->statistics.stalls++;
  executor->stalled = !is_free;
  pthread_mutex_unlock (&executor->lock);
  if (!is_free)
    return NPU_EBUSY;
  next->state = SLOT_OPEN;
  next->id = id;
  next->tried_again = false;
  *slot = (uint32_t) (next - executor->slots);
  executor->next_slot = *slot + 1;
  return NPU_OK;
}

static NpuStatus
check_slot (const NpuExecutor * executor, uint32_t slot, SlotState state,
    NpuError * error)
{
  if (slot < executor->depth && executor->slots[slot].state == state)
    return NPU_OK;
  return npu_error_set (error, NPU_EINVAL, "Slot %u of %u is not %s", slot,
      executor->depth, state == SLOT_OPEN ? "open" : "collected");
}

NpuStatus
npu_executor_stage (NpuExecutor * executor, uint32_t slot, NpuBuffer * buffer,
    size_t offset, size_t size, NpuError * error)
{
  NpuStatus status = check_slot (executor, slot, SLOT_OPEN, error);
  uint64_t start, end;

  if (status != NPU_OK || size == 0)
    return status;
  start = npu_device_now (executor->device);
  status = npu_buffer_sync (buffer, NPU_SYNC_TO_DEVICE, offset, size);
  end = npu_device_now (executor->device);
  if (status != NPU_OK)
    return npu_error_set (error, status, "%zu bytes of input could not be "
        "moved to the device: %s", size, npu_status_name (status));
  note_transfer (executor, start, end);
  npu_timeline_record (NPU_LANE_TO_DEVICE, executor->slots[slot].id, start,
      end);
  pthread_mutex_lock (&executor->lock);
  executor->statistics.stage_ns += end - start;
  executor->statistics.uploaded_bytes += size;
  pthread_mutex_unlock (&executor->lock);
  return NPU_OK;
}

/* ---------------------------------------------------------------- run */

/* Put a waiting slot into its queue, if there is room. */
static NpuStatus
start_run (NpuExecutor * self, Slot * slot, NpuError * error)
{
  NpuStatus status;

  if (self->queued[slot->queue] >=
      npu_device_info (self->device)->queue_depth)
    return NPU_EBUSY;           /* without a message: nothing is wrong */
  status = npu_queue_submit (self->queues[slot->queue], slot->run.program,
      slot->run.operations, slot->run.count, slot->fence, error);
  if (status != NPU_OK)
    return status;
  slot->state = SLOT_RUNNING;
  self->queued[slot->queue]++;
  return NPU_OK;
}

/* Start what waits, in order; a slot that cannot be started has failed. */
static void
start_waiting (NpuExecutor * self)
{
  bool full[NPU_EXECUTOR_MAX_DEPTH] = { false };
  uint32_t in_flight = npu_executor_in_flight (self);

  for (uint32_t i = 0; i < in_flight; i++) {
    Slot *slot = &self->slots[self->order[i]];
    NpuError error = { 0 };
    NpuStatus status;

    if (slot->state != SLOT_WAITING || full[slot->queue])
      continue;
    status = start_run (self, slot, &error);
    if (status == NPU_EBUSY && self->queued[slot->queue] > 0) {
      full[slot->queue] = true;
    } else if (status != NPU_OK) {
      slot->result = error;
      slot->state = SLOT_ENDED;
    }
  }
}

NpuStatus
npu_executor_submit (NpuExecutor * executor, uint32_t slot,
    const NpuExecutorRun * run, NpuError * error)
{
  NpuStatus status = check_slot (executor, slot, SLOT_OPEN, error);
  uint32_t in_flight = npu_executor_in_flight (executor);
  Slot *self;

  if (status != NPU_OK)
    return status;
  if (run->output_count > NPU_EXECUTOR_OUTPUTS)
    return npu_error_set (error, NPU_EINVAL,
        "A run reads out at most %d ranges, not %u", NPU_EXECUTOR_OUTPUTS,
        run->output_count);
  self = &executor->slots[slot];
  self->run = *run;
  status = start_run (executor, self, error);
  if (status == NPU_EBUSY)
    self->state = SLOT_WAITING;
  else if (status != NPU_OK)
    return status;
  if (in_flight == 0)
    executor->oldest_since = npu_monotonic_now ();
  executor->order[in_flight] = slot;
  pthread_mutex_lock (&executor->lock);
  change_in_flight (executor, 1, npu_device_now (executor->device));
  pthread_mutex_unlock (&executor->lock);
  return NPU_OK;
}

/* ----------------------------------------------------------- read out */

/* Wait for a running slot; then its fence is idle and its result is kept. */
static bool
wait_for_end (NpuExecutor * self, Slot * slot, uint64_t timeout)
{
  NpuError result = { 0 };
  NpuStatus status;

  if (slot->state != SLOT_RUNNING)
    return slot->state == SLOT_ENDED;
  status = npu_fence_wait (slot->fence, timeout, &result);
  if (status == NPU_ETIMEDOUT)
    return false;
  slot->result = result;
  slot->result.status = status;
  slot->state = SLOT_ENDED;
  self->queued[slot->queue]--;
  return true;
}

/* After a fault of the oldest run: reset the device, and begin again what that
 * ended, the oldest one only where it may @retry. */
static NpuStatus
recover (NpuExecutor * self, bool reset, bool retry, NpuError * error)
{
  uint32_t in_flight = npu_executor_in_flight (self);
  NpuStatus status = NPU_OK;
  uint32_t again = 0;

  if (reset)
    status = npu_device_reset (self->device, error);
  if (status != NPU_OK)
    return status;
  for (uint32_t i = 0; i < in_flight; i++) {
    Slot *slot = &self->slots[self->order[i]];

    if (reset)
      wait_for_end (self, slot, NPU_WAIT_FOREVER);
    if (i == 0 ? retry : slot->state == SLOT_ENDED
        && slot->result.status == NPU_ECANCELED) {
      slot->state = SLOT_WAITING;
      again++;
    }
  }
  start_waiting (self);
  self->oldest_since = npu_monotonic_now ();
  pthread_mutex_lock (&self->lock);
  self->statistics.reruns += again;
  self->statistics.resets += reset;
  pthread_mutex_unlock (&self->lock);
  return NPU_OK;
}

/* How much longer the oldest run may take, or NPU_WAIT_FOREVER. */
static uint64_t
time_left (const NpuExecutor * self)
{
  uint64_t now = npu_monotonic_now ();
  uint64_t end = self->oldest_since + self->run_timeout;

  if (!self->run_timeout)
    return NPU_WAIT_FOREVER;
  return end > now ? end - now : 0;
}

/* The oldest run has ended with @fault, or hangs. Returns whether it was begun
 * again; if not, its result says why. */
static bool
try_again (NpuExecutor * self, Slot * oldest, const NpuError * fault)
{
  /* what was cancelled was so by somebody else's reset, and is not to blame */
  bool to_blame = fault->status != NPU_ECANCELED;
  bool retry = !to_blame || !oldest->tried_again;
  NpuError error = *fault;

  oldest->tried_again |= to_blame;
  if (recover (self, to_blame, retry, &error) == NPU_OK && retry)
    return true;
  oldest->result = error;
  oldest->state = SLOT_ENDED;
  return false;
}

static NpuStatus
hang_error (const NpuExecutor * self, NpuError * error)
{
  return npu_error_set (error, NPU_EDEVICE, "The device '%s' has not ended a "
      "run within %.1f s, nor after a reset; use another device, or a longer "
      "time-out if it is only slow", npu_device_info (self->device)->name,
      (double) self->run_timeout / 1e9);
}

static bool
is_fault (NpuStatus status)
{
  return status == NPU_EDEVICE || status == NPU_ECANCELED;
}

/* Wait until the oldest run has ended, for the second time after a fault.
 * Returns false when @timeout is over before. */
static bool
wait_for_oldest (NpuExecutor * self, Slot * oldest, uint64_t timeout)
{
  uint64_t start = npu_monotonic_now ();

  for (;;) {
    uint64_t waited = npu_monotonic_now () - start;
    uint64_t left = timeout == NPU_WAIT_FOREVER ? timeout :
        waited < timeout ? timeout - waited : 0;
    uint64_t limit = time_left (self);
    NpuError fault;

    start_waiting (self);
    if (wait_for_end (self, oldest, left < limit ? left : limit)) {
      if (!is_fault (oldest->result.status))
        return true;
      fault = oldest->result;
    } else if (time_left (self) == 0) {
      hang_error (self, &fault);
    } else if (left == 0) {
      return false;
    } else {
      continue;
    }
    if (!try_again (self, oldest, &fault))
      return true;
  }
}

static NpuStatus
read_out (NpuExecutor * self, const Slot * slot, NpuError * error)
{
  for (uint32_t i = 0; i < slot->run.output_count; i++) {
    const NpuExecutorRange *output = &slot->run.outputs[i];
    uint64_t start = npu_device_now (self->device), end;
    NpuStatus status = npu_buffer_sync (output->buffer,
        NPU_SYNC_FROM_DEVICE, output->offset, output->size);

    if (status != NPU_OK)
      return npu_error_set (error, status, "%zu bytes of output could not be "
          "moved from the device: %s", output->size,
          npu_status_name (status));
    end = npu_device_now (self->device);
    note_transfer (self, start, end);
    npu_timeline_record (NPU_LANE_FROM_DEVICE, slot->id, start, end);
    pthread_mutex_lock (&self->lock);
    self->statistics.read_ns += end - start;
    self->statistics.downloaded_bytes += output->size;
    pthread_mutex_unlock (&self->lock);
  }
  return NPU_OK;
}

static void
count_run (NpuExecutor * self, Slot * slot, NpuStatus status)
{
  uint64_t started, ended, hidden;
  uint64_t now = npu_device_now (self->device);

  npu_fence_times (slot->fence, &started, &ended);
  hidden = hidden_by_run (self, started, ended);
  npu_timeline_record (NPU_LANE_RUN, slot->id, started, ended);
  pthread_mutex_lock (&self->lock);
  if (status == NPU_OK) {
    self->statistics.runs++;
    self->statistics.items += slot->run.items;
    self->statistics.run_ns += ended - started;
  } else {
    self->statistics.failures++;
  }
  self->statistics.hidden_ns += hidden;
  self->statistics.last_ns = now;
  change_in_flight (self, -1, now);
  pthread_mutex_unlock (&self->lock);
}

NpuStatus
npu_executor_collect (NpuExecutor * executor, uint64_t timeout_ns,
    uint32_t * slot, NpuError * error)
{
  uint32_t in_flight = npu_executor_in_flight (executor);
  NpuStatus status;
  Slot *oldest;

  if (in_flight == 0)
    return npu_error_set (error, NPU_EINVAL, "Nothing was submitted");
  oldest = &executor->slots[executor->order[0]];
  if (!wait_for_oldest (executor, oldest, timeout_ns))
    return NPU_ETIMEDOUT;
  status = oldest->result.status;
  if (status == NPU_OK)
    status = read_out (executor, oldest, error);
  else if (error)
    *error = oldest->result;
  count_run (executor, oldest, status);

  *slot = executor->order[0];
  for (uint32_t i = 1; i < in_flight; i++)
    executor->order[i - 1] = executor->order[i];
  executor->oldest_since = npu_monotonic_now ();
  oldest->state = SLOT_COLLECTED;
  start_waiting (executor);
  return status;
}

void
npu_executor_close (NpuExecutor * executor, uint32_t slot)
{
  if (slot >= executor->depth)
    return;
  if (executor->slots[slot].state == SLOT_OPEN
      || executor->slots[slot].state == SLOT_COLLECTED)
    executor->slots[slot].state = SLOT_FREE;
}
