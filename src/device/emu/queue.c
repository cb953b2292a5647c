/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Queues of the emulated NPU: hardware contexts with a ring of commands and a
 * thread each. The contexts share one array, which runs one list at a time, in
 * the order in which lists were submitted over all queues: every list draws a
 * number, and its queue's thread waits until that is served.
 *
 * With virtual time a list's times are settled when it is submitted, since the
 * order of the host's calls is all that they depend on. With real time its
 * thread sleeps first and computes last, so that inputs are read at the end of
 * the time that the list takes: who writes to them in flight gets wrong
 * results, as on hardware.
 */
#include "device/emu/emu.h"
#include "device/deadline.h"

#include <stdlib.h>
#include <sys/prctl.h>

#define RING NPU_EMU_QUEUE_DEPTH
/* An estimate falls by one part in so many of what it was too high by. */
#define ESTIMATE_DECAY 8

typedef struct
{
  NpuList list;
  NpuEmuWork work;
  uint64_t turn;
  uint64_t submitted_ns;
  uint64_t start_ns;            /* virtual time only */
  uint64_t cost_ns;
  NpuEmuFault fault;
} Command;

struct NpuEmuQueue
{
  NpuQueue base;
  NpuEmuDevice *device;         /* the thread's; base.device is set later */
  NpuEmuQueue *next;            /* in the device's list */
  pthread_t thread;
  pthread_cond_t wake;          /* something that the thread waits for */
  Command ring[RING];
  size_t first;                 /* the one that runs, or runs next */
  size_t count;
  bool stop;
  NpuQueueStatistics statistics;
};

/* How a command ended. */
typedef struct
{
  NpuError result;
  uint64_t started_ns;
  uint64_t ended_ns;
} Outcome;

/* With the lock held. */
static void
wake_all (NpuEmuDevice * device)
{
  for (NpuEmuQueue * queue = device->queues; queue; queue = queue->next)
    pthread_cond_signal (&queue->wake);
}

NpuStatus
npu_emu_check_lost (NpuEmuDevice * device, NpuError * error)
{
  bool lost;

  pthread_mutex_lock (&device->lock);
  lost = device->lost;
  pthread_mutex_unlock (&device->lock);
  if (!lost)
    return NPU_OK;
  return npu_error_set (error, NPU_ENODEV, "emulated NPU: the device is lost "
      "(the settings' fault=lost); close it and open it again");
}

/* ----------------------------------------------------------- estimates */

/* How long the host computes a list is learnt by its size and number of
 * operations, so that computing can begin so much before the list's time is
 * up. A list of a size that was not seen yet is taken to need as much for each
 * operation as the last one did; the very first is late by what it takes. */
static NpuEmuEstimate *
find_estimate (NpuEmuDevice * device, const Command * command)
{
  double operations = command->work.bf16 + command->work.int8;
  uint64_t key = (uint64_t) operations / NPU_EMU_ESTIMATES
      + (uint64_t) operations + command->list.count;
  NpuEmuEstimate *estimate = &device->estimates[key % NPU_EMU_ESTIMATES];

  if (estimate->operations != operations
      || estimate->count != command->list.count)
    *estimate = (NpuEmuEstimate) { operations, command->list.count,
      (uint64_t) (operations * device->ns_per_operation)
    };
  return estimate;
}

static void
learn (NpuEmuDevice * device, const Command * command, uint64_t took_ns)
{
  NpuEmuEstimate *estimate = find_estimate (device, command);

  if (took_ns > estimate->ns)
    estimate->ns = took_ns;
  else
    estimate->ns -= (estimate->ns - took_ns) / ESTIMATE_DECAY;
  if (estimate->operations > 0.0)
    device->ns_per_operation = (double) took_ns / estimate->operations;
}

/* ------------------------------------------------------------- running */

static bool
is_cancelled (NpuEmuDevice * device, const Command * command)
{
  return command->turn < device->cancel_before;
}

/* With the lock held, and given up meanwhile, until @deadline or the command is
 * cancelled. */
