/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Counts the allocations of a whole test program, by taking malloc(), calloc()
 * and realloc() over. Sanitizers take them over themselves: nothing is counted
 * then.
 */
#ifndef COUNT_ALLOCATIONS_H
#define COUNT_ALLOCATIONS_H

#include <stdbool.h>

/* Allocations of all threads up to now; always 0 where they are not counted. */
long allocations_so_far (void);

#endif
