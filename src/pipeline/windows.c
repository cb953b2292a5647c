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

static uint64_t
later (uint64_t a, uint64_t b)
{
  return a > b ? a : b;
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
  windows->least_start = first;
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
npu_windows_due (const NpuWindows * windows, uint64_t newest, bool ended)
{
  return !windows->waiting && (newest >= windows->due || (ended
          && rest_is_due (windows, newest)));
}

bool
npu_windows_next (NpuWindows * windows, uint64_t newest, bool ended,
    NpuWindow * window)
{
  uint64_t end;

  if (!npu_windows_due (windows, newest, ended))
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
    windows->waiting_full = window->final
        || window->frames == windows->window;
  } else {
    windows->due = end + windows->hop;
  }
  return true;
}

/* When the next driven window is due; behind frames that were left out, where
 * time is short, not before it is full. */
static uint64_t
driven_due (const NpuWindows * windows)
{
  uint64_t full = windows->start + windows->window;

  return windows->start > windows->covered ? full :
      earlier (windows->covered + windows->hop, full);
}

bool
npu_windows_answer (NpuWindows * windows, uint64_t id, uint64_t next)
{
  uint64_t end;

  if (!windows->waiting || id != windows->waiting_id)
    return false;
  windows->waiting = false;
  end = windows->start + windows->waiting_frames;
  /* of what was left out since, no rest can be short */
  windows->answered = windows->least_start <= end;
  if (next > end || (windows->waiting_full && next <= windows->start))
    next = end;
  windows->start = later (later (windows->start, next), windows->least_start);
  windows->due = driven_due (windows);
  return true;
}

void
npu_windows_set_lengths (NpuWindows * windows, uint32_t window, uint32_t hop)
{
  uint64_t last_due = windows->due - windows->hop;

  /* longer windows do not reach back to what may be trimmed by now */
  if (!windows->driven)
    windows->start = npu_windows_first_needed (windows);
  windows->window = window < 1 ? 1 : window;
  windows->hop = (uint32_t) earlier (hop < 1 ? 1 : hop, windows->window);
  if (!windows->driven)
    windows->due = last_due + windows->hop;
  else if (!windows->waiting)
    windows->due = driven_due (windows);
}

uint64_t
npu_windows_waiting (const NpuWindows * windows, uint64_t newest)
{
  return newest > windows->due ? newest - windows->due : 0;
}

uint32_t
npu_windows_drop (NpuWindows * windows, uint64_t newest, uint64_t * lost)
{
  uint64_t left_out = npu_windows_waiting (windows, newest) / windows->hop;
  uint64_t first;

  if (lost)
    *lost = 0;
  if (windows->driven) {
    first = newest - earlier (newest, windows->window);
    if (first < later (windows->start, windows->least_start) + windows->hop)
      return 0;
    left_out = later (left_out, 1);
  } else {
    if (left_out == 0)
      return 0;
    windows->due += left_out * windows->hop;
    first = window_first (windows, windows->due);
  }
  if (lost && first > later (windows->covered, windows->least_start))
    *lost = first - later (windows->covered, windows->least_start);
  windows->least_start = first;
  if (windows->driven && !windows->waiting) {
    windows->start = first;
    windows->due = newest;
  }
  return (uint32_t) left_out;
}

uint32_t
npu_windows_skip (NpuWindows * windows, uint64_t end, uint64_t * lost)
{
  uint64_t covered = later (windows->covered, windows->least_start);
  uint64_t left_out = end > covered ? end - covered : 0;

  if (lost)
    *lost = left_out;
  if (windows->driven && windows->waiting)
    windows->least_start = later (windows->least_start, end);
  else
    npu_windows_restart (windows, end);
  return (uint32_t) ((left_out + windows->hop - 1) / windows->hop);
}

uint64_t
npu_windows_first_needed (const NpuWindows * windows)
{
  return later (window_first (windows, windows->due),
      windows->driven ? windows->least_start : 0);
}
