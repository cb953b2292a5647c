/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Random values of the tests, the same again for the same seed. Each thread has
 * a sequence of its own, which begins as if with seed 0.
 */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdint.h>

/* Begins anew, with NPU_TEST_SEED or else the time, and prints which. Returns
 * the seed. */
uint64_t seed_from_environment (void);

/* Begins anew. Returns what, given to random_resume(), goes on from here. */
uint64_t seed_random (uint64_t seed);
void random_resume (uint64_t state);

float random_float (void);      /* about normal, variance 1 */
uint32_t random_below (uint32_t limit);

#endif
