/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For every period, the length of the run of tokens that equal the one a
 * period before: a run of n and the period itself are n / period + 1 times.
 */
#include "decoder/loop-guard.h"

#include <string.h>

void
npu_loop_guard_begin (NpuLoopGuard * guard)
{
  memset (guard, 0, sizeof (*guard));
}

uint32_t
npu_loop_guard_accept (NpuLoopGuard * guard, int32_t token)
{
  uint32_t surplus = 0;

  for (uint32_t period = 1; period <= NPU_LOOP_MAX_PERIOD; period++) {
    uint32_t *equal = &guard->equal[period - 1];

    if (guard->count < period ||
        guard->last[(guard->count - period) % NPU_LOOP_MAX_PERIOD] != token)
      *equal = 0;
    else
      ++*equal;
    if (!surplus && *equal + period >= NPU_LOOP_MIN_TOKENS &&
        *equal >= period * (NPU_LOOP_MIN_TIMES - 1))
      surplus = *equal;
  }
  guard->last[guard->count % NPU_LOOP_MAX_PERIOD] = token;
  guard->count++;
  return surplus;
}
