/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pool of device buffers: a table of as many slots as the pool may have
 * buffers, under a lock. Requests look through all of it: a few dozen slots
 * are the rule. Buffers are created and freed outside the lock, in a slot that
 * is kept for them meanwhile, so that a slow device delays nobody else.
 */
#include "device/buffer-pool.h"
#include "device/backend.h"
#include "device/deadline.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CAPACITY 1024

/* What a buffer is asked for by. */
typedef struct
{
  const char *name;
  size_t size;
  uint32_t group;
} Kind;

typedef enum
{
  SLOT_EMPTY,
  SLOT_FREE,
  SLOT_CHANGING,                /* its buffer is being created or freed */
  SLOT_IN_USE,
} SlotState;

typedef struct
{
  SlotState state;
  NpuBuffer *buffer;
  char name[NPU_BUFFER_NAME_LENGTH + 1];
  size_t size;
  uint32_t group;
  uint64_t released;            /* greater for those released later */
} Slot;

struct NpuBufferPool
{
  NpuDevice *device;
  atomic_uint references;
  uint32_t capacity;

  pthread_mutex_t lock;         /* for all that follows */
  pthread_cond_t available;     /* a slot is free or empty, or cancelled */
  bool cancelled;
  uint64_t cancellations;       /* so that nobody who waits misses one */
  bool reserved;
  uint64_t releases;
  NpuBufferPoolStatistics statistics;
  Slot *slots;
};

/* ------------------------------------------------------ life and death */

NpuStatus
npu_buffer_pool_create (NpuDevice * device, uint32_t capacity,
    NpuBufferPool ** pool, NpuError * error)
{
  NpuBufferPool *made;

  if (!device || !pool || capacity == 0 || capacity > MAX_CAPACITY)
    return npu_error_set (error, NPU_EINVAL, "buffer pool: a capacity of %u is "
        "not possible, or there is no device; 1 to %d buffers can be pooled",
        capacity, MAX_CAPACITY);
  *pool = NULL;
  made = calloc (1, sizeof (*made));
  if (made)
    made->slots = calloc (capacity, sizeof (*made->slots));
  if (!made || !made->slots) {
    free (made);
    return npu_error_set (error, NPU_ENOMEM, "buffer pool: out of memory");
  }
  made->device = npu_device_ref (device);
  atomic_init (&made->references, 1);
  made->capacity = capacity;
  pthread_mutex_init (&made->lock, NULL);
  npu_condition_init (&made->available);
  *pool = made;
  return NPU_OK;
}

NpuBufferPool *
npu_buffer_pool_ref (NpuBufferPool * pool)
{
  atomic_fetch_add (&pool->references, 1);
  return pool;
}

void
npu_buffer_pool_unref (NpuBufferPool * pool)
{
  if (!pool || atomic_fetch_sub (&pool->references, 1) > 1)
    return;
  for (uint32_t i = 0; i < pool->capacity; i++)
    if (pool->slots[i].state == SLOT_FREE)
      npu_buffer_unref (pool->slots[i].buffer);
  pthread_cond_destroy (&pool->available);
  pthread_mutex_destroy (&pool->lock);
  npu_device_unref (pool->device);
  free (pool->slots);
  free (pool);
}

/* --------------------------------------------------------------- slots */

static NpuStatus
check_kind (const NpuBufferPool * pool, const Kind * kind, NpuError * error)
{
  if (!pool || !kind->name || kind->size == 0)
    return npu_error_set (error, NPU_EINVAL,
        "buffer pool: pool and name must not be NULL, the size not 0");
  if (strnlen (kind->name, NPU_BUFFER_NAME_LENGTH + 1) >
      NPU_BUFFER_NAME_LENGTH)
    return npu_error_set (error, NPU_EINVAL, "buffer pool: the name '%.*s...' "
        "is longer than %d bytes; shorten it", NPU_BUFFER_NAME_LENGTH,
        kind->name, NPU_BUFFER_NAME_LENGTH);
  return NPU_OK;
}