static void
wait_until (NpuEmuQueue * queue, const Command * command, uint64_t deadline)
{
  NpuEmuDevice *device = queue->device;
  uint64_t wake = deadline > NPU_EMU_SPIN_NS ? deadline - NPU_EMU_SPIN_NS : 0;
  NpuDeadline until = npu_deadline_at (wake);

  while (!is_cancelled (device, command) && npu_monotonic_now () < wake)
    npu_deadline_wait (&until, &queue->wake, &device->lock);
  if (is_cancelled (device, command) || npu_monotonic_now () >= deadline)
    return;
  pthread_mutex_unlock (&device->lock);
  npu_emu_sleep_until (deadline);
  pthread_mutex_lock (&device->lock);
}

/* Flips the lowest bit of one byte of what the list gives: the first output
 * of its last operation. */
static void
corrupt (const NpuEmuDevice * device, const NpuList * list)
{
  const NpuView *view;
  unsigned char *memory;

  if (list->count == 0)
    return;
  view = npu_emu_operation_output (&list->operations[list->count - 1]);
  memory = ((NpuEmuBuffer *) view->buffer)->memory;
  memory[device->settings.fault_byte % view->buffer->size] ^= 1;
}

/* Without the lock. Returns false when the device was reset meanwhile. */
static bool
compute (NpuEmuDevice * device, const Command * command)
{
  const NpuList *list = &command->list;
  NpuEmuRun run = { device, (const NpuEmuProgram *) list->program };
  bool cancelled = false;

  for (size_t i = 0; i < list->count && !cancelled; i++) {
    npu_pool_acquire (device->pool);
    npu_emu_operation (&run, &list->operations[i]);
    npu_pool_release (device->pool);
    pthread_mutex_lock (&device->lock);
    cancelled = is_cancelled (device, command);
    pthread_mutex_unlock (&device->lock);
  }
  if (!cancelled && command->fault == NPU_EMU_FAULT_CORRUPT)
    corrupt (device, list);
  return !cancelled;
}

/* With the lock held, and given up while the command runs. */
static void
execute (NpuEmuQueue * queue, const Command * command, Outcome * outcome)
{
  NpuEmuDevice *device = queue->device;
  bool real = !device->settings.virtual_time;
  uint64_t deadline = outcome->started_ns + command->cost_ns;
  uint64_t estimate = find_estimate (device, command)->ns, began, computed;

  if (real && command->cost_ns > 0)
    wait_until (queue, command,
        deadline > estimate ? deadline - estimate : 0);
  outcome->ended_ns = deadline;
  if (command->fault == NPU_EMU_FAULT_ERROR) {
    npu_error_set (&outcome->result, NPU_EDEVICE, "emulated NPU: the list "
        "failed (the settings' fault=error)");
  } else if (!is_cancelled (device, command)) {
    pthread_mutex_unlock (&device->lock);
    began = npu_monotonic_now ();
    compute (device, command);
    computed = npu_monotonic_now ();
    pthread_mutex_lock (&device->lock);
    if (real) {
      learn (device, command, computed - began);
      if (computed > deadline)
        outcome->ended_ns = computed;
    }
  }
  if (real)
    wait_until (queue, command, deadline);
  if (is_cancelled (device, command))
    npu_error_set (&outcome->result, NPU_ECANCELED, "the device was reset");
}

/* Until a reset; a queue that is freed must not wait for ever either. */
static void
hang (NpuEmuQueue * queue, const Command * command, Outcome * outcome)
{
  NpuEmuDevice *device = queue->device;

  while (!is_cancelled (device, command) && device->leaving == 0)
    pthread_cond_wait (&queue->wake, &device->lock);
  if (device->settings.virtual_time)
    outcome->ended_ns = outcome->started_ns;
  else
    outcome->ended_ns = npu_monotonic_now ();
  npu_error_set (&outcome->result, NPU_ECANCELED, "emulated NPU: the list hung "
      "(the settings' fault=hang) until the %s",
      is_cancelled (device, command) ? "device was reset"
      : "queue was freed");
}

static uint64_t
start_of (const NpuEmuDevice * device, const Command * command)
{
  if (device->settings.virtual_time)
    return command->start_ns;
  if (command->cost_ns == 0)
    return npu_monotonic_now ();
  return command->submitted_ns > device->array_free_ns
      ? command->submitted_ns : device->array_free_ns;
}

