/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pool of device buffers: a table of entries, each with the kind of buffer it
 * holds, and a condition for those who wait. Requests search the table, which
 * is short.
 */
#include "device/buffer-pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_CAPACITY 1024
#define NS_PER_SECOND UINT64_C (1000000000)

typedef struct
{
  char name[NPU_BUFFER_NAME_LENGTH + 1];
  size_t size;
  uint32_t group;
} Kind;

typedef struct
{
  NpuBuffer *buffer;            /* NULL: the entry is free */
  Kind kind;
  bool in_use;
  uint64_t released;            /* in the order of releases */
} Entry;

struct NpuBufferPool
{
  NpuDevice *device;
  uint32_t capacity;

  pthread_mutex_t lock;         /* guards what follows */
  pthread_cond_t changed;       /* a release, or canceled was set */
  uint32_t references;
  bool canceled;
  bool reserved;                /* what is created later is a miss */
  uint64_t releases;
  NpuBufferPoolStatistics statistics;
  Entry entries[];
};

NpuStatus
npu_buffer_pool_create (NpuDevice * device, uint32_t capacity,
    NpuBufferPool ** pool, NpuError * error)
{
  pthread_condattr_t attributes;
  NpuBufferPool *self;

  if (!device || !pool || capacity < 1 || capacity > MAX_CAPACITY)
    return npu_error_set (error, NPU_EINVAL, "A buffer pool needs a device and "
        "a capacity of 1 to %d, not %u", MAX_CAPACITY, capacity);
  self = calloc (1, sizeof (*self) + capacity * sizeof (Entry));
  if (!self)
    return npu_error_set (error, NPU_ENOMEM, "Out of memory for a buffer pool");
  self->device = npu_device_ref (device);
  self->capacity = capacity;
  self->references = 1;
  pthread_mutex_init (&self->lock, NULL);
  pthread_condattr_init (&attributes);
  pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
  pthread_cond_init (&self->changed, &attributes);
  pthread_condattr_destroy (&attributes);
  *pool = self;
  return NPU_OK;
}

NpuBufferPool *
npu_buffer_pool_ref (NpuBufferPool * pool)
{
  pthread_mutex_lock (&pool->lock);
  pool->references++;
  pthread_mutex_unlock (&pool->lock);
  return pool;
}

void
npu_buffer_pool_unref (NpuBufferPool * pool)
{
  bool last;

  if (!pool)
    return;
  pthread_mutex_lock (&pool->lock);
  last = --pool->references == 0;
  pthread_mutex_unlock (&pool->lock);
  if (!last)
    return;
  /* who has a buffer has the reference */
  for (uint32_t i = 0; i < pool->capacity; i++)
    if (!pool->entries[i].in_use)
      npu_buffer_unref (pool->entries[i].buffer);
  pthread_cond_destroy (&pool->changed);
  pthread_mutex_destroy (&pool->lock);
  npu_device_unref (pool->device);
  free (pool);
}

static NpuStatus
make_kind (Kind * kind, const char *name, size_t size, uint32_t group,
    NpuError * error)
{
  if (!name || strlen (name) > NPU_BUFFER_NAME_LENGTH || size == 0)
    return npu_error_set (error, NPU_EINVAL, "A buffer of a pool needs a name "
        "of at most %d bytes and a size", NPU_BUFFER_NAME_LENGTH);
  memset (kind, 0, sizeof (*kind));
  memcpy (kind->name, name, strlen (name));
  kind->size = size;
  kind->group = group;
  return NPU_OK;
}

static bool
same_kind (const Kind * a, const Kind * b)
{
  return a->size == b->size && a->group == b->group
      && strcmp (a->name, b->name) == 0;
}

/* The free buffer of @kind that was released last, or NULL. */
static Entry *
find_free (NpuBufferPool * pool, const Kind * kind)
{
  Entry *found = NULL;

  for (uint32_t i = 0; i < pool->capacity; i++) {
    Entry *entry = &pool->entries[i];

    if (entry->buffer && !entry->in_use && same_kind (&entry->kind, kind)
        && (!found || entry->released > found->released))
      found = entry;
  }
  return found;
}

/* Where a new buffer can go: an empty entry, else that of the buffer which has
 * been free for the longest time, if @evict; or NULL. */
static Entry *
find_place (NpuBufferPool * pool, bool evict)
{
  Entry *oldest = NULL;

  for (uint32_t i = 0; i < pool->capacity; i++) {
    Entry *entry = &pool->entries[i];

    if (!entry->buffer)
      return entry;
    if (evict && !entry->in_use
        && (!oldest || entry->released < oldest->released))
      oldest = entry;
  }
  return oldest;
}

/* The lock is held. */
static NpuStatus
fill_place (NpuBufferPool * pool, Entry * entry, const Kind * kind,
    NpuError * error)
{
  NpuBuffer *buffer;
  NpuStatus status = npu_buffer_create (pool->device, kind->size, kind->group,
      &buffer, error);

  if (status != NPU_OK)
    return status;
  if (entry->buffer) {
    pool->statistics.bytes -= entry->kind.size;
    npu_buffer_unref (entry->buffer);
  }
  *entry = (Entry) {.buffer = buffer,.kind = *kind,
    .released = ++pool->releases
  };
  pool->statistics.allocations++;
  pool->statistics.bytes += kind->size;
  return NPU_OK;
}

