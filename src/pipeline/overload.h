/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is done when windows come faster than they are encoded. Decisions only:
 * no memory, no threads, no clocks. Behind a file nothing need be decided, the
 * source is made to wait. Behind a live source steps are taken one after
 * another, each when the one before did not help, and taken back one by one
 * when there is time again.
 *
 *   context  windows become shorter, down to the hop: 1/2, 1/4 (where the
 *            encoder's work depends on what was heard)
 *   hop      windows come less often: every 2, 4 hops, up to the window
 *   drop     windows are left out
 *
 * A step is taken when, at the time a window is formed, more than a hop of
 * frames waits behind it. It is taken back after CALM windows behind which at
 * most a quarter of a hop waited; twice as many, up to CALM_MAX, each time that
 * taking it back turns out to have been too early.
 */
#ifndef NPU_PIPELINE_OVERLOAD_H
#define NPU_PIPELINE_OVERLOAD_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum
{
  NPU_OVERLOAD_BLOCK,           /* no step: the source waits */
  NPU_OVERLOAD_CONTEXT,
  NPU_OVERLOAD_HOP,
  NPU_OVERLOAD_DROP,
} NpuOverloadLevel;

#define NPU_OVERLOAD_CALM 4
#define NPU_OVERLOAD_CALM_MAX 64
/* Normal, two of each of context and hop, drop. */
#define NPU_OVERLOAD_STEPS 6

typedef struct
{
  NpuOverloadLevel level;
  uint32_t window;              /* frames */
  uint32_t hop;                 /* frames, at most the window */
} NpuOverloadStep;

typedef struct
{
  uint32_t steps;
  NpuOverloadStep step[NPU_OVERLOAD_STEPS];
  uint32_t now;                 /* index of the step in force */
  uint32_t calm;                /* windows in a row */
  uint32_t calm_needed;
  uint32_t since_return;        /* windows since a step was taken back */
} NpuOverload;

/**
 * npu_overload_init:
 * Begin in the normal state.
 *
 * @limit   the last level allowed
 * @window  frames of a window in the normal state
 * @hop     frames, 1 ... @window
 * @shorter whether shorter windows are less work
 *
 * Steps that would change nothing are left out. Any thread; the caller locks,
 * as for all of this header.
 */
NPU_API void npu_overload_init (NpuOverload * overload,
    NpuOverloadLevel limit, uint32_t window, uint32_t hop, bool shorter);

/**
 * npu_overload_update:
 * A window is formed behind which @waiting frames wait for a later one.
 *
 * Returns whether another step is in force from now on.
 */
NPU_API bool npu_overload_update (NpuOverload * overload, uint64_t waiting);

/**
 * npu_overload_step:
 * Returns the step in force; at level DROP, windows are left out until at most
 * a hop waits.
 */
NPU_API const NpuOverloadStep *npu_overload_step (const NpuOverload * overload);

#endif
