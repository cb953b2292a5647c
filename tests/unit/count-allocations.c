/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * malloc() and its like as the C library has them, with a count.
 */
#include "count-allocations.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

static atomic_long allocations;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* visible, or the libraries under test go on with the C library's */
#define TAKES_OVER __attribute__ ((visibility ("default")))

void *__libc_malloc (size_t size);
void *__libc_calloc (size_t count, size_t size);
void *__libc_realloc (void *old, size_t size);

TAKES_OVER void *
malloc (size_t size)
{
  atomic_fetch_add (&allocations, 1);
  return __libc_malloc (size);
}

TAKES_OVER void *
calloc (size_t count, size_t size)
{
  atomic_fetch_add (&allocations, 1);
  return __libc_calloc (count, size);
}

TAKES_OVER void *
realloc (void *old, size_t size)
{
  atomic_fetch_add (&allocations, 1);
  return __libc_realloc (old, size);
}
#endif

long
allocations_so_far (void)
{
  return atomic_load (&allocations);
}