NpuStatus
npu_buffer_pool_reserve (NpuBufferPool * pool, const char *name, size_t size,
    uint32_t group, uint32_t count, NpuError * error)
{
  Kind kind;
  NpuStatus status = make_kind (&kind, name, size, group, error);

  pthread_mutex_lock (&pool->lock);
  pool->reserved = true;
  for (uint32_t i = 0; i < count && status == NPU_OK; i++) {
    Entry *place = find_place (pool, false);

    status = place ? fill_place (pool, place, &kind, error) :
        npu_error_set (error, NPU_EBUSY, "The pool's capacity of %u buffers "
        "does not allow %u more called %s", pool->capacity, count - i, name);
  }
  pthread_mutex_unlock (&pool->lock);
  return status;
}

static struct timespec
deadline_after (uint64_t timeout_ns)
{
  struct timespec time;
  uint64_t ns;

  clock_gettime (CLOCK_MONOTONIC, &time);
  ns = (uint64_t) time.tv_nsec + timeout_ns % NS_PER_SECOND;
  time.tv_sec += (time_t) (timeout_ns / NS_PER_SECOND + ns / NS_PER_SECOND);
  time.tv_nsec = (long) (ns % NS_PER_SECOND);
  return time;
}

/* The lock is held, and is given up while waiting. Returns false when the time
 * is over. */
static bool
wait_for_release (NpuBufferPool * pool, bool forever,
    const struct timespec *deadline)
{
  if (forever) {
    pthread_cond_wait (&pool->changed, &pool->lock);
    return true;
  }
  return pthread_cond_timedwait (&pool->changed, &pool->lock,
      deadline) != ETIMEDOUT;
}

/* The lock is held. Sets @entry to a buffer of @kind, or to NULL while all are
 * in use. */
static NpuStatus
take_or_create (NpuBufferPool * pool, const Kind * kind, Entry ** entry,
    NpuError * error)
{
  NpuStatus status;

  *entry = find_free (pool, kind);
  if (*entry) {
    pool->statistics.reuses++;
    return NPU_OK;
  }
  *entry = find_place (pool, true);
  if (!*entry)
    return NPU_OK;
  status = fill_place (pool, *entry, kind, error);
  if (status == NPU_OK)
    pool->statistics.misses += pool->reserved;
  return status;
}

static void
hand_out (NpuBufferPool * pool, Entry * entry)
{
  NpuBufferPoolStatistics *statistics = &pool->statistics;

  entry->in_use = true;
  statistics->in_use++;
  if (statistics->in_use > statistics->peak_in_use)
    statistics->peak_in_use = statistics->in_use;
}

/* The lock is held. */
static NpuStatus
acquire (NpuBufferPool * pool, const Kind * kind, uint64_t timeout_ns,
    Entry ** entry, NpuError * error)
{
  bool forever = timeout_ns / NS_PER_SECOND > UINT32_MAX, waited = false;
  struct timespec deadline = deadline_after (forever ? 0 : timeout_ns);

  for (;;) {
    NpuStatus status = take_or_create (pool, kind, entry, error);

    if (status != NPU_OK || *entry)
      return status;
    if (timeout_ns == 0)
      return npu_error_set (error, NPU_EBUSY, "All %u buffers of the pool are "
          "in use; release one, or make the pool larger", pool->capacity);
    if (pool->canceled)
      return npu_error_set (error, NPU_ECANCELED, "The wait for a buffer was "
          "given up");
    pool->statistics.waits += !waited;
    waited = true;
    if (!wait_for_release (pool, forever, &deadline))
      return npu_error_set (error, NPU_ETIMEDOUT, "None of the pool's %u "
          "buffers was released in time", pool->capacity);
  }
}

NpuStatus
npu_buffer_pool_acquire (NpuBufferPool * pool, const char *name, size_t size,
    uint32_t group, uint64_t timeout_ns, NpuBuffer ** buffer, NpuError * error)
{
  Kind kind;
  Entry *entry;
  NpuStatus status = make_kind (&kind, name, size, group, error);

  if (status != NPU_OK)
    return status;
  pthread_mutex_lock (&pool->lock);
  status = acquire (pool, &kind, timeout_ns, &entry, error);
  if (status == NPU_OK) {
    hand_out (pool, entry);
    *buffer = entry->buffer;
  } else {
    pool->statistics.refusals++;
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
    Entry *entry = &pool->entries[i];

    if (entry->buffer != buffer || !entry->in_use)
      continue;
    entry->in_use = false;
    entry->released = ++pool->releases;
    pool->statistics.in_use--;
    pthread_cond_broadcast (&pool->changed);
    status = NPU_OK;
  }
  pthread_mutex_unlock (&pool->lock);
  return status;
}

void
npu_buffer_pool_cancel (NpuBufferPool * pool, bool cancel)
{
  pthread_mutex_lock (&pool->lock);
  pool->canceled = cancel;
  pthread_cond_broadcast (&pool->changed);
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