/* Returns the free slot of @kind that was released last, or NULL. */
static Slot *
find_same (NpuBufferPool * pool, const Kind * kind)
{
  Slot *found = NULL;

  for (uint32_t i = 0; i < pool->capacity; i++) {
    Slot *slot = &pool->slots[i];

    if (slot->state == SLOT_FREE && slot->size == kind->size
        && slot->group == kind->group && strcmp (slot->name, kind->name) == 0
        && (!found || slot->released > found->released))
      found = slot;
  }
  return found;
}

static Slot *
find_empty (NpuBufferPool * pool)
{
  for (uint32_t i = 0; i < pool->capacity; i++)
    if (pool->slots[i].state == SLOT_EMPTY)
      return &pool->slots[i];
  return NULL;
}

/* Returns the slot that has been free for the longest time, or NULL. */
static Slot *
find_idle (NpuBufferPool * pool)
{
  Slot *found = NULL;

  for (uint32_t i = 0; i < pool->capacity; i++) {
    Slot *slot = &pool->slots[i];

    if (slot->state == SLOT_FREE
        && (!found || slot->released < found->released))
      found = slot;
  }
  return found;
}

/* Put a buffer of @kind in place of what @slot has; the lock is held, but not
 * meanwhile. Leaves the slot to the caller with a buffer, or empty. */
static NpuStatus
fill_slot (NpuBufferPool * pool, Slot * slot, const Kind * kind,
    NpuError * error)
{
  NpuBuffer *old = slot->buffer, *created = NULL;
  NpuStatus status;

  if (old)
    pool->statistics.bytes -= slot->size;
  slot->state = SLOT_CHANGING;
  slot->buffer = NULL;
  pthread_mutex_unlock (&pool->lock);
  npu_buffer_unref (old);
  status = npu_buffer_create (pool->device, kind->size, kind->group, &created,
      error);
  pthread_mutex_lock (&pool->lock);
  if (status != NPU_OK) {
    slot->state = SLOT_EMPTY;
    pthread_cond_signal (&pool->available);
    return status;
  }
  slot->buffer = created;
  strcpy (slot->name, kind->name);
  slot->size = kind->size;
  slot->group = kind->group;
  pool->statistics.allocations++;
  pool->statistics.bytes += kind->size;
  return NPU_OK;
}

static void
set_free (NpuBufferPool * pool, Slot * slot)
{
  slot->state = SLOT_FREE;
  slot->released = ++pool->releases;
  pthread_cond_signal (&pool->available);
}

NpuStatus
npu_buffer_pool_reserve (NpuBufferPool * pool, const char *name, size_t size,
    uint32_t group, uint32_t count, NpuError * error)
{
  Kind kind = { name, size, group };
  NpuStatus status = check_kind (pool, &kind, error);

  if (status != NPU_OK)
    return status;
  pthread_mutex_lock (&pool->lock);
  for (uint32_t i = 0; i < count && status == NPU_OK; i++) {
    Slot *slot = find_empty (pool);

    if (!slot) {
      status = npu_error_set (error, NPU_EBUSY, "buffer pool: %u buffers '%s' "
          "cannot be reserved beside those that exist, the pool holds %u; make "
          "it larger", count, name, pool->capacity);
      break;
    }
    status = fill_slot (pool, slot, &kind, error);
    if (status == NPU_OK)
      set_free (pool, slot);
  }
  pool->reserved |= status == NPU_OK;
  pthread_mutex_unlock (&pool->lock);
  return status;
}

/* ------------------------------------------------- acquire and release */

static bool
slot_is_available (NpuBufferPool * pool)
{
  return find_idle (pool) || find_empty (pool);
}

