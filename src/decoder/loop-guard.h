/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Notices that a decoder repeats itself without end. The last tokens repeat
 * when they consist of the same 1 to 32 tokens, timestamps included, again and
 * again: at least 16 tokens and at least 4 times in all. A word said 15 times
 * or a line said 3 times therefore passes; and since times that go on are
 * different tokens, only text without times or with times that stand still is
 * caught here. Repetition with times that go on is for npu_segments_parse().
 * Pure logic; private to the core.
 */
#ifndef NPU_DECODER_LOOP_GUARD_H
#define NPU_DECODER_LOOP_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#define NPU_LOOP_MAX_PERIOD 32
#define NPU_LOOP_MIN_TOKENS 16
#define NPU_LOOP_MIN_TIMES 4

typedef struct
{
  int32_t last[NPU_LOOP_MAX_PERIOD];    /* ring of the newest tokens */
  uint32_t count;
  uint32_t equal[NPU_LOOP_MAX_PERIOD];  /* newest tokens that equal those one
                                         * period before, for period - 1 */
} NpuLoopGuard;

/* Forget all tokens. */
void npu_loop_guard_begin (NpuLoopGuard * guard);

/**
 * npu_loop_guard_accept:
 * Add @token. Returns 0, or where the tail has become a loop, how many of the
 * newest tokens to give up so that one occurrence is left.
 */
uint32_t npu_loop_guard_accept (NpuLoopGuard * guard, int32_t token);

#endif
