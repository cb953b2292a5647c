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
 * A step is taken when a window is formed that has been due for more than a
 * hop, unless the encoder is catching up: it takes windows at least so much
 * faster than they are heard that what waits gets less by itself (it waited for
 * weights, or downstream did). A step is taken back after CALM windows that had
 * been due for at most a quarter of a hop; after twice as many, up to CALM_MAX,
 * each time that taking it back turns out to have been too early.
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

/* It catches up while a window takes at most so much of the time in which it
 * was heard. */
#define NPU_OVERLOAD_CATCH_UP 0.75
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
  bool drops;
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

/* Times in frames. */
typedef struct
{
  uint64_t waited;              /* since the window was due */
  uint64_t heard;               /* from the end of the window before to its own */
  uint64_t elapsed;             /* since the window before was formed */
  bool first;                   /* there is none before it; the last two do not
                                 * count */
} NpuOverloadWindow;

/**
 * npu_overload_update:
 * @window is about to be formed.
 *
 * Returns whether another step is in force from now on.
 */
NPU_API bool npu_overload_update (NpuOverload * overload,
    const NpuOverloadWindow * window);

/**
 * npu_overload_drops:
 * Returns whether windows are to be left out instead, until the next one has
 * been due for at most a hop.
 */
NPU_API bool npu_overload_drops (const NpuOverload * overload);

/**
 * npu_overload_step:
 * Returns the step in force.
 */
NPU_API const NpuOverloadStep *npu_overload_step (const NpuOverload * overload);

#endif