/* Every buffer is in use: wait for one, with the lock held. */
static NpuStatus
wait_for_slot (NpuBufferPool * pool, const Kind * kind, uint64_t timeout_ns,
    NpuError * error)
{
  uint64_t cancellations = pool->cancellations;
  NpuDeadline deadline;
  bool late = false;

  if (timeout_ns == 0) {
    pool->statistics.refusals++;
    return npu_error_set (error, NPU_EBUSY, "buffer pool: no buffer for '%s', "
        "all %u are in use; release one or make the pool larger", kind->name,
        pool->capacity);
  }
  if (!pool->cancelled)
    pool->statistics.waits++;
  deadline = npu_deadline_after (timeout_ns);
  while (!pool->cancelled && pool->cancellations == cancellations) {
    /* looked at after the time was up too: the signal may have been ours */
    if (slot_is_available (pool))
      return NPU_OK;
    if (late) {
      pool->statistics.refusals++;
      return npu_error_set (error, NPU_ETIMEDOUT, "buffer pool: no buffer for "
          "'%s' within %.3f s, all %u are in use; release one or make the pool "
          "larger", kind->name, (double) timeout_ns / 1e9,
          pool->capacity);
    }
    late = !npu_deadline_wait (&deadline, &pool->available, &pool->lock);
  }
  return npu_error_set (error, NPU_ECANCELED,
      "buffer pool: waiting for '%s' was cancelled", kind->name);
}

/* Take a slot with a buffer of @kind, with the lock held. */
static NpuStatus
take_slot (NpuBufferPool * pool, const Kind * kind, uint64_t timeout_ns,
    Slot ** taken, NpuError * error)
{
  NpuStatus status = NPU_OK;
  Slot *slot;

  if (!slot_is_available (pool))
    status = wait_for_slot (pool, kind, timeout_ns, error);
  if (status != NPU_OK)
    return status;
  slot = find_same (pool, kind);
  if (slot) {
    pool->statistics.reuses++;
  } else {
    slot = find_empty (pool);
    if (!slot)
      slot = find_idle (pool);
    if (pool->reserved)
      pool->statistics.misses++;
    status = fill_slot (pool, slot, kind, error);
  }
  *taken = slot;
  return status;
}

NpuStatus
npu_buffer_pool_acquire (NpuBufferPool * pool, const char *name, size_t size,
    uint32_t group, uint64_t timeout_ns, NpuBuffer ** buffer,
    NpuError * error)
{
  Kind kind = { name, size, group };
  NpuStatus status = check_kind (pool, &kind, error);
  Slot *slot = NULL;

  if (status != NPU_OK)
    return status;
  if (!buffer)
    return npu_error_set (error, NPU_EINVAL,
        "buffer pool: there is no place for the buffer");
  *buffer = NULL;
  pthread_mutex_lock (&pool->lock);
  status = take_slot (pool, &kind, timeout_ns, &slot, error);
  if (status == NPU_OK) {
    NpuBufferPoolStatistics *statistics = &pool->statistics;

    slot->state = SLOT_IN_USE;
    *buffer = slot->buffer;
    statistics->in_use++;
    if (statistics->peak_in_use < statistics->in_use)
      statistics->peak_in_use = statistics->in_use;
  }
  pthread_mutex_unlock (&pool->lock);
  return status;
}

NpuStatus
npu_buffer_pool_release (NpuBufferPool * pool, NpuBuffer * buffer)
{
  NpuStatus status = NPU_EINVAL;

  pthread_mutex_lock (&pool->lock);
  for (uint32_t i = 0; i < pool->capacity; i++) {
    Slot *slot = &pool->slots[i];

    if (slot->state == SLOT_IN_USE && slot->buffer == buffer) {
      set_free (pool, slot);
      pool->statistics.in_use--;
      status = NPU_OK;
      break;
    }
  }
  pthread_mutex_unlock (&pool->lock);
  return status;
}

void
npu_buffer_pool_cancel (NpuBufferPool * pool, bool cancel)
{
  pthread_mutex_lock (&pool->lock);
  pool->cancelled = cancel;
  if (cancel) {
    pool->cancellations++;
    pthread_cond_broadcast (&pool->available);
  }
  pthread_mutex_unlock (&pool->lock);
}

void
npu_buffer_pool_statistics (NpuBufferPool * pool,
    NpuBufferPoolStatistics * statistics)
{
  pthread_mutex_lock (&pool->lock);
  *statistics = pool->statistics;
  pthread_mutex_unlock (&pool->lock);
}
