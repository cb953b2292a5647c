/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A job is open while chunks are left. Threads that find it open join it;
 * whoever wakes too late finds it closed and sleeps again, so that a job never
 * waits for a thread that the system has not scheduled yet: the caller would
 * rather do all chunks itself.
 */
#include "device/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Operations of a list follow each other within microseconds; a thread that
 * looks for so long before it sleeps is not woken for each of them. */
#define SPIN_NS 20000
#define SPINS_BETWEEN_CLOCKS 64

typedef struct
{
  NpuPool *pool;
  pthread_t thread;
  uint32_t number;
} Worker;

struct NpuPool
{
  pthread_mutex_t lock;
  pthread_cond_t job_opened;    /* or stop was set */
  pthread_cond_t job_left;      /* joined has become 0 */
  atomic_uint opened;           /* jobs ever opened; written under lock */
  bool stop;
  bool open;                    /* threads may still join */
  uint32_t joined;              /* threads at work, without the caller */
  uint32_t asleep;

  NpuPoolFunc func;             /* the job */
  void *user;
  uint32_t chunks;
  atomic_uint next_chunk;

  pthread_mutex_t turn_lock;
  pthread_cond_t turn_changed;
  uint64_t next_ticket;
  uint64_t serving;

  uint32_t threads;
  uint32_t started;
  Worker workers[];
};

static void
relax (void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause ();
#endif
}

static uint64_t
now_ns (void)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  return (uint64_t) time.tv_sec * 1000000000 + (uint64_t) time.tv_nsec;
}

/* Looks for a job after number @seen for a short while, without the lock. */
static void
spin_for_job (NpuPool * pool, unsigned seen)
{
  uint64_t end = now_ns () + SPIN_NS;

  do {
    for (int i = 0; i < SPINS_BETWEEN_CLOCKS; i++) {
      if (atomic_load_explicit (&pool->opened, memory_order_relaxed) != seen)
        return;
      relax ();
    }
  } while (now_ns () < end);
}

static void
do_chunks (NpuPool * pool, uint32_t worker)
{
  for (;;) {
    unsigned chunk = atomic_fetch_add_explicit (&pool->next_chunk, 1,
        memory_order_relaxed);

    if (chunk >= pool->chunks)
      return;
    pool->func (pool->user, chunk, worker);
  }
}

static void *
work (void *user)
{
  Worker *worker = user;
  NpuPool *pool = worker->pool;
  unsigned seen;
  char name[16];

  snprintf (name, sizeof (name), "npu-core-%u", worker->number % 100000);
  pthread_setname_np (pthread_self (), name);
  pthread_mutex_lock (&pool->lock);
  while (!pool->stop) {
    if (pool->open) {
      pool->joined++;
      pthread_mutex_unlock (&pool->lock);
      do_chunks (pool, worker->number);
      pthread_mutex_lock (&pool->lock);
      pool->open = false;       /* no chunk is left to join for */
      if (--pool->joined == 0)
        pthread_cond_signal (&pool->job_left);
    }
    if (pool->stop || pool->open)
      continue;
    seen = atomic_load_explicit (&pool->opened, memory_order_relaxed);
    pthread_mutex_unlock (&pool->lock);
    spin_for_job (pool, seen);
    pthread_mutex_lock (&pool->lock);
    if (!pool->open && !pool->stop) {
      pool->asleep++;
      pthread_cond_wait (&pool->job_opened, &pool->lock);
      pool->asleep--;
    }
  }
  pthread_mutex_unlock (&pool->lock);
  return NULL;
}

static bool
start_workers (NpuPool * pool)
{
  for (uint32_t i = 1; i < pool->threads; i++) {
    Worker *worker = &pool->workers[i - 1];

    worker->pool = pool;
    worker->number = i;
    if (pthread_create (&worker->thread, NULL, work, worker) != 0)
      return false;
    pool->started++;
  }
  return true;
}

NpuPool *
npu_pool_create (uint32_t threads)
{
  NpuPool *pool = calloc (1, sizeof (*pool) + threads * sizeof (Worker));

  if (!pool)
    return NULL;
  pool->threads = threads;
  pthread_mutex_init (&pool->lock, NULL);
  pthread_cond_init (&pool->job_opened, NULL);
  pthread_cond_init (&pool->job_left, NULL);
  pthread_mutex_init (&pool->turn_lock, NULL);
  pthread_cond_init (&pool->turn_changed, NULL);
  if (!start_workers (pool)) {
    npu_pool_free (pool);
    return NULL;
  }
  return pool;
}

void
npu_pool_free (NpuPool * pool)
{
  if (!pool)
    return;
  pthread_mutex_lock (&pool->lock);
  pool->stop = true;
  pthread_cond_broadcast (&pool->job_opened);
  pthread_mutex_unlock (&pool->lock);
  for (uint32_t i = 0; i < pool->started; i++)
    pthread_join (pool->workers[i].thread, NULL);
  pthread_cond_destroy (&pool->turn_changed);
  pthread_mutex_destroy (&pool->turn_lock);
  pthread_cond_destroy (&pool->job_left);
  pthread_cond_destroy (&pool->job_opened);
  pthread_mutex_destroy (&pool->lock);
  free (pool);
}

void
npu_pool_acquire (NpuPool * pool)
{
  uint64_t ticket;

  pthread_mutex_lock (&pool->turn_lock);
  ticket = pool->next_ticket++;
  while (pool->serving != ticket)
    pthread_cond_wait (&pool->turn_changed, &pool->turn_lock);
  pthread_mutex_unlock (&pool->turn_lock);
}

void
npu_pool_release (NpuPool * pool)
{
  pthread_mutex_lock (&pool->turn_lock);
  pool->serving++;
  if (pool->serving != pool->next_ticket)
    pthread_cond_broadcast (&pool->turn_changed);
  pthread_mutex_unlock (&pool->turn_lock);
}

static void
open_job (NpuPool * pool, uint32_t chunks, NpuPoolFunc func, void *user)
{
  uint32_t helpers = chunks - 1 < pool->started ? chunks - 1 : pool->started;

  pthread_mutex_lock (&pool->lock);
  pool->func = func;
  pool->user = user;
  pool->chunks = chunks;
  atomic_store_explicit (&pool->next_chunk, 0, memory_order_relaxed);
  atomic_fetch_add_explicit (&pool->opened, 1, memory_order_relaxed);
  pool->open = true;
  /* Those that spin come by themselves. */
  if (helpers >= pool->asleep) {
    if (pool->asleep > 0)
      pthread_cond_broadcast (&pool->job_opened);
  } else {
    for (uint32_t i = 0; i < helpers; i++)
      pthread_cond_signal (&pool->job_opened);
  }
  pthread_mutex_unlock (&pool->lock);
}

void
npu_pool_run (NpuPool * pool, uint32_t chunks, NpuPoolFunc func, void *user)
{
  if (chunks <= 1 || pool->started == 0) {
    for (uint32_t i = 0; i < chunks; i++)
      func (user, i, 0);
    return;
  }
  open_job (pool, chunks, func, user);
  do_chunks (pool, 0);
  pthread_mutex_lock (&pool->lock);
  pool->open = false;
  while (pool->joined > 0)
    pthread_cond_wait (&pool->job_left, &pool->lock);
  pthread_mutex_unlock (&pool->lock);
}
