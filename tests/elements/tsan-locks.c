/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For programs built with -fsanitize=thread: stands before GLib's locks and
 * reference counts and tells the sanitizer what they order. GLib makes them of
 * futexes and atomics in code that is not instrumented, so that without this
 * every access that they guard would be reported.
 */
#include <dlfcn.h>
#include <gst/gst.h>
#include <sanitizer/tsan_interface.h>

#pragma GCC visibility push (default)

const char *__tsan_default_options (void);

/* The end of a lock in GLib is not seen, so that the next one at its address is
 * taken for the same: orders of locks say nothing here. And the elements have
 * no pthread mutexes: what is said of misused ones is about other libraries,
 * whose lock and unlock fall on both sides of a suppression. The core's tests
 * have both checks on. */
const char *
__tsan_default_options (void)
{
  return "detect_deadlocks=0:report_mutex_bugs=0";
}

/* The function of this name that would be called without us. */
#define NEXT(name) ({ \
    static __typeof__ (&name) next = NULL; \
    __typeof__ (&name) found = __atomic_load_n (&next, __ATOMIC_RELAXED); \
    if (!found) { \
      found = (__typeof__ (&name)) dlsym (RTLD_NEXT, #name); \
      __atomic_store_n (&next, found, __ATOMIC_RELAXED); \
    } \
    found; \
  })

#define LOCK(name, Type) \
  void name (Type * lock) { NEXT (name) (lock); __tsan_acquire (lock); }
#define TRYLOCK(name, Type) \
  gboolean name (Type * lock) { \
    gboolean taken = NEXT (name) (lock); \
    if (taken) \
      __tsan_acquire (lock); \
    return taken; \
  }
#define UNLOCK(name, Type) \
  void name (Type * lock) { __tsan_release (lock); NEXT (name) (lock); }

LOCK (g_mutex_lock, GMutex)
TRYLOCK (g_mutex_trylock, GMutex)
UNLOCK (g_mutex_unlock, GMutex)
LOCK (g_rec_mutex_lock, GRecMutex)
TRYLOCK (g_rec_mutex_trylock, GRecMutex)
UNLOCK (g_rec_mutex_unlock, GRecMutex)
LOCK (g_rw_lock_writer_lock, GRWLock)
UNLOCK (g_rw_lock_writer_unlock, GRWLock)
LOCK (g_rw_lock_reader_lock, GRWLock)
UNLOCK (g_rw_lock_reader_unlock, GRWLock)

void
g_cond_wait (GCond * cond, GMutex * mutex)
{
  __tsan_release (mutex);
  NEXT (g_cond_wait) (cond, mutex);
  __tsan_acquire (mutex);
}

gboolean
g_cond_wait_until (GCond * cond, GMutex * mutex, gint64 end)
{
  gboolean signalled;

  __tsan_release (mutex);
  signalled = NEXT (g_cond_wait_until) (cond, mutex, end);
  __tsan_acquire (mutex);
  return signalled;
}

/* The last owner of an object sees what the others did to it. */
#define REF(name, Type) \
  Type name (Type object) { \
    __tsan_acquire (object); \
    return NEXT (name) (object); \
  }
#define UNREF(name, Type) \
  void name (Type object) { \
    __tsan_release (object); \
    __tsan_acquire (object); \
    NEXT (name) (object); \
  }

#undef g_object_ref
REF (g_object_ref, gpointer)
UNREF (g_object_unref, gpointer)
REF (gst_object_ref, gpointer)
UNREF (gst_object_unref, gpointer)
REF (gst_mini_object_ref, GstMiniObject *)
UNREF (gst_mini_object_unref, GstMiniObject *)

/* Queues of GLib lock inside GLib, past the functions above. */
void
g_async_queue_push (GAsyncQueue * queue, gpointer data)
{
  __tsan_release (queue);
  NEXT (g_async_queue_push) (queue, data);
}

gpointer
g_async_queue_try_pop (GAsyncQueue * queue)
{
  gpointer data = NEXT (g_async_queue_try_pop) (queue);

  __tsan_acquire (queue);
  return data;
}

gpointer
g_async_queue_timeout_pop (GAsyncQueue * queue, guint64 timeout)
{
  gpointer data = NEXT (g_async_queue_timeout_pop) (queue, timeout);

  __tsan_acquire (queue);
  return data;
}
