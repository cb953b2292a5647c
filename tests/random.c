/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Random values of the tests: xorshift64*.
 */
#include "random.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static _Thread_local uint64_t state = 1;

uint64_t
seed_from_environment (void)
{
  const char *text = getenv ("NPU_TEST_SEED");
  uint64_t seed = text ? strtoull (text, NULL, 0) : (uint64_t) time (NULL);

  printf ("seed: NPU_TEST_SEED=%llu\n", (unsigned long long) seed);
  fflush (stdout);
  seed_random (seed);
  return seed;
}

uint64_t
seed_random (uint64_t seed)
{
  uint64_t before = state;

  state = seed * 2 + 1;
  return before;
}

void
random_resume (uint64_t before)
{
  state = before;
}

static uint64_t
random_bits (void)
{
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * UINT64_C (2685821657736338717);
}

uint32_t
random_below (uint32_t limit)
{
  return (uint32_t) ((random_bits () >> 32) * limit >> 32);
}

float
random_float (void)
{
  float sum = 0.0f;

  /* The sum of 3 values of -1 ... 1 has variance 1. */
  for (int i = 0; i < 3; i++)
    sum += (float) (random_bits () >> 40) / (1 << 23) - 1.0f;
  return sum;
}
