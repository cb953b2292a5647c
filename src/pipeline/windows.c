/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which frames make the next window. A window always ends at the frame where
 * it became due, not at the newest one that happens to be there, so that the
 * same stream gives the same windows however fast it comes.
 */
#include "pipeline/windows.h"

static uint64_t
earlier (uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

/* First frame of a window that ends at @end at the latest. */
static uint64_t
window_first (const NpuWindows * windows, uint64_t end)
{
  if (windows->driven || end < windows->start + windows->window)
    return windows->start;
  return end - windows->window;
}

void
npu_windows_init (NpuWindows * windows, uint32_t window, uint32_t hop,
    bool driven)
{
  if (window < 1)
    window = 1;
  if (hop < 1)
    hop = 1;
  if (hop > window)
    hop = window;
  *windows = (NpuWindows) {
    .window = window,
    .hop = hop,
    .driven = driven,
  };
  npu_windows_restart (windows, 0);
}

void
npu_windows_restart (NpuWindows * windows, uint64_t first)
{
  windows->start = first;
  windows->covered = first;
  windows->due = first + windows->hop;
  windows->answered = false;
  windows->waiting = false;
}

/* After the end: is there something that no window has handed out? */
static bool
rest_is_due (const NpuWindows * windows, uint64_t newest)
{
  if (!windows->driven)
    return newest > windows->covered;
  if (windows->answered && newest < windows->start + NPU_WINDOW_REST)
    return false;
  return newest > windows->start;
}

bool
npu_windows_next (NpuWindows * windows, uint64_t newest, bool ended,
    NpuWindow * window)
{
  uint64_t end;

  if (windows->waiting)
    return false;
  if (newest < windows->due && !(ended && rest_is_due (windows, newest)))
    return false;

  end = earlier (newest, windows->due);
  window->id = windows->next_id++;
  window->first = window_first (windows, windows->due);
  window->frames = (uint32_t) (end - window->first);
  window->final = ended && end == newest;
  windows->covered = end;
  if (windows->driven) {
    windows->waiting = true;
    windows->waiting_id = window->id;
    windows->waiting_frames = window->frames;
    windows->waiting_final = window->final;
  } else {
    windows->due = end + windows->hop;
  }
  return true;
}

bool
npu_windows_answer (NpuWindows * windows, uint64_t id, uint64_t next)
{
  uint64_t end;
  bool full;

  if (!windows->waiting || id != windows->waiting_id)
    return false;
  windows->waiting = false;
  windows->answered = true;

  full = windows->waiting_final || windows->waiting_frames == windows->window;
  end = windows->start + windows->waiting_frames;
  if (next > end || (full && next <= windows->start))
    next = end;
  if (next > windows->start)
    windows->start = next;
  windows->due = earlier (end + windows->hop,
      windows->start + windows->window);
  return true;
}

uint64_t
npu_windows_first_needed (const NpuWindows * windows)
{
  return window_first (windows, windows->due);
}
