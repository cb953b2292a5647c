/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Steps against overload, and when to take which.
 */
#include "pipeline/overload.h"

/* Windows after which a step that was taken back counts as not needed. */
#define PROVEN 16

static void
add_step (NpuOverload * overload, NpuOverloadLevel level, uint32_t window,
    uint32_t hop)
{
  const NpuOverloadStep *last = &overload->step[overload->steps - 1];

  if (level == NPU_OVERLOAD_DROP || window != last->window
      || hop != last->hop)
    overload->step[overload->steps++] =
        (NpuOverloadStep) { level, window, hop };
}

static uint32_t
larger (uint32_t a, uint32_t b)
{
  return a > b ? a : b;
}

void
npu_overload_init (NpuOverload * overload, NpuOverloadLevel limit,
    uint32_t window, uint32_t hop, bool shorter)
{
  uint32_t shortest = window;

  *overload = (NpuOverload) {
    .steps = 1,
    .step = {{NPU_OVERLOAD_BLOCK, window, hop}},
    .calm_needed = NPU_OVERLOAD_CALM,
  };
  if (limit >= NPU_OVERLOAD_CONTEXT && shorter) {
    shortest = larger (window / 4, hop);
    add_step (overload, NPU_OVERLOAD_CONTEXT, larger (window / 2, hop), hop);
    add_step (overload, NPU_OVERLOAD_CONTEXT, shortest, hop);
  }
  if (limit >= NPU_OVERLOAD_HOP) {
    for (uint32_t times = 2; times <= 4; times *= 2) {
      uint32_t longer = (uint64_t) hop * times < window ? hop * times : window;

      add_step (overload, NPU_OVERLOAD_HOP, larger (shortest, longer), longer);
    }
  }
  if (limit >= NPU_OVERLOAD_DROP) {
    const NpuOverloadStep *last = &overload->step[overload->steps - 1];

    add_step (overload, NPU_OVERLOAD_DROP, last->window, last->hop);
  }
}

static void
step_up (NpuOverload * overload)
{
  overload->now++;
  overload->calm = 0;
  if (overload->since_return > 0 && overload->since_return < PROVEN
      && overload->calm_needed < NPU_OVERLOAD_CALM_MAX)
    overload->calm_needed *= 2;
  overload->since_return = 0;
}

static void
step_down (NpuOverload * overload)
{
  overload->now--;
  overload->calm = 0;
  overload->since_return = 1;
}

static bool
catches_up (const NpuOverloadWindow * window)
{
  return window->first
      || window->elapsed <= NPU_OVERLOAD_CATCH_UP * window->heard;
}

/* Returns whether another step is in force. */
static bool
change_step (NpuOverload * overload, const NpuOverloadWindow * window)
{
  const NpuOverloadStep *step = npu_overload_step (overload);

  if (overload->since_return > 0 && ++overload->since_return >= PROVEN) {
    overload->since_return = 0;
    overload->calm_needed = NPU_OVERLOAD_CALM;
  }
  if (window->waited > step->hop) {
    overload->calm = 0;
    if (overload->now + 1 == overload->steps || catches_up (window))
      return false;
    step_up (overload);
    return true;
  }
  if (window->waited > step->hop / 4)
    overload->calm = 0;
  else
    overload->calm++;
  if (overload->now == 0 || overload->calm < overload->calm_needed)
    return false;
  step_down (overload);
  return true;
}

bool
npu_overload_update (NpuOverload * overload, const NpuOverloadWindow * window)
{
  bool changed = change_step (overload, window);
  const NpuOverloadStep *step = npu_overload_step (overload);

  overload->drops = step->level == NPU_OVERLOAD_DROP
      && window->waited > step->hop && !catches_up (window);
  return changed;
}

bool
npu_overload_drops (const NpuOverload * overload)
{
  return overload->drops;
}

const NpuOverloadStep *
npu_overload_step (const NpuOverload * overload)
{
  return &overload->step[overload->now];
}
