/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the cpu device does when the system has no thread left: the C library's
 * functions are taken over, fail on demand and count.
 */
#include "device/device.h"
#include "run-suite.h"

#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* visible, or the libraries under test go on with the C library's */
#define TAKES_OVER __attribute__ ((visibility ("default")))

typedef int (*CreateFunc) (pthread_t *, const pthread_attr_t *,
    void *(*)(void *), void *);
typedef int (*InitFunc) (pthread_mutex_t *, const pthread_mutexattr_t *);
typedef int (*DestroyFunc) (pthread_mutex_t *);

static atomic_bool no_threads;
static atomic_int mutexes;

TAKES_OVER int
pthread_create (pthread_t * thread, const pthread_attr_t * attributes,
    void *(*function) (void *), void *user)
{
  CreateFunc next;

  *(void **) &next = dlsym (RTLD_NEXT, "pthread_create");
  return atomic_load (&no_threads) ? EAGAIN :
      next (thread, attributes, function, user);
}

TAKES_OVER int
pthread_mutex_init (pthread_mutex_t * mutex,
    const pthread_mutexattr_t * attributes)
{
  InitFunc next;

  *(void **) &next = dlsym (RTLD_NEXT, "pthread_mutex_init");
  atomic_fetch_add (&mutexes, 1);
  return next (mutex, attributes);
}

TAKES_OVER int
pthread_mutex_destroy (pthread_mutex_t * mutex)
{
  DestroyFunc next;

  *(void **) &next = dlsym (RTLD_NEXT, "pthread_mutex_destroy");
  atomic_fetch_sub (&mutexes, 1);
  return next (mutex);
}

START_TEST (a_queue_without_a_thread_leaves_nothing_behind)
{
  NpuDevice *device;
  NpuQueue *queue = NULL;
  NpuError error;
  int before;

  ck_assert_int_eq (npu_device_open ("cpu", NULL, &device, &error), NPU_OK);
  before = atomic_load (&mutexes);
  ck_assert_int_gt (before, 0);
  atomic_store (&no_threads, true);
  ck_assert_int_eq (npu_queue_create (device, &queue, &error), NPU_ENOMEM);
  atomic_store (&no_threads, false);
  ck_assert_int_eq (atomic_load (&mutexes), before);
  ck_assert_int_eq (npu_queue_create (device, &queue, &error), NPU_OK);
  npu_queue_free (queue);
  npu_device_unref (device);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("device-failures");
  TCase *tests = tcase_create ("device-failures");

  tcase_add_test (tests, a_queue_without_a_thread_leaves_nothing_behind);
  suite_add_tcase (suite, tests);
  return run_suite (suite);
}