/* With the lock held, and given up while the command runs. */
static void
run_command (NpuEmuQueue * queue, const Command * command, Outcome * outcome)
{
  NpuEmuDevice *device = queue->device;

  *outcome = (Outcome) { {NPU_OK, ""}, 0, 0 };
  if (is_cancelled (device, command)) {
    npu_error_set (&outcome->result, NPU_ECANCELED, "the device was reset");
    return;
  }
  outcome->started_ns = outcome->ended_ns = start_of (device, command);
  if (command->fault == NPU_EMU_FAULT_LOST)
    device->lost = true;
  if (device->lost)
    npu_error_set (&outcome->result, NPU_ENODEV, "emulated NPU: the device is "
        "lost (the settings' fault=lost); close it and open it again");
  else if (command->fault == NPU_EMU_FAULT_HANG)
    hang (queue, command, outcome);
  else
    execute (queue, command, outcome);
  if (!device->settings.virtual_time)
    device->array_free_ns = outcome->ended_ns;
}

/* With the lock held, and given up on the way. */
static void
run_first (NpuEmuQueue * queue)
{
  NpuEmuDevice *device = queue->device;
  Command command = queue->ring[queue->first];
  Outcome outcome;

  run_command (queue, &command, &outcome);
  queue->first = (queue->first + 1) % RING;
  queue->count--;
  if (outcome.result.status != NPU_OK)
    queue->statistics.failures++;
  queue->statistics.busy_ns += outcome.ended_ns - outcome.started_ns;
  device->serving++;
  device->signalling++;
  wake_all (device);
  pthread_mutex_unlock (&device->lock);
  /* The program first: who has waited for the fence may count on it. */
  npu_program_unref ((NpuProgram *) command.list.program);
  npu_fence_signal (command.list.fence, &outcome.result, outcome.started_ns,
      outcome.ended_ns);
  pthread_mutex_lock (&device->lock);
  device->signalling--;
  pthread_cond_broadcast (&device->served);
}

static void *
run_commands (void *user)
{
  NpuEmuQueue *queue = user;
  NpuEmuDevice *device = queue->device;

  pthread_setname_np (pthread_self (), "npu-emu-queue");
  /* The system may otherwise be 50 us late, more than a launch takes. */
  prctl (PR_SET_TIMERSLACK, 1, 0, 0, 0);
  pthread_mutex_lock (&device->lock);
  for (;;) {
    if (queue->count > 0 && queue->ring[queue->first].turn == device->serving)
      run_first (queue);
    else if (queue->count == 0 && queue->stop)
      break;
    else
      pthread_cond_wait (&queue->wake, &device->lock);
  }
  pthread_mutex_unlock (&device->lock);
  return NULL;
}

/* -------------------------------------------------- creation and end */

static NpuStatus
take_context (NpuEmuDevice * device, NpuError * error)
{
  NpuStatus status = npu_emu_check_lost (device, error);

  if (status != NPU_OK)
    return status;
  pthread_mutex_lock (&device->lock);
  if (device->queue_count < NPU_EMU_QUEUES)
    device->queue_count++;
  else
    status = NPU_EBUSY;
  pthread_mutex_unlock (&device->lock);
  if (status == NPU_OK)
    return NPU_OK;
  return npu_error_set (error, status, "emulated NPU: all %d queues are in "
      "use; free one", NPU_EMU_QUEUES);
}

static void
give_context_back (NpuEmuDevice * device)
{
  pthread_mutex_lock (&device->lock);
  device->queue_count--;
  pthread_mutex_unlock (&device->lock);
}

NpuStatus
npu_emu_queue_create (NpuDevice * base, NpuQueue ** created, NpuError * error)
{
  NpuEmuDevice *device = (NpuEmuDevice *) base;
  NpuStatus status = take_context (device, error);
  NpuEmuQueue *queue;

  if (status != NPU_OK)
    return status;
  queue = calloc (1, sizeof (*queue));
  if (!queue) {
    give_context_back (device);
    return npu_error_set (error, NPU_ENOMEM, "emulated NPU: out of memory");
  }
  npu_condition_init (&queue->wake);
  queue->device = device;
  if (pthread_create (&queue->thread, NULL, run_commands, queue) != 0) {
    pthread_cond_destroy (&queue->wake);
    free (queue);
    give_context_back (device);
    return npu_error_set (error, NPU_ENOMEM,
        "emulated NPU: cannot start a thread for a queue");
  }
  pthread_mutex_lock (&device->lock);
  queue->next = device->queues;
  device->queues = queue;
  pthread_mutex_unlock (&device->lock);
  *created = &queue->base;
  return NPU_OK;
}

void
npu_emu_queue_destroy (NpuQueue * base)
{
  NpuEmuQueue *queue = (NpuEmuQueue *) base;
  NpuEmuDevice *device = queue->device;
  NpuEmuQueue **link;
  bool pending;

  pthread_mutex_lock (&device->lock);
  queue->stop = true;
  pending = queue->count > 0;
  /* Whatever list hangs, of this queue or of one before it, is in the way. */
  if (pending)
    device->leaving++;
  wake_all (device);
  pthread_mutex_unlock (&device->lock);
  pthread_join (queue->thread, NULL);

  pthread_mutex_lock (&device->lock);
  if (pending)
    device->leaving--;
  for (link = &device->queues; *link != queue; link = &(*link)->next);
  *link = queue->next;
  device->queue_count--;
  pthread_mutex_unlock (&device->lock);
  pthread_cond_destroy (&queue->wake);
  free (queue);
}

/* ---------------------------------------------------------- submission */

/* Returns the fault of list number @number. */
static NpuEmuFault
fault_of (const NpuEmuSettings * settings, uint64_t number)
{
  if (settings->fault == NPU_EMU_FAULT_OOM || number < settings->fault_at
      || number - settings->fault_at >= settings->fault_count)
    return NPU_EMU_FAULT_NONE;
  return settings->fault;
}

/* With the lock held and room in the ring. */
static void
take_command (NpuEmuQueue * queue, Command * command)
{
  NpuEmuDevice *device = queue->device;

  command->turn = device->next_turn++;
  command->fault = fault_of (&device->settings, ++device->lists);
  if (command->fault == NPU_EMU_FAULT_SLOW)
    command->cost_ns += (uint64_t) (device->settings.slow_us * 1e3);
  if (device->settings.virtual_time) {
    command->submitted_ns = device->host_ns;
    command->start_ns = device->host_ns > device->array_free_ns
        ? device->host_ns : device->array_free_ns;
    device->array_free_ns = command->start_ns + command->cost_ns;
  } else {
    command->submitted_ns = npu_monotonic_now ();
  }
  queue->ring[(queue->first + queue->count) % RING] = *command;
  queue->count++;
  queue->statistics.submissions++;
  pthread_cond_signal (&queue->wake);
}

NpuStatus
npu_emu_queue_submit (NpuQueue * base, const NpuList * list, NpuError * error)
{
  NpuEmuQueue *queue = (NpuEmuQueue *) base;
  NpuEmuDevice *device = queue->device;
  Command command = {.list = *list,.work = npu_emu_list_work (list) };
  NpuStatus status = npu_emu_operations_check (list->operations, list->count,
      error);
  bool taken;

  if (status != NPU_OK)
    return status;
  command.cost_ns = npu_emu_list_cost (&device->settings.cost, &command.work);
  pthread_mutex_lock (&device->lock);
  taken = queue->count < RING;
  if (taken)
    take_command (queue, &command);
  pthread_mutex_unlock (&device->lock);
  if (!taken)
    return npu_error_set (error, NPU_EBUSY, "submit: %d lists are pending in "
        "the queue, as many as the emulated NPU takes; wait for one", RING);
  return NPU_OK;
}

void
npu_emu_queue_statistics (NpuQueue * base, NpuQueueStatistics * statistics)
{
  NpuEmuQueue *queue = (NpuEmuQueue *) base;
  NpuEmuDevice *device = queue->device;

  pthread_mutex_lock (&device->lock);
  *statistics = queue->statistics;
  pthread_mutex_unlock (&device->lock);
}

NpuStatus
npu_emu_reset (NpuDevice * base, NpuError * error)
{
  NpuEmuDevice *device = (NpuEmuDevice *) base;
  uint64_t before;

  pthread_mutex_lock (&device->lock);
  before = device->cancel_before = device->next_turn;
  wake_all (device);
  /* whoever looks at a fence afterwards sees what the reset did to its list */
  while (device->serving < before || device->signalling > 0)
    pthread_cond_wait (&device->served, &device->lock);
  if (device->settings.virtual_time)
    device->array_free_ns = device->host_ns;
  pthread_mutex_unlock (&device->lock);
  return npu_emu_check_lost (device, error);
}
